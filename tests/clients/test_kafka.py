"""Kafka's protocol from librdkafka's mock broker to the ledger: each record once, through kills.

The commands are those of the documentation; rsyslog writes with omkafka. A real Kafka is asked in
the campaign `kafka` (`campaigns/kafka.py`).
"""

from __future__ import annotations

import json
import os
import random
import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.collected import counts, kill_collector, soon
from support.kafka import Cluster, needs_kafka
from support.senders import Rsyslog, block, eventually, needs_logger, needs_rsyslog
from support.served import Place, Server
from support.shipping import events

pytestmark = needs_kafka
OMKAFKA = any(Path("/usr/lib").glob("*/rsyslog/omkafka.so"))
LOSSES = "source:audit action:kafka.partition.lose"


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as found:
        yield found


def house(root: Path, cluster: Cluster, topics: str = "audit-log,logins") -> Place:
    """A ledger with the source `audit`, added by the command of the documentation."""
    (root / "house").mkdir()
    place = Place(root / "house").init()
    text = block("kafka", "kafka-add").replace("\\\n", " ")
    for old, new in {
        "kafka1.example.org:9092,kafka2.example.org:9092": cluster.brokers,
        "audit-log,logins": topics,
    }.items():
        assert old in text, old
        text = text.replace(old, new)
    words = shlex.split(text)
    assert words[0] == "indelible"
    place.cli(*words[1:], "--data", str(place.data))
    return place


def message(number: int) -> str:
    return json.dumps({"time": "2026-05-01T10:00:00Z", "user": f"u{number}", "action": "login"})


def test_records_arrive_as_the_page_says(tmp_path: Path, cluster: Cluster) -> None:
    cluster.make("audit-log", 2)
    place = house(tmp_path, cluster)
    trace = "0af7651916cd43dd8448eb211c80319c"
    cluster.send(
        "audit-log", [message(1)], key=b"u1",
        headers=[("traceparent", f"00-{trace}-b7ad6b7169203331-01".encode()), ("v", b"\xff")],
    )
    cluster.send("audit-log", [None], partition=1, key=b"u9", time_ms=1_777_777_777_000)
    cluster.send("audit-log", [b"\x00\x00\x00\x00\x07" + message(2).encode(), b"\xff\xfe"])
    with Server(place) as server:
        soon(server, lambda: counts(server)["stored"] == 4)
        found = {one["id"].partition("/audit-log/")[2].partition("/")[2]: one
                 for one in events(server, "source:audit")}
        assert len(found) == 4, (found.keys(), events(server, "source:audit"))
        plain, deleted, schema, binary = (found[one] for one in ("0/0", "1/0", "0/1", "0/2"))
        assert plain["actor"]["id"] == "u1"
        assert plain["raw"] == message(1)
        assert plain["origin"]["trace_id"] == trace
        assert plain["labels"] == {"topic": "audit-log"}
        assert plain["data"]["kafka"] == {
            "topic": "audit-log", "partition": 0, "offset": 0, "key": "u1",
            "headers": {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "v": {"base64": "/w=="}},
        }
        assert plain["via"]["protocol"] == "kafka"
        assert deleted["action"] == "kafka.record.delete"
        assert deleted["time"] == "2026-05-03T03:09:37Z"
        assert deleted["targets"][0] == {
            "type": "kafka_record", "id": "audit-log/u9", "parent": "audit-log"}
        assert schema["actor"]["id"] == "u2"
        assert schema["data"]["kafka"]["schema"] == 7
        assert binary["kind"] == "unparsed"
        assert binary["raw_type"] == "application/octet-stream"
        soon(server, lambda: counts(server)["figures"].get("behind") == "0 offsets")
        figures = counts(server)["figures"]
        assert figures["reads"] == "1 topic, 2 partitions"
        assert figures["trouble"] == "there is no topic logins"
    said = place.cli("source", "check", "audit", "--data", str(place.data)).stdout.decode()
    assert "fine: topic audit-log: 2 partitions, 4 offsets there" in said
    assert "warning: there is no topic logins" in said


