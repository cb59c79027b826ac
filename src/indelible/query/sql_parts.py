"""Pieces of SQL with their parameters, and how conditions are put together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

CHEAP, CALLED, FETCHED = 0, 1, 2


class Sql(NamedTuple):
    """A piece of SQL, its parameters in order, and what deciding it costs."""

    text: str
    values: tuple[object, ...] = ()
    cost: int = CHEAP


TRUE, FALSE = Sql("TRUE"), Sql("FALSE")


def joined(word: str, parts: Iterable[Sql]) -> Sql:
    """Conditions joined by AND or OR; none at all is TRUE for AND, FALSE for OR.

    The cheap ones come first and spare the costly ones the rows that they decide.
    """
    held = sorted(parts, key=lambda part: part.cost)
    if not held:
        return TRUE if word == "AND" else FALSE
    if len(held) == 1:
        return held[0]
    first = [part for part in held if part.cost == held[0].cost]
    text = f" {word} ".join(f"({part.text})" for part in first)
    together = Sql(text, tuple(v for part in first for v in part.values), held[0].cost)
    if len(first) == len(held):
        return together
    rest = joined(word, held[len(first) :])
    if word == "AND":
        return guarded(together, rest)
    case = f"CASE WHEN ({together.text}) THEN TRUE ELSE ({rest.text}) END"
    return Sql(case, together.values + rest.values, rest.cost)


def guarded(guard: Sql, costly: Sql) -> Sql:
    """Both; a cheap guard also stands alone, so that files and row groups are pruned by it."""
    case = f"CASE WHEN ({guard.text}) THEN ({costly.text}) ELSE FALSE END"
    if guard.cost > CHEAP:
        return Sql(case, guard.values + costly.values, costly.cost)
    return Sql(f"({guard.text}) AND {case}", guard.values * 2 + costly.values, costly.cost)


def negated(part: Sql) -> Sql:
    """The complement: what is not TRUE, NULL included."""
    return Sql(f"({part.text}) IS NOT TRUE", part.values, part.cost)
