"""Finding events: search, facets, histogram, one thing's history, one actor's timeline, completion.

The search text is understood here; what it means is handed to the query room together with the
caller's scope. Ages such as `since:7d` are fixed by the first page: its cursor carries the moment.
"""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from indelible.access import Permission
from indelible.base.clock import wall_us
from indelible.base.errors import BadRequest, QueryError
from indelible.base.limits import FACET_VALUES, QUERY_CHARS, SEARCH_ROWS
from indelible.base.recorder import Fact, Touched
from indelible.language.complete import Completion, complete, value_text
from indelible.language.parser import parse
from indelible.language.query import Query
from indelible.language.values import Span, parse_when
from indelible.query.cursor import read_cursor
from indelible.query.model import (
    FacetsAnswer,
    FacetsRequest,
    HistogramAnswer,
    HistogramRequest,
    HistoryAnswer,
    HistoryRequest,
    SearchPage,
    SearchRequest,
    SuggestRequest,
    TimelineAnswer,
    TimelineRequest,
)
from indelible.server.call import Call, encoded, json_answer
from indelible.server.route import Parameter, Route

_SIZE_MAX = (1 << 63) - 1
_ASKED_VALUES = 10


class Completions(msgspec.Struct, frozen=True, kw_only=True):
    """What may be typed next, best first."""

    completions: list[Completion]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A search text with its bounds, understood at one moment."""

    query: Query
    since_us: int | None
    until_us: int | None
    size: int | None
    now_us: int


def asked(call: Call, now_us: int | None = None) -> Asked:
    """`q`, `since`, `until` and `size` of a call; the narrower bound wins where both say one."""
    now = wall_us() if now_us is None else now_us
    query = parse(call.text("q"), now)
    since = _when(call, "since", now)
    until = _when(call, "until", now)
    from_us = max(_known(query.since_us, since), default=None)
    to_us = min(_known(query.until_us, until), default=None)
    if from_us is not None and to_us is not None and from_us >= to_us:
        raise BadRequest(
            "the interval is empty: nothing is both since its beginning and before its end",
            field="until",
            remedy="Let until (which is not included) be later than since; on:DATE is one day.",
        )
    return Asked(
        query=query,
        since_us=from_us,
        until_us=to_us,
        size=call.integer("size", 0, _SIZE_MAX),
        now_us=now,
    )


def _known(said: int | None, span: Span | None) -> list[int]:
    return [us for us in (said, None if span is None else span.start) if us is not None]


def _when(call: Call, name: str, now_us: int) -> Span | None:
    text = call.text(name)
    if not text:
        return None
    try:
        return parse_when(text, now_us, 0)
    except QueryError as error:
        error.field = name
        raise


def _facts(call: Call) -> dict[str, Fact]:
    """What was asked, for the record: the parameters as they came."""
    return {
        name: value[:QUERY_CHARS]
        for name, value in call.request.query_params.items()
        if name != "cursor"
    }


def _columns(call: Call) -> tuple[str, ...]:
    return tuple(name.strip() for name in call.text("columns").split(",") if name.strip())


async def search(call: Call) -> Response:
    """One page of events, newest first unless asked otherwise."""
    cursor = call.text("cursor")
    found = asked(call, read_cursor(cursor).now_us if cursor else None)
    sort, descending = _order(call.text("sort") or found.query.sort or "time")
    request = SearchRequest(
        scope=call.principal.scope,
        predicate=found.query.predicate,
        since_us=found.since_us,
        until_us=found.until_us,
        size=found.size,
        limit=call.integer("limit", 1, SEARCH_ROWS) or 50,
        cursor=cursor,
        now_us=found.now_us,
        sort="index" if sort == "index" else "time",
        descending=descending,
        columns=_columns(call),
        full=call.flag("full"),
    )
    answer = await call.query("search", request)
    await call.record("indelible.search", "read", data=_facts(call))
    return encoded(answer)


def _order(text: str) -> tuple[str, bool]:
    """`time`, `index`, `time:asc`, `index:desc`: time runs back, the log's own order forward."""
    name, _, direction = text.partition(":")
    if name not in ("time", "index") or direction not in ("", "asc", "desc"):
        raise BadRequest(
            f"sort is time, index, or one of them with :asc or :desc, not {text!r}", field="sort"
        )
    return name, direction == "desc" if direction else name == "time"


async def facets(call: Call) -> Response:
    """The most frequent values of one field."""
    found = asked(call)
    request = FacetsRequest(
        scope=call.principal.scope,
        predicate=found.query.predicate,
        since_us=found.since_us,
        until_us=found.until_us,
        size=found.size,
        field=call.text("field"),
        limit=call.integer("limit", 1, FACET_VALUES) or 10,
    )
    answer = await call.query("facets", request)
    await call.record("indelible.search.facets", "read", data=_facts(call))
    return encoded(answer)


async def histogram(call: Call) -> Response:
    """Events over time."""
    found = asked(call)
    request = HistogramRequest(
        scope=call.principal.scope,
        predicate=found.query.predicate,
        since_us=found.since_us,
        until_us=found.until_us,
        size=found.size,
        interval=call.text("interval"),
        by=call.text("by"),
    )
    answer = await call.query("histogram", request)
    await call.record("indelible.search.histogram", "read", data=_facts(call))
    return encoded(answer)


