"""The RFC 6962 Merkle tree: hashes, roots, inclusion, consistency, multiproofs.

Pure functions on bytes. Sizes and indexes are ints below 2^64, hashes are 32 bytes.
Source: RFC 6962 section 2.1; multiproof: spec section 7.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Final

from indelible_verify.errors import Damaged

EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Hash one entry to its leaf."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two children to their parent."""
    return sha256(b"\x01" + left + right).digest()


def split_point(count: int) -> int:
    """Largest power of two below `count`, which is at least 2."""
    return 1 << ((count - 1).bit_length() - 1)


def tree_hash(hashes: Sequence[bytes]) -> bytes:
    """Root over `hashes` taken as the leaves of a tree of their own, level by level.

    An odd last node rises unchanged, which gives the tree of RFC 6962 for every count.
    """
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        joined = b"".join(level)
        even = len(joined) & ~63
        above = [sha256(b"\x01" + joined[at : at + 64]).digest() for at in range(0, even, 64)]
        if len(level) & 1:
            above.append(level[-1])
        level = above
    return level[0]


def fold_right_edge(hashes: Sequence[bytes]) -> bytes:
    """Root of a tree from the roots of its perfect subtrees, largest first."""
    if not hashes:
        return EMPTY_ROOT
    root = hashes[-1]
    for left in reversed(hashes[:-1]):
        root = node_hash(left, root)
    return root


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Tell whether `leaf` stands at `index` of the tree of `size` with `root`."""
    if not 0 <= index < size or any(len(h) != 32 for h in (leaf, root, *proof)):
        return False
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]
) -> bool:
    """Tell whether the tree of `size` begins with the whole tree of `old_size`.

    The proof must be empty when the sizes are equal or the old one is 0 (RFC 6962 section 2.1.2).
    """
    if not 0 <= old_size <= size or any(len(h) != 32 for h in (old_root, root, *proof)):
        return False
    if old_size == size:
        return not proof and old_root == root
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof)
    at, last = old_size - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if at == 0:
        path.insert(0, old_root)
    if not path:
        return False
    old_found = found = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old_found, found = node_hash(sibling, old_found), node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and old_found == old_root and found == root


def increasing(indexes: Sequence[int], size: int) -> bool:
    """Tell whether there are indexes and they strictly increase, all below `size`."""
    steps = all(a < b for a, b in pairwise(indexes))
    return bool(indexes) and steps and indexes[0] >= 0 and indexes[-1] < size


class MultiproofWalk:
    """Root of a tree of `size` from leaves at `indexes` and a multiproof (spec section 7).

    `nodes` keeps every subtree met, by its
    range, when `keep` is set, so that older roots can be derived from the same evidence.
    """

    def __init__(
        self,
        indexes: Sequence[int],
        leaves: Sequence[bytes],
        proof: Sequence[bytes],
        *,
        keep: bool = False,
    ) -> None:
        self._indexes = indexes
        self._leaves = leaves
        self._proof = proof
        self._used = 0
        self.nodes: dict[tuple[int, int], bytes] | None = {} if keep else None

    def root(self, size: int) -> bytes:
        """Walk the whole tree; raises Damaged for a proof too short or too long, or bad indexes."""
        if not increasing(self._indexes, size):
            raise Damaged("the indexes do not strictly increase below the size")
        found = self._walk(0, size, 0, len(self._indexes))
        if self._used != len(self._proof):
            left = len(self._proof) - self._used
            raise Damaged(f"the multiproof holds {left} hashes more than the tree asks for")
        return found

    def _walk(self, low: int, high: int, first: int, last: int) -> bytes:
        if first == last:
            if self._used >= len(self._proof):
                raise Damaged("the multiproof is too short")
            found = self._proof[self._used]
            self._used += 1
        elif high - low == 1:
            found = self._leaves[first]
        else:
            middle = low + split_point(high - low)
            cut = bisect_left(self._indexes, middle, first, last)
            left = self._walk(low, middle, first, cut)
            found = node_hash(left, self._walk(middle, high, cut, last))
        if self.nodes is not None:
            self.nodes[low, high] = found
        return found

    def older_root(self, size: int) -> bytes | None:
        """Root of the first `size` entries if the nodes met determine it."""
        return EMPTY_ROOT if size == 0 else self._older(0, size)

    def _older(self, low: int, high: int) -> bytes | None:
        known = (self.nodes or {}).get((low, high))
        if known is not None or high - low == 1:
            return known
        middle = low + split_point(high - low)
        left = self._older(low, middle)
        right = self._older(middle, high) if left is not None else None
        return None if left is None or right is None else node_hash(left, right)
