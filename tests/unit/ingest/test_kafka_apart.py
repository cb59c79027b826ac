"""Losses of a partition, each of them an event of its own: in the same place, and told again."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from indelible.base.errors import BadRequest
from indelible.ingest.protocols import kafka_log, kafka_settings
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.kafka_positions import (
    Ends,
    Hole,
    Judged,
    Kept,
    Place,
    hole_event,
    kept_of,
    stepped,
)
from indelible.ingest.protocols.kafka_records import Stem
from indelible.ingest.protocols.kafka_settings import options_of
from indelible.ingest.sources import SourceSettings
from support.kafka import FLUSHED, Cluster, needs_kafka, send, story
from support.kafka_source import hub_of, kept, losses, message, often, reading, until

STEM = Stem("cluster", "audit", "topicid")
PLACE = Place("audit", 0)
DAMAGED = "_BAD_COMPRESSION: it cannot be unpacked"
SKIP = {"skip": "audit/0/5-11", "skip_reason": "a batch larger than what is unpacked"}
_often = pytest.fixture(autouse=True)(often)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as found:
        found.make("audit")
        yield found


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


# --- records that cannot be read


@needs_kafka
@story
async def test_a_batch_that_cannot_be_unpacked_is_stepped_over_when_it_is_given_up(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """librdkafka unpacks no more of zstd than an answer may have; here that is 2 MiB."""
    monkeypatch.setattr(kafka_settings, "KAFKA_FETCH_BYTES", 1 << 20)
    monkeypatch.setattr(kafka_settings, "KAFKA_ANSWER_BYTES", 2 << 20)
    cluster.send("audit", [message(n) for n in range(5)])
    send(cluster.brokers, "audit", [b"x" * 990_000] * 7, **{
        "compression.type": "zstd", "linger.ms": FLUSHED, "batch.size": 1 << 30,
        "message.max.bytes": 1 << 29})
    cluster.send("audit", [message(n) for n in range(20, 25)])
    hub = hub_of(cluster)
    async with reading(hub) as task:
        await until(lambda: "trouble" in hub.shown, task)
        assert "partition audit/0: _BAD_COMPRESSION" in hub.shown["trouble"]
        assert hub.shown["trouble"].endswith("(it stands at offset 5)")
        assert (kept(hub).offset, losses(hub)) == (5, [])
    given_up = hub_of(cluster, **SKIP)
    given_up.positions, given_up.ids = hub.positions, hub.ids
    async with reading(given_up) as task:
        await until(lambda: kept(given_up).offset == 17, task)
        await until(lambda: "trouble" not in given_up.shown, task)
    [lost] = losses(given_up)
    assert lost["reason"]["code"] == "given_up"
    assert lost["reason"]["text"].endswith(": a batch larger than what is unpacked")
    assert lost["data"] == {"first_offset": 5, "last_offset": 11}
    assert lost["outcome"] == "failure"
    assert given_up.gaps == [(f"kafka/{kept(hub).cluster}/audit/0", 5, 11)]
    read = [one["actor"]["id"] for one in given_up.contents if "raw" in one]
    assert read == [f"u{n}" for n in range(20, 25)]


@needs_kafka
@story
async def test_what_can_be_read_is_read_although_it_is_given_up(cluster: Cluster) -> None:
    hub = hub_of(cluster, **SKIP)
    cluster.send("audit", [message(n) for n in range(20)])
    async with reading(hub) as task:
        await until(lambda: kept(hub).offset == 20, task)
    assert len(hub.contents) == 20
    assert losses(hub) == []


def test_only_unreadable_records_where_the_partition_stands_are_stepped_over() -> None:
    options = options_of({"brokers": "a.example.org:9092", "topics": "audit", **SKIP})
    now = Ends("c", "T", 0, 10, 10)

    def after(offset: int, why: str = DAMAGED, place: Place = PLACE) -> tuple[int, Hole | None]:
        found = stepped(Judged(offset, "T"), place, now, why, options)
        return found.offset, found.hole

    offset, hole = after(7)
    assert (offset, hole is not None and hole[2:]) == (10, (7, 9)), "not beyond the log's end"
    assert after(4) == (4, None)
    assert after(10) == (10, None)
    assert after(7, place=Place("audit", 1)) == (7, None)
    for why in ("", "TOPIC_AUTHORIZATION_FAILED: no", "_LOG_TRUNCATION: less", "OFFSET_OUT: no"):
        assert after(7, why) == (7, None)
    expired = Judged(7, "T", Hole("expired", "why", 2, 6))
    assert stepped(expired, PLACE, now, DAMAGED, options) == expired


@pytest.mark.parametrize(("said", "field"), [
    ({"skip": "audit/0/5-11"}, "skip_reason"),
    ({"skip_reason": "why"}, "skip_reason"),
    ({"skip": "audit/0/5-11", "skip_reason": "y" * 1025}, "skip_reason"),
    ({"skip": "audit/0/11-5", "skip_reason": "why"}, "skip"),
    ({"skip": "audit/0", "skip_reason": "why"}, "skip"),
    ({"skip": "other/0/5-11", "skip_reason": "why"}, "skip"),
])
def test_what_is_given_up_is_named_with_a_reason(said: dict[str, str], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        options_of({"brokers": "a.example.org:9092", "topics": "audit", **said})
    assert caught.value.field == field
