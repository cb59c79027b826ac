"""The keyring: a key for every file, the signing keys, and the master key that wraps them.

Folder layout (mode 0700, outside the data folder by default):

    master.key       32 bytes: wraps every other key; what `keys rotate data` replaces
    master.sealed    the master key sealed for the recovery file
    keyring.sqlite   id, purpose, file, wrapped key (AES-256-GCM under the master key)

A key is durable before its file exists. Destroying a key overwrites its row (`secure_delete`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from indelible.base.clock import wall_us
from indelible.base.errors import Damaged, IndelibleError, KeyMissing
from indelible.base.files import fsync_folder, make_folder, write_durably
from indelible.base.invariant import invariant
from indelible.base.random import random_bytes, random_id
from indelible.store.sqlite import connect

ED25519 = "ed25519"
MLDSA44 = "mldsa44"
SEEN = "seen"
JOURNAL = "journal"
SALT = "salt"
EVIDENCE = "evidence"
COLUMNS = "columns"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
  id TEXT PRIMARY KEY, purpose TEXT NOT NULL, file TEXT NOT NULL, created INTEGER NOT NULL,
  wrapped BLOB, destroyed INTEGER, retired INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""


def master_mark(master: bytes) -> str:
    """What the rows remember of the master key: enough to recognise it, nothing to find it by."""
    return hashlib.sha256(b"indelible/master/v1" + master).hexdigest()


def _seal_master(secret: bytes, master: bytes, origin: str) -> bytes:
    nonce = random_bytes(12)
    return nonce + AESGCM(secret).encrypt(nonce, master, b"indelible/recovery/v1" + origin.encode())


class Keyring:
    """Keys by id. Safe between threads and processes."""

    def __init__(self, folder: Path, origin: str, *, read_only: bool = False) -> None:
        self.folder = folder
        self.origin = origin
        self._lock = threading.Lock()
        self._cache: dict[str, bytes] = {}
        path = folder / "keyring.sqlite"
        if not path.is_file():
            raise KeyMissing(
                f"no keyring at {folder}",
                remedy="Name the keyring's folder with --keys, or restore it from its backup.",
            )
        try:
            self._db = connect(path, read_only=read_only)
            about = dict(self._db.execute("SELECT name, value FROM about").fetchall())
            self._db.execute("SELECT wrapped, destroyed, retired FROM keys LIMIT 1")
        except sqlite3.Error as error:
            raise Damaged(f"the keyring at {folder} cannot be read: {error}") from error
        if about.get("origin") != origin:
            raise Damaged(
                f"the keyring at {folder} belongs to another log than {origin!r}",
                remedy="Put this log's own keyring there, from its backup, or name its folder with "
                "--keys; nothing was changed.",
            )
        self._mark = ""
        self._master = self._load_master()

    def _load_master(self) -> AESGCM:
        """The master key the rows are wrapped under: `master.key`, or after a crash in the midst
        of a rotation `master.next`. The rows say which by its mark."""
        row = self._db.execute("SELECT value FROM about WHERE name='master'").fetchone()
        self._mark = str(row[0]) if row else ""
        for name in ("master.key", "master.next"):
            try:
                master = (self.folder / name).read_bytes()
            except OSError:
                continue
            if len(master) == 32 and master_mark(master) == self._mark:
                return AESGCM(master)
        raise KeyMissing(
            f"the master key of the keyring at {self.folder} is not there, or another one is",
            remedy="Open the sealed keyring with the recovery file: `indelible restore` does it.",
        )

    @classmethod
    def create(cls, folder: Path, origin: str) -> tuple[Keyring, bytes]:
        """A new keyring with signing keys; returns it and the recovery secret (32 bytes)."""
        make_folder(folder)
        if (folder / "master.key").exists():
            raise IndelibleError(
                f"there is a keyring at {folder} already", code="exists",
                remedy="Choose another origin or --keys folder; a keyring is never overwritten.",
            )
        secret, master = random_bytes(32), random_bytes(32)
        link = connect(folder / "keyring.sqlite")
        link.executescript(_SCHEMA)
        link.execute("INSERT INTO about VALUES ('origin', ?)", (origin,))
        link.execute("INSERT INTO about VALUES ('master', ?)", (master_mark(master),))
        link.execute("INSERT INTO about VALUES ('tokens', 'bound')")
        link.close()
        os.chmod(folder / "keyring.sqlite", 0o600)
        write_durably(folder / "master.sealed", _seal_master(secret, master, origin))
        write_durably(folder / "master.key", master)
        ring = cls(folder, origin)
        for purpose in (ED25519, MLDSA44, SEEN):
            ring.new_key(purpose, "")
        return ring, secret

    def _aad(self, key_id: str, purpose: str) -> bytes:
        return f"indelible/key/v1\0{self.origin}\0{key_id}\0{purpose}".encode()

    def new_key(self, purpose: str, file: str) -> tuple[str, bytes]:
        """A fresh random 256-bit key, durable on return: (key id, key)."""
        return self.new_keys(((purpose, file),))[0]

    def new_keys(self, wanted: tuple[tuple[str, str], ...]) -> list[tuple[str, bytes]]:
        """Several fresh keys in one durable step."""
        made: list[tuple[str, bytes]] = []
        with self._lock, self._db.transaction():
            self._follow_rotation()
            for purpose, file in wanted:
                key_id, key, nonce = random_id(), random_bytes(32), random_bytes(12)
                wrapped = nonce + self._master.encrypt(nonce, key, self._aad(key_id, purpose))
                self._db.execute(
                    "INSERT INTO keys (id, purpose, file, created, wrapped) VALUES (?,?,?,?,?)",
                    (key_id, purpose, file, wall_us(), wrapped),
                )
                made.append((key_id, key))
        self._cache.update(made)
        return made

    def _follow_rotation(self) -> None:
        """Another process may have changed the master key."""
        row = self._db.execute("SELECT value FROM about WHERE name='master'").fetchone()
        if row is not None and row[0] != self._mark:
            self._master = self._load_master()

    def get(self, key_id: str) -> bytes:
        """The key; raises `KeyMissing` when it is unknown or destroyed."""
        found = self._cache.get(key_id)
        if found is not None:
            return found
        with self._lock:
            row = self._db.execute(
                "SELECT purpose, wrapped FROM keys WHERE id=?", (key_id,)
            ).fetchone()
            self._follow_rotation()
        if row is None or row[1] is None:
            state = "destroyed" if row is not None else "not in the keyring"
            raise KeyMissing(f"the key {key_id} is {state}")
        key = self._unwrap(key_id, row[0], row[1])
        self._cache[key_id] = key
        return key

    def _unwrap(self, key_id: str, purpose: str, wrapped: bytes) -> bytes:
        try:
            return self._master.decrypt(wrapped[:12], wrapped[12:], self._aad(key_id, purpose))
        except InvalidTag as error:
            raise Damaged(f"the key {key_id} in the keyring was altered") from error

    def ids(self, purpose: str, *, retired: bool = False) -> list[str]:
        """Ids of the living keys of a purpose, oldest first: those in use, or the retired ones.

        By their place in the table: a clock that was set back must not make a new key the older.
        """
        with self._lock:
            rows = self._db.execute(
                "SELECT id FROM keys WHERE purpose=? AND wrapped IS NOT NULL"
                f" AND retired IS {'NOT NULL' if retired else 'NULL'} ORDER BY rowid",
                (purpose,),
            ).fetchall()
        return [str(row[0]) for row in rows]

    def newest(self, purpose: str) -> bytes:
        """The newest living key of a purpose."""
        ids = self.ids(purpose)
        if not ids:
            raise KeyMissing(f"the keyring holds no {purpose} key")
        return self.get(ids[-1])

    def token_key(self) -> bytes:
        """The key that token rows are bound with. Derived, so that every keyring has it."""
        return hmac.digest(self.newest(SEEN), b"indelible/token/v1", "sha256")

    def revoked_tokens(self) -> dict[str, int] | None:
        """Ids of revoked tokens and when (us); None while token rows are not bound to it yet.

        A keyring made by release 0.1.0 is not bound until `bind_tokens`, once; any other is.
        """
        with self._lock:
            rows = self._db.execute(
                "SELECT name, value FROM about WHERE name='tokens' OR name GLOB 'revoked:*'"
            ).fetchall()
        found = {str(name): str(value) for name, value in rows}
        if found.pop("tokens", None) is None:
            return None
        return {name.removeprefix("revoked:"): int(at) for name, at in found.items()}

    def bind_tokens(self, revoked: Mapping[str, int]) -> None:
        """From now on a row without its MAC is no credential, nor is one of the `revoked` ids."""
        facts = {f"revoked:{token}": str(at) for token, at in revoked.items()}
        with self._lock, self._db.transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO about VALUES (?, ?)",
                [*facts.items(), ("tokens", "bound")],
            )

    def audit_policy(self) -> int:
        """The newest version of the audit policy that was set; 0 before the first."""
        with self._lock:
            rows = self._db.execute(
                "SELECT value FROM about WHERE name GLOB 'audit-policy:*'"
            ).fetchall()
        return max((int(str(value)) for (value,) in rows), default=0)

    def note_audit_policy(self, version: int) -> None:
        """Remember that a version was set, where nobody who holds only the data forgets it."""
        with self._lock, self._db.transaction():
            self._db.execute(
                "INSERT OR IGNORE INTO about VALUES (?, ?)",
                (f"audit-policy:{version}", str(version)),
            )

    def destroy(self, purpose: str, files: Iterable[str]) -> None:
        """Overwrite for good the keys of `purpose` made for these files; others are ignored.

        Which keys these are stands in the keyring alone: a key id that was read from the data
        folder must never choose what is destroyed there.
        """
        wanted = list(files)
        invariant(all(wanted), "keys of no file are never destroyed")
        with self._lock, self._db.transaction():
            for file in wanted:
                for (key_id,) in self._db.execute(
                    "SELECT id FROM keys WHERE purpose=? AND file=?", (purpose, file)
                ).fetchall():
                    self._db.execute(
                        "UPDATE keys SET wrapped=NULL, destroyed=? WHERE id=?", (wall_us(), key_id)
                    )
                    self._cache.pop(key_id, None)

    def retire_replaced(self, purpose: str, before_us: int) -> list[str]:
        """Retire every key of a purpose that one made before `before_us` replaced; their ids.

        A retired key no longer signs; it stays readable, because it has signed.
        """
        with self._lock:
            rows = self._db.execute(
                "SELECT id, created FROM keys WHERE purpose=? AND wrapped IS NOT NULL"
                " AND retired IS NULL ORDER BY rowid",
                (purpose,),
            ).fetchall()
            gone = [
                str(key_id) for (key_id, _), (_, replaced) in pairwise(rows) if replaced < before_us
            ]
            for key_id in gone:
                self._db.execute("UPDATE keys SET retired=? WHERE id=?", (wall_us(), key_id))
        return gone

    def all_ids(self) -> dict[str, str]:
        """Every living key: id to purpose."""
        with self._lock:
            rows = self._db.execute("SELECT id, purpose FROM keys WHERE wrapped IS NOT NULL")
            return {str(key_id): str(purpose) for key_id, purpose in rows}

    def rotate_master(self, keep: Callable[[bytes], None]) -> None:
        """Wrap every key under a new master key.

        `keep` is given the new recovery secret before anything counts, and MUST make it durable: a
        crash right after would otherwise leave a keyring that no recovery file opens.

        Order: what an interrupted rotation left is finished or dropped; the new master as
        `master.next`; the rows with its mark in one transaction; then the names. A crash in between
        leaves both masters, and the mark tells which one counts; other processes notice the mark.
        All of it but the names happens inside the transaction, so that two rotations cannot mix.
        """
        secret, master = random_bytes(32), random_bytes(32)
        fresh = AESGCM(master)
        with self._lock:
            with self._db.transaction("EXCLUSIVE"):
                self._follow_rotation()
                self._finish_rotation()
                write_durably(self.folder / "master.next", master)
                write_durably(
                    self.folder / "master.sealed.next", _seal_master(secret, master, self.origin)
                )
                keep(secret)
                self._wrap_all(fresh)
                self._db.execute(
                    "UPDATE about SET value=? WHERE name='master'", (master_mark(master),)
                )
            self._master, self._mark = fresh, master_mark(master)
            self._finish_rotation()

    def _finish_rotation(self) -> None:
        """Give `master.next` its name if the rows are wrapped under it; else drop it.

        The sealed one goes first: once `master.next` is gone, nothing is left to finish.
        """
        fresh = self.folder / "master.next"
        try:
            counts = master_mark(fresh.read_bytes()) == self._mark
        except FileNotFoundError:
            return
        sealed = self.folder / "master.sealed.next"
        for path, name in ((sealed, "master.sealed"), (fresh, "master.key")):
            if not counts:
                path.unlink(missing_ok=True)
            elif path.exists():
                os.replace(path, self.folder / name)
        fsync_folder(self.folder)

    def _wrap_all(self, fresh: AESGCM) -> None:
        rows = self._db.execute(
            "SELECT id, purpose, wrapped FROM keys WHERE wrapped IS NOT NULL"
        ).fetchall()
        for key_id, purpose, wrapped in rows:
            key = self._unwrap(key_id, purpose, wrapped)
            nonce = random_bytes(12)
            again = nonce + fresh.encrypt(nonce, key, self._aad(key_id, purpose))
            self._db.execute("UPDATE keys SET wrapped=? WHERE id=?", (again, key_id))

    def copy_sealed(self, to: Path) -> None:
        """A copy that only the recovery file opens: wrapped keys and the sealed master key.

        Both are of one rotation, also where a crash cut the last one off between the two.
        """
        make_folder(to)
        with self._lock:
            with self._db.transaction("EXCLUSIVE"):
                self._follow_rotation()
                self._finish_rotation()
            self._db.copy_to(to / "keyring.sqlite")
            shutil.copyfile(self.folder / "master.sealed", to / "master.sealed")

    def close(self) -> None:
        """Forget the keys and close the file."""
        self._cache.clear()
        self._db.close()


def recover_master(folder: Path, origin: str, secret: bytes) -> None:
    """Open a sealed keyring copy with the recovery secret: writes its `master.key`."""
    sealed = (folder / "master.sealed").read_bytes()
    try:
        master = AESGCM(secret).decrypt(
            sealed[:12], sealed[12:], b"indelible/recovery/v1" + origin.encode()
        )
    except InvalidTag as error:
        raise IndelibleError(
            "this recovery file does not open this keyring", code="wrong_recovery_file",
            remedy="Use the recovery file written by `init` (or by the last data key rotation).",
        ) from error
    write_durably(folder / "master.key", master)
