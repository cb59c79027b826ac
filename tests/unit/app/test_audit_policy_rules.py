"""Rules of the audit policy over a real ledger: what becomes of events, what a version decides."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from indelible.app import unstated as module
from indelible.app.fscking import fsck_folder
from indelible.base.clock import MICROS, wall_us
from indelible.base.errors import BadRequest, IndelibleError, NotFound
from indelible.ingest.audit_policy.rules import BadAuditPolicy
from indelible.ingest.submission import NOT_STORED
from support.policed import (
    DROP,
    HEALTH,
    STRIP,
    SUMMARISE,
    WRITE,
    Life,
    Policed,
    balanced,
    foreign,
    native,
    new_house,
)

house = pytest.fixture(new_house)


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
