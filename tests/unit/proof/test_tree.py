"""The tree at its edges and at size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

import pytest

from indelible.proof import tree
from indelible.proof.errors import ProofError
from indelible.proof.tile import TileReader, bundle_decode, bundle_encode, tiles_for

BIG = 150_000
LEAVES = b"".join(sha256(i.to_bytes(4, "big")).digest() for i in range(BIG))


def refuse(lo: int, hi: int) -> bytes:
    raise AssertionError(f"asked for {lo}..{hi}")


def test_empty_tree_has_the_hash_of_nothing() -> None:
    assert tree.CompactRange().root() == tree.EMPTY_ROOT == sha256(b"").digest()
    assert tree.tree_hash(b"") == tree.EMPTY_ROOT


def test_leaf_and_node_hashes_are_told_apart_by_their_prefix() -> None:
    left, right = bytes(32), b"\x01" * 32
    assert tree.leaf_hash(b"x") == sha256(b"\x00x").digest()
    assert tree.node_hash(left, right) == sha256(b"\x01" + left + right).digest()
    assert tree.leaf_hash(left + right) != tree.node_hash(left, right)


@pytest.mark.parametrize(
    ("size", "hashes"),
    [(0, [bytes(32)]), (3, [bytes(32)]), (2, [bytes(31)]), (-1, []), (1, [])],
)
def test_a_compact_range_is_restored_only_from_fitting_hashes(
    size: int, hashes: list[bytes]
) -> None:
    with pytest.raises(ProofError):
        tree.CompactRange.restore(size, hashes)


def test_a_leaf_of_another_length_is_refused_and_changes_nothing() -> None:
    found = tree.CompactRange()
    found.append_many(LEAVES[: 32 * 7])
    before = found.root()
    for add in (
        lambda: found.append(bytes(31)),
        lambda: found.append_many(bytes(33)),
        lambda: found.append_many([bytes(31), bytes(33)]),
    ):
        with pytest.raises(ProofError):
            add()
    assert (found.size, found.root()) == (7, before)


def test_a_copy_of_a_range_grows_alone() -> None:
    one = tree.CompactRange()
    one.append_many(LEAVES[: 32 * 5])
    two = one.copy()
    two.append(bytes(32))
    assert (one.size, two.size) == (5, 6)
    assert one.root() == tree.tree_hash(LEAVES[: 32 * 5])


def test_hashes_given_out_are_not_the_ranges_own() -> None:
    one = tree.CompactRange()
    one.append_many(LEAVES[: 32 * 5])
    one.hashes.clear()
    assert one.root() == tree.tree_hash(LEAVES[: 32 * 5])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 4), (4, 4)])
def test_an_index_outside_the_tree_has_no_inclusion_proof(index: int, size: int) -> None:
    with pytest.raises(ProofError):
        tree.inclusion_proof(index, size, refuse)
    with pytest.raises(ProofError):
        tree.verify_inclusion(bytes(32), index, size, [], bytes(32))


def test_a_path_that_fits_an_index_outside_the_tree_proves_nothing() -> None:
    leaf, sibling = bytes(32), b"\x01" * 32
    with pytest.raises(ProofError, match="not in a tree of 1"):
        tree.verify_inclusion(leaf, 1, 1, [sibling], tree.node_hash(sibling, leaf))


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 5), (6, 5), (-1, 5)])
def test_sizes_that_prove_nothing_have_no_consistency_proof(old: int, new: int) -> None:
    with pytest.raises(ProofError):
        tree.consistency_proof(old, new, refuse)
    with pytest.raises(ProofError):
        tree.verify_consistency(old, bytes(32), new, bytes(32), [])


def test_two_roots_of_one_size_are_not_consistent() -> None:
    tree.verify_consistency(9, bytes(32), 9, bytes(32), [])
    with pytest.raises(ProofError, match="two roots"):
        tree.verify_consistency(9, bytes(32), 9, b"\x01" * 32, [])


@pytest.mark.parametrize(
    "check",
    [
        lambda h: tree.verify_inclusion(h, 0, 1, [], h),
        lambda h: tree.verify_inclusion(bytes(32), 0, 2, [h], bytes(32)),
        lambda h: tree.verify_consistency(2, h, 2, h, []),
        lambda h: tree.root_from_multiproof([h], [0], 1, []),
        lambda h: tree.root_from_multiproof([bytes(32)], [0], 2, [h]),
    ],
)
def test_lengths_are_checked_before_a_hash_is_computed(check: Callable[[bytes], object]) -> None:
    with pytest.raises(ProofError, match="32 bytes"):
        check(bytes(31))


@pytest.mark.parametrize(
    "indexes",
    [[], [1, 0], [1, 1], [5], [-1, 2], range(0), range(3, 6), range(-1, 2), range(4, 0, -1)],
)
def test_a_multiproof_needs_increasing_indexes_in_the_tree(indexes: Sequence[int]) -> None:
    with pytest.raises(ProofError):
        tree.multiproof(indexes, 5, refuse)
    with pytest.raises(ProofError):
        tree.root_from_multiproof([bytes(32)] * len(indexes), indexes, 5, [])


@pytest.mark.parametrize("indexes", [range(2, 3), range(1, 5, 2), range(5)])
def test_a_range_of_indexes_is_taken_as_it_is(indexes: range) -> None:
    leaves = [LEAVES[32 * i : 32 * i + 32] for i in range(5)]

    def get(lo: int, hi: int) -> bytes:
        return tree.tree_hash(leaves[lo:hi])

    proof = tree.multiproof(indexes, 5, get)
    assert proof == tree.multiproof(list(indexes), 5, get)
    wanted = [leaves[i] for i in indexes]
    assert tree.root_from_multiproof(wanted, indexes, 5, proof) == tree.tree_hash(leaves)
    with pytest.raises(ProofError, match=r": 2 hashes are left over"):
        tree.root_from_multiproof(wanted, indexes, 5, [*proof, bytes(32), bytes(32)])


def test_a_multiproof_names_the_leaf_it_misses() -> None:
    with pytest.raises(ProofError, match="index 3"):
        tree.root_from_multiproof({1: bytes(32)}, [1, 3], 4, [])
    with pytest.raises(ProofError, match="number of leaves"):
        tree.root_from_multiproof([bytes(32)], [1, 3], 4, [])


def reader() -> tuple[TileReader, bytes]:
    tiles: dict[tuple[int, int], bytes] = {}
    row = LEAVES
    for level, n, width in tiles_for(BIG):
        if level and (level, n) not in tiles and n == 0:
            below = [tiles[level - 1, i] for i in range(len(row) // 8192)]
            row = b"".join(tree.tree_hash(t) for t in below if len(t) == 8192)
        tiles[level, n] = row[n * 8192 : n * 8192 + width * 32]
    return TileReader(lambda level, n, width: tiles[level, n], BIG), tree.tree_hash(LEAVES)


def test_a_range_of_100000_events_needs_few_hashes_and_proves() -> None:
    tiles, root = reader()
    assert tiles.root() == root
    wanted = range(20_001, 120_002)
    proof = tree.multiproof(wanted, BIG, tiles.subtree)
    assert len(proof) < 40
    row = LEAVES[32 * wanted.start : 32 * wanted.stop]
    assert tree.root_from_multiproof(row, wanted, BIG, proof) == root
    spoiled = row[:-1] + bytes([row[-1] ^ 1])
    assert tree.root_from_multiproof(spoiled, wanted, BIG, proof) != root


def test_scattered_events_prove_out_of_tiles() -> None:
    tiles, root = reader()
    wanted = list(range(0, BIG, 37))
    proof = tree.multiproof(wanted, BIG, tiles.subtree)
    leaves = {i: LEAVES[32 * i : 32 * i + 32] for i in wanted}
    assert tree.root_from_multiproof(leaves, wanted, BIG, proof) == root


@pytest.mark.parametrize(("lo", "hi"), [(0, 0), (5, 5), (1, 3), (3, 2), (4, 11), (-4, 0)])
def test_a_reader_refuses_what_is_no_subtree(lo: int, hi: int) -> None:
    with pytest.raises(ProofError):
        TileReader(lambda level, n, width: LEAVES[: 32 * width], 10).subtree(lo, hi)


def test_a_reader_refuses_a_short_or_ragged_tile_and_takes_a_fuller_one() -> None:
    for given in (LEAVES[: 32 * 9], LEAVES[: 32 * 10 + 1]):
        with pytest.raises(ProofError, match=r"tile/0/000\.p/10"):
            TileReader(lambda level, n, width, t=given: t, 10).root()  # type: ignore[misc]
    fuller = TileReader(lambda level, n, width: LEAVES[: 32 * 200], 10)
    assert fuller.root() == tree.tree_hash(LEAVES[:320])


@pytest.mark.parametrize("data", [b"\x00", b"\x00\x02a", b"\x00\x01ab", bytes(2 * 257)])
def test_a_bundle_that_does_not_add_up_is_refused(data: bytes) -> None:
    with pytest.raises(ProofError):
        bundle_decode(data)


def test_a_bundle_holds_at_most_256_entries_of_64_kib() -> None:
    with pytest.raises(ProofError):
        bundle_encode([b""] * 257)
    with pytest.raises(ProofError):
        bundle_encode([bytes(65_536)])
    assert bundle_decode(bundle_encode([bytes(65_535)])) == [bytes(65_535)]
