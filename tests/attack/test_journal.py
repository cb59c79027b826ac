"""Attacks on the journal by somebody who holds the data folder, but no key."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from attack.case import PROVEN, Case, attacked
from attack.conftest import Layout
from attack.tools import Frames, cut, flip
from indelible.app.place import Place
from indelible.ledger.journal import journal_files

OLD, NEW = 0, 1  # the journal files [5200, 5900) and [5900, 6300)


def frames(place: Place, which: int = NEW) -> Frames:
    return Frames(journal_files(place.paths.journal)[which])


def flipped(record: int, byte: int, which: int = NEW) -> Callable[[Place], None]:
    def attack(place: Place) -> None:
        found = frames(place, which)
        flip(found.path, found.offset(record) + byte)

    return attack


def edited(edit: Callable[[list[bytes]], object], which: int = NEW) -> Callable[[Place], None]:
    def attack(place: Place) -> None:
        found = frames(place, which)
        edit(found.records)
        found.write()

    return attack


def shortened(count: int | None, which: int = NEW) -> Callable[[Place], None]:
    return lambda place: cut(frames(place, which).path, count)


def headers(place: Place, byte: int, which: int) -> None:
    flip(frames(place, which).path, byte)


def swap(records: list[bytes]) -> None:
    records[1], records[2] = records[2], records[1]


def removed(*which: int) -> Callable[[Place], None]:
    def attack(place: Place) -> None:
        for path in [journal_files(place.paths.journal)[number] for number in which]:
            path.unlink()

    return attack


def moved_in(place: Place) -> None:
    other, found = frames(place, OLD), frames(place, NEW)
    found.records[1] = other.records[1]
    found.write()


def inserted(place: Place) -> None:
    other, found = frames(place, OLD), frames(place, NEW)
    found.records.insert(2, other.records[1])
    found.write()


def renamed(place: Place) -> None:
    old, new = journal_files(place.paths.journal)
    content = old.read_bytes()
    old.write_bytes(new.read_bytes())
    new.write_bytes(content)


def copied(place: Place) -> None:
    path = frames(place, NEW).path
    shutil.copy(path, path.with_name(f"{6300:020d}-{'0' * 16}.journal"))


def record(number: int, first: int = 5900) -> tuple[int, int]:
    return first + 100 * number, first + 100 * number + 99


CASES = [
    Case("flip-head", flipped(0, 40), "tampered", record(0), "journal", "damaged"),
    Case("flip-middle", flipped(2, 3000), "tampered", record(2), "journal", "damaged"),
    Case("flip-last-byte", flipped(1, -1), "tampered", record(0), "journal", "damaged"),
    Case("flip-last-record", flipped(3, 99), "tampered", record(3), "journal", "damaged"),
    Case("flip-length", flipped(1, 2), "tampered", record(1), "journal", "damaged"),
    Case("flip-length-huge", flipped(1, 0), "tampered", record(1), "journal", "damaged"),
    Case("flip-index", flipped(1, 11), "tampered", record(1), "journal", "damaged"),
    Case("flip-crc", flipped(1, 13), "tampered", record(1), "journal", "damaged"),
    Case("flip-older", flipped(6, 50, OLD), "tampered", (5800, 5899), "journal", "damaged"),
    Case("flip-closing-older", flipped(7, 20, OLD), "tampered", (5900, 5900), "journal",
         "damaged"),
    Case("flip-header-older", lambda p: headers(p, 30, OLD), "tampered", (5200, 5899), "journal",
         "damaged"),
    Case("flip-header-newest", lambda p: headers(p, 30, NEW), "tampered", (5900, 6299), "journal",
         "damaged"),
    Case("flip-header-length", lambda p: headers(p, 1, NEW), "tampered", (5900, 6299), "journal",
         "damaged"),
    Case("delete-head", edited(lambda r: r.pop(0)), "tampered", record(0), "journal", "damaged"),
    Case("delete-middle", edited(lambda r: r.pop(1)), "tampered", record(1), "journal", "damaged"),
    Case("delete-last", edited(lambda r: r.pop(3)), "tampered", record(3), "journal", "damaged"),
    Case("delete-end", edited(lambda r: r.__delitem__(slice(3, None))), "truncated", record(3),
         "journal", "rolled_back"),
    Case("delete-middle-older", edited(lambda r: r.pop(3), OLD), "tampered", record(3, 5200),
         "journal", "damaged"),
    Case("reorder", edited(swap), "tampered", record(1), "journal", "damaged"),
    Case("duplicate", edited(lambda r: r.insert(2, r[1])), "tampered", record(1), "journal",
         "damaged"),
    Case("duplicate-end", edited(lambda r: r.append(r[3])), "tampered", (6300, 6300), "journal",
         "damaged"),
    Case("insert-of-another-file", inserted, "tampered", (6100, 6100), "journal", "damaged"),
    Case("replace-from-another-file", moved_in, "tampered", record(1), "journal", "damaged"),
    Case("append-bytes", lambda p: frames(p).path.open("ab").write(b"x" * 300), "tampered",
         (6300, 6300), "journal", "damaged"),
    Case("cut-255-bytes", shortened(255), "truncated", record(3), "journal", "damaged"),
    Case("cut-256-bytes", shortened(256), "truncated", record(3), "journal", "damaged"),
    Case("cut-all", shortened(None), "truncated", (5900, 6299), "journal", "rolled_back"),
    Case("cut-older", shortened(255, OLD), "tampered", (5800, 5899), "journal", "damaged"),
    Case("cut-all-older", shortened(None, OLD), "tampered", (5200, 5899), "journal", "damaged"),
    Case("remove-older", removed(OLD), "tampered", (5200, 5899), "journal", "damaged"),
    Case("remove-newest", removed(NEW), "truncated", (5900, 6299), "journal", "rolled_back"),
    Case("remove-all", removed(OLD, NEW), "truncated", (5200, 6299), "journal", "rolled_back"),
    Case("swap-files", renamed, "tampered", (5200, 5899), "journal", "damaged"),
    Case("copy-file", copied, "tampered", (6300, 6300), "journal", "damaged"),
    # Bytes without meaning: the closing record of the newest file says only that it was closed.
    Case("flip-closing-newest", flipped(4, 20), PROVEN, None, "", ""),
    Case("cut-1-byte", shortened(1), PROVEN, None, "", ""),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_journal_attack_is_named(layout: Layout, tmp_path: Path, case: Case) -> None:
    attacked(layout.now, tmp_path / "copy", case)
