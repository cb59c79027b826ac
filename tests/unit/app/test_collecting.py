"""The writer's link to the collector: answers go to who asked, and to one collector at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from indelible.app import collector as collecting
from indelible.app import init_ledger, state, wire
from indelible.app.collecting import CollectorLink
from indelible.app.core import Core
from indelible.app.place import Place
from indelible.app.rooms import LiveRooms
from indelible.base.errors import LedgerStopped
from indelible.base.settings import Settings
from indelible.ingest.sources import SourceSettings
from indelible.ingest.submission import Submission, SubmitResult
from indelible.selfaudit import SelfAudit
from indelible.server.application import build_app

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
EMPTY = Submission(source="web", tenant="", events=[], protocol="relp", parser="", peer="")


class Rooms(LiveRooms):
    """Rooms whose answers a test holds back, or replaces by an error."""

    def __init__(self, core: Core) -> None:
        super().__init__(core, None)  # type: ignore[arg-type]
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def submit(self, submission: Submission) -> SubmitResult:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return SubmitResult(indexes=())


def linked(folder: Path, body: Callable[[Core, Rooms, Path], Awaitable[None]]) -> None:
    """Run a body beside a link that waits for collectors."""
    data = folder / "data"
    init_ledger(data, "test.example/link", folder / "keys" / "log", folder / "state")
    place = Place.at(data)

    async def main() -> None:
        core = Core(place, place.open(), lambda durable: None)
        rooms = Rooms(core)
        link = CollectorLink(
            folder, core, rooms, SelfAudit(rooms.record), build_app(rooms, place.settings)
        )
        listener = await link.listen()
        await core.begin()
        try:
            await body(core, rooms, folder / "collect.sock")
            await core.sequencer.close()
        finally:
            listener.close()
            core.close()

    asyncio.run(main())


async def collector(path: Path) -> Streams:
    """A collector that is connected and was told the sources."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    assert isinstance(await wire.receive(reader), wire.Sources)
    return reader, writer


def test_what_one_collector_asked_is_never_answered_to_the_next(tmp_path: Path) -> None:
    async def body(core: Core, rooms: Rooms, path: Path) -> None:
        rooms.gate.clear()
        _, first = await collector(path)
        first.write(wire.encode(wire.Deliver(1, EMPTY)))
        await first.drain()
        await asyncio.sleep(0.05)
        first.close()
        await first.wait_closed()
        await asyncio.sleep(0.05)
        reader, _ = await collector(path)
        rooms.gate.set()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await wire.receive(reader)

    linked(tmp_path, body)


def test_a_second_collector_is_hung_up_on_and_the_first_goes_on(tmp_path: Path) -> None:
    async def body(core: Core, rooms: Rooms, path: Path) -> None:
        reader, writer = await collector(path)
        other, _ = await asyncio.open_unix_connection(str(path))
        assert await other.read() == b""
        writer.write(wire.encode(wire.Deliver(7, EMPTY)))
        answer = await wire.receive(reader)
        assert isinstance(answer, wire.Delivered)
        assert (answer.number, answer.result is None) == (7, False)

    linked(tmp_path, body)


def test_a_ledger_that_is_held_asks_to_come_again_and_a_stopped_one_does_not(
    tmp_path: Path,
) -> None:
    async def body(core: Core, rooms: Rooms, path: Path) -> None:
        reader, writer = await collector(path)
        for number, stopped in enumerate((None, "damaged"), 1):
            rooms.error = LedgerStopped("the clock jumped")
            core.ledger.writer.stopped = stopped
            writer.write(wire.encode(wire.Deliver(number, EMPTY)))
            answer = await wire.receive(reader)
            assert isinstance(answer, wire.Delivered)
            assert answer.again is (stopped is None)
        core.ledger.writer.stopped = None

    linked(tmp_path, body)


def test_what_a_transport_says_of_a_source_is_shown_until_its_collector_goes(
    tmp_path: Path,
) -> None:
    async def body(core: Core, rooms: Rooms, path: Path) -> None:
        core.sourcing.put(SourceSettings(id="db", protocol="postgres"))
        _, writer = await collector(path)
        writer.write(wire.encode(wire.Figures("db", "", {"behind": "12 bytes"})))
        await writer.drain()
        await asyncio.sleep(0.05)
        [view] = [one for one in state.sources(core) if one.id == "db"]
        assert view.figures == {"behind": "12 bytes"}
        writer.close()
        await asyncio.sleep(0.05)
        [view] = [one for one in state.sources(core) if one.id == "db"]
        assert view.figures == {}

    linked(tmp_path, body)


def test_numbers_that_will_never_come_are_on_record_before_the_collector_goes_on(
    tmp_path: Path,
) -> None:
    async def body(core: Core, rooms: Rooms, path: Path) -> None:
        core.sourcing.put(SourceSettings(id="db", protocol="postgres"))
        reader, writer = await collector(path)
        writer.write(wire.encode(wire.Gap(3, "db", "", "postgres/7", 100, 4_000)))
        answer = await wire.receive(reader)
        assert isinstance(answer, wire.Delivered)
        assert (answer.number, answer.error) == (3, b"")
        [event] = core.ledger.reader.many(range(core.ledger.tree.size - 1, core.ledger.tree.size))
        told = json.loads(event.body)
        assert told["kind"] == "gap"
        assert told["data"] | {"source": 0} == {
            "source": 0, "boot": "postgres/7", "first": 100, "last": 4_000, "state": "lost",
        }
        [view] = [one for one in state.sources(core) if one.id == "db"]
        assert (view.gaps, view.stretches) == (0, 1)

    linked(tmp_path, body)


def test_strangers_are_named_up_to_a_number_a_minute_and_counted_beyond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "STRANGERS_SECONDS", 0.05)
    monkeypatch.setattr(collecting, "STRANGERS", 3)

    async def main() -> None:
        told: list[wire.Message] = []
        settings = Settings(origin="o", keys=tmp_path, state=tmp_path)
        hub = collecting.Collector(settings, asyncio.StreamReader(), None)  # type: ignore[arg-type]
        hub.tell = told.append  # type: ignore[method-assign]
        reporting = asyncio.ensure_future(hub.report())
        for beat in range(4):
            for number in range(5):
                hub.unknown("syslog", f"10.0.{beat}.{number}")
            await asyncio.sleep(0.08)
        reporting.cancel()
        said = [one for one in told if isinstance(one, wire.Stranger)]
        assert {one.peer for one in said} == {"10.0.0.0", "10.0.0.1", "10.0.0.2", ""}
        assert sum(one.count for one in said) == 20

    asyncio.run(main())
