"""What one actor did, and what others did on their behalf."""

from __future__ import annotations

import msgspec

from indelible.event.predicate import AnyOf, Op, Term, both
from indelible.query.model import TimelineAnswer, TimelineEntry, TimelineRequest
from indelible.query.run import QueryEngine, row_of


def timeline(engine: QueryEngine, request: TimelineRequest) -> TimelineAnswer:
    """One page of the actor's events by time. `predicate` narrows them further."""
    acted = AnyOf(
        children=(
            Term(field="actor", op=Op.EQ, values=(request.actor,)),
            Term(field="onbehalf", op=Op.EQ, values=(request.actor,)),
        )
    )
    asked = msgspec.structs.replace(request, predicate=both(acted, request.predicate))
    page = engine.pages(asked, f"timeline {request.descending}", "time", request.descending)
    with page as (session, found, cursor):
        entries = [
            TimelineEntry(
                event=row_of(index, event, body),
                role="actor" if event.actor.id == request.actor else "on_behalf_of",
            )
            for index, event, body in found
        ]
        return TimelineAnswer(
            actor=request.actor, entries=entries, cursor=cursor, tree_size=session.size,
            took_ms=session.took_ms,
        )
