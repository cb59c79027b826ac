"""Every bound on hostile input, with its reason."""

from __future__ import annotations

from typing import Final

BODY_BYTES: Final = 1_048_576
"""Longest body, spec section 1."""

NOTE_BYTES: Final = 262_144
"""Longest signed note: 64 ML-DSA-44 lines are about 210 KB."""

NOTE_SIGNATURES: Final = 64
"""Signature lines in a note; C2SP signed-note asks for at least 16."""

KEY_FILE_BYTES: Final = 8_192
"""A verifier key of ML-DSA-44 is about 2 KB."""

VERIFICATION_POLICY_BYTES: Final = 1_048_576
"""A verification policy with some hundred witness keys."""

ARCHIVE_BYTES: Final = 4 << 30
"""Longest bundle archive: beyond it ZIP64 begins."""

ARCHIVE_DIRECTORY_BYTES: Final = 65_536
"""Longest directory of an archive: a bundle has seven members."""

BUNDLE_INDEXES: Final = 1_048_576
"""Entries in one bundle; the text report holds a row for each."""

DESCRIPTION_BYTES: Final = 32 << 20
"""Longest `bundle.json`: 1,048,576 indexes of 20 digits."""

PROOF_HASHES: Final = 64 * BUNDLE_INDEXES
"""Hashes in a multiproof: one a level of the tree for each index at the most."""

PROBLEMS: Final = 1_000
"""Problems reported before a check gives up."""

TREE_SIZE: Final = (1 << 64) - 1
"""Tree sizes are u64."""

CELL: Final = 256
"""Characters kept of a value for the report's table."""

COMBINATIONS: Final = 1_024
"""Combinations of surviving hashes tried to authenticate one damaged tile."""
