"""Progress of long work: a bar on stderr, and only where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

Advance = Callable[[int, int], None]
"""`advance(done, total)`; a total of 0 means that it is not known."""


def _bar(unit: str) -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
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

    measure = TransferSpeedColumn() if unit == "bytes" else Counted()
    return Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), measure,
        TimeElapsedColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    )


@contextmanager
def progress(title: str, unit: str = "events") -> Iterator[Advance]:
    """A bar for the duration of the block; silent where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with _bar(unit) as bar:
        task = bar.add_task(title, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None)

        yield advance
