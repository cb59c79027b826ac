"""A source of Kafka at work in this process, and what became of its topics."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import msgspec
import pytest

from indelible.ingest.protocols import kafka
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.kafka_positions import Kept
from indelible.ingest.sources import SourceSettings
from indelible.ingest.submission import Submission, SubmitResult
from support.hub import MemoryHub
from support.kafka import Cluster

RUN = 30.0
"""Seconds until a wait is given up: a busy machine is slow, a fault never ends."""


def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fixture: what is done now and then is done all the time."""
    monkeypatch.setattr(kafka, "KAFKA_LOOK_SECONDS", 0.3)
    monkeypatch.setattr(kafka, "KAFKA_WRONG_SECONDS", 0.1)
    monkeypatch.setattr(kafka, "KAFKA_KEEP_SECONDS", 0.0)


def audit_cluster() -> Iterator[Cluster]:
    """A fixture: a cluster with the topic `audit` of two partitions."""
    with Cluster() as found:
        found.make("audit", 2)
        yield found


def hub_of(cluster: Cluster, topics: str = "audit", **options: str) -> MemoryHub:
    """A hub with one source, `k`, that reads these topics."""
    settings = SourceSettings(
        id="k", protocol="kafka",
        options={"brokers": cluster.brokers, "topics": topics, **options},
    )
    return MemoryHub(settings)


@contextlib.asynccontextmanager
async def reading(hub: MemoryHub) -> AsyncIterator[asyncio.Task[None]]:
    """The source at work, begun with what the hub has kept of it."""
    settings = hub.configured[0].settings
    positions = dict(hub.positions.get((settings.id, settings.tenant), {}))
    configured = Configured(settings=settings, positions=positions)
    task = asyncio.create_task(kafka.consume(hub, configured))
    try:
        yield task
    finally:
        if task.cancel():  # else it has ended, and `until` has told how
            with contextlib.suppress(asyncio.CancelledError):
                await task


def begun_of(hub: MemoryHub) -> list[int]:
    """How many events each delivery has that was begun from now on."""
    begun: list[int] = []
    deliver = hub.deliver

    async def counted(submission: Submission) -> SubmitResult:
        begun.append(len(submission.events))
        return await deliver(submission)

    hub.deliver = counted  # type: ignore[method-assign]
    return begun


async def looked(hub: MemoryHub, times: int = 3) -> None:
    """Until the source has looked at its topics so often, and has gone on with its work."""
    seen = 0
    shows = hub.figures

    def counted(settings: SourceSettings, figures: Mapping[str, str]) -> None:
        nonlocal seen
        seen += 1
        shows(settings, figures)

    hub.figures = counted  # type: ignore[method-assign]
    await until(lambda: seen >= times)
    hub.figures = shows  # type: ignore[method-assign]


async def until(what: Callable[[], Any], task: asyncio.Task[None] | None = None) -> None:
    """Wait for something to hold; an end of the work is told at once."""
    async with asyncio.timeout(RUN):
        while not what():
            if task is not None and task.done():
                await task
            await asyncio.sleep(0.02)


def message(number: int) -> bytes:
    """A record's value, of its own person."""
    return b'{"time": "2026-01-01T00:00:00Z", "user": "u%d", "action": "login"}' % number


def losses(hub: MemoryHub) -> list[dict[str, Any]]:
    """The events that say what of a partition is lost."""
    return [one for one in hub.contents if one.get("action") == "kafka.partition.lose"]


def kept(hub: MemoryHub, place: str = "audit/0") -> Kept:
    """What was kept of a partition; an offset of -1 before anything was."""
    found = hub.positions.get(("k", ""), {}).get(f"kafka/{place}")
    return Kept("", "", "", -1, -1) if found is None else msgspec.msgpack.decode(found, type=Kept)


def offset(hub: MemoryHub, place: str = "audit/0") -> int:
    """How far a partition was kept as read; -1 before it was."""
    return kept(hub, place).offset
