"""The small facts of one ledger in SQLite: tokens, sources, witnesses, verification runs, values.

Nothing here is evidence: sources are restated from `source` records, and what decides integrity
lies in the log, the manifest and the register. Guarantees: WAL with `synchronous=FULL`, STRICT
tables, one connection behind one lock, every change one short transaction that is durable when
the method returns; a full disk is `DiskFull`, other trouble `store.sqlite.StoreFailed`. Migrations
are numbered and their text is checksummed: a file written by a later release, or by an altered
one, is refused rather than guessed at.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from indelible.base.clock import wall_us
from indelible.base.errors import BadRequest, Damaged, NotFound, TooLarge
from indelible.base.invariant import InvariantViolated
from indelible.base.limits import META_SECONDS, SOURCES, TOKENS, VERIFICATION_RUNS, WITNESSES
from indelible.base.random import random_id, random_token
from indelible.store.audit_tables import AuditTables
from indelible.store.keyring import Keyring
from indelible.store.meta_schema import MIGRATIONS, TABLES
from indelible.store.source_tables import SourceTables
from indelible.store.sqlite import DurableLink
from indelible.store.token_rows import COLUMNS, Judged, TokenRow, judge, row_of, token_mac

_log = logging.getLogger(__name__)


class SourceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A source and its number in entries."""

    number: int
    id: str
    tenant: str = ""


class WitnessRow(msgspec.Struct, frozen=True, kw_only=True):
    """A configured witness."""

    name: str
    url: str
    vkey: str
    added_us: int


class VerificationRow(msgspec.Struct, frozen=True, kw_only=True):
    """One verification run; `finished_us` None while it runs (or if it was cut off)."""

    id: str
    started_us: int
    finished_us: int | None
    cause: str
    done: int
    total: int
    verdict: str
    ok: bool | None
    report: msgspec.Raw


def secret_hash(token: str) -> bytes:
    """SHA-256 of a token.

    Tokens carry 256 random bits, so a fast hash is enough; and because only hashes are looked up,
    how long a look-up takes tells nothing about a token.
    """
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