def test_every_record_is_stored_once_through_kills(tmp_path: Path, cluster: Cluster) -> None:
    cluster.make("audit-log", 3)
    place = house(tmp_path, cluster, "audit-log")
    chance = random.Random(7)
    batches = [range(begin, begin + 200) for begin in range(0, 12_000, 200)]
    total = 12_000

    def produce(numbers: range) -> None:
        cluster.send("audit-log", [message(n) for n in numbers], partition=chance.randrange(3))

    with Server(place) as server:
        for number, numbers in enumerate(batches[:45]):
            produce(numbers)
            if number % 10 == 9:
                soon(server, lambda: counts(server)["stored"] > 0)
                kill_collector(server)
        server.kill()  # everything at once
    for numbers in batches[45:]:
        produce(numbers)
    with Server(place) as server:
        soon(server, lambda: counts(server)["stored"] >= total, 90.0)
        figures = counts(server)
        found = events(server, "source:audit")
    assert figures["stored"] == total
    assert figures["conflicts"] == figures["repeats"] == figures["stretches"] == 0
    assert Counter(one["actor"]["id"] for one in found) == {f"u{n}": 1 for n in range(total)}


def test_losses_are_on_record_and_in_the_counts(tmp_path: Path, cluster: Cluster) -> None:
    cluster.make("audit-log")
    place = house(tmp_path, cluster, "audit-log")
    cluster.send("audit-log", [message(n) for n in range(10)])
    with Server(place) as server:
        soon(server, lambda: counts(server)["stored"] == 10)
        soon(server, lambda: counts(server)["figures"].get("behind") == "0 offsets")
    cluster.send("audit-log", [message(n) for n in range(10, 30)])
    cluster.forget("audit-log", 0, 25)
    with Server(place) as server:
        soon(server, lambda: counts(server)["stored"] == 16)
        [lost] = events(server, LOSSES)
        assert (lost["reason"]["code"], lost["severity"]) == ("expired", "high")
        assert lost["data"] == {"first_offset": 10, "last_offset": 24}
        assert counts(server)["stretches"] == 1
        soon(server, lambda: counts(server)["figures"].get("behind") == "0 offsets")
        shown = place.cli(
            "source", "show", "audit", "--url", server.url,
            "--token-file", str(_token(place)),
        ).stdout.decode()
        assert re.search(r"lost for good +1 stretch", shown)
        assert re.search(r"behind +0 offsets", shown)
        cluster.delete("audit-log")
        cluster.make("audit-log")
        cluster.send("audit-log", [message(n) for n in range(40)])
        soon(server, lambda: counts(server)["stored"] == 16 + 1 + 40)
        assert [one["reason"]["code"] for one in events(server, LOSSES)] == [
            "expired", "topic_recreated"]


def _token(place: Place) -> Path:
    file = place.root / "auditor.token"
    file.write_text(place.tokens["auditor"])
    file.chmod(0o600)
    return file


@needs_rsyslog
@needs_logger
@pytest.mark.skipif(not OMKAFKA, reason="rsyslog-kafka is not installed")
def test_rsyslog_writes_what_is_read(tmp_path: Path, cluster: Cluster) -> None:
    cluster.make("audit-log")
    actions = block("kafka", "rsyslog").replace("kafka1.example.org:9092", cluster.brokers)
    lines = [f"Accepted publickey for alice from 203.0.113.7 port {n} ssh2"
             for n in range(1000, 1200)]
    place = house(tmp_path, cluster, "audit-log")
    with Server(place) as server, Rsyslog(tmp_path / "rsyslog", actions) as sender:
        sender.log(*lines[:100], tag="sshd")
        soon(server, lambda: counts(server)["stored"] == 100)
        kill_collector(server)
        sender.log(*lines[100:], tag="sshd")
        soon(server, lambda: counts(server)["stored"] == 200)
        found = events(server, "source:audit")
    assert {one["actor"]["id"] for one in found} == {"alice"}
    assert Counter(one["raw"].partition(" port ")[2].partition(" ")[0] for one in found) == {
        str(n): 1 for n in range(1000, 1200)}


def test_without_the_extra_the_log_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "confluent_kafka.py").write_text("raise ImportError('absent')")
    (tmp_path / "house").mkdir()
    place = Place(tmp_path / "house").init()
    said = place.cli(
        "source", "add", "audit", "--data", str(place.data), "--protocol", "kafka",
        "--option", "brokers=127.0.0.1:9", "--option", "topics=audit-log",
    )
    path = os.pathsep.join([str(tmp_path), *(one for one in sys.path if one)])
    place.environment["PYTHONPATH"] = path
    log = tmp_path / "house" / "serve.log"
    with Server(place):
        eventually(lambda: "the extra `kafka`" in log.read_text())
    assert b"Connection refused" in said.stdout
