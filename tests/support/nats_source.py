"""A source of NATS at work in this process, and what became of its stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from indelible.ingest.protocols import nats
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.nats_positions import Kept
from indelible.ingest.sources import SourceSettings
from support.hub import MemoryHub
from support.kafka_source import RUN
from support.nats import Nats


def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fixture: what is done now and then is done all the time."""
    from indelible.ingest.protocols import nats_server

    monkeypatch.setattr(nats, "NATS_LOOK_SECONDS", 0.3)
    monkeypatch.setattr(nats, "NATS_KEEP_SECONDS", 0.0)
    monkeypatch.setattr(nats, "NATS_AGAIN_SECONDS", 0.1)
    monkeypatch.setattr(nats_server, "NATS_EXPIRE_SECONDS", 0.3)
    monkeypatch.setattr(nats_server, "NATS_WAIT_SECONDS", 0.1)


def nats_server_at(tmp_path: Path) -> Iterator[Nats]:
    """A fixture: a server of its own, with JetStream and no stream."""
    with Nats(tmp_path / "nats") as found:
        yield found


def hub_of(server: Nats, secret: bytes = b"", **options: str) -> MemoryHub:
    """A hub with one source, `n`, that reads the stream AUDIT."""
    said = {"servers": server.servers, "stream": "AUDIT", **options}
    settings = SourceSettings(id="n", protocol="nats", options=said)
    return MemoryHub(settings, secret=secret)


@contextlib.asynccontextmanager
async def reading(hub: MemoryHub) -> AsyncIterator[asyncio.Task[None]]:
    """The source at work, begun with what the hub has kept of it."""
    settings = hub.configured[0].settings
    positions = dict(hub.positions.get((settings.id, settings.tenant), {}))
    configured = Configured(
        settings=settings, secret=hub.configured[0].secret, positions=positions)
    task = asyncio.create_task(nats.consume(hub, configured))
    try:
        yield task
    finally:
        if task.cancel():  # else it has ended, and `until` has told how
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def become(what: Callable[[], Awaitable[Any]]) -> None:
    """Wait for something that the server is asked for to hold."""
    async with asyncio.timeout(RUN):
        while not await what():
            await asyncio.sleep(0.02)


def message(number: int) -> bytes:
    """A payload, of its own person."""
    return b'{"time": "2026-01-01T00:00:00Z", "user": "u%d", "action": "login"}' % number


def messages(first: int, end: int) -> list[bytes]:
    return [message(n) for n in range(first, end)]


def users(hub: MemoryHub) -> list[str]:
    """Whose messages arrived, in their order."""
    return [one["actor"]["id"] for one in hub.contents if "raw" in one and "actor" in one]


def expected(first: int, end: int) -> list[str]:
    return [f"u{n}" for n in range(first, end)]


def losses(hub: MemoryHub) -> list[dict[str, Any]]:
    """The events that say what of the stream is lost."""
    return [one for one in hub.contents if one.get("action") == "nats.stream.lose"]


def lost(hub: MemoryHub) -> list[tuple[str, int, int]]:
    """The same in short."""
    return [(one["reason"]["code"], one["data"]["first_sequence"],
             one["data"].get("last_sequence", 0)) for one in losses(hub)]


def kept(hub: MemoryHub) -> Kept:
    """What was kept of the stream; a number of -1 before anything was."""
    found = hub.positions.get(("n", ""), {}).get("nats/AUDIT")
    return Kept("", -1, -1) if found is None else msgspec.msgpack.decode(found, type=Kept)
