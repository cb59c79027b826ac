"""The only place that wires rooms together, and watches the processes.

What the command line calls stands here; each import is made when it is needed, because a command
that only talks to a server should not wait for the libraries of one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from indelible.app.local import OpenedFolder
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

    Unrecorded only on read-only media; see `app.unrecorded`.
    """
    if recorded:
        from indelible.app.local import OpenedFolder

        return OpenedFolder(data)
    from indelible.app.place import Place
    from indelible.app.unrecorded import UnrecordedFolder

    return UnrecordedFolder(Place.at(data))


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


def _silent(_done: int, _total: int) -> None:
    return
