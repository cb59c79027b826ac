"""The audit policy and what comes again: a retry adds nothing, whatever the rules became."""

from __future__ import annotations

import json
from hashlib import sha256

import msgspec
import pytest

from indelible.ledger.incoming import stripped_identity
from support.policed import (
    DROP,
    HEALTH,
    STRIP,
    SUMMARISE,
    Life,
    Policed,
    balanced,
    foreign,
    native,
    new_house,
    nothing,
)

house = pytest.fixture(new_house)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("crash", [False, True])
def test_a_retry_of_what_was_rolled_up_adds_nothing(
    house: Policed, restart: bool, crash: bool
) -> None:
    async def first(life: Life) -> None:
        await life.rules(SUMMARISE)
        await life.send(native({"id": "a"}, {"id": "b"}))
        if not restart:
            await again(life)

    async def again(life: Life) -> None:
        result = await life.send(native({"id": "b"}, {"id": "c"}))
        assert list(result.summarised) == [0, 1]
        view = life.view()
        assert (view.summarised, view.duplicates) == (3, 1)
        assert balanced(life) == 4

    house.live(first, crash=crash)
    if restart:
        house.live(again)
    house.live(lambda life: nothing(life))
    house.check()

    async def count(life: Life) -> None:
        assert sum(one["data"]["summary"]["count"] for one in life.summaries()) == 3

    house.live(count)


def test_other_content_under_the_same_id_is_rolled_up_too(house: Policed) -> None:
    async def body(life: Life) -> None:
        await life.rules(SUMMARISE)
        await life.send(native({"id": "a"}, {"id": "a", "data": {"x": 1}}, {"id": "a"}))
        view = life.view()
        assert view.summarised + view.duplicates == 3
        assert view.summarised >= 2

    house.live(body)


def test_a_dropped_event_that_comes_again_is_dropped_again_and_counted(house: Policed) -> None:
    async def body(life: Life) -> None:
        await life.rules(DROP)
        for _ in range(2):
            await life.send(native({**HEALTH, "id": "h"}))
        assert life.view().dropped_by_rule == balanced(life) == 2

    house.live(body)


@pytest.mark.parametrize("rules", [DROP + '[[rule]]\nwhen = "source:*"\nthen = "drop"\n',
                                   SUMMARISE, STRIP])
def test_what_is_stored_already_is_a_duplicate_whatever_the_rules_became(
    house: Policed, rules: str
) -> None:
    events = native({"id": "a", "data": {"request": 1}}, {"id": "b", "data": {"request": 2}})
    messages = foreign('{"user":"ann","action":"doc.read","time":"2026-03-03T12:00:00Z"}', ids=True)
    assert messages[0].kind == "event"

    async def before(life: Life) -> None:
        await life.send(events + messages)

    async def after(life: Life) -> None:
        await life.rules(rules)
        result = await life.send(events + messages)
        assert sorted(result.duplicates) == [0, 1, 2]
        assert not result.conflicts
        view = life.view()
        assert (view.stored, view.duplicates) == (3, 3)
        assert balanced(life) == 6

    house.live(before)
    house.live(after)
    house.check()


def test_what_was_stripped_is_a_duplicate_once_nothing_strips(house: Policed) -> None:
    events = native({"id": "a", "data": {"request": 1}})
    messages = foreign('{"user":"ann","action":"doc.read","time":"2026-03-03T12:00:00Z"}', ids=True)

    async def body(life: Life) -> None:
        await life.rules(STRIP)
        await life.send(events + messages)
        await life.rules("")
        result = await life.send(events + messages)
        assert sorted(result.duplicates) == [0, 1]
        other = native({"id": "a", "data": {"request": 2}})
        assert list((await life.send(other)).conflicts) == [0]
        assert list((await life.send(other)).duplicates) == [0]
        await life.rules(STRIP)
        assert list((await life.send(other)).duplicates) == [0]

    house.live(body)
    house.check()


def test_bodies_that_differ_only_in_what_was_stripped_are_a_conflict(house: Policed) -> None:
    async def body(life: Life) -> None:
        await life.rules(STRIP)
        one, two = (native({"id": "a", "data": {"request": n}}) for n in (1, 2))
        await life.send(one)
        assert list((await life.send(two)).conflicts) == [0]
        assert list((await life.send(two)).duplicates) == [0]

    house.live(body)
    house.check()


def test_nobody_silences_a_message_by_sending_its_stripped_form_first(house: Policed) -> None:
    text = '{"user":"ann","action":"doc.read","time":"2026-03-03T12:00:00Z"}'
    (real,) = foreign(text, ids=True)
    forged = stripped_identity(sha256(text.encode()).digest())

    async def body(life: Life) -> None:
        (made,) = foreign("x", ids=True)
        made = msgspec.structs.replace(made, id=real.id, idempotent=forged)
        await life.send([made])
        for rules in ("", STRIP):
            await life.rules(rules)
            result = await life.send([real])
            assert list(result.conflicts if rules == "" else result.duplicates) == [0]
        assert life.view().stored == 2

    house.live(body)


def test_a_stripped_message_without_an_id_is_known_when_it_comes_again(house: Policed) -> None:
    text = '{"user":"ann","action":"doc.read","time":"2026-03-03T12:00:00Z"}'

    async def body(life: Life) -> None:
        await life.rules(STRIP)
        first = await life.send(foreign(text))
        again = await life.send(foreign(text))
        assert again.repeats == {0: first.indexes[0]}
        body = json.loads(life.core.ledger.reader.one(first.indexes[0]).body)
        assert "raw" not in body
        assert body["stripped"]["sha256"] == sha256(text.encode()).hexdigest()

    house.live(body)
    house.check()
