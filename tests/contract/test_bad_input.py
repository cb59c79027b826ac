"""Bad input at the parser: refused or kept, with line, field, code and reason; neighbours unharmed.

One table of lines that must be refused. Each is tried alone, between two good lines, and in an
array between two good elements, so that every row also proves that its neighbours are kept.
"""

from __future__ import annotations

import json
import time
import tracemalloc

import msgspec
import pytest

from indelible.base import limits
from indelible.ingest.parsed import Rejected
from indelible.ingest.parsers.native import parse_native
from support.parsing import parse_file

GOOD = (
    b'{"action":"a.read","actor":{"type":"user","id":"x"},"targets":[{"type":"t","id":"i"}]}'
)


def event(extra: bytes) -> bytes:
    """A good event with one more member."""
    return GOOD[:-1] + b"," + extra + b"}"


DEEP = 100_000
LONG = b"x" * (limits.NAME_CHARS + 1)
NO_TARGET = b'{"action":"a.read","actor":{"type":"user","id":"x"}'
SYNTAX: list[tuple[str, bytes, str, str]] = [
    # what it is, the line, the field named, the code
    ("truncated in a text", b'{"action":"a.re', "action", "bad_json"),
    ("truncated after a comma", GOOD[:-1] + b",", "targets", "bad_json"),
    ("truncated in a list", GOOD[:-2], "targets", "bad_json"),
    ("not JSON", b"hello", "", "bad_json"),
    ("single quotes", b"{'action':'a.b'}", "", "bad_json"),
    ("a comma too many", GOOD[:-1] + b",}", "targets", "bad_json"),
    ("two objects", GOOD + GOOD, "", "bad_json"),
    ("a raw control character", event(b'"id":"a\x01b"'), "id", "bad_json"),
    ("a raw tab in a text", event(b'"data":"a\tb"'), "data", "bad_json"),
    ("a bad escape", event(b'"data":"\\x41"'), "data", "bad_json"),
    ("NaN", event(b'"data":NaN'), "data", "bad_number"),
    ("NaN inside", event(b'"data":{"a":[1,NaN]}'), "data", "bad_number"),
    ("Infinity", event(b'"data":-Infinity'), "data", "bad_number"),
    ("a leading zero", event(b'"data":01'), "data", "bad_json"),
    ("nested without end", b'{"a":' * DEEP, "a", "unknown_field"),
    ("lists without end", event(b'"data":' + b"[" * DEEP), "data", "too_deep"),
]
CONTENT: list[tuple[str, bytes, str, str]] = [
    ("a text", b'"hello"', "", "wrong_type"),
    ("a number", b"12", "", "wrong_type"),
    ("null", b"null", "", "wrong_type"),
    ("an empty object", b"{}", "action", "missing_field"),
    ("no actor", b'{"action":"a.read"}', "actor", "missing_field"),
    ("no id of the actor", b'{"action":"a.read","actor":{"type":"user"}}', "actor.id",
     "missing_field"),
    ("no target", NO_TARGET + b"}", "targets", "missing_field"),
    ("no targets in the list", NO_TARGET + b',"targets":[]}', "targets", "missing_field"),
    ("a target without id", NO_TARGET + b',"target":{"type":"t"}}', "target.id", "missing_field"),
    ("an empty id of a target", NO_TARGET + b',"target":{"type":"t","id":""}}', "targets[0].id",
     "empty"),
    ("an empty actor", b'{"action":"a.login","actor":{"type":"user","id":""}}', "actor.id",
     "empty"),
    ("an empty id", event(b'"id":""'), "id", "empty"),
    ("an empty tenant", event(b'"tenant":""'), "tenant", "empty"),
    ("an empty label", event(b'"labels":{"":"x"}'), "labels", "empty"),
    ("an empty subject", event(b'"subjects":[""]'), "subjects", "empty"),
    ("an empty path", event(b'"changes":[{"path":""}]'), "changes[0].path", "empty"),
    ("an action in capitals", GOOD.replace(b"a.read", b"A.Read"), "action", "bad_action"),
    ("an action without a dot", GOOD.replace(b"a.read", b"read"), "action", "bad_action"),
    ("an action ending in a dot", GOOD.replace(b"a.read", b"a."), "action", "bad_action"),
    ("an action with a line end", GOOD.replace(b"a.read", b"a.read\\n"), "action", "bad_action"),
    ("a long action", GOOD.replace(b"a.read", b"a." + b"b" * limits.ACTION_CHARS), "action",
     "too_long"),
    ("a number for a text", event(b'"id":5'), "id", "wrong_type"),
    ("a text for an object", event(b'"origin":"web"'), "origin", "wrong_type"),
    ("null for a member", event(b'"reason":null'), "reason", "wrong_type"),
    ("a text for a list", event(b'"subjects":"p1"'), "subjects", "wrong_type"),
    ("a number in a label", event(b'"labels":{"a":1}'), "labels", "wrong_type"),
    ("an unknown actor type", GOOD.replace(b'"user"', b'"usr"'), "actor.type", "bad_value"),
    ("an unknown outcome", event(b'"outcome":"ok"'), "outcome", "bad_value"),
    ("an unknown change", event(b'"changes":[{"path":"a","op":"x"}]'), "changes[0].op",
     "bad_value"),
    ("an unknown member", event(b'"tiem":"2026-01-01T00:00:00Z"'), "tiem", "unknown_field"),
    ("an unknown member of a part", event(b'"origin":{"adress":"x"}'), "origin.adress",
     "unknown_field"),
    ("kind", event(b'"kind":"event"'), "kind", "reserved_field"),
    ("received", event(b'"received":"2026-01-01T00:00:00Z"'), "received", "reserved_field"),
    ("via", event(b'"via":{}'), "via", "reserved_field"),
    ("flags", event(b'"flags":[]'), "flags", "reserved_field"),
    ("retention", event(b'"retention":3'), "retention", "reserved_field"),
    ("conflict", event(b'"conflict":3'), "conflict", "reserved_field"),
    ("raw", event(b'"raw":"x"'), "raw", "reserved_field"),
    ("the ledger's tenant", event(b'"tenant":"indelible"'), "tenant", "reserved_field"),
    ("a tenant that begins so", event(b'"tenant":"Indelible-2"'), "tenant", "reserved_field"),
    ("a tenant that reads so", event(b'"tenant":"\\uff29ndelib\\u200ble"'), "tenant",
     "reserved_field"),
    ("a member twice", event(b'"id":"a","id":"b"'), "id", "duplicate_key"),
    ("a member twice, the same", event(b'"id":"a","id":"a"'), "id", "duplicate_key"),
    ("a member twice, spaced", b'{"id" : "a" ,' + event(b'"id":"b"')[1:], "id", "duplicate_key"),
    ("a member twice, escaped", event(b'"id":"a","\\u0069d":"b"'), "id", "duplicate_key"),
    ("a twin made up for", event(b'"labels":{"a\\u0022:":"","b":"","b":""}'), "labels",
     "duplicate_key"),
    ("a twin beside a short time", event(b'"time":"2026-01-01T00:00:00.1Z","labels":{"a":"",'
                                         b'"a":""}'), "labels", "duplicate_key"),
    ("a twin in a part", event(b'"origin":{"host":"a","host":"b"}'), "origin", "duplicate_key"),
    ("a twin in data", event(b'"data":{"a":{"b":1,"b":2}}'), "data", "duplicate_key"),
    ("a twin in a change", event(b'"changes":[{"path":"p","after":{"b":1,"b":2}}]'),
     "changes[0].after", "duplicate_key"),
    ("half a surrogate pair", event(b'"id":"\\ud800"'), "id", "lone_surrogate"),
    ("half a surrogate pair in data", event(b'"data":["\\udc00"]'), "data", "lone_surrogate"),
    ("bytes that are not UTF-8", event(b'"id":"\xff"'), "id", "bad_utf8"),
    ("bytes that are not UTF-8 in data", event(b'"data":"\xff"'), "data", "bad_utf8"),
    ("a surrogate in UTF-8", event(b'"data":"\xed\xa0\x80"'), "data", "bad_utf8"),
    ("1e400", event(b'"data":1e400'), "data", "bad_number"),
    ("-1e400 in a change", event(b'"changes":[{"path":"p","before":-1e400}]'),
     "changes[0].before", "bad_number"),
    ("data too deep", event(b'"data":' + b"[" * 33 + b"]" * 33), "data", "too_deep"),
    ("data far too deep", event(b'"data":' + b"[" * DEEP + b"]" * DEEP), "data", "too_deep"),
    ("actors behind actors without end",
     b'{"action":"a.login","actor":' + b'{"type":"user","id":"x","on_behalf_of":[' * 500
     + b"]}" * 500 + b"}", "actor", "too_deep"),
    ("too many actors behind", b'{"action":"a.login","actor":{"type":"user","id":"x",'
     b'"on_behalf_of":[' + b'{"type":"user","id":"y"},' * limits.DELEGATION
     + b'{"type":"user","id":"z"}]}}', "actor.on_behalf_of", "too_many"),
    ("a time without offset", event(b'"time":"2026-01-01T00:00:00"'), "time", "bad_time"),
    ("a time that is none", event(b'"time":"yesterday"'), "time", "bad_time"),
    ("a date", event(b'"time":"2026-01-01"'), "time", "bad_time"),
    ("the 30th of February", event(b'"time":"2026-02-30T00:00:00Z"'), "time", "bad_time"),
    ("a time before 1970", event(b'"time":"1969-12-31T23:59:59Z"'), "time", "bad_time"),
    ("a time after 9999", event(b'"time":"9999-12-31T23:59:59-05:00"'), "time", "bad_time"),
    ("a time as a number", event(b'"time":1767225600'), "time", "wrong_type"),
    ("an observed time without offset", event(b'"observed":"2026-01-01T00:00:00"'), "observed",
     "bad_time"),
    ("a host for an ip", event(b'"origin":{"ip":"web-1"}'), "origin.ip", "bad_ip"),
    ("a block for an ip", event(b'"origin":{"ip":"10.0.0.0/8"}'), "origin.ip", "bad_ip"),
    ("an ip with a leading zero", event(b'"origin":{"ip":"10.0.0.01"}'), "origin.ip", "bad_ip"),
    ("an ip with a line end", event(b'"origin":{"ip":"10.0.0.1\\n"}'), "origin.ip", "bad_ip"),
    ("an ip and a port", event(b'"origin":{"ip":"10.0.0.1:80"}'), "origin.ip", "bad_ip"),
    ("a long id", event(b'"id":"' + LONG + b'"'), "id", "too_long"),
    ("a long label", event(b'"labels":{"' + LONG + b'":""}'), "labels", "too_long"),
    ("a long actor behind", b'{"action":"a.login","actor":{"type":"agent","id":"x",'
     b'"on_behalf_of":[{"type":"user","id":"' + LONG + b'"}]}}', "actor.on_behalf_of[0].id",
     "too_long"),
    ("too many targets", NO_TARGET + b',"targets":[' + b'{"type":"t","id":"i"},' * limits.TARGETS
     + b'{"type":"t","id":"i"}]}', "targets", "too_many"),
    ("too many changes", event(b'"changes":[' + b'{"path":"p"},' * limits.CHANGES
                               + b'{"path":"p"}]'), "changes", "too_many"),
    ("too many labels", event(b'"labels":{' + b",".join(
        b'"l%d":""' % n for n in range(limits.LABELS + 1)) + b"}"), "labels", "too_many"),
    ("too many subjects", event(b'"subjects":[' + b'"p",' * limits.SUBJECTS + b'"p"]'),
     "subjects", "too_many"),
    ("sequence zero", event(b'"source":{"seq":0}'), "source.seq", "bad_value"),
    ("a sequence too great", event(b'"source":{"seq":18446744073709551616}'), "source.seq",
     "bad_value"),
    ("a boot without sequence", event(b'"source":{"boot":"b"}'), "source.seq", "missing_field"),
    ("a field of 1.5 MB", event(b'"data":"' + b"x" * 1_500_000 + b'"'), "data", "too_large"),
    ("a field of 10 MB", event(b'"data":"' + b"x" * 10_000_000 + b'"'), "data", "too_large"),
]


