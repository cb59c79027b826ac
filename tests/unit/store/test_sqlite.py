"""SQLite as the store uses it: what fails is said in the ledger's own words, with the file."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from indelible.base.errors import Damaged, DiskFull
from indelible.store.sqlite import DurableLink, StoreFailed, connect


@pytest.fixture
def filled(tmp_path: Path) -> DurableLink:
    link = connect(tmp_path / "one.sqlite")
    link.execute("CREATE TABLE t (v BLOB) STRICT")
    link.execute("INSERT INTO t VALUES (zeroblob(100000))")
    return link


def fail(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Copying meets this error of SQLite's."""
    def fails(*_: object) -> None:
        raise sqlite3.OperationalError(text)

    monkeypatch.setattr(DurableLink, "backup", fails)


def test_a_copy_is_whole_and_private(filled: DurableLink, tmp_path: Path) -> None:
    filled.copy_to(tmp_path / "two.sqlite")
    assert stat.S_IMODE((tmp_path / "two.sqlite").stat().st_mode) == 0o600
    with sqlite3.connect(tmp_path / "two.sqlite") as copy:
        assert copy.execute("SELECT length(v) FROM t").fetchall() == [(100000,)]


def test_a_copy_that_finds_the_disk_full_says_so(
    filled: DurableLink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, "database or disk is full")
    with pytest.raises(DiskFull, match=r"to\.sqlite"):
        filled.copy_to(tmp_path / "to.sqlite")


def test_a_copy_that_cannot_be_written_names_the_file(
    filled: DurableLink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail(monkeypatch, "disk I/O error")
    with pytest.raises(StoreFailed, match=r"to\.sqlite"):
        filled.copy_to(tmp_path / "to.sqlite")


def test_a_table_or_column_that_is_gone_is_damage_and_no_trouble_of_the_disk(
    filled: DurableLink,
) -> None:
    wrong = ("SELECT * FROM gone", "SELECT gone FROM t", "INSERT INTO t (gone) VALUES (1)")
    for statement in wrong:
        with pytest.raises(Damaged) as met:
            filled.execute(statement)
        assert met.value.exit_code == 4
