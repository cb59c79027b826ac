"""Attacks on evidence, tiles and manifest by somebody who holds the data folder, but no key."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from attack.case import PROVEN, Case, attacked
from attack.conftest import Layout
from attack.tools import cut, flip, manifest, manifest_row
from indelible.app.place import Place
from indelible.store.evidence import EvidenceReader

A, B = 0, 1  # the segments [0, 3000) and [3000, 5200)
WHOLE = {A: (0, 2999), B: (3000, 5199)}


def file(place: Place, which: int) -> Path:
    return sorted(place.paths.evidence.glob("*.evidence"))[which]


def spans(path: Path) -> tuple[int, list[bytes], bytes]:
    """Header length, the frame records, and footer with offset, as they stand in the file."""
    data = path.read_bytes()
    at = start = 2 + int.from_bytes(data[:2], "big")
    records = []
    end = int.from_bytes(data[-8:], "big")
    while at < end:
        stop = at + 4 + int.from_bytes(data[at : at + 4], "big")
        records.append(data[at:stop])
        at = stop
    return start, records, data[end:]


def flipped(which: int, frame: int, byte: int = 100) -> Callable[[Place], None]:
    def attack(place: Place) -> None:
        path = file(place, which)
        start, records, _ = spans(path)
        flip(path, start + sum(map(len, records[:frame])) + byte)

    return attack


def edited(which: int, edit: Callable[[list[bytes]], object]) -> Callable[[Place], None]:
    def attack(place: Place) -> None:
        path = file(place, which)
        start, records, footer = spans(path)
        head = path.read_bytes()[:start]
        edit(records)
        offset = start + sum(map(len, records))
        path.write_bytes(head + b"".join(records) + footer[:-8] + offset.to_bytes(8, "big"))

    return attack


def swap(records: list[bytes]) -> None:
    records[0], records[1] = records[1], records[0]


def at_end(which: int, byte: int) -> Callable[[Place], None]:
    return lambda place: flip(file(place, which), byte)


def moved(place: Place) -> None:
    """A frame of one segment in the place of another's."""
    path = file(place, A)
    start, records, footer = spans(path)
    records[1] = spans(file(place, B))[1][1]
    head = path.read_bytes()[:start]
    offset = start + sum(map(len, records))
    path.write_bytes(head + b"".join(records) + footer[:-8] + offset.to_bytes(8, "big"))


def replaced(place: Place) -> None:
    shutil.copy(file(place, B), file(place, A))


def copied(place: Place) -> None:
    path = file(place, A)
    shutil.copy(path, path.with_name(f"{0:020d}-{'0' * 16}.evidence"))


EVIDENCE = [
    Case("flip-head", flipped(A, 0), "tampered", (0, 1023), "evidence", ""),
    Case("flip-middle", flipped(A, 1), "tampered", (1024, 2047), "evidence", ""),
    Case("flip-segment-edge", flipped(A, 2), "tampered", (2048, 2999), "evidence", ""),
    Case("flip-first-frame-of-second", flipped(B, 0), "tampered", (3000, 3071), "evidence", ""),
    Case("flip-last-frame", flipped(B, 3, 900), "tampered", (5120, 5199), "evidence", "damaged"),
    Case("flip-frame-length", flipped(A, 1, 3), "tampered", WHOLE[A], "evidence", ""),
    Case("flip-header", at_end(A, 30), "tampered", WHOLE[A], "evidence", ""),
    Case("flip-footer", at_end(A, -60), "tampered", WHOLE[A], "evidence", ""),
    Case("flip-footer-offset", at_end(B, -1), "tampered", WHOLE[B], "evidence", "damaged"),
    Case("delete-frame", edited(A, lambda r: r.pop(1)), "tampered", WHOLE[A], "evidence", ""),
    Case("insert-frame", edited(A, lambda r: r.insert(1, r[2])), "tampered", WHOLE[A], "evidence",
         ""),
    Case("duplicate-frame", edited(A, lambda r: r.insert(1, r[1])), "tampered", WHOLE[A],
         "evidence", ""),
    Case("reorder-frames", edited(A, swap), "tampered", (0, 1023), "evidence", ""),
    Case("frame-of-another-file", moved, "tampered", (1024, 2047), "evidence", ""),
    Case("cut-1-byte", lambda p: cut(file(p, A), 1), "tampered", WHOLE[A], "evidence", ""),
    Case("cut-255-bytes", lambda p: cut(file(p, A), 255), "tampered", WHOLE[A], "evidence", ""),
    Case("cut-256-bytes", lambda p: cut(file(p, B), 256), "tampered", WHOLE[B], "evidence",
         "damaged"),
    Case("cut-all", lambda p: cut(file(p, A), None), "tampered", WHOLE[A], "evidence", ""),
    Case("remove-file", lambda p: file(p, A).unlink(), "tampered", WHOLE[A], "evidence", ""),
    Case("replace-file", replaced, "tampered", WHOLE[A], "evidence", ""),
    Case("copy-file", copied, PROVEN, None, "evidence", ""),
]


def level(place: Place) -> Path:
    return place.paths.tiles / "1"


def forged_tiles(place: Place) -> None:
    """Two hashes swapped."""
    data = level(place).read_bytes()
    level(place).write_bytes(data[32:64] + data[:32] + data[64:])


