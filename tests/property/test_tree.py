"""The tree and its proofs against the recursive definitions of RFC 6962, written out plainly."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.proof import tile, tree
from indelible.proof.errors import ProofError

SIZES = st.integers(min_value=1, max_value=70)
LEAVES = [tree.leaf_hash(bytes([i % 256, i // 256])) for i in range(800)]


def split(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def mth(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, on leaf hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def subproof(m: int, leaves: list[bytes], known: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if m == len(leaves):
        return [] if known else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], known), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), mth(leaves[:k])]


def walk(wanted: set[int], lo: int, hi: int) -> list[bytes]:
    """The multiproof of spec section 7, as it is written there."""
    if not wanted & set(range(lo, hi)):
        return [mth(LEAVES[lo:hi])]
    if hi - lo == 1:
        return []
    k = split(hi - lo)
    return walk(wanted, lo, lo + k) + walk(wanted, lo + k, hi)


def get(lo: int, hi: int) -> bytes:
    return mth(LEAVES[lo:hi])


@given(st.lists(st.integers(min_value=0, max_value=90), max_size=6))
def test_compact_range_has_the_recursive_root_however_it_is_fed(pieces: list[int]) -> None:
    in_rows, one_by_one = tree.CompactRange(), tree.CompactRange()
    for i, count in enumerate(pieces):
        chunk = LEAVES[in_rows.size : in_rows.size + count]
        in_rows.append_many(b"".join(chunk) if i % 2 else iter(chunk))
        for leaf in chunk:
            one_by_one.append(leaf)
    size = sum(pieces)
    assert in_rows.size == one_by_one.size == size
    assert in_rows.root() == one_by_one.root() == mth(LEAVES[:size])
    again = tree.CompactRange.restore(size, in_rows.hashes)
    again.append(LEAVES[size])
    assert again.root() == mth(LEAVES[: size + 1])


@given(SIZES.flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_inclusion_proof_is_the_recursive_path_and_verifies(case: tuple[int, int]) -> None:
    index, size = case
    proof = tree.inclusion_proof(index, size, get)
    assert proof == path(index, LEAVES[:size])
    tree.verify_inclusion(LEAVES[index], index, size, proof, get(0, size))


@given(SIZES.flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))))
def test_consistency_proof_is_the_recursive_subproof_and_verifies(case: tuple[int, int]) -> None:
    old, new = case
    proof = tree.consistency_proof(old, new, get)
    assert proof == subproof(old, LEAVES[:new], True)
    tree.verify_consistency(old, get(0, old), new, get(0, new), proof)


@given(
    SIZES.flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))),
    st.integers(0, 10**6),
    st.sampled_from(["flip", "drop", "extra", "index", "size", "leaf", "root", "swap"]),
)
def test_a_changed_inclusion_proof_never_verifies(case: tuple[int, int], at: int, how: str) -> None:
    index, size = case
    proof = tree.inclusion_proof(index, size, get)
    leaf, root = LEAVES[index], get(0, size)
    if how in ("flip", "drop") and proof:
        at %= len(proof)
        changed = bytes([proof[at][0] ^ 1]) + proof[at][1:]
        proof = [*proof[:at], *([changed] if how == "flip" else []), *proof[at + 1 :]]
    elif how == "swap" and len(proof) > 1:
        proof[0], proof[1] = proof[1], proof[0]
    elif how == "extra":
        proof = [*proof, bytes(32)]
    elif how == "index" and size > 1:
        index = (index + 1 + at % (size - 1)) % size
    elif how == "size":
        # another size can share the path's shape: then only the root tells, so change both
        size, root = size + 1, get(0, size + 1)
        if tree.inclusion_proof(index, size, get) == proof:
            root = bytes(32)
    elif how == "leaf":
        leaf = bytes(32)
    else:
        root = bytes(32)
    with pytest.raises(ProofError):
        tree.verify_inclusion(leaf, index, size, proof, root)


@given(
    SIZES.flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))),
    st.integers(0, 10**6),
    st.sampled_from(["flip", "drop", "extra", "old_root", "new_root"]),
)
def test_a_changed_consistency_proof_never_verifies(
    case: tuple[int, int], at: int, how: str
) -> None:
    old, new = case
    proof = tree.consistency_proof(old, new, get)
    old_root, new_root = get(0, old), get(0, new)
    if how in ("flip", "drop") and proof:
        at %= len(proof)
        changed = bytes([proof[at][0] ^ 1]) + proof[at][1:]
        proof = [*proof[:at], *([changed] if how == "flip" else []), *proof[at + 1 :]]
    elif how == "old_root":
        old_root = bytes(32)
    elif how == "new_root":
        new_root = bytes(32)
    else:
        proof = [*proof, bytes(32)]
    with pytest.raises(ProofError):
        tree.verify_consistency(old, old_root, new, new_root, proof)


INDEX_SETS = SIZES.flatmap(
    lambda n: st.tuples(st.sets(st.integers(0, n - 1), min_size=1), st.just(n))
)


@given(INDEX_SETS)
def test_multiproof_is_the_walk_of_the_spec_and_leads_to_the_root(
    case: tuple[set[int], int],
) -> None:
    wanted, size = sorted(case[0]), case[1]
    proof = tree.multiproof(wanted, size, get)
    assert proof == walk(case[0], 0, size)
    leaves = [LEAVES[i] for i in wanted]
    root = get(0, size)
    assert tree.root_from_multiproof(leaves, wanted, size, proof) == root
    assert tree.root_from_multiproof(b"".join(leaves), wanted, size, proof) == root
    by_index = {i: LEAVES[i] for i in wanted}
    assert tree.root_from_multiproof(by_index, wanted, size, proof) == root


@given(INDEX_SETS, st.integers(0, 10**6))
def test_a_multiproof_with_a_hash_too_many_or_too_few_is_refused(
    case: tuple[set[int], int], at: int
) -> None:
    wanted, size = sorted(case[0]), case[1]
    proof = tree.multiproof(wanted, size, get)
    leaves = [LEAVES[i] for i in wanted]
    at %= len(proof) + 1
    longer = [*proof[:at], bytes(32), *proof[at:]]
    with pytest.raises(ProofError):
        tree.root_from_multiproof(leaves, wanted, size, longer)
    if proof:
        with pytest.raises(ProofError):
            tree.root_from_multiproof(leaves, wanted, size, proof[:-1])


@settings(max_examples=40)
@given(st.integers(1, 800), st.data())
def test_tiles_give_every_subtree_that_a_proof_asks_for(size: int, data: st.DataObject) -> None:
    def read(level: int, n: int, width: int) -> bytes:
        step = 256**level
        first = n * 256
        return b"".join(mth(LEAVES[i * step : (i + 1) * step]) for i in range(first, first + width))

    reader = tile.TileReader(read, size)
    at_size = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, at_size - 1))
    root = mth(LEAVES[:at_size])
    assert reader.root(at_size) == root
    proof = tree.inclusion_proof(index, at_size, reader.subtree)
    tree.verify_inclusion(LEAVES[index], index, at_size, proof, root)
    proof = tree.consistency_proof(at_size, size, reader.subtree)
    tree.verify_consistency(at_size, root, size, reader.root(), proof)


@given(st.integers(0, 10**9))
def test_published_tiles_are_those_of_the_size_formula(size: int) -> None:
    size %= 200_000
    found = list(tile.tiles_for(size))
    assert len(found) == len(set(found))
    levels = {level for level, _, _ in found}
    for level in range(4):
        widths = [width for at, _, width in found if at == level]
        assert sum(widths) == size >> (8 * level)
        assert all(w == 256 for w in widths[:-1])
        assert (level in levels) == bool(widths)


@given(st.integers(0, 2**64 - 1), st.integers(1, 256), st.integers(-1, 63))
def test_a_tile_path_reads_back_as_what_it_names(n: int, width: int, level: int) -> None:
    if level < 0:
        assert tile.parse_path(tile.entries_path(n, width)) == ("entries", n, width)
    else:
        assert tile.parse_path(tile.tile_path(level, n, width)) == (level, n, width)


@given(st.text(max_size=40))
def test_any_text_that_parses_as_a_tile_path_is_canonical(text: str) -> None:
    try:
        level, n, width = tile.parse_path("tile/" + text)
    except ProofError:
        return
    again = tile.entries_path(n, width) if level == "entries" else tile.tile_path(level, n, width)
    assert again == "tile/" + text


@given(st.lists(st.binary(max_size=100), max_size=256))
def test_a_bundle_decodes_to_its_entries(entries: list[bytes]) -> None:
    assert tile.bundle_decode(tile.bundle_encode(entries)) == entries
