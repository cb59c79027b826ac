"""Summaries and counts: exact, whatever came in whatever order; what they say, and when."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from indelible.base.clock import MICROS, parse_rfc3339
from indelible.base.limits import GAP_RANGES, SUMMARY_GRACE_SECONDS, SUMMARY_IPS
from indelible.event.model import read_body
from indelible.event.sentence import sentence
from indelible.ingest.audit_policy.decide import judged
from indelible.ingest.audit_policy.rules import parse_rules
from indelible.ingest.audit_policy.unstated import (
    Numbered,
    Of,
    Summary,
    found,
    key_of,
    new_drops,
    new_summary,
    packed,
    unpacked,
)
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.native import parse_native

RULES = parse_rules('[[rule]]\nwhen="source:*"\nthen="summarise"\n'
                    '[[rule]]\nwhen="source:b"\nthen="drop"\n')
OF = Of(source="app", tenant="", version=4)
NOON = parse_rfc3339("2026-03-03T12:00:00Z")
MINUTE = 60 * MICROS


def read(target: str = "d1", at: str = "12:00:07", **more: Any) -> Parsed:
    said = {"action": "doc.read", "actor": {"type": "user", "id": "ann", "name": "Ann"},
            "targets": [{"type": "doc", "id": target}], "time": f"2026-03-03T{at}Z",
            "outcome": "success", **more}
    (event,), refused = parse_native(json.dumps(said).encode())
    assert not refused
    return event


def summary_of(*events: Parsed) -> Summary:
    made = None
    for event in events:
        looked, when = judged(event.content), event.time_us or 0
        if made is None:
            made = new_summary("0123456789abcdef", OF, RULES[0], looked, when, NOON)
        assert key_of(OF, RULES[0], looked, when) == made.key
        made.add(event, looked, when)
    assert made is not None
    return made


def said(summary: Summary) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(summary.record().content)
    return found


def test_a_summary_counts_exactly_with_first_and_last_time() -> None:
    events = [read(at="12:00:07"), read(at="12:00:59.5"), read(at="12:00:01")]
    data = said(summary_of(*events))["data"]["summary"]
    assert (data["count"], data["version"], data["rule"]) == (3, 4, 1)
    assert data["first"] == "2026-03-03T12:00:01.000000Z"
    assert data["last"] == "2026-03-03T12:00:59.500000Z"
    assert data["bytes"] == sum(len(event.content) for event in events)


def test_the_chain_is_over_what_came_in_its_order() -> None:
    one, two = read("d1"), read("d2")
    link = bytes(32)
    for event in (one, two):
        link = sha256(link + sha256(event.idempotent).digest()).digest()
    assert said(summary_of(one, two))["data"]["summary"]["sha256"] == link.hex()
    assert said(summary_of(two, one))["data"]["summary"]["sha256"] != link.hex()


def test_a_target_is_named_only_where_all_agree() -> None:
    assert said(summary_of(read("d1"), read("d1")))["targets"] == [{"type": "doc", "id": "d1"}]
    assert said(summary_of(read("d1"), read("d2")))["targets"] == [{"type": "doc", "id": "*"}]
    bucket = {"type": "bucket", "id": "b"}
    several = [read(targets=[{"type": "doc", "id": name}, bucket]) for name in ("x", "y")]
    assert said(summary_of(*several))["targets"] == [{"type": "doc", "id": "*"}, bucket]
    twice = [{"type": "doc", "id": "x"}, {"type": "doc", "id": "y"}]
    assert said(summary_of(read(targets=twice)))["targets"] == [{"type": "doc", "id": "*"}]


@pytest.mark.parametrize("other", [
    {"action": "doc.list"}, {"outcome": "unknown"}, {"at": "12:01:00"}, {"tenant": "acme"},
    {"actor": {"type": "user", "id": "bob"}}, {"actor": {"type": "service", "id": "ann"}},
    {"targets": [{"type": "page", "id": "d1"}]}, {"operation": "export"},
    {"actor": {"type": "user", "id": "ann", "on_behalf_of": [{"type": "user", "id": "eve"}]}},
])
def test_what_differs_is_in_another_summary(other: dict[str, Any]) -> None:
    one, two = read(), read(**other)
    keys = {key_of(OF, RULES[0], judged(e.content), e.time_us or 0) for e in (one, two)}
    assert len(keys) == 2


def test_what_does_not_matter_is_in_the_same() -> None:
    more = {"actor": {"type": "user", "id": "ann", "session": "s"}, "data": {"x": 1}, "id": "e"}
    summary_of(read(), read("d9", origin={"ip": "192.0.2.1"}), read(**more))


def test_an_address_is_told_where_all_share_it_and_counted_where_not() -> None:
    here, there = {"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}
    one = said(summary_of(read(origin=here), read(origin=here)))
    assert one["origin"] == here
    assert "ips" not in one["data"]["summary"]
    both = said(summary_of(read(origin=here), read(origin=there), read()))
    assert "origin" not in both
    assert both["data"]["summary"]["ips"] == {"192.0.2.1": 1, "2001:db8::1": 1}
    many = [read(origin={"ip": f"192.0.2.{n}"}) for n in range(1, SUMMARY_IPS + 4)]
    data = said(summary_of(*many))["data"]["summary"]
    assert len(data["ips"]) == SUMMARY_IPS
    assert data["other_ips"] == 3


def test_a_summary_is_an_event_that_says_who_did_what_how_often() -> None:
    record = summary_of(read("d1"), read("d2")).record()
    assert record.flags == ("summary",)
    assert record.id == "summary/0123456789abcdef"
    tail = (b',"kind":"event","received":"2026-03-03T12:02:00.000000Z",'
            b'"source":{"id":"app","number":1},"flags":["summary"]}')
    assert sentence(read_body(record.content[:-1] + tail)) == "Ann read doc *, 2 times"


def test_what_is_kept_comes_back_and_says_the_same() -> None:
    made = summary_of(read("d1", id="a", source={"seq": 4, "boot": "b"}),
                      read("d2", origin={"ip": "192.0.2.1"}))
    again = unpacked(packed(made))
    assert again == made
    assert isinstance(again, Summary)
    assert again.record() == made.record()
    more = read("d3")
    again.add(more, judged(more.content), more.time_us or 0)
    assert again.count == 3


@pytest.mark.parametrize(("opened", "due"), [
    (NOON + 10 * MICROS, NOON + MINUTE),  # its own minute ends
    (NOON + 5 * MINUTE, NOON + 5 * MINUTE),  # it came late
    (NOON - 60 * MINUTE, NOON - 59 * MINUTE),  # its clock is ahead: nobody waits an hour
])
def test_a_summary_is_due_a_while_after_its_minute(opened: int, due: int) -> None:
    event = read()
    made = new_summary("0", OF, RULES[0], judged(event.content), event.time_us or 0, opened)
    assert made.due_us() == due + SUMMARY_GRACE_SECONDS * MICROS


def test_dropped_events_are_counted_by_rule() -> None:
    drops = new_drops("ab", OF, NOON)
    for _ in range(3):
        drops.add(read(), RULES[1])
    drops.add(read(), RULES[0])
    own = drops.record(9)
    data = json.loads(own.content)["data"]
    size = len(read().content)
    assert data == {
        "source": 9, "hour": "2026-03-03T12:00:00.000000Z", "version": 4, "dropped_by_rule": 4,
        "rules": [{"rule": 1, "events": 1, "bytes": size},
                  {"rule": 2, "events": 3, "bytes": 3 * size}],
    }
    assert (own.kind, own.id) == ("statement", "statement/ab")
    assert unpacked(packed(drops)) == drops


def test_numbers_of_the_sender_are_kept_as_ranges() -> None:
    row = Numbered(id="ab", source="app", tenant="")
    for number in (1, 2, 3, 7, 8, 5):
        row.take("b", number)
    assert (row.numbers, row.full) == ({"b": [[1, 3], [7, 8], [5, 5]]}, False)
    for number in range(100, 100 + 2 * GAP_RANGES, 2):
        row.take("c", number)
    assert row.full
    assert found(packed(row)) == row
    copy = row.copy()
    copy.take("b", 6)
    assert row.numbers["b"][-1] == [5, 5]