TILES = [
    Case("flip-head", lambda p: flip(level(p), 0), "tampered", (0, 255), "tiles", "forked"),
    Case("flip-middle", lambda p: flip(level(p), 10 * 32 + 7), "tampered", (2560, 2815), "tiles",
         "forked"),
    Case("flip-last", lambda p: flip(level(p), -1), "tampered", (4864, 5119), "tiles", "forked"),
    Case("reorder", forged_tiles, "tampered", (0, 511), "tiles", "forked"),
    Case("cut-1-byte", lambda p: cut(level(p), 1), "tampered", (4864, 5119), "tiles", "damaged"),
    Case("cut-a-hash", lambda p: cut(level(p), 32), "tampered", (4864, 5119), "tiles", "damaged"),
    Case("cut-all", lambda p: cut(level(p), None), "tampered", (0, 5119), "tiles", "damaged"),
    Case("remove", lambda p: level(p).unlink(), "tampered", (0, 5119), "tiles", "damaged"),
    # Without meaning: hashes above the sealed size, of a seal that did not come to its end.
    Case("append", lambda p: level(p).open("ab").write(b"x" * 32), PROVEN, None, "", ""),
]


def sql(text: str) -> Callable[[Place], None]:
    return lambda place: manifest(place, text)


def other_segments_file(place: Place) -> None:
    """Two rows name each other's files."""
    a, b = file(place, A).name, file(place, B).name
    manifest(place, "UPDATE segments SET file='x' WHERE first=0")
    manifest(place, f"UPDATE segments SET file='{a}' WHERE first=3000")
    manifest(place, f"UPDATE segments SET file='{b}' WHERE first=0")


def free_page(place: Place) -> None:
    """Bytes of a page that no table uses."""
    manifest(place, "CREATE TABLE junk (x)")
    manifest(place, "INSERT INTO junk VALUES (zeroblob(20000))")
    manifest(place, "DROP TABLE junk")
    flip(place.paths.manifest, -100)


MANIFEST = [
    Case("end-changed", sql("UPDATE segments SET end=2999 WHERE first=0"), "tampered", None,
         "manifest", "damaged"),
    Case("end-huge", sql("UPDATE segments SET end=1000000000000 WHERE first=3000"), "tampered",
         None, "manifest", "damaged"),
    Case("file-changed", sql("UPDATE segments SET file='../../x' WHERE first=0"), "tampered",
         None, "manifest", ""),
    Case("files-exchanged", other_segments_file, "tampered", None, "manifest", "damaged"),
    Case("key-changed", sql("UPDATE segments SET key='0000' WHERE first=0"), PROVEN, None,
         "evidence", ""),
    Case("hash-changed", sql("UPDATE segments SET sha256='00' WHERE first=0"), PROVEN, None,
         "evidence", ""),
    Case("root-changed", sql("UPDATE segments SET leaves_root='00' WHERE first=0"), PROVEN, None,
         "manifest", ""),
    Case("times-changed", sql("UPDATE segments SET received_max=1 WHERE first=0"), PROVEN, None,
         "manifest", ""),
    Case("first-row-deleted", sql("DELETE FROM segments WHERE first=0"), "tampered", None,
         "manifest", "damaged"),
    Case("last-row-deleted", sql("DELETE FROM segments WHERE first=3000"), "tampered",
         (3000, 5199), "manifest", "damaged"),
    Case("all-rows-deleted", sql("DELETE FROM segments"), "tampered", (0, 2999), "manifest",
         "damaged"),
    Case("columns-row-deleted", sql("DELETE FROM columns WHERE first=3000"), PROVEN, None,
         "manifest", ""),
    Case("columns-hash-changed", sql("UPDATE columns SET sha256='00' WHERE first=0"), PROVEN, None,
         "columns", ""),
    Case("flip-header", lambda p: flip(p.paths.manifest, 3), "tampered", None, "manifest",
         "damaged"),
    Case("cut-all", lambda p: cut(p.paths.manifest, None), "tampered", None, "manifest",
         "damaged"),
    Case("remove", lambda p: p.paths.manifest.unlink(), "tampered", None, "manifest", "damaged"),
    # Without meaning: a page of the database that nothing uses.
    Case("flip-free-page", free_page, PROVEN, None, "", ""),
]


@pytest.mark.parametrize("case", EVIDENCE, ids=lambda case: case.name)
def test_evidence_attack_is_named(layout: Layout, tmp_path: Path, case: Case) -> None:
    attacked(layout.now, tmp_path / "copy", case)


@pytest.mark.parametrize("case", TILES, ids=lambda case: case.name)
def test_tile_attack_is_named(layout: Layout, tmp_path: Path, case: Case) -> None:
    attacked(layout.now, tmp_path / "copy", case)


@pytest.mark.parametrize("case", MANIFEST, ids=lambda case: case.name)
def test_manifest_attack_is_named(layout: Layout, tmp_path: Path, case: Case) -> None:
    attacked(layout.now, tmp_path / "copy", case)


def test_undamaged_neighbours_stay_readable(layout: Layout, tmp_path: Path) -> None:
    from attack.lab import copy_ledger

    place = copy_ledger(layout.now, tmp_path / "copy")
    flipped(A, 1)(place)
    reader = EvidenceReader(
        file(place, A), place.settings.origin,
        place.keyring(read_only=True).get(str(manifest_row(place, 0)["key"])),
    )
    assert len(reader.frame(0)) == 1024
    assert len(reader.frame(2)) == 952
    reader.close()
