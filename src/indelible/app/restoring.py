"""`restore`: a ledger back from a copy, measured against the register that still exists.

The copy is a backup, or any whole copy of a data folder (a snapshot, a moved disk). It is brought
into a folder beside its place, read back there, and compared:

- it reaches the register's size with the register's root: the log goes on;
- the register knows more: refused, unless the loss is accepted with a reason and by name. Then the
  origin is closed for good and a new ledger begins (`app.continuing`);
- another root for the same size: refused, always;
- no register: the data come back, and the ledger will refuse until `register rebuild` was given the
  newest checkpoint there is. A restore never makes a register out of the copy alone, and no loss
  can be accepted there: nothing says how much it is.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from indelible.app.continuing import Closing, Next, begin_next, check_people, unfinished
from indelible.app.copying import (
    STATE,
    about_of,
    built_beside,
    copy_file,
    is_free,
    overlap,
    write_settings,
)
from indelible.app.key_copies import bring_keys
from indelible.app.place import Place
from indelible.app.reindexing import record_in
from indelible.base.errors import BadRequest, Damaged, IndelibleError
from indelible.ledger.journal import journal_files
from indelible.ledger.open import Forked, RolledBack
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.reader import LedgerReader
from indelible.ledger.register import Register, RegisterMissing, Signed
from indelible.ledger.reindex import missing_columns
from indelible.ledger.rekey import rekey_journal
from indelible.ledger.standing import Standing, existing_manifest, log_signed
from indelible.store.keyring import JOURNAL, Keyring

Advance = Callable[[int, int], None]


class RestoreReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came back and how it stands to the register.

    `register`: `agrees`, `missing`, or `knows N` when a loss was accepted. `next` and `next_origin`
    then name the ledger that continues.
    """

    path: str
    origin: str
    size: int
    root: str
    register: str
    keys: str
    columns_rebuilt: int = 0
    recorded: str = ""
    note: str = ""
    next: str = ""
    next_origin: str = ""
    next_recovery_file: str = ""


class _Where(msgspec.Struct, frozen=True):
    """Where the ledger's folder, keyring and register will be."""

    origin: str
    data: Path
    keys: Path
    state: Path

    def now(self, path: Path, build: Path) -> Path:
        """Where `path` is while the data folder is still being built."""
        return build / path.relative_to(self.data) if self.data in path.parents else path


def restore(
    data: Path, copy: Path, *, keys_from: Path | None, recovery: Path | None,
    accept_size: int | None, reason: str, by: Sequence[str], progress: Advance,
) -> RestoreReport:
    """Bring the ledger in `copy` back into the new or empty folder `data`; see the module.

    `keys_from` is the keyring's copy, for a keyring that is gone; `recovery` opens a sealed one.
    Raises `RolledBack`, `Forked`, `Damaged`, `BadRequest`, `KeyMissing`, `DiskFull`.
    """
    data, copy = Path(os.path.abspath(data)), Path(os.path.abspath(copy))
    where = _where(data, copy)
    if accept_size is not None and not (reason and by):
        raise BadRequest("accepting a loss needs a reason, and who decided it", field="by")
    with built_beside(data) as build:
        _bring_folders(copy, build, where)
        if accept_size is not None:
            _check_closing(where, build)
        if keys_from is not None:
            keys = Path(os.path.abspath(keys_from))
            bring_keys(keys, where.now(where.keys, build), where.origin, recovery)
        keyring = Keyring(where.now(where.keys, build), where.origin)
        try:
            _bring_files(copy, build, where, keyring, progress)
            came = _measure(build, where, keyring)
        finally:
            keyring.close()
        if accept_size is not None:
            _check_acceptance(came, accept_size)
            check_people(LedgerPaths(build).meta, tuple(by))
        elif came.behind:
            _check_closing(where, build)
            raise _rolled_back(came.known.size, came.report.size)
    if accept_size is not None:
        closing = Closing(
            data=data, origin=where.origin, keys=where.keys, state=where.state, reason=reason,
            by=tuple(by), size=came.known.size, root=came.known.root, kept=came.report.size,
        )
        return _with_next(came, begin_next(closing))
    if came.report.register != "agrees":
        return came.report
    facts: dict[str, object] = {"from": str(copy), "size": came.report.size}
    recorded = record_in(data, "indelible.ledger.restore", facts)
    return msgspec.structs.replace(came.report, recorded=recorded)


