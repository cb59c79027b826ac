"""Half of a surrogate pair in one event: no neighbour is lost, and the event itself is read.

JavaScript writes one for a string that was cut in the middle of a character, and anybody can choose
such a name: no strict decoder reads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from indelible.ingest.protocols import hec, kubernetes_webhook, loki, otlp, pull_items
from indelible.ingest.protocols.message import Taken
from support.parsing import GIVEN, parse_file, parse_one

HALF = b'{"user":"eve\\ud83d","action":"login","time":"2026-03-03T09:14:07Z"}'
NEXT = b'{"user":"bob","action":"login","time":"2026-03-03T09:14:07Z"}'
RECORD = b'{"body":{"stringValue":"%b"}}'
TAKES: dict[str, Callable[[], Taken]] = {
    "hec": lambda: hec.take_events(b'{"event":%b}{"event":%b}' % (HALF, NEXT), GIVEN, {}),
    "kubernetes": lambda: kubernetes_webhook.take(
        b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[%b,%b]}' % (HALF, NEXT),
        GIVEN),
    "loki": lambda: loki.take(
        b'{"streams":[{"stream":{},"values":[["1","eve\\ud83d"],["2","bob"]]}]}', GIVEN),
    "otlp": lambda: otlp.take(
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[%b,%b]}]}]}' % (
            RECORD % b"eve\\ud83d", RECORD % b"bob"), otlp.JSON, GIVEN),
}


@pytest.mark.parametrize("name", TAKES)
def test_a_request_with_half_a_character_is_taken_whole(name: str) -> None:
    taken = TAKES[name]()
    assert (len(taken.messages), taken.refused) == (2, [])
    assert b"bob" in taken.messages[1].raw


def test_a_page_with_half_a_character_stops_no_pull() -> None:
    page = b'{"events":[%b,%b],"next":"c7"}' % (HALF, NEXT)
    raws = pull_items.raws_of(page, "events")
    assert raws is not None
    assert [json.loads(raw)["user"] for raw in raws] == ["eve\ufffd", "bob"]
    assert pull_items.text_of(page, "next") == "c7"
    assert pull_items.raws_of(b"[%b]" % NEXT, "") == [NEXT], "what can be read stays as it is"


def test_a_message_is_read_with_a_mark_in_its_place_and_kept_as_it_came() -> None:
    found = json.loads(parse_one("json", HALF).content)
    assert found["actor"]["id"] == "eve\ufffd"
    assert found["raw"] == HALF.decode()
    accepted, refused = parse_file("json", b"[%b,%b]" % (HALF, NEXT))
    assert ([one.kind for one in accepted], refused) == (["event", "event"], [])


def test_what_is_broken_otherwise_is_still_no_json() -> None:
    assert parse_one("json", HALF[:-1]).kind == "unparsed"
    with pytest.raises(pull_items.NotAnswer):
        pull_items.raws_of(b"[%b" % HALF, "")
