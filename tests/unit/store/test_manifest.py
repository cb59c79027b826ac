"""The manifest: made whole, never mended unasked, and nothing removed that a row is about."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from indelible.base.errors import Damaged
from indelible.store.manifest import ColumnsRow, Manifest, SegmentRow

COLUMNS = f"{'0' * 20}-{'a' * 16}.columns"
EVIDENCE = f"{'0' * 20}-{'b' * 16}.evidence"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A manifest of one segment."""
    path = tmp_path / "manifest.sqlite"
    manifest = Manifest(path)
    manifest.add(
        SegmentRow(first=0, end=5, file=EVIDENCE, key="k1", bytes=9, sha256="", received_min=1,
                   received_max=2, leaves_root=""),
        ColumnsRow(first=0, end=5, file=COLUMNS, key="k2", bytes=9, sha256="", rows=5,
                   time_min=1, time_max=2),
    )
    manifest.close()
    return path


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as link:
        link.executescript(sql)


def loose(table: str) -> str:
    """The table made again without what it demands of its values."""
    return (f"CREATE TABLE loose AS SELECT * FROM {table}; DROP TABLE {table};"
            f" ALTER TABLE loose RENAME TO {table};")


@pytest.mark.parametrize("table", ["segments", "columns", "obsolete", "about"])
def test_a_table_that_was_dropped_is_not_made_again(path: Path, table: str) -> None:
    change(path, f"DROP TABLE {table}")
    before = path.read_bytes()
    with pytest.raises(Damaged, match=f"no table {table}"):
        Manifest(path)
    assert path.read_bytes() == before


def test_a_manifest_without_any_table_is_not_taken_for_a_new_one(path: Path) -> None:
    change(path, "".join(f"DROP TABLE {t};" for t in ("segments", "columns", "obsolete", "about")))
    with pytest.raises(Damaged, match="no table"):
        Manifest(path)


def test_an_empty_file_is_a_new_manifest(tmp_path: Path) -> None:
    (tmp_path / "m").touch()
    manifest = Manifest(tmp_path / "m")
    assert (manifest.segments(), manifest.sealed_end()) == ([], 0)
    manifest.close()


def test_values_of_another_kind_are_damage(path: Path) -> None:
    change(path, loose("segments") + loose("columns"))
    change(path, "UPDATE segments SET bytes='x', end='y'; UPDATE columns SET rows='z'")
    manifest = Manifest(path)
    for read in (manifest.segments, manifest.columns, manifest.sealed_end):
        with pytest.raises(Damaged):
            read()
    manifest.close()


@pytest.mark.parametrize(
    "file",
    [COLUMNS, EVIDENCE, EVIDENCE.replace(".evidence", ".columns"), "x.columns", "../x.columns",
     f"/{'0' * 20}-{'c' * 16}.columns", f"../{'0' * 20}-{'c' * 16}.columns", "", ".", ".."],
)
def test_a_row_of_somebody_else_gets_nothing_removed(path: Path, file: str) -> None:
    change(path, f"INSERT INTO obsolete VALUES ('{file}', 'k1', 1)")
    manifest = Manifest(path)
    assert [one for one, _ in manifest.obsolete(2)] == [file]
    assert manifest.removable(2) == []
    manifest.close()


def test_a_replaced_file_may_be_removed(path: Path) -> None:
    manifest = Manifest(path)
    [row] = manifest.columns()
    manifest.replace_columns([row], [])
    assert manifest.removable(1 << 62) == [COLUMNS]
    assert manifest.removable(0) == []
    manifest.close()
