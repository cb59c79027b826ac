from __future__ import annotations

import pytest

from indelible.event.predicate import Op, Term
from indelible.language import Completion, complete, parse, value_text


def texts(text: str, at: int | None = None) -> list[str]:
    return [found.text for found in complete(text, len(text) if at is None else at)]


def test_names_that_begin_so_come_before_names_that_hold_it() -> None:
    assert texts("ac")[:4] == ["action:", "actor:", "actor.type:", "actor.name:"]
    assert "trace:" in texts("ac")[4:]


@pytest.mark.parametrize("text", ["", "actor:x ", "-", "(", "a or "])
def test_every_name_is_proposed_where_nothing_stands(text: str) -> None:
    assert {"actor:", "label.", "since:", "raw:"} <= set(texts(text))


def test_closed_sets_are_proposed_whole() -> None:
    assert texts("outcome:") == ["success", "failure", "denied", "unknown"]
    assert texts("-outcome:success,de") == ["denied"]
    assert texts("severity:>=h") == ["high"]
    assert texts("sort:") == ["time", "index"]
    assert "7d" in texts("since:")
    assert "today" in texts("received:>=t")


def test_open_values_are_asked_of_the_log() -> None:
    assert complete("x actor:js y", 10) == [
        Completion(kind="ask", start=8, end=10, prefix="js", field="actor")
    ]
    assert complete('actor:a,"b c', 12) == [
        Completion(kind="ask", start=8, end=12, prefix="b c", field="actor")
    ]
    assert complete("label.team:", 11)[0].field == "label.team"


def test_the_replaced_range_runs_to_the_end_of_the_word() -> None:
    found = complete("actXYZ b", 3)[0]
    assert (found.start, found.end, found.prefix) == (0, 6, "act")
    found = complete("actor:jsmith", 8)[0]
    assert (found.start, found.end, found.prefix) == (6, 12, "js")


@pytest.mark.parametrize("text", ["nonsense:x", '"in a phrase', "index:5"])
def test_nothing_is_proposed_where_nothing_is_known(text: str) -> None:
    assert complete(text, len(text)) == []


@pytest.mark.parametrize("value", ["jsmith", "Jane Smith", 'say "hi"', "a,b", "a->b", "x*", "<b>"])
def test_a_proposed_value_is_typed_so_that_it_means_itself(value: str) -> None:
    found = parse(f"actor:{value_text(value)}", 0).predicate
    assert found == Term(field="actor", op=Op.EQ, values=(value,))


@pytest.mark.parametrize("field", ["ip", "index", "id", "request", "trace", "raw"])
def test_nobody_is_asked_for_values_that_cannot_be_proposed(field: str) -> None:
    assert complete(f"{field}:1", len(field) + 2) == []