def check(refused: list[Rejected], line: int, field: str, code: str) -> None:
    assert [(one.line, one.field, one.code) for one in refused] == [(line, field, code)]
    assert refused[0].reason


@pytest.mark.parametrize(
    ("bad", "field", "code"), [row[1:] for row in SYNTAX + CONTENT],
    ids=[row[0] for row in SYNTAX + CONTENT],
)
def test_a_bad_line_is_named_and_its_neighbours_are_kept(
    bad: bytes, field: str, code: str
) -> None:
    for end in (b"\n", b"\r\n"):
        accepted, refused = parse_native(end.join([GOOD, bad, GOOD, b""]))
        assert [parsed.line for parsed in accepted] == [1, 3]
        check(refused, 2, field, code)
    accepted, refused = parse_native(bad)
    assert not accepted
    check(refused, 1, field, code)


def is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


ELEMENTS = [row for row in CONTENT if is_json(row[1])]


@pytest.mark.parametrize(
    ("bad", "field", "code"), [row[1:] for row in ELEMENTS], ids=[row[0] for row in ELEMENTS]
)
def test_a_bad_element_is_named_and_its_neighbours_are_kept(
    bad: bytes, field: str, code: str
) -> None:
    accepted, refused = parse_native(b"[" + b",".join([GOOD, bad, GOOD]) + b"]")
    assert [parsed.line for parsed in accepted] == [1, 3]
    check(refused, 2, field, code)