def _where(data: Path, copy: Path) -> _Where:
    """The places of keyring and register, as the copy's settings (or environment) name them."""
    if overlap(data, copy):
        raise BadRequest(f"{data} and {copy} overlap: name another folder", field="data")
    if not is_free(data):
        raise IndelibleError(
            f"{data} is not empty", code="exists",
            remedy="Move what is left of the ledger aside; nothing is restored over it.",
        )
    settings = Place.at(copy).settings
    keys, state, about = settings.keys, settings.state, about_of(copy)
    if about is not None and state == copy / STATE:
        state = Path(about.state)
    moved = (data / p.relative_to(copy) if copy in p.parents else p for p in (keys, state))
    return _Where(settings.origin, data, *moved)


def _bring_folders(copy: Path, build: Path, where: _Where) -> None:
    """Keyring and register of a plain copy of a single folder, which holds them."""
    if about_of(copy) is not None:
        return
    for path in (where.keys, where.state):
        if where.data in path.parents and (copy / path.relative_to(where.data)).is_dir():
            shutil.copytree(copy / path.relative_to(where.data), where.now(path, build))


def _files(copy: Path) -> Iterator[Path]:
    """What is copied byte for byte: everything but lock, settings, journal and half files."""
    paths = LedgerPaths(copy)
    for name in ("meta.sqlite", "meta.sqlite-wal", "vkey", "vkey.mldsa44"):
        if (copy / name).is_file():
            yield copy / name
    for folder in paths.folders():
        if folder != paths.journal and folder.is_dir():
            yield from sorted(p for p in folder.iterdir() if p.is_file() and p.name[0] != ".")


def _bring_files(
    copy: Path, build: Path, where: _Where, keyring: Keyring, progress: Advance
) -> None:
    LedgerPaths(build).make()
    files = list(_files(copy))
    total = sum(path.stat().st_size for path in files)
    done = 0
    for path in files:
        copy_file(path, build / path.relative_to(copy))
        done += path.stat().st_size
        progress(done, total)
    to = LedgerPaths(build).journal
    for path in journal_files(LedgerPaths(copy).journal):
        try:
            rekey_journal(path, to, where.origin, keyring, end=1 << 63, purpose=JOURNAL)
        except Damaged:  # a torn tail, or damage: taken as it is, and judged with the rest
            copy_file(path, to / path.name)
    write_settings(
        copy, build, origin=where.origin, keys=str(where.keys), state=str(where.state)
    )


class _Came(msgspec.Struct, frozen=True, kw_only=True):
    """What came back beside what is known: `signed` is the register, None where there is none.

    `known` is the register's size and root, else the copy's own newest checkpoint.
    """

    report: RestoreReport
    signed: Signed | None
    known: Signed

    @property
    def behind(self) -> bool:
        """More is known to have been signed than came back."""
        return self.known.size > self.report.size


def _measure(build: Path, where: _Where, keyring: Keyring) -> _Came:
    """Read the copy back and compare it with its checkpoint and the register."""
    paths = LedgerPaths(build)
    rebuilt = _mend_columns(paths, where, keyring)
    standing = Standing(paths, where.origin, keyring)
    try:
        newest = _newest(paths, where, keyring, standing)
        signed = _register(where, build)
        known = signed or newest
        if known.size <= standing.size and not standing.holds(known.size, known.root):
            raise Forked(f"at size {known.size} the register holds another root than the copy")
        state, note = "agrees", standing.torn or ""
        if signed is None:
            state, note = "missing", _no_register(where)
        elif signed.closed:
            state, note = "closed", _CLOSED
        report = RestoreReport(
            path=str(where.data), origin=where.origin, size=standing.size,
            root=standing.tree.root(standing.size).hex(), keys=str(where.keys),
            columns_rebuilt=rebuilt, register=state, note=note,
        )
    finally:
        standing.close()
    for side in build.rglob("*.sqlite-journal"):
        side.unlink()
    return _Came(report=report, signed=signed, known=known)