class Meta:
    """The database of `path`, created when it is not there (mode 0600).

    With `read_only` nothing is created, so that it also opens on media that cannot be written.
    Tokens need the ledger's `keyring`, which stays the caller's to close. `strange` says which
    token rows the newest look at them did not believe.
    """

    def __init__(
        self, path: Path, *, keyring: Keyring | None = None, read_only: bool = False
    ) -> None:
        self._lock = threading.Lock()
        self._keyring = keyring
        self.of_sources = SourceTables(self._rows, self._transaction, self._token_key)
        self.of_audit_policy = AuditTables(self._rows, self._transaction, self._token_key)
        self.strange: tuple[str, ...] = ()
        if not read_only:
            path.touch(mode=0o600, exist_ok=True)
        mode = "mode=rw"
        if read_only:  # without a write-ahead log beside it the file can be read on any medium
            mode = "mode=ro"
            if not path.with_name(f"{path.name}-wal").exists():
                mode += "&immutable=1"
        self._db = sqlite3.connect(
            f"{path.absolute().as_uri()}?{mode}",
            uri=True,
            check_same_thread=False,
            isolation_level=None,
            factory=DurableLink,
        )
        self._db.name = str(path)
        try:
            self._open(read_only)
            if keyring is not None and not read_only:
                self._settle_tokens(keyring)
        except sqlite3.OperationalError:
            self._db.close()
            raise
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise Damaged(f"{path.name} is not a readable database: {error}") from error
        except BaseException:
            self._db.close()
            raise

    def _open(self, read_only: bool) -> None:
        self._db.execute(f"PRAGMA busy_timeout = {1000 * META_SECONDS}")
        self._db.execute("PRAGMA foreign_keys = ON")
        if not read_only:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
        self._migrate(read_only)

    def _migrate(self, read_only: bool) -> None:
        """Apply what is missing; raise Damaged when what was applied is not what we know."""
        known = [hashlib.sha256(text.encode()).hexdigest() for text in MIGRATIONS]
        with self._transaction(write=not read_only) as db:
            if not read_only:
                db.execute(
                    "CREATE TABLE IF NOT EXISTS migration "
                    "(number INTEGER PRIMARY KEY, checksum TEXT NOT NULL) STRICT"
                )
            applied = [
                row[0] for row in db.execute("SELECT checksum FROM migration ORDER BY number")
            ]
            if applied != known[: len(applied)]:
                raise Damaged(
                    "the meta database was written by a later or an altered release",
                    remedy="Open it with the release that wrote it, or restore it from a backup.",
                )
            if read_only:
                return
            _must_have_tables(db, new=not applied)
            for number in range(len(applied), len(known)):
                for statement in MIGRATIONS[number].split(";"):
                    if statement.strip():
                        db.execute(statement)
                db.execute("INSERT INTO migration VALUES (?, ?)", (number + 1, known[number]))

    @contextmanager
    def _transaction(self, *, write: bool = True) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                raise

    def _rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[object, ...]]:
        with self._lock:
            return self._db.execute(query, tuple(parameters)).fetchall()

    def close(self) -> None:
        """Close the database; nothing is lost, every change was durable already."""
        with self._lock:
            self._db.close()

    def backup(self, path: Path) -> None:
        """A consistent copy of the database as the new file `path`."""
        with self._lock:
            self._db.execute("VACUUM INTO ?", (str(path),))
        path.chmod(0o600)

    def integrity(self) -> list[str]:
        """What SQLite's own check finds wrong; empty when nothing."""
        try:
            rows = self._rows("PRAGMA integrity_check")
        except sqlite3.DatabaseError as error:
            return [str(error)]
        return [str(row[0]) for row in rows if row[0] != "ok"]

    # --- tokens
    def _keys(self) -> Keyring:
        if self._keyring is None:
            raise InvariantViolated("the token table was opened without the keyring")
        return self._keyring

    def _token_key(self) -> bytes:
        return self._keys().token_key()

    def _settle_tokens(self, keyring: Keyring) -> None:
        """Bind the rows of release 0.1.0, once; and end again what the keyring knows as revoked.

        That it was done stands in the keyring, where nobody sets it back who holds only this file.
        A crash in between binds them again. A row of a revoked token that lives comes from a
        restored backup, or from somebody who brought an older copy of it back.
        """
        with self._transaction() as db:
            judged = self._judged(db)
            rows = judged.undone if judged else [row for row, _ in self._token_rows(db)]
            self._write_tokens(db, rows)
        if judged is None:
            keyring.bind_tokens({row.id: row.revoked_us for row in rows if row.revoked_us})
            if rows:
                _log.warning("%d tokens of an earlier release are bound to the keyring", len(rows))
            return
        for text in judged.said():
            _log.error(text)
        self.strange = judged._replace(undone=[]).said()

    def _token_rows(self, db: sqlite3.Connection) -> list[tuple[TokenRow, object]]:
        have = {row[1] for row in db.execute("PRAGMA table_info(token)")}
        if not have.issuperset(COLUMNS):
            raise Damaged("the token table of meta.sqlite is missing, or was altered")
        mac = "mac" if "mac" in have else "NULL"  # a folder of release 0.1.0 that is only read
        found = db.execute(f"SELECT {_TOKEN}, {mac} FROM token ORDER BY created_us, id")
        return [(row_of(row[:-1]), row[-1]) for row in found.fetchall()]

    def _judged(self, db: sqlite3.Connection) -> Judged | None:
        """None while the keyring is of a release that did not bind rows."""
        revoked = self._keys().revoked_tokens()
        if revoked is None:
            return None
        return judge(self._token_rows(db), self._keys().token_key(), revoked)

    def _write_tokens(self, db: sqlite3.Connection, rows: Iterable[TokenRow]) -> None:
        key = self._keys().token_key()
        db.executemany(
            f"INSERT OR REPLACE INTO token ({_TOKEN}, mac) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*msgspec.structs.astuple(row), token_mac(key, row)) for row in rows],
        )

    def judged_tokens(self) -> Judged:
        """All tokens, oldest first, and the rows that are none."""
        with self._lock:
            return self._judged(self._db) or Judged([], [], [])

    def tokens(self, *, live_only: bool = False) -> list[TokenRow]:
        """The tokens that this ledger made, oldest first; rows that are none are told once."""
        judged = self.judged_tokens()
        said = judged.said()
        for text in said:
            if text not in self.strange:
                _log.error(text)
        self.strange = said
        rows = judged.ours
        return [row for row in rows if row.revoked_us is None] if live_only else rows

    def administrators(self) -> int:
        """How many live rows say `admin`; one that nobody wrote only makes the rule stricter."""
        query = "SELECT count(*) FROM token WHERE role = 'admin' AND revoked_us IS NULL"
        return msgspec.convert(self._rows(query)[0][0], int)

    def create_token(
        self, name: str, role: str, source: str = "", tenant: str = ""
    ) -> tuple[TokenRow, str]:
        """A new token and its secret, which is not kept. Names of live tokens are unique."""
        token_id = random_id()
        secret = f"ind_{token_id}_{random_token()}"
        row = TokenRow(
            id=token_id,
            name=name,
            role=role,
            source=source,
            tenant=tenant,
            hash=secret_hash(secret),
            created_us=wall_us(),
        )
        with self._transaction() as db:
            live = db.execute("SELECT count(*) FROM token WHERE revoked_us IS NULL").fetchone()[0]
            if live >= TOKENS:
                raise TooLarge(f"there are {live} live tokens already; revoke some first")
            taken = db.execute(
                "SELECT 1 FROM token WHERE name = ? AND revoked_us IS NULL", (name,)
            ).fetchone()
            if taken:
                raise BadRequest(f"a live token is already named {name!r}", field="name")
            self._write_tokens(db, [row])
        return row, secret

    def revoke_token(self, token_id: str) -> TokenRow:
        """End a token at once; raises NotFound unless it is live.

        The keyring remembers it first, so that no older copy of the row brings it back. A row that
        this ledger did not write is removed.
        """
        now = wall_us()
        with self._transaction() as db:
            judged = self._judged(db) or Judged([], [], [])
            strange = [row for row in judged.strange if row.id == token_id]
            live = [
                row for row in judged.ours
                if row.id == token_id and (row.revoked_us is None or row in judged.undone)
            ]
            if not strange and not live:
                raise NotFound(f"there is no live token {token_id!r}")
            row = msgspec.structs.replace((strange or live)[0], revoked_us=now)
            self._keys().bind_tokens({token_id: now})
            if strange:
                db.execute("DELETE FROM token WHERE id = ?", (token_id,))
            else:
                self._write_tokens(db, [row])
        return row

    def adopt_tokens(self, rows: Sequence[TokenRow]) -> None:
        """Take over the tokens of a ledger that this one continues, under this one's keyring."""
        with self._transaction() as db:
            self._write_tokens(db, rows)
        self._keys().bind_tokens({row.id: row.revoked_us for row in rows if row.revoked_us})

    # --- sources
    def add_source(self, number: int, source_id: str, tenant: str = "") -> None:
        """Remember a registered source; the same again is nothing, a contradiction is refused.

        A source is known by its name and its tenant together.
        """
        with self._transaction() as db:
            found = db.execute(
                "SELECT number, id, tenant FROM source WHERE number = ? OR (id = ? AND tenant = ?)",
                (number, source_id, tenant),
            ).fetchall()
            if found == [(number, source_id, tenant)]:
                return
            if found:
                raise Damaged(f"source {number} {source_id!r} contradicts {found!r}")
            count = db.execute("SELECT count(*) FROM source").fetchone()[0]
            if count >= SOURCES:
                raise TooLarge(f"there are {count} sources already")
            db.execute("INSERT INTO source VALUES (?, ?, ?)", (number, source_id, tenant))

    def sources(self) -> list[SourceRow]:
        """All sources by number."""
        rows = self._rows("SELECT number, id, tenant FROM source ORDER BY number")
        return [
            msgspec.convert(dict(zip(("number", "id", "tenant"), row, strict=True)), SourceRow)
            for row in rows
        ]

    # --- witnesses
    def add_witness(self, name: str, url: str, vkey: str) -> None:
        """Configure a witness; a name that is taken is refused."""
        with self._transaction() as db:
            count = db.execute("SELECT count(*) FROM witness").fetchone()[0]
            if count >= WITNESSES:
                raise TooLarge(f"there are {count} witnesses already")
            if db.execute("SELECT 1 FROM witness WHERE name = ?", (name,)).fetchone():
                raise BadRequest(f"a witness is already named {name!r}", field="name")
            db.execute("INSERT INTO witness VALUES (?, ?, ?, ?)", (name, url, vkey, wall_us()))

    def remove_witness(self, name: str) -> None:
        """Forget a witness; raises NotFound."""
        with self._transaction() as db:
            if db.execute("DELETE FROM witness WHERE name = ?", (name,)).rowcount != 1:
                raise NotFound(f"there is no witness {name!r}")

    def witnesses(self) -> list[WitnessRow]:
        """All witnesses by name."""
        rows = self._rows("SELECT name, url, vkey, added_us FROM witness ORDER BY name")
        names = ("name", "url", "vkey", "added_us")
        return [msgspec.convert(dict(zip(names, row, strict=True)), WitnessRow) for row in rows]

    # --- verification runs
    def start_verification(self, cause: str, total: int = 0) -> str:
        """Remember that a run began (`cause`: request, beat, segment) and return its id."""
        run = random_id()
        with self._transaction() as db:
            db.execute(
                "INSERT INTO verification (id, started_us, cause, total) VALUES (?, ?, ?, ?)",
                (run, wall_us(), cause, total),
            )
            db.execute(
                "DELETE FROM verification WHERE id IN (SELECT id FROM verification "
                "ORDER BY started_us DESC, rowid DESC LIMIT -1 OFFSET ?)",
                (VERIFICATION_RUNS,),
            )
        return run

    def progress_verification(self, run: str, done: int, total: int) -> None:
        """Remember how far a run is."""
        with self._transaction() as db:
            db.execute(
                "UPDATE verification SET done = ?, total = ? WHERE id = ?", (done, total, run)
            )

    def finish_verification(self, run: str, *, ok: bool, verdict: str, report: bytes) -> None:
        """Remember how a run ended."""
        with self._transaction() as db:
            db.execute(
                "UPDATE verification SET finished_us = ?, ok = ?, verdict = ?, report = ? "
                "WHERE id = ?",
                (wall_us(), int(ok), verdict, report.decode(), run),
            )

    def verifications(self, limit: int = 20) -> list[VerificationRow]:
        """The newest runs first."""
        rows = self._rows(
            "SELECT id, started_us, finished_us, cause, done, total, verdict, ok, report "
            "FROM verification ORDER BY started_us DESC, rowid DESC LIMIT ?",
            (limit,),
        )
        return [_verification(row) for row in rows]

    def verification(self, run: str) -> VerificationRow:
        """One run; raises NotFound."""
        rows = self._rows(
            "SELECT id, started_us, finished_us, cause, done, total, verdict, ok, report "
            "FROM verification WHERE id = ?",
            (run,),
        )
        if not rows:
            raise NotFound(f"there is no verification run {run!r}")
        return _verification(rows[0])

    # --- values
    def put(self, key: str, value: bytes) -> None:
        """Keep a small value under `key`."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO value VALUES (?, ?) "
                "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, value),
            )

    def get(self, key: str) -> bytes | None:
        """The value of `key`, None when there is none."""
        rows = self._rows("SELECT value FROM value WHERE key = ?", (key,))
        if not rows:
            return None
        return msgspec.convert(rows[0][0], bytes)


def _must_have_tables(db: sqlite3.Connection, *, new: bool) -> None:
    """Raises `Damaged` where migrations were applied and left no tables, or the other way round."""
    found = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    there = TABLES & found
    if new and there:
        raise Damaged(
            "the meta database does not say which migrations made its tables",
            remedy="Restore it from a backup.",
        )
    if not new and there != TABLES:
        raise Damaged(
            f"the meta database has no table {', '.join(sorted(TABLES - there))}",
            remedy="Restore it from a backup.",
        )


_TOKEN = ", ".join(COLUMNS)


def _verification(row: tuple[object, ...]) -> VerificationRow:
    run, started, finished, cause, done, total, verdict, ok, report = row
    return msgspec.convert(
        {
            "id": run,
            "started_us": started,
            "finished_us": finished,
            "cause": cause,
            "done": done,
            "total": total,
            "verdict": verdict,
            "ok": None if ok is None else bool(ok),
            "report": msgspec.Raw(str(report).encode()),
        },
        VerificationRow,
    )
