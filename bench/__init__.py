"""Measures of `docs/benchmarks.md`: a file a question, with its yardstick in the same run."""
