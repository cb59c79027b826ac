"""The long runs: each a number of seeded steps, any of which can be run again by its number."""
