"""Splunk's HTTP Event Collector: objects one behind the other, lines, and Splunk's own answers."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from indelible.base import limits
from indelible.base.errors import TooLarge
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import parser_named
from indelible.ingest.protocols import hec
from indelible.ingest.protocols.message import Taken, understood

GIVEN = Given(now_us=1_780_000_000_000_000)


def taken(*objects: Any, between: str = "", **said: str) -> Taken:
    text = between.join(one if isinstance(one, str) else json.dumps(one) for one in objects)
    return hec.take_events(text.encode(), GIVEN, said)


@pytest.mark.parametrize("between", ["", "\n", "\r\n\r\n", " ", ",\n"])
def test_objects_stand_one_behind_the_other_whatever_is_between(between: str) -> None:
    found = taken({"event": "a"}, {"event": {"b": 1}}, {"event": 7}, between=between)
    assert [message.inner for message in found.messages] == ["a", {"b": 1}, "7"]
    assert [message.line for message in found.messages] == [1, 2, 3]
    assert not found.refused


def test_each_object_is_kept_byte_by_byte() -> None:
    odd = '{ "event" : "\\u0041\u00e9", "x":[1,  2] }'
    found = taken({"event": "a"}, odd, {"event": "b"})
    assert found.messages[1].raw == odd.encode()


def test_an_event_that_is_json_in_a_text_is_the_record() -> None:
    assert taken({"event": '{"a": 1}'}).messages[0].inner == {"a": 1}


def test_the_envelope_says_host_time_and_kind() -> None:
    (message,) = taken({
        "time": 1772529247.123, "host": "web-1", "source": "/var/log/x", "sourcetype": "x:log",
        "index": "main", "event": "a", "fields": {"zone": "eu", "n": [1, 2], "deep": {"a": 1}},
    }).messages
    assert message.given.host == "web-1"
    assert str(message.given.time) == "2026-03-03 09:14:07.123000+00:00"
    assert message.given.labels == {"sourcetype": "x:log", "index": "main"}
    assert message.given.data["hec"] == {
        "source": "/var/log/x", "sourcetype": "x:log", "index": "main",
        "fields": {"zone": "eu", "n": [1, 2], "deep": '{"a":1}'},
    }


@pytest.mark.parametrize(
    "stamp", ["1772529247.5", 1772529247.5, 1772529247500, "1772529247500", "1772529247500000"]
)
def test_a_time_is_seconds_or_a_smaller_unit_that_can_be_none_else(stamp: Any) -> None:
    (message,) = taken({"time": stamp, "event": "a"}).messages
    assert str(message.given.time) == "2026-03-03 09:14:07.500000+00:00"


@pytest.mark.parametrize("stamp", ["yesterday", "", -1, True, {}, [1], "1e5", 10**40])
def test_a_time_that_is_none_is_left_out(stamp: Any) -> None:
    (message,) = taken({"time": stamp, "event": "a"}).messages
    assert not hasattr(message.given.time, "year")


def test_parameters_stand_for_what_an_event_lacks() -> None:
    found = taken({"event": "a"}, {"event": "b", "host": "own"}, host="asked", sourcetype="s")
    assert [message.given.host for message in found.messages] == ["asked", "own"]
    assert found.messages[0].given.labels == {"sourcetype": "s"}


def test_a_bad_event_costs_neither_those_before_nor_those_behind() -> None:
    found = taken({"event": "a"}, {"fields": {}}, {"event": " "}, "7", {"event": None},
                  {"event": "z"})
    assert [message.line for message in found.messages] == [1, 6]
    assert [(one.line, one.code) for one in found.refused] == [
        (2, "missing_field"), (3, "empty"), (4, "wrong_type"), (5, "missing_field")]


def test_behind_a_broken_object_reading_goes_on_with_the_next_line() -> None:
    found = taken({"event": "a"}, '{"event": "b"', {"event": "c"}, "nonsense}", {"event": "d"},
                  between="\n")
    assert found.messages[0].inner == "a"
    assert found.messages[-1].inner == "d"
    assert {one.code for one in found.refused} == {"bad_json"}


def test_the_answer_names_the_first_event_refused_as_splunk_does() -> None:
    found = taken({"event": "a"}, {"event": ""}, {"no": 1})
    answer, more = hec.outcome(len(found.messages), found.refused)
    assert answer == (13, "Event field cannot be blank", 400)
    assert more["invalid-event-number"] == 1
    assert (more["accepted"], more["refused"]) == (1, 2)
    assert hec.outcome(0, [])[0] is hec.NO_DATA
    assert hec.outcome(3, [])[0] is hec.SUCCESS
    assert hec.outcome(0, taken("{").refused)[0] is hec.INVALID_DATA


def test_raw_data_is_lines() -> None:
    found = hec.take_lines(b"one\r\n\n  \ntwo \xff\n", GIVEN, {"host": "h", "time": "1772529247"})
    assert [message.raw for message in found.messages] == [b"one", b"two \xff"]
    assert {message.given.host for message in found.messages} == {"h"}
    assert str(found.messages[0].given.time) == "2026-03-03 09:14:07+00:00"


def test_no_more_events_than_a_request_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hec, "REQUEST_EVENTS", 2)
    taken({"event": "a"}, {"event": "b"})
    for text in (b'{"event":"a"}' * 3, b"{" * 3 + b"\n{\n{"):
        with pytest.raises(TooLarge):
            hec.take_events(text, GIVEN, {})
    with pytest.raises(TooLarge):
        hec.take_lines(b"a\nb\nc", GIVEN, {})


def test_a_field_nested_without_end_is_taken_or_refused_and_nothing_else() -> None:
    for depth in (100, 900, 5_000, 200_000):
        text = b'{"event":"a","fields":{"x":' + b"[" * depth + b"]" * depth + b"}}"
        found = hec.take_events(text, GIVEN, {})
        understood(found, parser_named("cloudtrail"))
        assert len(found.messages) + len(found.refused) >= 1


def test_what_is_read_in_vain_is_bounded_and_costs_no_event_on_a_line_of_its_own() -> None:
    large = b'{"event":"' + b"x" * (15 << 20) + b'"}\n'
    began = time.process_time()
    found = hec.take_events(large + b"{\n" * 60_000 + b'{"event":"last"}', GIVEN, {})
    assert time.process_time() - began < 10
    assert (len(found.messages), len(found.refused)) == (2, 60_000)
    assert found.messages[1].inner == "last"


def test_an_object_over_several_lines_is_taken_behind_broken_ones() -> None:
    found = hec.take_events(b"{\n" * 1_000 + b'{"event":\n"a"}', GIVEN, {})
    assert [message.inner for message in found.messages] == ["a"]


def test_of_an_event_too_large_the_beginning_is_kept() -> None:
    found = taken({"event": "x" * limits.BODY_BYTES}, {"event": "b"})
    events, refused = understood(found, parser_named("cloudtrail"))
    assert [(one.line, "truncated" in one.flags) for one in events] == [(1, True), (2, False)]
    assert not refused


@pytest.mark.parametrize("seed", range(3))
def test_hostile_bytes_are_messages_or_refusals_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    good = b'{"event":{"a":1},"time":1.5,"fields":{"b":[1]}}\n{"event":"x","host":"h"} {"event":1}'
    for _ in range(2_000):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 5)):
            at = rng.randrange(len(data))
            if rng.random() < 0.5:
                data[at] = rng.randrange(256)
            else:
                data[at : at + rng.randrange(9)] = rng.randbytes(rng.randrange(4))
        found = hec.take_events(bytes(data), GIVEN, {})
        events, _ = understood(found, parser_named("cloudtrail"))
        assert len(events) == len(found.messages)
        assert len(found.messages) + len(found.refused) > 0


def test_what_nests_too_deep_hides_nothing_beside_it() -> None:
    deep = '{"event":{"user":"ann","a":' + "[" * 1_500 + '"]{"' + "]" * 1_500 + ',"b":1}}'
    for between in ("", "\n"):
        found = taken({"event": "a"}, deep, {"event": "b"}, deep, {"event": "c"}, between=between)
        assert not found.refused
        assert [message.inner for message in found.messages][::2] == ["a", "b", "c"]
        for message in found.messages[1::2]:
            assert isinstance(message.inner, dict)
            assert (message.inner["user"], message.inner["b"]) == ("ann", 1)
            assert message.raw == deep.encode()


def test_an_event_that_nests_deep_for_too_long_is_refused_alone() -> None:
    deep = '{"event":' + "[" * 3_000_000 + "]" * 3_000_000 + "}"
    found = taken({"event": "a"}, deep, {"event": "c"}, between="\n")
    assert [message.inner for message in found.messages] == ["a", "c"]
    assert [one.line for one in found.refused] == [2]
