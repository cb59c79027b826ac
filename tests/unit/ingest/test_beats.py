"""Shippers' documents: which are envelopes, what they say of a line, and no crash."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from indelible.ingest.parsers.beats import PARSER, unwrap
from indelible.ingest.parsers.contract import Given, NotUnderstood
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import AUTO, recognised
from support.labelled import FOLDER

GIVEN = Given(now_us=1_780_000_000_000_000)
STAMP = "2024-05-04T10:15:01Z"
LINE = {"@timestamp": STAMP, "message": "hello", "ecs": {"version": "8.0.0"}}


def recognise(**more: Any) -> bool:
    return bool(PARSER.recognise({**LINE, **more}, GIVEN))


def test_a_document_with_a_line_and_a_shippers_member_is_one() -> None:
    assert recognise()
    assert PARSER.recognise({"@timestamp": STAMP, "message": "x", "log": {}}, GIVEN)
    assert not PARSER.recognise({"@timestamp": STAMP, "message": "x"}, GIVEN)
    assert not PARSER.recognise({"@timestamp": STAMP, "message": "x", "log": "y"}, GIVEN)
    assert not PARSER.recognise({"message": "x", "agent": {}}, GIVEN)
    assert not PARSER.recognise({"@timestamp": 5, "message": "x", "agent": {}}, GIVEN)


def test_winlogbeats_documents_are_not_claimed() -> None:
    assert not recognise(winlog={})
    assert not recognise(winlog={}, event={"original": "<Event/>"})


def test_a_document_that_is_the_event_is_claimed_only_with_a_known_original() -> None:
    assert not recognise(event={"action": "login"})
    assert not recognise(event={"action": "login", "original": "user=ann action=login"})
    known = json.dumps({"eventSource": "iam.amazonaws.com", "eventName": "x", "eventVersion": "1"})
    assert recognise(event={"action": "login", "original": known})


def test_the_original_goes_before_the_message() -> None:
    message, _ = unwrap({**LINE, "event": {"original": '{"a": 1}'}}, GIVEN)
    assert message == {"a": 1}
    assert unwrap({**LINE, "event": {"original": ""}}, GIVEN)[0] == "hello"


def test_a_document_without_a_line_says_so() -> None:
    for record in ({}, {"message": ""}, {"message": 7}, {"json": {}}, {"event": {"original": 1}}):
        with pytest.raises(NotUnderstood) as no:
            unwrap(record, GIVEN)
        assert no.value.code == "missing_field"
    with pytest.raises(NotUnderstood):
        unwrap("a text", GIVEN)


def test_what_was_known_before_stays_where_the_document_says_nothing() -> None:
    before = Given(now_us=1, host="h", program="p", labels={"a": "b"}, data={"hec": {}})
    _, given = unwrap({"message": "x"}, before)
    assert (given.host, given.program, given.labels, given.data) == ("h", "p", {"a": "b"},
                                                                     {"hec": {}})


@pytest.mark.parametrize("kind", ["aws-s3", "httpjson", "udp", "tcp", "kafka", "gcp-pubsub", "cel"])
def test_the_machine_that_fetched_a_line_is_not_where_it_was_written(kind: str) -> None:
    record = {**LINE, "host": {"name": "collector"}, "agent": {"hostname": "collector"}}
    assert unwrap({**record, "input": {"type": kind}}, GIVEN)[1].host == ""
    assert unwrap({**record, "input": {"type": "filestream"}}, GIVEN)[1].host == "collector"
    assert unwrap(record, GIVEN)[1].host == "collector"


def test_a_document_in_a_document_is_opened_too() -> None:
    inner = {"@timestamp": STAMP, "agent": {"type": "filebeat"},
             "message": json.dumps({"eventSource": "a.amazonaws.com", "eventName": "ListX",
                                    "eventVersion": "1", "userIdentity": {"userName": "ann"}})}
    outer = {**LINE, "message": json.dumps(inner)}
    event = parse_message(AUTO, json.dumps(outer).encode(), GIVEN)
    assert json.loads(event.content)["actor"]["id"] == "ann"


def _mutated(value: Any, rng: random.Random) -> Any:
    kind = rng.randrange(8)
    if kind < 4 and isinstance(value, dict) and value:
        name = rng.choice(list(value))
        if kind == 0:
            return {other: one for other, one in value.items() if other != name}
        return {**value, name: _mutated(value[name], rng)}
    odd = [None, True, -1, 10**30, 1.5, "", "-", "x" * 3_000, "\u0000", [], [[]], {}, {"": {}}]
    return rng.choice(odd)


def test_hostile_documents_are_understood_or_not_and_nothing_else() -> None:
    rng = random.Random(5)
    labels = [one["message"] for one in json.loads((FOLDER / "beats.json").read_text("utf-8"))]
    for _ in range(3_000):
        record = rng.choice(labels)
        for _ in range(rng.randrange(1, 5)):
            record = _mutated(record, rng)
        if not isinstance(record, dict):
            continue
        PARSER.recognise(record, GIVEN)
        for parser in (PARSER, AUTO):
            event = parse_message(parser, json.dumps(record).encode(), GIVEN)
            reason = json.loads(event.content).get("reason", {})
            assert reason.get("code") != "parser_failed", record


def test_originals_nested_in_originals_end() -> None:
    text: Any = "x"
    for _ in range(14):
        record = {"@timestamp": STAMP, "agent": {}, "event": {"action": "a", "original": text}}
        text = json.dumps(record)
    began = time.perf_counter()
    recognised(json.loads(text), GIVEN)
    assert time.perf_counter() - began < 5