def _check_closing(where: _Where, build: Path) -> None:
    """The register must be there, and the log must not go on in another ledger already."""
    try:
        register = Register(where.now(where.state, build), where.origin)
    except RegisterMissing as error:
        raise RegisterMissing(
            f"{error.message}: nothing says how much is lost, so no loss can be accepted",
            remedy=(
                "Restore without --accept-size, run `indelible register rebuild --from"
                " CHECKPOINT|WITNESS` with the newest checkpoint that was kept elsewhere, move the"
                " folder aside and give the command again."
            ),
        ) from error
    try:
        unfinished(register)
    finally:
        register.close()


def _check_acceptance(came: _Came, accepted: int) -> None:
    if came.signed is not None and not came.behind and not came.signed.closed:
        raise BadRequest(
            f"the copy reaches the register, which is at {came.known.size}: no loss to accept",
            field="accept_size",
        )
    if accepted != came.report.size:
        raise BadRequest(
            f"the copy holds {came.report.size} events, not {accepted}", field="accept_size",
            remedy="Name the size that came back, so that it is known what is given up.",
        )


_CLOSED = (
    "the register says that this log is closed: it takes nothing more; it can be verified, and read"
    " with --unrecorded"
)


def _rolled_back(known: int, size: int) -> RolledBack:
    return RolledBack(
        f"the register knows {known} events, the copy holds {size}: {known - size} would be lost",
        remedy=(
            "Restore from a newer copy if there is one. If not, accept the loss with --accept-size"
            f" {size} --reason TEXT --by NAME: the log is closed for good and a new one begins."
        ),
    )


def _no_register(where: _Where) -> str:
    return (
        f"there is no register at {where.state}: the ledger refuses until `indelible register"
        " rebuild --from CHECKPOINT|WITNESS` is given the newest checkpoint that exists elsewhere"
    )


def _register(where: _Where, build: Path) -> Signed | None:
    try:
        register = Register(where.now(where.state, build), where.origin)
    except RegisterMissing:
        return None
    signed = register.read()
    register.close()
    return signed


def _newest(paths: LedgerPaths, where: _Where, keyring: Keyring, standing: Standing) -> Signed:
    """The copy's own newest checkpoint, which its data must hold."""
    if not paths.checkpoint.is_file():
        raise Damaged("the copy has no checkpoint: nothing says that these events were signed")
    head = log_signed(paths.checkpoint.read_bytes(), where.origin, keyring, "the copy's checkpoint")
    if head.size > standing.size:
        raise RolledBack(
            f"the copy's checkpoint is of size {head.size}, its data end at {standing.size}"
        )
    if not standing.holds(head.size, head.root):
        raise Forked(f"the copy's checkpoint of size {head.size} does not fit its data")
    return Signed(size=head.size, root=head.root, fence=0)


def _mend_columns(paths: LedgerPaths, where: _Where, keyring: Keyring) -> int:
    """Column files whose key went when the ledger merged them, after the copy was made."""
    manifest = existing_manifest(paths)
    reader = LedgerReader(paths, where.origin, keyring, manifest)
    try:
        count = missing_columns(paths, where.origin, keyring, manifest, reader)
        for file in manifest.removable(1 << 62):
            (paths.columns / file).unlink(missing_ok=True)
            manifest.forget(file)
        return count
    finally:
        reader.close()
        manifest.close()


def _with_next(came: _Came, new: Next) -> RestoreReport:
    report = came.report
    return msgspec.structs.replace(
        report, next=str(new.data), next_origin=new.origin, register=f"knows {came.known.size}",
        next_recovery_file=str(new.recovery_file),
        note=f"{report.origin} is closed for good and read with --unrecorded; serve the new ledger"
        f" in {new.data}",
    )
