"""Pages, cursors, scope and the ways in which a query fails."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from indelible.base.errors import BadRequest, Damaged, IndelibleError, QueryError
from indelible.event.predicate import (
    EVERYTHING,
    NOTHING,
    Changed,
    Op,
    Predicate,
    Text,
)
from indelible.event.text import fold
from indelible.query import export as export_module
from indelible.query import run as run_module
from indelible.query import session as session_module
from indelible.query.corpus import look
from indelible.query.cursor import Position, encode_cursor, read_cursor
from indelible.query.model import CountRequest, ExportRequest, SearchRequest
from indelible.query.service import OPERATIONS, Service, error_answer, raise_if_error
from indelible.query.sql_parts import Sql
from indelible.query.text_sql import contains
from indelible.store.columns import table_of
from support.asking import found, term

Make = Callable[..., tuple[Any, Any]]
Body = Callable[..., bytes]


# --- what a page shows


def test_newest_events_come_first_and_rows_show_what_happened(
    make: Make, event_body: Body
) -> None:
    told = event_body(1, actor={"type": "user", "id": "ana", "name": "Ana"},
                      targets=[{"type": "doc", "id": "d", "name": "D"}, {"type": "x", "id": "y"}],
                      origin={"ip": "203.0.113.9"}, outcome="denied", tenant="t")  # fmt: skip
    engine, _ = make([event_body(0), told])
    page = engine.search(SearchRequest(scope=EVERYTHING, columns=("target", "ip", "time")))
    assert [row.index for row in page.events] == [1, 0]
    row = page.events[0]
    assert (row.actor, row.actor_name, row.target, row.targets) == ("ana", "Ana", "d", 2)
    assert (row.ip, row.outcome) == ("203.0.113.9", "denied")
    assert row.time == "2026-03-03T00:00:01.000000Z"
    assert row.values == {"target": ["d", "y"], "ip": ["203.0.113.9"], "time": [row.time]}
    assert "event" not in msgspec.to_builtins(row)


def test_full_rows_carry_the_exact_body(make: Make, event_body: Body) -> None:
    body = event_body(0, data=msgspec.Raw(b'{"n":1.10}'))
    engine, _ = make([body], [1])
    page = engine.search(SearchRequest(scope=EVERYTHING, full=True))
    assert bytes(page.events[0].event) == body


def test_only_the_bodies_of_the_page_are_fetched(make: Make, event_body: Body) -> None:
    engine, corpus = make([event_body(n) for n in range(50)], [20, 40])
    assert found(engine, limit=3) == [49, 48, 47]
    assert sorted(corpus.fetched) == [47, 48, 49]


def test_a_target_beyond_the_first_is_found_in_files_and_in_the_tail(
    make: Make, event_body: Body
) -> None:
    several = [{"type": "doc", "id": "one"}, {"type": "doc", "id": 'two "\\'}]
    bodies = [event_body(n, targets=several) for n in range(4)]
    engine, _ = make(bodies, [2])
    assert found(engine, term("target", 'two "\\')) == [3, 2, 1, 0]
    assert found(engine, term("target", "one", 'two "\\')) == [3, 2, 1, 0]


def test_raw_is_searched_in_evidence(make: Make, event_body: Body) -> None:
    engine, _ = make([event_body(0, raw="CEF:0|x"), event_body(1)], [1])
    assert found(engine, term("raw", "cef:0", op=Op.CONTAINS)) == [0]
    assert found(engine, Text(value="CEF:0")) == []


def test_lower_in_sql_is_fold_for_every_character() -> None:
    points = [chr(n) for n in range(0x110000) if not 0xD800 <= n < 0xE000]
    pairs = pa.table({"c": points, "f": [fold(point) for point in points]})
    with duckdb.connect() as connection:
        connection.register("pairs", pairs)
        assert connection.execute("SELECT c FROM pairs WHERE lower(c) <> f").fetchall() == []


@pytest.mark.parametrize("value", ["Kiez", "kiez", "KIEZ", "\u212aİEZ", "zz", "ix", "ki", "9_k"])
def test_wide_columns_are_searched_for_every_spelling(value: str) -> None:
    test = contains("data", value)
    texts = ["kiez", "KIEZ", "\u212aiez", "KİEZ", "zZ", "iX", "İx", "9_K", "9_\u212a", "other"]
    rows = pa.table({"data": texts})
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        query = f"SELECT data FROM rows WHERE {test.text}"
        hits = {row[0] for row in connection.execute(query, list(test.values)).fetchall()}
    assert hits == {text for text in texts if fold(value) in fold(text)}


# --- scope


def _requests(scope: Predicate) -> dict[str, dict[str, Any]]:
    said = msgspec.to_builtins(scope)
    return {
        "search": {"scope": said},
        "count": {"scope": said},
        "facets": {"scope": said, "field": "actor"},
        "histogram": {"scope": said},
        "history": {"scope": said, "type": "doc", "id": "d", "state_at_us": 2_000_000_000_000_000},
        "timeline": {"scope": said, "actor": "u1"},
        "suggest": {"scope": said, "field": "actor"},
    }


def _shows(answer: bytes) -> bool:
    return b"mine" in answer or b'"u1","count"' in answer or b'"count":1' in answer


@pytest.mark.parametrize("cut", [0, 1])
def test_no_operation_shows_anything_outside_the_scope(
    make: Make, event_body: Body, cut: int
) -> None:
    body = event_body(
        0, source={"id": "mine", "number": 1}, targets=[{"type": "doc", "id": "d"}],
        changes=[{"path": "mine", "after": 1}],
    )  # fmt: skip
    engine, _ = make([body], [1][:cut])
    service = Service(engine)
    assert set(_requests(NOTHING)) == set(OPERATIONS)
    for op, request in _requests(term("source", "mine")).items():
        assert _shows(raise_if_error(service.dispatch(op, msgspec.json.encode(request)))), op
    for op, request in _requests(term("source", "other")).items():
        assert not _shows(raise_if_error(service.dispatch(op, msgspec.json.encode(request)))), op
    for format_ in ("ndjson", "csv", "parquet"):
        for scope, shown in ((EVERYTHING, True), (term("source", "other"), False)):
            request = ExportRequest(scope=scope, format=format_)  # type: ignore[arg-type]
            exported = b"".join(service.export(msgspec.json.encode(request)))
            assert (b"mine" in exported) is shown


def test_every_request_demands_the_callers_scope() -> None:
    for kind in [kind for kind, _ in OPERATIONS.values()] + [ExportRequest]:
        field = next(f for f in msgspec.structs.fields(kind) if f.name == "scope")
        assert field.required, kind


def test_a_lie_in_the_columns_never_shows_an_event_outside_the_scope(
    make: Make, event_body: Body
) -> None:
    engine, corpus = make([event_body(0, source={"id": "hers", "number": 2})])
    corpus.unsealed = table_of([(0, event_body(0, source={"id": "mine", "number": 1}))])
    with pytest.raises(Damaged, match="event 0"):
        engine.search(SearchRequest(scope=term("source", "mine")))


# --- cursors


def test_a_cursor_of_another_query_scope_or_order_is_refused(
    make: Make, event_body: Body
) -> None:
    engine, _ = make([event_body(n) for n in range(5)])
    first = SearchRequest(scope=EVERYTHING, limit=2, now_us=77)
    cursor = engine.search(first).cursor
    assert (read_cursor(cursor).size, read_cursor(cursor).now_us) == (5, 77)
    for other in (
        {"predicate": term("actor", "u1")}, {"scope": term("actor", "u1")}, {"since_us": 1},
        {"until_us": 1}, {"sort": "index"}, {"descending": False},
    ):  # fmt: skip
        with pytest.raises(BadRequest, match="another query"):
            engine.search(msgspec.structs.replace(first, cursor=cursor, **other))
    again = msgspec.structs.replace(first, cursor=cursor, limit=3, columns=("actor",))
    assert [row.index for row in engine.search(again).events] == [2, 1, 0]


@pytest.mark.parametrize("text", ["x", "====", "AAAA", "é", "k" * 5000])
def test_text_that_is_no_cursor_is_refused(make: Make, event_body: Body, text: str) -> None:
    engine, _ = make([event_body(0)])
    with pytest.raises(BadRequest):
        engine.search(SearchRequest(scope=EVERYTHING, cursor=text))


@pytest.mark.parametrize("place", [(-1, 0, 0, 0), (0, -(1 << 63), 0, 0), (0, 1 << 62, 0, 0),
                                   (0, 0, 1 << 63, 0), (0, 0, 0, -1)])
def test_a_cursor_that_names_no_place_is_refused(place: tuple[int, int, int, int]) -> None:
    forged = encode_cursor(Position(b"x" * 12, *place))
    with pytest.raises(BadRequest) as caught:
        read_cursor(forged)
    assert caught.value.code == "bad_cursor"


def test_a_size_beyond_the_log_is_refused(make: Make, event_body: Body) -> None:
    engine, _ = make([event_body(0)])
    with pytest.raises(BadRequest, match="1 entries"):
        engine.search(SearchRequest(scope=EVERYTHING, size=2))


# --- bounds


def test_a_page_ends_at_its_bytes_and_goes_on_there(
    make: Make, event_body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "PAGE_BYTES", 25_000)
    monkeypatch.setattr(session_module, "FIRST_READ_EVENTS", 2)
    monkeypatch.setattr(session_module, "READ_BYTES", 25_000)
    engine, corpus = make([event_body(n, data={"x": "y" * 10_000}) for n in range(8)], [5])
    request = SearchRequest(scope=EVERYTHING, limit=8, full=True)
    seen = []
    while True:
        corpus.fetched.clear()
        page = engine.search(request)
        assert len(page.events) <= 3
        assert len(corpus.fetched) <= 4
        seen += [row.index for row in page.events]
        if not page.cursor:
            break
        request = msgspec.structs.replace(request, cursor=page.cursor)
    assert seen == [7, 6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("format", ["ndjson", "csv", "parquet"])
def test_an_export_holds_some_events_at_a_time(
    make: Make, event_body: Body, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    monkeypatch.setattr(session_module, "FIRST_READ_EVENTS", 2)
    for module in (session_module, export_module):
        monkeypatch.setattr(module, "READ_BYTES", 25_000)
    engine, corpus = make([event_body(n, data={"x": "y" * 10_000}) for n in range(40)], [30])
    pieces = export_module.export(engine, ExportRequest(scope=EVERYTHING, format=format))
    first = [next(pieces), next(pieces)]
    assert len(corpus.fetched) < 15
    whole = b"".join([*first, *pieces])
    assert sorted(corpus.fetched) == list(range(40))
    if format == "parquet":
        assert pq.read_table(pa.BufferReader(whole)).num_rows == 40
    else:
        assert whole.count(b"y" * 10_000) == 40


def test_a_row_shows_a_bounded_number_of_columns(make: Make, event_body: Body) -> None:
    engine, _ = make([event_body(0)])
    names = tuple(f"data.k{n}" for n in range(65))
    with pytest.raises(BadRequest, match="64"):
        engine.search(SearchRequest(scope=EVERYTHING, columns=names))
    engine.search(SearchRequest(scope=EVERYTHING, columns=names[:64]))


def test_the_deadline_holds_outside_the_database_too(
    make: Make, event_body: Body, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, corpus = make([event_body(n) for n in range(300)], [100], seconds=20)
    with engine.session(SearchRequest(scope=EVERYTHING)) as session:
        events = session.events(range(300))
        next(events)
        late = session_module.monotonic() + 30
        monkeypatch.setattr(session_module, "monotonic", lambda: late)
        with pytest.raises(QueryError, match="longer than 20 seconds"):
            next(events)
    assert len(corpus.fetched) < 300


def test_a_query_that_nobody_waits_for_ends(make: Make, event_body: Body) -> None:
    entered = threading.Event()
    engine, corpus = make([event_body(n, id=f"e{n}") for n in range(5_000)], [5_000])
    slow = corpus.bodies

    def bodies(indexes: Any) -> Any:
        entered.set()
        threading.Event().wait(0.6)  # longer than the watch looks away
        return slow(indexes)

    corpus.bodies = bodies
    engine._reader.table._bodies = bodies
    token = session_module.GONE.set(entered.is_set)
    try:
        with pytest.raises(QueryError):
            found(engine, term("id", "nowhere", op=Op.CONTAINS))
    finally:
        session_module.GONE.reset(token)


def test_an_answer_says_how_many_events_it_could_not_see(make: Make, event_body: Body) -> None:
    engine, _ = make([event_body(n) for n in range(4)], [2])
    service = Service(engine)
    asked = SearchRequest(scope=EVERYTHING)
    for request, behind in ((asked, 7), (msgspec.structs.replace(asked, size=3), 0)):
        answer = msgspec.json.decode(service.dispatch("search", msgspec.json.encode(request), 7))
        assert answer["behind"] == behind


# --- failing well


def test_a_damaged_column_file_is_named_and_not_answered_from(
    make: Make, event_body: Body
) -> None:
    told = [event_body(n, data={"x": os.urandom(999).hex()}) for n in range(300)]
    engine, corpus = make(told, [300])
    path = Path(corpus.files[0].path)
    content = bytearray(path.read_bytes())
    content[200_000] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match=r"piece 3 of \w+\.columns"):
        found(engine, Text(value="no such text"))


def test_columns_that_do_not_cover_the_log_are_an_error(make: Make, event_body: Body) -> None:
    _, corpus = make([event_body(n) for n in range(4)], [2])
    corpus.unsealed = corpus.unsealed.slice(1)
    with pytest.raises(Damaged, match="do not cover"):
        look(corpus)


def test_a_seal_between_two_looks_is_looked_at_again(make: Make, event_body: Body) -> None:
    _, corpus = make([event_body(n) for n in range(4)], [2, 4])
    sealed, tail = corpus.files, table_of(list(enumerate(corpus.all))[2:])
    answers = iter([sealed[:1], sealed])
    corpus.column_files = lambda: next(answers)
    view = look(corpus)
    assert (view.sealed, view.size, len(view.files)) == (4, 4, 2)
    assert tail.num_rows == 2


def test_a_tail_that_overlaps_the_files_counts_once(make: Make, event_body: Body) -> None:
    engine, corpus = make([event_body(n) for n in range(4)], [2])
    corpus.unsealed = table_of(list(enumerate(corpus.all)))
    assert found(engine) == [3, 2, 1, 0]


def test_a_query_out_of_memory_fails_and_writes_nothing_to_disk(
    make: Make, event_body: Body, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "cwd"
    there.mkdir()
    monkeypatch.chdir(there)
    engine, _ = make([event_body(0)], memory_mb=64)
    with engine.session(CountRequest(scope=EVERYTHING)) as session:
        with pytest.raises(QueryError, match="memory") as raised:
            session.fetch(Sql("SELECT * FROM range(20000000) t(i) ORDER BY hash(i)"))
    assert raised.value.code == "query_too_large"
    assert list(there.iterdir()) == []


def test_a_query_that_takes_too_long_is_stopped(make: Make, event_body: Body) -> None:
    engine, _ = make([event_body(0)], seconds=0.2)
    with engine.session(CountRequest(scope=EVERYTHING)) as session:
        with pytest.raises(QueryError, match=r"longer than 0\.2 seconds"):
            session.fetch(Sql("SELECT sum(hash(i)) FROM range(1000000000000) t(i)"))
    engine._reader.seconds = 60
    assert found(engine) == [0]


def test_the_connection_reaches_no_file_but_column_files(make: Make, event_body: Body) -> None:
    engine, _ = make([event_body(0)])
    with engine.session(CountRequest(scope=EVERYTHING)) as session:
        for query in ("SELECT * FROM read_text('/etc/hostname')", "SET temp_directory='/tmp'",
                      "COPY (SELECT 1) TO 'here.csv'", "INSTALL httpfs"):  # fmt: skip
            with pytest.raises(Damaged):
                session.fetch(Sql(query))


def test_values_are_never_part_of_the_sql(make: Make, event_body: Body) -> None:
    evil = "x'; DROP TABLE tail; --"
    engine, _ = make([event_body(0, actor={"type": "user", "id": evil})], [1])
    assert found(engine, term("actor", evil)) == [0]
    assert found(engine, term(f"label.{evil}", evil)) == []
    assert found(engine, term(f"data.{evil}", evil)) == []
    assert found(engine, Changed(path=evil, before=evil)) == []
    assert found(engine, Text(value=evil)) == [0]


def test_queries_of_several_threads_do_not_disturb_each_other(
    make: Make, event_body: Body
) -> None:
    bodies = [event_body(n, actor={"type": "user", "id": f"u{n % 5}"}) for n in range(200)]
    engine, _ = make(bodies, [80, 160])
    wrong: list[object] = []

    def ask(user: int) -> None:
        for _ in range(5):
            got = found(engine, term("actor", f"u{user}"), limit=100, sort="index")
            if got != [n for n in reversed(range(200)) if n % 5 == user]:
                wrong.append(got)

    threads = [threading.Thread(target=ask, args=(user,)) for user in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- the service


def test_an_error_crosses_the_processes_as_what_it_was(make: Make, event_body: Body) -> None:
    engine, _ = make([event_body(0)])
    service = Service(engine)
    scope = msgspec.to_builtins(EVERYTHING)
    for op, payload, kind, code in (
        ("search", {"scope": scope, "limit": 0}, BadRequest, "bad_request"),
        ("search", {"scope": scope, "predicate": {"type": "term", "field": "nope", "op": "eq",
                    "values": ["x"]}}, QueryError, "bad_query"),
        ("search", {}, BadRequest, "bad_request"),
        ("search", {"scope": scope, "cursor": "x"}, BadRequest, "bad_cursor"),
        ("drop", {}, BadRequest, "bad_request"),
    ):  # fmt: skip
        answer = service.dispatch(op, msgspec.json.encode(payload))
        with pytest.raises(kind) as raised:
            raise_if_error(answer)
        error = raised.value
        assert isinstance(error, IndelibleError)
        assert (error.code, error.status) == (code, 400)
        assert error.remedy


def test_every_error_arrives_as_what_it_was() -> None:
    kinds = [IndelibleError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        sent = error_answer(IndelibleError("no", code=kind.code, field="f", remedy="r"))
        with pytest.raises(IndelibleError, match="no") as caught:
            raise_if_error(sent)
        assert (caught.value.code, caught.value.field) == (kind.code, "f")
        if kind.__init__ is IndelibleError.__init__:
            assert caught.value.status == kind.status
