"""Counts over fields and time, histories, timelines, suggestions and exports."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from indelible.base.clock import parse_rfc3339
from indelible.base.errors import BadRequest, QueryError
from indelible.event.predicate import EVERYTHING, Op, Term
from indelible.query import aggregate as aggregates
from indelible.query import history as histories
from indelible.query import run as runs
from indelible.query.aggregate import count, facets, histogram, suggest
from indelible.query.export import CSV_COLUMNS, export
from indelible.query.history import history
from indelible.query.model import (
    CountRequest,
    ExportRequest,
    FacetsRequest,
    HistogramRequest,
    HistoryRequest,
    SearchRequest,
    SuggestRequest,
    TimelineRequest,
)
from indelible.query.timeline import timeline

Make = Callable[..., tuple[Any, Any]]
Body = Callable[..., bytes]


def _values(engine: Any, field: str, **more: Any) -> list[tuple[object, int]]:
    answer = facets(engine, FacetsRequest(scope=EVERYTHING, field=field, **more))
    return [(value.value, value.count) for value in answer.values]


# --- counts


def test_facets_rank_values_and_tell_what_is_missing(make: Make, event_body: Body) -> None:
    outcomes = ["denied", "failure", "denied", "success", "failure", "denied"]
    bodies = [event_body(n, tenant="t" if n else None, outcome=o) for n, o in enumerate(outcomes)]
    engine, _ = make(bodies, [2, 4])
    assert _values(engine, "outcome") == [("denied", 3), ("failure", 2), ("success", 1)]
    answer = facets(engine, FacetsRequest(scope=EVERYTHING, field="outcome", limit=2))
    assert (answer.more, answer.total, answer.missing) == (True, 6, 0)
    answer = facets(engine, FacetsRequest(scope=EVERYTHING, field="tenant"))
    assert (answer.more, answer.total, answer.missing) == (False, 6, 1)


def test_an_event_counts_once_for_each_of_its_values(make: Make, event_body: Body) -> None:
    several = [{"type": "a", "id": "x", "name": "n"}, {"type": "a", "id": "y"},
               {"type": "b", "id": "x"}]  # fmt: skip
    engine, _ = make([event_body(0, targets=several), event_body(1)], [1])
    assert _values(engine, "target") == [("x", 1), ("y", 1)]
    assert _values(engine, "target.type") == [("a", 1), ("b", 1)]
    assert _values(engine, "target.name") == [("n", 1)]


def test_facets_of_labels_data_addresses_and_times_read_like_the_event(
    make: Make, event_body: Body
) -> None:
    body = event_body(0, labels={"a/b": "v"}, data={"k": [1, "z"]}, origin={"ip": "2001:db8::1"})
    engine, _ = make([body])
    assert _values(engine, "label.a/b") == [("v", 1)]
    assert _values(engine, "data.k") == [("1", 1), ("z", 1)]
    assert _values(engine, "ip") == [("2001:db8::1", 1)]
    assert _values(engine, "received") == [("2026-03-03T00:00:00.000000Z", 1)]


@pytest.mark.parametrize("field", ["raw", "nope", "target.parent"])
def test_a_field_without_counts_is_refused(make: Make, event_body: Body, field: str) -> None:
    engine, _ = make([event_body(0)])
    with pytest.raises(QueryError):
        facets(engine, FacetsRequest(scope=EVERYTHING, field=field))


@pytest.mark.parametrize(
    ("interval", "starts"),
    [
        ("minute", ["2026-01-31T23:59", "2026-02-01T00:00", "2026-02-01T00:01"]),
        ("hour", ["2026-01-31T23:00", "2026-02-01T00:00"]),
        ("day", ["2026-01-31T00:00", "2026-02-01T00:00"]),
        ("week", ["2026-01-26T00:00"]),
        ("month", ["2026-01-01T00:00", "2026-02-01T00:00"]),
        ("quarter", ["2026-01-01T00:00"]),
        ("year", ["2026-01-01T00:00"]),
        ("6h", ["2026-01-31T18:00", "2026-02-01T00:00"]),
    ],
)
def test_buckets_are_aligned_and_leave_none_out(
    make: Make, event_body: Body, interval: str, starts: list[str]
) -> None:
    times = ["2026-01-31T23:59:59.999999Z", "2026-02-01T00:01:00Z"]
    engine, _ = make([event_body(0, time=time) for time in times], [1])
    answer = histogram(engine, HistogramRequest(scope=EVERYTHING, interval=interval))
    assert [bucket.start[:16] for bucket in answer.buckets] == starts
    assert sum(bucket.count for bucket in answer.buckets) == 2
    for bucket in answer.buckets:
        assert bucket.start_us == parse_rfc3339(bucket.start)


@pytest.mark.parametrize("interval", ["week", "day", "month", "5m"])
def test_times_before_1970_fall_into_the_bucket_that_holds_them(
    make: Make, event_body: Body, interval: str
) -> None:
    engine, _ = make([event_body(0, time="1969-12-28T22:00:00Z")], [1])
    [bucket] = histogram(engine, HistogramRequest(scope=EVERYTHING, interval=interval)).buckets
    assert bucket.start_us <= parse_rfc3339("1969-12-28T22:00:00Z")
    starts = {"week": "1969-12-22T00", "day": "1969-12-28T00", "month": "1969-12-01T00",
              "5m": "1969-12-28T22"}  # fmt: skip
    assert bucket.start.startswith(starts[interval])


def test_an_asked_range_shows_its_empty_buckets_and_parts(make: Make, event_body: Body) -> None:
    engine, _ = make([event_body(0, outcome="denied"), event_body(1)])
    answer = histogram(
        engine,
        HistogramRequest(
            scope=EVERYTHING, interval="hour", by="outcome",
            since_us=parse_rfc3339("2026-03-02T22:00:00Z"),
            until_us=parse_rfc3339("2026-03-03T01:00:00Z"),
        ),
    )
    assert [bucket.count for bucket in answer.buckets] == [0, 0, 2]
    assert answer.buckets[2].parts == {"denied": 1, "unknown": 1}


@pytest.mark.parametrize(
    "more", [{"interval": "1s"}, {"interval": "fortnight"}, {"interval": "1ms"}, {"by": "target"}]
)
def test_senseless_histograms_are_refused(
    make: Make, event_body: Body, more: dict[str, str]
) -> None:
    engine, _ = make([event_body(0), event_body(9_000)])
    with pytest.raises(BadRequest):
        histogram(engine, HistogramRequest(scope=EVERYTHING, **more))  # type: ignore[arg-type]


def test_count_counts_below_the_pinned_size(make: Make, event_body: Body) -> None:
    engine, _ = make([event_body(n) for n in range(7)], [5])
    for size in range(8):
        assert count(engine, CountRequest(scope=EVERYTHING, size=size)).count == size


def test_suggestions_begin_with_what_was_typed(make: Make, event_body: Body) -> None:
    actions = ["doc.read", "doc.read", "doc.write", "user.login"]
    engine, _ = make([event_body(n, action=action) for n, action in enumerate(actions)], [3])
    answer = suggest(engine, SuggestRequest(scope=EVERYTHING, field="action", prefix="doc."))
    assert [(v.value, v.count) for v in answer.values] == [("doc.read", 2), ("doc.write", 1)]
    with pytest.raises(QueryError):
        suggest(engine, SuggestRequest(scope=EVERYTHING, field="ip", prefix="1"))
    with pytest.raises(QueryError):
        suggest(engine, SuggestRequest(scope=EVERYTHING, field="request", prefix="1"))


def test_values_of_a_hashed_field_are_counted_as_they_are(make: Make, event_body: Body) -> None:
    ids = ["plumless", "buckeroo", "plumless", None]
    told = [
        event_body(n, origin={"request_id": id_} if id_ else {}) for n, id_ in enumerate(ids)
    ]
    engine, _ = make(told, [3])
    answer = facets(engine, FacetsRequest(scope=EVERYTHING, field="request", limit=9))
    assert [(v.value, v.count) for v in answer.values] == [("plumless", 2), ("buckeroo", 1)]
    assert answer.missing == 1


# --- histories and timelines


def _changes(event_body: Body) -> list[bytes]:
    def at(number: int, changes: list[dict[str, object]], **more: object) -> bytes:
        return event_body(number, targets=[{"type": "doc", "id": "d"}], changes=changes, **more)

    return [
        at(0, [{"path": "a", "after": 1}, {"path": "b", "after": {"n": 1}}]),
        at(1, [{"path": "a", "before": 1, "after": msgspec.Raw(b"2.50")}]),
        at(2, [{"path": "a", "before": 2.5, "after": 9}], outcome="denied"),
        at(3, [{"path": "b", "op": "remove", "before": {"n": 1}}]),
        event_body(
            4,
            targets=[{"type": "other", "id": "d"}, {"type": "doc", "id": "e"}],
            changes=[{"path": "a", "after": 7}],
        ),
    ]


def _history(engine: Any, **more: Any) -> Any:
    return history(engine, HistoryRequest(scope=EVERYTHING, type="doc", id="d", **more))


def test_a_history_tells_oldest_first_what_changed(make: Make, event_body: Body) -> None:
    engine, _ = make(_changes(event_body), [2])
    answer = _history(engine)
    assert [entry.event.index for entry in answer.entries] == [0, 1, 2, 3]
    assert [entry.applied for entry in answer.entries] == [True, True, False, True]
    encoded = msgspec.json.decode(msgspec.json.encode(answer))
    assert encoded["entries"][1]["changes"] == [{"path": "a", "before": 1, "after": 2.5}]
    assert "state" not in encoded


def test_a_history_names_what_else_was_touched(
    make: Make, event_body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    policies = [{"type": "policy", "id": f"p{n}", "name": f"P{n}"} for n in range(3)]
    told = [
        event_body(0, targets=[policies[0], {"type": "doc", "id": "d"}]),
        event_body(1, targets=[{"type": "doc", "id": "d"}, {"type": "doc", "id": "e"}]),
        event_body(2, targets=[{"type": "doc", "id": "d"}, *policies]),
    ]
    engine, _ = make(told, [3])
    monkeypatch.setattr(histories, "HISTORY_TARGETS", 2)
    entries = _history(engine).entries
    assert [[(o.type, o.id, o.name) for o in entry.others] for entry in entries] == [
        [("policy", "p0", "P0")], [("doc", "e", "")],
        [("policy", "p0", "P0"), ("policy", "p1", "P1")],
    ]
    assert entries[2].event.targets == 4


def test_a_history_is_paged_over_events_that_name_other_targets(
    make: Make, event_body: Body
) -> None:
    bodies = _changes(event_body)
    engine, _ = make([bodies[4], *bodies[:4], bodies[4]], [3])
    shown: list[int] = []
    cursor = ""
    for _ in range(9):
        answer = _history(engine, limit=1, cursor=cursor)
        shown += [entry.event.index for entry in answer.entries]
        cursor = answer.cursor
        if not cursor:
            break
    assert shown == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("second", "state"),
    [
        (-1, {}),
        (0, {"a": "1", "b": '{"n":1}'}),
        (2, {"a": "2.50", "b": '{"n":1}'}),
        (9, {"a": "2.50"}),
    ],
)
def test_the_state_at_a_moment_is_what_successful_changes_amount_to(
    make: Make, event_body: Body, second: int, state: dict[str, str]
) -> None:
    engine, _ = make(_changes(event_body), [2])
    at_us = parse_rfc3339("2026-03-03T00:00:00Z") + second * 1_000_000
    answer = _history(engine, state_at_us=at_us)
    assert {path: bytes(value).decode() for path, value in answer.state.items()} == state
    assert msgspec.json.encode(answer)


def test_a_state_holds_no_more_than_its_bound(
    make: Make, event_body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "ANSWER_BYTES", 100)

    def bodies(path: str) -> list[bytes]:
        return [
            event_body(
                number, targets=[{"type": "doc", "id": "d"}],
                changes=[{"path": path.format(number), "after": "x" * 40}],
            )
            for number in range(10)
        ]

    at_us = parse_rfc3339("2026-03-04T00:00:00Z")
    engine, _ = make(bodies("same"), [4])
    assert len(_history(engine, state_at_us=at_us).state) == 1
    engine, _ = make(bodies("p{}"), [4])
    with pytest.raises(QueryError) as caught:
        _history(engine, state_at_us=at_us)
    assert caught.value.code == "query_too_large"


def test_counted_values_and_columns_take_no_more_than_their_bound(
    make: Make, event_body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (aggregates, runs):
        monkeypatch.setattr(module, "ANSWER_BYTES", 100)
    bodies = [event_body(n, labels={"k": str(n) * 60}, data={"a": [["y" * 60]]}) for n in range(3)]
    engine, _ = make(bodies, [2])
    request = SearchRequest(scope=EVERYTHING, limit=1)
    once = msgspec.structs.replace(request, columns=("data.a",))
    assert len(engine.search(once).events) == 1
    with pytest.raises(QueryError, match="columns"):
        engine.search(msgspec.structs.replace(request, columns=("data.a", "data.a.0")))
    with pytest.raises(QueryError, match="100 bytes"):
        facets(engine, FacetsRequest(scope=EVERYTHING, field="label.k"))
    with pytest.raises(QueryError, match="100 bytes"):
        histogram(engine, HistogramRequest(scope=EVERYTHING, by="label.k"))


def test_a_timeline_holds_what_was_done_by_and_on_behalf_of_an_actor(
    make: Make, event_body: Body
) -> None:
    behind = [{"type": "user", "id": "ana"}]
    bodies = [
        event_body(0, actor={"type": "user", "id": "ana"}),
        event_body(1, actor={"type": "agent", "id": "bot", "on_behalf_of": behind}),
        event_body(2),
        event_body(3, actor={"type": "user", "id": "ana", "on_behalf_of": behind}),
    ]
    for cuts in ([], [2], [4]):
        engine, _ = make(bodies, cuts)
        answer = timeline(engine, TimelineRequest(scope=EVERYTHING, actor="ana"))
        assert [(entry.event.index, entry.role) for entry in answer.entries] == [
            (3, "actor"), (1, "on_behalf_of"), (0, "actor"),
        ]  # fmt: skip
        only = Term(field="onbehalf", op=Op.PRESENT)
        some = timeline(engine, TimelineRequest(scope=EVERYTHING, actor="ana", predicate=only))
        assert [entry.event.index for entry in some.entries] == [3, 1]


# --- exports


def _exported(engine: Any, format_: str, **more: Any) -> bytes:
    return b"".join(export(engine, ExportRequest(scope=EVERYTHING, format=format_, **more)))  # type: ignore[arg-type]


def test_ndjson_holds_the_exact_bodies_in_index_order(make: Make, event_body: Body) -> None:
    bodies = [event_body(99 - n, data=msgspec.Raw(b'{"n":1.10}')) for n in range(2_500)]
    engine, _ = make(bodies, [1_000, 2_200])
    assert _exported(engine, "ndjson") == b"".join(body + b"\n" for body in bodies)
    assert _exported(engine, "ndjson", limit=1_001).count(b"\n") == 1_001


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_cells_never_start_a_formula(make: Make, event_body: Body, start: str) -> None:
    evil = f'{start}cmd|"/c calc"!A1'
    engine, _ = make([event_body(0, action=evil, actor={"type": "user", "id": evil}, raw=evil)])
    text = _exported(engine, "csv").decode()
    header, row = csv.reader(io.StringIO(text, newline=""))
    assert tuple(header) == CSV_COLUMNS
    cells = dict(zip(header, row, strict=True))
    assert cells["action"] == cells["actor"] == cells["raw"] == f"'{evil}"
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)
    assert msgspec.json.decode(cells["body"])["action"] == evil


def test_parquet_holds_every_row_with_times_and_the_exact_body(
    make: Make, event_body: Body
) -> None:
    bodies = [event_body(n) for n in range(1_500)]
    engine, _ = make(bodies, [700])
    table = pq.read_table(io.BytesIO(_exported(engine, "parquet")))
    assert table["body"].to_pylist() == [body.decode() for body in bodies]
    assert table["time"][1].as_py().isoformat() == "2026-03-03T00:00:01+00:00"


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_an_export_of_nothing_is_still_a_file(make: Make, event_body: Body, format_: str) -> None:
    engine, _ = make([])
    content = _exported(engine, format_)
    if format_ == "parquet":
        assert pq.read_table(io.BytesIO(content)).num_rows == 0
    else:
        assert content.decode().count("\n") == 1
