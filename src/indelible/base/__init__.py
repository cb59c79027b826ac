"""What every room stands on: errors, clock, randomness, limits, settings, invariants, files."""
