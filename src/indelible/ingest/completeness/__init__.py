"""Knowing what is missing: counts, gaps, silence, and what was decided not to be kept."""
