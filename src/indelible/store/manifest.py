"""The manifest: a row for every segment and every column file (SQLite, one writer).

Rows are facts about files, never truth about events: evidence and the signed log decide. A segment
row appears only when its evidence and columns are durable and were read back.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from pathlib import Path
from typing import TypeVar

import msgspec

from indelible.base.clock import wall_us
from indelible.base.errors import Damaged
from indelible.base.limits import SEGMENT_EVENTS
from indelible.store.sqlite import StoreFull, connect

T = TypeVar("T", bound=msgspec.Struct)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS segments (
  first INTEGER PRIMARY KEY, end INTEGER NOT NULL, file TEXT NOT NULL UNIQUE, key TEXT NOT NULL,
  bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, received_min INTEGER NOT NULL,
  received_max INTEGER NOT NULL, leaves_root TEXT NOT NULL,
  tier TEXT NOT NULL DEFAULT 'local', holds TEXT NOT NULL DEFAULT '[]') STRICT;
CREATE TABLE IF NOT EXISTS columns (
  first INTEGER PRIMARY KEY, end INTEGER NOT NULL, file TEXT NOT NULL UNIQUE, key TEXT NOT NULL,
  bytes INTEGER NOT NULL, sha256 TEXT NOT NULL, rows INTEGER NOT NULL,
  time_min INTEGER NOT NULL, time_max INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS obsolete (
  file TEXT PRIMARY KEY, key TEXT NOT NULL, since INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""

_TABLES = {"segments", "columns", "obsolete", "about"}
_PLAIN = re.compile(r"[0-9]{20}-([0-9a-f]{16})\.(?:columns|evidence)", re.ASCII)


class SegmentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One evidence segment: events [first, end)."""

    first: int
    end: int
    file: str
    key: str
    bytes: int
    sha256: str
    received_min: int
    received_max: int
    leaves_root: str


class ColumnsRow(msgspec.Struct, frozen=True, kw_only=True):
    """One column file: events [first, end)."""

    first: int
    end: int
    file: str
    key: str
    bytes: int
    sha256: str
    rows: int
    time_min: int
    time_max: int


class Manifest:
    """The manifest of one ledger. Safe between threads; other processes read it."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._db = connect(path, read_only=read_only)
            if not read_only:
                self._settle()
        except StoreFull:
            raise
        except sqlite3.Error as error:
            raise Damaged(f"the manifest {path} cannot be read: {error}") from error

    def _settle(self) -> None:
        """The tables of a new manifest; one that was made before has them, or is damaged.

        All of them or none: what a crash left in the midst is an empty file again.
        """
        rows = self._db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall()
        missing = _TABLES - {row[0] for row in rows}
        if missing and self.path.stat().st_size:
            raise Damaged(
                f"the manifest has no table {', '.join(sorted(missing))}",
                remedy="Run `indelible reindex --data DIR`: it is made again from evidence.",
            )
        if missing:
            with self._db.transaction("EXCLUSIVE"):
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)

    def _rows(self, sql: str, *values: object) -> list[tuple[object, ...]]:
        try:
            with self._lock:
                return self._db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise Damaged(f"the manifest {self.path} cannot be read: {error}") from error

    def segments(self) -> list[SegmentRow]:
        """All segments by index; raises `Damaged` unless they are whole and without holes."""
        names = SegmentRow.__struct_fields__
        rows = self._rows(f"SELECT {', '.join(names)} FROM segments ORDER BY first")
        found = [_row(SegmentRow, names, row) for row in rows]
        _contiguous([(row.first, row.end) for row in found], "segments")
        if any(row.end - row.first > SEGMENT_EVENTS for row in found):
            raise Damaged("the manifest names a segment that is larger than any can be")
        return found

    def columns(self) -> list[ColumnsRow]:
        """All column files by index, without holes."""
        names = ColumnsRow.__struct_fields__
        rows = self._rows(f"SELECT {', '.join(names)} FROM columns ORDER BY first")
        found = [_row(ColumnsRow, names, row) for row in rows]
        _contiguous([(row.first, row.end) for row in found], "column files")
        return found

    def sealed_end(self) -> int:
        """The first index that is not in a segment."""
        [(end,)] = self._rows("SELECT coalesce(max(end), 0) FROM segments")
        if not isinstance(end, int):
            raise Damaged("the manifest names an end of the segments that is no number")
        return end

    def add(self, segment: SegmentRow, columns: ColumnsRow) -> None:
        """A new segment with its column file, in one durable step."""
        with self._lock, self._db.transaction():
            _insert(self._db, "segments", segment)
            _insert(self._db, "columns", columns)

    def replace_columns(self, old: list[ColumnsRow], new: list[ColumnsRow]) -> None:
        """Swap column files for others that hold the same events (compaction, reindex)."""
        with self._lock, self._db.transaction():
            for row in old:
                self._db.execute("DELETE FROM columns WHERE first=?", (row.first,))
                self._db.execute(
                    "INSERT OR REPLACE INTO obsolete VALUES (?,?,?)", (row.file, row.key, wall_us())
                )
            for row in new:
                _insert(self._db, "columns", row)

    def obsolete(self, before_us: int) -> list[tuple[str, str]]:
        """(file, key id) of column files replaced before a time."""
        rows = self._rows("SELECT file, key FROM obsolete WHERE since < ?", before_us)
        return [(str(file), str(key)) for file, key in rows]

    def removable(self, before_us: int) -> list[str]:
        """Those of `obsolete` that may be removed: plain names, and no row is about them.

        Any other such row was written by somebody else: it stays, and `fsck` tells of it.
        """
        rows = self._rows("SELECT file FROM segments UNION SELECT file FROM columns")
        used = {file_id for (file,) in rows for file_id in _PLAIN.findall(str(file))}
        found = []
        for file, _key in self.obsolete(before_us):
            plain = _PLAIN.fullmatch(file)
            if plain and plain[1] not in used and file.endswith(".columns"):
                found.append(file)
        return found

    def forget(self, file: str) -> None:
        """An obsolete file is gone."""
        with self._lock:
            self._db.execute("DELETE FROM obsolete WHERE file=?", (file,))

    def get(self, name: str) -> str | None:
        """A small named fact, such as where the paced verification stands."""
        rows = self._rows("SELECT value FROM about WHERE name=?", name)
        return str(rows[0][0]) if rows else None

    def put(self, name: str, value: str) -> None:
        """Remember a small named fact."""
        with self._lock:
            self._db.execute("INSERT OR REPLACE INTO about VALUES (?,?)", (name, value))

    def copy_to(self, path: Path) -> None:
        """A consistent copy for `backup`."""
        with self._lock:
            self._db.copy_to(path)

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _row(kind: type[T], names: tuple[str, ...], row: tuple[object, ...]) -> T:
    try:
        return msgspec.convert(dict(zip(names, row, strict=True)), kind)
    except msgspec.ValidationError as error:
        raise Damaged(f"the manifest has a row that is none of its own: {error}") from error


def _insert(link: sqlite3.Connection, table: str, row: msgspec.Struct) -> None:
    names = row.__struct_fields__
    marks = ", ".join("?" * len(names))
    link.execute(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",
        [getattr(row, name) for name in names],
    )


def _contiguous(ranges: list[tuple[int, int]], what: str) -> None:
    at = 0
    for first, end in ranges:
        if first != at or end <= first:
            raise Damaged(f"the manifest's {what} have a hole or overlap at index {at}")
        at = end
