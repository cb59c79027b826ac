"""Elasticsearch's bulk requests: every document one message, every action one answer."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from indelible.base import limits
from indelible.base.errors import Busy, TooLarge
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import parser_named
from indelible.ingest.protocols import elasticsearch as es
from indelible.ingest.protocols.message import understood
from indelible.ingest.submission import SubmitResult

GIVEN = Given(now_us=1_780_000_000_000_000)
CLOUDTRAIL = parser_named("cloudtrail")


def bulk(*lines: Any, index: str = "", end: str = "\n") -> es.Bulk:
    text = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines) + end
    return es.take_bulk(text.encode(), index, GIVEN)


def answered(found: es.Bulk, result: SubmitResult | None = None) -> dict[str, Any]:
    events, refused = understood(found.taken, CLOUDTRAIL)
    result = result or SubmitResult(indexes=range(100, 100 + len(events)))
    answer: dict[str, Any] = json.loads(es.bulk_answer(found, events, refused, result, 3))
    return answer


def test_a_document_is_kept_as_it_stands_on_its_line() -> None:
    document = '{"b":  1,"a":"\\u00e9"}'
    found = bulk({"index": {"_index": "logs", "_id": "7"}}, document + "\r")
    (message,) = found.taken.messages
    assert message.raw == document.encode()
    assert message.id == "logs/7"
    assert message.given.labels == {"index": "logs"}


def test_an_id_is_of_its_index_and_none_stays_none() -> None:
    found = bulk({"create": {"_index": "a"}}, {}, {"create": {"_id": 5}}, {}, index="b")
    assert [message.id for message in found.taken.messages] == ["", "b/5"]
    assert [item.into for item in found.items] == ["a", "b"]


def test_two_indexes_make_no_common_id() -> None:
    actions = [("a/b", "c"), ("a", "b/c"), ("a%2Fb", "c")]
    lines = [json.dumps({"create": {"_index": into, "_id": ident}}) for into, ident in actions]
    found = es.take_bulk("".join(f"{one}\n{{}}\n" for one in lines).encode(), "", GIVEN)
    assert len({message.id for message in found.taken.messages}) == 3


def test_the_last_line_needs_no_end_and_blank_lines_are_none() -> None:
    found = bulk({"index": {}}, {"n": 1}, "", {"index": {}}, {"n": 2}, end="")
    assert [message.raw for message in found.taken.messages] == [b'{"n": 1}', b'{"n": 2}']


def test_each_action_is_answered_in_its_place() -> None:
    found = bulk(
        {"create": {"_index": "x", "_id": "1"}}, {"n": 1},
        {"delete": {"_index": "x", "_id": "1"}},
        {"update": {"_index": "x", "_id": "1"}}, {"doc": {"n": 2}},
        {"index": {"_index": "x"}}, {"n": 3},
    )
    answer = answered(found)
    assert answer["errors"] is True
    assert answer["took"] == 3
    assert [(verb, item["status"]) for one in answer["items"] for verb, item in one.items()] == [
        ("create", 201), ("delete", 400), ("update", 400), ("index", 201)]
    assert answer["items"][3]["index"]["_id"] == "101"
    reason = answer["items"][1]["delete"]["error"]["reason"]
    assert "an audit log is written once" in reason


def test_a_create_of_what_is_there_is_a_conflict_and_an_index_no_change() -> None:
    found = bulk({"create": {"_id": "1"}}, {}, {"index": {"_id": "1"}}, {}, index="x")
    answer = answered(found, SubmitResult(indexes=[7, 7], duplicates=[0, 1]))
    create, index = answer["items"][0]["create"], answer["items"][1]["index"]
    assert create["status"] == 409
    assert create["error"]["type"] == "version_conflict_engine_exception"
    assert (index["status"], index["result"], index["_seq_no"]) == (200, "noop", 7)
    assert answer["errors"] is True


def test_an_id_with_other_content_is_stored_and_answered_so() -> None:
    found = bulk({"create": {"_id": "1"}}, {}, index="x")
    answer = answered(found, SubmitResult(indexes=[9], conflicts={0: 3}))
    assert answer["items"][0]["create"]["status"] == 201
    assert answer["errors"] is False


def test_a_document_that_is_no_json_is_kept_unparsed() -> None:
    found = bulk({"index": {}}, "no json at all")
    events, refused = understood(found.taken, CLOUDTRAIL)
    assert not refused
    assert [(one.kind, json.loads(one.content)["raw"]) for one in events] == [
        ("unparsed", "no json at all")]


@pytest.mark.parametrize(
    "action",
    ["nonsense", "[]", "7", "{}", '{"index":7}', '{"drop":{}}', '{"index":{},"create":{}}'],
)
def test_a_broken_action_costs_its_document_and_no_other(action: str) -> None:
    found = bulk({"index": {}}, {"n": 1}, action, {"n": 2}, {"index": {}}, {"n": 3})
    assert [message.line for message in found.taken.messages] == [1, 3]
    assert [(one.line, one.code) for one in found.taken.refused] == [(2, "bad_action_line")]
    assert [next(iter(one.values()))["status"] for one in answered(found)["items"]] == [
        201, 400, 201]


def test_a_broken_action_before_another_action_costs_only_itself() -> None:
    found = bulk("nonsense", {"index": {}}, {"n": 1})
    assert [message.line for message in found.taken.messages] == [2]


def test_an_action_without_a_document_is_answered() -> None:
    found = bulk({"index": {}}, {"n": 1}, {"create": {"_id": "9"}}, index="x")
    assert [(one.line, one.code) for one in found.taken.refused] == [(2, "missing_document")]
    assert answered(found)["items"][1]["create"]["_id"] == "9"


def test_an_id_that_no_event_can_bear_is_refused() -> None:
    found = bulk({"index": {"_index": "x", "_id": "i" * limits.NAME_CHARS}}, {})
    assert [one.code for one in found.taken.refused] == ["too_long"]


def test_a_document_too_large_for_an_event_is_taken_too() -> None:
    found = bulk({"index": {}}, {"x": "x" * limits.BODY_BYTES}, {"index": {}}, {})
    statuses = [one["index"]["status"] for one in answered(found)["items"]]
    assert statuses == [201, 201]


def test_no_more_actions_than_a_request_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(es, "REQUEST_EVENTS", 2)
    bulk({"index": {}}, {}, {"index": {}}, {})
    with pytest.raises(TooLarge):
        bulk({"index": {}}, {}, {"index": {}}, {}, {"index": {}}, {})


def test_one_document_is_taken_like_one_of_many() -> None:
    item = es.Item(es.CREATE, "x", "1")
    taken = es.take_one(b' {"a":1}\n', item, GIVEN)
    assert [(one.raw, one.id) for one in taken.messages] == [(b'{"a":1}', "x/1")]
    assert [one.code for one in es.take_one(b" ", item, GIVEN).refused] == ["missing_document"]
    status, content = es.one_answer(item, 4, True)
    assert (status, json.loads(content)["status"]) == (409, 409)


def test_an_error_has_elasticsearchs_shape() -> None:
    said = json.loads(es.failure(Busy("full"), 429))
    assert said["status"] == 429
    assert said["error"]["type"] == "es_rejected_execution_exception"
    assert said["error"]["root_cause"][0]["reason"] == said["error"]["reason"]


@pytest.mark.parametrize("seed", range(3))
def test_hostile_bytes_are_answered_an_item_for_each_action(seed: int) -> None:
    rng = random.Random(seed)
    good = "\n".join(json.dumps(one) for one in (
        {"index": {"_index": "x", "_id": "1"}}, {"eventName": "x"}, {"create": {}}, {"a": [1]},
        {"delete": {"_id": "1"}}, {"update": {}}, {"doc": {}},
    )).encode()
    for _ in range(1_500):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 5)):
            at = rng.randrange(len(data))
            if rng.random() < 0.5:
                data[at] = rng.randrange(256)
            else:
                data[at : at + rng.randrange(12)] = rng.randbytes(rng.randrange(4))
        found = es.take_bulk(bytes(data), "", GIVEN)
        lines = [*(one.line for one in found.taken.messages),
                 *(one.line for one in found.taken.refused)]
        assert sorted(lines) == list(range(1, len(found.items) + 1))
        assert len(answered(found)["items"]) == len(found.items)
