"""The sequencer: gathers what arrived while the disk was busy and makes it durable at once.

One task. While a batch is being written and synced in a thread, the loop goes on parsing requests;
what they bring is the next batch. Nobody is answered before `fdatasync` has returned.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from indelible.base.clock import monotonic
from indelible.base.errors import Busy, DiskFull, IndelibleError, LedgerStopped
from indelible.base.limits import (
    BATCH_BYTES,
    BATCH_EVENTS,
    QUEUE_BYTES,
    QUEUE_EVENTS,
    RESERVED_BYTES,
    SPACE_LOOK_SECONDS,
    UNSEALED_BYTES,
    UNSEALED_EVENTS,
)
from indelible.ledger.incoming import Durable, Work, Written
from indelible.ledger.writer import Prepared, Writer


class _Waiting(NamedTuple):
    work: Work
    size: int
    answer: asyncio.Future[Written]


class Sequencer:
    """Group commit in front of one `Writer`. Lives in one event loop."""

    def __init__(
        self, writer: Writer, *, on_durable: Callable[[Durable], None], data: os.PathLike[str],
        unsealed: Iterable[tuple[int, int]] = (),
    ) -> None:
        self._writer, self._on_durable, self._data = writer, on_durable, data
        self._queue: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "journal")
        self._task: asyncio.Task[None] | None = None
        self._space_at = -1.0
        self._closing = False
        self.held: str | None = None
        self.sealed_end = writer.size
        self._unsealed = deque(unsealed)  # (index after the last event, bytes) of what is stored
        self.unsealed_bytes = sum(size for _, size in self._unsealed)
        self.queued_events = 0
        self.queued_bytes = 0
        self.batches = 0

    def start(self) -> None:
        """Begin to take work."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def submit(self, work: Work, *, own: bool = False) -> Written:
        """Return once every event of `work` is durable.

        Raises `Busy` when too much is waiting, `DiskFull` when only the reserve for own records is
        left, `LedgerStopped` when the ledger stopped; then none of the events is promised.
        """
        self.check(own=own)
        size = sum([len(event.content) for event in work.events])
        answer: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(work, size, answer))
        self.queued_events += len(work.events)
        self.queued_bytes += size
        self._wake.set()
        return await answer

    def check(self, *, own: bool = False) -> None:
        """Raise what `submit` would raise now: for who answers without storing."""
        if self._writer.stopped is not None or self._closing:
            raise LedgerStopped(self._writer.stopped or "the ledger is shutting down")
        if not own:
            self._admit()

    def _admit(self) -> None:
        if self.held is not None:
            raise LedgerStopped(self.held)
        if self.queued_events >= QUEUE_EVENTS or self.queued_bytes >= QUEUE_BYTES:
            raise Busy(f"{self.queued_events} events are waiting for the disk")
        if self._writer.size - self.sealed_end >= UNSEALED_EVENTS:
            raise Busy(f"{UNSEALED_EVENTS} events are waiting to be sealed")
        if self.unsealed_bytes >= UNSEALED_BYTES:
            raise Busy(f"{UNSEALED_BYTES} bytes of events are waiting to be sealed")
        now = monotonic()
        if now - self._space_at > SPACE_LOOK_SECONDS:
            if full := self.full():
                raise DiskFull(full)
            self._space_at = now

    def full(self) -> str:
        """Why no event has room on the disk now, '' where it has; raises `LedgerStopped` where
        nobody can tell."""
        try:
            space = os.statvfs(self._data)
        except OSError as error:
            why = f"the data folder cannot be reached: {error.strerror}"
            raise LedgerStopped(why) from error
        enough = space.f_bavail * space.f_frsize >= RESERVED_BYTES + 2 * self.queued_bytes
        return "" if enough else (
            "the disk is full: only the reserve for the ledger's own records is left"
        )

    def sealed(self, end: int) -> None:
        """Everything below `end` is sealed and waits no longer."""
        self.sealed_end = end
        while self._unsealed and self._unsealed[0][0] <= end:
            self.unsealed_bytes -= self._unsealed.popleft()[1]

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        events = size = 0
        while self._queue and events < BATCH_EVENTS and size < BATCH_BYTES:
            waiting = self._queue.popleft()
            taken.append(waiting)
            events += len(waiting.work.events)
            size += waiting.size
        self.queued_events -= events
        self.queued_bytes -= size
        return taken

    async def _run(self) -> None:
        while not (self._closing and not self._queue):
            if not self._queue:
                self._wake.clear()
                await self._wake.wait()
                continue
            taken = self._take()
            try:
                await self._batch(taken)
            except IndelibleError as error:
                self._fail(taken, error)
            except Exception as error:  # noqa: BLE001 - any surprise stops the writer, loudly
                self._writer.stopped = f"unexpected: {error!r}"
                self._fail(taken, LedgerStopped(self._writer.stopped))

    async def _batch(self, taken: list[_Waiting]) -> None:
        writer = self._writer
        prepared = writer.prepare([waiting.work for waiting in taken])
        if prepared.bodies:
            try:
                await self._take_up(prepared)
            except Exception as error:  # perhaps on disk and not in the tree: no index is sure now
                writer.stopped = writer.stopped or f"a batch could not be taken up: {error}"
                raise
        self.batches += 1
        for waiting, written in zip(taken, prepared.answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(written)

    async def _take_up(self, prepared: Prepared) -> None:
        """Durable first, then in the tree, then told to who follows."""
        writer, loop = self._writer, asyncio.get_running_loop()
        durable, leaves = await loop.run_in_executor(self._thread, self._store, prepared)
        writer.commit(prepared, leaves)
        self._unsealed.append((writer.size, sum(map(len, prepared.bodies))))
        self.unsealed_bytes += self._unsealed[-1][1]
        self._on_durable(durable)

    def _store(self, prepared: Prepared) -> tuple[Durable, bytes]:
        durable = self._writer.store(prepared)
        return durable, self._writer.compute_leaves(prepared)

    def _fail(self, taken: list[_Waiting], error: IndelibleError) -> None:
        for waiting in taken:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)

    @property
    def closing(self) -> bool:
        """Whether it takes nothing more."""
        return self._closing

    async def call(self, function: Callable[[], None]) -> None:
        """Run `function` on the journal's thread between two batches.

        Raises `LedgerStopped` once it is closing.
        """
        if self._closing:
            raise LedgerStopped("the ledger is shutting down")
        await asyncio.get_running_loop().run_in_executor(self._thread, function)

    async def close(self) -> None:
        """Take nothing more, finish what is waiting."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown(wait=True)
