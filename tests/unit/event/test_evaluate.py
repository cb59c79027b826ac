from __future__ import annotations

import msgspec
import pytest

from indelible.base.errors import QueryError
from indelible.event.evaluate import compiled, matches, raw_text, values_of
from indelible.event.model import StoredEvent, read_body
from indelible.event.predicate import (
    EVERYTHING,
    NOTHING,
    All,
    AnyOf,
    Changed,
    Not,
    Op,
    Predicate,
    Term,
    Text,
)
from indelible.event.text import TEXT_PARTS, fold, text_of, text_parts

BODY = rb"""{"action":"payroll.record.delete","actor":{"type":"user","id":"jsmith",
"name":"Jane Smith","email":"jane@example.org","session":"s-1",
"on_behalf_of":[{"type":"service","id":"batch",
"on_behalf_of":[{"type":"user","id":"root"}]}]},"operation":"delete",
"targets":[{"type":"payroll_record","id":"pr_839","name":"March payslip"},
{"type":"file","id":"f1"}],
"time":"2026-03-03T09:14:07.123Z","outcome":"denied","reason":{"code":"E403","text":"no grant"},
"origin":{"ip":"203.0.113.9","host":"web-1","user_agent":"Mozilla/5.0","service":"hr"},
"changes":[{"path":"role","op":"replace","before":"user","after":"admin"},
{"path":"salary","before":1000,"after":2000.0},{"path":"note","op":"add","after":null}],
"id":"e-1","tenant":"acme","severity":"high","labels":{"app.kubernetes.io/name":"Pay","empty":""},
"subjects":["p1","p2"],"why":{"ticket":"HR-7"},
"data":{"n":5,"f":1.50,"t":true,"z":null,"list":[{"k":"a"},{"k":["b",7]}],"a.b":{"c":"dot"},
"deep":{"x":"\u00e9"},"num":"12"},"raw":"<34>Refund ISSUED","kind":"event",
"received":"2026-03-03T09:14:08.000000Z","source":{"id":"hr","number":3},
"via":{"protocol":"http","peer":"198.51.100.7"},"flags":["late"]}""".replace(b"\n", b"")
EVENT = read_body(BODY)
BARE = read_body(
    b'{"action":"x.y","actor":{"type":"system","id":"indelible"},"kind":"config",'
    b'"received":"2026-03-03T00:00:00.000000Z","source":{"id":"indelible","number":0}}'
)
TIME = 1772529247123000


def eq(field: str, *values: str | int) -> Term:
    return Term(field=field, op=Op.EQ, values=values)


def term(field: str, op: Op, *values: str | int) -> Term:
    return Term(field=field, op=op, values=values)


MATCHING: list[Predicate] = [
    EVERYTHING,
    eq("actor", "nobody", "jsmith"),
    eq("onbehalf", "root"),
    eq("target", "f1"),
    eq("target.name", "March payslip"),
    term("action", Op.PREFIX, "payroll."),
    term("action", Op.CONTAINS, "RECORD"),
    eq("ip", "203.0.113.0/24"),
    eq("ip", "::ffff:203.0.113.9"),
    eq("ip", "::/0"),
    term("ip", Op.GE, "203.0.113.9"),
    eq("index", 7),
    term("index", Op.GT, 6),
    term("index", Op.LE, 7),
    eq("time", TIME),
    term("time", Op.LT, TIME + 1),
    term("received", Op.GT, TIME),
    term("flag", Op.PRESENT),
    eq("flag", "late"),
    eq("subject", "p2"),
    eq("change", "salary"),
    eq("peer", "198.51.100.7"),
    eq("label.app.kubernetes.io/name", "Pay"),
    term("label.empty", Op.PRESENT),
    eq("data.n", "5"),
    eq("data.f", "1.50"),
    eq("data.t", "true"),
    eq("data.deep.x", "é"),
    eq("data.list.k", "b"),
    eq("data.list.k", "7"),
    eq("data.list.1.k.0", "b"),
    eq("data.a\\.b.c", "dot"),
    term("data.n", Op.GE, "5.0"),
    term("data.num", Op.LT, "12.5"),
    term("data.deep", Op.PRESENT),
    term("raw", Op.CONTAINS, "refund issued"),
    term("raw", Op.PRESENT),
    Text(value="jane smith"),
    Text(value="HR-7"),
    Text(value="NO GRANT"),
    Text(value='"path":"salary"'),
    Text(value=""),
    Changed(),
    Changed(path="role", before="user", after="admin"),
    Changed(after="2000.0"),
    Changed(path="role", after='"admin"'),
    Changed(path="note", after="null"),
    AnyOf(children=(NOTHING, eq("actor", "jsmith"))),
    Not(child=eq("ip", "10.0.0.0/8")),
]
FAILING: list[Predicate] = [
    NOTHING,
    eq("actor", "JSMITH"),
    eq("actor"),
    term("action", Op.PREFIX, "record"),
    eq("ip", "10.0.0.0/8"),
    eq("index", 8),
    eq("data.f", "1.5"),
    eq("data.n", "5.0"),
    term("data.z", Op.PRESENT),
    term("data.missing", Op.PRESENT),
    term("data.deep.x", Op.GE, "0"),
    eq("data.list.2.k", "b"),
    eq("data.a.b.c", "dot"),
    term("label.other", Op.PRESENT),
    Text(value="refund"),
    Text(value="jsmith\njane"),
    Changed(path="role", before="admin"),
    Changed(path="note", before="null"),
    Changed(after="2000"),
    All(children=(eq("actor", "jsmith"), eq("outcome", "success"))),
    Not(child=EVERYTHING),
]


