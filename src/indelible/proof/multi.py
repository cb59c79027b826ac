"""The multiproof: one proof for many leaves of one tree (spec, section 7).

Both sides walk the tree from the root, left before right. A subtree without a wanted leaf is one
hash of the proof; a subtree of wanted leaves only needs none and is hashed as a whole row.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import pairwise

from indelible.proof.errors import ProofError
from indelible.proof.path import HASH_SIZE, Subtree, node_hash, split_point


def multiproof(indexes: Sequence[int], size: int, get: Subtree) -> list[bytes]:
    """The hashes that lead from the leaves at `indexes` (strictly increasing) to the root.

    `get(lo, hi)` answers MTH(D[lo:hi]). Raises `ProofError` when an index is out of order or not
    in the tree. Dense runs cost nothing: the walk stops at subtrees that are wanted whole.
    """
    _check_indexes(indexes, size)
    proof: list[bytes] = []

    def walk(lo: int, hi: int, first: int, last: int) -> None:
        while last - first != hi - lo:
            if first == last:
                proof.append(get(lo, hi))
                return
            middle = lo + split_point(hi - lo)
            cut = bisect_left(indexes, middle, first, last)
            walk(lo, middle, first, cut)
            lo, first = middle, cut

    walk(0, size, 0, len(indexes))
    return proof


def root_from_multiproof(
    leaves: Mapping[int, bytes] | Sequence[bytes] | bytes,
    indexes: Sequence[int],
    size: int,
    proof: Sequence[bytes],
) -> bytes:
    """The root that the leaves at `indexes` and the proof lead to.

    `leaves` gives the leaf hashes: by index, or in the order of `indexes` one by one or
    concatenated. Raises `ProofError` when a hash is missing, left over or not 32 bytes long. The
    caller compares the root with the checkpoint's.
    """
    _check_indexes(indexes, size)
    row = _leaf_row(leaves, indexes)
    if any(len(h) != HASH_SIZE for h in proof):
        raise ProofError("multiproof: a hash is not 32 bytes long")
    taken = 0

    def walk(lo: int, hi: int, first: int, last: int) -> bytes:
        nonlocal taken
        if last - first == hi - lo:
            return _row_root(row[first * HASH_SIZE : last * HASH_SIZE])
        if first == last:
            if taken == len(proof):
                raise ProofError("multiproof: a hash is missing")
            taken += 1
            return proof[taken - 1]
        middle = lo + split_point(hi - lo)
        cut = bisect_left(indexes, middle, first, last)
        left = walk(lo, middle, first, cut)
        return node_hash(left, walk(middle, hi, cut, last))

    root = walk(0, size, 0, len(indexes))
    if taken != len(proof):
        raise ProofError(f"multiproof: {len(proof) - taken} hashes are left over")
    return root


def _check_indexes(indexes: Sequence[int], size: int) -> None:
    if not indexes:
        raise ProofError("multiproof: no index")
    if indexes[0] < 0 or indexes[-1] >= size:
        raise ProofError(f"multiproof: an index is not in a tree of {size}")
    if isinstance(indexes, range):
        rising = indexes[0] <= indexes[-1]  # a range keeps its direction: no need to walk it
    else:
        rising = all(a < b for a, b in pairwise(indexes))
    if not rising:
        raise ProofError("multiproof: indexes do not increase")


def _leaf_row(
    leaves: Mapping[int, bytes] | Sequence[bytes] | bytes, indexes: Sequence[int]
) -> bytes:
    if isinstance(leaves, (bytes, bytearray, memoryview)):
        row = bytes(leaves)
    else:
        if isinstance(leaves, Mapping):
            missing = next((i for i in indexes if i not in leaves), None)
            if missing is not None:
                raise ProofError(f"multiproof: no leaf for index {missing}")
            leaves = [leaves[i] for i in indexes]
        if any(len(h) != HASH_SIZE for h in leaves):
            raise ProofError("multiproof: a leaf hash is not 32 bytes long")
        row = b"".join(leaves)
    if len(row) != HASH_SIZE * len(indexes):
        raise ProofError("multiproof: the number of leaves is not the number of indexes")
    return row


def _row_root(row: bytes) -> bytes:
    """MTH of a whole row: adjacent pairs are hashed, an odd last hash rises as it is."""
    h = sha256
    while len(row) > HASH_SIZE:
        even = len(row) & ~63
        parents = [h(b"\x01" + row[i : i + 64]).digest() for i in range(0, even, 64)]
        row = b"".join(parents) + row[even:]
    return row
