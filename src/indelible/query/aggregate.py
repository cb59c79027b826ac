"""Counts: of everything, of a field's values, over time; and values to complete what is typed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Protocol

from indelible.base.clock import parse_duration, rfc3339, to_us
from indelible.base.errors import BadRequest, IndelibleError, QueryError
from indelible.base.limits import ANSWER_BYTES, FACET_VALUES, HISTOGRAM_BUCKETS, SUGGEST_ROWS
from indelible.event.evaluate import DATA, LABEL
from indelible.event.fields import FIELDS, FieldType
from indelible.event.predicate import Op, Term
from indelible.query.model import (
    Bucket,
    CountAnswer,
    CountRequest,
    FacetsAnswer,
    FacetsRequest,
    FacetValue,
    HistogramAnswer,
    HistogramRequest,
    Selection,
    SuggestRequest,
    Value,
)
from indelible.query.plan import bounds, whole
from indelible.query.run import QueryEngine, shown, too_large
from indelible.query.session import Session
from indelible.query.sql import TARGETS, column_of, label_value
from indelible.query.sql_parts import Sql
from indelible.query.text_sql import elements
from indelible.store.columns import HASHED

_FIXED = {"minute": "1m", "hour": "1h", "day": "1d"}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_WEEK_US = 7 * 86_400_000_000
_MONDAY_US = 4 * 86_400_000_000  # 5 January 1970, the first Monday


def count(engine: QueryEngine, request: CountRequest) -> CountAnswer:
    """How many events match."""
    with engine.session(request) as session:
        return CountAnswer(
            count=_count(session), tree_size=session.size, took_ms=session.took_ms
        )


def _count(session: Session) -> int:
    source = session.source(Sql("1 AS one"))
    rows = session.fetch(Sql(f"SELECT count(*) FROM ({source.text})", source.values))
    return _int(rows[0][0])


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


class _Numbers(Protocol):
    def number_of_field(self, field: str) -> int: ...


def _values(field: str, session: _Numbers) -> tuple[Sql, bool]:
    """A field as an expression, and whether that is a list. Raises `QueryError` when unknown."""
    if field in TARGETS:
        first, member = TARGETS[field]
        one = f"CASE WHEN {first} IS NULL THEN [] ELSE [{first}] END"
        others = elements("further", member)
        if member == "name":
            others = f"list_filter({others}, lambda x: x <> '')"
        return Sql(
            f"CASE WHEN further IS NULL THEN {one} "
            f"ELSE list_distinct(list_concat({one}, {others})) END"
        ), True
    if field in HASHED:
        value = f'CASE WHEN {HASHED[field]} IS NOT NULL THEN value_of_body("index", ?) END'
        return Sql(value, (session.number_of_field(field),)), False
    if field in FIELDS:
        column = column_of(field)
        if FIELDS[field].many:
            return Sql(f"list_distinct({elements(column)})"), True
        return Sql(column), False
    if field.startswith(LABEL):
        return label_value(field), False
    if field.startswith(DATA):
        call = Sql("list_distinct(values_of_data(data, ?))", (session.number_of_field(field),))
        return call, True
    raise QueryError(f"there are no counts of {field!r}", field=field)


def facets(engine: QueryEngine, request: FacetsRequest) -> FacetsAnswer:
    """The most frequent values of a field. An event with several values counts for each."""
    if not 1 <= request.limit <= FACET_VALUES:
        raise BadRequest(f"limit must be 1 to {FACET_VALUES}", field="limit")
    with engine.session(request) as session:
        return _facets(session, request.field, request.limit)


def _facets(session: Session, field: str, limit: int) -> FacetsAnswer:
    expression, listed = _values(field, session)
    source = session.source(Sql(f"{expression.text} AS v", expression.values))
    if listed:
        text = (
            f"WITH found AS (SELECT CASE WHEN len(v) > 0 THEN v ELSE [NULL] END AS v "
            f"FROM ({source.text})) SELECT v, count(*) AS n FROM "
            f"(SELECT unnest(v) AS v FROM found) GROUP BY v"
        )
    else:
        text = f"SELECT v, count(*) AS n FROM ({source.text}) GROUP BY v"
    text = f"SELECT v, n, sum(n) OVER () FROM ({text})"
    text += f" ORDER BY v IS NULL DESC, n DESC, v LIMIT {limit + 2:d}"
    rows = session.fetch(Sql(text, source.values))
    _check_size(field, (value for value, _, _ in rows))
    missing = sum(_int(n) for value, n, _ in rows if value is None)
    values = [
        FacetValue(value=shown(field, _value(value)), count=_int(n))
        for value, n, _ in rows
        if value is not None
    ]
    total = _count(session) if listed else _int(rows[0][2]) if rows else 0
    return FacetsAnswer(
        field=field, values=values[:limit], total=total, missing=missing,
        more=len(values) > limit, tree_size=session.size, took_ms=session.took_ms,
    )


def _check_size(field: str, values: Iterable[object]) -> None:
    if sum(len(value) for value in values if isinstance(value, str)) > ANSWER_BYTES:
        raise too_large(f"the values of {field}", "Count a field whose values are short.")


def _value(value: object) -> Value:
    assert isinstance(value, (str, int))
    return value


def suggest(engine: QueryEngine, request: SuggestRequest) -> FacetsAnswer:
    """Values of `field` that begin with `prefix`, most frequent first, among the newest million
    events or so."""
    field = FIELDS.get(request.field)
    if request.field in HASHED or (field is not None and field.type is not FieldType.TEXT):
        raise QueryError(f"there are no suggestions for {request.field!r}", field=request.field)
    if not 1 <= request.limit <= FACET_VALUES:
        raise BadRequest(f"limit must be 1 to {FACET_VALUES}", field="limit")
    term = Term(field=request.field, op=Op.PREFIX, values=(request.prefix,))
    with engine.session(Selection(scope=request.scope, predicate=term)) as session:
        rows = session.view.size - session.view.sealed
        newest = len(session.files)
        while newest and rows < SUGGEST_ROWS:
            newest -= 1
            rows += session.files[newest].rows
        session.files = session.files[newest:]
        answer = _facets(session, request.field, FACET_VALUES)
    fitting = [v for v in answer.values if str(v.value).startswith(request.prefix)]
    return FacetsAnswer(
        field=answer.field, values=fitting[: request.limit], total=answer.total,
        missing=answer.missing, more=len(fitting) > request.limit, tree_size=answer.tree_size,
        took_ms=answer.took_ms,
    )


class _Steps:
    """Aligned buckets in UTC: `number(us)` counts them, `start(number)` is its inverse."""

    def __init__(self, interval: str) -> None:
        self.months = _MONTHS.get(interval, 0)
        self.width, self.offset = 0, 0
        if interval == "week":
            self.width, self.offset = _WEEK_US, _MONDAY_US
        elif not self.months:
            try:
                self.width = parse_duration(_FIXED.get(interval, interval))
            except IndelibleError:
                self.width = 0
            if self.width < 1_000_000:
                raise BadRequest(
                    f"{interval!r} is not an interval", field="interval",
                    remedy="Use minute, hour, day, week, month, quarter, year, or 5m, 6h.",
                )

    def sql(self) -> str:
        """`number` of the column `time`."""
        if self.months:
            moment = "make_timestamp(time)"
            return f"(year({moment}) * 12 + month({moment}) - 1) // {self.months:d}"
        shifted = f"(time - {self.offset:d})"
        return f"({shifted} - (({shifted} % {self.width:d}) + {self.width:d}) % {self.width:d}) " \
            f"// {self.width:d}"

    def number(self, us: int) -> int:
        """Which bucket holds the moment."""
        if self.months:
            moment = datetime.fromtimestamp(us // 1_000_000, UTC)
            return (moment.year * 12 + moment.month - 1) // self.months
        return (us - self.offset) // self.width

    def start(self, number: int) -> int:
        """The moment at which the bucket begins."""
        if self.months:
            months = number * self.months
            return to_us(datetime(months // 12, months % 12 + 1, 1, tzinfo=UTC))
        return number * self.width + self.offset


def histogram(engine: QueryEngine, request: HistogramRequest) -> HistogramAnswer:
    """Events in aligned buckets of event time. Raises `BadRequest` for too many buckets."""
    steps = _Steps(request.interval)
    with engine.session(request) as session:
        expression, listed = _values(request.by, session) if request.by else (Sql("''"), False)
        if listed:
            raise BadRequest(f"an event may have several of {request.by!r}", field="by")
        columns = Sql(f"{steps.sql()} AS b, {expression.text} AS v", expression.values)
        source = session.source(columns)
        text = f"SELECT b, v, count(*) FROM ({source.text}) GROUP BY b, v"
        counts: dict[int, dict[str, int]] = {}
        rows = session.fetch(Sql(text, source.values))
        _check_size(request.by, (value for _, value, _ in rows))
        for bucket, value, n in rows:
            name = "" if value is None else str(shown(request.by, _value(value)))
            counts.setdefault(_int(bucket), {})[name] = _int(n)
        return HistogramAnswer(
            interval=request.interval, buckets=_filled(request, steps, counts),
            tree_size=session.size, took_ms=session.took_ms,
        )


def _filled(
    request: HistogramRequest, steps: _Steps, counts: dict[int, dict[str, int]]
) -> list[Bucket]:
    since, until = bounds(whole(request), "time")
    numbers = list(counts)
    if since is not None and until is not None and since <= until:
        numbers += [steps.number(since), steps.number(until)]
    if not numbers:
        return []
    first, last = min(numbers), max(numbers)
    if last - first >= HISTOGRAM_BUCKETS:
        raise BadRequest(
            f"{last - first + 1} buckets are more than {HISTOGRAM_BUCKETS}", field="interval",
            remedy="Use a longer interval or a shorter time range.",
        )
    return [
        Bucket(
            start=rfc3339(steps.start(number)), start_us=steps.start(number),
            count=sum(counts.get(number, {}).values()),
            parts=_top(counts.get(number, {})) if request.by else {},
        )
        for number in range(first, last + 1)
    ]


def _top(parts: dict[str, int]) -> dict[str, int]:
    ranked = sorted(parts.items(), key=lambda item: (-item[1], item[0]))
    return dict(ranked[:FACET_VALUES])
