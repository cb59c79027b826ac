"""Losses of a partition, each of them an event of its own: in the same place, and told again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
import pytest

from indelible.ingest.protocols import kafka, kafka_log
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.kafka_positions import Hole, Kept, Place, hole_event, kept_of
from indelible.ingest.protocols.kafka_records import Stem
from indelible.ingest.sources import SourceSettings
from support.hub import MemoryHub
from support.kafka import Cluster, needs_kafka, story

STEM = Stem("cluster", "audit", "topicid")
PLACE = Place("audit", 0)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "KAFKA_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(kafka, "KAFKA_WRONG_SECONDS", 0.1)
    monkeypatch.setattr(kafka, "KAFKA_KEEP_SECONDS", 0.0)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as found:
        found.make("audit")
        yield found


def hub_of(cluster: Cluster, **options: str) -> MemoryHub:
    options = {"brokers": cluster.brokers, "topics": "audit", **options}
    return MemoryHub(SourceSettings(id="k", protocol="kafka", options=options))


@contextlib.asynccontextmanager
async def reading(hub: MemoryHub) -> AsyncIterator[asyncio.Task[None]]:
    """The source at work, begun with what the hub has kept of it."""
    positions = dict(hub.positions.get(("k", ""), {}))
    configured = Configured(settings=hub.configured[0].settings, positions=positions)
    task = asyncio.create_task(kafka.consume(hub, configured))
    try:
        yield task
    finally:
        if task.cancel():  # else it has ended, and `until` has told how
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(what: Callable[[], Any], task: asyncio.Task[None]) -> None:
    """Wait for something to hold; an end of the work is told at once."""
    async with asyncio.timeout(10):
        while not what():
            if task.done():
                await task
            await asyncio.sleep(0.02)


def message(number: int) -> bytes:
    return b'{"time": "2026-01-01T00:00:00Z", "user": "u%d", "action": "login"}' % number


def kept(hub: MemoryHub) -> Kept:
    found = hub.positions.get(("k", ""), {}).get("kafka/audit/0")
    return Kept("", "", "", -1, -1) if found is None else msgspec.msgpack.decode(found, type=Kept)


def losses(hub: MemoryHub) -> list[dict[str, Any]]:
    return [one for one in hub.contents if one["action"] == "kafka.partition.lose"]


def test_losses_from_one_offset_on_are_told_apart() -> None:
    gone = [
        hole_event(Hole("log_shorter", "why", 100, 109), STEM, PLACE, 5),
        hole_event(Hole("log_shorter", "why", 100, 179), STEM, PLACE, 5),
        hole_event(Hole("log_shorter", "why", 100, 109), STEM, PLACE, 5, 1),
        hole_event(Hole("expired", "why", 100, 109), STEM, PLACE, 5),
    ]
    assert len({one.id for one in gone}) == len({one.idempotent for one in gone}) == 4


def test_a_loss_that_is_told_again_later_is_the_same() -> None:
    first, again = [
        hole_event(Hole("expired", "why", 100, 109), STEM, PLACE, now, 3) for now in (5, 6)]
    assert (first.id, first.idempotent) == (again.id, again.idempotent)


def test_a_position_that_was_kept_before_losses_were_counted_is_read() -> None:
    old = msgspec.msgpack.encode(["c", "T", "T", 100, 110])
    settings = SourceSettings(id="k", protocol="kafka")
    found = kept_of(Configured(settings=settings, positions={"kafka/audit/0": old}))
    assert found == {PLACE: Kept("c", "T", "T", 100, 110, 0)}


@needs_kafka
@story
async def test_a_log_that_is_shortened_twice_at_one_place_lost_twice(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = hub_of(cluster)
    take, lacking = kafka_log.Log.take, 0

    def cut(self: kafka_log.Log, wait: float) -> kafka_log.Taken:
        nonlocal lacking
        taken = take(self, wait)
        if lacking:
            taken.wrong[PLACE] = "_LOG_TRUNCATION: leader has less"
            lacking -= 1
        return taken

    monkeypatch.setattr(kafka_log.Log, "take", cut)
    cluster.send("audit", [message(n) for n in range(10)])
    async with reading(hub) as task:
        for count in (1, 2):
            await until(lambda: kept(hub).offset == 10, task)
            lacking = 1
            await until(lambda count=count: len(losses(hub)) == count, task)
        await until(lambda: kept(hub).offset == 10, task)
        assert kept(hub).losses == 2
    assert [one["reason"]["code"] for one in losses(hub)] == ["log_shorter"] * 2


@needs_kafka
@story
async def test_more_that_expired_before_the_position_was_kept_is_told(cluster: Cluster) -> None:
    """Killed between the event and the position: the second event says all that is gone."""
    hub = hub_of(cluster)
    cluster.send("audit", [message(n) for n in range(10)])
    async with reading(hub) as task:
        await until(lambda: kept(hub).offset == 10, task)
    before = dict(hub.positions[("k", "")])
    cluster.send("audit", [message(n) for n in range(10, 40)])
    for first_left in (20, 20, 30):
        cluster.forget("audit", 0, first_left)
        hub.positions[("k", "")] = dict(before)
        async with reading(hub) as task:
            await until(lambda: kept(hub).offset == 40, task)
    assert [one["data"]["last_offset"] for one in losses(hub)] == [19, 29]
