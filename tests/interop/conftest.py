"""A small log exported as static files, for verifiers that other people wrote."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from indelible.proof import checkpoint, keys, receipt, tile, tree
from indelible.proof import commitment as c

ORIGIN = "log.example/interop"
SIZE = 70_000  # levels 0, 1 and 2, the last tile of each partial
OLDER = 1_234
PROVEN = 54_321


@dataclass(frozen=True)
class Exported:
    """A folder in tlog-tiles layout, its keys, and what else a verifier may be given."""

    folder: Path
    vkeys: list[str]
    old: Path
    proof: Path
    leaves: bytes
    head: checkpoint.Checkpoint

    def copy_to(self, folder: Path) -> Path:
        """A copy to damage."""
        shutil.copytree(self.folder, folder)
        return folder


def _entries() -> bytes:
    digest = c.commitment(bytes(32), b"{}")
    pack = c.entry_packer()
    return b"".join(pack(1, 1, 0, 7, i, 1_772_352_000_000_000 + i, 0, digest) for i in range(SIZE))


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    base = tmp_path_factory.mktemp("export")
    ed, pq = keys.Ed25519Signer(ORIGIN, bytes(32)), keys.MLDSA44Signer(ORIGIN, bytes(32))
    witness = keys.Ed25519Cosigner("witness.example/w1", b"\x01" * 32)
    entries = _entries()
    leaves = c.leaves_of(entries)

    def write(path: str, data: bytes) -> Path:
        target = base / "log" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return target

    row = leaves
    read: dict[tuple[int, int], bytes] = {}
    level_now = 0
    for level, n, width in tile.tiles_for(SIZE):
        if level > level_now:
            row = b"".join(
                tree.tree_hash(row[i : i + 8192]) for i in range(0, len(row) - 8191, 8192)
            )
            level_now = level
        read[level, n] = row[8192 * n : 8192 * n + 32 * width]
        write(tile.tile_path(level, n, width), read[level, n])
        if level == 0:
            first = 60 * 256 * n
            held = [entries[i : i + 60] for i in range(first, first + 60 * width, 60)]
            write(tile.entries_path(n, width), tile.bundle_encode(held))

    def signed(size: int, time: int) -> tuple[checkpoint.Checkpoint, bytes]:
        head = checkpoint.Checkpoint(ORIGIN, size, tree.tree_hash(leaves[: 32 * size]))
        line = witness.cosign(head.format(), time + 1).encode()
        return head, checkpoint.sign(head, ed, pq, time) + line

    head, note = signed(SIZE, 1_800_000_000)
    write("checkpoint", note)
    old = base / "old"
    old.write_bytes(signed(OLDER, 1_700_000_000)[1])
    reader = tile.TileReader(lambda level, n, width: read[level, n], SIZE)
    path = tree.inclusion_proof(PROVEN, SIZE, reader.subtree)
    proof = base / "one.tlog-proof"
    entry = entries[60 * PROVEN : 60 * PROVEN + 60]
    proof.write_bytes(receipt.encode(PROVEN, entry, bytes(32), path, note))
    vkeys = [ed.vkey, pq.vkey, witness.vkey]
    return Exported(base / "log", vkeys, old, proof, leaves, head)
