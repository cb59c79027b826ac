"""The register: the last signed size and root, advanced by compare-and-swap, kept apart.

A store that is older than its register, or of the same size with another root, refuses to start.
`fence` counts the writers: a writer that finds another fence than its own stops, so that two
writers on two copies of one folder cannot both sign under one register.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import msgspec

from indelible.base.errors import Damaged
from indelible.base.files import make_folder
from indelible.store.sqlite import connect

_SCHEMA = """
CREATE TABLE IF NOT EXISTS register (
  origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root TEXT NOT NULL, fence INTEGER NOT NULL,
  closed INTEGER NOT NULL DEFAULT 0) STRICT
"""


_CONTINUATION = """
CREATE TABLE IF NOT EXISTS continuation (
  origin TEXT PRIMARY KEY, next TEXT NOT NULL, data TEXT NOT NULL, keys TEXT NOT NULL,
  state TEXT NOT NULL, begun INTEGER NOT NULL DEFAULT 0) STRICT
"""


class RegisterMissing(Damaged):
    """There is no readable register where the settings say."""

    code = "register_missing"
    remedy = (
        "Bring it back, or run `indelible register rebuild --from CHECKPOINT` with a checkpoint"
        " that was kept elsewhere."
    )


class Fenced(Damaged):
    """Another writer has taken over, or the register holds something else than was expected."""

    code = "fenced"
    remedy = "Find the other writer; one origin has one writer. Then run `indelible verify`."


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """The register's content."""

    size: int
    root: bytes
    fence: int
    closed: bool = False


class Continuation(msgspec.Struct, frozen=True, kw_only=True):
    """The one ledger that continues a closed log, and its places; `begun`: it has signed."""

    origin: str
    data: str
    keys: str
    state: str
    begun: bool = False


class Register:
    """One origin's register in one SQLite file."""

    def __init__(self, folder: Path, origin: str, *, read_only: bool = False) -> None:
        self.path = folder / "register.sqlite"
        self.origin = origin
        if not self.path.is_file():
            raise RegisterMissing(f"no register at {self.path}")
        try:
            self._db = connect(self.path, read_only=read_only)
            self.read()
        except sqlite3.Error as error:
            raise RegisterMissing(f"the register {self.path} cannot be read: {error}") from error

    @classmethod
    def create(cls, folder: Path, origin: str, size: int, root: bytes, fence: int = 0) -> Register:
        """A new register; an existing file is replaced (only `register rebuild` does that)."""
        make_folder(folder)
        path = folder / "register.sqlite"
        path.unlink(missing_ok=True)
        link = connect(path)
        link.execute(_SCHEMA)
        link.execute(
            "INSERT INTO register (origin, size, root, fence) VALUES (?,?,?,?)",
            (origin, size, root.hex(), fence),
        )
        link.close()
        os.chmod(path, 0o600)
        return cls(folder, origin)

    def read(self) -> Signed:
        """The last signed size and root."""
        try:
            row = self._db.execute(
                "SELECT size, root, fence, closed FROM register WHERE origin=?", (self.origin,)
            ).fetchone()
            if row is None:
                raise RegisterMissing(f"{self.path} holds no register for {self.origin!r}")
            root = bytes.fromhex(row[1])
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise RegisterMissing(f"the register {self.path} cannot be read: {error}") from error
        numbers = isinstance(row[0], int) and isinstance(row[2], int)
        if len(root) != 32 or not numbers or row[0] < 0:
            raise RegisterMissing(f"the register {self.path} is damaged")
        return Signed(size=row[0], root=root, fence=row[2], closed=bool(row[3]))

    def take(self) -> int:
        """Become the writer: the new fence."""
        with self._db.transaction():
            self._db.execute("UPDATE register SET fence=fence+1 WHERE origin=?", (self.origin,))
            return self.read().fence

    def advance(self, fence: int, old: int, size: int, root: bytes) -> None:
        """Compare-and-swap from `old` to (size, root); raises `Fenced` when it is not at `old`."""
        changed = self._db.execute(
            "UPDATE register SET size=?, root=?"
            " WHERE origin=? AND fence=? AND size=? AND closed=0",
            (size, root.hex(), self.origin, fence, old),
        ).rowcount
        if changed != 1:
            raise self._fenced(fence, old)

    def must_stand(self, fence: int, size: int) -> None:
        """Raises `Fenced` when it is no longer this writer's, or at another size."""
        found = self.read()
        if found.closed or (found.fence, found.size) != (fence, size):
            raise self._fenced(fence, size)

    def _fenced(self, fence: int, size: int) -> Fenced:
        found = self.read()
        closed = ", closed" if found.closed else ""
        return Fenced(
            f"the register is at size {found.size}, fence {found.fence}{closed}; this writer"
            f" expected size {size}, fence {fence}"
        )

    def close_origin(self, then: Continuation | None = None) -> None:
        """No writer continues this origin any more; `then` is the ledger that will, for good."""
        with self._db.transaction():
            self._db.execute("UPDATE register SET closed=1 WHERE origin=?", (self.origin,))
            if then is not None:
                self._db.execute(_CONTINUATION)
                self._db.execute(
                    "INSERT INTO continuation (origin, next, data, keys, state)"
                    " VALUES (?,?,?,?,?)",
                    (self.origin, then.origin, then.data, then.keys, then.state),
                )

    def continuation(self) -> Continuation | None:
        """The ledger that continues this one; None where the log is open, or a backup's."""
        try:
            if not self._db.execute(
                "SELECT 1 FROM sqlite_master WHERE name='continuation'"
            ).fetchone():
                return None
            row = self._db.execute(
                "SELECT next, data, keys, state, begun FROM continuation WHERE origin=?",
                (self.origin,),
            ).fetchone()
        except sqlite3.Error as error:
            raise RegisterMissing(f"the register {self.path} cannot be read: {error}") from error
        if row is None:
            return None
        return Continuation(
            origin=row[0], data=row[1], keys=row[2], state=row[3], begun=bool(row[4])
        )

    def mark_begun(self) -> None:
        """The continuation has signed: from now on it exists, wherever its files are."""
        self._db.execute("UPDATE continuation SET begun=1 WHERE origin=?", (self.origin,))

    def close(self) -> None:
        """Close the file."""
        self._db.close()
