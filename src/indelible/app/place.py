"""One ledger's place: its folders, its settings, and how to open what lies there."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import NamedTuple

from indelible.app.copying import ABOUT, STATE
from indelible.base.errors import Damaged, IndelibleError, LedgerStopped
from indelible.base.settings import Settings, load
from indelible.ingest.parsers.table import add_mappings
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

_READ_BACKUP = (
    "Read events from it with --unrecorded. `indelible restore --from` brings the ledger back."
)
_READ_CLOSED = (
    "Read its events with --unrecorded; `verify` and `fsck` read it as it is. New events go to the"
    " ledger that continues it."
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

    def know_parsers(self) -> None:
        """Let the folder's own mappings be known; raises `BadMapping` for one that is unfit."""
        add_mappings(self.data / "parsers")

    def keyring(self, *, read_only: bool = False) -> Keyring:
        """Its keyring."""
        return Keyring(self.settings.keys, self.settings.origin, read_only=read_only)

    @property
    def is_backup(self) -> bool:
        """Whether it says that it is a backup, with the register that a backup has."""
        own = self.settings.state.absolute() == self.data.absolute() / STATE
        return own and (self.data / ABOUT).is_file()

    def takes_nothing(self) -> bool:
        """Whether its register is closed: a backup, or a log that a restore closed."""
        try:
            register = Register(self.settings.state, self.settings.origin, read_only=True)
            try:
                return register.read().closed
            finally:
                register.close()
        except IndelibleError:
            return False

    def closed(self, register: Register) -> str:
        """What is said of its closed `register`."""
        if self.is_backup:
            return "this is a backup: it takes nothing"
        then = register.continuation()
        after = f", and {then.origin!r} continues it, made in {then.data}" if then else ""
        return f"the register says that this log was closed by a restore{after}"

    def open(self) -> Ledger:
        """Its ledger for writing: takes the lock, compares with the register.

        Raises `Damaged` for a closed register, `LedgerStopped` for a disk that cannot be written,
        beside what `Ledger` raises.
        """
        register = Register(self.settings.state, self.settings.origin)
        if register.read().closed:
            why = f"{self.closed(register)}; nothing can be written in {self.data}"
            register.close()
            raise Damaged(why, remedy=_READ_BACKUP if self.is_backup else _READ_CLOSED)
        try:
            return Ledger(self.paths, self.settings.origin, self.keyring(), register)
        except OSError as error:
            why = f"{error.filename or self.data}: {error.strerror or error}"
            remedy = _READ_ONLY if error.errno == errno.EROFS else None
            raise LedgerStopped(why, remedy=remedy) from error

    def reader(self, keyring: Keyring, manifest: Manifest) -> LedgerReader:
        """Its files for reading."""
        return LedgerReader(self.paths, self.settings.origin, keyring, manifest)
