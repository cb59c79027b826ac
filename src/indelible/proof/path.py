"""Inclusion and consistency proofs (RFC 6962, section 2.1.1 and 2.1.2; RFC 9162, section 2.1).

Making a proof means naming subtrees: `get(lo, hi)` answers MTH(D[lo:hi]) for each. Verifying
checks sizes and lengths before a single hash is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final, TypeAlias

from indelible.proof.errors import ProofError

HASH_SIZE: Final = 32
Subtree: TypeAlias = Callable[[int, int], bytes]


def node_hash(left: bytes, right: bytes) -> bytes:
    """H(0x01 || left || right): the inner node of RFC 6962, section 2.1."""
    return sha256(b"\x01" + left + right).digest()


def split_point(count: int) -> int:
    """The largest power of two below `count`, for `count` of 2 and more."""
    return 1 << ((count - 1).bit_length() - 1)


def inclusion_proof(index: int, size: int, get: Subtree) -> list[bytes]:
    """PATH(index, D[size]): the siblings from the leaf's up to the root's child.

    Raises `ProofError` unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ProofError(f"index {index} is not in a tree of {size}")
    lo, hi = 0, size
    siblings: list[tuple[int, int]] = []
    while hi - lo > 1:
        middle = lo + split_point(hi - lo)
        if index < middle:
            siblings.append((middle, hi))
            hi = middle
        else:
            siblings.append((lo, middle))
            lo = middle
    return [get(left, right) for left, right in reversed(siblings)]


def consistency_proof(old: int, new: int, get: Subtree) -> list[bytes]:
    """PROOF(old, D[new]); empty when the sizes are equal.

    Raises `ProofError` unless 1 <= old <= new: every tree extends the empty one, so a proof of
    that would prove nothing.
    """
    if not 1 <= old <= new:
        raise ProofError(f"no consistency proof from size {old} to {new}")
    lo, hi = 0, new
    parts: list[tuple[int, int]] = []
    while hi != old:
        middle = lo + split_point(hi - lo)
        if old <= middle:
            parts.append((middle, hi))
            hi = middle
        else:
            parts.append((lo, middle))
            lo = middle
    if lo:
        parts.append((lo, hi))
    return [get(left, right) for left, right in reversed(parts)]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Return when the proof shows `leaf` at `index` of the tree; else raise `ProofError`."""
    if not 0 <= index < size:
        raise ProofError(f"index {index} is not in a tree of {size}")
    inner = (index ^ (size - 1)).bit_length()
    expected = inner + (index >> inner).bit_count()
    _check_hashes([leaf, root], "leaf or root")
    _check_length(proof, expected)
    found = _chain_border(_chain_inner(leaf, proof[:inner], index), proof[inner:])
    if found != root:
        raise ProofError("inclusion proof: it leads to another root")


def verify_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Return when the tree of `new` leaves extends the one of `old`; else raise `ProofError`.

    Sizes below 1 are refused (see `consistency_proof`).
    """
    if not 1 <= old <= new:
        raise ProofError(f"no consistency proof from size {old} to {new}")
    _check_hashes([old_root, new_root], "root")
    if old == new:
        _check_length(proof, 0)
        if old_root != new_root:
            raise ProofError("consistency proof: two roots for one size")
        return
    shift = (old & -old).bit_length() - 1  # levels on which the old tree's edge is complete
    inner = ((old - 1) ^ (new - 1)).bit_length() - shift
    border = ((old - 1) >> (inner + shift)).bit_count()
    starts_whole = old == 1 << shift  # the old tree is one subtree: its root is known already
    _check_length(proof, inner + border + (0 if starts_whole else 1))
    seed = old_root if starts_whole else proof[0]
    rest = proof if starts_whole else proof[1:]
    mask = (old - 1) >> shift
    left = _chain_border(_chain_inner_right(seed, rest[:inner], mask), rest[inner:])
    if left != old_root:
        raise ProofError("consistency proof: it leads to another old root")
    right = _chain_border(_chain_inner(seed, rest[:inner], mask), rest[inner:])
    if right != new_root:
        raise ProofError("consistency proof: it leads to another new root")


def _chain_inner(seed: bytes, proof: Sequence[bytes], index: int) -> bytes:
    for level, sibling in enumerate(proof):
        if index >> level & 1:
            seed = node_hash(sibling, seed)
        else:
            seed = node_hash(seed, sibling)
    return seed


def _chain_inner_right(seed: bytes, proof: Sequence[bytes], index: int) -> bytes:
    for level, sibling in enumerate(proof):
        if index >> level & 1:
            seed = node_hash(sibling, seed)
    return seed


def _chain_border(seed: bytes, proof: Sequence[bytes]) -> bytes:
    for sibling in proof:
        seed = node_hash(sibling, seed)
    return seed


def _check_length(proof: Sequence[bytes], expected: int) -> None:
    if len(proof) != expected:
        raise ProofError(f"proof: expected {expected} hashes, found {len(proof)}")
    _check_hashes(proof, "proof")


def _check_hashes(hashes: Sequence[bytes], what: str) -> None:
    if any(len(h) != HASH_SIZE for h in hashes):
        raise ProofError(f"{what}: a hash is not 32 bytes long")
