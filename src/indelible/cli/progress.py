"""Progress of long work: a bar on stderr, and only where a person watches: never with `--json`."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
import msgspec

from indelible.base.errors import IndelibleError
from indelible.base.limits import PROGRESS_SECONDS
from indelible.cli.client import Client
from indelible.cli.output import decode

if TYPE_CHECKING:
    from rich.progress import Progress

Advance = Callable[[int, int], None]
"""`advance(done, total)`; a total of 0 means that it is not known."""


class Working(msgspec.Struct, frozen=True, kw_only=True):
    """Long work of the ledger; see `server.rooms.Working`."""

    name: str
    done: int
    total: int


class Busyness(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of GET /v1/status here."""

    working: tuple[Working, ...] = ()


def _bar(unit: str) -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.text import Text

    class Counted(ProgressColumn):
        """`12,000 of 50,000 events, 9,800/s`."""

        def render(self, task: Task) -> Text:
            done = f"{int(task.completed):,}"
            of = f" of {int(task.total):,}" if task.total else ""
            speed = f", {int(task.speed):,}/s" if task.speed else ""
            return Text(f"{done}{of} {unit}{speed}")

    in_bytes = (DownloadColumn(), TransferSpeedColumn())
    measures = in_bytes if unit == "bytes" else (Counted(),)
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), *measures,
        TimeElapsedColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    )


def is_watched() -> bool:
    """Whether a person looks on: stderr is a terminal, and the command has no `--json`."""
    context = click.get_current_context(silent=True)
    return sys.stderr.isatty() and not (context and context.params.get("as_json"))


@contextmanager
def progress(title: str, unit: str = "events") -> Iterator[Advance]:
    """A bar for the duration of the block; silent where nobody watches."""
    if not is_watched():
        yield lambda _done, _total: None
        return
    with _bar(unit) as bar:
        task = bar.add_task(title, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None)

        yield advance


@contextmanager
def followed(client: Client, work: str, title: str, unit: str = "events") -> Iterator[None]:
    """The same for long work of the ledger that a call in the block waits for.

    `work` is its name in `Status.working`. Nobody is asked where nobody watches.
    """
    if not is_watched():
        yield
        return
    ended = threading.Event()
    with progress(title, unit) as advance:
        asking = threading.Thread(target=_ask, args=(client, work, advance, ended), daemon=True)
        asking.start()
        try:
            yield
        finally:
            ended.set()
            asking.join()


def _ask(client: Client, work: str, advance: Advance, ended: threading.Event) -> None:
    """How far it is, until it has ended; a ledger that does not say is not asked again."""
    while not ended.wait(PROGRESS_SECONDS):
        try:
            status = decode(client.get("/v1/status"), Busyness)
        except IndelibleError:
            return
        for one in status.working:
            if one.name == work:
                advance(one.done, one.total)
