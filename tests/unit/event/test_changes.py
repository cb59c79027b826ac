from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET, Raw

from indelible.base.limits import CHANGES
from indelible.event.changes import change_text, diff, op_of
from indelible.event.model import Change, ChangeOp
from indelible.event.paths import escape_segment, scalars_at, split_path


def shown(before: str, after: str) -> list[str]:
    return [change_text(change) for change in diff(before.encode(), after.encode())]


def test_members_are_compared_one_by_one() -> None:
    before = '{"role":"user","old":1,"in":{"x":[1,2],"same":null}}'
    after = '{"role":"admin","in":{"x":[1,3],"same":null},"new":{"a":1}}'
    assert shown(before, after) == [
        'role: "user" → "admin"',
        "old removed: 1",
        "in.x.1: 2 → 3",
        'new added: {"a":1}',
    ]


def test_arrays_of_other_length_change_as_a_whole() -> None:
    assert shown('{"x":[1,2]}', '{"x":[1]}') == ["x: [1,2] → [1]"]


def test_equal_values_give_no_change_and_numbers_keep_their_text() -> None:
    assert shown('{"a":"\\u00e9","b":1}', '{"b":1,"a":"é"}') == []
    assert shown("1", "1.0") == ["the whole value: 1 → 1.0"]


def test_a_dot_in_a_name_is_escaped_in_the_path() -> None:
    (change,) = diff(b'{"a.b":{"c":1}}', b'{"a.b":{"c":2}}')
    assert change.path == "a\\.b.c"
    assert scalars_at(b'{"a.b":{"c":2}}', change.path) == ["2"]


def test_too_many_changes_come_back_as_one() -> None:
    before = {str(n): 0 for n in range(CHANGES + 1)}
    after = {str(n): 1 for n in range(CHANGES + 1)}
    changes = diff(msgspec.json.encode(before), msgspec.json.encode(after))
    assert [change.path for change in changes] == [""]
    del before["0"], after["0"]
    assert len(diff(msgspec.json.encode(before), msgspec.json.encode(after))) == CHANGES


def test_the_operation_is_derived_where_it_is_not_stated() -> None:
    one = Raw(b"1")
    assert op_of(Change(path="x", after=one)) is ChangeOp.ADD
    assert op_of(Change(path="x", before=one)) is ChangeOp.REMOVE
    assert op_of(Change(path="x", before=one, after=one)) is ChangeOp.REPLACE
    assert op_of(Change(path="x", op=ChangeOp.REMOVE)) is ChangeOp.REMOVE


def test_long_values_are_cut() -> None:
    text = change_text(Change(path="x", before=UNSET, after=Raw(b'"' + b"a" * 500 + b'"')))
    assert text.endswith("…")
    assert len(text) < 100


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("a.b.0", ("a", "b", "0")),
        ("", ("",)),
        ("a.", ("a", "")),
        ("a\\.b.c", ("a.b", "c")),
        ("a\\\\.b", ("a\\", "b")),
        ("a\\b", ("a\\b",)),
    ],
)
def test_paths_split_at_dots_that_are_not_escaped(path: str, segments: tuple[str, ...]) -> None:
    assert split_path(path) == segments
    assert split_path(".".join(escape_segment(one) for one in segments)) == segments
