"""Loki's push requests: streams, entries, labels and metadata, and what is none."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest

from indelible.base import limits
from indelible.base.errors import BadRequest, TooLarge
from indelible.event.model import Severity
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import AUTO, parser_named
from indelible.ingest.protocols import loki
from indelible.ingest.protocols.message import Message, Taken, understood

GIVEN = Given(now_us=1_780_000_000_000_000)
NS = "1772529247123456789"


def stream(*values: Any, **labels: Any) -> dict[str, Any]:
    return {"stream": labels, "values": list(values)}


def taken(*streams: Any, org: str = "") -> Taken:
    return loki.take(json.dumps({"streams": streams}).encode(), GIVEN, org)


def only(*streams: Any, org: str = "") -> Message:
    found = taken(*streams, org=org)
    assert not found.refused
    (message,) = found.messages
    return message


def refusals(found: Taken) -> list[tuple[int, str, str]]:
    return [(one.line, one.field, one.code) for one in found.refused]


def read(*streams: Any) -> dict[str, Any]:
    ((event,), _) = understood(taken(*streams), AUTO)
    content: dict[str, Any] = json.loads(event.content)
    return content


def test_every_entry_of_every_stream_is_a_message() -> None:
    found = taken(stream([NS, "a"], [NS, "b"], app="x"), stream([NS, "c"]))
    assert [(one.line, one.inner) for one in found.messages] == [(1, "a"), (2, "b"), (3, "c")]
    assert not found.refused


def test_each_entry_is_kept_byte_by_byte_with_its_labels_in_a_request_of_its_own() -> None:
    body = (b'{ "streams": [ {"stream": {"a" : "\\u0041\xc3\xa9"}, "more":[1,  2],\n "values": '
            b'[["1",  "one"], [ "2", "t\\u0077o", {"m" : "n"} ] ]} ] }')
    first, second = loki.take(body, GIVEN).messages
    assert first.raw == (b'{"streams":[{"stream":{"a" : "\\u0041\xc3\xa9"},"more":[1,  2],'
                         b'"values":[["1",  "one"]]}]}')
    assert second.raw == (b'{"streams":[{"stream":{"a" : "\\u0041\xc3\xa9"},"more":[1,  2],'
                          b'"values":[[ "2", "t\\u0077o", {"m" : "n"} ]]}]}')
    (again,) = loki.take(second.raw, GIVEN).messages
    assert again == second._replace(line=1)


def test_equal_lines_of_other_times_or_streams_are_other_messages() -> None:
    found = taken(stream(["1", "a"], ["2", "a"], app="x"), stream(["1", "a"], app="y"))
    assert len({one.raw for one in found.messages}) == 3
    events, _ = understood(found, AUTO)
    assert all(one.keep_repeats and not one.id for one in events)


def test_labels_and_metadata_are_data_and_some_are_members() -> None:
    message = only(stream([NS, "a", {"user": "ann", "trace_id": "t-1"}], app="shop", env="prod",
                          host="web-1", level="error", pid=7, deep={"a": [1]}, gone=None),
                   org="acme")
    assert message.given.data == {"loki": {
        "labels": {"app": "shop", "env": "prod", "host": "web-1", "level": "error", "pid": 7,
                   "deep": '{"a":[1]}'},
        "org_id": "acme", "metadata": {"user": "ann", "trace_id": "t-1"},
    }}
    assert message.given.labels == {"service": "shop", "env": "prod"}
    assert message.given.host == "web-1"
    assert message.given.severity is Severity.HIGH
    assert message.trace_id == "t-1"
    assert str(message.given.time) == "2026-03-03 09:14:07.123456+00:00"


def test_an_entrys_own_level_is_nearer_than_its_streams() -> None:
    found = taken(stream([NS, "a", {"level": "debug"}], [NS, "b"], level="error"))
    assert [one.given.severity for one in found.messages] == [Severity.DEBUG, Severity.HIGH]


def test_an_entry_does_not_show_in_its_neighbours() -> None:
    found = taken(stream(["x", "a"], ["y", "b", {"user": "ann"}], [NS, "c"], app="shop"))
    assert found.messages[2].given.data == {"loki": {"labels": {"app": "shop"}}}


def test_names_of_ours_among_labels_are_labels() -> None:
    event = read(stream([NS, "a"], tenant="umbrella", id="1", actor="root", kind="commitment",
                        raw="x", loki="y"))
    assert "tenant" not in event
    assert "id" not in event
    assert "actor" not in event
    assert event["data"]["loki"]["labels"]["tenant"] == "umbrella"


def test_a_line_of_json_is_the_record() -> None:
    event = read(stream([NS, '{"action":"payslip.deleted","user":"jsmith"}'], app="payroll"))
    assert (event["action"], event["actor"]["id"]) == ("payslip.delete", "jsmith")
    assert event["time"] == "2026-03-03T09:14:07.123456Z"


def test_the_lines_own_time_is_nearer_than_the_entrys() -> None:
    line = '{"action":"payslip.deleted","user":"jsmith","time":"2026-01-01T00:00:00Z"}'
    assert read(stream([NS, line]))["time"] == "2026-01-01T00:00:00Z"


def test_metadata_beside_a_sentence_says_who_and_what() -> None:
    event = read(stream([NS, "signed in", {"user": "ann", "action": "login"}]))
    assert (event["actor"]["id"], event["operation"]) == ("ann", "login")
    known = read(stream([NS, "<86>Mar  3 09:14:07 web sshd[7]: Accepted password for bob from "
                             "192.0.2.1 port 22 ssh2", {"user": "ann", "action": "login"}]))
    assert known["actor"]["id"] == "bob", "a format of its own is not passed over for metadata"


@pytest.mark.parametrize("stamp", [
    "1772529247123456789", 1772529247123456789, "1772529247123456", "1772529247123"])
def test_a_number_too_small_for_nanoseconds_is_of_a_larger_unit(stamp: Any) -> None:
    assert str(only(stream([stamp, "a"])).given.time).startswith("2026-03-03 09:14:07.123")


@pytest.mark.parametrize("stamp", ["yesterday", "", "-1", -1, True, "9" * 40, 10**30, 1e300])
def test_a_time_that_is_none_is_kept_as_it_stands_and_costs_no_entry(stamp: Any) -> None:
    message = only(stream([stamp, "a"]))
    assert not hasattr(message.given.time, "year")
    assert message.given.data == {"loki": {"time": str(stamp)}}


@pytest.mark.parametrize("stamp", [None, {}, [1]])
def test_a_time_of_a_wrong_type_costs_no_entry(stamp: Any) -> None:
    assert not hasattr(only(stream([stamp, "a"])).given.time, "year")


def test_a_number_without_end_is_kept_or_refused_and_costs_no_neighbour() -> None:
    body = b'{"streams":[{"values":[[%b,"a"],["1","b"]]}]}' % (b"9" * 50_000)
    found = loki.take(body, GIVEN)
    assert found.messages[-1].inner == "b"
    assert len(found.messages) + len(found.refused) == 2


def test_an_empty_line_is_kept() -> None:
    (event,) = understood(taken(stream([NS, ""])), AUTO)[0]
    assert event.kind == "unparsed"


def test_what_is_beyond_an_entrys_three_elements_is_kept() -> None:
    message = only(stream([NS, "a", "no metadata", 4]))
    assert message.given.data == {}
    assert b'"no metadata", 4' in message.raw


def test_what_is_no_entry_is_refused_by_its_place_and_costs_no_other() -> None:
    found = taken(
        stream([NS, "a"], [NS], [], 7, None, {"ts": NS, "line": "b"}, [NS, {"a": 1}], [NS, None],
               [NS, "z"]),
        7, None, [], {"stream": {}, "values": 5}, {"stream": {}, "values": {"a": 1}},
        {"stream": '{app="x"}', "values": [[NS, "c"], [NS, "d"]]},
        {"labels": '{app="x"}', "entries": [{"ts": "2026-03-03T09:14:07Z", "line": "old"}]},
        stream([NS, "last"]),
    )
    assert [(one.line, one.inner) for one in found.messages] == [(1, "a"), (9, "z"), (18, "last")]
    assert refusals(found) == [
        (2, "streams[0].values[1]", "missing_field"), (3, "streams[0].values[2]", "missing_field"),
        (4, "streams[0].values[3]", "wrong_type"), (5, "streams[0].values[4]", "wrong_type"),
        (6, "streams[0].values[5]", "wrong_type"), (7, "streams[0].values[6]", "wrong_type"),
        (8, "streams[0].values[7]", "wrong_type"),
        (10, "streams[1]", "wrong_type"), (11, "streams[2]", "wrong_type"),
        (12, "streams[3]", "wrong_type"), (13, "streams[4]", "wrong_type"),
        (14, "streams[5]", "wrong_type"),
        (15, "streams[6].values[0]", "wrong_type"), (16, "streams[6].values[1]", "wrong_type"),
        (17, "streams[7]", "missing_field"),
    ]
    assert "before Loki 0.4" in found.refused[-1].reason


def test_bytes_that_are_no_text_cost_their_own_entry_or_stream() -> None:
    body = (b'{"streams":[{"stream":{"a":"\xff"},"values":[["1","a"]]},'
            b'{"values":[["1","b\xff"],["1","c"]]}]}')
    found = loki.take(body, GIVEN)
    assert [one.inner for one in found.messages] == ["c"]
    assert [one[1] for one in refusals(found)] == ["streams[0].values[0]", "streams[1].values[0]"]


def test_half_a_character_costs_nobody_an_entry() -> None:
    """A string that somebody chose, or that was cut, as JavaScript writes it."""
    body = (rb'{"streams":[{"stream":{"a":"\\udc00\udbff"},"values":[["1","ann \ud83d"],'
            rb'["1","bob \ud83d\ude00 \\\ud800 \\ud800"],["1","c"]]}]}')
    found = loki.take(body, GIVEN)
    assert not found.refused
    assert [one.inner for one in found.messages] == [
        "ann \ufffd", "bob \U0001f600 \\\ufffd \\ud800", "c"]
    assert found.messages[0].given.data == {"loki": {"labels": {"a": "\\udc00\ufffd"}}}


def test_half_a_character_beside_what_nests_deep_costs_nobody_either() -> None:
    body = rb'{"streams":[{"values":[["1","\ud83d"],["1","x",{"a":%b}],["1","c"]]}]}' % (
        b"[" * 3_000 + b"]" * 3_000)
    found = loki.take(body, GIVEN)
    assert [one.inner for one in found.messages] == ["\ufffd", "c"]
    assert [one.code for one in found.refused] == ["too_deep"]


def test_no_more_entries_and_streams_than_a_request_may_have(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loki, "REQUEST_EVENTS", 2)
    taken(stream([NS, "a"], [NS, "b"]))
    for streams in ([stream([NS, "a"], [NS, "b"]), stream([NS, "c"])], [stream([NS])] * 3,
                    [stream()] * 3):
        with pytest.raises(TooLarge):
            taken(*streams)


def test_labels_beside_many_entries_are_bounded() -> None:
    large = stream(*[[NS, "x"]] * 60_000, app="y" * 100_000)
    began = time.process_time()
    with pytest.raises(TooLarge, match="labels beside each entry"):
        taken(large)
    assert time.process_time() - began < 5


def test_what_nests_deep_costs_no_neighbour() -> None:
    for depth in (20, 100, 900, 3_000, 200_000):
        deep = b"[" * depth + b"]" * depth
        for body in (
            b'{"streams":[{"values":[["1","a",{"x":%b}],["1","b"]]}]}' % deep,
            b'{"streams":[{"stream":{"x":%b},"values":[["1","a"]]},{"values":[["1","b"]]}]}' % deep,
            b'{"streams":[{"values":[%b,["1","b"]]}]}' % deep,
            b'{"streams":[%b,{"values":[["1","b"]]}]}' % deep,
        ):
            found = loki.take(body, GIVEN)
            understood(found, parser_named("cloudtrail"))
            assert found.messages[-1].inner == "b"
            assert len(found.messages) + len(found.refused) == 2


def test_what_nests_deep_for_too_long_is_refused_whole() -> None:
    with pytest.raises(BadRequest, match="too deep"):
        loki.take(b'{"streams":[' + b"[" * 3_000_000 + b"]" * 3_000_000 + b"]}", GIVEN)


def test_of_a_line_too_large_the_beginning_is_kept() -> None:
    found = taken(stream([NS, "x" * limits.BODY_BYTES], [NS, "b"]))
    events, refused = understood(found, parser_named("cloudtrail"))
    assert [(one.line, "truncated" in one.flags) for one in events] == [(1, True), (2, False)]
    assert not refused


def test_the_answer_names_the_first_refused_by_their_places() -> None:
    found = taken(stream([NS, "a"], [NS], *[[NS, 7]] * 20))
    text = loki.partly(len(found.messages), found.refused)
    assert text.startswith("21 of 22 entries refused, 1 stored")
    assert text.index("streams[0].values[1]") < text.index("streams[0].values[2]")
    assert text.endswith("and 11 more")
    assert text.count("streams[") == limits.LOKI_REASONS


@pytest.mark.parametrize("seed", range(3))
def test_hostile_bytes_are_messages_or_refusals_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    good = json.dumps({"streams": [
        stream([NS, "a", {"b": "c"}], [NS, '{"user":"ann"}'], app="x", level="info")]}).encode()
    whole = 0
    for _ in range(2_000):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 5)):
            at = rng.randrange(len(data))
            if rng.random() < 0.5:
                data[at] = rng.randrange(256)
            else:
                data[at : at + rng.randrange(9)] = rng.randbytes(rng.randrange(4))
        try:
            found = loki.take(bytes(data), GIVEN)
        except BadRequest:
            whole += 1
            continue
        events, refused = understood(found, AUTO)
        assert len(events) + len(refused) == len(found.messages) + len(found.refused)
    assert whole < 2_000
