"""A durable consumer: what is acknowledged is durable, and what is not comes again."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from indelible.base.errors import BadRequest
from indelible.ingest.protocols import nats, nats_server
from support.kafka import story
from support.kafka_source import until
from support.nats import Nats, needs_nats
from support.nats_source import (
    become,
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


async def _given(server: Nats, count: int) -> bool:
    with contextlib.suppress(AssertionError):  # it is not made yet
        return bool((await server.consumer("AUDIT", "indelible"))["num_ack_pending"] == count)
    return False


async def _emptied(server: Nats) -> bool:
    return not (await server.state("AUDIT"))["messages"]


@story
async def test_a_work_queue_is_emptied_only_of_what_is_durable(server: Nats) -> None:
    hub = hub_of(server, consumer="indelible")
    await server.make("AUDIT", retention="workqueue")
    await server.send("audit.a", messages(0, 20))
    hub.open.clear()
    async with reading(hub) as task:
        await become(lambda: _given(server, 20))
        await until(lambda: hub.shown.get("behind") == "20 messages", task)
        assert (await server.state("AUDIT"))["messages"] == 20
        hub.open.set()
        await until(lambda: kept(hub).next == 21, task)
        await become(lambda: _emptied(server))
        await server.send("audit.a", messages(20, 30))
        await until(lambda: kept(hub).next == 31, task)
    assert users(hub) == expected(0, 30)
    assert losses(hub) == []


@story
async def test_what_was_given_to_one_who_died_comes_again(server: Nats) -> None:
    """Nothing of it is lost, although what is newer comes first and was kept meanwhile."""
    hub = hub_of(server, consumer="indelible")
    await server.make("AUDIT", retention="workqueue")
    await server.durable("AUDIT", "indelible", ack_wait=2_000_000_000)
    await server.send("audit.a", messages(0, 5))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 6, task)
    await server.send("audit.a", messages(5, 15))
    assert await server.pull("AUDIT", "indelible", 10, ack=False) == 10
    await server.send("audit.a", messages(15, 20))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 21, task)
        assert kept(hub).low == 6
        await until(lambda: len(users(hub)) == 20, task)
        await until(lambda: kept(hub).low == 0, task)
        await become(lambda: _emptied(server))
    assert users(hub) == expected(0, 5) + expected(15, 20) + expected(5, 15)
    assert losses(hub) == []


@story
async def test_a_durable_that_is_removed_costs_nothing_that_it_owed(server: Nats) -> None:
    hub = hub_of(server, consumer="indelible")
    await server.make("AUDIT")
    await server.durable("AUDIT", "indelible", ack_wait=60_000_000_000)
    await server.send("audit.a", messages(0, 10))
    assert await server.pull("AUDIT", "indelible", 10, ack=False) == 10
    await server.send("audit.a", messages(10, 15))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 16, task)
        await server.asked("CONSUMER.DELETE.AUDIT.indelible")
        await until(lambda: len(users(hub)) == 15, task)
        await until(lambda: kept(hub).low == 0, task)
    assert sorted(users(hub)) == sorted(expected(0, 15))
    assert losses(hub) == []


@story
async def test_what_another_one_acknowledged_is_lost_here(server: Nats) -> None:
    hub = hub_of(server, consumer="indelible")
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 5))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 6, task)
    await server.send("audit.a", messages(5, 15))
    assert await server.pull("AUDIT", "indelible", 4, ack=True) == 4
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 16, task)
    assert lost(hub) == [("acknowledged", 6, 9)]
    assert users(hub) == expected(0, 5) + expected(9, 15)


@story
async def test_a_small_allowance_of_the_consumer_is_kept_to(
    server: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is acknowledged before it is used up, not when a note of the position is due."""
    monkeypatch.setattr(nats, "NATS_KEEP_SECONDS", 3_600.0)
    hub = hub_of(server, consumer="indelible")
    await server.make("AUDIT")
    await server.durable("AUDIT", "indelible", max_ack_pending=10, max_batch=4)
    await server.send("audit.a", messages(0, 400))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 401, task)
    assert users(hub) == expected(0, 400)


@story
async def test_a_stream_that_acknowledging_empties_needs_a_named_consumer(server: Nats) -> None:
    for retention in ("workqueue", "interest"):
        hub = hub_of(server)
        await server.make("AUDIT", retention=retention)
        with pytest.raises(BadRequest, match=retention) as caught:
            async with reading(hub) as task:
                await until(lambda: False, task)
        assert caught.value.field == "consumer"
        await server.delete("AUDIT")


@pytest.mark.parametrize(("config", "why"), [
    ({"ack_policy": "all"}, "acknowledged by itself"),
    ({"ack_policy": "none"}, "acknowledged by itself"),
    ({"deliver_subject": "push.here"}, "pushes"),
    ({"filter_subject": "audit.b"}, "audit.b"),
])
def test_a_consumer_that_cannot_be_read_with_is_refused(
    server: Nats, config: dict[str, Any], why: str
) -> None:
    @story
    async def told() -> None:
        hub = hub_of(server, consumer="other", subjects="audit.a")
        await server.make("AUDIT")
        await server.durable("AUDIT", "other", **{"filter_subject": "audit.a", **config})
        await server.send("audit.a", [message(1)])
        with pytest.raises(BadRequest, match=why):
            async with reading(hub) as task:
                await until(lambda: False, task)
        assert hub.contents == []

    told()


@story
async def test_a_stream_and_its_consumer_made_again_between_two_pulls_are_others(
    server: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The consumer has its name, so nothing that is pulled says that it is another one."""
    hub = hub_of(server, consumer="indelible")
    await server.make("AUDIT")
    await server.durable("AUDIT", "indelible")
    await server.send("audit.a", messages(0, 4))
    take, swapped = nats_server.Server.take, False

    async def swapping(self: nats_server.Server, probe: bool = False) -> nats_server.Taken:
        nonlocal swapped
        if not self.pulling and len(users(hub)) == 4 and not swapped:
            swapped = True
            await server.delete("AUDIT")
            await server.make("AUDIT")
            await server.durable("AUDIT", "indelible", ack_wait=1_000_000_000)
            await server.send("audit.a", messages(100, 108))
        return await take(self, probe)

    monkeypatch.setattr(nats_server.Server, "take", swapping)
    async with reading(hub) as task:
        await until(lambda: len(users(hub)) == 12, task)
    made = {one["id"].rpartition("/")[0] for one in hub.contents if "raw" in one}
    assert len(made) == 2
    assert users(hub) == expected(0, 4) + expected(100, 108)
    assert [one["reason"]["code"] for one in losses(hub)] == ["stream_recreated"]
