"""Whatever a database holds or a stranger sends: read whole, or refused, or kept as it came."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.event.model import Event
from indelible.event.strict import compact
from indelible.ingest.protocols.pgoutput import (
    CUT,
    UNCHANGED,
    Malformed,
    Relation,
    Row,
    decode,
    lsn_of,
    lsn_text,
)
from indelible.ingest.protocols.pgoutput_values import to_json
from indelible.ingest.protocols.postgres_capture_events import Place, Translator
from support import pgoutput as made

TYPES = (16, 20, 21, 23, 25, 26, 17, 114, 700, 701, 1082, 1114, 1184, 1700, 2950, 3802, 16400)
values = st.one_of(
    st.none(), st.just(...), st.binary(max_size=40).filter(lambda b: b"\0" not in b),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(
        ["t", "1", "-2.50", "NaN", "1e400", '{"a": 1}', "2026-05-01 10:00:00+00", "\\x00", "{1,2}"]
    ),
)
rows = st.lists(values, min_size=1, max_size=6)


def expected(value: object) -> object:
    if value is ...:
        return UNCHANGED
    return value.encode() if isinstance(value, str) else value


@given(new=rows, old=st.none() | rows, of=st.sampled_from("OK"))
def test_a_row_is_read_as_it_was_written(
    new: list[object], old: list[object] | None, of: str
) -> None:
    row = decode(made.update(new, old, of))
    assert isinstance(row, Row)
    assert row.new == [expected(one) for one in new]
    assert row.old == (None if old is None else [expected(one) for one in old])
    assert row.of == ("" if old is None else of)


@given(new=rows, old=rows, data=st.data())
def test_a_row_that_ends_anywhere_is_refused_or_read_in_part(
    new: list[object], old: list[object], data: st.DataObject
) -> None:
    whole = made.update(new, old)
    part = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        found = decode(part)
    except Malformed:
        found = None
    assert found is None, "a part is no message"
    try:
        row = decode(part, cut=True)
    except Malformed:
        return
    assert isinstance(row, Row)
    assert row.old is not None
    assert row.new is not None
    full = [expected(one) for one in [*old, *new]]
    for got, want in zip([*row.old, *row.new], full, strict=False):
        assert got is CUT or got == want


@given(st.binary(max_size=200))
def test_bytes_are_a_message_or_refused(data: bytes) -> None:
    for cut in (False, True):
        try:
            decode(data, cut)
        except Malformed:
            continue


@given(st.sampled_from(TYPES), st.binary(max_size=60))
def test_any_bytes_of_any_type_become_strict_json(kind: int, value: bytes) -> None:
    found = to_json(kind)(value)
    assert compact(found, "") == found
    json.loads(found)


@given(st.integers(0, (1 << 64) - 1))
def test_a_position_is_read_as_it_is_written(lsn: int) -> None:
    assert lsn_of(lsn_text(lsn)) == lsn


messages = st.one_of(
    st.binary(max_size=60),
    st.builds(made.insert, rows), st.builds(made.update, rows, st.none() | rows,
                                            st.sampled_from("OK")),
    st.builds(made.delete, rows, st.sampled_from("OK")),
    st.builds(made.begin, st.integers(0, 1 << 40)), st.builds(made.commit, st.integers(0, 1 << 40)),
    st.builds(made.message, st.text(max_size=30) | st.just('{"actor":{"type":"user","id":"x"}}')),
    st.builds(made.truncate, st.just(16384)),
    st.builds(
        made.relation,
        st.lists(st.tuples(st.text(st.characters(exclude_characters="\0",
                                                 exclude_categories=["Cs"]), max_size=5),
                           st.sampled_from(TYPES), st.booleans()), max_size=6),
        identity=st.sampled_from("dfin"),
    ),
)


@settings(max_examples=300)
@given(st.lists(messages, max_size=12), st.lists(st.text(max_size=4), max_size=2))
def test_any_stream_becomes_events_that_can_be_stored(stream: list[bytes], key: list[str]) -> None:
    place = Place("7713069031415292387", "app")
    one, two = Translator(place), Translator(place)
    for data in stream:
        if data[:1] == b"R":
            try:
                relation = decode(data)
            except Malformed:
                pass
            else:
                assert isinstance(relation, Relation)
                one.relate(relation, key)
                two.relate(relation, key)
                continue
        found, again = one.take(data), two.take(data)
        assert found == again, "the same stream gives the same events"
        if found is None:
            continue
        assert compact(found.content, "") == found.content
        assert found.id in json.loads(found.content)["id"]
        if found.kind == "event":
            msgspec.json.decode(found.content, type=Event)
