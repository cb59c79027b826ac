"""The query engine: pages of events, and the other kinds of answers by name.

A page is found in two steps: (time, index) from the columns, then the bodies from evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from msgspec import UNSET, Raw

from indelible.base.clock import rfc3339
from indelible.base.errors import BadRequest, QueryError
from indelible.base.limits import (
    ANSWER_BYTES,
    PAGE_BYTES,
    QUERY_SECONDS,
    SEARCH_COLUMNS,
    SEARCH_ROWS,
)
from indelible.event.evaluate import values_of
from indelible.event.fields import event_time_us, ip_text
from indelible.event.model import StoredEvent
from indelible.query.corpus import Corpus
from indelible.query.cursor import Position, digest_of, encode_cursor, resume
from indelible.query.model import Paged, Row, SearchPage, SearchRequest, Selection, Value
from indelible.query.plan import waves
from indelible.query.session import Contradicted, Reader, Session
from indelible.query.sql_parts import Sql

Keep = Callable[[StoredEvent], bool]
Found = tuple[int, StoredEvent, bytes]


def too_large(what: str, remedy: str) -> QueryError:
    """The refusal of an answer that would be larger than ANSWER_BYTES."""
    return QueryError(
        f"{what} take more than {ANSWER_BYTES} bytes", code="query_too_large", remedy=remedy
    )


class QueryEngine:
    """Everything that one process needs to answer queries over `corpus`.

    `memory_mb` and `threads` bound DuckDB; `seconds` bounds each query.
    """

    def __init__(
        self,
        corpus: Corpus,
        *,
        memory_mb: int = 512,
        threads: int = 2,
        seconds: float = QUERY_SECONDS,
    ) -> None:
        self._reader = Reader(corpus, memory_mb=memory_mb, threads=threads, seconds=seconds)

    @contextmanager
    def session(self, selection: Selection) -> Iterator[Session]:
        """One query: what the modules of this package build their answers on."""
        with self._reader.session(selection) as session:
            yield session

    def search(self, request: SearchRequest) -> SearchPage:
        """One page of events."""
        if len(request.columns) > SEARCH_COLUMNS:
            raise BadRequest(f"columns has more than {SEARCH_COLUMNS} fields", field="columns")
        order = f"search {request.sort} {request.descending}"
        page = self.pages(request, order, request.sort, request.descending)
        with page as (session, found, cursor):
            rows: list[Row] = []
            shown = 0
            for index, event, body in found:
                session.check()
                rows.append(row_of(index, event, body, request.columns, request.full))
                shown += sum(len(v) for vs in rows[-1].values.values() for v in map(str, vs))
                if shown > ANSWER_BYTES:
                    raise too_large("the values of `columns`", "Ask for fewer columns or events.")
            return SearchPage(
                events=rows, cursor=cursor, tree_size=session.size, took_ms=session.took_ms
            )

    @contextmanager
    def pages(
        self,
        request: Paged,
        order: str,
        sort: str,
        descending: bool,
        keep: Keep = lambda _event: True,
    ) -> Iterator[tuple[Session, list[Found], str]]:
        """A page of the request's events that `keep` accepts, and the next page's cursor.

        `order` names what else the cursor is bound to.
        """
        if not 1 <= request.limit <= SEARCH_ROWS:
            raise BadRequest(f"limit must be 1 to {SEARCH_ROWS}", field="limit")
        at = resume(request, request.cursor, order)
        pinned = _with_size(request, at)
        with self.session(pinned) as session:
            after = None if at is None else (at.time, at.index)
            found, last = _page(session, sort, descending, request.limit, after, keep)
            cursor = ""
            if last is not None:
                now = request.now_us if at is None else at.now_us
                cursor = encode_cursor(
                    Position(digest_of(request, order), session.size, now, *last)
                )
            yield session, found, cursor

    def close(self) -> None:
        """Let go of connection and files."""
        self._reader.close()


def _with_size(request: Paged, at: Position | None) -> Selection:
    return Selection(
        scope=request.scope,
        predicate=request.predicate,
        since_us=request.since_us,
        until_us=request.until_us,
        size=request.size if at is None else at.size,
    )


def _page(
    session: Session,
    sort: str,
    descending: bool,
    limit: int,
    after: tuple[int, int] | None,
    keep: Keep,
) -> tuple[list[Found], tuple[int, int] | None]:
    """Up to `limit` events after `after`, and where the page ended if there is more.

    Asks for candidates until a body turns one down, and exactly from there on: many ids with one
    hash, made on purpose, cost no more than a page.
    """
    found: list[Found] = []
    held = 0
    exact = not session.may_guess
    while True:
        wanted = limit - len(found)
        keys = find(session, sort, descending, wanted + 1, after, exact=exact)
        shown = keys[:wanted]
        try:
            for place, one in enumerate(session.events([index for _, index in shown])):
                after = shown[place]
                if keep(one[1]):
                    found.append(one)
                    held += len(one[2])
                if held >= PAGE_BYTES and place + 1 < len(keys):
                    following = None if exact else keys[place + 1]
                    return found, _more(session, sort, descending, after, following)
        except Contradicted:
            if exact:
                raise
            exact = True
            continue
        if len(keys) <= wanted:
            return found, None
        if len(found) == limit:
            return found, _more(session, sort, descending, after, None if exact else keys[wanted])


def _more(
    session: Session, sort: str, descending: bool, after: tuple[int, int] | None,
    candidate: tuple[int, int] | None,
) -> tuple[int, int] | None:
    """`after` if something follows it: surely, or when `candidate` or a later one matches."""
    if candidate is None:
        return after
    try:
        return after if list(session.events([candidate[1]])) else None
    except Contradicted:
        return after if find(session, sort, descending, 1, after) else None


def find(
    session: Session, sort: str, descending: bool, count: int, after: tuple[int, int] | None,
    *, exact: bool = True,
) -> list[tuple[int, int]]:
    """The first `count` (time, index) of the session in the order, strictly after `after`.

    Reads files wave by wave (`plan.waves`) and stops when no later file can hold a better row.
    Not `exact`: candidates, among which may be events that their bodies turn down.
    """
    way = "DESC" if descending else "ASC"
    order = f'time {way}, "index" {way}' if sort == "time" else f'"index" {way}'
    extra = None if after is None else _beyond(sort, descending, after)
    best: list[tuple[int, int]] = []
    place = 0 if sort == "time" else 1
    for number, wave in enumerate(waves(session.files, sort, descending, session.needles)):
        first = session.first(
            order, count, wave.files, with_tail=number == 0, extra=extra, part=wave.part,
            exact=exact,
        )
        rows = session.fetch(first)
        found = {(int(str(time)), int(str(index))) for time, index in rows}
        best = sorted(
            found.union(best), key=lambda row: row if place == 0 else row[1:], reverse=descending
        )[:count]
        if wave.later is not None and len(best) == count:
            worst = best[-1][place]
            if worst > wave.later if descending else worst < wave.later:
                break
    return best


def _beyond(sort: str, descending: bool, after: tuple[int, int]) -> Sql:
    time, index = after
    sign = "<" if descending else ">"
    if sort == "index":
        return Sql(f'"index" {sign} ?', (index,))
    return Sql(
        f'time {sign}= ? AND (time {sign} ? OR "index" {sign} ?)', (time, time, index)
    )


def row_of(
    index: int,
    event: StoredEvent,
    body: bytes,
    columns: tuple[str, ...] = (),
    full: bool = False,
) -> Row:
    """An event as a row of an answer."""
    first = event.targets[0] if event.targets else None
    origin = event.origin.ip
    return Row(
        index=index,
        time=rfc3339(event_time_us(event)),
        received=event.received,
        kind=event.kind,
        action=event.action,
        operation=event.operation,
        outcome=event.outcome,
        actor_type=event.actor.type,
        actor=event.actor.id,
        actor_name=event.actor.name,
        target_type=first.type if first else "",
        target=first.id if first else "",
        target_name=first.name if first and isinstance(first.name, str) else "",
        targets=len(event.targets),
        ip=origin if isinstance(origin, str) else "",
        source=event.source.id,
        tenant=event.tenant,
        severity=event.severity,
        flags=event.flags,
        values={name: shown_values(name, index, event) for name in columns},
        event=Raw(body) if full else UNSET,
    )


def shown_values(field: str, index: int, event: StoredEvent) -> list[Value]:
    """A field's values as people write them: addresses and times as text."""
    return [shown(field, value) for value in values_of(field, index, event)]


def shown(field: str, value: Value) -> Value:
    """One value as people write it."""
    if field == "ip":
        return ip_text(str(value))
    if field in ("time", "received"):
        return rfc3339(int(value))
    return value
