"""The predicate and the language that writes it."""

from __future__ import annotations

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from indelible.base.errors import QueryError
from indelible.event.evaluate import matches
from indelible.event.fields import FIELDS, FieldType
from indelible.event.model import StoredEvent, read_body
from indelible.event.paths import escape_segment, scalars_at, split_path
from indelible.event.predicate import All, AnyOf, Changed, Not, Op, Predicate, Term, Text
from indelible.language import complete, normal, parse, render, render_query
from indelible.language.values import CLOSED, TIME_MAX_US, TIME_MIN_US

WORDS = ["a", "b", "A b", "é", "x.y", "1", "10", "-", "", "*", '"', "\\", "a->b", "or", "a:b", ">"]
texts = st.one_of(st.sampled_from(WORDS), st.text(max_size=6))
orders = st.sampled_from([Op.GE, Op.GT, Op.LE, Op.LT])
addresses = st.one_of(
    st.ip_addresses().map(str),
    st.builds(lambda ip, bits: f"{ip}/{bits}", st.ip_addresses(v=4).map(str), st.integers(0, 32)),
)
plain_texts = [name for name, field in FIELDS.items() if field.type is FieldType.TEXT]
open_fields = st.one_of(
    st.sampled_from([name for name in plain_texts if name not in CLOSED]),
    st.builds("label.{}".format, texts),
    st.builds("data.{}".format, texts),
)


def terms(field: st.SearchStrategy[str], op: object, value: object) -> st.SearchStrategy[Term]:
    assert isinstance(op, st.SearchStrategy)
    assert isinstance(value, st.SearchStrategy)
    values = st.lists(value, min_size=1, max_size=3).map(tuple)
    return st.builds(Term, field=field, op=op, values=values)


times = st.integers(TIME_MIN_US, TIME_MAX_US - 1)
leaves: st.SearchStrategy[Predicate] = st.one_of(
    terms(open_fields, st.sampled_from([Op.EQ, Op.PREFIX, Op.CONTAINS]), texts),
    *[
        terms(st.just(name), st.just(Op.EQ), st.one_of(st.sampled_from(words), texts))
        for name, words in CLOSED.items()
    ],
    terms(st.just("data.n"), orders, st.integers(-50, 50).map(str)),
    terms(st.just("index"), st.one_of(orders, st.just(Op.EQ)), st.integers(0, 1 << 40)),
    terms(st.sampled_from(["time", "received"]), st.one_of(orders, st.just(Op.EQ)), times),
    terms(st.just("ip"), st.just(Op.EQ), addresses),
    terms(st.just("ip"), orders, st.ip_addresses().map(str)),
    terms(st.just("raw"), st.just(Op.CONTAINS), texts),
    st.builds(Term, field=st.sampled_from([*FIELDS, "raw", "data.n"]), op=st.just(Op.PRESENT)),
    st.builds(Text, value=texts),
    st.builds(
        Changed,
        path=st.one_of(st.none(), texts),
        before=st.one_of(st.none(), texts),
        after=st.one_of(st.none(), texts),
    ),
)
predicates: st.SearchStrategy[Predicate] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(All, children=st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, children=st.lists(inner, max_size=3).map(tuple)),
        st.builds(Not, child=inner),
    ),
    max_leaves=6,
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-60, 60), texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["n", "a", "b"]), inner)
    ),
    max_leaves=5,
)


@st.composite
def events(draw: st.DrawFn) -> StoredEvent:
    body: dict[str, object] = {
        "action": draw(texts),
        "actor": {"type": "user", "id": draw(texts), "name": draw(texts)},
        "outcome": draw(st.sampled_from(CLOSED["outcome"])),
        "targets": draw(st.lists(st.fixed_dictionaries({"type": texts, "id": texts}), max_size=2)),
        "labels": draw(st.dictionaries(texts, texts, max_size=2)),
        "data": draw(json_values),
        "kind": "event",
        "received": "2026-03-03T00:00:00.000000Z",
        "source": {"id": "s", "number": 1},
    }
    if draw(st.booleans()):
        body["origin"] = {"ip": draw(st.ip_addresses().map(str))}
        body["changes"] = [{"path": draw(texts), "before": draw(json_values)}]
        body["raw"] = draw(texts)
    return read_body(msgspec.json.encode(body))


@given(predicates)
def test_parse_reads_back_what_render_writes(predicate: Predicate) -> None:
    text = render(predicate)
    assert parse(text, 0).predicate == normal(predicate)
    assert render(parse(text, 0).predicate) == text


@given(predicates)
def test_normal_form_is_stable(predicate: Predicate) -> None:
    assert normal(normal(predicate)) == normal(predicate)


@given(predicates, events(), st.integers(0, 100))
def test_negation_is_the_complement_and_normal_form_means_the_same(
    predicate: Predicate, event: StoredEvent, index: int
) -> None:
    answer = matches(predicate, index, event)
    assert matches(Not(child=predicate), index, event) is (not answer)
    assert matches(normal(predicate), index, event) is answer


@given(predicates)
def test_a_predicate_crosses_processes_unchanged(predicate: Predicate) -> None:
    encoded = msgspec.json.encode(predicate)
    assert msgspec.json.decode(encoded, type=Predicate) == predicate


_fragments = st.sampled_from(
    [*"()\"-,:*\\ ~<>.", "->", " or ", " and ", " not ", "since:", "on:", "until:7d", "sort:index",
     "change.", "label.", "data.x", "actor:", "ip:", "10.0.*", "index:", "received:", "2026-03-01",
     "..", ">=", "raw:", "severity:", "high", "a", "é", "\x1c"]
)  # fmt: skip
_searches = st.one_of(st.text(max_size=40), st.lists(_fragments, max_size=14).map("".join))


@given(_searches)
@example("since:0001-01-01T00:00:00+23:59")
@example("on:9999-12-31")
@example("on:0000")
@example("index:²")
@example("since:1d" + "9" * 30)
@example("(" * 8000)
@example("-" * 8000)
def test_any_text_parses_or_is_refused_with_a_position_inside_it(text: str) -> None:
    refusal = query = None
    try:
        query = parse(text, 1_772_539_200_000_000)
    except QueryError as error:
        refusal = error
    if refusal is not None:
        assert refusal.position is not None
        assert 0 <= refusal.position <= len(text)
        assert refusal.remedy
    else:
        assert query is not None
        assert parse(render_query(query), 0) == query


@given(_searches, st.integers(0, 50))
def test_completion_never_fails_and_replaces_what_surrounds_the_place(text: str, at: int) -> None:
    for found in complete(text, at):
        assert 0 <= found.start <= min(at, len(text)) <= found.end <= len(text)


@given(st.lists(st.text(max_size=5), min_size=1, max_size=4))
def test_paths_come_back_from_their_text(segments: list[str]) -> None:
    path = ".".join(escape_segment(segment) for segment in segments)
    assert split_path(path) == tuple(segments)


@given(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=4), st.text())
def test_a_scalar_is_found_at_its_path(segments: list[str], value: str) -> None:
    document: object = value
    for segment in reversed(segments):
        document = {segment: document}
    path = ".".join(escape_segment(segment) for segment in segments)
    assert scalars_at(msgspec.json.encode(document), path) == [value]
