"""What the meta database keeps of the audit policy: its versions, and what is not stated yet.

Rows say what is dropped, and hold who read what, so each is sealed with AES-256-GCM under a key
made from the keyring's, bound to its place: a row that somebody else wrote, or moved, is none, and
a copy of the database tells nothing. That no newer version was taken away stands in the keyring.
"""

from __future__ import annotations

import hmac
import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from indelible.base.random import random_bytes
from indelible.store.source_rows import NONCE_BYTES

_log = logging.getLogger(__name__)
_KEY: Final = b"indelible/audit-policy/v1"


class VersionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One version as JSON, and the index of its record in this log; None while it has none."""

    version: int
    said: bytes
    entry: int | None = None


class _Rows(Protocol):
    def __call__(
        self, query: str, parameters: Sequence[object] = ()
    ) -> list[tuple[object, ...]]: ...


class AuditTables:
    """Three tables of `store.meta.Meta`, which hands in how it reads and changes its database."""

    def __init__(
        self, rows: _Rows, transaction: Callable[[], AbstractContextManager[sqlite3.Connection]],
        key: Callable[[], bytes],
    ) -> None:
        self._rows, self._transaction, self._key = rows, transaction, key

    def _cipher(self) -> AESGCM:
        return AESGCM(hmac.digest(self._key(), _KEY, "sha256"))

    # --- versions

    def versions(self) -> list[VersionRow]:
        """All versions, the newest first; a row that this keyring did not make is none."""
        cipher, found = self._cipher(), []
        rows = self._rows("SELECT version, said, entry FROM audit_policy ORDER BY version DESC")
        for version, sealed, entry in rows:
            said = _opened(cipher, sealed, f"version/{version}")
            if said is None:
                _log.error("version %s of the audit policy was not written by this ledger", version)
                continue
            row = {"version": version, "said": said, "entry": entry}
            found.append(msgspec.convert(row, VersionRow))
        return found

    def put_version(self, row: VersionRow) -> None:
        """Keep a version, in place of any row of its number."""
        sealed = _sealed(self._cipher(), row.said, f"version/{row.version}")
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO audit_policy VALUES (?, ?, ?)",
                (row.version, sealed, row.entry),
            )

    def remove_version(self, version: int) -> None:
        """Take back a version that never had an effect."""
        with self._transaction() as db:
            db.execute("DELETE FROM audit_policy WHERE version = ?", (version,))

    # --- what is not stated yet

    def unstated(self) -> dict[str, bytes]:
        """Every state that was kept, by its id."""
        cipher, found = self._cipher(), {}
        for ident, sealed in self._rows("SELECT id, state FROM unstated ORDER BY rowid"):
            state = _opened(cipher, sealed, f"unstated/{ident}")
            if state is None:
                _log.error("a state of the audit policy was not written by this ledger")
                continue
            found[str(ident)] = state
        return found

    def keep(self, states: Mapping[str, bytes], ids: bytes, most: int) -> None:
        """Keep states, and `ids` (what was rolled up with them), in one transaction.

        The oldest ids go while there are more than `most` bytes of them.
        """
        cipher = self._cipher()
        with self._transaction() as db:
            db.executemany(
                "INSERT INTO unstated (id, state) VALUES (?, ?) "
                "ON CONFLICT (id) DO UPDATE SET state = excluded.state",
                [
                    (ident, _sealed(cipher, state, f"unstated/{ident}"))
                    for ident, state in states.items()
                ],
            )
            if not ids:
                return
            number, kept = db.execute(
                "SELECT coalesce(max(number), 0) + 1, coalesce(sum(bytes), 0) FROM rolled_ids"
            ).fetchone()
            sealed = _sealed(cipher, ids, f"ids/{number}")
            db.execute("INSERT INTO rolled_ids VALUES (?, ?, ?)", (number, len(ids), sealed))
            _shed(db, kept + len(ids) - most)

    def rolled_ids(self) -> list[bytes]:
        """The ids that were kept, oldest first."""
        cipher, found = self._cipher(), []
        for number, sealed in self._rows("SELECT number, ids FROM rolled_ids ORDER BY number"):
            ids = _opened(cipher, sealed, f"ids/{number}")
            if ids is not None:
                found.append(ids)
        return found

    def forget(self, idents: Iterable[str]) -> None:
        """Let go of states that stand in the log."""
        with self._transaction() as db:
            db.executemany("DELETE FROM unstated WHERE id = ?", [(ident,) for ident in idents])


def _shed(db: sqlite3.Connection, over: int) -> None:
    """Remove the oldest ids until `over` bytes of them are gone."""
    while over > 0:
        number, size = db.execute(
            "SELECT number, bytes FROM rolled_ids ORDER BY number LIMIT 1"
        ).fetchone()
        db.execute("DELETE FROM rolled_ids WHERE number = ?", (number,))
        over -= size


def _sealed(cipher: AESGCM, content: bytes, place: str) -> bytes:
    nonce = random_bytes(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, content, place.encode())


def _opened(cipher: AESGCM, sealed: object, place: str) -> bytes | None:
    if not isinstance(sealed, bytes):
        return None
    try:
        return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place.encode())
    except (InvalidTag, ValueError):
        return None
