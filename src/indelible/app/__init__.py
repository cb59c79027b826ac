"""The only place that wires rooms together, and watches the processes.

What the command line calls stands here; each import is made when it is needed, because a command
that only talks to a server should not wait for the libraries of one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indelible.app.local import OpenedFolder
    from indelible.app.rebuilding import RebuildReport
    from indelible.app.reindexing import ReindexReport
    from indelible.app.restoring import RestoreReport
    from indelible.app.setup import InitResult
    from indelible.app.unrecorded import UnrecordedFolder
    from indelible.base.settings import Settings
    from indelible.ledger.fsck import FsckReport
    from indelible.ledger.verify import VerifyReport

Advance = Callable[[int, int], None]


def init_ledger(
    data: Path, origin: str, keys: Path | None = None, state: Path | None = None,
    insecure_single_folder: bool = False,
) -> InitResult:
    """Make a new, empty ledger; see `app.setup`."""
    from indelible.app.setup import init_ledger as make

    return make(data, origin, keys, state, insecure_single_folder)


def run_serve(
    data: Path, settings: Settings, only: str | None = None, json_log: bool = False
) -> None:
    """Run the server until it is told to stop; see `app.serve`."""
    from indelible.app.serve import run_served

    run_served(data, settings, only, json_log)


def open_local(data: Path, recorded: bool = True) -> OpenedFolder | UnrecordedFolder:
    """A stopped ledger as an application in this process; see `app.local`.

    Unrecorded only where nothing can be recorded; see `app.unrecorded`.
    """
    if recorded:
        from indelible.app.local import OpenedFolder

        return OpenedFolder(data)
    from indelible.app.place import Place
    from indelible.app.unrecorded import UnrecordedFolder

    return UnrecordedFolder(Place.at(data))


def takes_nothing(data: Path) -> bool:
    """Whether nothing can be recorded in a folder: a backup, or a log that a restore closed."""
    from indelible.app.place import Place
    from indelible.base.errors import IndelibleError

    try:
        return Place.at(data).takes_nothing()
    except IndelibleError:
        return False


def verify_folder(
    data: Path, *, from_index: int | None = None, to_index: int | None = None,
    quick: bool = False, against: Path | None = None, verification_policy: Path | None = None,
    progress: Advance | None = None,
) -> VerifyReport:
    """Is what lies in a folder what was signed? Only reads; see `app.checking`."""
    from indelible.app.checking import verify_folder as verify

    return verify(
        data, from_index=from_index, to_index=to_index, quick=quick, against=against,
        verification_policy=verification_policy, progress=progress or _silent,
    )


def fsck_folder(
    data: Path, *, columns: bool = False, progress: Advance | None = None
) -> FsckReport:
    """Is a folder whole? Only reads; see `app.fscking`."""
    from indelible.app.fscking import fsck_folder as check

    return check(data, columns=columns, progress=progress or _silent)


def reindex_folder(data: Path, progress: Advance | None = None) -> ReindexReport:
    """Make everything again that follows from evidence; see `app.reindexing`."""
    from indelible.app.reindexing import reindex_folder as reindex

    return reindex(data, progress or _silent)


def restore(
    data: Path, copy: Path, *, keys_from: Path | None = None, recovery: Path | None = None,
    accept_size: int | None = None, reason: str = "", by: Sequence[str] = (),
    progress: Advance | None = None,
) -> RestoreReport:
    """Bring a ledger back from a copy; see `app.restoring`."""
    from indelible.app.restoring import restore as bring_back

    return bring_back(
        data, copy, keys_from=keys_from, recovery=recovery, accept_size=accept_size,
        reason=reason, by=by, progress=progress or _silent,
    )


def register_rebuild(
    data: Path, source: str, progress: Advance | None = None
) -> RebuildReport:
    """Write a lost register again from a checkpoint or a witness; see `app.rebuilding`."""
    from indelible.app.rebuilding import register_rebuild as rebuild

    return rebuild(data, source, progress or _silent)


def _silent(_done: int, _total: int) -> None:
    return
