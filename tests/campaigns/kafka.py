"""Apache Kafka itself and a real server, through kills of both: every committed record once.

Transactions that commit, abort and stay open, compaction, retention, a topic that is made again and
one that gets more partitions. A step takes about two minutes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

from support.apache import Apache
from support.kafka import send
from support.senders import eventually
from support.served import Place, Server
from support.shipping import counts_of, events

TOPICS = ("plain", "booked", "compact", "short", "again")


def message(name: str) -> bytes:
    return json.dumps(
        {"time": "2026-05-01T10:00:00Z", "user": name, "action": "login"}).encode()


def book(brokers: str, values: list[bytes], commit: bool, who: str) -> None:
    """Write records in one transaction."""
    from confluent_kafka import Producer

    producer = Producer(
        {"bootstrap.servers": brokers, "transactional.id": who, "log_level": 0})
    producer.init_transactions(60)
    producer.begin_transaction()
    for value in values:
        producer.produce("booked", value, partition=0)
    producer.flush(60)
    if commit:
        producer.commit_transaction(60)
    else:
        producer.abort_transaction(60)


def counts(server: Server) -> dict[str, Any]:
    return counts_of(server, "audit")


def people(server: Server, topic: str) -> Counter[str]:
    """Who acted in the events of a topic, how often."""
    found = events(server, "source:audit action:event.login")
    return Counter(one["actor"]["id"] for one in found if one["labels"]["topic"] == topic)


def losses(server: Server, topic: str) -> list[dict[str, Any]]:
    return [one for one in events(server, "source:audit action:kafka.partition.lose")
            if one["labels"]["topic"] == topic]


class _Story:
    """One ledger and one Kafka; `wanted` are the records that must be stored, each once."""

    def __init__(self, work: Path, seed: int, apache: Apache) -> None:
        self.chance, self.apache = random.Random(seed), apache
        self.wanted: dict[str, list[str]] = {topic: [] for topic in TOPICS}
        self.kills = 0
        (work / "house").mkdir()
        self.place = Place(work / "house").init()
        self.place.cli(
            "source", "add", "audit", "--data", str(self.place.data), "--protocol", "kafka",
            "--option", f"brokers={apache.brokers}", "--option", f"topics={','.join(TOPICS)}",
            "--option", "group=lag",
        )

    def write(self, topic: str, count: int, partition: int = 0) -> None:
        begin = len(self.wanted[topic])
        names = [f"{topic}-{begin + n}" for n in range(count)]
        send(self.apache.brokers, topic, [message(one) for one in names], partition)
        self.wanted[topic] += names

    def book(self, count: int) -> None:
        """A transaction that commits, one that does not."""
        begin = len(self.wanted["booked"])
        names = [f"booked-{begin + n}" for n in range(count)]
        book(self.apache.brokers, [message("aborted")] * count, False, "one")
        book(self.apache.brokers, [message(one) for one in names], True, "two")
        self.wanted["booked"] += names

    def kill(self, server: Server) -> None:
        for pid in server.pids("collector"):
            os.kill(pid, signal.SIGKILL)
        self.kills += 1

    def settled(self, server: Server, *topics: str) -> None:
        """Everything that was wanted is there, each once."""
        for topic in topics:
            wanted = Counter(self.wanted[topic])
            try:
                eventually(lambda t=topic, w=wanted: people(server, t) == w, 120.0)
            except AssertionError:
                found, log = people(server, topic), (server.place.root / "serve.log").read_text()
                raise AssertionError(
                    (topic, wanted - found, found - wanted, counts(server), log[-3000:])) from None


def run_kafka(work: Path, seed: int) -> dict[str, int]:
    """One step; what was sent and lost."""
    work.mkdir()
    with Apache(work / "kafka") as apache:
        apache.make("plain", 2)
        apache.make("booked")
        apache.make("compact", cleanup_policy="compact", segment_ms="1000",
                    min_cleanable_dirty_ratio="0.01", max_compaction_lag_ms="1000")
        apache.make("short", segment_bytes="1048576", retention_ms="-1")
        apache.make("again")
        story = _Story(work, seed, apache)
        with Server(story.place) as server:
            _through_kills(story, server)
            _holes_that_are_none(story, server)
        lost = _lost_while_away(story)
        with Server(story.place) as server:
            eventually(lambda: bool(losses(server, "short")), 90.0)
            _told(story, server, lost)
            _made_again(story, server)
            story.settled(server, *TOPICS)
            found = counts(server)
            assert found["conflicts"] == found["repeats"] == 0, found
            assert found["stretches"] == 1, found
    records = sum(len(one) for one in story.wanted.values())
    return {"records": records, "kills": story.kills, "records expired": lost}


def _through_kills(story: _Story, server: Server) -> None:
    """Records and transactions, while the collector and Kafka itself are killed."""
    for number in range(12):
        story.write("plain", story.chance.randrange(1, 800), story.chance.randrange(2))
        story.book(story.chance.randrange(1, 100))
        if story.chance.random() < 0.4:
            story.kill(server)
        if number == 6:
            story.apache.end()
            story.kills += 1
            story.apache.start()
    story.apache.widen("plain", 3)
    story.write("plain", 50, 2)
    story.settled(server, "plain", "booked")
    eventually(lambda: counts(server)["figures"].get("behind") == "0 offsets", 30.0)


def _holes_that_are_none(story: _Story, server: Server) -> None:
    """An open transaction holds back; offsets that compaction took are no loss."""
    from confluent_kafka import Producer

    held = Producer({"bootstrap.servers": story.apache.brokers, "transactional.id": "held",
                     "log_level": 0})
    held.init_transactions(60)
    held.begin_transaction()
    held.produce("booked", message("booked-held"), partition=0)
    held.flush(60)
    eventually(lambda: "held by open transactions" in counts(server)["figures"], 40.0)
    held.commit_transaction(60)
    story.wanted["booked"].append("booked-held")
    for number in range(4):
        for name in ("compact-a", "compact-b"):
            send(story.apache.brokers, "compact", [message(name)], key=name.encode())
            story.wanted["compact"].append(name)
        time.sleep(1.2 if number == 3 else 0.1)
    story.settled(server, "booked", "compact")
    story.write("again", 30)
    story.write("short", 10)
    story.settled(server, "again", "short")
    eventually(lambda: counts(server)["figures"].get("behind") == "0 offsets", 30.0)
    assert losses(server, "booked") == losses(server, "compact") == []


def _lost_while_away(story: _Story) -> int:
    """Retention deletes what nobody has read; how many."""
    from confluent_kafka.admin import (
        AlterConfigOpType,
        ConfigEntry,
        ConfigResource,
        ResourceType,
    )

    filler = [f"short-filler-{n}" for n in range(40)]
    for name in filler:
        send(story.apache.brokers, "short", [message(name).ljust(100_000)])
    entry = ConfigEntry(
        "retention.bytes", "1500000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, "short", incremental_configs=[entry])
    for answer in story.apache.admin.incremental_alter_configs([resource]).values():
        answer.result(30)
    eventually(lambda: story.apache.low("short") > 10, 60.0)
    time.sleep(2.0)  # until nothing more is deleted
    low = story.apache.low("short")
    story.wanted["short"] += filler[low - 10 :]
    return low - 10


def _told(story: _Story, server: Server, lost: int) -> None:
    [loss] = losses(server, "short")
    assert loss["reason"]["code"] == "expired", loss
    assert loss["data"] == {"first_offset": 10, "last_offset": 10 + lost - 1}, loss


def _made_again(story: _Story, server: Server) -> None:
    """Under the running reader, and longer than what was read of the old one."""
    story.apache.delete("again")
    story.apache.make("again")
    story.write("again", 100)
    eventually(lambda: bool(losses(server, "again")), 60.0)
    [loss] = losses(server, "again")
    assert loss["reason"]["code"] == "topic_recreated", loss
    assert loss["outcome"] == "unknown", loss
