"""Makes the test vectors; see `generate_vectors.py`."""
