"""What all routes share while one ledger is served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from indelible.base.clock import monotonic
from indelible.base.errors import Busy
from indelible.base.limits import (
    EXPORT_STREAMS,
    PARSE_APART_BYTES,
    PARSE_APART_LINES,
    PUBLISHED_BURST,
    PUBLISHED_PER_SECOND,
    TAIL_STREAMS,
)
from indelible.base.recorder import Recorder
from indelible.base.settings import Settings
from indelible.server.bodies import Reading
from indelible.server.credentials import Tokens, networks
from indelible.server.errors import TooManyRequests
from indelible.server.metrics import Metrics
from indelible.server.patience import Patience
from indelible.server.rooms import Rooms

T = TypeVar("T")


class Bucket:
    """A token bucket for all unauthenticated clients together."""

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = float(burst)
        self._at = monotonic()

    def take(self) -> None:
        """Take one; raises TooManyRequests when there is none."""
        now = monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            raise TooManyRequests("the published log is read faster than this server allows")
        self._left -= 1


class Slots:
    """A bound on how many streams of one kind are open at once."""

    def __init__(self, what: str, count: int) -> None:
        self._what = what
        self._count = count
        self.open = 0

    def take(self) -> None:
        """Open one; raises Busy when all are taken. The taker calls `give` once."""
        if self.open >= self._count:
            raise Busy(f"{self._count} {self._what} are open already")
        self.open += 1

    def give(self) -> None:
        """Close one."""
        self.open -= 1


class Context:
    """The rooms, and the server's own small state. Lives in one event loop."""

    def __init__(self, rooms: Rooms, settings: Settings, recorder: Recorder) -> None:
        self.rooms = rooms
        self.settings = settings
        self.recorder = recorder
        self.tokens = Tokens(rooms.meta, self._is_disabled)
        self.metrics = Metrics()
        self.trusted = networks(settings.trusted_proxies)
        self.published = Bucket(PUBLISHED_PER_SECOND, PUBLISHED_BURST)
        self.reading = Reading()
        self.patience = Patience()
        self.draining = asyncio.Event()
        self.verifying: dict[str, asyncio.Task[None]] = {}
        self.tails = Slots("live tails", TAIL_STREAMS)
        self.exports = Slots("exports", EXPORT_STREAMS)
        self._parsing = ThreadPoolExecutor(1, "parse")

    def _is_disabled(self, source: str, tenant: str) -> bool:
        configured = self.rooms.configured(source, tenant)
        return configured is not None and configured.settings.disabled

    async def parsed(self, parse: Callable[..., T], body: bytes, *more: str) -> T:
        """What `parse` makes of `body`; a large one is read in a thread, beside other requests.

        Raises what `parse` raises, and Busy when too many bytes wait to be read.
        """
        if len(body) <= PARSE_APART_BYTES and body.count(b"\n") <= PARSE_APART_LINES:
            return parse(body, *more)
        self.reading.take(len(body))
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._parsing, parse, body, *more)
        finally:
            self.reading.give(len(body))
