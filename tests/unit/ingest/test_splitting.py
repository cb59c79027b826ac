"""Files taken apart: documents of vendors, joined lines, event logs; ids that stay the same."""

from __future__ import annotations

import gzip
import io
import json
import time
import tracemalloc

import pytest

from indelible.base.errors import BadRequest
from indelible.ingest import elements
from indelible.ingest.elements import Message
from indelible.ingest.splitting import messages


def split(data: bytes, parser: str = "auto") -> list[Message]:
    return list(messages(io.BytesIO(data), "file", parser))


ITEMS = [{"id": "1", "a": {"b": ["]", "}"]}}, {"id": "2"}]


@pytest.mark.parametrize(
    "document",
    [
        {"Records": ITEMS},
        {"records": ITEMS},
        {"@odata.context": 'https://x/"$"', "value": ITEMS, "@odata.nextLink": "https://y"},
        {"kind": "admin#reports", "etag": '"x"', "items": ITEMS, "nextPageToken": "A:1"},
    ],
    ids=["cloudtrail", "azure monitor", "graph", "google"],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_vendors_document_is_its_items(document: dict[str, object], indent: int | None) -> None:
    text = json.dumps(document, indent=indent).encode()
    found = split(text)
    assert [json.loads(one.raw) for one in found] == ITEMS
    twice = split(text + b"\n" + text)
    assert [json.loads(one.raw) for one in twice] == ITEMS * 2
    assert len({one.id for one in twice}) == 4
    assert [one.id for one in twice[:2]] == [one.id for one in found]


def test_an_object_with_a_list_among_other_members_is_one_message() -> None:
    text = json.dumps({"user": "ann", "items": ITEMS}).encode()
    assert [one.raw for one in split(text)] == [text]


AUDIT = b"""type=SYSCALL msg=audit(1700000000.1:7): syscall=257 success=yes auid=1000 uid=0
type=USER_LOGIN msg=audit(1700000001.1:8): pid=1 uid=0 auid=1 msg='op=login acct="a" res=success'
type=PATH msg=audit(1700000000.1:7): item=0 name="/etc/passwd" nametype=NORMAL
type=PROCTITLE msg=audit(1700000000.1:7): proctitle="cat"
"""


def test_records_of_one_audit_event_are_one_message_with_the_id_of_the_last() -> None:
    login, read = sorted(split(AUDIT, "auditd"), key=lambda one: len(one.raw))
    assert read.raw.count(b"\n") == 2
    assert (read.line, login.line) == (1, 2)
    packed = split(gzip.compress(AUDIT), "auditd")
    assert {one.id for one in packed} == {read.id, login.id}


def test_continued_lines_of_postgresql_are_one_message() -> None:
    text = (
        b"2026-05-01 10:00:00.000 UTC [7] ann@shop LOG:  statement: select 1,\n"
        b"\t  2\n"
        b"2026-05-01 10:00:01.000 UTC [7] ann@shop LOG:  disconnection: session time: 0:00:01\n"
    )
    first, second = split(text, "postgresql")
    assert first.raw.endswith(b"select 1,\n\t  2")
    assert (first.line, second.line) == (1, 3)


def test_a_binary_event_log_needs_its_library_and_says_which() -> None:
    with pytest.raises(BadRequest) as refused:
        split(b"ElfFile\0" + bytes(200))
    assert "event log" in refused.value.message


@pytest.mark.parametrize("text", [b'{"Records":[', b"[", b'{"value": [ '])
def test_a_document_that_ends_where_its_list_begins_is_told(text: bytes) -> None:
    [one] = split(text)
    assert (one.code, one.line) == ("bad_json", 1)


@pytest.mark.parametrize("line", [
    b"[Sat Nov 28 08:00:00 2026] [auth_basic:error] [client 192.0.2.7:1] AH01617: user root",
    b"[2026-11-28 08:00:00] prod.INFO user ann deleted bob",
    b"[1, 2] and more",
])
def test_a_log_whose_lines_begin_with_a_bracket_is_lines(line: bytes) -> None:
    assert [one.raw for one in split((line + b"\n") * 1_000)] == [line] * 1_000


@pytest.mark.parametrize("first", [b"{", b"{ ", b"{\n\"a\": \"b"])
def test_a_first_line_that_is_a_brace_makes_no_document_of_a_log(first: bytes) -> None:
    found = split(first + b"\n" + b"May 11 22:14:15 web1 su: (to root) ann\n" * 1_000)
    assert len([one for one in found if one.raw.startswith(b"May")]) == 1_000


def record(number: int) -> str:
    return json.dumps({"eventID": str(number), "of": [{"a": 1}, {"a": 2}]})


@pytest.mark.parametrize("indent", [False, True])
@pytest.mark.parametrize("broken", [[0], [3], [3, 4], [99], [0, 50, 99]])
def test_a_broken_element_costs_no_other(broken: list[int], indent: bool) -> None:
    parts = [record(number) for number in range(100)]
    for number in broken:
        parts[number] = parts[number].replace(', "of"', ', "x":} "of"')
    between = ",\n  " if indent else ","
    found = split(('{"Records":[' + between.join(parts) + "]}").encode())
    good = [one for one in found if not one.code]
    assert [json.loads(one.raw)["eventID"] for one in good] == [
        str(number) for number in range(100) if number not in broken
    ]
    assert len({one.id for one in good}) == len(good)
    assert [one.line for one in found if one.code] == [number + 1 for number in broken]


def test_objects_over_several_lines_go_on_behind_a_broken_one() -> None:
    text = json.dumps({"a": 1}, indent=2)
    found = split("\n".join([text, '{\n  "a": }', text]).encode())
    assert [bool(one.code) for one in found] == [False, True, False]


@pytest.mark.parametrize("spread", [None, 1, 2])
def test_nothing_within_a_broken_element_is_an_element(spread: int | None) -> None:
    inner = [{"name": "n1"}, {"name": "FORGED"}]
    whole = [{"name": str(number), "of": inner} for number in range(9)]
    text = json.dumps(whole, indent=spread).replace('"name": "2"', '"name": oops')
    found = split(text.encode())
    assert [json.loads(one.raw)["name"] for one in found if not one.code] == list("01345678")
    assert [one.line for one in found if one.code] == [3]


@pytest.mark.parametrize("rest", ['{"b":2}]', '{"b":2}]\n[{"b":2}]', "[1]]", '{"a":2,"b":2}]'])
def test_what_follows_a_broken_element_may_begin_otherwise(rest: str) -> None:
    found = split(f'[{{"a":1}},{{"a":oops}} , {rest}'.encode())
    assert [bool(one.code) for one in found][:2] == [False, True]
    assert {bytes(one.raw) for one in found[2:] if not one.code} <= {
        b'{"b":2}', b"[1]", b'{"a":2,"b":2}'}


@pytest.mark.parametrize("broken", ["oops", "oops oops", "'x'", "tru"])
def test_a_word_that_is_no_json_costs_nothing_else(broken: str) -> None:
    found = split(f'[{{"a":1}},{broken}, {{"a":2}},{broken}]'.encode())
    assert [bool(one.code) for one in found] == [False, True, False, True]


def test_an_element_that_was_cut_costs_one_other_at_most_where_each_has_a_line() -> None:
    lines = [json.dumps({"a": number, "of": {"b": [1, 2]}}) for number in range(9)]
    lines[3] = lines[3][:-4]
    found = split(("[\n" + ",\n".join(f"  {line}" for line in lines) + "\n]").encode())
    assert [json.loads(one.raw)["a"] for one in found if not one.code] == [0, 1, 2, 4, 5, 6, 7, 8]


def test_a_text_is_no_place_to_go_on() -> None:
    text = json.dumps([{"a": 1}, {"a": 2, "text": '}, {"a": 7}, \\" }]'}, {"a": 3}])
    found = split(text.replace('"a": 2', '"a": oops').encode())
    assert [json.loads(one.raw)["a"] for one in found if not one.code] == [1, 3]


def test_a_broken_element_is_looked_through_without_holding_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(elements, "ELEMENT_BYTES", 1 << 20)
    piece = json.dumps({"b": "x" * 1_000, "c": [1, 2, {"d": 3}]}) + ","
    text = ('[{"a":1},{"a":oops,"of":[' + piece * 40_000).encode()
    tracemalloc.start()
    found = split(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [one.code for one in found] == ["", "bad_json"]
    assert peak < len(text) // 2


def test_an_element_that_nests_deep_is_passed_over_as_one() -> None:
    deep = '{"eventID":' + "[" * 3_000 + "]" * 3_000 + "}"
    found = split(f'{{"Records":[{record(1)},{deep},{record(2)}]}}'.encode())
    assert [len(one.raw) > 1_000 for one in found] == [False, True, False]


@pytest.mark.parametrize("piece", [
    '{"eventID":[', '{"eventID"x,', '{"eventID":"', "{", '{"eventID":1}x', "[" * 2_000 + "x",
])
def test_a_broken_document_takes_time_in_proportion_to_its_size(piece: str) -> None:
    began = time.process_time()
    found = split(("[" + record(1) + "," + (piece + ",") * (4_000_000 // len(piece))).encode())
    assert time.process_time() - began < 20
    assert found[-1].code == "bad_json"
