"""The collector process: listens, follows and pulls for every source that is not HTTP.

It holds no key and opens no file of the ledger. What it receives it parses and hands to the writer
over a Unix socket; senders are answered when the writer has answered, that is when it is durable.
When it dies, its parent starts it again, and senders send again what was not answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from indelible.app import wire
from indelible.app.listeners import Listener, listeners_of
from indelible.app.relaying import Asking
from indelible.base.clock import monotonic, wall_us
from indelible.base.errors import IndelibleError, LedgerStopped, Unreachable
from indelible.base.limits import (
    COLLECT_AGAIN_SECONDS,
    COLLECT_BYTES,
    COLLECT_DRAIN_SECONDS,
    COUNTED_SECONDS,
    POLL_SECONDS,
    PROCESS_START_SECONDS,
    RESTART_CALM_SECONDS,
    RESTART_MOST_SECONDS,
    RESTART_SECONDS,
    STRANGERS,
    STRANGERS_SECONDS,
)
from indelible.base.settings import Settings
from indelible.ingest.parsers.contract import Given
from indelible.ingest.protocols import kafka, nats
from indelible.ingest.protocols.follow import follow
from indelible.ingest.protocols.hub import Configured, Hub
from indelible.ingest.protocols.postgres_capture import capture
from indelible.ingest.protocols.pull import pull
from indelible.ingest.protocols.s3 import collect
from indelible.ingest.sources import Senders, SourceSettings
from indelible.ingest.submission import Submission, SubmitResult
from indelible.server.credentials import networks

_log = logging.getLogger(__name__)


class Collector:
    """Fulfils `ingest.protocols.hub.Hub` over the link to the writer. Lives in one event loop."""

    def __init__(
        self, settings: Settings, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._settings = settings
        self._reader, self._writer = reader, writer
        self._proxies = networks(settings.trusted_proxies)
        self._sources: tuple[Configured, ...] = ()
        self._number = 0
        self._waiting: dict[int, asyncio.Future[wire.Delivered]] = {}
        self._room = _Room(COLLECT_BYTES)
        self.relay = Asking(self._told, self._room.of)
        self._strangers: dict[tuple[str, str, str], int] = {}
        self._named: set[tuple[str, str, str]] = set()  # of this minute
        self._named_since = monotonic()
        self._counts: dict[tuple[str, str], tuple[SourceSettings, int, int]] = {}
        self._figures: dict[tuple[str, str], dict[str, str]] = {}
        self._senders: dict[str, Senders] = {}
        self.changed = asyncio.Event()

    # --- what transports see

    def sources(self, protocol: str) -> Sequence[Configured]:
        """See `Hub.sources`."""
        return [
            one for one in self._sources
            if one.settings.protocol == protocol and not one.settings.disabled
        ]

    def senders(self, protocol: str) -> Senders:
        """See `Hub.senders`; made once for each change of the register."""
        found = self._senders.get(protocol)
        if found is None:
            found = self._senders[protocol] = Senders(
                protocol, [one.settings for one in self.sources(protocol)]
            )
        return found

    def given(self, settings: SourceSettings) -> Given:
        """See `Hub.given`."""
        return Given(now_us=wall_us(), zone=ZoneInfo(settings.zone), proxies=self._proxies)

    async def deliver(self, submission: Submission) -> SubmitResult:
        """See `Hub.deliver`."""
        size = sum([len(event.content) for event in submission.events])
        async with self._room.of(size):
            while True:
                answer = await self._ask(wire.Deliver(self._next(), submission))
                if answer.result is not None:
                    return answer.result
                if not answer.again:
                    shape = msgspec.json.decode(answer.error)
                    raise LedgerStopped(shape["message"])
                await asyncio.sleep(COLLECT_AGAIN_SECONDS)

    def refused(self, settings: SourceSettings, count: int) -> None:
        """See `Hub.refused`."""
        self._count(settings, count, 0)

    def dropped(self, settings: SourceSettings, count: int) -> None:
        """See `Hub.dropped`."""
        self._count(settings, 0, count)

    def _count(self, settings: SourceSettings, refused: int, dropped: int) -> None:
        key = (settings.id, settings.tenant)
        _, before, lost = self._counts.get(key, (settings, 0, 0))
        self._counts[key] = (settings, before + refused, lost + dropped)

    def unknown(self, protocol: str, peer: str, certificate: str = "", count: int = 1) -> None:
        """See `Hub.unknown`."""
        key = (protocol, peer, certificate)
        if key not in self._named and len(self._named) >= STRANGERS:
            key = (protocol, "", "")
        self._named.add(key)
        self._strangers[key] = self._strangers.get(key, 0) + count

    def figures(self, settings: SourceSettings, figures: Mapping[str, str]) -> None:
        """See `Hub.figures`."""
        key = (settings.id, settings.tenant)
        if self._figures.get(key) != figures:
            self._figures[key] = dict(figures)
            self.tell(wire.Figures(*key, self._figures[key]))

    async def gap(self, settings: SourceSettings, boot: str, first: int, last: int) -> None:
        """See `Hub.gap`."""
        said = wire.Gap(self._next(), settings.id, settings.tenant, boot, first, last)
        while (await self._ask(said)).error:
            await asyncio.sleep(COLLECT_AGAIN_SECONDS)
            said = msgspec.structs.replace(said, number=self._next())

    async def keep(self, settings: SourceSettings, positions: Mapping[str, bytes]) -> None:
        """See `Hub.keep`."""
        said = wire.Keep(self._next(), settings.id, settings.tenant, dict(positions))
        while (await self._ask(said)).error:
            await asyncio.sleep(COLLECT_AGAIN_SECONDS)
            said = msgspec.structs.replace(said, number=self._next())
        self._sources = tuple(
            msgspec.structs.replace(one, positions=_merged(one.positions, positions))
            if (one.settings.id, one.settings.tenant) == (settings.id, settings.tenant) else one
            for one in self._sources
        )

    # --- the link

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def _ask(self, message: wire.Deliver | wire.Keep | wire.Gap) -> wire.Delivered:
        answer: asyncio.Future[wire.Delivered] = asyncio.get_running_loop().create_future()
        self._waiting[message.number] = answer
        try:
            await self._told(message)
            return await answer
        finally:
            del self._waiting[message.number]

    async def _told(self, message: wire.Message) -> None:
        self.tell(message)
        await self._writer.drain()

    def tell(self, message: wire.Message) -> None:
        """Send one message; a writer that is gone ends this process anyway."""
        if not self._writer.is_closing():
            self._writer.write(wire.encode(message))

    async def hear(self) -> None:
        """Take what the writer says, until it is gone."""
        while (message := await wire.receive(self._reader)) is not None:
            match message:
                case wire.Sources(sources=sources):
                    self._sources = tuple(sources)
                    self._senders = {}
                    self.changed.set()
                case wire.Delivered(number=number):
                    waiting = self._waiting.get(number)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(message)
                case wire.Posted():
                    self.relay.hear(message)
                case _:
                    pass

    async def report(self) -> None:
        """Tell of strangers and of what was lost, on a beat; what cannot be told now is later."""
        while True:
            await asyncio.sleep(STRANGERS_SECONDS)
            strangers, self._strangers = self._strangers, {}
            if monotonic() - self._named_since >= COUNTED_SECONDS:
                self._named.clear()
                self._named_since = monotonic()
            for (protocol, peer, certificate), count in strangers.items():
                self.tell(wire.Stranger(protocol, peer, certificate, count))
            counts, self._counts = self._counts, {}
            for settings, refused, dropped in counts.values():
                try:
                    await self.deliver(
                        Submission(
                            source=settings.id, tenant=settings.tenant, events=[],
                            protocol=settings.protocol, parser="", peer="", rejected=refused,
                            dropped=dropped,
                        )
                    )
                except LedgerStopped:
                    self._count(settings, refused, dropped)


def _merged(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> dict[str, bytes]:
    return {what: value for what, value in {**old, **new}.items() if value}


class _Room:
    """A bound on bytes that wait; one message that is larger than all of it goes alone."""

    def __init__(self, size: int) -> None:
        self._size = self._left = size
        self._freed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        """Take `size`, waiting until there is so much; give it back afterwards."""
        size = min(size, self._size)
        async with self._freed:
            await self._freed.wait_for(lambda: self._left >= size)
            self._left -= size
        try:
            yield
        finally:
            self._left += size
            async with self._freed:
                self._freed.notify_all()


class _Tasks:
    """One task for each source that is read rather than listened to, as the register says."""

    def __init__(self, hub: Collector) -> None:
        self._hub = hub
        self._running: dict[tuple[str, str], tuple[SourceSettings, bytes, asyncio.Task[None]]] = {}

    async def settle(self) -> None:
        """Start what is new, stop what is gone or changed."""
        wanted = {
            (one.settings.id, one.settings.tenant): (work, one)
            for protocol, work in WORKS.items()
            for one in self._hub.sources(protocol)
        }
        for key, (settings, secret, task) in list(self._running.items()):
            now = wanted.get(key)
            if now is None or (now[1].settings, now[1].secret) != (settings, secret):
                del self._running[key]
                await _ended([task])
        for key, (work, one) in wanted.items():
            if key not in self._running:
                task = asyncio.get_running_loop().create_task(_again(work, self._hub, one))
                self._running[key] = (one.settings, one.secret, task)

    async def close(self) -> None:
        """Stop all of them."""
        await _ended([task for _, _, task in self._running.values()])


Work = Callable[[Hub, Configured], Coroutine[None, None, None]]
WORKS: Final[Mapping[str, Work]] = MappingProxyType(
    {
        "file": follow, "kafka": kafka.consume, "nats": nats.consume, "postgres": capture,
        "pull": pull, "s3": collect,
    }
)
"""Protocol to what reads one of its sources until it is cancelled."""


async def _again(work: Work, hub: Collector, configured: Configured) -> None:
    """Run the work of one source; when it fails, say so and begin again a little later."""
    name, wait = configured.settings.id, RESTART_SECONDS
    while True:
        began = monotonic()
        try:
            now = [one for one in hub.sources(configured.settings.protocol)
                   if one.settings == configured.settings]
            await work(hub, (now or [configured])[0])
        except (IndelibleError, OSError) as error:
            _log.error("source %s: %s", name, error)
            hub.figures(configured.settings, {"trouble": str(error)})
        except Exception as error:  # noqa: BLE001 - one source's trouble is no other's
            _log.exception("source %s failed", name)
            hub.figures(configured.settings, {"trouble": f"failed: {error!r}"})
        calm = monotonic() - began > RESTART_CALM_SECONDS
        wait = RESTART_SECONDS if calm else min(wait * 2, RESTART_MOST_SECONDS)
        await asyncio.sleep(wait)


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def run_collector(settings: Settings, run: Path) -> None:
    """Collect until the writer is gone, or until SIGTERM."""
    reader, writer = await _connected(run / "collect.sock")
    hub = Collector(settings, reader, writer)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    hearing = loop.create_task(hub.hear())
    reporting = loop.create_task(hub.report())
    stopping = loop.create_task(stop.wait())
    await hub.changed.wait()
    listeners = listeners_of(settings, hub, hub.relay)
    tasks = _Tasks(hub)
    settling = loop.create_task(_settle(hub, tasks, listeners))
    await asyncio.wait((hearing, stopping), return_when=asyncio.FIRST_COMPLETED)
    settling.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(COLLECT_DRAIN_SECONDS):
            await asyncio.gather(*(one.close() for one in listeners), return_exceptions=True)
            await tasks.close()
    stopping.cancel()
    await _ended([hearing, reporting, settling])
    writer.close()


async def _settle(hub: Collector, tasks: _Tasks, listeners: Sequence[Listener]) -> None:
    """Listen to what the settings name, and follow the register; tell how it goes."""
    told: wire.Listening | None = None
    while True:
        hub.changed.clear()
        for listener in listeners:
            await listener.settle()
        await tasks.settle()
        now = wire.Listening(
            where={one.name: one.where for one in listeners if one.where},
            troubles=[one.trouble for one in listeners if one.trouble],
        )
        if now != told:
            hub.tell(now)
            told = now
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RESTART_MOST_SECONDS):
                await hub.changed.wait()


async def _connected(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    until = monotonic() + PROCESS_START_SECONDS
    while True:
        try:
            return await asyncio.open_unix_connection(str(path))
        except OSError as error:
            if monotonic() > until:
                raise Unreachable(f"nobody answers at {path}") from error
        await asyncio.sleep(POLL_SECONDS)
