"""What may enter a body as it came: `indelible.event.strict`."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.base.errors import InvalidEvent
from indelible.base.limits import JSON_DEPTH
from indelible.event.strict import check_document, compact, deep_at, lone_surrogate, member_at

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "text",
    [b"1", b"-0", b"1.50", b"12345678901234567890123", b"1e5", b"1E-400", b'"a"', b"null", b"{}",
     b'"\\u00e9\\/"', b'{"a":{"a":1}}', b'[{"a":1},{"a":1}]', b'"\\ud83d\\ude00"', b'"\\\\ud800"',
     '"é"'.encode(), b'"\\u0000\\n"', b'{"a":"x\\":1,\\"a\\":"}'],
)
def test_text_that_is_fit_is_kept_byte_for_byte(text: bytes) -> None:
    assert compact(text, "data") == text


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (b'{ "a" :\t1 ,\r\n"b": [ 1 , 2 ] }', b'{"a":1,"b":[1,2]}'),
        (b'{"a": " x  y ", "n": 1.50}', b'{"a":" x  y ","n":1.50}'),
        (b'["a \\" b", 123456789012345678901]', b'["a \\" b",123456789012345678901]'),
    ],
)
def test_only_insignificant_white_space_is_taken_out(text: bytes, kept: bytes) -> None:
    assert compact(text, "data") == kept


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b'{"a":1,"a":2}', "duplicate_key"),
        (b'{"a":1,"\\u0061":2}', "duplicate_key"),
        (b'[{"x":{"a":1,"b":0,"a":1}}]', "duplicate_key"),
        (b'{"a" : 1, "a" : 1}', "duplicate_key"),
        (b"1e400", "bad_number"),
        (b"[-1e999]", "bad_number"),
        (b"9" * 400, "bad_number"),
        (b"NaN", "bad_number"),
        (b'"\\ud800"', "lone_surrogate"),
        (b'"\\udc00x"', "lone_surrogate"),
        (b'"\\ud800\\ud800\\udc00"', "lone_surrogate"),
        (b'"\xff"', "bad_utf8"),
        (b'"\xed\xa0\x80"', "bad_utf8"),
        (b"[" * (JSON_DEPTH + 1) + b"]" * (JSON_DEPTH + 1), "too_deep"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "too_deep"),
        (b'{"a":', "bad_json"),
    ],
)
def test_text_that_is_unfit_is_refused_with_its_code(text: bytes, code: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        compact(text, "data")
    assert (caught.value.code, caught.value.field) == (code, "data")


def test_the_deepest_allowed_nesting_is_kept() -> None:
    text = b"[" * JSON_DEPTH + b"]" * JSON_DEPTH
    assert compact(text, "data") == text


def test_many_names_do_not_make_the_search_for_twins_slow() -> None:
    text = b"{" + b",".join(b'"k%d": 1' % n for n in range(60_000)) + b',"k59999":1}'
    with pytest.raises(InvalidEvent, match="k59999"):
        compact(text, "data")


@given(json_values, st.sampled_from([None, 1]))
def test_compacting_never_changes_what_the_text_means(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False).encode()
    kept = compact(text, "data")
    assert json.loads(kept) == value
    assert b"\n" not in kept
    assert compact(kept, "data") == kept


def test_a_document_names_the_member_where_the_trouble_lies() -> None:
    with pytest.raises(InvalidEvent) as caught:
        check_document(b'{"id":"x","actor":{"id":"a","id":"b"}}')
    assert caught.value.field == "actor"
    with pytest.raises(InvalidEvent) as caught:
        check_document(b'{"id":"x","id":"y"}')
    assert caught.value.field == "id"


def test_depth_ignores_brackets_in_texts() -> None:
    text = b'{"a":"[[[[\\"[[","b":[1]}'
    assert deep_at(text, 2) == -1
    assert deep_at(text, 1) == text.index(b"[1]")
    assert deep_at(b'"x"', 0) == -1


def test_half_a_surrogate_is_found_where_it_stands() -> None:
    assert lone_surrogate(b'"ab\\ud800c"') == ("\\ud800", 3)
    assert lone_surrogate(b'"\\\\ud800"') is None


def test_the_member_of_a_byte_is_named_even_in_broken_text() -> None:
    text = b'{"a": {"b": 1}, "c": "x:y", "d": [1, }'
    assert member_at(text, 12) == "a"
    assert member_at(text, 24) == "c"
    assert member_at(text, len(text) - 1) == "d"
    assert member_at(b"garbage", 3) == ""


def test_raw_parts_of_msgspec_are_what_compact_expects() -> None:
    raw = msgspec.json.decode(b'{"d": [1 , 2]}', type=dict[str, msgspec.Raw])["d"]
    assert compact(bytes(raw), "d") == b"[1,2]"
