"""A batch that cannot be unpacked, from a real producer to the ledger: it stops its partition until
an administrator gives it up, by the command of the documentation, while the server runs."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from support.kafka import FLUSHED, Cluster, needs_kafka, send
from support.senders import block, eventually
from support.served import Place, Server
from support.shipping import counts_of, events

pytestmark = needs_kafka
LARGE = 150
"""Records of 990 KB in one batch: together more than is unpacked."""


def commanded(server: Server, name: str, exchanged: dict[str, str]) -> None:
    """Run a command of the page as an administrator of this server."""
    text = block("kafka", name).replace("\\\n", " ")
    for old, new in exchanged.items():
        assert old in text, old
        text = text.replace(old, new)
    words = shlex.split(text)
    assert words[0] == "indelible"
    token = server.place.root / "admin.token"
    token.write_text(server.place.tokens["admin"])
    server.place.cli(*words[1:], "--url", server.url, "--token-file", str(token))


def message(number: int) -> str:
    return json.dumps({"time": "2026-05-01T10:00:00Z", "user": f"u{number}", "action": "login"})


def test_records_that_cannot_be_read_are_given_up_on_record(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    place = Place(tmp_path / "house").init()
    with Cluster() as cluster, Server(place) as server:
        cluster.make("audit-log", 4)
        commanded(server, "kafka-add", {
            "kafka1.example.org:9092,kafka2.example.org:9092": cluster.brokers,
            "audit-log,logins": "audit-log"})
        cluster.send("audit-log", [message(n) for n in range(3)], partition=3)
        send(cluster.brokers, "audit-log", [b"x" * 990_000] * LARGE, partition=3, **{
            "compression.type": "zstd", "linger.ms": FLUSHED, "batch.size": 1 << 30,
            "message.max.bytes": 1 << 29})
        end = 3 + LARGE
        cluster.send("audit-log", [message(n) for n in range(10, 14)], partition=3)

        def figures() -> dict[str, Any]:
            found: dict[str, Any] = counts_of(server, "audit").get("figures") or {}
            return found

        eventually(lambda: "(it stands at offset 3)" in figures().get("trouble", ""))
        assert "partition audit-log/3: _BAD_COMPRESSION" in figures()["trouble"]
        commanded(server, "kafka-skip", {
            "kafka1.example.org:9092": cluster.brokers,
            "audit-log/3/1200-1249": f"audit-log/3/3-{end - 1}"})
        eventually(lambda: figures().get("behind") == "0 offsets", 40)
        assert "trouble" not in figures()
        read = [one["data"]["kafka"]["offset"] for one in events(server, "source:audit action:*")
                if "kafka" in one.get("data", {})]
        [lost] = events(server, "source:audit action:kafka.partition.lose")
        [change] = events(server, "action:indelible.source.change")
    assert sorted(read) == [0, 1, 2, *range(end, end + 4)]
    assert lost["data"] == {"first_offset": 3, "last_offset": end - 1}
    assert lost["reason"]["code"] == "given_up"
    assert lost["reason"]["text"].endswith(": a batch that zstd does not unpack, ticket 4711")
    assert change["data"]["option_skip"] == f"audit-log/3/3-{end - 1}"
    assert change["data"]["option_skip_reason"].endswith("ticket 4711")