@pytest.mark.parametrize("predicate", MATCHING, ids=str)
def test_predicate_matches_the_event(predicate: Predicate) -> None:
    assert matches(predicate, 7, EVENT)
    assert not matches(Not(child=predicate), 7, EVENT)


@pytest.mark.parametrize("predicate", FAILING, ids=str)
def test_predicate_does_not_match_the_event(predicate: Predicate) -> None:
    assert not matches(predicate, 7, EVENT)
    assert matches(Not(child=predicate), 7, EVENT)


def test_absent_fields_match_only_the_negation() -> None:
    for field in ("ip", "target", "severity", "data.n", "label.x", "raw", "flag", "change"):
        assert not matches(term(field, Op.PRESENT), 0, BARE)
    assert matches(Not(child=eq("ip", "10.0.0.0/8")), 0, BARE)
    assert not matches(Changed(), 0, BARE)


def test_an_origin_that_is_no_address_has_no_ip() -> None:
    odd = msgspec.structs.replace(EVENT, origin=msgspec.structs.replace(EVENT.origin, ip="lobby"))
    assert not matches(term("ip", Op.PRESENT), 0, odd)


def test_time_falls_back_to_received() -> None:
    assert values_of("time", 0, BARE) == values_of("received", 0, BARE)


@pytest.mark.parametrize(
    "predicate",
    [
        eq("nonsense", "x"),
        eq("index", "7"),
        eq("actor", 7),
        eq("ip", "10.0.0.0/99"),
        term("ip", Op.CONTAINS, "10."),
        term("ip", Op.GE, "10.0.0.0/8"),
        term("index", Op.PREFIX, 7),
        term("data.n", Op.GE, "five"),
        eq("raw", "x"),
        Not(child=All(children=(eq("nonsense", "x"),))),
    ],
    ids=str,
)
def test_a_predicate_without_meaning_is_refused_even_when_nothing_is_looked_at(
    predicate: Predicate,
) -> None:
    with pytest.raises(QueryError):
        compiled(predicate)


def test_base64_raw_is_searched_decoded() -> None:
    stored = StoredEvent(
        kind="event",
        received=EVENT.received,
        source=EVENT.source,
        raw=msgspec.Raw(b'"aGVsbG8g/w=="'),
        raw_type="application/octet-stream",
    )
    assert raw_text(stored) == "hello �"
    assert matches(term("raw", Op.CONTAINS, "HELLO"), 0, stored)


def test_text_parts_are_named_and_hold_json_as_it_stands_in_the_body() -> None:
    parts = text_parts(EVENT)
    assert [name for name, _ in parts if name not in TEXT_PARTS] == []
    assert sorted({name for name, _ in parts}, key=TEXT_PARTS.index) == list(TEXT_PARTS)
    by_name = dict(parts)
    for name in ("reason", "why", "labels", "changes", "data"):
        assert f'"{name}":{by_name[name]}'.encode() in BODY
    assert "Refund" not in text_of(EVENT)


def test_folding_keeps_the_length_and_does_not_look_at_neighbours() -> None:
    assert fold("ΟΔΟΣ") in fold("ΟΔΟΣΑ")
    assert len(fold("İstanbul")) == len("İstanbul")
