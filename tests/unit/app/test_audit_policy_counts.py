"""What the audit policy did is counted once: over crashes, for gaps, in the statement of a day."""

from __future__ import annotations

import pytest

from indelible.app import completeness as completeness_module
from indelible.app import sourcing as sourcing_module
from indelible.app import unstated as module
from indelible.app.completeness import Completeness
from indelible.app.core import OWN_VIA
from indelible.app.sourcing import Reach
from indelible.base.clock import MICROS, wall_us
from indelible.base.errors import LedgerStopped
from indelible.store.sqlite import StoreFull
from support.policed import (
    DROP,
    HEALTH,
    STRIP,
    SUMMARISE,
    WRITE,
    Life,
    Policed,
    balanced,
    native,
    new_house,
    nothing,
)

house = pytest.fixture(new_house)


# --- crashes


def test_what_was_answered_before_a_crash_stands_in_the_log_after_it(house: Policed) -> None:
    async def before(life: Life) -> None:
        await life.rules(DROP + SUMMARISE)
        await life.send(native({}, {}, HEALTH, HEALTH, WRITE))
        assert life.summaries() == []

    async def after(life: Life) -> None:
        (summary,) = life.summaries()
        assert summary["data"]["summary"]["count"] == 2
        view = life.view()
        assert (view.stored, view.summarised, view.dropped_by_rule) == (1, 2, 2)
        assert balanced(life) == 5

    house.live(before, crash=True)
    house.live(after, crash=True)
    house.live(after)
    house.check()


