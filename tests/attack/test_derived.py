"""Attacks on what is derived from evidence: the runs of the id index and the column files."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from attack.case import PROVEN, Case, attacked, judge
from attack.conftest import Layout
from attack.lab import copy_ledger
from attack.tools import cut, manifest
from indelible.app.place import Place
from indelible.ledger.seen import open_runs, record, seal_run
from indelible.ledger.seen_run import HEADER_BYTES, TRAILER_BYTES, run_path
from indelible.store.keyring import SEEN
from indelible.store.pieces import STORED_BYTES

FIRST, SECOND = 0, 1  # of [0, 3000) and [3000, 5200)
Parts = list[bytes]


def run(place: Place, which: int = FIRST) -> Path:
    return sorted(place.paths.ids.glob("*.ids"))[which]


def secret_of(place: Place) -> bytes:
    return place.keyring(read_only=True).newest(SEEN)


def shortened(path: Callable[[Place], Path], count: int | None) -> Callable[[Place], None]:
    return lambda place: cut(path(place), count)


def numbers(edit: Callable[[Parts], object]) -> Callable[[Place], None]:
    """The last column of the first run changed as a list, without the secret."""

    def attack(place: Place) -> None:
        path = run(place)
        data = path.read_bytes()
        count = open_runs(place.paths.ids, secret_of(place))[FIRST].header.count
        end = len(data) - TRAILER_BYTES
        parts = [data[at : at + 8] for at in range(end - 8 * count, end, 8)]
        edit(parts)
        path.write_bytes(data[: end - 8 * count] + b"".join(parts) + data[end:])

    return attack


def bytes_inserted(place: Place) -> None:
    data = run(place).read_bytes()
    run(place).write_bytes(data[:HEADER_BYTES] + b"x" * 8 + data[HEADER_BYTES:])


def exchanged(place: Place) -> None:
    """Two runs under each other's names."""
    content = run(place, FIRST).read_bytes()
    shutil.copy(run(place, SECOND), run(place, FIRST))
    run(place, SECOND).write_bytes(content)


def copied_to(first: int, end: int) -> Callable[[Place], object]:
    """The first run again, under the name of another."""
    return lambda place: shutil.copy(run(place), run_path(place.paths.ids, first, end))


def forged(edit: Callable[[Parts], object]) -> Callable[[Place], None]:
    """The records of the first run changed as a list, by somebody who holds the secret."""

    def attack(place: Place) -> None:
        found = open_runs(place.paths.ids, secret_of(place))[FIRST]
        columns = [part.astype(">u8").tobytes() for part in found.columns.all()]
        rows = [b"".join(c[at : at + 8] for c in columns) for at in range(0, len(columns[0]), 8)]
        rows.sort(key=lambda one: one[24:])
        edit(rows)
        header = found.header
        seal_run(place.paths.ids, secret_of(place), header.first, header.end, b"".join(rows))

    return attack


def place_of(rows: Parts, index: int) -> int:
    """Where the record of an event is."""
    return next(at for at, one in enumerate(rows) if one[24:] == index.to_bytes(8, "big"))


def swapped(rows: Parts) -> None:
    """Two events told as each other's."""
    a, b = place_of(rows, 1000), place_of(rows, 1001)
    one, other = rows[a], rows[b]
    rows[a], rows[b] = one[:24] + other[24:], other[:24] + one[24:]


def other_content(rows: Parts) -> None:
    rows[7] = rows[7][:16] + b"content?" + rows[7][24:]


def over_next(parts: Parts) -> None:
    parts[6] = parts[5]


IDS = [
    Case("insert-record", numbers(lambda n: n.insert(5, bytes(8))), PROVEN, None, "ids",
         "damaged"),
    Case("insert-bytes", bytes_inserted, PROVEN, None, "ids", "damaged"),
    Case("reorder", numbers(lambda n: n.insert(0, n.pop())), PROVEN, None, "ids", ""),
    Case("duplicate", numbers(lambda n: n.insert(5, n[5])), PROVEN, None, "ids", "damaged"),
    Case("duplicate-over-next", numbers(over_next), PROVEN, None, "ids", ""),
    Case("delete-record", numbers(lambda n: n.pop(5)), PROVEN, None, "ids", "damaged"),
    Case("cut-255-bytes", shortened(run, 255), PROVEN, None, "ids", "damaged"),
    Case("cut-256-bytes", shortened(run, 256), PROVEN, None, "ids", "damaged"),
    Case("exchange-runs", exchanged, PROVEN, None, "ids", "damaged"),
    Case("copy-over-older", lambda p: shutil.copy(run(p, SECOND), run(p)), PROVEN, None, "ids",
         "damaged"),
    Case("copy-beyond", copied_to(5200, 6300), PROVEN, None, "ids", "damaged"),
    Case("copy-over-both", copied_to(0, 5200), PROVEN, None, "ids", "damaged"),
    Case("forged-omission-head", forged(lambda r: r.pop(0)), PROVEN, None, "ids", ""),
    Case("forged-omission", forged(lambda r: r.pop(place_of(r, 2000))), PROVEN, None, "ids", ""),
    Case("forged-omission-last", forged(lambda r: r.pop()), PROVEN, None, "ids", ""),
    Case("forged-exchange", forged(swapped), PROVEN, None, "ids", ""),
    Case("forged-content", forged(other_content), PROVEN, None, "ids", ""),
    Case("forged-duplicate", forged(lambda r: r.append(r[7])), PROVEN, None, "ids", ""),
    Case("forged-insert", forged(lambda r: r.append(record(b"f" * 16, b"d" * 8, 1500))), PROVEN,
         None, "ids", ""),
]


