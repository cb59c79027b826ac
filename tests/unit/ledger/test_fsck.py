"""What `fsck` says of what a crash leaves, of strangers, and of what reads only."""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from attack.lab import ORIGIN, copy_ledger, driven, new_ledger
from attack.tools import Frames
from indelible.app.checking import verify_place
from indelible.app.fscking import fsck_place
from indelible.app.place import Place
from indelible.ledger.bodies import BodyCheck
from indelible.ledger.fsck import FsckReport
from indelible.ledger.journal import journal_files
from indelible.ledger.segments import Segments
from indelible.ledger.tree_state import subtree_root
from indelible.store.manifest import SegmentRow
from indelible.store.sqlite import connect


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fsck") / "ledger"
    with driven(new_ledger(folder)) as ledger:
        ledger.append(600)
        ledger.publish()
        ledger.seal()
        ledger.publish(keep=True)
        ledger.append(200)
        ledger.publish()
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Place:
    return copy_ledger(made, tmp_path / "ledger")


def check(place: Place) -> FsckReport:
    return fsck_place(place, columns=True, progress=lambda _done, _total: None)


def test_whole_folder_is_told_in_numbers(place: Place) -> None:
    report = check(place)
    assert (report.verdict, report.exit) == ("whole", 0)
    assert report.lines == [
        "804 events: 604 in 1 segments and 1 column files, 200 in the journal"
    ]


def test_what_a_crash_leaves_is_said_and_is_no_damage(place: Place) -> None:
    paths = place.paths
    (paths.evidence / ".tmp-0123-x").write_bytes(b"x")
    shutil.copy(
        next(paths.evidence.glob("0*")), paths.evidence / f"{604:020d}-{'0' * 16}.evidence"
    )
    shutil.copy(next(paths.columns.glob("0*")), paths.columns / f"{604:020d}-{'0' * 16}.columns")
    (paths.quarantine / "some.torn").write_bytes(b"torn")
    killed = Frames(journal_files(paths.journal)[-1])
    killed.records[-1] = b"\0\0\1\0unfinished"
    killed.write()
    report = check(place)
    assert report.problems == []
    for text in ("left by a crash", "interrupted seal", "to be removed", "some.torn: 4 bytes"):
        assert any(text in line for line in report.lines), (text, report.lines)


@pytest.mark.parametrize("name", [
    "journal/notes.txt", "evidence/x.evidence", "tiles/9", "checkpoints/newest", "extra",
])
def test_stranger_among_the_files_is_named(place: Place, name: str) -> None:
    (place.paths.root / name).write_bytes(b"x")
    report = check(place)
    assert report.exit == 4
    assert name.split("/")[-1] in [p.file for p in report.problems]


def test_missing_public_key_and_sealed_master_key_are_named(place: Place) -> None:
    (place.data / "vkey").write_text("other\n")
    (place.data / "vkey.mldsa44").unlink()
    (place.settings.keys / "master.sealed").unlink()
    found = {(p.area, p.file) for p in check(place).problems}
    assert found == {
        ("vkey", "vkey"), ("vkey", "vkey.mldsa44"), ("keyring", "master.sealed")
    }


def test_one_damage_does_not_hide_another(place: Place) -> None:
    for path in (next(place.paths.columns.glob("0*")), next(place.paths.ids.glob("0*"))):
        path.write_bytes(path.read_bytes()[:-1])
    (place.settings.state / "register.sqlite").unlink()
    place.paths.meta.unlink()
    areas = {p.area for p in check(place).problems}
    assert areas == {"columns", "ids", "register", "meta"}


def test_every_problem_comes_with_a_remedy_in_the_lines(place: Place) -> None:
    next(place.paths.columns.glob("0*")).unlink()
    report = check(place)
    assert any(line.startswith("remedy: Run `indelible reindex") for line in report.lines)


def test_running_writer_is_said(place: Place) -> None:
    with driven(place):
        assert any("another process is writing" in line for line in check(place).lines)
    assert not any("another process" in line for line in check(place).lines)


def test_read_only_folder_is_checked(place: Place) -> None:
    root = place.data.parent
    folders = [folder for folder, _, _ in os.walk(root)]
    for folder in folders:
        os.chmod(folder, 0o500)
    try:
        assert check(place).verdict == "whole"
        assert verify_place(place).verdict == "proven"
    finally:
        for folder in folders:
            os.chmod(folder, 0o700)


def test_reader_of_a_database_sees_it_without_the_transaction_that_a_crash_cut_off(
    tmp_path: Path
) -> None:
    path, copy = tmp_path / "a.sqlite", tmp_path / "copy.sqlite"
    link = sqlite3.connect(path, isolation_level=None)
    link.execute("PRAGMA cache_size=5")
    link.execute("CREATE TABLE t (x)")
    link.execute("INSERT INTO t VALUES ('kept')")
    link.execute("BEGIN IMMEDIATE")
    link.executemany("INSERT INTO t VALUES (?)", [("x" * 200,)] * 5000)
    for suffix in ("", "-journal"):
        shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    link.close()
    before = copy.read_bytes()
    reader = connect(copy, read_only=True)
    assert reader.execute("SELECT x FROM t").fetchall() == [("kept",)]
    reader.close()
    assert copy.read_bytes() == before


def test_segment_sealed_while_it_is_verified_is_found(place: Place) -> None:
    keyring = place.keyring(read_only=True)
    segments = Segments(place.paths, ORIGIN, keyring)
    with driven(place) as ledger:
        ledger.append(50)
        ledger.publish()
        ledger.seal()
        ledger.append(30)
        ledger.publish()
        bodies = BodyCheck(
            place.paths, ORIGIN, keyring, segments.rows, sizes=(), needed=(), top=884,
            more=segments.more,
        ).run(0, None, False, lambda _count: None)
        assert (bodies.findings, bodies.size, segments.unnamed) == ([], 884, [])
        assert bodies.root(bodies.tree(), 884) == ledger.ledger.tree.root(884)


def test_upper_tile_hashes_must_follow_from_the_lower(place: Place) -> None:
    hashes = bytes(range(256)) * 32
    tiles = place.paths.tiles
    (tiles / "1").write_bytes(hashes)
    row = SegmentRow(
        first=0, end=65_536, file="x", key="k", bytes=0, sha256="", received_min=0,
        received_max=0, leaves_root="",
    )

    def findings(upper: bytes) -> list[tuple[int, int]]:
        (tiles / "2").write_bytes(upper)
        found = BodyCheck(
            place.paths, ORIGIN, place.keyring(read_only=True), [row], sizes=(), needed=(), top=0,
            more=lambda _at: None,
        ).run(0, None, False, lambda _count: None)
        return [(f.first, f.last) for f in found.findings if "tiles/2" in f.message]

    assert findings(subtree_root(hashes)) == []
    assert findings(bytes(32)) == [(0, 65_535)]
    assert findings(b"") == [(0, 65_535)]
