"""The audit policy over backups, restores, a lost log's continuation, sealing and previews."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from indelible.app import audit_preview as preview_module
from indelible.app import fsck_folder
from indelible.app.local import LocalLedger
from indelible.base.clock import wall_us
from indelible.event.predicate import EVERYTHING
from indelible.ingest.audit_policy.decide import judged
from indelible.ingest.audit_policy.preview import PreviewAnswer, PreviewRequest
from indelible.ingest.audit_policy.rules import parse_rules
from indelible.ingest.audit_policy.unstated import Of, new_summary, packed
from indelible.ingest.parsers.native import parse_native
from indelible.ingest.submission import Submission
from indelible.server.rooms import Author
from indelible.store.meta import Meta
from support.kept import Kept, bodies, lines, post, verdict
from support.policed import native
from unit.app.test_restore import accepted, back, back_up, lost

DROP = '[[rule]]\nwhen = "source:* action:record.update"\nthen = "drop"\n'
STRIP = '[[rule]]\nwhen = "source:*"\nthen = "strip"\n'


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "house").filled()


def setting(rules: str) -> Callable[[LocalLedger], Awaitable[None]]:
    async def steps(ledger: LocalLedger) -> None:
        await ledger.rooms.set_audit_policy(rules, "a test", Author(type="user", id="me"))

    return steps


def left_open(kept: Kept) -> None:
    """A summary of three reads that were answered, as a crash leaves it."""
    (event,) = native({})
    (rule,) = parse_rules('[[rule]]\nwhen="source:hr"\nthen="summarise"\n')
    looked, time_us = judged(event.content), event.time_us or 0
    of = Of(source="hr", tenant="", version=1)
    state = new_summary("00112233aabbccdd", of, rule, looked, time_us, wall_us())
    for _ in range(3):
        state.add(event, looked, time_us)
    meta = Meta(kept.data / "meta.sqlite", keyring=kept.place.keyring())
    meta.of_audit_policy.keep({state.id: packed(state)}, b"", 0)
    meta.close()


def summaries(data: Path) -> list[int]:
    return [
        json.loads(body)["data"]["summary"]["count"]
        for body in bodies(data) if b'"flags":["summary"' in body or b'"summary"]' in body
    ]


def test_a_backup_takes_it_along_and_is_whole(kept: Kept) -> None:
    kept.run(setting(DROP))
    left_open(kept)
    copy = back_up(kept)
    assert fsck_folder(copy, columns=True).exit == 0
    kept.lose_data()
    back(kept, copy)

    async def steps(ledger: LocalLedger) -> None:
        assert ledger.rooms.audit_policy().in_force == 1

    kept.run(steps)
    assert summaries(kept.data) == [3]
    assert verdict(kept.data) == ("proven", 0)
    assert fsck_folder(kept.data, columns=True).exit == 0


def test_an_older_backup_does_not_bring_an_older_audit_policy_back(kept: Kept) -> None:
    kept.run(setting(DROP))
    copy = back_up(kept)
    keyring = kept.place.keyring()
    keyring.note_audit_policy(2)  # was set after the backup, and is lost with the data
    keyring.close()
    kept.lose_data()
    back(kept, copy)

    async def steps(ledger: LocalLedger) -> None:
        view = ledger.rooms.audit_policy()
        assert view.in_force == 0
        assert "older backup" in view.trouble
        made = await ledger.rooms.set_audit_policy(DROP, "again", Author(type="user", id="me"))
        assert made.version == 3
        assert ledger.rooms.audit_policy().trouble == ""

    kept.run(steps)
    assert fsck_folder(kept.data, columns=False).exit == 0


def test_the_log_that_continues_declares_it_and_states_what_was_answered(kept: Kept) -> None:
    kept.run(setting(DROP))
    kept.run(setting(STRIP))
    left_open(kept)
    report = accepted(kept, lost(kept))
    data = Path(report.next)
    records = [json.loads(body) for body in bodies(data) if b'"kind":"config"' in body]
    assert [(one["data"]["version"], one["data"]["rules"]) for one in records] == [(2, STRIP)]
    assert summaries(data) == [3]

    async def steps() -> None:
        async with LocalLedger(data) as ledger:
            assert ledger.rooms.audit_policy().in_force == 2

    asyncio.run(steps())
    assert verdict(data) == ("proven", 0)
    assert fsck_folder(data, columns=True).exit == 0


# --- previews over a real log


def tried(kept: Kept, rules: str, since_us: int = 0) -> PreviewAnswer:
    found: list[PreviewAnswer] = []

    async def steps(ledger: LocalLedger) -> None:
        request = PreviewRequest(
            scope=EVERYTHING, rules=rules, since_us=since_us, until_us=1 << 62, price=0.1
        )
        answer = await ledger.rooms.query("audit-policy-preview", request)
        found.append(msgspec.json.decode(answer, type=PreviewAnswer))

    kept.run(steps)
    return found[0]


def test_a_preview_looks_at_sealed_events_and_at_those_in_the_journal(kept: Kept) -> None:
    found = tried(kept, DROP)
    assert (found.looked_at, found.events) == (1800, 1800)
    assert found.rules[0].events == 1800
    assert found.then.events == 0
    assert tried(kept, DROP, since_us=1 << 61).looked_at == 0


def test_a_preview_of_many_events_looks_at_some_evenly_and_says_so(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preview_module, "PREVIEW_EVENTS", 500)
    monkeypatch.setattr(preview_module, "FRAME_EVENTS", 100)
    found = tried(kept, DROP)
    assert found.looked_at < 700
    assert found.events == pytest.approx(1800, rel=0.05)


def test_a_preview_changes_nothing_but_the_record_of_itself(kept: Kept) -> None:
    before = bodies(kept.data)
    tried(kept, DROP)
    after = bodies(kept.data)
    assert after[: len(before)] == before
    assert all(b'"source":{"id":"indelible"' in body for body in after[len(before) :])


def test_what_is_tried_is_what_happens(tmp_path: Path) -> None:
    tested, real = Kept(tmp_path / "tested"), Kept(tmp_path / "real")
    rules = '[[rule]]\nwhen = "actor:u1,u2"\nthen = "drop"\n' + STRIP

    async def steps(ledger: LocalLedger) -> None:
        await post(ledger, 0, 700)

    tested.run(steps)
    found = tried(tested, rules)

    async def under(ledger: LocalLedger) -> None:
        await setting(rules)(ledger)
        events, _ = parse_native(lines(0, 700))
        await ledger.rooms.submit(Submission(
            source="hr", tenant="", events=events, protocol="http", parser="native/1", peer=""))
        (view,) = ledger.rooms.sources()
        assert (view.dropped_by_rule, view.stripped) == (
            found.rules[0].events, found.rules[1].events)
        assert view.stored == 700 - found.rules[0].events

    real.run(under)
