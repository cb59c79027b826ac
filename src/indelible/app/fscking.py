"""`fsck` of a folder: what lies in the data folder, the keyring and the register."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from indelible.app.copying import ABOUT
from indelible.app.damage import kept_findings
from indelible.app.place import Place
from indelible.app.signatures import Notes
from indelible.base.errors import Damaged
from indelible.ledger.fsck import KEYS, START, FsckReport, LedgerFsck, Problems, database
from indelible.ledger.fsck_audit_policy import compare_versions
from indelible.ledger.fsck_derived import DerivedFsck
from indelible.ledger.fsck_sources import compare_sources
from indelible.ledger.fsck_tables import strange_meta
from indelible.ledger.publish import LogKeys
from indelible.ledger.register import Register
from indelible.ledger.scan import BROKEN, describe, key_of
from indelible.proof.verification_policy import VerificationPolicy
from indelible.store.audit_tables import VersionRow
from indelible.store.keyring import Keyring
from indelible.store.meta import Meta, SourceRow
from indelible.store.sqlite import StoreAltered
from indelible.store.token_rows import undone_text

_REBUILD = "Run `indelible register rebuild --from CHECKPOINT` with one that was kept elsewhere."
_META = "Bring it back from a backup; tokens, sources and witnesses are in it, no events."
_POLICY = "Set it again with `indelible audit-policy set`, and ask who can write this folder."
_TOKEN = "End it with `indelible token revoke ID`, and ask who can write this folder."
_CHECKPOINT = "Run `indelible verify`; the next start signs again if data and register agree."


class FolderFsck:
    """One check of one folder."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._paths, self._origin = place.paths, place.settings.origin
        self.problems = Problems()
        self._sources: list[SourceRow] | None = None
        self._policies: list[VersionRow] | None = None

    def run(self, columns: bool, advance: Callable[[int, int], None]) -> FsckReport:
        """Everything; a part that cannot be read does not keep the others from being checked."""
        problems = self.problems
        self._in_use()
        keyring = self._keyring()
        self._register()
        self._meta(keyring)
        if keyring is None:
            return problems.report()
        top = self._checkpoints(keyring)
        self._vkeys(keyring)
        ledger = LedgerFsck(
            self._paths, self._origin, keyring, problems, backup=self._place.is_backup
        )
        ledger.run(top, advance)
        derived = DerivedFsck(self._paths, self._origin, keyring, problems)
        self._guarded("ids", lambda: derived.ids(ledger.rows))
        self._guarded("journal", derived.journal_ids)
        if self._sources is not None:
            for text, index in compare_sources(self._sources, derived.records):
                self.problems.add("meta", self._paths.meta.name, text, _META, index, index)
        if self._policies is not None:
            whole = derived.records.sealed_read and derived.records.journals_read
            for text, index in compare_versions(
                self._policies, derived.policies, ledger.bodies.size, whole=whole
            ):
                text = f"audit policy: {text}"
                self.problems.add("meta", self._paths.meta.name, text, _POLICY, index, index)
        if columns:
            self._guarded("columns", lambda: derived.columns(ledger.columns, advance))
        if not problems.found:
            sealed = ledger.rows[-1].end if ledger.rows else 0
            problems.notes.append(
                f"{ledger.bodies.size:,} events: {sealed:,} in {len(ledger.rows)} segments and"
                f" {len(ledger.columns)} column files, {ledger.bodies.size - sealed:,} in the"
                " journal"
            )
        return problems.report()

    def _guarded(self, area: str, check: Callable[[], None]) -> None:
        try:
            check()
        except BROKEN as error:
            self.problems.add(area, "", f"could not be checked: {describe(error, area)}", START)

    def _in_use(self) -> None:
        """Beside a running server what it is writing can look unfinished."""
        try:
            handle = os.open(self._paths.lock, os.O_RDONLY)
        except OSError:
            return
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            self.problems.notes.append(
                "another process is writing here: what it has just begun can look unfinished"
            )
        finally:
            os.close(handle)

    def _keyring(self) -> Keyring | None:
        folder = self._place.settings.keys
        if not database(self.problems, "keyring", folder / "keyring.sqlite", KEYS):
            return None
        try:
            keyring = self._place.keyring(read_only=True)
            ids = keyring.all_ids()
        except (Damaged, sqlite3.Error) as error:
            self.problems.add("keyring", str(folder), describe(error, "keyring"), KEYS)
            return None
        for key_id in ids:
            try:
                key_of(keyring, key_id)
            except Damaged as error:
                self.problems.add("keyring", "keyring.sqlite", error.message, KEYS)
        sealed, whole = folder / "master.sealed", 12 + 32 + 16  # nonce, master key, tag
        size = sealed.stat().st_size if sealed.is_file() else 0
        if size != whole:
            text = f"has {size} bytes of {whole}" if size else "is missing"
            text += ": the recovery file opens nothing without it"
            self.problems.add("keyring", "master.sealed", text, KEYS)
        return keyring

    def _register(self) -> None:
        folder = self._place.settings.state
        if not database(self.problems, "register", folder / "register.sqlite", _REBUILD):
            return
        try:
            register = Register(folder, self._origin, read_only=True)
            register.close()
        except Damaged as error:
            self.problems.add("register", "register.sqlite", error.message, _REBUILD)

    def _meta(self, keyring: Keyring | None) -> None:
        path = self._paths.meta
        if not path.is_file():
            self.problems.add("meta", path.name, "is missing", _META)
            return
        try:
            meta = Meta(path, keyring=keyring, read_only=True)
            try:
                said = meta.integrity() or _cut_off(path) or strange_meta(path)
                if not said:
                    kept_findings(meta)
                    self._sources = meta.sources()
                if keyring is not None and not said:
                    self._tokens(meta)
                    self._policies = _versions(meta)
            finally:
                meta.close()
        except BROKEN as error:
            said = [describe(error, path.name)]
        for text in said[:3]:
            self.problems.add("meta", path.name, text.replace("\n", " "), _META)

    def _tokens(self, meta: Meta) -> None:
        """A backup may be older than a revocation; a ledger's own rows may not."""
        judged = meta.judged_tokens()
        if (self._place.data / ABOUT).exists():
            self.problems.notes += map(undone_text, judged.undone)
            judged = judged._replace(undone=[])
        for text in judged.said():
            self.problems.add("meta", self._paths.meta.name, text, _TOKEN)

    def _checkpoints(self, keyring: Keyring) -> int:
        """Signatures of the checkpoints here; the largest signed size."""
        try:
            notes = Notes(self._place, keyring, VerificationPolicy())
        except BROKEN as error:
            self.problems.add("keyring", "", describe(error, "keyring"), KEYS)
            return 0
        newest, kept = notes.newest(), notes.kept()
        notes.of_witnesses()
        for problem in notes.problems:
            self.problems.add("checkpoint", "", problem.message, _CHECKPOINT)
        sizes = [note.size for note in (newest, *kept) if note is not None]
        if not notes.found_newest and self._signed_before():
            self.problems.add("checkpoint", "checkpoint", "is missing", _CHECKPOINT)
        return max(sizes, default=0)

    def _signed_before(self) -> bool:
        try:
            register = Register(self._place.settings.state, self._origin, read_only=True)
        except Damaged:
            return False
        size = register.read().size
        register.close()
        return size > 0

    def _vkeys(self, keyring: Keyring) -> None:
        """The public keys beside the data must be the log's own; in a backup they may be former."""
        try:
            keys = LogKeys(self._origin, keyring)
        except BROKEN:
            return  # named already
        own = {key.format() for key in keys.verifier_keys()}
        for name, line in keys.vkeys().items():
            path = self._place.data / name
            try:
                found = path.read_text("utf-8").strip()
            except (OSError, ValueError):
                found = ""
            if found not in own:
                text = "is not the log's public key" if found else "is missing"
                remedy = f"Write it again from `indelible keys show`: {line[:60]}..."
                self.problems.add("vkey", name, text, remedy)


def _cut_off(path: Path) -> list[str]:
    """A database ends with a whole page: SQLite reads what is missing of the last one as zeros."""
    with path.open("rb") as file:
        page = int.from_bytes(file.read(18)[16:], "big")  # of the header; 1 stands for 65,536
        size = file.seek(0, os.SEEK_END)
    return ["it is cut off inside a page"] if size % (page if page > 1 else 1 << 16) else []


def _versions(meta: Meta) -> list[VersionRow]:
    """Versions of the audit policy; none in metadata that an earlier release wrote."""
    try:
        return meta.of_audit_policy.versions()
    except StoreAltered:
        return []


def fsck_place(
    place: Place, *, columns: bool, progress: Callable[[int, int], None]
) -> FsckReport:
    """Check a folder; changes nothing."""
    return FolderFsck(place).run(columns, progress)


def fsck_folder(
    data: Path, *, columns: bool, progress: Callable[[int, int], None]
) -> FsckReport:
    """`indelible fsck --data`."""
    return fsck_place(Place.at(data), columns=columns, progress=progress)
