"""From a parser's word to what is stored: nothing is lost to a parser, an envelope or a size."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from indelible.base.limits import RAW_LEAST_BYTES
from indelible.event.model import Actor, ActorType, Event
from indelible.ingest.parsers.contract import Given, NotUnderstood, Parser, Record, Understood
from indelible.ingest.parsers.finish import CONTENT_BYTES, parse_message

GIVEN = Given(now_us=1_780_272_000_000_000)
MOMENT = datetime(2026, 5, 1, tzinfo=UTC)


def event(**more: Any) -> Event:
    return Event(action="a.b.read", actor=Actor(type=ActorType.USER, id="ann"), **more)


def records(read: Any, **more: Any) -> Parser:
    return Parser("test", "test/1", "a test", record=read, **more)


def content(found: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(found.content)
    return decoded


def test_what_the_envelope_said_is_filled_in_and_the_parser_has_precedence() -> None:
    given = Given(now_us=1, host="web-1", time=MOMENT, flags=("time_assumed",), labels={"a": "1"},
                  data={"syslog": {"msgid": "x"}}, id="envelope")
    plain = parse_message(records(lambda r, g: Understood(event(), {"k": "v"})), b"{}", given)
    said = content(plain)
    assert said["origin"] == {"host": "web-1"}
    assert said["time"] == "2026-05-01T00:00:00Z"
    assert said["data"] == {"syslog": {"msgid": "x"}, "k": "v"}
    assert (plain.flags, plain.id) == (("time_assumed",), "envelope")
    own = parse_message(
        records(lambda r, g: Understood(event(time=MOMENT, id="mine", labels={"a": "2"}))),
        b"{}", given,
    )
    assert (own.flags, own.id, content(own)["labels"]) == ((), "mine", {"a": "2"})


def test_guesses_are_named_and_flagged() -> None:
    found = parse_message(
        records(lambda r, g: Understood(event(), guessed=("actor", "time"))), b"{}", GIVEN
    )
    assert found.flags == ("guessed",)
    assert content(found)["data"] == {"guessed": ["actor", "time"]}


FAULTS = {"key": KeyError("x"), "depth": RecursionError(), "value": ValueError("\ud800")}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_parser_that_fails_costs_no_message(fault: Exception) -> None:
    def fails(record: Record, given: Given) -> Understood:
        raise fault

    found = parse_message(records(fails), b'{"a":1}', GIVEN, message_id="m")
    assert (found.kind, found.id, content(found)["raw"]) == ("unparsed", "m", '{"a":1}')
    assert content(found)["reason"]["code"] == "parser_failed"


def test_a_parsers_fault_is_logged_with_its_place_and_without_the_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(record: Record, given: Given) -> Understood:
        raise LookupError(record["password"])

    parse_message(records(fails), b'{"password":"hunter2"}', GIVEN)
    assert "test_finish.py" in caplog.text
    assert "hunter2" not in caplog.text


def test_an_envelope_that_fails_costs_no_message() -> None:
    def fails(message: str | Record, given: Given) -> tuple[str | Record, Given]:
        raise IndexError

    envelope = Parser("envelope", "envelope/1", "fails", unwrap=fails)
    assert content(parse_message(envelope, b"{}", GIVEN))["reason"]["code"] == "parser_failed"


def test_what_json_cannot_carry_costs_no_message() -> None:
    bad = {"half": "\ud800"}
    read = parse_message(records(lambda r, g: Understood(event(), bad)), b"{}", GIVEN)
    assert content(read)["reason"]["code"] == "bad_value"

    def no(record: Record, given: Given) -> Understood:
        raise NotUnderstood("odd", "why", bad)

    assert content(parse_message(records(no), b"{}", GIVEN))["reason"]["code"] == "odd"


def test_bytes_that_are_no_text_are_kept_in_base64() -> None:
    raw = b"\xff\xfe{}"
    found = parse_message(records(lambda r, g: Understood(event())), raw, GIVEN)
    assert base64.b64decode(content(found)["raw"]) == raw
    assert content(found)["raw_type"] == "application/octet-stream"


def test_fields_that_make_an_event_too_large_are_left_to_the_message() -> None:
    raw = json.dumps({"text": "x" * (CONTENT_BYTES - 5_000)}).encode()
    large = {"copy": "y" * 10_000}
    found = parse_message(records(lambda r, g: Understood(event(), large)), raw, GIVEN)
    assert found.kind == "event"
    assert "left_out" in content(found)["data"]
    assert content(found)["raw"].encode() == raw


BIG = "x" * CONTENT_BYTES


@pytest.mark.parametrize("raw", [
    json.dumps({"who": "ann", "text": BIG}).encode(),
    json.dumps({"who": "ann", "text": "\x01" * CONTENT_BYTES}).encode(),
    b'{"who":"ann","text":"' + b"\\u00e9" * CONTENT_BYTES + b'"}',
    b'{"who":"ann","text":"' + b"\xc3\xa9" * CONTENT_BYTES + b'"}',
])
def test_a_message_that_fits_into_no_event_keeps_who_and_its_beginning(raw: bytes) -> None:
    def read(record: Record, given: Given) -> Understood:
        return Understood(event(), {"who": record["who"], "size": len(record["text"])})

    found = parse_message(records(read), raw, GIVEN)
    said = content(found)
    assert (found.kind, said["data"]["who"]) == ("event", "ann")
    assert said["data"]["size"] == CONTENT_BYTES
    assert said["data"]["raw_bytes"] == len(raw)
    assert said["data"]["raw_sha256"] == hashlib.sha256(raw).hexdigest()
    assert raw.startswith(said["raw"].encode())
    assert len(said["raw"]) > RAW_LEAST_BYTES // 8
    assert CONTENT_BYTES - 4_096 < len(found.content) <= CONTENT_BYTES
    assert (found.flags, found.idempotent) == (("truncated",), raw)


@pytest.mark.parametrize("raw", [
    b'"' * CONTENT_BYTES, b"\xff" * CONTENT_BYTES, b"\x00" * (2 * CONTENT_BYTES),
])
def test_of_a_message_that_nobody_can_read_the_beginning_is_kept_too(raw: bytes) -> None:
    given = Given(now_us=1, host="web-1", time=MOMENT)
    found = parse_message(records(lambda r, g: Understood(event())), raw, given)
    said = content(found)
    assert (found.kind, said["origin"]) == ("unparsed", {"host": "web-1"})
    kept = said["raw"].encode()
    assert raw.startswith(base64.b64decode(kept) if "raw_type" in said else kept)
    assert said["data"]["raw_bytes"] == len(raw)
    assert len(found.content) <= CONTENT_BYTES
    assert "truncated" in found.flags


def test_what_was_taken_from_it_gives_way_where_nothing_else_leaves_room() -> None:
    raw = json.dumps({"text": BIG}).encode()
    large = {"copy": "y" * (CONTENT_BYTES - 10_000)}
    found = parse_message(records(lambda r, g: Understood(event(), large)), raw, GIVEN)
    assert "left_out" in content(found)["data"]
    assert len(content(found)["raw"]) > RAW_LEAST_BYTES


def test_an_object_that_was_cut_off_says_what_came_before() -> None:
    raw = b'{"who":"ann","n":12,"of":{"a":[1,"two"],"text":"pay\\u00e9 an'
    seen: list[Record] = []
    read = records(lambda r, g: seen.append(r) or Understood(event()))
    parse_message(read, raw, GIVEN, flags=("truncated",))
    assert seen == [{"who": "ann", "n": 12, "of": {"a": [1, "two"], "text": "pay\u00e9 an"}}]
    assert parse_message(read, raw, GIVEN).kind == "unparsed"


def test_a_text_for_a_parser_of_objects_says_what_is_wrong() -> None:
    reads = records(lambda r, g: Understood(event()))
    assert content(parse_message(reads, b"plain", GIVEN))["reason"]["code"] == "bad_json"
    assert content(parse_message(reads, b"[1]", GIVEN))["reason"]["code"] == "not_this_format"


def test_what_nests_too_deep_hides_nothing_that_stands_beside_it() -> None:
    raw = b'{"who":"ann","deep":' + b"[" * 5_000 + b"]" * 5_000 + b',"what":"pay"}'
    seen: list[Record] = []
    found = parse_message(records(lambda r, g: seen.append(r) or Understood(event())), raw, GIVEN)
    assert (seen[0]["who"], seen[0]["what"]) == ("ann", "pay")
    assert content(found)["raw"] == raw.decode()
