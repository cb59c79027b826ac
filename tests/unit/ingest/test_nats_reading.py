"""A stream of a real nats-server, read: each message once, from where it was read to."""

from __future__ import annotations

import asyncio

import pytest

from indelible.base.limits import NATS_PULL
from indelible.ingest.protocols import nats, nats_server
from support.kafka import story
from support.kafka_source import until
from support.nats import Nats, needs_nats
from support.nats_source import (
    expected,
    hub_of,
    kept,
    losses,
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
async def test_as_many_are_asked_for_as_can_be_taken(
    server: Nats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull that is complete says so behind its last message, and that ends no other pull."""
    pull, asked = nats_server.Server._pull, []

    async def counted(self: nats_server.Server, probe: bool) -> None:
        asked.append(probe)
        await pull(self, probe)

    monkeypatch.setattr(nats_server.Server, "_pull", counted)
    monkeypatch.setattr(nats_server, "NATS_EXPIRE_SECONDS", 30.0)
    hub = hub_of(server)
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 6 * NATS_PULL))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 6 * NATS_PULL + 1, task)
    assert asked == [False] * 7
    assert [len(one.events) for one in hub.submissions] == [NATS_PULL] * 6


@story
async def test_messages_are_read_in_order_and_once(server: Nats) -> None:
    hub = hub_of(server)
    await server.make("AUDIT")
    await server.send("audit.a", messages(0, 3_000))
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 3_001, task)
        await server.send("audit.a", messages(3_000, 3_010))
        await until(lambda: kept(hub).next == 3_011, task)
        assert hub.shown["behind"] == "0 messages"
        assert await server.consumers("AUDIT") != []
    async with reading(hub) as task:
        await server.send("audit.a", [message(3_010)])
        await until(lambda: kept(hub).next == 3_012, task)
    assert users(hub) == expected(0, 3_011)
    assert losses(hub) == []
    assert sum(len(one.events) for one in hub.submissions) == 3_011
    assert await server.consumers("AUDIT") == [], "it cleans up behind itself"


@story
async def test_a_stop_keeps_what_is_durable(server: Nats, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats, "NATS_KEEP_SECONDS", 3_600.0)
    monkeypatch.setattr(nats_server, "NATS_EXPIRE_SECONDS", 30.0)
    hub = hub_of(server)
    await server.make("AUDIT")
    async with reading(hub) as task:
        await until(lambda: kept(hub).next == 1, task)
        await server.send("audit.a", messages(0, 10))
        await until(lambda: len(users(hub)) == 10, task)
        assert kept(hub).next == 1
        await asyncio.sleep(0)
    assert kept(hub).next == 11
    await server.purge("AUDIT")
    async with reading(hub) as task:
        await server.send("audit.a", [message(10)])
        await until(lambda: len(users(hub)) == 11, task)
    assert losses(hub) == []
