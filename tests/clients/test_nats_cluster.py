"""Three nats-servers with a replicated stream, whose leader is killed under load, thrice."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from indelible.base.errors import IndelibleError
from support.hub import MemoryHub
from support.kafka import story
from support.nats import Nats, cluster, needs_nats
from support.nats_source import expected, hub_of, kept, losses, message, reading, users

pytestmark = needs_nats
TOTAL = 12_000
KILLS = 3


async def _tried(what: Callable[[], Coroutine[Any, Any, Any]], seconds: float = 40.0) -> Any:
    """What comes of it at last, while there is no leader now and then."""
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(Exception):
                return await asyncio.wait_for(what(), 5)
            await asyncio.sleep(0.1)


async def _publish(nodes: list[Nats], sent: list[int]) -> None:
    """Each message until it is stored, once by its id."""
    import nats

    async def quiet(_: Exception) -> None:
        pass

    client = await nats.connect(
        [f"nats://{one.servers}" for one in nodes], max_reconnect_attempts=-1,
        reconnect_time_wait=0.2, error_cb=quiet)
    stream = client.jetstream()

    async def one(number: int) -> None:
        await _tried(lambda: stream.publish(
            "audit.a", message(number), headers={"Nats-Msg-Id": str(number)}, timeout=2))

    for begin in range(0, TOTAL, 50):
        await asyncio.gather(*[one(number) for number in range(begin, begin + 50)])
        sent.append(begin)
    await client.close()


async def _consume(hub: MemoryHub) -> None:
    """As the collector does: again a little later, when it fails."""
    while True:
        with contextlib.suppress(IndelibleError, OSError):
            async with reading(hub) as task:
                await task
        await asyncio.sleep(0.2)


@story
async def test_nothing_is_lost_or_doubled_while_leaders_are_killed(tmp_path: Path) -> None:
    nodes = cluster(tmp_path)
    with contextlib.ExitStack() as running:
        for one in nodes:
            running.enter_context(one)
        await _tried(lambda: nodes[0].make("AUDIT", num_replicas=3))
        hub = hub_of(nodes[0])
        [configured] = hub.configured
        servers = ",".join([one.servers for one in nodes])
        options = {**configured.settings.options, "servers": servers}
        settings = msgspec.structs.replace(configured.settings, options=options)
        hub.configured = [msgspec.structs.replace(configured, settings=settings)]
        sent: list[int] = []
        work = [asyncio.create_task(_consume(hub)), asyncio.create_task(_publish(nodes, sent))]
        for kill in range(1, KILLS + 1):
            async with asyncio.timeout(60):
                while len(sent) < kill * TOTAL // 50 // (KILLS + 1):
                    await asyncio.sleep(0.05)
            told = await _tried(lambda kill=kill: nodes[kill % 3].asked("STREAM.INFO.AUDIT"))
            leader = nodes[int(told["cluster"]["leader"][1:])]
            leader.stop(signal.SIGKILL)
            await asyncio.sleep(1)  # the others have time to choose another one
            leader.start()
        await work[1]
        async with asyncio.timeout(60):
            while kept(hub).next <= TOTAL:
                await asyncio.sleep(0.1)
        work[0].cancel()
        await asyncio.gather(*work, return_exceptions=True)
    assert sorted(users(hub), key=lambda one: int(one[1:])) == expected(0, TOTAL)
    assert losses(hub) == []
