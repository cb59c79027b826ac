"""SQLite as this store uses it: durable, private, and with errors a person can act on."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from indelible.base.errors import Damaged, DiskFull, LedgerStopped
from indelible.base.limits import DATABASE_SECONDS

_READ_ONLY = "Mount the disk for writing and give the command again."


class StoreFailed(LedgerStopped, sqlite3.OperationalError):
    """A small database could not be read or written; what the ledger promised is in the journal."""

    code = "store_failed"
    remedy = "Look at the disk and at the folder's owner and mode; then start the ledger again."


class StoreFull(DiskFull, sqlite3.OperationalError):
    """A small database could not grow: the disk is full."""


class StoreAltered(Damaged, sqlite3.OperationalError):
    """A small database lacks a table or column that Indelible made: no trouble with the disk."""

    remedy = "Run `indelible fsck --data DIR`; restore what it names from a backup."


_LACKS = ("no such table", "no such column", "has no column named")


def _translated(
    error: sqlite3.OperationalError, path: str
) -> StoreFailed | StoreFull | StoreAltered:
    if isinstance(error, (StoreFailed, StoreFull, StoreAltered)):
        return error
    if any(text in str(error) for text in _LACKS):
        return StoreAltered(f"{path}: {error}")
    if "disk is full" in str(error):
        return StoreFull(f"the disk of {path} is full")
    return StoreFailed(f"{path}: {error}")


class DurableLink(sqlite3.Connection):
    """A connection whose operational errors are `StoreFailed`, `StoreFull` or `StoreAltered`.

    All are `sqlite3.OperationalError` too, so that a reader who tells damage from trouble can.
    """

    name = ""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """One statement."""
        try:
            return super().execute(sql, parameters)
        except sqlite3.OperationalError as error:
            raise _translated(error, self.name) from error

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        """One statement for each row."""
        try:
            return super().executemany(sql, parameters)
        except sqlite3.OperationalError as error:
            raise _translated(error, self.name) from error

    def executescript(self, sql_script: str, /) -> sqlite3.Cursor:
        """Several statements."""
        try:
            return super().executescript(sql_script)
        except sqlite3.OperationalError as error:
            raise _translated(error, self.name) from error

    @contextmanager
    def transaction(self, mode: str = "IMMEDIATE") -> Iterator[None]:
        """All that is done inside is durable at the end, or none of it.

        Also when it is the commit that fails: a transaction left open would lock others out, and
        every later one of this connection would be refused.
        """
        self.execute(f"BEGIN {mode}")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self.in_transaction:  # a full disk has ended it already
                self.execute("ROLLBACK")
            raise

    def copy_to(self, path: Path) -> None:
        """A consistent copy as the new private file `path`, whose name its errors carry."""
        target = connect(path)
        try:
            self.backup(target)
        except sqlite3.OperationalError as error:
            raise _translated(error, str(path)) from error
        finally:
            target.close()


def connect(path: Path, *, read_only: bool = False) -> DurableLink:
    """Open a database: rollback journal, every commit synced, deleted content overwritten."""
    mode = "ro" if read_only else "rwc"
    quoted = path.as_posix().replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    try:
        if not read_only:  # its rollback journal gets the same mode
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        link = sqlite3.connect(
            f"file:{quoted}?mode={mode}", uri=True, check_same_thread=False,
            timeout=DATABASE_SECONDS, isolation_level=None, factory=DurableLink,
        )
    except sqlite3.OperationalError as error:
        raise _translated(error, str(path)) from error
    except OSError as error:
        if error.errno == errno.EROFS:  # no trouble with the database, so no `sqlite3.Error`
            raise LedgerStopped(f"{path}: {error.strerror}", remedy=_READ_ONLY) from error
        raise StoreFailed(f"{path}: {error.strerror}") from error
    link.name = str(path)
    if read_only:
        return _readable(link, path)
    link.execute("PRAGMA journal_mode=TRUNCATE")
    link.execute("PRAGMA synchronous=FULL")
    link.execute("PRAGMA secure_delete=ON")
    return link


def _readable(link: DurableLink, path: Path) -> DurableLink:
    """A reader of a database as it was before a transaction that a crash cut off.

    Only a writer may roll back on disk; a reader that must change nothing does it in a copy, which
    it then holds in memory.
    """
    try:
        sqlite3.Connection.execute(link, "SELECT count(*) FROM sqlite_master")
        return link
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            return link  # whoever reads will meet it
    link.close()
    with tempfile.TemporaryDirectory(prefix="indelible-") as folder:
        copy = Path(folder) / path.name
        for suffix in ("", "-journal"):
            shutil.copyfile(f"{path}{suffix}", f"{copy}{suffix}")
        mended = sqlite3.connect(copy, isolation_level=None)
        mended.execute("SELECT count(*) FROM sqlite_master")
        content = mended.serialize()
        mended.close()
    memory = sqlite3.connect(
        ":memory:", check_same_thread=False, isolation_level=None, factory=DurableLink
    )
    memory.deserialize(content)
    memory.name = str(path)
    return memory