def columns(place: Place, which: int = FIRST) -> Path:
    return sorted(place.paths.columns.glob("*.columns"))[which]


def pieces_of(path: Path) -> tuple[bytes, Parts]:
    """The head of a column file, and its encrypted pieces."""
    data = path.read_bytes()
    start = 12 + int.from_bytes(data[8:12], "big")
    ends = range(start, len(data), STORED_BYTES)
    return data[:start], [data[at : at + STORED_BYTES] for at in ends]


def pieces(edit: Callable[[Parts, Parts], object]) -> Callable[[Place], None]:
    """The pieces of the first column file changed as a list, beside those of the second."""

    def attack(place: Place) -> None:
        head, ours = pieces_of(columns(place, FIRST))
        edit(ours, pieces_of(columns(place, SECOND))[1])
        columns(place, FIRST).write_bytes(head + b"".join(ours))

    return attack


def turned(ours: Parts, _others: Parts) -> None:
    ours[0], ours[1] = ours[1], ours[0]


def taken(ours: Parts, others: Parts) -> None:
    ours[0] = others[0]


COLUMNS = [
    Case("cut-255-bytes", shortened(columns, 255), PROVEN, None, "columns", ""),
    Case("cut-256-bytes", shortened(columns, 256), PROVEN, None, "columns", ""),
    Case("cut-piece", pieces(lambda ours, _: ours.pop()), PROVEN, None, "columns", ""),
    Case("delete-piece", pieces(lambda ours, _: ours.pop(0)), PROVEN, None, "columns", ""),
    Case("insert-piece", pieces(lambda ours, _: ours.insert(1, b"x" * STORED_BYTES)), PROVEN,
         None, "columns", ""),
    Case("duplicate-piece", pieces(lambda ours, _: ours.insert(1, ours[0])), PROVEN, None,
         "columns", ""),
    Case("reorder-pieces", pieces(turned), PROVEN, None, "columns", ""),
    Case("piece-of-another-file", pieces(taken), PROVEN, None, "columns", ""),
    Case("replace-file", lambda p: shutil.copy(columns(p, SECOND), columns(p)), PROVEN, None,
         "columns", ""),
]
ALL = {"ids": IDS, "columns": COLUMNS}


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=f"{area}-{c.name}") for area, cases in ALL.items() for c in cases]
)
def test_attack_on_derived_data_is_named(layout: Layout, tmp_path: Path, case: Case) -> None:
    attacked(layout.now, tmp_path / "copy", case)


@pytest.mark.parametrize("edit", [turned, taken], ids=["reorder", "of-another-file"])
def test_piece_moved_with_a_manifest_to_fit_is_found_when_columns_are_read(
    layout: Layout, tmp_path: Path, edit: Callable[[Parts, Parts], object]
) -> None:
    place = copy_ledger(layout.now, tmp_path / "copy")
    pieces(edit)(place)
    digest = hashlib.sha256(columns(place).read_bytes()).hexdigest()
    manifest(place, f"UPDATE columns SET sha256='{digest}' WHERE first=0")
    found = judge(place, columns=True)
    assert (found.verify, found.opens) == (PROVEN, "")
    assert [(p.area, p.first, p.last) for p in found.checked.problems] == [("columns", 0, 2999)]
    assert judge(place).checked.verdict == "whole"  # without --columns nobody looks inside


@pytest.mark.parametrize(
    ("edit", "index"),
    [(lambda r: r.pop(place_of(r, 2000)), 2000), (lambda r: r.pop(), 2999), (swapped, 1000),
     (other_content, 11)],
    ids=["omission", "omission-last", "exchange", "content"],
)
def test_forged_id_index_is_contradicted_at_the_first_event_it_concerns(
    layout: Layout, tmp_path: Path, edit: Callable[[Parts], object], index: int
) -> None:
    place = copy_ledger(layout.now, tmp_path / "copy")
    forged(edit)(place)
    found = judge(place).checked.problems
    assert (found[0].area, found[0].first, found[0].last) == ("ids", index, index)
