"""`backup`: a copy of a ledger while it runs, consistent and verifiable by itself.

Order: the newest checkpoint (size N, root) is noted first; then everything below N is copied. What
the server moves meanwhile (a seal, a compaction, a merge of id runs) is copied again as it then
stands; since the manifest only grows, the copy ends at N or a little beyond it, never before. The
copy is opened and its root compared with the checkpoint's before it gets its name.

The journal's part is written again under keys that no seal destroys (`ledger.rekey`). The copy has
a register of its own at exactly (N, root), closed, so that `verify` can judge it and no server can
go on writing in it. Keys are never in it: `keys` in its settings points at the ledger's keyring.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from indelible.app.copying import (
    ABOUT,
    STATE,
    About,
    Advance,
    built_beside,
    copy_file,
    is_free,
    overlap,
    tree_bytes,
    write_settings,
)
from indelible.app.key_copies import copy_keys
from indelible.app.place import Place
from indelible.base.clock import rfc3339, wall_us
from indelible.base.errors import BadRequest, Busy, Damaged, IndelibleError, KeyMissing, NotFound
from indelible.base.files import make_folder, write_durably
from indelible.base.limits import BACKUP_TRIES, TILE_EVENTS
from indelible.ledger.journal import first_of, journal_files
from indelible.ledger.open import Ledger
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.publish import Publisher
from indelible.ledger.reader import LedgerReader
from indelible.ledger.register import Register
from indelible.ledger.registrations import registered_in
from indelible.ledger.rekey import BACKUP, rekey_journal
from indelible.ledger.seen import open_runs
from indelible.ledger.standing import Standing
from indelible.ledger.tree_state import MAX_LEVEL, read_level
from indelible.proof.checkpoint import Checkpoint, parse_head
from indelible.proof.errors import ProofError
from indelible.proof.note import parse
from indelible.store.keyring import SEEN
from indelible.store.manifest import Manifest
from indelible.store.meta import Meta, SourceRow
from indelible.store.sqlite import connect

_MOVED = (FileNotFoundError, KeyMissing, NotFound)
"""What a seal, a compaction or a merge beside us looks like from here."""


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """A finished backup: it holds at least the first `size` events, whose root is `root` (hex)."""

    path: str
    keys_path: str
    size: int
    root: str
    bytes: int


def backup(
    ledger: Ledger, place: Place, to: Path, keys_to: Path | None, publisher: Publisher,
    progress: Advance = lambda _done, _total: None,
) -> Backup:
    """Copy an open ledger into the new or empty folder `to`, the sealed keyring to `keys_to`.

    The data are durable first and the keyring is copied after them, so that it has every key they
    need. Raises `BadRequest` for places that overlap, `Damaged` when what was copied is not what
    was signed, `DiskFull`; then there is no backup under that name.
    """
    to = Path(os.path.abspath(to))
    keys_to = Path(os.path.abspath(keys_to)) if keys_to is not None else None
    _check_places(ledger, place, to, keys_to)
    note = publisher.note
    if not note:
        raise IndelibleError("nothing is signed yet: there is nothing to back up")
    with built_beside(to) as build:
        copy = _Copy(ledger, place, build, note, progress)
        try:
            copy.run()
            size = tree_bytes(build)
            if keys_to is not None:
                copy_keys(ledger.keyring, keys_to)
        except BaseException:
            ledger.keyring.destroy(BACKUP, copy.fresh_files)
            raise
    head = copy.head
    return Backup(
        path=str(to), keys_path=str(keys_to or ""), size=head.size, root=head.root.hex(), bytes=size
    )


def _check_places(ledger: Ledger, place: Place, to: Path, keys_to: Path | None) -> None:
    if not is_free(to):
        raise IndelibleError(
            f"{to} is not empty", code="exists",
            remedy="Name a new folder; a backup is never written over another one.",
        )
    for used in (place.data, place.settings.keys, place.settings.state):
        if overlap(to, used):
            raise BadRequest(f"{to} and the ledger's own {used} overlap", field="to")
        if keys_to is not None and overlap(keys_to, used):
            raise BadRequest(f"{keys_to} and the ledger's own {used} overlap", field="keys_to")
    if keys_to is not None and overlap(keys_to, to):
        raise BadRequest("keys are never copied into the data's backup", field="keys_to")


class _Copy:
    """One backup being built."""

    def __init__(
        self, ledger: Ledger, place: Place, build: Path, note: bytes, progress: Advance
    ) -> None:
        self._ledger, self._place, self._build, self._note = ledger, place, build, note
        self._from, self._to = ledger.paths, LedgerPaths(build)
        self.head: Checkpoint = parse_head(parse(note).text)[0]
        self.fresh_files: list[str] = []
        self._progress, self._done, self._total = progress, 0, tree_bytes(self._from.root)

    def _copied(self, file: Path) -> None:
        self._done += file.stat().st_size
        self._progress(self._done, self._total)

    def run(self) -> None:
        """Everything; see the module."""
        self._to.make()
        sealed = self._ledger.manifest.sealed_end()
        self._checkpoints()
        beyond = self._meta()
        self._journals()
        self._sealed_files()
        self._settings()
        self._check(sealed, beyond)

    def _checkpoints(self) -> None:
        """The newest checkpoint as noted, and earlier ones; none that knows more than the copy."""
        write_durably(self._to.checkpoint, self._note)
        for path in sorted(self._from.checkpoints.glob("[!.]*")):
            content = path.read_bytes()
            try:
                known = parse_head(parse(content).text)[0].size
            except ProofError:
                known = 0  # damage is copied as it is: `verify` names it
            if known <= self.head.size:
                write_durably(self._to.checkpoints / path.name, content)
        for name in ("vkey", "vkey.mldsa44"):
            if (self._place.data / name).is_file():
                copy_file(self._place.data / name, self._build / name)

    def _meta(self) -> set[int]:
        """Tokens, sources and witnesses; returns the sources registered at N or later."""
        if not self._from.meta.is_file():
            return set()
        meta = Meta(self._from.meta, read_only=True)
        try:
            meta.backup(self._to.meta)
        finally:
            meta.close()
        size, manifest = self._ledger.tree.size, self._ledger.manifest
        for _ in range(BACKUP_TRIES):
            reader = LedgerReader(self._from, self._ledger.origin, self._ledger.keyring, manifest)
            try:
                return {row.number for row in registered_in(reader, self.head.size, size)}
            except (FileNotFoundError, NotFound, Damaged):
                continue  # a file being sealed away, or created just now
            finally:
                reader.close()
        raise _unquiet()

    def _journals(self) -> None:
        """The unsealed events below N, under keys of the backup's own."""
        ledger = self._ledger
        for _ in range(BACKUP_TRIES):
            try:
                for path in journal_files(self._from.journal):
                    if first_of(path) >= self.head.size:
                        break  # perhaps being created just now
                    made = rekey_journal(
                        path, self._to.journal, ledger.origin, ledger.keyring,
                        end=self.head.size, purpose=BACKUP,
                    )
                    self.fresh_files += [made] if made else []
                    if made:
                        self._copied(path)
            except _MOVED:
                for half in journal_files(self._to.journal):
                    half.unlink()
                ledger.keyring.destroy(BACKUP, self.fresh_files)
                self.fresh_files.clear()
            else:
                return
        raise _unquiet()

    def _sealed_files(self) -> None:
        """The manifest and everything it names; again from the manifest on when files moved."""
        for _ in range(BACKUP_TRIES):
            for stale in self._build.glob("ledger/manifest.sqlite*"):
                stale.unlink()
            self._ledger.manifest.copy_to(self._to.manifest)
            manifest = Manifest(self._to.manifest)
            try:
                for file, _key in manifest.obsolete(1 << 62):
                    manifest.forget(file)
                self._ids(manifest.sealed_end())
                self._named(manifest)
                self._tiles(manifest.sealed_end())
            except FileNotFoundError:
                continue
            else:
                self._leave_only_named(manifest)
                return
            finally:
                manifest.close()
        raise _unquiet()

    def _ids(self, end: int) -> None:
        """Runs of the id index that cover [0, end) and not more: an id beyond would be a lie."""
        for path in sorted(self._from.ids.glob("[!.]*.ids")):
            to = self._to.ids / path.name
            if int(path.name.removesuffix(".ids").split("-")[1]) <= end and not to.exists():
                copy_file(path, to)
                self._copied(to)
        runs = open_runs(self._to.ids, self._ledger.keyring.newest(SEEN))
        if (runs[-1].header.end if runs else 0) != end:
            raise FileNotFoundError(self._from.ids)  # merged with a newer run meanwhile

    def _named(self, manifest: Manifest) -> None:
        for folder, rows in (("evidence", manifest.segments()), ("columns", manifest.columns())):
            for row in rows:
                if Path(row.file).name != row.file:  # nothing is written outside the copy
                    raise Damaged(f"the manifest names {row.file}, which is no file of {folder}")
                to = self._to.root / folder / row.file
                if to.exists():
                    continue
                if copy_file(self._from.root / folder / row.file, to) != row.sha256:
                    raise Damaged(
                        f"{folder}/{row.file} (indexes {row.first}..{row.end - 1}) is not what was"
                        " written; no backup was made"
                    )
                self._copied(to)

    def _tiles(self, end: int) -> None:
        count = end
        for level in range(1, MAX_LEVEL + 1):
            count //= TILE_EVENTS
            if count:
                hashes = read_level(self._from.tiles, level, count)
                write_durably(self._to.tiles / str(level), hashes)

    def _leave_only_named(self, manifest: Manifest) -> None:
        """Column files of an earlier try, which were merged since."""
        named = {row.file for row in manifest.columns()}
        for path in self._to.columns.iterdir():
            if path.name not in named:
                path.unlink()

    def _settings(self) -> None:
        head, settings = self.head, self._place.settings
        register = Register.create(self._build / STATE, head.origin, head.size, head.root)
        register.close_origin()
        register.close()
        write_settings(
            self._place.data, self._build, origin=head.origin,
            keys=str(settings.keys.absolute()), state=STATE,
        )
        about = About(
            origin=head.origin, size=head.size, root=head.root.hex(), made=rfc3339(wall_us()),
            keys=str(settings.keys.absolute()), state=str(settings.state.absolute()),
        )
        write_durably(self._build / ABOUT, msgspec.json.format(msgspec.json.encode(about)) + b"\n")
        make_folder(self._to.quarantine)

    def _check(self, sealed: int, beyond: set[int]) -> None:
        """The copy read back: does it have the signed root, and the sources that its events name?

        `sealed` is where the journal began before the metadata were copied.
        """
        standing = Standing(self._to, self._ledger.origin, self._ledger.keyring)
        try:
            if not standing.holds(self.head.size, self.head.root):
                raise Damaged("what was copied does not have the root that was signed")
            if self._to.meta.is_file():
                first = min(sealed, self.head.size)  # what is sealed is copied, signed or not yet
                here = list(registered_in(standing.reader, first, standing.size))
                self._settle_sources(here, beyond)
        finally:
            standing.close()
        for path in self._build.rglob("*.sqlite-journal"):
            path.unlink()

    def _settle_sources(self, here: list[SourceRow], beyond: set[int]) -> None:
        gone = beyond - {row.number for row in here}
        link = connect(self._to.meta)
        link.executemany("DELETE FROM source WHERE number=?", [(number,) for number in gone])
        link.close()
        meta = Meta(self._to.meta)
        for row in here:
            if row.number:
                meta.add_source(row.number, row.id, row.tenant)
        meta.close()


def _unquiet() -> IndelibleError:
    return Busy(
        f"the ledger's files moved {BACKUP_TRIES} times while they were copied",
        remedy="Give the command again; seals and compactions end by themselves.",
    )
