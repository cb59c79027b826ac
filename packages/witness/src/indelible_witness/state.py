"""What the witness remembers: the newest checkpoint of each log, and signed contradictions.

SQLite with write-ahead log and synchronous=FULL: a transaction that has committed survives a power
cut. `deciding` is one BEGIN IMMEDIATE transaction, so that comparing with the newest checkpoint
and recording the next is one step for all threads and processes.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from indelible_verify import Key
from indelible_witness.cosigner import WitnessError

FILE: Final = "state.sqlite"
WAIT_SECONDS: Final = 10.0
"""How long one request waits for another's transaction."""

EVIDENCE_PER_LOG: Final = 1_000
"""Contradictions kept for each log; the earliest stay."""

_SCHEMA: Final = """
CREATE TABLE witness (key_id TEXT NOT NULL) STRICT;
CREATE TABLE logs (
    origin TEXT PRIMARY KEY, origin_hash TEXT NOT NULL UNIQUE, added INTEGER NOT NULL
) STRICT;
CREATE TABLE log_keys (
    origin TEXT NOT NULL REFERENCES logs, vkey TEXT NOT NULL, PRIMARY KEY (origin, vkey)
) STRICT;
CREATE TABLE heads (
    origin TEXT PRIMARY KEY REFERENCES logs, size TEXT NOT NULL, root BLOB NOT NULL,
    note TEXT NOT NULL, time INTEGER NOT NULL
) STRICT;
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY, origin TEXT NOT NULL REFERENCES logs, time INTEGER NOT NULL,
    reason TEXT NOT NULL, size TEXT NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL,
    known_note TEXT NOT NULL, UNIQUE (origin, size, root)
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest cosigned checkpoint of a log; `note` bears the log's lines and the witness's."""

    size: int
    root: bytes
    note: str
    time: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """A validly signed checkpoint that was refused, and what the witness knew at that time.

    `reason` is `fork` (two roots of one size: proof of misbehaviour by itself) or `unproven` (no
    valid consistency proof came with it, which may also be the sender's mistake).
    """

    origin: str
    time: int
    reason: str
    size: int
    note: str
    known_note: str


class State:
    """The state file of one witness. Connections are made per call, so threads may share it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    @classmethod
    def create(cls, folder: Path, key: Key) -> State:
        """Make the state of a new witness, bound to its key."""
        state = cls(folder)
        if state._path.exists():
            raise WitnessError(f"{state._path} is there already; it is never overwritten")
        with state._connect("rwc") as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript("BEGIN IMMEDIATE;" + _SCHEMA + "COMMIT;")
            connection.execute("INSERT INTO witness VALUES (?)", (key.id.hex(),))
        state._path.chmod(0o600)
        return state

    def check(self, key: Key) -> None:
        """Refuse a missing state, or one that belongs to another key.

        An empty state in the place of a lost one would cosign a rolled back log, so it is never
        made in passing: raises WitnessError.
        """
        with self._connect() as connection:
            row = connection.execute("SELECT key_id FROM witness").fetchone()
        if row is None or row[0] != key.id.hex():
            raise WitnessError(f"{self._path} belongs to another witness key")

    def add_log(self, origin: str, keys: Sequence[Key], now: int) -> None:
        """Follow a log, or give more keys to one that is followed."""
        digest = hashlib.sha256(origin.encode("utf-8")).hexdigest()
        with self.deciding() as connection:
            connection.execute("INSERT OR IGNORE INTO logs VALUES (?, ?, ?)", (origin, digest, now))
            connection.executemany(
                "INSERT OR IGNORE INTO log_keys VALUES (?, ?)", [(origin, k.vkey) for k in keys]
            )

    def origins(self) -> list[str]:
        """All followed logs, by origin."""
        with self._connect() as connection:
            rows = connection.execute("SELECT origin FROM logs ORDER BY origin").fetchall()
        return [origin for (origin,) in rows]

    def keys_of(self, origin: str) -> tuple[Key, ...]:
        """Keys trusted for a log; empty when it is not followed."""
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT vkey FROM log_keys WHERE origin = ? ORDER BY vkey", (origin,)
            ).fetchall()
        return tuple(Key.parse(vkey) for (vkey,) in rows)

    def head_by_hash(self, origin_hash: str) -> Head | None:
        """Newest checkpoint of the log whose origin has this SHA-256 (hex)."""
        with self._connect() as connection:
            row = connection.execute(
                "SELECT origin FROM logs WHERE origin_hash = ?", (origin_hash,)
            ).fetchone()
            return None if row is None else read_head(connection, row[0])

    def head(self, origin: str) -> Head | None:
        """Newest checkpoint of a log."""
        with self._connect() as connection:
            return read_head(connection, origin)

    def evidence(self) -> list[Evidence]:
        """All refused checkpoints, oldest first."""
        with self._connect() as connection:
            rows = connection.execute(
                "SELECT origin, time, reason, size, note, known_note FROM evidence ORDER BY id"
            ).fetchall()
        return [Evidence(o, t, r, int(size), note, known) for o, t, r, size, note, known in rows]

    @contextmanager
    def deciding(self) -> Iterator[sqlite3.Connection]:
        """One write transaction, exclusive from its first read; rolled back on an exception."""
        with self._connect() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _connect(self, mode: str = "rw") -> Iterator[sqlite3.Connection]:
        place = self._path.absolute().as_uri() + f"?mode={mode}"
        try:
            connection = sqlite3.connect(
                place, uri=True, isolation_level=None, timeout=WAIT_SECONDS
            )
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.OperationalError as error:
            raise WitnessError(f"{self._path}: {error}") from None
        try:
            connection.execute("PRAGMA fullfsync = ON")
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection
        finally:
            connection.close()


def read_head(connection: sqlite3.Connection, origin: str) -> Head | None:
    """Newest checkpoint of a log inside a transaction."""
    row = connection.execute(
        "SELECT size, root, note, time FROM heads WHERE origin = ?", (origin,)
    ).fetchone()
    return None if row is None else Head(int(row[0]), row[1], row[2], row[3])


def write_head(connection: sqlite3.Connection, origin: str, head: Head) -> None:
    """Record the newest checkpoint; what was held against it before for want of a proof goes."""
    connection.execute(
        "INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?)",
        (origin, str(head.size), head.root, head.note, head.time),
    )
    connection.execute(
        "DELETE FROM evidence WHERE origin = ? AND size = ? AND root = ? AND reason = 'unproven'",
        (origin, str(head.size), head.root),
    )


def write_evidence(connection: sqlite3.Connection, refused: Evidence, root: bytes) -> None:
    """Keep a refused checkpoint once, up to the bound for its log; a fork is never displaced."""
    count = connection.execute(
        "SELECT count(*) FROM evidence WHERE origin = ?", (refused.origin,)
    ).fetchone()[0]
    if count >= EVIDENCE_PER_LOG:
        if refused.reason == "unproven":
            return
        room = connection.execute(
            "DELETE FROM evidence WHERE id = (SELECT max(id) FROM evidence WHERE origin = ?"
            " AND reason = 'unproven')",
            (refused.origin,),
        )
        if not room.rowcount:
            return
    connection.execute(
        "INSERT INTO evidence (origin, time, reason, size, root, note, known_note)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (origin, size, root) DO UPDATE SET"
        " reason = 'fork', note = excluded.note, known_note = excluded.known_note"
        " WHERE excluded.reason = 'fork' AND reason = 'unproven'",
        (
            refused.origin,
            refused.time,
            refused.reason,
            str(refused.size),
            root,
            refused.note,
            refused.known_note,
        ),
    )
