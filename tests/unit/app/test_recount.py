"""What the log holds and the counts lack is counted once, whoever opened the folder meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from indelible.app import completeness, recount, sourcing
from indelible.app import core as core_module
from indelible.app.completeness import Completeness
from indelible.app.local import LocalLedger
from indelible.app.sourcing import Reach
from indelible.base.clock import MICROS, wall_us
from indelible.base.limits import BOOTS, GAP_SECONDS
from indelible.ingest.sources import SourceSettings
from support.policed import Life, Policed, native


class Clock:
    """The time of counts and gaps, which a test moves."""

    def __init__(self) -> None:
        self.now = wall_us()

    def passes(self, seconds: int = GAP_SECONDS + 1) -> None:
        self.now += seconds * MICROS


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (completeness, recount, sourcing):
        monkeypatch.setattr(module, "wall_us", lambda: clock.now)
    return clock


@pytest.fixture
def house(tmp_path: Path) -> Policed:
    return Policed(tmp_path)


async def send(life: Life, *numbers: int, boot: str = "b1", **more: Any) -> None:
    await life.send(native(*({"source": {"seq": n, "boot": boot}, **more} for n in numbers)))


async def beat(life: Life) -> None:
    await Completeness(life.core).beat()


def gaps(life: Life) -> list[tuple[int, int, str]]:
    """Every gap on record."""
    found = [one["data"] for one in life.bodies() if one["kind"] == "gap"]
    return [(one["first"], one["last"], one["state"]) for one in found]


def stored(life: Life) -> int:
    """How many events of sources stand in the log."""
    return sum(1 for one in life.bodies() if one["source"]["number"])


def command(house: Policed) -> None:
    """Any command on a folder that no server has."""

    async def main() -> None:
        async with LocalLedger(house.data):
            return

    asyncio.run(main())


# --- a command on the folder between a crash and the next start


@pytest.mark.parametrize("commands", [1, 3])
@pytest.mark.parametrize("first", [100_000, 0], ids=["at-once", "later"])
def test_a_command_after_a_crash_makes_no_gap_and_loses_no_count(
    house: Policed, clock: Clock, monkeypatch: pytest.MonkeyPatch, commands: int, first: int
) -> None:
    monkeypatch.setattr(core_module, "RECOUNT_FIRST", first)

    async def before(life: Life) -> None:
        await send(life, 1, 2)
        await life.core.state_tally()
        await send(life, 3, 4, 5)

    async def after(life: Life) -> None:
        await send(life, 6)
        clock.passes()
        await beat(life)
        assert gaps(life) == []
        assert life.view().stored == life.view().received == stored(life) == 6

    house.live(before, crash=True)
    for _ in range(commands):
        command(house)
    house.live(after)


def test_what_a_command_brings_is_counted_though_older_events_are_not_yet(
    house: Policed, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_module, "RECOUNT_FIRST", 0)

    async def before(life: Life) -> None:
        await send(life, 1, 2)
        await life.core.state_tally()
        await send(life, 3, 4)

    async def local() -> None:
        async with LocalLedger(house.data) as ledger:
            life = Life(ledger.core)
            assert ledger.core.sourcing.behind
            await send(life, 5, 8)
            await life.send([], rejected=2)

    async def after(life: Life) -> None:
        view = life.view()
        assert (view.stored, view.refused, view.received) == (6, 2, 8)
        clock.passes()
        await beat(life)
        assert gaps(life) == [(6, 7, "open")]

    house.live(before, crash=True)
    asyncio.run(local())
    house.live(after, crash=True)
    house.live(after)


def test_a_crash_before_the_counts_were_ever_kept_loses_none(
    house: Policed, clock: Clock
) -> None:
    async def before(life: Life) -> None:
        await send(life, 1, 2, 3)

    async def after(life: Life) -> None:
        assert life.view().stored == 3
        await send(life, 5)
        clock.passes()
        await beat(life)
        assert gaps(life) == [(4, 4, "open")]

    house.live(before, crash=True)
    house.live(after)


def test_the_log_is_read_a_piece_at_a_time(
    house: Policed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recount, "RECOUNT_EVENTS", 2)

    async def before(life: Life) -> None:
        await send(life, *range(1, 12))

    async def after(life: Life) -> None:
        assert life.view().stored == 11
        assert not life.core.sourcing.behind

    house.live(before, crash=True)
    house.live(after)


def test_what_cannot_be_read_is_counted_later_and_nothing_twice(
    house: Policed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recount, "RECOUNT_EVENTS", 4)
    read, turns = recount._Piece.read, 0

    def failing(reader: Any, first: int, end: int) -> Any:
        nonlocal turns
        turns += 1
        if turns == 2:
            raise OSError(5, "the disk is tired", "evidence")
        return read(reader, first, end)

    async def before(life: Life) -> None:
        await send(life, *range(1, 12))

    async def after(life: Life) -> None:
        assert turns > 3
        assert life.view().stored == 11

    house.live(before, crash=True)
    monkeypatch.setattr(recount._Piece, "read", failing)
    house.live(after)


def test_reach_knows_what_it_lacks() -> None:
    assert Reach(5).lacks(5) == []
    assert Reach(5).lacks(9) == [(5, 9)]
    assert Reach(5, ((12, 14), (7, 9), (8, 10))).lacks(16) == [(5, 7), (10, 12), (14, 16)]
    assert Reach(5, ((3, 6), (20, 22))).lacks(9) == [(6, 9)]


# --- what is on record, and what came since


def test_a_gap_whose_events_came_before_a_crash_is_closed_after_it(
    house: Policed, clock: Clock
) -> None:
    async def before(life: Life) -> None:
        await send(life, 1, 2)
        await life.core.state_tally()
        await send(life, 6)
        clock.passes()
        await beat(life)
        await send(life, 4, 3)

    async def after(life: Life) -> None:
        clock.passes()
        await beat(life)
        await beat(life)
        assert gaps(life)[0] == (3, 5, "open")
        assert sorted(gaps(life)[1:]) == [(3, 3, "closed"), (4, 4, "closed")]
        assert life.view().gaps == 1

    house.live(before, crash=True)
    house.live(after, crash=True)
    house.live(after)


def test_a_gap_that_closed_is_not_closed_again_after_a_crash(
    house: Policed, clock: Clock
) -> None:
    async def before(life: Life) -> None:
        await send(life, 1, 2, 6)
        clock.passes()
        await beat(life)
        await life.core.state_tally()
        await send(life, 3)
        await beat(life)
        await send(life, 5)
        await beat(life)
        await send(life, 4)

    async def after(life: Life) -> None:
        clock.passes()
        await beat(life)
        assert gaps(life) == [
            (3, 5, "open"), (3, 3, "closed"), (5, 5, "closed"), (4, 4, "closed"),
        ]
        assert life.view().gaps == 0

    house.live(before, crash=True)
    house.live(after, crash=True)
    house.live(after)


def test_a_gap_closes_though_what_came_was_rolled_up(house: Policed, clock: Clock) -> None:
    async def before(life: Life) -> None:
        await life.rules('[[rule]]\nwhen = "action:doc.read"\nthen = "summarise"\n')
        await send(life, 1, 2, action="doc.update")
        await life.core.state_tally()
        await send(life, 5, action="doc.update")
        clock.passes()
        await beat(life)
        await send(life, 3, 4)

    async def after(life: Life) -> None:
        clock.passes()
        await beat(life)
        assert gaps(life) == [(3, 4, "open"), (3, 4, "closed")]
        assert life.view().gaps == 0

    house.live(before, crash=True)
    house.live(after, crash=True)
    house.live(after)


def test_counts_that_are_kept_while_a_gap_is_put_on_record_tell_it_once(
    house: Policed, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def before(life: Life) -> None:
        await send(life, 1, 5)
        clock.passes()
        own_all = life.core.own_all

        async def kept_meanwhile(records: Sequence[Any]) -> Sequence[int]:
            indexes = await own_all(records)
            if b"ledger.gap.declare" in records[0].content:
                await life.core.state_tally()
            return indexes

        monkeypatch.setattr(life.core, "own_all", kept_meanwhile)
        await beat(life)

    async def after(life: Life) -> None:
        clock.passes()
        await beat(life)
        assert gaps(life) == [(2, 4, "open")]
        assert life.view().gaps == 3

    house.live(before, crash=True)
    house.live(after)


def test_a_day_and_a_silence_are_told_once_over_a_crash(house: Policed, clock: Clock) -> None:
    async def before(life: Life) -> None:
        await life.rooms.put_source(SourceSettings(id="app", silence=300), None)
        await send(life, 1, 2)
        await beat(life)
        await life.core.state_tally()
        await send(life, 3)
        clock.passes(86_400)
        await beat(life)
        await send(life, 4)

    async def after(life: Life) -> None:
        await beat(life)
        days = [one["data"]["received"] for one in life.bodies() if "day" in one.get("data", {})]
        silences = [one["data"]["state"] for one in life.bodies() if one["kind"] == "silence"]
        assert (days, silences[:1], silences.count("begun")) == ([3], ["begun"], 1)
        assert life.view().received == 4

    async def next_day(life: Life) -> None:
        clock.passes(86_400)
        await beat(life)
        days = [one["data"]["received"] for one in life.bodies() if "day" in one.get("data", {})]
        assert days == [3, 1]

    house.live(before, crash=True)
    house.live(after, crash=True)
    house.live(next_day)


def test_a_gap_closes_though_its_events_came_before_the_log_was_read_back(
    house: Policed, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_module, "RECOUNT_FIRST", 0)

    async def before(life: Life) -> None:
        await send(life, 1, 2)
        await life.core.state_tally()
        await send(life, 5)
        clock.passes()
        await beat(life)

    async def local() -> None:
        async with LocalLedger(house.data) as ledger:
            await send(Life(ledger.core), 3, 4)

    async def after(life: Life) -> None:
        clock.passes()
        await beat(life)
        assert gaps(life) == [(3, 4, "open"), (3, 4, "closed")]

    house.live(before, crash=True)
    asyncio.run(local())
    house.live(after)


def test_many_runs_of_a_sender_hide_no_gap_of_another(house: Policed, clock: Clock) -> None:
    async def before(life: Life) -> None:
        await send(life, 1, boot="first")
        await send(life, 1, 5, boot="b")
        for number in range(BOOTS + 10):
            await send(life, 1, boot=f"x{number}")
        clock.passes()
        await beat(life)
        assert (gaps(life), life.view().gaps) == ([(2, 4, "open")], 3)
        await send(life, 2, 3, 4, boot="b")

    async def after(life: Life) -> None:
        await beat(life)
        assert (gaps(life)[1:], life.view().gaps) == ([(2, 4, "closed")], 0)

    house.live(before, crash=True)
    house.live(after)


def test_what_comes_while_its_gap_is_written_closes_its_part(
    house: Policed, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(life: Life) -> None:
        await send(life, 1, 2, 6)
        clock.passes()
        own_all = life.core.own_all

        async def slowly(records: Sequence[Any]) -> Sequence[int]:
            indexes = await own_all(records)
            if b'"open"' in records[0].content:
                await send(life, 3)
            else:
                await send(life, 4)
            return indexes

        with monkeypatch.context() as slow:
            slow.setattr(life.core, "own_all", slowly)
            await beat(life)
            await beat(life)
        await send(life, 5)
        await beat(life)
        await beat(life)
        assert gaps(life)[0] == (3, 5, "open")
        assert [n for first, last, state in gaps(life)[1:] for n in range(first, last + 1)] == [
            3, 4, 5]
        assert {state for _, _, state in gaps(life)[1:]} == {"closed"}
        assert life.view().gaps == 0

    house.live(body)


def test_a_source_that_leaves_out_every_other_number_keeps_no_look_to_itself(
    house: Policed, clock: Clock
) -> None:
    async def body(life: Life) -> None:
        await send(life, *range(1, 5_000, 2))
        clock.passes()
        told = []
        for _ in range(4):
            await beat(life)
            told.append(len(gaps(life)))
        assert told == [1_000, 2_000, 2_499, 2_499]
        assert life.view().gaps == 2_499

    house.live(body)


def test_counts_that_newer_ones_overtook_do_not_take_their_place(
    house: Policed, clock: Clock
) -> None:
    async def before(life: Life) -> None:
        sourcing = life.core.sourcing
        await send(life, 1, 2)
        kept, reach = sourcing.changed()
        await life.send(native({}, {}, {}), source="other")
        newer, newer_reach = sourcing.changed()
        assert reach is not None
        assert newer_reach is not None
        sourcing.flush(newer, newer_reach)
        sourcing.flush(kept, reach)

    async def after(life: Life) -> None:
        assert (life.view().stored, life.view("other").stored) == (2, 3)

    house.live(before, crash=True)
    house.live(after)
