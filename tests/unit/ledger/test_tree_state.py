"""The running tree agrees with RFC 6962 at every size, in memory, stored, and between threads."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.base.errors import Damaged
from indelible.ledger.tree_state import LogTree
from indelible.proof.path import inclusion_proof, verify_inclusion
from indelible.proof.tree import tree_hash


def leaf(number: int) -> bytes:
    """Any 32 bytes."""
    return hashlib.sha256(number.to_bytes(8, "big")).digest()


def leaves(count: int) -> bytes:
    """The first `count` of them."""
    return b"".join(leaf(number) for number in range(count))


def absent(_tile: int) -> bytes:
    """No leaf is fetched in these tests."""
    raise AssertionError("fetched")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=8), st.data())
def test_the_root_of_any_size_is_the_definition(parts: list[int], data: st.DataObject) -> None:
    tree = LogTree(absent)
    all_leaves = leaves(sum(parts))
    at = 0
    for part in parts:
        tree.append(all_leaves[at * 32 : (at + part) * 32])
        at += part
    size = data.draw(st.integers(0, at))
    assert tree.root(size) == tree_hash(all_leaves[: size * 32])
    if size:
        index = data.draw(st.integers(0, size - 1))
        proof = inclusion_proof(index, size, tree.subtree)
        verify_inclusion(leaf(index), index, size, proof, tree.root(size))


def test_a_stored_tree_goes_on_where_it_stopped(tmp_path: Path) -> None:
    size = 1_000
    before = LogTree(absent)
    before.append(leaves(size))
    before.store(tmp_path, size)
    after = LogTree(lambda tile: leaves(size)[tile * 8192 : tile * 8192 + 8192])
    after.load(tmp_path, size)
    more = b"".join(leaf(number) for number in range(size, 2_000))
    after.append(more)
    assert after.root(2_000) == tree_hash(leaves(2_000))
    after.drop_below(1_000)
    assert after.root(1_500) == tree_hash(leaves(1_500))


def test_missing_tile_hashes_are_named(tmp_path: Path) -> None:
    tree = LogTree(absent)
    tree.append(leaves(1_024))
    tree.store(tmp_path, 1_024)
    (tmp_path / "1").write_bytes((tmp_path / "1").read_bytes()[:-1])
    with pytest.raises(Damaged, match="tiles/1 holds 3 hashes, 4 are due"):
        LogTree(absent).load(tmp_path, 1_024)


def test_storing_twice_changes_nothing(tmp_path: Path) -> None:
    tree = LogTree(absent)
    tree.append(leaves(70_000))
    tree.store(tmp_path, 70_000)
    content = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    tree.store(tmp_path, 70_000)
    assert content == {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert sorted(content) == ["1", "2"]


def test_a_reader_in_another_thread_sees_no_wrong_root() -> None:
    tree = LogTree(absent)
    expected = {size: tree_hash(leaves(size)) for size in range(64, 6_400, 64)}
    wrong: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            size = tree.size // 64 * 64
            if size in expected and tree.root(size) != expected[size]:
                wrong.append(size)

    thread = threading.Thread(target=read)
    thread.start()
    content = leaves(6_336)
    for at in range(0, 6_336, 64):
        tree.append(content[at * 32 : (at + 64) * 32])
    done.set()
    thread.join()
    assert not wrong


def test_stored_tiles_are_there_after_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what a process wrote that was killed before it could make it durable."""
    synced: list[str] = []
    real = os.fsync

    def spy(handle: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{handle}"))
        real(handle)

    tree = LogTree(absent)
    tree.append(leaves(600))
    (tmp_path / "1").write_bytes(bytes(tree.levels[1]))
    monkeypatch.setattr(os, "fsync", spy)
    tree.store(tmp_path, 600)
    assert synced == [str(tmp_path / "1"), str(tmp_path)]
