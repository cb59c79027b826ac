"""The audit policy over a real ledger: what becomes of events, over retries, crashes, versions."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from indelible.app import completeness as completeness_module
from indelible.app import sourcing as sourcing_module
from indelible.app import unstated as module
from indelible.app.completeness import Completeness
from indelible.app.core import OWN_VIA
from indelible.app.fscking import fsck_folder
from indelible.app.sourcing import Reach
from indelible.base.clock import MICROS, wall_us
from indelible.base.errors import BadRequest, IndelibleError, LedgerStopped, NotFound
from indelible.ingest.audit_policy.rules import BadAuditPolicy
from indelible.ingest.submission import NOT_STORED
from indelible.ledger.incoming import stripped_identity
from indelible.store.sqlite import StoreFull
from support.policed import Life, Policed, foreign, native

DROP = '[[rule]]\nname = "health"\nwhen = "target:/healthz"\nthen = "drop"\n'
SUMMARISE = '[[rule]]\nwhen = "action:doc.read"\nthen = "summarise"\n'
STRIP = '[[rule]]\nwhen = "source:*"\nthen = "strip"\n'
HEALTH = {"target": {"type": "path", "id": "/healthz"}}
WRITE = {"action": "doc.update", "data": {"request": {"pin": 1234}, "note": "x"}}


@pytest.fixture
def house(tmp_path: Path) -> Policed:
    return Policed(tmp_path)


def balanced(life: Life, source: str = "app") -> int:
    """The sum of a source holds; what it received."""
    view = life.view(source)
    parts = (view.stored, view.duplicates, view.summarised, view.dropped_by_rule, view.refused,
             view.dropped)
    assert view.received == sum(parts)
    return view.received


# --- what becomes of events


def test_without_rules_nothing_is_looked_at(house: Policed) -> None:
    async def body(life: Life) -> None:
        assert life.core.audit_policy.decider is None
        result = await life.send(native({}, HEALTH))
        assert NOT_STORED not in result.indexes

    house.live(body)


def test_each_event_goes_its_way_and_the_answer_says_which(house: Policed) -> None:
    async def body(life: Life) -> None:
        await life.rules(DROP + SUMMARISE + STRIP)
        result = await life.send(
            native({}, HEALTH, WRITE, {"target": {"type": "doc", "id": "d2"}},
                   {"outcome": "denied"}),
            rejected=2, dropped=3,
        )
        first, _, third, _, fifth = result.indexes
        assert (first, list(result.summarised), list(result.dropped_by_rule)) == (
            NOT_STORED, [0, 3], [1])
        assert fifth == third + 1
        assert balanced(life) == 10
        view = life.view()
        assert (view.stored, view.stripped, view.summarised, view.dropped_by_rule) == (2, 1, 2, 1)
        stored = json.loads(life.core.ledger.reader.one(third).body)
        assert stored["data"] == {"note": "x"}
        assert stored["stripped"]["version"] == 1
        assert "stripped" in stored["flags"]
        assert life.summaries() == []

    async def after(life: Life) -> None:
        (summary,) = life.summaries()
        assert summary["data"]["summary"]["count"] == 2
        assert summary["source"] == {"id": "app", "number": 1}
        (dropped,) = [one for one in life.bodies() if "rules" in one.get("data", {})
                      and one["kind"] == "statement"]
        assert dropped["data"]["rules"] == [
            {"rule": 1, "events": 1, "bytes": len(native(HEALTH)[0].content)}]
        assert balanced(life) == 10

    house.live(body)
    house.live(after)
    house.check()


def test_unparsed_messages_and_the_ledgers_own_records_are_always_kept(house: Policed) -> None:
    async def body(life: Life) -> None:
        await life.rules('[[rule]]\nwhen = "source:* or -source:*"\nthen = "drop"\n')
        (message,) = foreign("nobody knows what this is")
        assert message.kind == "unparsed"
        result = await life.send([message])
        assert result.indexes[0] != NOT_STORED
        stored = json.loads(life.core.ledger.reader.one(result.indexes[0]).body)
        assert stored["raw"] == "nobody knows what this is"
        size = life.core.ledger.tree.size
        await life.rooms.record(b'{"action":"indelible.test","actor":{"type":"system","id":"i"}}')
        assert life.core.ledger.tree.size == size + 1

    house.live(body)


def test_a_summary_is_written_when_its_minute_is_over(
    house: Policed, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = wall_us()
    monkeypatch.setattr(module, "wall_us", lambda: now)

    async def body(life: Life) -> None:
        nonlocal now
        await life.rules(SUMMARISE)
        await life.send(native({}, {}))
        await life.send(native({}))
        now += 20 * MICROS
        await life.core.unstated.beat()
        assert life.summaries() == []
        now += 80 * MICROS
        await life.core.unstated.beat()
        (summary,) = life.summaries()
        assert summary["data"]["summary"]["count"] == 3
        await life.send(native({}))
        now += 200 * MICROS
        await life.core.unstated.beat()
        assert [one["data"]["summary"]["count"] for one in life.summaries()] == [3, 1]
        assert balanced(life) == 4

    house.live(body)


def test_too_many_summaries_are_written_early(
    house: Policed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SUMMARIES", 5)

    async def body(life: Life) -> None:
        await life.rules(SUMMARISE)
        people = [{"actor": {"type": "user", "id": f"u{n}"}} for n in range(9)]
        await life.send(native(*people))
        await life.core.unstated._task  # type: ignore[misc]
        assert {one["actor"]["id"] for one in life.summaries()} == {"u0", "u1", "u2", "u3"}
        assert balanced(life) == 9

    house.live(body)


# --- retries


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


async def nothing(_life: Life) -> None:
    return


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


# --- versions


def test_a_version_says_who_set_which_rules_when_and_why_and_the_log_says_it_too(
    house: Policed,
) -> None:
    async def body(life: Life) -> None:
        assert await life.rules(DROP, "noise, CHG-1") == 1
        assert await life.rules(STRIP, "bodies, CHG-2") == 2
        newest, first = life.rooms.audit_policies()
        assert (first.reason, first.rules, first.by[0].id) == ("noise, CHG-1", DROP, "me")
        assert newest.index is not None
        record = json.loads(life.core.ledger.reader.one(newest.index).body)
        assert (record["kind"], record["action"]) == ("config", "ledger.audit_policy.set")
        said = record["data"]
        assert (said["version"], said["rules"], said["reason"]) == (2, STRIP, "bodies, CHG-2")
        assert said["by"] == [{"type": "user", "id": "me", "name": "Me"}]
        assert life.rooms.audit_policy_version(1) == first
        with pytest.raises(NotFound):
            life.rooms.audit_policy_version(3)

    house.live(body)
    house.check()


def test_a_version_is_in_force_after_a_restart(house: Policed) -> None:
    async def after(life: Life) -> None:
        assert life.rooms.audit_policy().in_force == 1
        assert list((await life.send(native(HEALTH))).dropped_by_rule) == [0]

    house.live(lambda life: life.rules(DROP))  # type: ignore[arg-type, return-value]
    house.live(after)


def test_bad_rules_and_no_reason_change_nothing(house: Policed) -> None:
    async def body(life: Life) -> None:
        await life.rules(DROP)
        size = life.core.ledger.tree.size
        with pytest.raises(BadAuditPolicy):
            await life.rules("[[rule]]\n")
        for reason in ("", "  ", "x" * 2000):
            with pytest.raises(BadRequest):
                await life.rules(STRIP, reason)
        assert life.rooms.audit_policy().in_force == 1
        assert life.core.ledger.tree.size == size

    house.live(body)


def test_a_version_whose_record_cannot_be_written_never_existed(
    house: Policed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(life: Life) -> None:
        async def busy(_record: object) -> int:
            raise IndelibleError("no room")

        monkeypatch.setattr(life.core, "own", busy)
        with pytest.raises(IndelibleError, match="no room"):
            await life.rules(DROP)
        monkeypatch.undo()
        assert life.rooms.audit_policies() == []
        assert life.core.audit_policy.decider is None

    house.live(body)


def test_a_crash_between_the_row_and_the_record_is_made_good(
    house: Policed, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    async def before(life: Life) -> None:
        async def killed(_record: object) -> int:
            raise Killed

        monkeypatch.setattr(life.core, "own", killed)
        with pytest.raises(Killed):
            await life.rules(DROP)
        monkeypatch.undo()

    async def after(life: Life) -> None:
        (version,) = life.rooms.audit_policies()
        assert version.index is not None
        assert life.rooms.audit_policy().in_force == 1

    house.live(before, crash=True)
    house.live(after)
    house.check()


@pytest.mark.parametrize(("change", "said"), [
    ("DELETE FROM audit_policy WHERE version = 2", "version 2 of the audit policy was set"),
    ("UPDATE audit_policy SET said = (SELECT said FROM audit_policy WHERE version = 1)",
     "version 2 of the audit policy was set"),
    ("UPDATE audit_policy SET entry = 4 WHERE version = 2", "event 4 does not say"),
])
def test_an_altered_version_decides_nothing_and_is_named(
    house: Policed, change: str, said: str
) -> None:
    async def before(life: Life) -> None:
        await life.rules('[[rule]]\nwhen = "source:*"\nthen = "drop"\n')
        await life.rules(STRIP)

    async def after(life: Life) -> None:
        view = life.rooms.audit_policy()
        assert view.in_force == 0
        assert said in view.trouble
        assert NOT_STORED not in (await life.send(native(HEALTH))).indexes
        assert await life.rules(DROP) == 3
        assert life.rooms.audit_policy().trouble == ""

    house.live(before)
    with closing(sqlite3.connect(house.data / "meta.sqlite", isolation_level=None)) as link:
        link.execute(change)
    report = fsck_folder(house.data, columns=False, progress=lambda done, total: None)
    assert [problem.area for problem in report.problems] != []
    assert all("audit policy" in problem.message for problem in report.problems)
    house.live(after)


def test_the_effect_of_each_rule_is_shown(house: Policed) -> None:
    async def body(life: Life) -> None:
        await life.rules(DROP + SUMMARISE + STRIP)
        await life.send(native({"id": "a"}, HEALTH, HEALTH, WRITE))
        await life.send(native({"id": "a"}))
        assert [one.events for one in life.rooms.audit_policy().rules] == [2, 2, 1]
        await life.rules(DROP)
        assert [one.events for one in life.rooms.audit_policy().rules] == [0]

    house.live(body)


def test_secrets_of_nobody_stand_in_the_metadata(house: Policed) -> None:
    async def body(life: Life) -> None:
        await life.rules(SUMMARISE + '[[rule]]\nwhen = "actor:mallory"\nthen = "keep"\n')
        await life.send(native({"actor": {"type": "user", "id": "trudy"}, "id": "i1"}))

    house.live(body, crash=True)
    kept = b"".join(path.read_bytes() for path in house.data.glob("meta.sqlite*"))
    assert b"mallory" not in kept
    assert b"trudy" not in kept
