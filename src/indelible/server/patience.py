"""How long the server waits for a sender: one timer for all waits, so that one more costs nothing.

A request that comes whole at once waits for microseconds; a timer of its own would cost more than
reading it. Here each wait is one entry in a dictionary, and once a second the overdue ones end.
"""

from __future__ import annotations

import asyncio
from types import TracebackType

from indelible.base.clock import monotonic
from indelible.base.limits import OVERDUE_LOOK_SECONDS, REQUEST_SECONDS


class Patience:
    """Ends waits that last longer than `seconds` (to a second); lives in one event loop."""

    def __init__(
        self, seconds: float = REQUEST_SECONDS, every: float = OVERDUE_LOOK_SECONDS
    ) -> None:
        self._seconds, self._every = seconds, every
        self._waits: dict[asyncio.Task[object], float] = {}
        self._overdue: set[asyncio.Task[object]] = set()
        self._looking = False

    def __enter__(self) -> None:
        """Begin to wait in the running task; TimeoutError is raised there when it lasts."""
        task = asyncio.current_task()
        assert task is not None
        self._waits[task] = monotonic() + self._seconds
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(self._every, self._look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._waits.pop(task, None)
        if task in self._overdue:
            self._overdue.discard(task)
            if task.uncancel() == 0 and kind is asyncio.CancelledError:
                raise TimeoutError(f"more than {self._seconds} seconds") from error

    def _look(self) -> None:
        now = monotonic()
        for task in [task for task, until in self._waits.items() if until <= now]:
            del self._waits[task]
            self._overdue.add(task)
            task.cancel()
        self._looking = bool(self._waits)
        if self._looking:
            asyncio.get_running_loop().call_later(self._every, self._look)