async def history(call: Call) -> Response:
    """What happened to one target, oldest first, with its changes."""
    cursor = call.text("cursor")
    found = asked(call, read_cursor(cursor).now_us if cursor else None)
    kind, target = call.path_text("type"), call.path_text("id")
    at = _when(call, "at", found.now_us)
    request = HistoryRequest(
        scope=call.principal.scope,
        predicate=found.query.predicate,
        since_us=found.since_us,
        until_us=found.until_us,
        size=found.size,
        limit=call.integer("limit", 1, SEARCH_ROWS) or 50,
        cursor=cursor,
        now_us=found.now_us,
        type=kind,
        id=target,
        state_at_us=None if at is None else at.start,
    )
    answer = await call.query("history", request)
    touched = (Touched(type="history", id=f"{kind}/{target}"),)
    await call.record("indelible.target.history", "read", targets=touched, data=_facts(call))
    return encoded(answer)


async def timeline(call: Call) -> Response:
    """What one actor did, newest first."""
    cursor = call.text("cursor")
    found = asked(call, read_cursor(cursor).now_us if cursor else None)
    actor = call.path_text("id")
    request = TimelineRequest(
        scope=call.principal.scope,
        predicate=found.query.predicate,
        since_us=found.since_us,
        until_us=found.until_us,
        size=found.size,
        limit=call.integer("limit", 1, SEARCH_ROWS) or 50,
        cursor=cursor,
        now_us=found.now_us,
        actor=actor,
    )
    answer = await call.query("timeline", request)
    touched = (Touched(type="timeline", id=actor),)
    await call.record("indelible.actor.timeline", "read", targets=touched, data=_facts(call))
    return encoded(answer)


async def completion(call: Call) -> Response:
    """What may be typed next; values come from events the caller may see."""
    text = call.text("q")
    at = call.integer("at", 0, QUERY_CHARS)
    proposals: list[Completion] = []
    for proposal in complete(text, len(text) if at is None else at):
        if proposal.kind != "ask":
            proposals.append(proposal)
            continue
        request = SuggestRequest(
            scope=call.principal.scope,
            field=proposal.field,
            prefix=proposal.prefix,
            limit=_ASKED_VALUES,
        )
        answer = msgspec.json.decode(
            await call.query("suggest", request), type=FacetsAnswer
        )
        proposals.extend(
            msgspec.structs.replace(proposal, kind="value", text=value_text(str(found.value)))
            for found in answer.values
        )
    await call.record("indelible.search.complete", "read", counted=True)
    return json_answer(Completions(completions=proposals))


Q = Parameter("q", "the search text (docs/reference/search.md); empty: everything")
SINCE = Parameter("since", "event time from: a date, a time or an age", "time")
UNTIL = Parameter("until", "event time before", "time")
_SIZE = Parameter("size", "answer for this tree size; absent: the newest", "integer")
_LIMIT = Parameter("limit", f"at most {SEARCH_ROWS}", "integer", "50")
_CURSOR = Parameter("cursor", "of the page before")

ROUTES = (
    Route(
        method="GET",
        path="/v1/search",
        permission=Permission.SEARCH,
        name="search",
        summary="Events that match, newest first, with a stable cursor",
        handler=search,
        answer=SearchPage,
        parameters=(
            Q,
            SINCE,
            UNTIL,
            Parameter("sort", "time, index, and with :asc or :desc", default=""),
            Parameter("columns", "fields whose values each row shows besides, by commas"),
            _LIMIT,
            _CURSOR,
            _SIZE,
            Parameter("full", "1: each row holds the exact body", "flag"),
        ),
    ),
    Route(
        method="GET",
        path="/v1/search/facets",
        permission=Permission.SEARCH,
        name="facets",
        summary="The most frequent values of one field",
        handler=facets,
        answer=FacetsAnswer,
        parameters=(
            Parameter("field", "a field of the search language", required=True),
            Q,
            SINCE,
            UNTIL,
            Parameter("limit", f"at most {FACET_VALUES}", "integer", "10"),
            _SIZE,
        ),
    ),
    Route(
        method="GET",
        path="/v1/search/histogram",
        permission=Permission.SEARCH,
        name="histogram",
        summary="Events over time",
        handler=histogram,
        answer=HistogramAnswer,
        parameters=(
            Parameter("interval", "minute, hour, day, week, month, ... or an age", default="day"),
            Parameter("by", "split each bucket by this field"),
            Q,
            SINCE,
            UNTIL,
            _SIZE,
        ),
    ),
    Route(
        method="GET",
        path="/v1/complete",
        permission=Permission.SEARCH,
        name="complete",
        summary="What may be typed next in a search",
        handler=completion,
        answer=Completions,
        parameters=(
            Parameter("q", "the search text so far"),
            Parameter("at", "where the cursor stands; absent: at the end", "integer"),
        ),
    ),
    Route(
        method="GET",
        path="/v1/targets/{type}/{id:path}/history",
        permission=Permission.SEARCH,
        name="history",
        summary="What happened to one thing, oldest first, with its changes",
        handler=history,
        answer=HistoryAnswer,
        parameters=(
            Q,
            SINCE,
            UNTIL,
            Parameter("at", "also the state that the changes amount to at this moment", "time"),
            _LIMIT,
            _CURSOR,
            _SIZE,
        ),
    ),
    Route(
        method="GET",
        path="/v1/actors/{id:path}/timeline",
        permission=Permission.SEARCH,
        name="timeline",
        summary="What one actor did, or others on their behalf, newest first",
        handler=timeline,
        answer=TimelineAnswer,
        parameters=(Q, SINCE, UNTIL, _LIMIT, _CURSOR, _SIZE),
    ),
)