@pytest.mark.parametrize("bad", [row[1] for row in SYNTAX + CONTENT if not is_json(row[1])])
def test_an_element_that_is_no_json_breaks_its_array_and_is_told(bad: bytes) -> None:
    accepted, refused = parse_native(b"[" + b",".join([GOOD, bad, GOOD]) + b"]")
    assert not accepted
    assert len(refused) == 1
    assert "nothing of this array was kept" in refused[0].reason


def test_a_broken_array_is_refused_as_a_whole_with_one_reason() -> None:
    for text in (b"[" + GOOD + b",", b"[" + GOOD + b"\n" + GOOD + b"]", b"[{]"):
        accepted, refused = parse_native(text)
        assert not accepted
        check(refused, 1, refused[0].field, "bad_json")
        assert "nothing of this array was kept" in refused[0].reason


def test_a_line_that_only_looks_like_an_array_costs_nobody() -> None:
    accepted, refused = parse_native(b"[1,2\n" + GOOD + b"\n" + GOOD)
    assert [parsed.line for parsed in accepted] == [2, 3]
    check(refused, 1, "", "wrong_type")
    accepted, refused = parse_native(b"[" + GOOD + b"]\n" + GOOD)
    assert [parsed.line for parsed in accepted] == [2]
    check(refused, 1, "", "wrong_type")


