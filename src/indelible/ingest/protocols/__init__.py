"""Wire protocols: one file each, a pure parser and a thin transport."""
