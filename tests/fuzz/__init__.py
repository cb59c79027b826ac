"""Mutated input for every parser of foreign bytes: only the documented errors may come out."""
