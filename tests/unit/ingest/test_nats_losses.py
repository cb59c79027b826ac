"""What a stream lost before it was read is on record, with its numbers, and nothing else is."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from indelible.base.errors import Unreachable
from indelible.ingest.protocols import nats_server
from support.kafka import story
from support.kafka_source import until
from support.nats import Nats, needs_nats
from support.nats_source import (
    expected,
    hub_of,
    kept,
    losses,
    lost,
    message,
    messages,
    nats_server_at,
    often,
    reading,
    users,
)

pytestmark = needs_nats
_often = pytest.fixture(autouse=True)(often)
server = pytest.fixture(nats_server_at)


@story
async def test_what_a_purge_took_unread_is_lost_with_its_numbers(server: Nats) -> None:
    hub = hub_of(server)
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 10))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 11, task)
    await server.send("audit.a", messages(10, 30))
    await server.purge("AUDIT", seq=26)
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 31, task)
    [event] = losses(hub)
    assert lost(hub) == [("expired", 11, 25)]
    assert (event["outcome"], event["severity"]) == ("failure", "high")
    assert event["targets"] == [{"type": "nats_stream", "id": "AUDIT"}]
    assert hub.gaps == [(f"nats/AUDIT/{kept(hub).created}", 11, 25)]
    assert users(hub) == expected(0, 10) + expected(25, 30)


@story
async def test_a_purge_of_everything_unread_is_told_although_nothing_comes(server: Nats) -> None:
    hub = hub_of(server)
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 10))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 11, task)
        await server.purge("AUDIT")  # of what was read: no loss
        await server.send("audit.a", [message(10)])
        await until(lambda: kept(hub).next == 12, task)
    assert losses(hub) == []
    await server.send("audit.a", messages(11, 15))
    await server.purge("AUDIT")
    async with reading(hub) as task:
        await until(lambda: lost(hub) == [("expired", 12, 15)], task)


@story
async def test_messages_deleted_one_by_one_are_lost_and_told_apart(server: Nats) -> None:
    hub = hub_of(server)
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 3))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 4, task)
    await server.send("audit.a", messages(3, 20))
    for sequence in (5, 6, 9, 19, 20):
        await server.remove("AUDIT", sequence)
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 21, task)
    assert lost(hub) == [("deleted", 5, 6), ("deleted", 9, 9), ("deleted", 19, 20)]
    assert [gap[1:] for gap in hub.gaps] == [(5, 6), (9, 9), (19, 20)]
    assert len(users(hub)) == 15


@story
async def test_a_last_message_that_is_deleted_unread_is_lost(server: Nats) -> None:
    hub = hub_of(server)
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 3))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 4, task)
    await server.send("audit.a", messages(3, 5))
    await server.remove("AUDIT", 5)
    async with reading(hub) as task:
        await until(lambda: lost(hub) == [("deleted", 5, 5)], task)
        await server.send("audit.a", [message(5)])
        await until(lambda: kept(hub).next == 7, task)
    assert users(hub) == [*expected(0, 4), "u5"]


@story
async def test_what_was_deleted_before_the_source_was_there_is_no_loss(server: Nats) -> None:
    hub = hub_of(server)
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 20))
    await server.purge("AUDIT", seq=4)
    await server.remove("AUDIT", 10)
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 21, task)
        assert losses(hub) == []
        hub.open.clear()  # nothing is read on
        await server.send("audit.a", messages(20, 22))
    await server.remove("AUDIT", 21)
    hub.open.set()
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 23, task)
    assert lost(hub) in ([("deleted", 21, 21)], [])  # it may have come before


@story
async def test_a_stream_that_is_made_again_is_another_one(server: Nats) -> None:
    hub = hub_of(server)
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 10))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 11, task)
        first = kept(hub).created
        await server.delete("AUDIT")
        await until(lambda: hub.shown.get("trouble") == "there is no stream AUDIT", task)
        await server.make("AUDIT")
        await server.send("audit.a", messages(50, 70))
        await until(lambda: kept(hub).next == 21, task)
        assert "trouble" not in hub.shown
    assert kept(hub).created != first
    [event] = losses(hub)
    assert (event["reason"]["code"], event["outcome"]) == ("stream_recreated", "unknown")
    assert users(hub) == expected(0, 10) + expected(50, 70)


@story
async def test_a_stream_made_again_while_nobody_read_lost_what_was_unread(server: Nats) -> None:
    hub = hub_of(server)
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 10))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 11, task)
        hub.open.clear()
        await server.send("audit.a", messages(10, 15))
        await until(lambda: hub.shown["behind"] == "5 messages" and kept(hub).end == 16, task)
    hub.open.set()
    await server.delete("AUDIT")
    await server.make("AUDIT")
    await server.send("audit.a", messages(100, 130))  # more than was ever read
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 31, task)
    assert lost(hub) == [("stream_recreated", 11, 15)]
    assert users(hub) == expected(0, 10) + expected(100, 130)


@story
async def test_an_older_copy_of_a_stream_is_read_from_its_beginning(
    server: Nats, tmp_path: Path
) -> None:
    """Nothing that is known is added again; what stands in its place is."""
    import shutil

    hub = hub_of(server)
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 5))
    server.stop()
    shutil.copytree(server.root / "store", tmp_path / "copy")
    server.start()
    await server.send("audit.a", messages(5, 12))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 13, task)
    server.stop()
    shutil.rmtree(server.root / "store")
    shutil.copytree(tmp_path / "copy", server.root / "store")
    server.start()
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 6, task)
    [event] = losses(hub)
    assert (event["reason"]["code"], event["outcome"]) == ("stream_shorter", "unknown")
    assert users(hub) == expected(0, 12)
    assert kept(hub).turns == 1


# --- some subjects only


@story
async def test_other_subjects_are_no_losses(server: Nats) -> None:
    hub = hub_of(server, subjects="audit.a.*,audit.c")
    await server.make("AUDIT")
    for number in range(5):
        await server.send("audit.a.x", [message(number)])
        await server.send("audit.b", messages(100, 107))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 41, task)
        await server.send("audit.b", messages(100, 107))
        await until(lambda: kept(hub).next == 48, task)
        await server.purge("AUDIT")
        await server.send("audit.c", [message(5)])
        await until(lambda: kept(hub).next == 49, task)
    assert users(hub) == expected(0, 6)
    assert losses(hub) == []


@story
async def test_what_is_gone_among_other_subjects_is_told_as_unknown(server: Nats) -> None:
    hub = hub_of(server, subjects="audit.a")
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 5))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 6, task)
    await server.send("audit.b", messages(100, 110))
    await server.purge("AUDIT", seq=9)
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 16, task)
    [event] = losses(hub)
    assert lost(hub) == [("expired", 6, 8)]
    assert (event["outcome"], event["severity"]) == ("unknown", "medium")


# --- the server


@story
async def test_a_server_that_is_gone_is_told_and_nothing_is_missing(server: Nats) -> None:
    hub = hub_of(server)
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 500))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 501, task)
        server.stop(signal.SIGKILL)
        with pytest.raises(Unreachable, match="NATS"):
            await until(lambda: False, task)
    with pytest.raises(Unreachable, match="Connect"):
        async with reading(hub) as task:
            await until(lambda: False, task)
    server.start()
    await server.send("audit.a", messages(500, 600))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 601, task)
    assert users(hub) == expected(0, 600)
    assert losses(hub) == []


@story
async def test_a_consumer_that_somebody_removes_is_made_again(server: Nats) -> None:
    hub = hub_of(server)
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 5))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 6, task)
        [name] = await server.consumers("AUDIT")
        await server.asked(f"CONSUMER.DELETE.AUDIT.{name}")
        await server.send("audit.a", messages(5, 9))
        await until(lambda: kept(hub).next == 10, task)
    assert users(hub) == expected(0, 9)
    assert losses(hub) == []


@story
async def test_what_the_consumer_hears_of_later_is_no_loss(
    server: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a cluster the stream's leader may know messages of which the consumer's has not heard."""
    hub = hub_of(server)
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 3))
    take, late, asked = nats_server.Server.take, False, 0

    async def lagging(self: nats_server.Server, probe: bool = False) -> nats_server.Taken:
        nonlocal asked
        if not late or self.pulling:
            return await take(self, probe)
        asked += 1
        await asyncio.sleep(0.05)
        return nats_server.Taken(nothing=probe, expired=not probe)

    monkeypatch.setattr(nats_server.Server, "take", lagging)
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 4, task)
        late = True
        await until(lambda: asked > 1, task)
        await server.send("audit.a", messages(3, 6))
        asked = 0
        await until(lambda: asked > 10, task)
        assert (kept(hub).next, losses(hub)) == (4, [])
        late = False
        await until(lambda: kept(hub).next == 7, task)
    assert users(hub) == expected(0, 6)
    assert losses(hub) == []


@story
async def test_a_server_that_stands_still_is_waited_for(
    server: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_server, "NATS_ASK_SECONDS", 1.0)
    hub = hub_of(server)
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 50))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 51, task)
        server.process.send_signal(signal.SIGSTOP)
        with pytest.raises(Unreachable, match=r"timeout|does not answer"):
            await until(lambda: False, task)
    server.process.send_signal(signal.SIGCONT)
    await server.send("audit.a", messages(50, 60))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 61, task)
    assert users(hub) == expected(0, 60)
    assert losses(hub) == []
