"""NATS's protocol from a real nats-server to the ledger: each message once, through kills.

The commands are those of the documentation; messages are published with nats-py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.collected import counts, kill_collector, soon
from support.nats import Nats, needs_nats
from support.senders import block, eventually
from support.served import Place, Server
from support.shipping import events

pytestmark = needs_nats
SERVERS = "nats1.example.org:4222,nats2.example.org:4222"
LOSSES = "source:audit action:nats.stream.lose"


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[Nats]:
    with Nats(tmp_path / "nats") as found:
        yield found


def house(root: Path, nats: Nats, *more: str) -> Place:
    """A ledger with the source `audit`, added by the command of the documentation."""
    (root / "house").mkdir()
    place = Place(root / "house").init()
    text = block("nats", "nats-add").replace("\\\n", " ")
    assert SERVERS in text
    words = shlex.split(text.replace(SERVERS, nats.servers))
    assert words[0] == "indelible"
    place.cli(*words[1:], *more, "--data", str(place.data))
    return place


def message(number: int) -> bytes:
    said = {"time": "2026-05-01T10:00:00Z", "user": f"u{number}", "action": "login"}
    return json.dumps(said).encode()


def send(nats: Nats, numbers: range, subject: str = "audit.a", **headers: str) -> None:
    asyncio.run(nats.send(subject, [message(n) for n in numbers], headers or None))


def test_messages_arrive_as_the_page_says(tmp_path: Path, nats: Nats) -> None:
    asyncio.run(nats.make("AUDIT"))
    place = house(tmp_path, nats)
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = f"00-{trace}-b7ad6b7169203331-01"
    send(nats, range(1), "audit.logins", **{"Nats-Msg-Id": "m-1", "traceparent": parent})
    send(nats, range(1), "audit.logins", **{"Nats-Msg-Id": "m-1"})  # left out by JetStream
    asyncio.run(nats.send("audit.keys", [b""], {"KV-Operation": "DEL"}))
    asyncio.run(nats.send("audit.keys", [b"\xff\xfe"]))
    with Server(place) as server:
        soon(server, lambda: counts(server)["stored"] == 3)
        found = {one["data"]["nats"]["sequence"]: one for one in events(server, "source:audit")}
        plain, deleted, binary = (found[one] for one in (1, 2, 3))
        assert re.fullmatch(r"nats/AUDIT/\d{4}-[0-9T:.-]+Z/1", plain["id"])
        assert plain["actor"]["id"] == "u0"
        assert plain["raw"].encode() == message(0)
        assert plain["origin"]["trace_id"] == trace
        assert plain["labels"] == {"stream": "AUDIT"}
        assert plain["data"]["nats"] == {
            "stream": "AUDIT", "sequence": 1, "subject": "audit.logins", "msg_id": "m-1",
            "headers": {"Nats-Msg-Id": "m-1", "traceparent": parent},
        }
        assert plain["via"]["protocol"] == "nats"
        assert deleted["action"] == "nats.subject.delete"
        assert deleted["targets"][0] == {
            "type": "nats_subject", "id": "audit.keys", "parent": "AUDIT"}
        assert binary["kind"] == "unparsed"
        soon(server, lambda: counts(server)["figures"].get("behind") == "0 messages")
        assert counts(server)["figures"]["reads"] == "stream AUDIT"
    said = place.cli("source", "check", "audit", "--data", str(place.data)).stdout.decode()
    assert "fine: the server answers, and lets us in" in said
    assert "3 messages there, 1 to 3" in said


class Publisher(threading.Thread):
    """Publishes all the time, each message until the server has stored it."""

    def __init__(self, nats: Nats, total: int) -> None:
        super().__init__()
        self._nats, self._total, self.sent = nats, total, 0

    def run(self) -> None:
        while self.sent < self._total:
            step = range(self.sent, self.sent + 250)
            with contextlib.suppress(Exception):  # it is down now: all of it again, by its ids
                asyncio.run(asyncio.wait_for(self._all(step), 20))
                self.sent = step.stop

    async def _all(self, numbers: range) -> None:
        async def publish(client: Any) -> None:
            stream = client.jetstream()
            await asyncio.gather(*[stream.publish(
                "audit.a", message(n), headers={"Nats-Msg-Id": str(n)}, timeout=3)
                for n in numbers])

        await self._nats.using(publish, allow_reconnect=False)


def test_every_message_is_stored_once_through_kills_of_both(tmp_path: Path, nats: Nats) -> None:
    asyncio.run(nats.make("AUDIT"))
    place = house(tmp_path, nats)
    publisher = Publisher(nats, 12_000)
    with Server(place) as server:
        publisher.start()
        for part in (1, 2, 3, 4):
            soon(server, lambda part=part: counts(server)["stored"] > 1_500 * part)
            if part == 2:
                nats.stop(signal.SIGKILL)
                nats.start()
            else:
                kill_collector(server)
        soon(server, lambda: publisher.sent > 9_000)
        server.kill()  # everything at once
    publisher.join(60)
    total = (asyncio.run(nats.state("AUDIT")))["last_seq"]
    with Server(place) as server:
        soon(server, lambda: counts(server)["figures"].get("behind") == "0 messages"
             and counts(server)["stored"] >= total, 90.0)
        figures = counts(server)
        found = events(server, "source:audit")
    assert total >= 12_000
    assert figures["stored"] == len(found) == total
    assert figures["conflicts"] == figures["repeats"] == figures["stretches"] == 0
    assert {one["actor"]["id"] for one in found} == {f"u{n}" for n in range(12_000)}
    assert [one["data"]["nats"]["sequence"] for one in found] in (
        list(range(1, total + 1)), list(range(total, 0, -1)))


def test_a_work_queue_is_emptied_through_kills(tmp_path: Path, nats: Nats) -> None:
    asyncio.run(nats.make("AUDIT", retention="workqueue"))
    asyncio.run(nats.durable("AUDIT", "indelible", ack_wait=2_000_000_000))
    place = house(tmp_path, nats, "--option", "consumer=indelible")
    total, step = 5_000, 500
    with Server(place) as server:
        for begin in range(0, total, step):
            send(nats, range(begin, begin + step))
            if begin % 1_500 == 500:
                kill_collector(server)
        soon(server, lambda: counts(server)["stored"] >= total, 90.0)
        eventually(lambda: asyncio.run(nats.state("AUDIT"))["messages"] == 0)
        figures = counts(server)
        found = events(server, "source:audit")
    assert figures["stored"] == total
    assert figures["conflicts"] == figures["repeats"] == figures["stretches"] == 0
    assert Counter(one["actor"]["id"] for one in found) == {f"u{n}": 1 for n in range(total)}


def test_losses_are_on_record_and_in_the_counts(tmp_path: Path, nats: Nats) -> None:
    asyncio.run(nats.make("AUDIT"))
    place = house(tmp_path, nats)
    send(nats, range(10))
    with Server(place) as server:
        soon(server, lambda: counts(server)["stored"] == 10)
        soon(server, lambda: counts(server)["figures"].get("behind") == "0 messages")
    send(nats, range(10, 30))
    asyncio.run(nats.purge("AUDIT", seq=26))
    with Server(place) as server:
        soon(server, lambda: counts(server)["stored"] == 16)
        [lost] = events(server, LOSSES)
        assert (lost["reason"]["code"], lost["severity"]) == ("expired", "high")
        assert lost["data"] == {"first_sequence": 11, "last_sequence": 25}
        soon(server, lambda: counts(server)["stretches"] == 1)
        soon(server, lambda: counts(server)["figures"].get("behind") == "0 messages")
        token = place.root / "auditor.token"
        token.write_text(place.tokens["auditor"])
        token.chmod(0o600)
        shown = place.cli(
            "source", "show", "audit", "--url", server.url, "--token-file", str(token),
        ).stdout.decode()
        assert re.search(r"lost for good +1 stretch", shown)
        assert re.search(r"behind +0 messages", shown)
        asyncio.run(nats.delete("AUDIT"))
        soon(server, lambda: "no stream AUDIT" in counts(server)["figures"].get("trouble", ""))
        asyncio.run(nats.make("AUDIT"))
        send(nats, range(40))
        soon(server, lambda: counts(server)["stored"] == 16 + 1 + 40)
        assert [one["reason"]["code"] for one in events(server, LOSSES)] == [
            "expired", "stream_recreated"]


def test_without_the_extra_the_log_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "nats.py").write_text("raise ImportError('absent')")
    (tmp_path / "house").mkdir()
    place = Place(tmp_path / "house").init()
    said = place.cli(
        "source", "add", "audit", "--data", str(place.data), "--protocol", "nats",
        "--option", "servers=127.0.0.1:9", "--option", "stream=AUDIT",
    )
    path = os.pathsep.join([str(tmp_path), *(one for one in sys.path if one)])
    place.environment["PYTHONPATH"] = path
    log = tmp_path / "house" / "serve.log"
    with Server(place):
        eventually(lambda: "the extra `nats`" in log.read_text())
    assert b"NATS: " in said.stdout
