from __future__ import annotations

import pytest

from indelible.base.errors import QueryError
from indelible.event.predicate import NOTHING, AnyOf, Not, Op, Predicate, Term, Text
from indelible.language import Query, parse, render, render_query
from indelible.language import __all__ as public

NOW = 1772539200000000


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ('"refund"', "refund"),
        ("ACTOR:a, ".replace(", ", ",b") + " AND not x", "actor:a,b -x"),
        ("(a or (b or c)) d", "(a or b or c) d"),
        ("actor:a,b*", "actor:a or actor:b*"),
        ("ip:10.*", "ip:10.0.0.0/8"),
        ('change."role":"user"->', "change.role:user->"),
        ('label."a b":"c d"*', 'label."a b":"c d"*'),
        ("index:1..2", "index:>=1 index:<=2"),
        ("-(a b)", "-(a b)"),
    ],
)
def test_the_canonical_text(text: str, canonical: str) -> None:
    assert render(parse(text, NOW).predicate) == canonical


def test_a_whole_search_keeps_its_meaning_when_its_ages_are_fixed() -> None:
    query = parse("(a or b) since:7d until:2026-03-02 sort:index", NOW)
    text = render_query(query)
    assert text == (
        "(a or b) since:2026-02-24T12:00:00.000000Z until:2026-03-02T23:59:59.999999Z sort:index"
    )
    assert parse(text, 0) == query
    assert render_query(Query()) == ""


@pytest.mark.parametrize(
    "predicate",
    [
        Term(field="actor", op=Op.GE, values=("a",)),
        Term(field="actor", op=Op.EQ),
        Term(field="actor", op=Op.PRESENT, values=("a",)),
        Term(field="actor", op=Op.EQ, values=(5,)),
        Term(field="index", op=Op.EQ, values=("5",)),
        Term(field="time", op=Op.EQ, values=(1 << 62,)),
        Term(field="raw", op=Op.EQ, values=("a",)),
        Term(field="nonsense", op=Op.EQ, values=("a",)),
        Not(child=AnyOf(children=(Text(value="a"), Term(field="labels", op=Op.PRESENT)))),
    ],
    ids=str,
)
def test_what_the_language_cannot_say_is_refused(predicate: Predicate) -> None:
    with pytest.raises(QueryError):
        render(predicate)


def test_nothing_at_all_can_be_said() -> None:
    assert render(NOTHING) == "-*"


def test_the_public_names_are_these() -> None:
    assert public == sorted(public)
    assert {"parse", "render", "render_query", "complete", "Query", "Completion"} <= set(public)
