"""Identifiers of which the columns hold a hash: it finds, and the body decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from indelible.base.errors import Damaged
from indelible.event.predicate import EVERYTHING, Not, Op, Text
from indelible.query.model import SearchRequest
from indelible.query.service import Service, raise_if_error
from indelible.store.columns import hash_of
from support.asking import found, term

Make = Callable[..., tuple[Any, Any]]
Body = Callable[..., bytes]


def test_identifiers_with_one_hash_are_told_apart_by_the_body(
    make: Make, event_body: Body
) -> None:
    one, other = "plumless", "buckeroo"
    assert hash_of(one) == hash_of(other)
    ids = [one, other, one, "else"]
    told = [event_body(n, id=id_, origin={"request_id": id_}) for n, id_ in enumerate(ids)]
    engine, _ = make(told, [3])
    for field in ("id", "request"):
        assert found(engine, term(field, one)) == [2, 0]
        assert found(engine, term(field, other)) == [1]
        assert found(engine, term(field, other, "else")) == [3, 1]
        assert found(engine, Not(child=term(field, one))) == [3, 1]
        assert found(engine, term(field, "pl", op=Op.PREFIX)) == [2, 0]
        assert found(engine, term(field, "UCKER", op=Op.CONTAINS)) == [1]
        assert found(engine, term(field, op=Op.PRESENT)) == [3, 2, 1, 0]


def _touched(event_body: Body, number: int, *ids: str) -> bytes:
    return event_body(number, targets=[{"type": "doc", "id": id_} for id_ in ids])


def test_targets_with_one_hash_are_told_apart_by_the_body(make: Make, event_body: Body) -> None:
    one, other = "plumless", "buckeroo"
    ids = [(one,), (other,), (one, other), ("else",), (other, one), ("else", one)]
    engine, _ = make([_touched(event_body, n, *each) for n, each in enumerate(ids)], [2, 5])
    for name, expected in ((one, [5, 4, 2, 0]), (other, [4, 2, 1])):
        wanted = term("target", name)
        assert found(engine, wanted) == expected
        assert found(engine, wanted, limit=2) == expected[:2]
        others = [number for number in range(5, -1, -1) if number not in expected]
        assert found(engine, Not(child=wanted)) == others
        page = engine.search(SearchRequest(scope=EVERYTHING, predicate=wanted, limit=1))
        rest = SearchRequest(scope=EVERYTHING, predicate=wanted, limit=9, cursor=page.cursor)
        assert [row.index for row in engine.search(rest).events] == expected[1:]


def test_many_targets_made_to_have_one_hash_cost_no_more_than_a_page(
    make: Make, event_body: Body
) -> None:
    told = [_touched(event_body, n, "plumless" if n % 50 == 7 else "buckeroo") for n in range(400)]
    engine, corpus = make(told, [150, 350])
    assert found(engine, term("target", "plumless"), limit=5) == [357, 307, 257, 207, 157]
    assert len(corpus.fetched) <= 2 * 5


def test_columns_that_say_a_target_which_the_body_does_not_are_named(
    make: Make, event_body: Body
) -> None:
    engine, corpus = make([_touched(event_body, n, f"d{n}") for n in range(9)], [9])
    corpus.all[4] = _touched(event_body, 4, "elsewhere")
    asked = msgspec.json.encode(
        SearchRequest(scope=EVERYTHING, predicate=term("target", "d4"))
    )
    with pytest.raises(Damaged, match="event 4 matches") as caught:
        raise_if_error(Service(engine).dispatch("search", asked))
    assert caught.value.code == "columns_contradicted"


def test_a_page_that_only_a_false_candidate_follows_is_the_last(
    make: Make, event_body: Body
) -> None:
    told = [_touched(event_body, n, "plumless" if n > 6 else "buckeroo") for n in range(10)]
    engine, _ = make(told, [5, 9])
    wanted = SearchRequest(scope=EVERYTHING, predicate=term("target", "plumless"), limit=3)
    page = engine.search(wanted)
    assert [row.index for row in page.events] == [9, 8, 7]
    assert page.cursor == ""
    two = engine.search(msgspec.structs.replace(wanted, limit=2))
    assert [row.index for row in two.events] == [9, 8]
    assert two.cursor


def test_a_search_for_a_target_reads_no_target_ids(make: Make, event_body: Body) -> None:
    engine, _ = make([_touched(event_body, n, f"d{n}") for n in range(9)], [9])
    request = SearchRequest(scope=EVERYTHING, predicate=term("target", "d4"))
    with engine.session(request) as session:
        loose = session.first('"index"', 9, session.files, with_tail=False, extra=None, part=None,
                              exact=False)  # fmt: skip
        assert "target_id" not in loose.text
        assert [index for _, index in session.fetch(loose)] == [4]


def test_a_bare_word_is_an_identifier_as_a_whole_only(make: Make, event_body: Body) -> None:
    told = [
        event_body(0, id="feab9bbb-914d"), event_body(1, origin={"request_id": "feab9bbb-914d"}),
        event_body(2, origin={"trace_id": "feab9bbb-914d"}), event_body(3, data={"x": "feab9bbb"}),
    ]
    engine, _ = make(told, [2])
    assert found(engine, Text(value="feab9bbb-914d")) == [2, 1, 0]
    assert found(engine, Text(value="feab9bbb")) == [3]
    assert found(engine, Text(value="FEAB9BBB-914D")) == []


def test_the_bodies_of_other_identifiers_are_not_fetched(make: Make, event_body: Body) -> None:
    engine, corpus = make([event_body(n, id=f"e{n}") for n in range(60)], [20, 40])
    assert found(engine, term("id", "e7")) == [7]
    assert set(corpus.fetched) == {7}
