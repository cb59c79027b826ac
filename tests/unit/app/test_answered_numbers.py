"""Numbers of events that a rule took apart: none of them is missing after a crash, and what could
not be kept is."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from indelible.app import answered, completeness, recount, sourcing, unstated
from indelible.app.completeness import Completeness
from indelible.base.clock import MICROS, wall_us
from indelible.base.errors import IndelibleError
from indelible.base.limits import GAP_RANGES, GAP_SECONDS
from indelible.ingest.audit_policy.unstated import Numbered, found
from support.policed import Life, Policed, native

RULES = (
    '[[rule]]\nwhen = "action:x.drop"\nthen = "drop"\n'
    '[[rule]]\nwhen = "action:x.roll"\nthen = "summarise"\noperations = ["read"]\n'
)


@pytest.fixture
def house(tmp_path: Path) -> Policed:
    return Policed(tmp_path)


async def send(life: Life, *numbered: tuple[int, str]) -> None:
    """Events with these numbers and actions."""
    await life.send(native(*(
        {"action": action, "operation": "read", "source": {"seq": number, "boot": "b1"}}
        for number, action in numbered
    )))


async def every_other(life: Life, first: int, end: int, action: str) -> None:
    await send(life, *((n, action if n % 2 else "doc.update") for n in range(first, end)))


async def gaps_later(life: Life, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, str]]:
    later = wall_us() + (GAP_SECONDS + 1) * MICROS
    for module in (completeness, recount, sourcing):
        monkeypatch.setattr(module, "wall_us", lambda: later)
    await Completeness(life.core).beat()
    told = [one["data"] for one in life.bodies() if one["kind"] == "gap"]
    return [(one["first"], one["last"], one["state"]) for one in told]


def rows(life: Life) -> list[Numbered]:
    """The rows on disk."""
    kept = map(found, life.core.meta.of_audit_policy.unstated().values())
    return [one for one in kept if isinstance(one, Numbered)]


@pytest.mark.parametrize("action", ["x.drop", "x.roll"])
@pytest.mark.parametrize("kept", [False, True])
def test_no_number_of_what_was_answered_is_missing_after_a_crash(
    house: Policed, monkeypatch: pytest.MonkeyPatch, action: str, kept: bool
) -> None:
    many = 2 * GAP_RANGES + 201

    async def before(life: Life) -> None:
        await life.rules(RULES)
        await every_other(life, 1, 1_000, action)
        await every_other(life, 1_000, many, action)
        if kept:
            await life.core.state_tally()
        await every_other(life, many, many + 20, action)

    async def after(life: Life) -> None:
        assert await gaps_later(life, monkeypatch) == []
        assert (life.view().gaps, life.view().received) == (0, many + 19)

    house.live(before, crash=True)
    house.live(after, crash=True)
    house.live(after)


def test_numbers_go_once_counts_hold_them(house: Policed) -> None:
    async def body(life: Life) -> None:
        await life.rules(RULES)
        await every_other(life, 1, 2 * GAP_RANGES + 100, "x.drop")
        assert [one.ranges for one in rows(life)] == [GAP_RANGES, 50]
        await life.core.state_tally()
        assert rows(life) == []
        await every_other(life, 3_001, 3_005, "x.drop")
        assert [one.numbers for one in rows(life)] == [{"b1": [[3_001, 3_001], [3_003, 3_003]]}]

    async def next_life(life: Life) -> None:
        assert rows(life) == []

    house.live(body)
    house.live(next_life)


@pytest.mark.parametrize("how", ["before", "after", "fails"])
def test_numbers_that_are_being_kept_outlive_counts_without_them(
    house: Policed, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    async def before(life: Life) -> None:
        await life.rules(RULES)
        await send(life, (1, "doc.update"), (2, "x.drop"))
        tables, loop = life.core.meta.of_audit_policy, asyncio.get_running_loop()
        keep = tables.keep

        def slowly(*arguments: Any) -> None:
            """The counts are kept in the middle of it."""
            if how == "after":
                keep(*arguments)
            asyncio.run_coroutine_threadsafe(life.core.keep_counts(), loop).result(10)
            if how == "fails":
                raise IndelibleError("the database is full")
            if how == "before":
                keep(*arguments)

        monkeypatch.setattr(tables, "keep", slowly)
        if how == "fails":
            with pytest.raises(IndelibleError):
                await send(life, (3, "x.drop"))
        else:
            await send(life, (3, "x.drop"))
        monkeypatch.setattr(tables, "keep", keep)

    async def after(life: Life) -> None:
        await send(life, (4, "doc.update"))
        lost = [(3, 3, "open")] if how == "fails" else []
        assert await gaps_later(life, monkeypatch) == lost

    house.live(before, crash=True)
    house.live(after)


def test_counts_are_kept_early_before_there_are_too_many_numbers(
    house: Policed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answered, "ANSWERED_ROWS", 4)

    async def body(life: Life) -> None:
        await life.rules(RULES)
        most = 0
        for at in range(1, 12 * GAP_RANGES, 2 * GAP_RANGES):
            await every_other(life, at, at + 2 * GAP_RANGES, "x.drop")
            most = max(most, len(rows(life)))
        assert 2 <= most <= 4
        monkeypatch.setattr(life.core, "keep_counts", lambda: asyncio.sleep(0))
        while len(rows(life)) < 4:
            at += 2 * GAP_RANGES
            await every_other(life, at, at + 2 * GAP_RANGES, "x.drop")
        with pytest.raises(IndelibleError, match="could not be kept"):
            await every_other(life, at + 2 * GAP_RANGES, at + 3 * GAP_RANGES, "x.drop")
        assert len(rows(life)) == 4
        monkeypatch.undo()

    house.live(body)


def test_what_could_not_be_kept_and_was_given_up_is_missing(
    house: Policed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(life: Life) -> None:
        await life.rules(RULES)
        await send(life, (1, "doc.update"))

        def full(*_: object) -> None:
            raise IndelibleError("the database is full")

        with monkeypatch.context() as broken:
            broken.setattr(life.core.meta.of_audit_policy, "keep", full)
            with pytest.raises(IndelibleError, match="is full"):
                await send(
                    life, (2, "doc.update"), (3, "x.roll"), (4, "x.drop"), (5, "doc.update")
                )
        await send(life, (6, "doc.update"))
        assert await gaps_later(life, monkeypatch) == [(3, 4, "open")]
        assert life.view().gaps == 2

    house.live(body)


def test_numbers_count_though_the_sender_did_not_wait(
    house: Policed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(life: Life) -> None:
        await life.rules(RULES)
        await send(life, (1, "doc.update"))
        applied = asyncio.Event()
        apply = unstated.UnstatedEvents._apply

        async def telling(*arguments: Any) -> int:
            applied.set()
            return await apply(*arguments)

        monkeypatch.setattr(unstated.UnstatedEvents, "_apply", telling)
        sending = asyncio.create_task(send(life, (2, "x.roll"), (3, "x.drop")))
        await applied.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await life.core.unstated.end()
        await send(life, (4, "doc.update"))
        assert await gaps_later(life, monkeypatch) == []

    house.live(body)
