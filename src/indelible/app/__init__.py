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
    from indelible.base.settings import Settings

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


def open_local(data: Path, recorded: bool = True) -> OpenedFolder:
    """A stopped ledger as an application in this process; see `app.local`."""
    from indelible.app.local import OpenedFolder

    return OpenedFolder(data)
