"""Rows of the audit policy: sealed, bound to their place, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from indelible.store.audit_tables import AuditTables, VersionRow
from indelible.store.meta import Meta
from support.token_keys import token_keyring

SAID = b'{"rules":"hidden words"}'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "meta.sqlite"


@pytest.fixture
def tables(path: Path) -> Iterator[AuditTables]:
    with closing(Meta(path, keyring=token_keyring())) as meta:
        yield meta.of_audit_policy


def sql(path: Path, text: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as link:
        link.execute(text)


def test_versions_come_back_the_newest_first(tables: AuditTables) -> None:
    for version in (1, 2, 3):
        tables.put_version(VersionRow(version=version, said=SAID, entry=version or None))
    tables.put_version(VersionRow(version=3, said=SAID, entry=30))
    assert [(row.version, row.entry) for row in tables.versions()] == [(3, 30), (2, 2), (1, 1)]
    tables.remove_version(3)
    assert [row.version for row in tables.versions()] == [2, 1]


@pytest.mark.parametrize("change", [
    "UPDATE audit_policy SET version = 2",
    "UPDATE audit_policy SET said = CAST(substr(said, 1, 20) || x'00' AS BLOB)",
    "UPDATE audit_policy SET said = x'00'",
])
def test_a_version_that_was_altered_or_moved_is_none(
    tables: AuditTables, path: Path, change: str
) -> None:
    tables.put_version(VersionRow(version=1, said=SAID))
    sql(path, change)
    assert tables.versions() == []


def test_states_and_ids_are_kept_together_and_states_replaced(tables: AuditTables) -> None:
    tables.keep({"a": b"1", "b": b"2"}, b"x" * 24, 1000)
    tables.keep({"a": b"3", "c": b"4"}, b"y" * 48, 1000)
    assert tables.unstated() == {"a": b"3", "b": b"2", "c": b"4"}
    assert tables.rolled_ids() == [b"x" * 24, b"y" * 48]
    tables.forget(["a", "c", "nobody"])
    assert tables.unstated() == {"b": b"2"}


def test_the_oldest_ids_go_when_there_are_too_many(tables: AuditTables) -> None:
    for number in range(6):
        tables.keep({}, bytes([number]) * 40, 100)
    assert tables.rolled_ids() == [bytes([4]) * 40, bytes([5]) * 40]


def test_a_state_of_another_id_or_another_ledger_is_none(tables: AuditTables, path: Path) -> None:
    tables.keep({"a": b"1", "b": b"2"}, b"ids", 100)
    sql(path, "UPDATE unstated SET id = 'z' WHERE id = 'a'")
    assert tables.unstated() == {"b": b"2"}
    other = AuditTables(tables._rows, tables._transaction, lambda: bytes(32))
    assert other.unstated() == {}
    assert other.rolled_ids() == []


def test_nothing_of_it_stands_in_clear(tables: AuditTables, path: Path) -> None:
    tables.put_version(VersionRow(version=1, said=SAID))
    tables.keep({"a": b"who read what"}, b"whose id", 100)
    everything = b"".join(one.read_bytes() for one in path.parent.iterdir())
    for text in (b"hidden", b"who read", b"whose id"):
        assert text not in everything
