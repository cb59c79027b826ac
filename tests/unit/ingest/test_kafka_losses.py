"""What is gone from a topic before it was read is told: by retention, in a new topic or cluster."""

from __future__ import annotations

import pytest

from indelible.base.limits import KAFKA_BATCHES
from indelible.ingest.protocols import kafka, kafka_log, kafka_settings
from indelible.ingest.protocols.kafka_positions import Place
from support.kafka import Cluster, needs_kafka, story
from support.kafka_source import (
    audit_cluster,
    begun_of,
    hub_of,
    losses,
    message,
    offset,
    often,
    reading,
    until,
)

pytestmark = needs_kafka
_often = pytest.fixture(autouse=True)(often)
cluster = pytest.fixture(audit_cluster)


@pytest.mark.parametrize("while_away", [True, False])
@story
async def test_what_retention_deleted_before_it_was_read_is_a_loss(
    cluster: Cluster, while_away: bool
) -> None:
    hub = hub_of(cluster)
    cluster.send("audit", [message(n) for n in range(10)])
    async with reading(hub) as task:
        await until(lambda: offset(hub) == 10, task)
        if not while_away:
            hub.open.clear()
            begun = begun_of(hub)
            cluster.send("audit", [b"x" * 1000] * 100)
            await until(lambda: bool(begun), task)
    if while_away:
        cluster.send("audit", [message(n) for n in range(10, 30)])
    cluster.forget("audit", 0, 25)
    hub.open.set()
    seen = len(hub.contents)
    async with reading(hub) as task:
        await until(lambda: losses(hub), task)
        end = 30 if while_away else 110
        await until(lambda: offset(hub) == end, task)
    [lost] = losses(hub)
    assert lost["reason"]["code"] == "expired"
    assert lost["outcome"] == "failure"
    assert lost["data"] == {"first_offset": 10, "last_offset": 24}
    assert lost["targets"][0]["id"] == "audit/0"
    assert [(first, last) for _, first, last in hub.gaps] == [(10, 24)]
    assert len(hub.contents) - seen == end - 25 + 1


