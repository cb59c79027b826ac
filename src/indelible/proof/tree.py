"""The Merkle tree of RFC 6962 with SHA-256: roots and compact ranges.

A tree of n leaves splits at the largest power of two below n. A *compact range* is the list of
roots of the complete subtrees a tree consists of, largest first: at most 64 hashes from which the
root follows and to which leaves can be appended without anything else.
Proofs over the tree are in `proof.path` and `proof.multi`, re-exported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from typing import Final

from indelible.base.limits import LEAVES_AT_ONCE
from indelible.proof.errors import ProofError
from indelible.proof.multi import multiproof, root_from_multiproof
from indelible.proof.path import (
    HASH_SIZE,
    Subtree,
    consistency_proof,
    inclusion_proof,
    node_hash,
    split_point,
    verify_consistency,
    verify_inclusion,
)

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "CompactRange",
    "Subtree",
    "consistency_proof",
    "inclusion_proof",
    "leaf_hash",
    "multiproof",
    "node_hash",
    "root_from_multiproof",
    "split_point",
    "tree_hash",
    "verify_consistency",
    "verify_inclusion",
]

EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """H(0x00 || entry): the leaf of an entry (RFC 6962, section 2.1)."""
    return sha256(b"\x00" + entry).digest()


def tree_hash(leaves: bytes | Iterable[bytes]) -> bytes:
    """MTH of leaves taken as a tree of their own, given as hashes or as their concatenation."""
    tree = CompactRange()
    tree.append_many(leaves)
    return tree.root()


class CompactRange:
    """The right edge of a growing tree.

    Invariant: `hashes` has one entry for each bit set in `size`, largest subtree first.
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._hashes: list[bytes] = []

    @classmethod
    def restore(cls, size: int, hashes: Sequence[bytes]) -> CompactRange:
        """The range of `size` leaves from its hashes, left to right.

        Raises `ProofError` when their number does not fit the size or one is not 32 bytes long.
        """
        if size < 0 or len(hashes) != size.bit_count():
            raise ProofError(f"compact range: {len(hashes)} hashes do not fit size {size}")
        if any(len(h) != HASH_SIZE for h in hashes):
            raise ProofError("compact range: a hash is not 32 bytes long")
        tree = cls()
        tree._size = size
        tree._hashes = [bytes(h) for h in hashes]
        return tree

    @property
    def size(self) -> int:
        """How many leaves the range covers."""
        return self._size

    @property
    def hashes(self) -> list[bytes]:
        """A copy of the subtree roots, left to right."""
        return list(self._hashes)

    def copy(self) -> CompactRange:
        """An independent range with the same leaves."""
        return CompactRange.restore(self._size, self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash at the right; raises `ProofError` unless it is 32 bytes long."""
        if len(leaf) != HASH_SIZE:
            raise ProofError("leaf hash: expected 32 bytes")
        size, hashes = self._size, self._hashes
        while size & 1:
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)
        self._size += 1

    def append_many(self, leaves: bytes | Iterable[bytes]) -> None:
        """Add many leaf hashes, given one by one or concatenated (32 bytes each).

        Works level by level over whole rows: more than a million leaves a second. Raises
        `ProofError` when one is not 32 bytes long; of one byte string then nothing is added.
        """
        if isinstance(leaves, (bytes, bytearray, memoryview)):
            self._append_row(bytes(leaves))
            return
        for row in _rows(leaves):
            self._append_row(row)

    def _append_row(self, row: bytes) -> None:
        if len(row) % HASH_SIZE:
            raise ProofError("leaf hashes: length is not a multiple of 32")
        count = len(row) // HASH_SIZE
        bits, hashes, low = self._size, self._hashes, []
        while row:
            if bits & 1:
                row = hashes.pop() + row
            if len(row) & HASH_SIZE:
                low.append(row[-HASH_SIZE:])
                row = row[:-HASH_SIZE]
            row = _parents(row)
            bits >>= 1
        hashes.extend(reversed(low))
        self._size += count

    def root(self) -> bytes:
        """The root of the tree: MTH(D[0:size])."""
        if not self._hashes:
            return EMPTY_ROOT
        root = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            root = node_hash(left, root)
        return root


def _rows(leaves: Iterable[bytes]) -> Iterator[bytes]:
    source = iter(leaves)
    while chunk := list(islice(source, LEAVES_AT_ONCE)):
        row = b"".join(chunk)
        if len(row) != len(chunk) * HASH_SIZE or any(len(h) != HASH_SIZE for h in chunk):
            raise ProofError("leaf hashes: one is not 32 bytes long")
        yield row


def _parents(row: bytes) -> bytes:
    h = sha256
    return b"".join([h(b"\x01" + row[i : i + 64]).digest() for i in range(0, len(row), 64)])
