"""Whatever a publisher sends is one event, and stops nothing behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from indelible.base.limits import CARRIED_HEADERS, NATS_PULL_BYTES
from indelible.ingest.protocols import nats_server
from support.kafka import story
from support.kafka_source import until
from support.nats import Nats, needs_nats
from support.nats_source import become, hub_of, kept, losses, message, messages, often, reading

pytestmark = needs_nats
_often = pytest.fixture(autouse=True)(often)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Nats]:
    with Nats(tmp_path / "nats", "max_payload: 8MB") as found:
        yield found


def published(subject: bytes, payload: bytes, headers: bytes = b"") -> bytes:
    """A message as it stands on the wire."""
    if not headers:
        return b"PUB %s %d\r\n%s\r\n" % (subject, len(payload), payload)
    return b"HPUB %s %d %d\r\n%s%s\r\n" % (
        subject, len(headers), len(headers) + len(payload), headers, payload)


async def _all_there(server: Nats) -> bool:
    return bool((await server.state("AUDIT"))["last_seq"] == 9)


@story
async def test_subjects_and_headers_of_any_bytes_are_read(server: Nats) -> None:
    hub = hub_of(server)
    await server.make("AUDIT")
    many = b"".join(b"h%d: %d\r\n" % (n, n) for n in range(CARRIED_HEADERS + 9))
    answer = server.wire(
        published(b"audit.\xff\xfe", message(0)),
        published(b"audit.a", message(1),
                  b"NATS/1.0\r\na: 1\r\nA: 2\r\na: \xff\r\n\xe4: x\r\n\r\n"),
        published(b"audit.a", b"", b"NATS/1.0 404 No Messages\r\n\r\n"),
        published(b"audit.a", b"", b"NATS/1.0 409 Consumer Deleted\r\nb: c\r\n\r\n"),
        published(b"audit.a", message(4), b"NATS/1.0\r\n" + many + b"\r\n"),
        published(b"audit.a", message(5), b"NATS/1.0\r\nlong: " + b"x" * 50_000 + b"\r\n\r\n"),
        published(b"audit.a", b"", b"NATS/1.0\r\n\r\n"),
        published(b"audit.a", message(7), b"NATS/1.0\r\nno colon\r\n: none\r\n:\r\n\r\n"),
        published(b"audit.a", message(8)),
    )
    assert b"-ERR" not in answer  # ids of servers may have the letters
    await become(lambda: _all_there(server))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 10, task)
    assert losses(hub) == []
    about = [one["data"]["nats"] for one in hub.contents]
    assert [one["sequence"] for one in about] == list(range(1, 10))
    assert about[0]["subject"] == {"base64": "YXVkaXQu//4="}
    assert about[1]["headers"] == {
        "a": ["1", {"base64": "/w=="}], "A": "2", "\ufffd": "x"}
    assert about[3]["headers"] == {"b": "c"}
    assert len(about[4]["headers"]) == CARRIED_HEADERS
    assert about[4]["headers_left_out"] == 9
    assert about[5]["headers"]["long"]["bytes"] == 50_000
    assert about[7]["headers"] == {"no colon": None, "": ["none", ""]}
    assert [one["kind"] for one in hub.contents] == [
        "event", "event", "unparsed", "unparsed", "event", "event", "unparsed", "event", "event"]


@story
async def test_a_message_larger_than_a_pull_comes_alone(server: Nats) -> None:
    hub = hub_of(server)
    await server.make("AUDIT")
    large = b'{"user": "large", "text": "' + b"x" * (NATS_PULL_BYTES + 1_000_000) + b'"}'
    await server.send("audit.a", messages(0, 3))
    await server.send("audit.a", [large])
    await server.send("audit.a", messages(3, 6))
    await server.send("audit.a", [large])
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 9, task)
    assert losses(hub) == []
    assert [n for n, one in enumerate(hub.contents) if "truncated" in one["flags"]] == [3, 7]
    assert all(one["data"]["raw_bytes"] == len(large) for one in hub.contents[3:8:4])


@story
async def test_large_messages_are_bounded_together(
    server: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, held = nats_server.Server.take, [0]

    async def weighed(self: nats_server.Server, probe: bool = False) -> nats_server.Taken:
        waiting = [one.record.size for one in self._arrived if isinstance(one, nats_server.Given)]
        held.append(sum(waiting))
        taken = await take(self, probe)
        await asyncio.sleep(0.1)  # as a busy ledger makes it
        return taken

    monkeypatch.setattr(nats_server.Server, "take", weighed)
    hub = hub_of(server)
    await server.make("AUDIT")
    await server.send("audit.a", [b'{"user": "u", "t": "' + b"x" * 900_000 + b'"}'] * 20)
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 21, task)
    assert losses(hub) == []
    assert max(len(one.events) for one in hub.submissions) <= 6
    assert max(held) <= NATS_PULL_BYTES


@story
async def test_markers_of_deletion_are_events(server: Nats) -> None:
    hub = hub_of(server)
    await server.make("AUDIT", "$KV.AUDIT.>", "audit.>")
    await server.send("$KV.AUDIT.alice", [b"secret"])
    await server.send("$KV.AUDIT.alice", [b""], {"KV-Operation": "DEL"})
    await server.send("audit.a", [b""], {"Nats-Marker-Reason": "MaxAge"})
    await server.send("audit.a", [b""], {"KV-Operation": "PUT"})
    await server.send("audit.a", [message(1)], {"KV-Operation": "DEL"})
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 6, task)
    deletions = [one for one in hub.contents if one.get("action") == "nats.subject.delete"]
    assert [one["targets"][0]["id"] for one in deletions] == ["$KV.AUDIT.alice", "audit.a"]
    assert all("guessed" in one["flags"] for one in deletions)
    assert hub.contents[4]["actor"]["id"] == "u1"


@story
async def test_who_writes_into_our_inbox_is_no_publisher(server: Nats) -> None:
    """Somebody who sees all subjects can send what looks like the server's words."""
    import nats

    hub = hub_of(server)
    await server.make("AUDIT")
    client = await nats.connect(f"nats://{server.servers}")
    seen: list[str] = []

    async def spoof(request: object) -> None:
        reply = getattr(request, "reply", "")
        seen.append(reply)
        await client.publish(reply, message(668), "$JS.ACK.AUDIT.c.1.1.1.1.0")
        await client.publish(reply, b"x" * 10)
        await client.publish(reply, message(666), "$JS.ACK.AUDIT.c.1.99999999999999999999.1.1.0")
        await client.publish(reply, message(667), "$JS.ACK.AUDIT.c.1.x.1.1.0")

    await client.subscribe("$JS.API.CONSUMER.MSG.NEXT.>", cb=spoof)
    await client.flush()
    await server.send("audit.a", messages(0, 3))
    async with reading(hub) as task:
        await until(lambda: len(seen) > 1, task)
        await client.close()
        await until(lambda: kept(hub).next == 4, task)
    assert [one["actor"]["id"] for one in hub.contents] == ["u0", "u1", "u2"]
    assert losses(hub) == []
