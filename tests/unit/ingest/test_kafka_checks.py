"""What cannot be read of Kafka is told, with the remedy, and is read when it can be."""

from __future__ import annotations

import re

import pytest

from indelible.base.errors import BadRequest, Unreachable
from indelible.ingest import extras
from indelible.ingest.protocols import kafka, kafka_check, kafka_log
from indelible.ingest.protocols.findings import ERROR, FINE
from indelible.ingest.protocols.kafka_positions import Place
from indelible.ingest.protocols.kafka_settings import options_of
from support.kafka import Cluster, needs_kafka, story
from support.kafka_source import (
    audit_cluster,
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

    monkeypatch.setattr(extras, "import_module", absent)
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
