"""The writer's link to the sealer: a sealer that ends, or that finds damage, and the ledger."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from indelible.app import core as core_module
from indelible.app import init_ledger, wire
from indelible.app.core import Core
from indelible.app.link import SealerLink
from indelible.app.place import Place
from indelible.app.writer import finish
from indelible.base.errors import LedgerStopped
from indelible.event.model import Via
from indelible.ledger.incoming import Own, Source

Body = Callable[[Core, SealerLink, Path], Awaitable[None]]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    data = tmp_path / "data"
    init_ledger(data, "test.example/link", tmp_path / "keys" / "log", tmp_path / "state")
    return Place.at(data)


def served(place: Place, run: Path, body: Body) -> None:
    """Run a test body beside a core that waits for its sealer, in the server's own loop."""

    async def main() -> None:
        link = SealerLink(run)
        core = Core(place, place.open(), link.durable)
        listener = await link.listen(core)
        await core.begin()
        try:
            await body(core, link, run / "ledger.sock")
            await core.sequencer.close()
        finally:
            listener.close()
            core.close()

    uvloop.run(main())


async def write(core: Core) -> None:
    """One event."""
    event = Own(content=b'{"action":"a.b","actor":{"type":"user","id":"u"}}')
    await core.write(Source(1, "app"), Via(protocol="http"), [event])


def test_a_sealer_that_is_killed_stops_no_sender(place: Place, tmp_path: Path) -> None:
    """Its connection is closed a turn of the loop before whoever reads from it hears of that."""

    async def body(core: Core, link: SealerLink, path: Path) -> None:
        for _ in range(20):
            _, writer = await asyncio.open_unix_connection(str(path))
            while not link.connected:
                await asyncio.sleep(0)
            writer.transport.abort()
            while link.connected:
                link.durable(core.ledger.writer.where())
                await asyncio.sleep(0)
        await write(core)
        assert core.ledger.writer.stopped is None

    served(place, tmp_path, body)


@pytest.mark.parametrize("stops", [True, False])
def test_what_cannot_be_read_back_stops_the_ledger_and_a_column_file_does_not(
    place: Place, tmp_path: Path, stops: bool
) -> None:
    async def body(core: Core, link: SealerLink, path: Path) -> None:
        _, writer = await asyncio.open_unix_connection(str(path))
        for _ in range(2):
            writer.write(wire.encode(wire.Trouble("damaged", "it reads otherwise", stops)))
        async with asyncio.timeout(10):
            while not core.damage:
                await asyncio.sleep(0.01)
        assert core.damage == ["it reads otherwise"]
        if stops:
            with pytest.raises(LedgerStopped, match="reads otherwise"):
                await write(core)
        else:
            await write(core)
        writer.close()

    served(place, tmp_path, body)


def test_a_stop_waits_for_who_drops_sealed_journals_and_publishes_the_last_events(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = core_module.drop_sealed_journals
    begun, may_end = threading.Event(), threading.Event()

    def slow(*args: Any, **more: Any) -> list[str]:
        begun.set()
        assert may_end.wait(20)
        return real(*args, **more)

    monkeypatch.setattr(core_module, "drop_sealed_journals", slow)

    async def main() -> tuple[int, int]:
        link = SealerLink(tmp_path)
        core = Core(place, place.open(), link.durable)
        listener = await link.listen(core)
        await core.begin()
        _, sealer = await asyncio.open_unix_connection(str(tmp_path / "ledger.sock"))
        sealer.write(wire.encode(wire.Sealed(0, 0)))
        assert await asyncio.to_thread(begun.wait, 20)
        ending = asyncio.create_task(finish(core, link, []))
        await asyncio.sleep(0.2)
        assert not ending.done()
        may_end.set()
        while not core.sequencer.closing:
            await asyncio.sleep(0.01)
        tree = core.ledger.tree
        sealer.write(wire.encode(wire.Checked(tree.size, tree.root(tree.size))))
        await ending
        listener.close()
        core.close()
        return tree.size, core.publisher.size

    size, published = uvloop.run(main())
    assert size == published > 0
