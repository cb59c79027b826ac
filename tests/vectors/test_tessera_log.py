"""Sixteen checkpoints of a small log written and signed by Tessera, re-derived from its entries.

Read from `../shared/data` beside the project. The log key is the public test key that Tessera
prints in its own documentation.
"""

from __future__ import annotations

import tarfile
from functools import cache
from pathlib import Path

import pytest

from indelible.proof import note, tile, tree
from indelible.proof.checkpoint import Checkpoint
from indelible.proof.errors import NoteError

ARCHIVE = Path(__file__).parents[3] / "shared/data/merkle-vectors/tessera-testdata.tar.gz"
KEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"

pytestmark = pytest.mark.skipif(
    not ARCHIVE.exists(), reason="the Tessera test log in ../shared/data is not here"
)


@cache
def files() -> dict[str, bytes]:
    found = {}
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if file is not None:
                found[member.name.removeprefix("testdata/log/")] = file.read()
    return found


def entries(size: int) -> list[bytes]:
    return tile.bundle_decode(files()[tile.entries_path(0, size)]) if size else []


def test_the_log_has_sixteen_checkpoints() -> None:
    names = {n for n in files() if n.startswith("checkpoint.")}
    assert names == {f"checkpoint.{i}" for i in range(16)}


@pytest.mark.parametrize("size", range(16))
def test_signature_root_tiles_and_bundles_are_re_derived(size: int) -> None:
    data = files()[f"checkpoint.{size}"]
    key = note.VerifierKey.parse(KEY)
    assert [found.valid for found in note.check(data, [key])] == [True]
    head = Checkpoint.parse(note.parse(data).text)
    assert (head.origin, head.size) == (key.name, size)
    leaves = [tree.leaf_hash(entry) for entry in entries(size)]
    assert tree.tree_hash(leaves) == head.root
    assert note.serialise(note.parse(data)) == data
    for level, n, width in tile.tiles_for(size):
        assert files()[tile.tile_path(level, n, width)] == b"".join(leaves)
        assert tile.bundle_encode(entries(size)) == files()[tile.entries_path(n, width)]
    spoiled = data.replace(b"\n%d\n" % size, b"\n%d\n" % (size + 1), 1)
    with pytest.raises(NoteError):
        note.check(spoiled, [key])


@pytest.mark.parametrize("size", range(1, 16))
def test_each_checkpoint_extends_the_earlier_ones_and_includes_every_entry(size: int) -> None:
    reader = tile.TileReader(lambda level, n, w: files()[tile.tile_path(level, n, w)], size)
    root = Checkpoint.parse(note.parse(files()[f"checkpoint.{size}"]).text).root
    assert reader.root() == root
    for old in range(1, size + 1):
        before = Checkpoint.parse(note.parse(files()[f"checkpoint.{old}"]).text).root
        proof = tree.consistency_proof(old, size, reader.subtree)
        tree.verify_consistency(old, before, size, root, proof)
    for index, entry in enumerate(entries(size)):
        proof = tree.inclusion_proof(index, size, reader.subtree)
        tree.verify_inclusion(tree.leaf_hash(entry), index, size, proof, root)