def test_a_truncated_pretty_object_costs_only_its_own_lines() -> None:
    pretty = json.dumps(json.loads(GOOD), indent=1).encode()
    accepted, refused = parse_native(pretty[:-20] + b"\n" + GOOD + b"\n" + pretty)
    assert len(accepted) == 2
    assert refused[0].code == "bad_json"
    assert max(one.line for one in refused) < accepted[0].line


@pytest.mark.parametrize("body", [b"", b"\n\r\n", b"   ", b"[]", b" [ ] "])
def test_a_request_without_events_says_so(body: bytes) -> None:
    accepted, refused = parse_native(body)
    assert not accepted
    check(refused, 1, "", "empty")


def test_a_byte_order_mark_is_refused_with_its_reason() -> None:
    bom = b"\xef\xbb\xbf"
    accepted, refused = parse_native(bom + GOOD + b"\n" + GOOD)
    assert [parsed.line for parsed in accepted] == [2]
    check(refused, 1, "", "byte_order_mark")
    pretty = json.dumps(json.loads(GOOD), indent=1).encode()
    accepted, refused = parse_native(bom + pretty + b"\n" + GOOD)
    assert len(accepted) == 1
    check(refused, 1, "", "byte_order_mark")
    accepted, refused = parse_native(bom + b"[" + GOOD + b"]")
    assert not accepted
    check(refused, 1, "", "byte_order_mark")
    accepted, refused = parse_native("\ufeff{}".encode("utf-16"))
    assert not accepted
    assert refused


@pytest.mark.parametrize("line", [b"{", b'{"a":', b'{"a":[', b'{"a":"', b'{"a":1,'])
def test_openings_that_never_close_take_no_quadratic_time(line: bytes) -> None:
    began = time.process_time()
    accepted, refused = parse_native(b"\n".join([line] * limits.REQUEST_EVENTS))
    assert time.process_time() - began < 10
    assert not accepted
    assert len(refused) == limits.REQUEST_EVENTS


def test_a_large_bad_request_takes_little_memory_beyond_itself() -> None:
    body = event(b'"data":"' + b"x" * 10_000_000 + b'"')
    tracemalloc.start()
    parse_native(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * len(body)


def test_reasons_suggest_the_member_that_was_meant() -> None:
    _, refused = parse_native(event(b'"tiem":"x"'))
    assert "did you mean time?" in refused[0].reason
    _, refused = parse_native(GOOD.replace(b'"id":"x"', b'"id":"x","nmae":"y"'))
    assert "did you mean actor.name?" in refused[0].reason
    _, refused = parse_native(event(b'"zzzzzz":1'))
    assert "data" in refused[0].reason


FOREIGN = [
    b"not json", b"{", b"[1", b'{"a":1}', b'{"eventSource":"s3.amazonaws.com"}', b"12", b'"x"',
    b'{"eventSource":"s3.amazonaws.com","eventName":"GetObject"}',
    b'{"eventSource":1,"eventName":[],"userIdentity":"x"}', b"\xff\xfe", b'{"x":"\\ud800"}',
    b'{"x":NaN}', b'{"a":' * 5000,
]


@pytest.mark.parametrize("bad", FOREIGN)
def test_a_foreign_message_that_cannot_be_read_is_kept_with_its_text(bad: bytes) -> None:
    good = (b'{"eventID":"1","eventSource":"s3.amazonaws.com","eventName":"GetObject",'
            b'"userIdentity":{"type":"IAMUser","userName":"u"}}')
    accepted, refused = parse_file("cloudtrail", b"\n".join([good, bad, good]))
    assert not refused
    assert [parsed.kind for parsed in accepted] == ["event", "unparsed", "event"]
    assert [parsed.line for parsed in accepted] == [1, 2, 3]
    kept = accepted[1]
    assert kept.idempotent == bad
    content = json.loads(kept.content)
    assert content["reason"]["code"]
    assert content["reason"]["text"]
    if "raw_type" not in content:
        assert content["raw"].encode() == bad
