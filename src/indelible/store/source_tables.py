"""What the meta database keeps of sources besides their numbers: settings, counts, positions."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from indelible.base.errors import TooLarge
from indelible.base.limits import SOURCES
from indelible.store.source_rows import SettingsRow, opened_row, sealed_row

_log = logging.getLogger(__name__)


class _Rows(Protocol):
    def __call__(
        self, query: str, parameters: Sequence[object] = ()
    ) -> list[tuple[object, ...]]: ...


class SourceTables:
    """Three tables of `store.meta.Meta`, which hands in how it reads and changes its database."""

    def __init__(
        self, rows: _Rows, transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
        key: Callable[[], bytes],
    ) -> None:
        self._rows, self._transaction, self._key = rows, transaction, key
        self.strange: list[tuple[str, str]] = []
        """(id, tenant) of rows that the last look at the settings did not believe."""

    def _there(self) -> bool:
        """Whether the tables are; a folder of an earlier release that is only read has none."""
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'source_settings'"
        return bool(self._rows(query))

    def settings(self) -> list[SettingsRow]:
        """Settings of all sources by name; a row that this keyring did not make is none."""
        if not self._there():
            return []
        key = self._key()
        rows = self._rows(
            "SELECT id, tenant, settings, secret, mac FROM source_settings ORDER BY id, tenant"
        )
        opened = [opened_row(key, row) for row in rows]
        self.strange = [
            (str(row[0]), str(row[1]))
            for row, found in zip(rows, opened, strict=True) if found is None
        ]
        for name, _ in self.strange:
            _log.error("the settings of source %r were not written by this ledger", name)
        return [found for found in opened if found is not None]

    def put_settings(self, rows: Iterable[SettingsRow]) -> None:
        """Keep the settings of sources, in place of any that they had."""
        key = self._key()
        with self._transaction() as db:
            db.executemany(
                "INSERT OR REPLACE INTO source_settings VALUES (?, ?, ?, ?, ?)",
                [sealed_row(key, row) for row in rows],
            )
            count = db.execute("SELECT count(*) FROM source_settings").fetchone()[0]
            if count > SOURCES:
                raise TooLarge(f"there are {SOURCES} sources already")

    def tallies(self) -> dict[int, bytes]:
        """What was last kept of each source's counts, by its number."""
        if not self._there():
            return {}
        rows = self._rows("SELECT number, tally FROM source_tally")
        return dict(msgspec.convert(rows, list[tuple[int, bytes]]))

    def put_tallies(self, tallies: Mapping[int, bytes], name: str, value: bytes) -> None:
        """Keep the counts of sources, and with them the value that says how far they reach."""
        with self._transaction() as db:
            db.execute("INSERT OR REPLACE INTO value VALUES (?, ?)", (name, value))
            db.executemany("INSERT OR REPLACE INTO source_tally VALUES (?, ?)", tallies.items())

    def positions(self, source: str, tenant: str) -> dict[str, bytes]:
        """How far a source was read: of each file, cursor or partition what was kept last."""
        found = self._rows(
            "SELECT what, value FROM position WHERE source = ? AND tenant = ?", (source, tenant)
        )
        return dict(msgspec.convert(found, list[tuple[str, bytes]]))

    def put_positions(self, source: str, tenant: str, positions: Mapping[str, bytes]) -> None:
        """Keep how far a source was read; an empty value forgets it."""
        with self._transaction() as db:
            for what, value in positions.items():
                if value:
                    row = (source, tenant, what, value)
                    db.execute("INSERT OR REPLACE INTO position VALUES (?, ?, ?, ?)", row)
                else:
                    db.execute(
                        "DELETE FROM position WHERE source = ? AND tenant = ? AND what = ?",
                        (source, tenant, what),
                    )
