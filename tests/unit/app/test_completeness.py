"""What is missing is put on record: gaps, days, silence; and counts survive a crash."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from indelible.app import completeness as module
from indelible.app import init_ledger
from indelible.app import sourcing as sourcing_module
from indelible.app.completeness import Completeness
from indelible.app.core import Core
from indelible.app.place import Place
from indelible.app.rooms import LiveRooms
from indelible.base.clock import MICROS, wall_us
from indelible.base.limits import GAP_SECONDS
from indelible.ingest.parsers.native import parse_native
from indelible.ingest.sources import SourceSettings
from indelible.ingest.submission import Submission

DAY = 86_400 * MICROS
Body = Callable[["Run"], Awaitable[None]]


class Run:
    """One life of a ledger with a clock that a test moves."""

    def __init__(self, core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
        self.core = core
        self.rooms = LiveRooms(core, None)  # type: ignore[arg-type]
        self.now = wall_us()
        for one in (module, sourcing_module):
            monkeypatch.setattr(one, "wall_us", lambda: self.now)
        self.beat = Completeness(core).beat

    async def send(self, *numbers: int, boot: str = "b1", source: str = "app") -> None:
        lines = [
            json.dumps({
                "action": "a.b", "actor": {"type": "user", "id": "u"},
                "target": {"type": "t", "id": str(number)},
                **({"source": {"seq": number, "boot": boot}} if boot else {}),
            })
            for number in numbers
        ]
        events, refused = parse_native("\n".join(lines).encode())
        assert not refused
        await self.rooms.submit(
            Submission(source=source, tenant="", events=events, protocol="http",
                       parser="native/1", peer="")
        )

    def records(self, kind: str) -> list[dict[str, Any]]:
        reader = self.core.ledger.reader
        bodies = [json.loads(one.body) for one in reader.many(range(self.core.ledger.tree.size))]
        return [body["data"] for body in bodies if body["kind"] == kind]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    data = tmp_path / "data"
    init_ledger(data, "test.example/log", tmp_path / "keys" / "log", tmp_path / "state")
    return Place.at(data)


@pytest.fixture
def live(place: Place, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Run a body over the ledger; without `cleanly` it ends as a crash does."""

    def run(body: Body, *, cleanly: bool = True) -> None:
        async def main() -> None:
            core = Core(place, place.open(), lambda durable: None)
            await core.begin()
            try:
                await body(Run(core, monkeypatch))
                if cleanly:
                    await core.end()
                else:
                    await core.sequencer.close()
            finally:
                core.close()

        asyncio.run(main())

    return run


Live = Callable[..., None]


def test_a_gap_is_declared_after_a_minute_and_closed_by_late_events(live: Live) -> None:
    async def body(run: Run) -> None:
        await run.send(1, 2, 5)
        await run.beat()
        assert run.records("gap") == []
        run.now += (GAP_SECONDS + 1) * MICROS
        await run.beat()
        await run.beat()
        gap = {"source": 1, "boot": "b1", "first": 3, "last": 4}
        assert run.records("gap") == [{**gap, "state": "open"}]
        assert run.rooms.sources()[0].gaps == 2
        await run.send(4, 3)
        await run.beat()
        closed = [one for one in run.records("gap") if one["state"] == "closed"]
        assert sorted((one["first"], one["last"]) for one in closed) == [(3, 3), (4, 4)]
        assert run.rooms.sources()[0].gaps == 0

    live(body)


def test_a_crash_makes_no_gap_and_loses_no_count(live: Live) -> None:
    async def before(run: Run) -> None:
        await run.beat()
        await run.send(1, 2)
        await run.core.state_tally()
        await run.send(3, 4, 9)

    async def after(run: Run) -> None:
        await run.core.state_tally()
        await run.beat()
        await run.send(10)
        [view] = run.rooms.sources()
        assert (view.stored, view.received) == (6, 6)
        run.now += (GAP_SECONDS + 1) * MICROS
        await run.beat()
        assert [(one["first"], one["last"]) for one in run.records("gap")] == [(5, 8)]

    live(before, cleanly=False)
    live(after)


def test_a_clean_stop_counts_nothing_twice(live: Live) -> None:
    async def before(run: Run) -> None:
        await run.beat()
        await run.send(1, 2)

    async def after(run: Run) -> None:
        await run.beat()
        await run.core.state_tally()
        assert run.rooms.sources()[0].stored == 2

    live(before)
    live(after)


def test_a_day_is_stated_when_it_is_over_with_everything_that_came(live: Live) -> None:
    async def body(run: Run) -> None:
        await run.beat()
        await run.send(1, 2, 5, boot="")
        await run.rooms.submit(
            Submission(source="app", tenant="", events=[], protocol="syslog", parser="", peer="",
                       rejected=2, dropped=3)
        )
        first = run.core.ledger.tree.size - 3
        await run.beat()
        assert run.records("statement") == []
        run.now += DAY
        await run.beat()
        await run.beat()
        [day] = [one for one in run.records("statement") if "day" in one]
        parts = ("stored", "duplicates", "refused", "dropped")
        assert day["received"] == sum(day[part] for part in parts)
        assert (day["stored"], day["refused"], day["dropped"]) == (3, 2, 3)
        assert (day["first_index"], day["last_index"]) == (first, first + 2)
        run.now += DAY
        await run.beat()
        days = [one for one in run.records("statement") if "day" in one]
        assert len(days) == 1, "a source that nobody configured and that was quiet has none"

    live(body)


def test_a_configured_source_that_sent_nothing_has_its_day_too(live: Live) -> None:
    async def body(run: Run) -> None:
        await run.rooms.put_source(SourceSettings(id="web", protocol="syslog"), None)
        await run.beat()
        run.now += DAY
        await run.beat()
        [day] = [one for one in run.records("statement") if "day" in one]
        assert (day["id"], day["received"]) == ("web", 0)

    live(body)


def test_silence_is_on_record_when_it_begins_and_when_it_is_over(live: Live) -> None:
    async def body(run: Run) -> None:
        await run.rooms.put_source(SourceSettings(id="app", silence=300), None)
        await run.send(1)
        await run.beat()
        run.now += 301 * MICROS
        await run.beat()
        assert [one["state"] for one in run.records("silence")] == ["begun"]
        assert run.rooms.sources()[0].remarks == ("silence",)
        await run.send(2)
        await run.beat()
        assert [one["state"] for one in run.records("silence")] == ["begun", "over"]
        run.rooms.pause_source("app", "", run.now + 3_600 * MICROS)
        run.now += 3_599 * MICROS
        await run.beat()
        assert len(run.records("silence")) == 2

    live(body)