@story
async def test_an_offset_that_ran_out_while_reading_is_a_loss(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fetch itself is told that its offset is out of range."""
    monkeypatch.setattr(kafka, "KAFKA_BATCH_BYTES", 100_000)
    monkeypatch.setattr(kafka_log, "KAFKA_TAKEN", 2)
    monkeypatch.setattr(kafka_settings, "KAFKA_QUEUE_BYTES", 1 << 16)
    hub = hub_of(cluster)
    hub.open.clear()
    begun = begun_of(hub)
    cluster.send("audit", [b"x" * 50_000] * 80)  # several times what is fetched ahead
    async with reading(hub) as task:
        await until(lambda: len(begun) == KAFKA_BATCHES, task)
        cluster.forget("audit", 0, 75)
        hub.open.set()
        await until(lambda: offset(hub) == 80, task)
        [lost] = losses(hub)
    first, last = lost["data"]["first_offset"], lost["data"]["last_offset"]
    assert 0 < first < last == 74
    assert len(hub.contents) == first + 5 + 1
    assert hub.gaps[0][1:] == (first, last)


@pytest.mark.parametrize("while_away", [True, False])
@story
async def test_a_topic_that_was_made_again_is_read_from_its_start(
    cluster: Cluster, while_away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka, "KAFKA_LOOK_SECONDS", 4.0)  # the next look would find it too late
    renewed: list[object] = []
    renew = kafka_log.Log.renew
    monkeypatch.setattr(
        kafka_log.Log, "renew", lambda self: (renewed.append(self), renew(self)))
    hub = hub_of(cluster)
    cluster.send("audit", [message(n) for n in range(10)])

    def again() -> None:
        cluster.delete("audit")
        cluster.make("audit", 1)
        cluster.send("audit", [message(n) for n in range(15)])

    async with reading(hub) as task:
        await until(lambda: offset(hub) == 10, task)
        if not while_away:
            again()
            await until(lambda: offset(hub) == 15, task)
    if while_away:
        again()
        async with reading(hub) as task:
            await until(lambda: offset(hub) == 15, task)
    assert bool(renewed) != while_away, "against Kafka 4.1 the old client read nothing more"
    lost = [one for one in losses(hub) if one["targets"][0]["id"] == "audit/0"]
    assert [one["reason"]["code"] for one in lost] == ["topic_recreated"]
    assert lost[0]["outcome"] == "unknown", "everything that was known had been read"
    lives = [one["id"].split("/")[3] for one in hub.contents if "raw" in one]
    newest = lives[-1]
    assert (lives.count(newest), len(lives)) == (15, 25), "what was read on in the new one counts"
    assert hub.gaps == []


@story
async def test_what_a_deleted_topic_was_known_to_hold_is_a_loss(cluster: Cluster) -> None:
    hub = hub_of(cluster)
    cluster.send("audit", [message(n) for n in range(10)])
    hub.open.clear()
    async with reading(hub) as task:
        await until(lambda: offset(hub) == 0, task)
    hub.open.set()
    cluster.delete("audit")
    cluster.make("audit", 2)
    async with reading(hub) as task:
        await until(lambda: len(losses(hub)) == 2, task)
    whole, none = sorted(losses(hub), key=lambda one: one["targets"][0]["id"])
    assert whole["outcome"] == "failure"
    assert whole["data"] == {"first_offset": 0, "last_offset": 9}
    assert none["outcome"] == "unknown"
    assert [one[1:] for one in hub.gaps] == [(0, 9)]


@story
async def test_without_ids_a_topic_that_became_shorter_was_made_again() -> None:
    with Cluster(ids=False) as cluster:
        cluster.make("audit")
        hub = hub_of(cluster)
        cluster.send("audit", [message(n) for n in range(10)])
        async with reading(hub) as task:
            await until(lambda: offset(hub) == 10, task)
        cluster.delete("audit")
        cluster.make("audit")
        cluster.send("audit", [message(n) for n in range(4)])
        async with reading(hub) as task:
            await until(lambda: offset(hub) == 4, task)
    [lost] = losses(hub)
    assert lost["reason"]["code"] == "log_shorter"
    ids = [one["id"] for one in hub.contents if "raw" in one]
    assert len(set(ids)) == 14
    assert sum("/audit/1/0/" in one for one in ids) == 10


@story
async def test_another_cluster_is_read_from_its_start(cluster: Cluster) -> None:
    hub = hub_of(cluster)
    cluster.send("audit", [message(n) for n in range(10)])
    async with reading(hub) as task:
        await until(lambda: offset(hub) == 10, task)
    with Cluster() as other:
        other.make("audit", 2)
        other.send("audit", [message(n) for n in range(20)])
        moved = hub_of(other)
        moved.positions, moved.ids = hub.positions, hub.ids
        async with reading(moved) as task:
            await until(lambda: offset(moved) == 20, task)
    assert {one["reason"]["code"] for one in losses(moved)} == {"other_cluster"}
    assert sum("raw" in one for one in moved.contents) == 20


@story
async def test_what_a_new_leader_lacks_is_told_and_its_log_read_again(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """librdkafka compares the leaders' epochs; the log may be as long as before."""
    hub = hub_of(cluster)
    take, lacking = kafka_log.Log.take, False

    def cut(self: kafka_log.Log, wait: float) -> kafka_log.Taken:
        nonlocal lacking
        taken = take(self, wait)
        if lacking:
            taken.wrong[Place("audit", 0)] = "_LOG_TRUNCATION: leader has less"
            lacking = False
        return taken

    monkeypatch.setattr(kafka_log.Log, "take", cut)
    cluster.send("audit", [message(n) for n in range(10)])
    async with reading(hub) as task:
        await until(lambda: offset(hub) == 10, task)
        read = sum(len(one.events) for one in hub.submissions)
        lacking = True
        await until(lambda: sum(len(one.events) for one in hub.submissions) == read + 11, task)
    [lost] = losses(hub)
    assert (lost["reason"]["code"], lost["outcome"]) == ("log_shorter", "unknown")
    assert len(hub.contents) == 11, "what is known adds nothing"
