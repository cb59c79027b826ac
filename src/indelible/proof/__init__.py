"""Transparency-log arithmetic that needs no trust: pure functions on bytes.

`spec/log.md` is the text these modules follow; `spec/vectors` holds what any other implementation
has to agree with. Nothing here reads a file, a clock or a random source.
"""
