"""Short ways to ask a query engine."""

from __future__ import annotations

from typing import Any

from indelible.event.predicate import EVERYTHING, Op, Predicate, Term
from indelible.query.model import SearchRequest


def term(field: str, *values: str | int, op: Op = Op.EQ) -> Term:
    """One condition."""
    return Term(field=field, op=op, values=values)


def found(engine: Any, predicate: Predicate = EVERYTHING, **more: Any) -> list[int]:
    """The indexes of one page."""
    request = SearchRequest(scope=EVERYTHING, predicate=predicate, **more)
    return [row.index for row in engine.search(request).events]
