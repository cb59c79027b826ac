"""The arithmetic of a preview, and the questions it says nobody could answer."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from indelible.base.clock import parse_rfc3339
from indelible.event.predicate import EVERYTHING, Op, Predicate, Term
from indelible.ingest.audit_policy.preview import Preview, PreviewAnswer, PreviewRequest
from indelible.ingest.audit_policy.rules import BadAuditPolicy, Then
from indelible.ingest.audit_policy.unanswered import Traits, unanswered

DAY = parse_rfc3339("2026-03-03T00:00:00Z")
HOUR = 3_600_000_000


def rule(when: str, then: str, **more: object) -> str:
    said = {"when": when, "then": then, **more}
    return "[[rule]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in said.items())


def body(minute: int = 0, **more: Any) -> bytes:
    said = {
        "action": "doc.read", "actor": {"type": "user", "id": "ann"}, "operation": "read",
        "targets": [{"type": "doc", "id": "d1"}],
        "time": f"2026-03-03T{minute // 60:02d}:{minute % 60:02d}:00Z", **more,
    }
    tail = {"kind": "event", "received": "2026-03-03T23:00:00.000000Z",
            "source": {"id": "app", "number": 1}, **more.pop("ledger", {})}
    said.pop("ledger", None)
    return json.dumps({**said, **tail}, separators=(",", ":")).encode()


def tried(
    rules: str, *bodies: bytes, scope: Predicate = EVERYTHING, share: float = 1.0,
    columns: float = 0.0, price: float = 0.0, hours: int = 24,
) -> PreviewAnswer:
    trial = Preview(PreviewRequest(scope=scope, rules=rules, since_us=DAY,
                                   until_us=DAY + hours * HOUR, price=price))
    for index, one in enumerate(bodies):
        trial.add(index, one)
    return trial.answer(share, columns)


MANY = [body(minute, data={"note": "x" * 400, "n": minute}) for minute in range(0, 721, 10)]


def test_without_rules_nothing_changes() -> None:
    found = tried("", *MANY, columns=60, price=0.1)
    assert found.now == found.then
    assert (found.looked_at, found.days, found.short) == (73, 0.5, False)
    assert found.now.events == round(73 * 365.25 * 2)


def test_dropping_everything_leaves_nothing() -> None:
    found = tried(rule("source:app", "drop"), *MANY, columns=60, price=0.1)
    assert (found.then.events, found.then.bytes, found.then.money) == (0, 0, 0.0)
    (one,) = found.rules
    assert (one.events, one.events_a_year) == (73, found.now.events)
    assert one.bytes_a_year == pytest.approx(found.now.bytes, abs=2)


def test_what_rules_save_is_what_lies_between_now_and_then() -> None:
    writes = [
        body(minute, action="doc.update", operation="update",
             data={"request": [sha256(b"%d %d" % (minute, n)).hexdigest() for n in range(9)]})
        for minute in range(0, 721, 7)
    ]
    rules = rule("operation:read", "summarise") + rule("operation:update", "strip")
    found = tried(rules, *MANY, *writes, columns=60)
    saved = sum(one.bytes_a_year for one in found.rules)
    assert saved == pytest.approx(found.now.bytes - found.then.bytes, rel=0.15)
    reads, strips = found.rules
    assert (reads.summaries, reads.events, strips.events) == (73, 73, 103)
    assert reads.events_a_year == strips.events_a_year == 0  # one summary for each: no fewer
    assert reads.bytes_a_year < 0 < strips.bytes_a_year


def test_a_strip_that_takes_little_away_costs_more_than_it_saves_and_that_is_said() -> None:
    bodies = [body(minute, data={"request": "x"}) for minute in range(0, 700, 7)]
    (one,) = tried(rule("source:app", "strip"), *bodies).rules
    assert one.bytes_a_year < 0


def test_summaries_are_counted_as_they_would_be_written() -> None:
    bodies = [body(minute, data={"n": n, "x": "z" * 300}) for minute in (0, 300) for n in range(50)]
    (one,) = tried(rule("source:app", "summarise"), *bodies, hours=24).rules
    assert (one.events, one.summaries) == (100, 2)
    assert one.bytes_a_year > 0


def test_a_sample_stands_for_all() -> None:
    whole, half = (tried(rule("source:*", "drop"), *MANY, share=share) for share in (1.0, 0.5))
    assert half.events == 2 * whole.events
    assert half.now.events == pytest.approx(2 * whole.now.events, abs=1)


def test_money_is_a_years_events_held_for_a_year() -> None:
    found = tried("", *MANY, columns=1e6, price=0.02)
    assert found.now.money == pytest.approx(found.now.bytes / 1e9 * 0.02 * 12, abs=0.01)


def test_what_must_be_kept_is_spared_and_said() -> None:
    bodies = [body(n, outcome="denied") for n in range(3)] + [body(9)]
    (one,) = tried(rule("source:app", "drop"), *bodies).rules
    assert (one.events, one.spared) == (1, 3)


def test_only_events_in_time_and_scope_are_looked_at() -> None:
    acme = Term(field="tenant", op=Op.EQ, values=("acme",))
    bodies = [body(5), body(90), body(5, tenant="acme"), body(5, time="2026-03-02T23:59:59Z")]
    assert tried("", *bodies, hours=1).looked_at == 2
    assert tried("", *bodies, scope=acme).looked_at == 1


def test_the_ledgers_own_records_summaries_and_unparsed_messages_are_not_touched() -> None:
    own = body(5, ledger={"source": {"id": "indelible", "number": 0}})
    summary = body(5, ledger={"flags": ["summary"]})
    message = body(5, ledger={"kind": "unparsed"})
    found = tried(rule("source:*", "drop"), own, summary, message)
    assert found.looked_at == 2
    assert found.rules[0].events == 0


def test_nothing_in_time_is_an_answer_too() -> None:
    found = tried(rule("source:*", "drop"))
    assert (found.looked_at, found.now.bytes, found.first) == (0, 0, "")


def test_rules_that_cannot_be_understood_are_refused() -> None:
    with pytest.raises(BadAuditPolicy):
        tried("[[rule]]\n")


# --- questions


def asked(then: str, *bodies: bytes) -> str:
    return "\n".join(tried(rule("source:app", then), *bodies).rules[0].unanswered)


def test_a_dropped_read_leaves_open_who_read_what() -> None:
    text = asked("drop", body(1), body(2, subjects=["p1"]),
                 body(3, action="doc.update", operation="update", changes=[{"path": "x"}]),
                 body(4, action="user.login", operation="login", targets=[]))
    assert "Who read which doc, when, and from where? (doc.read: 2 events)" in text
    assert "Who did doc.update to which doc" in text
    assert "Who signed in" in text
    assert "from what to what" in text
    assert "1 of these events name the persons" in text


def test_a_summary_leaves_open_which_of_several() -> None:
    one = asked("summarise", body(1), body(1, targets=[{"type": "doc", "id": "d2"}]))
    assert "Which doc exactly" in one
    same = asked("summarise", body(1), body(1))
    assert "Which doc exactly" not in same
    assert "At which second" in same


def test_a_stripped_event_leaves_open_what_was_asked() -> None:
    text = asked("strip", body(1, data={"request": {"x": 1}}), body(2, raw='{"a":1}'))
    assert "data.request of 1" in text
    assert "SHA-256" in text


def test_no_actor_target_or_address_is_named() -> None:
    bodies = [body(1, origin={"ip": "192.0.2.77"}, actor={"type": "user", "id": "trudy"},
                   targets=[{"type": "doc", "id": "secret-plan"}])]
    for then in ("drop", "summarise"):
        text = asked(then, *bodies)
        for word in ("192.0.2.77", "trudy", "secret-plan"):
            assert word not in text


def test_many_kinds_are_told_in_short() -> None:
    kinds = {(f"a.b{n}", "read", "t"): 10 - n for n in range(9)}
    found = unanswered(Then.DROP, Traits(kinds=kinds))
    assert len(found) == 6
    assert "4 more kinds" in found[-1]
