"""Topics read from librdkafka's mock broker: restarts, losses, topics made again, back-pressure."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import msgspec
import pytest

from indelible.base.errors import BadRequest, Unreachable
from indelible.base.limits import COLLECT_BATCH_EVENTS, KAFKA_BATCHES
from indelible.ingest.protocols import kafka, kafka_check, kafka_log, kafka_settings
from indelible.ingest.protocols.findings import ERROR, FINE
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.kafka_positions import Kept, Place
from indelible.ingest.protocols.kafka_settings import options_of
from indelible.ingest.sources import SourceSettings
from indelible.ingest.submission import Submission, SubmitResult
from support.hub import MemoryHub
from support.kafka import Cluster, needs_kafka, send_odd_header, story

pytestmark = needs_kafka
RUN = 8.0


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, "KAFKA_LOOK_SECONDS", 0.3)
    monkeypatch.setattr(kafka, "KAFKA_WRONG_SECONDS", 0.1)
    monkeypatch.setattr(kafka, "KAFKA_KEEP_SECONDS", 0.0)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as found:
        found.make("audit", 2)
        yield found


def hub_of(cluster: Cluster, topics: str = "audit", **options: str) -> MemoryHub:
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
    return b'{"time": "2026-01-01T00:00:00Z", "user": "u%d", "action": "login"}' % number


def losses(hub: MemoryHub) -> list[dict[str, Any]]:
    return [one for one in hub.contents if one.get("action") == "kafka.partition.lose"]


def offset(hub: MemoryHub, place: str = "audit/0") -> int:
    """How far a partition was kept as read; -1 before it was."""
    kept = hub.positions.get(("k", ""), {}).get(f"kafka/{place}")
    return -1 if kept is None else msgspec.msgpack.decode(kept, type=Kept).offset


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
async def test_a_topic_that_is_missing_is_told_and_read_when_it_is_there(cluster: Cluster) -> None:
    hub = hub_of(cluster, "audit,later")
    cluster.send("audit", [message(1)])
    async with reading(hub) as task:
        await until(lambda: offset(hub) == 1, task)
        assert hub.shown["trouble"] == "there is no topic later"
        cluster.make("later")
        cluster.send("later", [message(2)])
        await until(lambda: offset(hub, "later/0") == 1, task)
        await until(lambda: "trouble" not in hub.shown, task)
    assert losses(hub) == []


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


@story
async def test_brokers_that_are_gone_are_told(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_log, "KAFKA_ASK_SECONDS", 1.0)
    hub = hub_of(cluster)
    cluster.send("audit", [message(1)])
    async with reading(hub) as task:
        await until(lambda: offset(hub) == 1, task)
        cluster.down()
        with pytest.raises(Unreachable, match="Broker transport failure"):
            await until(lambda: False, task)
    cluster.up()
    cluster.send("audit", [message(2)])
    async with reading(hub) as task:
        await until(lambda: offset(hub) == 2, task)
    assert len(hub.contents) == 2


@story
async def test_a_library_that_is_absent_is_named_with_the_remedy(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(kafka_settings.importlib, "import_module", absent)
    with pytest.raises(BadRequest) as caught:
        await kafka.consume(hub_of(cluster), hub_of(cluster).configured[0])
    assert "pip install confluent-kafka" in (caught.value.remedy or "")


def test_ids_of_topics_are_written_as_kafka_does(cluster: Cluster) -> None:
    """In plain base64 they would hold slashes, which part the ids of records."""
    names = [f"t{n}" for n in range(60)]
    for name in names:
        cluster.make(name)
    log = kafka_log.Log(options_of({"brokers": cluster.brokers, "topics": "t0"}), b"", "k")
    found = log.ids(names)
    log.close()
    assert len(set(found.values())) == 60
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", one) for one in found.values()), found


def test_a_check_says_what_is_there_and_what_is_not(cluster: Cluster) -> None:
    cluster.send("audit", [message(1)] * 3)
    found = kafka_check.check(
        options_of({"brokers": cluster.brokers, "topics": "audit,later"}), b"")
    texts = {one.text: one.level for one in found}
    assert texts["topic audit: 2 partitions, 3 offsets there"] == FINE
    assert texts["there is no topic later"] == "warning"
    gone = options_of({"brokers": cluster.brokers, "topics": "later"})
    assert next(one.level for one in kafka_check.check(gone, b"")) == ERROR


def test_a_check_of_brokers_that_do_not_answer_is_an_error(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_log, "KAFKA_ASK_SECONDS", 1.0)
    [found] = kafka_check.check(options_of({"brokers": "127.0.0.1:9", "topics": "audit"}), b"")
    assert found.level == ERROR
    assert "Connection refused" in found.text


@story
async def test_a_partition_that_gives_nothing_is_told_and_the_others_are_read(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker refuses fetches of one partition, until it does not."""
    hub = hub_of(cluster)
    take, refuses = kafka_log.Log.take, True

    def refused(self: kafka_log.Log, wait: float) -> kafka_log.Taken:
        taken = take(self, wait)
        if refuses:
            taken.records = [one for one in taken.records if one.partition]
            taken.ends.pop(Place("audit", 0), None)
            taken.wrong[Place("audit", 0)] = "BAD_MSG: damaged"
        return taken

    monkeypatch.setattr(kafka_log.Log, "take", refused)
    cluster.send("audit", [message(1)])
    cluster.send("audit", [message(2)], 1)
    async with reading(hub) as task:
        await until(lambda: offset(hub, "audit/1") == 1, task)
        await until(lambda: hub.shown.get("trouble") == "partition audit/0: BAD_MSG: damaged", task)
        assert offset(hub) == 0
        refuses = False
        await until(lambda: offset(hub) == 1, task)
        await until(lambda: "trouble" not in hub.shown, task)
    assert losses(hub) == []


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
