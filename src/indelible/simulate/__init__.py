"""The seeded company that demo, bench and tests share: a hospital group and its audit trail.

Everything here is a function of a seed and a time, so two runs tell the same story. It is the one
room that may use seeded generators.
"""