@pytest.mark.parametrize("kept", [False, True])
def test_a_crash_right_after_a_summary_was_written_counts_it_once(
    house: Policed, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def before(life: Life) -> None:
        await life.rules(DROP + SUMMARISE)
        await life.send(native({}, {}, HEALTH))
        await life.core.unstated.end()
        if kept:  # the counts too, but the states are still there
            monkeypatch.setattr(life.core.unstated, "forget", lambda: nothing(life))
            await life.core.state_tally()

    async def after(life: Life) -> None:
        assert len(life.summaries()) == 1
        view = life.view()
        assert (view.summarised, view.dropped_by_rule) == (2, 1)
        assert balanced(life) == 3

    house.live(before, crash=True)
    house.live(after, crash=True)
    house.live(after)
    house.check()


def test_states_go_once_the_counts_that_hold_them_are_kept(house: Policed) -> None:
    async def body(life: Life) -> None:
        await life.rules(SUMMARISE)
        await life.send(native({}))
        tables = life.core.meta.of_audit_policy
        await life.core.unstated.end()
        left = []
        for _ in range(3):
            left.append(len(tables.unstated()))
            await life.core.state_tally()
        left.append(len(tables.unstated()))
        assert left == [1, 1, 0, 0]

    house.live(body)


def test_what_overtook_an_older_submission_is_counted_once_over_a_crash(house: Policed) -> None:
    async def before(life: Life) -> None:
        await life.rules(DROP + SUMMARISE)
        await life.core.state_tally()
        source = await life.core.source("app", "")
        with life.core.sourcing.under_way():  # somebody's events are written and not yet counted
            await life.core.write(source, OWN_VIA, native(WRITE))
            await life.send(native(WRITE, WRITE, {}, {}, HEALTH))
            await life.core.unstated.end()
            await life.core.state_tally()
            await life.core.write(source, OWN_VIA, native(WRITE))

    async def after(life: Life) -> None:
        view = life.view()
        assert (view.stored, view.summarised, view.dropped_by_rule) == (4, 2, 1)
        assert balanced(life) == 7

    house.live(before, crash=True)
    house.live(after, crash=True)
    house.live(after)


def test_how_far_counts_reach_comes_back_as_it_was_kept() -> None:
    for reach in (Reach(7), Reach(1 << 40, ((1 << 40, (1 << 40) + 3), (1 << 41, (1 << 41) + 1)))):
        assert Reach.of(reach.packed()) == reach
    reach = Reach(5, ((8, 10),))
    assert [at for at in range(4, 12) if reach.holds(at)] == [4, 8, 9]


def test_counted_ranges_are_let_go_of_once_nothing_older_is_under_way(house: Policed) -> None:
    async def body(life: Life) -> None:
        sourcing = life.core.sourcing
        for _ in range(5):
            await life.send(native({}, {}))
            await life.rooms.record(b'{"action":"x.y","actor":{"type":"system","id":"i"}}')
        assert len(sourcing._ahead) == 5
        assert sourcing.changed()[1] == Reach(life.core.ledger.tree.size)

    house.live(body)


def test_what_cannot_be_kept_is_not_answered_and_not_counted(
    house: Policed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(life: Life) -> None:
        await life.rules(DROP + SUMMARISE)
        await life.send(native({"id": "a"}, HEALTH))
        tables = life.core.meta.of_audit_policy

        def full(*_given: object) -> None:
            raise StoreFull("the disk is full")

        keep = tables.keep
        monkeypatch.setattr(tables, "keep", full)
        with pytest.raises(StoreFull):
            await life.send(native({"id": "b"}, HEALTH, WRITE))
        monkeypatch.setattr(tables, "keep", keep)
        view = life.view()
        assert (view.stored, view.summarised, view.dropped_by_rule) == (1, 1, 1)
        await life.send(native({"id": "b"}, HEALTH))
        view = life.view()
        assert (view.summarised, view.dropped_by_rule, view.duplicates) == (2, 2, 0)
        assert balanced(life) == 5

    house.live(body)
    house.live(lambda life: counts(life, [2]))


async def counts(life: Life, wanted: list[int]) -> None:
    assert [one["data"]["summary"]["count"] for one in life.summaries()] == wanted


def test_a_stopped_ledger_answers_nothing(house: Policed) -> None:
    async def body(life: Life) -> None:
        await life.rules(DROP)
        life.core.stop("a test stops it")
        with pytest.raises(LedgerStopped):
            await life.send(native(HEALTH))

    house.live(body, crash=True)


# --- completeness


def test_numbers_of_dropped_and_rolled_up_events_are_no_gap(
    house: Policed, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbered = [{**kind, "source": {"seq": n, "boot": "b"}}
                for n, kind in enumerate((WRITE, {}, HEALTH, {}, HEALTH, WRITE), 1)]

    async def before(life: Life) -> None:
        await life.rules(DROP + SUMMARISE)
        await life.send(native(*numbered[:1]))
        await life.core.state_tally()
        await life.send(native(*numbered[1:5]))

    async def after(life: Life) -> None:
        await life.send(native(*numbered[5:]))
        later = wall_us() + 200 * MICROS
        for one in (completeness_module, sourcing_module):
            monkeypatch.setattr(one, "wall_us", lambda: later)
        await Completeness(life.core).beat()
        assert [one for one in life.bodies() if one["kind"] == "gap"] == []

    house.live(before, crash=True)
    house.live(after)


def test_a_day_is_stated_with_what_the_rules_did(
    house: Policed, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = wall_us()
    for one in (completeness_module, sourcing_module, module):
        monkeypatch.setattr(one, "wall_us", lambda: now)

    async def body(life: Life) -> None:
        nonlocal now
        beat = Completeness(life.core).beat
        await life.rules(DROP + SUMMARISE + STRIP)
        await beat()
        await life.send(native({}, {}, HEALTH, WRITE), rejected=1)
        await beat()
        now += 86_400 * MICROS
        await beat()
        (day,) = [one["data"] for one in life.bodies() if "day" in one.get("data", {})]
        assert (day["summarised"], day["dropped_by_rule"], day["stripped"], day["stored"]) == (
            2, 1, 1, 1)
        parts = ("stored", "duplicates", "summarised", "dropped_by_rule", "refused", "dropped")
        assert day["received"] == sum(day[part] for part in parts) == 5
        assert day["audit_policy"] == 1

    house.live(body)
