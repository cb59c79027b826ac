"""From a parser's word to what is stored: nothing is lost to a parser, an envelope or a size."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from indelible.base.errors import InvalidEvent
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


def test_a_message_that_does_not_fit_into_an_event_is_refused() -> None:
    with pytest.raises(InvalidEvent) as refused:
        parse_message(
            records(lambda r, g: Understood(event())), b'"' * (CONTENT_BYTES // 2 + 9), GIVEN
        )
    assert refused.value.code == "too_large"


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
