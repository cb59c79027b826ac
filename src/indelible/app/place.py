"""One ledger's place: its folders, its settings, and how to open what lies there."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NamedTuple

from indelible.base.errors import LedgerStopped
from indelible.base.settings import Settings, load
from indelible.ledger.open import Ledger
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.reader import LedgerReader
from indelible.ledger.register import Register
from indelible.store.keyring import Keyring
from indelible.store.manifest import Manifest

_READ_ONLY = (
    "Mount the disk for writing and give the command again. As it is, `verify` and `fsck` read it,"
    " and commands that take --unrecorded."
)


class Place(NamedTuple):
    """A data folder with its settings."""

    data: Path
    settings: Settings

    @classmethod
    def at(cls, data: Path, flags: dict[str, object] | None = None) -> Place:
        """The place at `data`; settings from file, environment and flags."""
        return cls(data, load(data, dict(os.environ), flags or {}))

    @property
    def paths(self) -> LedgerPaths:
        """The folders of its ledger."""
        return LedgerPaths(self.data)

    def keyring(self, *, read_only: bool = False) -> Keyring:
        """Its keyring."""
        return Keyring(self.settings.keys, self.settings.origin, read_only=read_only)

    def open(self) -> Ledger:
        """Its ledger for writing: takes the lock, compares with the register.

        Raises `LedgerStopped` for a disk that cannot be written, beside what `Ledger` raises.
        """
        register = Register(self.settings.state, self.settings.origin)
        try:
            return Ledger(self.paths, self.settings.origin, self.keyring(), register)
        except OSError as error:
            why = f"{error.filename or self.data}: {error.strerror or error}"
            remedy = _READ_ONLY if error.errno == errno.EROFS else None
            raise LedgerStopped(why, remedy=remedy) from error

    def reader(self, keyring: Keyring, manifest: Manifest) -> LedgerReader:
        """Its files for reading."""
        return LedgerReader(self.paths, self.settings.origin, keyring, manifest)
