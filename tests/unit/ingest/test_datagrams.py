"""Datagrams that arrived are durable or counted, whatever happens behind the socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from indelible.ingest.protocols import datagrams
from indelible.ingest.sources import SourceSettings
from indelible.ingest.submission import Submission, SubmitResult
from support.hub import MemoryHub

COUNT = 50


def hub_of() -> MemoryHub:
    return MemoryHub(SourceSettings(id="web", protocol="syslog"))


@contextlib.asynccontextmanager
async def receiving(hub: MemoryHub) -> AsyncIterator[socket.socket]:
    """A sender's socket, connected to one that receives until the block ends."""
    bound = datagrams.open_socket("127.0.0.1", 0)
    found = datagrams.Datagrams(hub, bound)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(bound.getsockname())
        try:
            yield sender
        finally:
            await found.close()


def test_a_failure_costs_its_batch_alone_and_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hub = hub_of()

    async def fails(submission: Submission) -> SubmitResult:
        raise ValueError("secret")

    async def story() -> None:
        async with receiving(hub) as sender:
            well, hub.deliver = hub.deliver, fails  # type: ignore[method-assign]
            sender.send(b"<13>one")
            async with asyncio.timeout(20):
                while not hub.counts["dropped"]:
                    await asyncio.sleep(0.01)
            hub.deliver = well  # type: ignore[method-assign]
            sender.send(b"<13>two")
            await hub.wait_for(1)

    asyncio.run(story())
    assert (hub.raws, hub.counts["dropped"]) == (["<13>two"], 1)
    assert "datagrams were not kept: ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_what_is_under_way_when_it_closes_becomes_durable() -> None:
    hub = hub_of()

    async def story() -> None:
        async with receiving(hub) as sender:
            hub.open.clear()
            for number in range(COUNT):
                sender.send(b"<13>%d" % number)
            await asyncio.sleep(0.3)  # a first batch waits for the ledger now
            sender.send(b"<13>last")
            asyncio.get_running_loop().call_later(0.3, hub.open.set)

    asyncio.run(story())
    assert hub.raws == [*(f"<13>{number}" for number in range(COUNT)), "<13>last"]
    assert hub.counts["dropped"] == 0


def test_what_the_ledger_does_not_take_until_it_closes_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(datagrams, "COLLECT_DRAIN_SECONDS", 0.3)
    hub = hub_of()

    async def story() -> None:
        async with receiving(hub) as sender:
            hub.open.clear()
            for number in range(COUNT):
                sender.send(b"<13>%d" % number)
            await asyncio.sleep(0.3)
            sender.send(b"<13>last")

    asyncio.run(story())
    assert (hub.raws, hub.counts["dropped"]) == ([], COUNT + 1)
