"""What happened to one target, and what its recorded changes amount to at a moment."""

from __future__ import annotations

from itertools import islice

import msgspec
from msgspec import Raw, UnsetType

from indelible.base.errors import QueryError
from indelible.base.limits import ANSWER_BYTES, HISTORY_EVENTS, HISTORY_TARGETS, STATE_EVENTS
from indelible.event.model import Change, StoredEvent
from indelible.event.predicate import All, Op, Predicate, Term, both
from indelible.query.model import (
    HistoryAnswer,
    HistoryChange,
    HistoryEntry,
    HistoryRequest,
    OtherTarget,
    Selection,
)
from indelible.query.run import QueryEngine, find, row_of, too_large
from indelible.query.session import Session

_UNDONE = ("failure", "denied")


def history(engine: QueryEngine, request: HistoryRequest) -> HistoryAnswer:
    """One page of the target's events by time, with their changes; and its state, if asked.

    The state covers the whole history up to `state_at_us`, whatever page is shown.
    """
    touched = _touches(request.type, request.id)
    asked = msgspec.structs.replace(request, predicate=both(touched, request.predicate))

    def about(event: StoredEvent) -> bool:
        return any(t.type == request.type and t.id == request.id for t in event.targets)

    order = f"history {request.descending}"
    page = engine.pages(asked, order, "time", request.descending, about)
    with page as (session, found, cursor):
        entries = [
            HistoryEntry(
                event=row_of(index, event, body),
                changes=[_shown(change) for change in event.changes],
                applied=event.outcome not in _UNDONE,
                others=_others(event, request),
            )
            for index, event, body in found
        ]
        size, took = session.size, session.took_ms
    state = None
    if request.state_at_us is not None:
        state = state_at(engine, request, request.state_at_us, size)
    return HistoryAnswer(
        type=request.type, id=request.id, entries=entries, cursor=cursor, tree_size=size,
        took_ms=took, state=state,
    )


def _others(event: StoredEvent, request: HistoryRequest) -> list[OtherTarget]:
    here = (request.type, request.id)
    others = (target for target in event.targets if (target.type, target.id) != here)
    return [
        OtherTarget(
            type=target.type, id=target.id,
            name="" if isinstance(target.name, UnsetType) else target.name,
        )
        for target in islice(others, HISTORY_TARGETS)
    ]


def _touches(kind: str, name: str) -> Predicate:
    return All(
        children=(
            Term(field="target", op=Op.EQ, values=(name,)),
            Term(field="target.type", op=Op.EQ, values=(kind,)),
        )
    )


def _shown(change: Change) -> HistoryChange:
    return HistoryChange(
        path=change.path,
        op="" if isinstance(change.op, UnsetType) else change.op.value,
        before=change.before,
        after=change.after,
    )


def state_at(
    engine: QueryEngine, request: HistoryRequest, at_us: int, size: int
) -> dict[str, Raw]:
    """Path to value: what successful changes up to and including `at_us` amount to.

    An event that touches several targets changes each of them. Raises `QueryError` when the
    target has more than a hundred thousand events with changes, or its values take too much.
    """
    changed = All(
        children=(_touches(request.type, request.id), Term(field="change", op=Op.PRESENT))
    )
    selection = Selection(
        scope=request.scope, predicate=changed, until_us=at_us + 1, size=size
    )
    state: dict[str, Raw] = {}
    with engine.session(selection) as session:
        keys = find(session, "time", False, STATE_EVENTS + 1, None)
        if len(keys) > STATE_EVENTS:
            raise QueryError(
                f"{request.type} {request.id} has more than {STATE_EVENTS} changes",
                code="query_too_large", remedy="Read its history page by page.",
            )
        for at in range(0, len(keys), HISTORY_EVENTS):
            _apply(session, [index for _, index in keys[at : at + HISTORY_EVENTS]], request, state)
    return state


def _apply(
    session: Session, indexes: list[int], request: HistoryRequest, state: dict[str, Raw]
) -> None:
    held = sum(map(_size, state.items()))
    for _, event, _ in session.events(indexes):
        about = any(t.type == request.type and t.id == request.id for t in event.targets)
        if not about or event.outcome in _UNDONE:
            continue
        for change in event.changes:
            if change.path in state:
                held -= _size((change.path, state[change.path]))
            if isinstance(change.after, UnsetType):
                state.pop(change.path, None)
            else:
                state[change.path] = change.after.copy()
                held += _size((change.path, change.after))
        if held > ANSWER_BYTES:
            raise too_large(
                f"the values of {request.type} {request.id}", "Read its history page by page."
            )


def _size(member: tuple[str, Raw]) -> int:
    return len(member[0]) + len(bytes(member[1]))
