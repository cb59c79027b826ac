"""The writer process: the HTTP server and the sequencer in one event loop; holds the lock."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from pathlib import Path

from indelible.app.collecting import CollectorLink
from indelible.app.completeness import Completeness
from indelible.app.core import Core, every
from indelible.app.link import ProcessEngine, SealerLink
from indelible.app.place import Place
from indelible.app.questions import Questions
from indelible.app.rooms import LiveRooms
from indelible.app.watch import SpaceWatch, verify_new, verify_on_beat
from indelible.app.witnessing import ask_witnesses
from indelible.base.clock import monotonic
from indelible.base.errors import IndelibleError
from indelible.base.limits import (
    CHECKPOINT_SECONDS,
    CLOCK_LOOK_SECONDS,
    COMPLETENESS_SECONDS,
    IDLE_CHECKPOINT_SECONDS,
    KEYS_LOOK_SECONDS,
    STATEMENT_SECONDS,
    THREAD_SWITCH_SECONDS,
    VERIFY_BEAT_SECONDS,
    VERIFY_NEW_SECONDS,
)
from indelible.server.application import build_app
from indelible.server.run import serve

_log = logging.getLogger(__name__)


async def run_writer(place: Place, run: Path) -> None:
    """Serve until SIGTERM; then answer what is waiting, write the last records, close."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    link = SealerLink(run)
    core = Core(place, place.open(), link.durable)
    listener = await link.listen(core)
    rooms = LiveRooms(core, ProcessEngine(link, Questions(run, place.settings.query_workers)))
    app = build_app(rooms, place.settings)
    collector = CollectorLink(run, core, rooms, app.audit, app)
    core.not_ready = lambda: [
        *([] if link.connected else ["the sealer process is starting"]), *collector.not_ready(),
    ]
    collecting = await collector.listen()
    completeness = Completeness(core)
    await core.begin()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    sys.setswitchinterval(THREAD_SWITCH_SECONDS)
    tasks = [
        loop.create_task(publish(core, link)),
        loop.create_task(every(STATEMENT_SECONDS, core.state_tally)),
        loop.create_task(every(COMPLETENESS_SECONDS, completeness.beat)),
        loop.create_task(every(CLOCK_LOOK_SECONDS, core.watch_clock)),
        loop.create_task(every(CLOCK_LOOK_SECONDS, SpaceWatch(core).look)),
        loop.create_task(every(KEYS_LOOK_SECONDS, core.retire_signing_keys)),
        loop.create_task(every(VERIFY_NEW_SECONDS, lambda: verify_new(core))),
        loop.create_task(every(VERIFY_BEAT_SECONDS, lambda: verify_on_beat(core))),
        loop.create_task(
            every(place.settings.witness_every, lambda: ask_witnesses(core))
        ),
    ]
    try:
        await serve(app, place.settings, stop, started)
        await collector.close()
        await app.close()
    finally:
        collecting.close()
        await finish(core, link, tasks)
        size = core.ledger.tree.size
        listener.close()
        core.close()
    say(f"stopped, with {size:,} entries in the log")


def started(url: str) -> None:
    """Say once where the server answers."""
    say(f"serving {url}")


def say(words: str) -> None:
    """A line for whoever started the server, on stderr."""
    print(f"indelible: {words}", file=sys.stderr, flush=True)


async def finish(core: Core, link: SealerLink, tasks: list[asyncio.Task[None]]) -> None:
    """Last records, a last checkpoint over them, and silence."""
    await core.end()
    until = monotonic() + 5.0
    while link.connected and core.publisher.size < core.ledger.tree.size and monotonic() < until:
        if core.ledger.writer.stopped is not None:
            break
        await link.wait_for_news(0.2)
        await link.publish_next()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def publish(core: Core, link: SealerLink) -> None:
    """A checkpoint every second while events arrive, a sign of life every minute when idle."""
    last = monotonic()
    while True:
        await link.wait_for_news(CHECKPOINT_SECONDS)
        began = monotonic()
        try:
            if await link.publish_next():
                last = began
            elif began - last >= IDLE_CHECKPOINT_SECONDS:
                await core.renew()
                last = began
        except IndelibleError as error:
            _log.error("no checkpoint: %s", error.message)
        except Exception as error:  # noqa: BLE001 - to grow unsigned in silence is worse
            _log.exception("no checkpoint")
            core.stop(f"checkpoints cannot be made: {error!r}")
        await asyncio.sleep(max(0.0, CHECKPOINT_SECONDS - (monotonic() - began)))
