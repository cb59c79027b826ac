"""Topics read from librdkafka's mock broker: each record once over restarts, few of them ahead."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from indelible.base.limits import COLLECT_BATCH_EVENTS, KAFKA_BATCHES
from indelible.ingest.protocols import kafka, kafka_log
from support.kafka import Cluster, needs_kafka, send_odd_header, story
from support.kafka_source import (
    audit_cluster,
    begun_of,
    hub_of,
    looked,
    message,
    offset,
    often,
    reading,
    until,
)

pytestmark = needs_kafka
_often = pytest.fixture(autouse=True)(often)
cluster = pytest.fixture(audit_cluster)


@story
async def test_a_restart_reads_on_where_it_was(cluster: Cluster) -> None:
    hub = hub_of(cluster)
    cluster.send("audit", [message(n) for n in range(30)], 0)
    cluster.send("audit", [message(n) for n in range(10)], 1)
    async with reading(hub):
        await until(lambda: (offset(hub), offset(hub, "audit/1")) == (30, 10))
    before = len(hub.submissions)
    cluster.send("audit", [message(30)], 0)
    async with reading(hub):
        await until(lambda: offset(hub) == 31)
    assert len(hub.contents) == 41
    assert sum(len(one.events) for one in hub.submissions[before:]) == 1
    assert hub.gaps == []
    assert hub.shown["behind"] == "0 offsets"


@story
async def test_what_was_not_kept_is_read_again_and_adds_nothing(cluster: Cluster) -> None:
    hub = hub_of(cluster)
    cluster.send("audit", [message(n) for n in range(30)])
    async with reading(hub):
        await until(lambda: offset(hub) >= 0)
        await hub.wait_for(30)
    first = {one["id"] for one in hub.contents}
    kept = dict(hub.positions)
    hub.positions.clear()  # as if nothing had been kept
    async with reading(hub):
        await until(lambda: offset(hub) == 30)
    assert sum(len(one.events) for one in hub.submissions) == 60
    assert {one["id"] for one in hub.contents} == first
    assert len(first) == 30
    assert hub.positions.keys() == kept.keys()


@story
async def test_a_position_is_not_kept_before_its_records_are_durable(cluster: Cluster) -> None:
    hub = hub_of(cluster)
    cluster.send("audit", [message(n) for n in range(5)])
    hub.open.clear()
    async with reading(hub) as task:
        await until(lambda: offset(hub) == 0, task)
        await looked(hub)
        assert offset(hub) == 0
        hub.open.set()
        await until(lambda: offset(hub) == 5, task)


@story
async def test_while_the_ledger_is_busy_little_is_read(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory holds a few batches; the rest stays with the brokers."""
    hub = hub_of(cluster)
    count = 20 * COLLECT_BATCH_EVENTS
    cluster.send("audit", [message(n) for n in range(count)])
    begun = begun_of(hub)
    sent: list[int] = []
    send = kafka._Consuming._send

    async def counted(self: Any, batch: Any) -> None:
        sent.append(len(batch.events))
        await send(self, batch)

    monkeypatch.setattr(kafka._Consuming, "_send", counted)
    hub.open.clear()
    async with reading(hub) as task:
        await until(lambda: len(sent) == KAFKA_BATCHES + 1, task)
        assert len(begun) == KAFKA_BATCHES, "one more is read, and waits"
        assert sum(sent) < (KAFKA_BATCHES + 1) * 2 * COLLECT_BATCH_EVENTS
        hub.open.set()
        await until(lambda: offset(hub) == count, task)
    assert len(hub.contents) == count


@story
async def test_latest_leaves_alone_what_was_there_before(cluster: Cluster) -> None:
    hub = hub_of(cluster, start="latest")
    cluster.send("audit", [message(1)] * 5)
    async with reading(hub) as task:
        await until(lambda: offset(hub) == 5, task)
        cluster.send("audit", [message(2)])
        await until(lambda: offset(hub) == 6, task)
    assert [one["actor"]["id"] for one in hub.contents] == ["u2"]


@story
async def test_a_header_whose_name_is_no_text_stops_nothing(cluster: Cluster) -> None:
    """confluent-kafka raises where it should give the headers."""
    hub = hub_of(cluster)
    cluster.send("audit", [message(n) for n in range(100)])
    odd = [message(n) for n in range(100, 150)]
    send_odd_header(cluster.brokers, "audit", b"\xff\xfe", odd)
    cluster.send("audit", [message(150)])
    async with reading(hub) as task:
        await until(lambda: len(hub.contents) == 151, task)
    unread = [one["actor"]["id"] for one in hub.contents
              if "headers_unread" in one["data"]["kafka"]]
    assert sorted(unread) == [f"u{n}" for n in range(100, 150)]


@story
async def test_a_topic_is_not_begun_with_a_part_of_its_partitions(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others would be taken for new, and read from their start."""
    hub = hub_of(cluster, start="latest")
    cluster.send("audit", [message(1)] * 5, 1)
    look, looks = kafka_log.Log.look, 0

    def partly(self: kafka_log.Log) -> kafka_log.Seen:
        nonlocal looks
        looks += 1
        seen = look(self)
        if looks > 1:
            return seen
        ends = {place: one for place, one in seen.ends.items() if place.partition == 0}
        return msgspec.structs.replace(seen, ends=ends, parts=frozenset(["audit"]))

    monkeypatch.setattr(kafka_log.Log, "look", partly)
    async with reading(hub) as task:
        await until(lambda: (offset(hub), offset(hub, "audit/1")) == (0, 5), task)
        cluster.send("audit", [message(2)], 1)
        await until(lambda: offset(hub, "audit/1") == 6, task)
    assert [one["actor"]["id"] for one in hub.contents] == ["u2"]


@story
async def test_the_group_is_told_how_far_was_read(cluster: Cluster) -> None:
    from confluent_kafka import Consumer, TopicPartition

    hub = hub_of(cluster, group="watched")
    cluster.send("audit", [message(n) for n in range(7)])
    watcher = Consumer(
        {"bootstrap.servers": cluster.brokers, "group.id": "watched", "log_level": 0})
    place = [TopicPartition("audit", 0)]
    async with reading(hub) as task:
        await until(lambda: offset(hub) == 7, task)
        await until(lambda: watcher.committed(place, timeout=5)[0].offset == 7, task)
    watcher.close()
