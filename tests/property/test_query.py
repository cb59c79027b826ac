"""The compiled SQL over column files and tail means what the evaluator means."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indelible.base.clock import rfc3339
from indelible.event.evaluate import matches, values_of
from indelible.event.fields import FIELDS, event_time_us
from indelible.event.model import Event, StoredEvent, read_body
from indelible.event.predicate import (
    EVERYTHING,
    All,
    AnyOf,
    Changed,
    Not,
    Op,
    Predicate,
    Term,
    Text,
)
from indelible.query import plan
from indelible.query.aggregate import count, facets, histogram
from indelible.query.export import export
from indelible.query.model import (
    CountRequest,
    ExportRequest,
    FacetsRequest,
    HistogramRequest,
    SearchRequest,
)
from indelible.query.run import QueryEngine, shown_values
from indelible.store.column_file import ColumnFile, merge_column_files, write_column_file
from indelible.store.columns import table_of
from support.old_columns import write_first_version

Write = Callable[..., ColumnFile]

BASE_US = 1_772_500_000_000_000
WORDS = ["a", "b", "ab", "A B", "é", "É", "Σς", "İ", "x.y", "1", "10", "", "%", "_", '"', "\\",
         "a/b", "~", "\x00", "a\x00b", "\n", "🙂", "'; --", "null", "{}", "0"]  # fmt: skip
TWINS = ["plumless", "buckeroo"]  # one CRC-32
texts = st.sampled_from(WORDS)
ids = st.sampled_from(TWINS) | texts
ids_with_one_hash = st.sampled_from([*TWINS, "a"])
keys = st.sampled_from(["n", "a", "b", "0", "x.y", "a/b", "~1", "", "é", '"'])
orders = st.sampled_from([Op.GE, Op.GT, Op.LE, Op.LT])
ips = st.sampled_from(["10.0.0.1", "10.0.0.200", "192.0.2.7", "2001:db8::1", "::ffff:10.0.0.1"])
blocks = st.sampled_from(["10.0.0.1", "10.0.0.0/25", "0.0.0.0/0", "2001:db8::/32", "::/0"])
moments = st.integers(BASE_US - 3, BASE_US + 40).map(lambda us: us * 1) | st.sampled_from(
    [BASE_US - 400 * 86_400_000_000, BASE_US + 90_000_000_000]
)
numbers = st.sampled_from(["1", "1.10", "-0", "20", "12345678901234567890", "2e3", "5"])
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-60, 60), texts),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=2),
    max_leaves=5,
)


def _moment(us: int) -> str:
    return rfc3339(us)


def _json_text(value: object, number: str, escaped: bool) -> bytes:
    """JSON text with a number as written, and perhaps with escapes nobody needed."""
    text = msgspec.json.encode(value)
    if isinstance(value, int) and not isinstance(value, bool):
        text = number.encode()
    return text.replace(b'"a"', b'"\\u0061"') if escaped else text


actors = st.fixed_dictionaries(
    {"type": st.sampled_from(["user", "service"]), "id": texts},
    optional={
        "name": texts, "email": texts, "session": texts,
        "on_behalf_of": st.lists(
            st.fixed_dictionaries({"type": st.just("user"), "id": texts}), max_size=2
        ),
    },
)  # fmt: skip
targets = st.fixed_dictionaries({"type": texts, "id": ids}, optional={"name": texts})


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    said: dict[str, object] = {"action": draw(texts), "actor": draw(actors)}
    optional: dict[str, st.SearchStrategy[object]] = {
        "operation": st.sampled_from(["read", "delete"]),
        "targets": st.lists(targets, max_size=3),
        "time": moments.map(_moment),
        "outcome": st.sampled_from(["success", "denied"]),
        "reason": st.fixed_dictionaries({}, optional={"code": texts, "text": texts}),
        "origin": st.fixed_dictionaries(
            {}, optional={"ip": ips, "host": texts, "user_agent": texts, "request_id": texts}
        ),
        "id": ids,
        "tenant": texts,
        "severity": st.sampled_from(["low", "high"]),
        "labels": st.dictionaries(keys, texts, max_size=2),
        "subjects": st.lists(texts, max_size=2),
        "why": st.fixed_dictionaries({}, optional={"ticket": texts}),
        "raw": texts,
    }
    for name, strategy in optional.items():
        if draw(st.booleans()):
            said[name] = draw(strategy)
    raw = st.builds(_json_text, json_values, numbers, st.booleans()).map(msgspec.Raw)
    if draw(st.booleans()):
        said["data"] = draw(raw)
    if draw(st.booleans()):
        change = st.fixed_dictionaries({"path": texts}, optional={"before": raw, "after": raw})
        said["changes"] = draw(st.lists(change, max_size=2))
    event = msgspec.json.decode(msgspec.json.encode(said), type=Event)
    own: dict[str, object] = {
        "kind": draw(st.sampled_from(["event", "unparsed"])),
        "received": _moment(BASE_US + draw(st.integers(0, 30))),
        "source": {"id": draw(texts), "number": 1, "seq": draw(st.sampled_from([0, 2**64 - 1]))},
        "via": {"peer": draw(texts)},
    }
    if draw(st.booleans()):
        own["flags"] = draw(st.lists(texts, max_size=2))
    return msgspec.json.encode(event)[:-1] + b"," + msgspec.json.encode(own)[1:]


def _terms(
    fields: st.SearchStrategy[str], op: st.SearchStrategy[Op], value: st.SearchStrategy[object]
) -> st.SearchStrategy[Predicate]:
    return st.builds(
        Term, field=fields, op=op, values=st.lists(value, max_size=3).map(tuple)
    )  # type: ignore[arg-type]


text_ops = st.sampled_from([Op.EQ, Op.EQ, Op.PREFIX, Op.CONTAINS, Op.GE, Op.GT, Op.LE, Op.LT])
plain = [name for name, field in FIELDS.items() if field.type.value == "text"]
paths = st.lists(keys, min_size=1, max_size=2).map(
    lambda parts: "data." + ".".join(p.replace("\\", "\\\\").replace(".", "\\.") for p in parts)
)
labels = keys.map("label.{}".format)
leaves: st.SearchStrategy[Predicate] = st.one_of(
    _terms(st.sampled_from(plain), text_ops, texts),
    _terms(st.sampled_from(["target", "actor", "onbehalf", "id"]), st.just(Op.EQ), ids),
    _terms(labels, text_ops, texts),
    _terms(paths, st.sampled_from([Op.EQ, Op.PREFIX, Op.CONTAINS]), texts | numbers),
    _terms(paths, orders, numbers.filter(lambda n: n != "-0") | st.integers(-5, 60)),
    _terms(st.just("index"), orders | st.just(Op.EQ), st.integers(-1, 30)),
    _terms(st.sampled_from(["time", "received"]), orders | st.just(Op.EQ), moments),
    _terms(st.just("ip"), st.just(Op.EQ), blocks),
    _terms(st.just("ip"), orders, ips),
    _terms(st.just("raw"), st.just(Op.CONTAINS), texts),
    st.builds(
        Term, field=st.one_of(st.sampled_from([*FIELDS, "raw"]), labels, paths),
        op=st.just(Op.PRESENT),
    ),
    st.builds(Text, value=texts),
    st.builds(
        Changed, path=st.none() | texts, before=st.none() | texts | numbers,
        after=st.none() | texts | numbers,
    ),
)  # fmt: skip
predicates: st.SearchStrategy[Predicate] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(All, children=st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, children=st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, child=inner),
    ),
    max_leaves=6,
)


class _Corpus:
    def __init__(self, kept: list[bytes], files: list[ColumnFile], sealed: int) -> None:
        self.kept, self.files, self.sealed = kept, files, sealed
        self.unsealed = table_of(list(enumerate(kept))[sealed:])

    @property
    def size(self) -> int:
        return len(self.kept)

    def column_files(self) -> Sequence[ColumnFile]:
        return self.files

    def tail(self) -> pa.Table:
        return self.unsealed

    def bodies(self, indexes: Sequence[int]) -> list[tuple[int, bytes]]:
        return [(index, self.kept[index]) for index in indexes]


def _file(
    kept: list[bytes], begin: int, end: int, folder: Path, write: Write = write_column_file
) -> ColumnFile:
    file_id = os.urandom(8).hex()
    table = table_of(list(enumerate(kept))[begin:end])
    return write(table, folder / file_id, key=os.urandom(32), file_id=file_id, origin="o")


@contextmanager
def _layouts(kept: list[bytes], cuts: list[int]) -> Iterator[list[QueryEngine]]:
    """The same events in the tail, in fresh files and a tail, in one merged file, in old ones."""
    plan.ROW_GROUP_ROWS = 2  # so that even these files are read in waves
    ends = sorted({min(cut, len(kept)) for cut in cuts} - {0})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fresh = [
            _file(kept, begin, end, folder) for begin, end in zip([0, *ends], ends, strict=False)
        ]
        corpora = [_Corpus(kept, [], 0)]
        if fresh:
            merged = merge_column_files(
                fresh, folder / "merged", key=os.urandom(32), file_id="merged", origin="o"
            )
            corpora += [_Corpus(kept, fresh, ends[-1]), _Corpus(kept, [merged], ends[-1])]
            old = _file(kept, 0, ends[0], folder, write_first_version)
            corpora.append(_Corpus(kept, [old, *fresh[1:]], ends[-1]))
        engines = [QueryEngine(corpus, memory_mb=128, threads=1) for corpus in corpora]
        try:
            yield engines
        finally:
            for engine in engines:
                engine.close()


def _pages(engine: QueryEngine, request: SearchRequest) -> list[int]:
    found: list[int] = []
    while True:
        page = engine.search(request)
        assert len(page.events) <= request.limit
        found += [row.index for row in page.events]
        assert page.events or not request.cursor
        if not page.cursor:
            return found
        assert len(page.events) == request.limit
        request = msgspec.structs.replace(request, cursor=page.cursor)


def _naive(
    events: list[StoredEvent], request: SearchRequest, size: int
) -> list[tuple[int, StoredEvent]]:
    asked = All(children=(request.predicate, request.scope))
    found = [
        (index, event)
        for index, event in enumerate(events[:size])
        if matches(asked, index, event)
        and (request.since_us is None or event_time_us(event) >= request.since_us)
        and (request.until_us is None or event_time_us(event) < request.until_us)
    ]
    if request.sort == "time":
        found.sort(key=lambda pair: (event_time_us(pair[1]), pair[0]))
    return found[::-1] if request.descending else found


requests = st.builds(
    SearchRequest,
    scope=st.just(EVERYTHING) | predicates,
    predicate=predicates,
    since_us=st.none() | moments,
    until_us=st.none() | moments,
    sort=st.sampled_from(["time", "index"]),
    descending=st.booleans(),
    limit=st.integers(1, 4),
)
pytestmark = pytest.mark.timeout(1200)
_slow = settings(
    max_examples=int(os.environ.get("INDELIBLE_QUERY_EXAMPLES", "40")), deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)  # fmt: skip


@_slow
@given(
    st.lists(bodies(), min_size=1, max_size=12),
    st.lists(st.integers(1, 12), max_size=3),
    st.lists(requests, min_size=1, max_size=4),
    st.integers(0, 3),
)
def test_sql_over_files_and_tail_finds_what_the_evaluator_finds_page_by_page(
    kept: list[bytes], cuts: list[int], asked: list[SearchRequest], less: int
) -> None:
    _compare(kept, cuts, asked, less)


@st.composite
def touched(draw: st.DrawFn) -> bytes:
    """An event on targets of which some share a hash."""
    event = msgspec.json.decode(draw(bodies()))
    event["targets"] = [{"type": "t", "id": draw(ids_with_one_hash)}]
    if draw(st.booleans()):
        event["targets"] *= 2
        event["targets"].append({"type": "t", "id": draw(ids_with_one_hash)})
    return msgspec.json.encode(event)


on_targets: st.SearchStrategy[Predicate] = st.recursive(
    _terms(st.just("target"), st.just(Op.EQ), ids_with_one_hash),
    lambda inner: st.one_of(
        st.builds(All, children=st.lists(inner, min_size=1, max_size=2).map(tuple)),
        st.builds(AnyOf, children=st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Not, child=inner),
    ),
    max_leaves=3,
)


@_slow
@given(
    st.lists(touched(), min_size=2, max_size=12),
    st.lists(st.integers(1, 12), min_size=1, max_size=3),
    st.lists(
        st.builds(
            SearchRequest, scope=st.just(EVERYTHING) | on_targets, predicate=on_targets,
            sort=st.sampled_from(["time", "index"]), descending=st.booleans(),
            limit=st.integers(1, 4),
        ),
        min_size=1, max_size=4,
    ),
    st.integers(0, 3),
)  # fmt: skip
def test_targets_with_one_hash_are_never_taken_for_each_other(
    kept: list[bytes], cuts: list[int], asked: list[SearchRequest], less: int
) -> None:
    _compare(kept, cuts, asked, less)


def _compare(
    kept: list[bytes], cuts: list[int], asked: list[SearchRequest], less: int
) -> None:
    events = [read_body(body) for body in kept]
    size = max(0, len(kept) - less)
    with _layouts(kept, cuts) as engines:
        for request in asked:
            pinned = msgspec.structs.replace(request, size=size)
            expected = [index for index, _ in _naive(events, request, size)]
            for engine in engines:
                assert _pages(engine, pinned) == expected
                counted = CountRequest(
                    scope=request.scope, predicate=request.predicate, since_us=request.since_us,
                    until_us=request.until_us, size=size,
                )  # fmt: skip
                assert count(engine, counted).count == len(expected)
                exported = ExportRequest(
                    scope=request.scope, predicate=request.predicate, since_us=request.since_us,
                    until_us=request.until_us, size=size,
                )  # fmt: skip
                lines = b"".join(export(engine, exported))
                assert lines == b"".join(kept[index] + b"\n" for index in sorted(expected))


fields = st.one_of(st.sampled_from([*FIELDS]), labels, paths)


@_slow
@given(
    st.lists(bodies(), min_size=1, max_size=12),
    st.lists(st.integers(1, 12), max_size=2),
    st.lists(st.tuples(fields, predicates, predicates), min_size=1, max_size=5),
)
def test_facets_and_histogram_count_what_the_evaluator_finds(
    kept: list[bytes], cuts: list[int], asked: list[tuple[str, Predicate, Predicate]]
) -> None:
    events = [read_body(body) for body in kept]
    with _layouts(kept, cuts) as engines:
        for field, predicate, scope in asked:
            request = SearchRequest(scope=scope, predicate=predicate)
            found = _naive(events, request, len(events))
            values: dict[object, int] = {}
            for index, event in found:
                for value in set(shown_values(field, index, event)):
                    values[value] = values.get(value, 0) + 1
            missing = sum(not values_of(field, index, event) for index, event in found)
            days: dict[int, int] = {}
            for _, event in found:
                day = event_time_us(event) // 86_400_000_000 * 86_400_000_000
                days[day] = days.get(day, 0) + 1
            for engine in engines:
                answer = facets(
                    engine, FacetsRequest(scope=scope, predicate=predicate, field=field, limit=100)
                )
                assert {v.value: v.count for v in answer.values} == values
                assert (answer.total, answer.missing) == (len(found), missing)
                ranks = [(-v.count) for v in answer.values]
                assert ranks == sorted(ranks)
                daily = histogram(engine, HistogramRequest(scope=scope, predicate=predicate))
                assert {b.start_us: b.count for b in daily.buckets if b.count} == days


@_slow
@given(st.lists(bodies(), min_size=2, max_size=8), st.integers(1, 7), st.integers(1, 3))
def test_a_page_turned_after_a_seal_and_new_events_goes_on_where_it_ended(
    kept: list[bytes], cut: int, limit: int
) -> None:
    events = [read_body(body) for body in kept]
    first = SearchRequest(scope=EVERYTHING, limit=limit)
    with tempfile.TemporaryDirectory() as name:
        corpus = _Corpus(kept, [], 0)
        engine = QueryEngine(corpus, memory_mb=128, threads=1)
        page = engine.search(first)
        found = [row.index for row in page.events]
        end = min(cut, len(kept))
        corpus.files = [_file(kept, 0, end, Path(name))]
        corpus.kept = [*kept, kept[0], kept[-1]]
        corpus.unsealed = table_of(list(enumerate(corpus.kept))[end:])
        while page.cursor:
            page = engine.search(msgspec.structs.replace(first, cursor=page.cursor))
            assert page.tree_size == len(kept)
            found += [row.index for row in page.events]
        engine.close()
    assert found == [index for index, _ in _naive(events, first, len(events))]
