"""The writer's side of the query workers: a few connections to each, questions in turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from indelible.app import wire
from indelible.base.clock import monotonic
from indelible.base.errors import Busy
from indelible.base.limits import (
    EXPORT_STREAMS,
    POLL_SECONDS,
    QUERIES_AT_ONCE,
    QUERY_CONNECT_SECONDS,
    QUERY_QUEUE,
    QUERY_READ_BYTES,
    QUERY_SECONDS,
)


class Questions:
    """Asks the workers. Lives in one event loop."""

    def __init__(self, run: Path, workers: int) -> None:
        self._paths = [str(run / f"query-{number}.sock") for number in range(workers)]
        self._idle: dict[str, list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {
            path: [] for path in self._paths
        }
        self._slots = asyncio.Semaphore(QUERIES_AT_ONCE * workers)
        self._exports = asyncio.Semaphore(EXPORT_STREAMS)  # a slow reader keeps no search waiting
        self._waiting = 0
        self._turn = 0

    async def ask(self, op: str, payload: bytes, size: int) -> bytes:
        """One question, one answer. Raises `Busy`, or the error the worker answered."""
        async for piece in self._exchange(op, payload, size, QUERY_SECONDS + 10):
            return piece
        raise Busy("the query process ended while it was answering")

    def stream(self, op: str, payload: bytes, size: int) -> AsyncIterator[bytes]:
        """One question, an answer in pieces."""
        return self._exchange(op, payload, size, None)

    async def _exchange(
        self, op: str, payload: bytes, size: int, seconds: float | None
    ) -> AsyncIterator[bytes]:
        if self._waiting >= QUERY_QUEUE:
            raise Busy(f"{self._waiting} searches are waiting")
        self._waiting += 1
        slots = self._exports if seconds is None else self._slots
        try:
            await slots.acquire()
        finally:
            self._waiting -= 1
        path = self._paths[self._turn % len(self._paths)]
        self._turn += 1
        streams = None
        try:
            streams = await self._connection(path)
            reader, writer = streams
            writer.write(wire.encode(wire.Ask(op, payload, size)))
            await writer.drain()
            while True:
                async with asyncio.timeout(seconds):
                    message = await wire.receive(reader)
                if isinstance(message, wire.Refused):
                    self._idle[path].append(streams)
                    streams = None
                    raise wire.raised(message)
                if not isinstance(message, wire.Answer):
                    raise Busy("the query process ended while it was answering")
                if not message.more:
                    self._idle[path].append(streams)
                    streams = None
                    if message.payload:
                        yield message.payload
                    return
                yield message.payload
        except TimeoutError as error:
            raise Busy("the search took longer than is allowed") from error
        finally:
            if streams is not None:
                streams[1].close()
            slots.release()

    async def _connection(
        self, path: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle[path]:
            streams = self._idle[path].pop()
            if not streams[0].at_eof():
                return streams
            streams[1].close()
        until = monotonic() + QUERY_CONNECT_SECONDS
        while True:
            try:
                return await asyncio.open_unix_connection(path, limit=QUERY_READ_BYTES)
            except OSError as error:
                if monotonic() > until:
                    raise Busy("the query process is starting") from error
            await asyncio.sleep(POLL_SECONDS)
