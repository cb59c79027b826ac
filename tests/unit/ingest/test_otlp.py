"""OTLP log exports: taken apart without losing a byte, a record at a time."""

from __future__ import annotations

import base64
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
from indelible.ingest.protocols import otlp, otlp_records
from indelible.ingest.protocols import otlp_wire as wire
from indelible.ingest.protocols.message import Taken, understood

GIVEN = Given(now_us=1_780_000_000_000_000)
TRAIL = json.dumps({
    "eventVersion": "1.08", "eventSource": "iam.amazonaws.com", "eventName": "CreateUser",
    "eventTime": "2026-03-03T09:14:07Z", "userIdentity": {"type": "IAMUser", "userName": "ann"},
    "requestParameters": {"userName": "bob"},
})
TRACE = "5b8efff798038103d269b633813fc60c"


def string(value: str) -> dict[str, Any]:
    return {"stringValue": value}


def attribute(key: str, value: Any) -> dict[str, Any]:
    return {"key": key, "value": value if isinstance(value, dict) else string(value)}


def request(*records: Any, resource: Any = None, scope: Any = None) -> bytes:
    about = resource or {"attributes": [attribute("service.name", "shop"),
                                        attribute("host.name", "web-1")]}
    inside = {"scope": scope or {"name": "audit", "version": "2"}, "logRecords": list(records)}
    return json.dumps({"resourceLogs": [{"resource": about, "scopeLogs": [inside]}]}).encode()


def taken(*records: Any, **more: Any) -> Taken:
    return otlp.take(request(*records, **more), otlp.JSON, GIVEN)


def events(*records: Any) -> list[dict[str, Any]]:
    found, refused = understood(taken(*records), AUTO)
    assert not refused
    return [json.loads(one.content) for one in found]


def wired(*records: bytes) -> bytes:
    """An ExportLogsServiceRequest of raw records, with a resource and a scope."""
    value = wire.message(1, b"service.name") + wire.message(2, wire.message(1, b"shop"))
    resource = wire.message(1, wire.message(1, value))
    inside = wire.message(1, wire.message(1, b"audit"))
    inside += b"".join(wire.message(2, record) for record in records)
    return wire.message(1, resource + wire.message(2, inside))


def body(text: bytes) -> bytes:
    return wire.message(5, wire.message(1, text))


# --- what becomes of a record


def test_the_body_is_read_by_the_parser_that_knows_it() -> None:
    (event,) = events({"body": string(TRAIL), "timeUnixNano": "1"})
    assert event["action"] == "iam.user.create"
    assert event["actor"]["id"] == "ann"
    assert event["time"] == "2026-03-03T09:14:07Z"


def test_a_body_that_is_a_map_is_the_record() -> None:
    members = [attribute(name, value) for name, value in json.loads(TRAIL).items()
               if isinstance(value, str)]
    members.append(attribute("userIdentity", {"kvlistValue": {"values": [
        attribute("type", "IAMUser"), attribute("userName", "ann")]}}))
    (event,) = events({"body": {"kvlistValue": {"values": members}}})
    assert event["action"] == "iam.user.create"


def test_without_a_body_the_attributes_are_the_record() -> None:
    inner = taken({"attributes": [attribute("user.id", "ann"), attribute("n", {"intValue": "7"})],
                   "eventName": "user.deleted"}).messages[0]
    assert inner.inner == {"event.name": "user.deleted", "user.id": "ann", "n": 7}
    assert "attributes" not in inner.given.data["otel"]  # type: ignore[operator]


def test_a_sentence_beside_attributes_is_a_member_of_the_record() -> None:
    attributes = [attribute(name, value) for name, value in json.loads(TRAIL).items()
                  if isinstance(value, str)]
    attributes.append(attribute("userIdentity", {"kvlistValue": {"values": [
        attribute("type", "IAMUser"), attribute("userName", "ann")]}}))
    sentence = {"body": string("somebody made a user"), "attributes": attributes}
    assert events(sentence)[0]["action"] == "iam.user.create"
    known = {"body": string("<86>Mar  3 09:14:07 h sshd[1]: Accepted password for bo from "
                            "203.0.113.9 port 1 ssh2"), "attributes": attributes}
    assert events(known)[0]["actor"]["id"] == "bo"
    assert taken({"body": string("a sentence")}).messages[0].instead is None


def test_attributes_that_no_parser_reads_are_in_data() -> None:
    (event,) = events({
        "body": string(TRAIL), "attributes": [attribute("user.id", "ann")], "eventName": "iam",
        "severityText": "WARN", "traceId": TRACE.upper(), "spanId": "eee19b7ec3c1b173",
    })
    assert event["data"]["otel"] == {
        "resource": {"service.name": "shop", "host.name": "web-1"},
        "scope": {"name": "audit", "version": "2"}, "attributes": {"user.id": "ann"},
        "event": "iam", "severity_text": "WARN", "trace_id": TRACE, "span_id": "eee19b7ec3c1b173",
    }


def test_host_service_times_and_trace_are_where_events_have_them() -> None:
    (event,) = events({
        "body": string(TRAIL.replace("eventTime", "unknownTime")), "traceId": TRACE,
        "timeUnixNano": "1772529247123456789", "observedTimeUnixNano": 1772529248000000000,
        "severityNumber": 13,
    })
    assert event["time"] == "2026-03-03T09:14:07.123456Z"
    assert event["observed"] == "2026-03-03T09:14:08Z"
    assert event["origin"] == {"host": "web-1", "trace_id": TRACE}
    assert event["labels"]["service"] == "shop"
    assert event["severity"] == "medium"


def test_a_record_that_nobody_reads_is_kept_with_all_that_is_known_of_it() -> None:
    (event,) = events({"body": string("\u2603 no parser knows this \u2603"), "traceId": TRACE})
    assert "reason" in event or event["action"]
    assert event["data"]["otel"]["trace_id"] == TRACE
    assert "no parser knows this" in event["raw"]


def test_the_senders_unique_id_is_the_events_id() -> None:
    uid = attribute("log.record.uid", "01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert taken({"body": string("x"), "attributes": [uid]}).messages[0].id == uid["value"][
        "stringValue"]
    assert taken({"body": string("x")}).messages[0].id == ""


@pytest.mark.parametrize(
    ("number", "severity"),
    [(1, Severity.DEBUG), (5, Severity.DEBUG), (9, Severity.INFO), (10, Severity.LOW),
     (13, Severity.MEDIUM), (17, Severity.HIGH), (18, Severity.CRITICAL), (24, Severity.CRITICAL)],
)
def test_a_severity_is_that_of_the_syslog_number_it_stands_for(
    number: int, severity: Severity
) -> None:
    assert taken({"severityNumber": number}).messages[0].given.severity is severity


def test_a_severity_beyond_the_table_is_none() -> None:
    for number in (0, 25, -1, 1 << 40):
        said = taken({"severityNumber": number}).messages[0].given.severity
        assert not isinstance(said, Severity)


@pytest.mark.parametrize("ident", ["0" * 32, "xyz", "ab", "", 7, None])
def test_what_is_no_trace_id_is_none(ident: object) -> None:
    assert taken({"traceId": ident}).messages[0].trace_id == ""


# --- what is kept


def test_raw_json_is_a_request_with_that_record_byte_by_byte() -> None:
    odd = b'{"body":  {"stringValue":"\\u0041"},"unknown":[1,  2], "timeUnixNano":"1"}'
    whole = b'{"resourceLogs":[{"resource":{ "attributes":[] },"schemaUrl":"r",' \
        b'"scopeLogs":[{"scope":{"name" : "s"},"schemaUrl":"u","logRecords":[{}, %b]}]}]}' % odd
    message = otlp.take(whole, otlp.JSON, GIVEN).messages[1]
    assert odd in message.raw
    again = otlp.take(message.raw, otlp.JSON, GIVEN).messages
    assert again == [message._replace(line=1)]
    assert json.loads(message.raw)["resourceLogs"][0]["scopeLogs"][0]["schemaUrl"] == "u"


def test_raw_protobuf_is_a_request_with_that_record_byte_by_byte() -> None:
    unknown = wire.message(99, b"of a later version") + wire.whole(98, 7)
    record = body(b"hello") + unknown
    message = otlp.take(wired(body(b"first"), record), otlp.PROTOBUF, GIVEN).messages[1]
    assert record in message.raw
    assert otlp.take(message.raw, otlp.PROTOBUF, GIVEN).messages == [message._replace(line=1)]
    (event,), _ = understood(Taken([message], []), AUTO)
    content = json.loads(event.content)
    assert content["raw_type"] == otlp.PROTOBUF
    assert base64.b64decode(content["raw"]) == message.raw


def test_members_that_stand_twice_are_merged_as_protocol_buffers_has_it() -> None:
    part = wire.message(1, wire.message(1, b"a") + wire.message(2, wire.message(1, b"1")))
    other = wire.message(1, wire.message(1, b"b") + wire.message(2, wire.message(1, b"2")))
    inside = wire.message(2, wire.message(2, body(b"x")))
    whole = wire.message(1, wire.message(1, part) + inside + wire.message(1, other))
    (message,) = otlp.take(whole, otlp.PROTOBUF, GIVEN).messages
    assert message.given.data["otel"] == {"resource": {"a": "1", "b": "2"}}


def test_bytes_are_a_message_as_a_body_and_base64_as_an_attribute() -> None:
    value = {"bytesValue": base64.b64encode(TRAIL.encode()).decode()}
    message = taken({"body": value, "attributes": [attribute("k", value)]}).messages[0]
    assert message.inner == json.loads(TRAIL)
    assert message.given.data["otel"]["attributes"]["k"] == value["bytesValue"]  # type: ignore[index]
    wired_ = wired(wire.message(5, wire.message(7, TRAIL.encode())))
    assert otlp.take(wired_, otlp.PROTOBUF, GIVEN).messages[0].inner == json.loads(TRAIL)


# --- refusals


def test_a_damaged_record_costs_no_other() -> None:
    found = otlp.take(wired(body(b"a"), b"\x0a\xff", body(b"c")), otlp.PROTOBUF, GIVEN)
    assert [message.line for message in found.messages] == [1, 3]
    assert [(one.line, one.code) for one in found.refused] == [(2, "bad_protobuf")]
    found = taken({"body": string("a")}, 7, {"body": string("c")})
    assert [message.line for message in found.messages] == [1, 3]
    assert [(one.line, one.code) for one in found.refused] == [(2, "wrong_type")]


def test_values_that_nest_too_deep_are_refused_with_their_record() -> None:
    value: Any = string("x")
    deep = wire.message(1, b"x")
    for _ in range(limits.JSON_DEPTH + 1):
        value = {"arrayValue": {"values": [value]}}
        deep = wire.message(5, wire.message(1, deep))
    assert [one.code for one in taken({"body": value}, {"body": string("y")}).refused] == [
        "too_deep"]
    found = otlp.take(wired(wire.message(5, deep), body(b"y")), otlp.PROTOBUF, GIVEN)
    assert [(one.line, one.code) for one in found.refused] == [(1, "too_deep")]
    assert [message.line for message in found.messages] == [2]


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_a_record_that_nests_without_end_costs_no_other(depth: int) -> None:
    value: Any = string("x")
    for _ in range(limits.JSON_DEPTH - 1):
        value = {"arrayValue": {"values": [value]}}
    marked = request({"body": value}, {"body": "here"}, {"body": string("c")})
    data = marked.replace(b'"here"', b"[" * depth + b"]" * depth)
    found = otlp.take(data, otlp.JSON, GIVEN)
    assert [message.line for message in found.messages] == [1, 3]
    assert [one.line for one in found.refused] == [2]


@pytest.mark.parametrize(
    ("data", "media"),
    [
        (b"{", otlp.JSON), (b"[]", otlp.JSON), (b'{"resourceLogs":7}', otlp.JSON),
        (b"\xff\xff", otlp.PROTOBUF), (b"\x0a\x7f", otlp.PROTOBUF), (b"\x0b", otlp.PROTOBUF),
        (wired(body(b"x"))[:-1], otlp.PROTOBUF), (b"\x0a\x02\x0a\x7f", otlp.PROTOBUF),
    ],
)
def test_what_cannot_be_taken_apart_is_refused_whole(data: bytes, media: str) -> None:
    with pytest.raises(BadRequest):
        otlp.take(data, media, GIVEN)


@pytest.mark.parametrize("data", [b"{}", b'{"resourceLogs":null}', b'{"resourceLogs":[{}]}'])
def test_an_empty_request_holds_nothing(data: bytes) -> None:
    assert otlp.take(data, otlp.JSON, GIVEN) == Taken([], [])
    assert otlp.take(b"", otlp.PROTOBUF, GIVEN) == Taken([], [])


def test_a_resource_is_not_multiplied_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "OTLP_RAW_BYTES", 100_000)
    resource = {"attributes": [attribute("k", "x" * 10_000)]}
    assert taken(*[{}] * 5, resource=resource).messages
    with pytest.raises(TooLarge):
        taken(*[{}] * 10, resource=resource)


def test_no_more_records_than_a_request_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "REQUEST_EVENTS", 3)
    assert len(taken({}, {}, {}).messages) == 3
    with pytest.raises(TooLarge):
        taken({}, {}, {}, {})


@pytest.mark.parametrize(("data", "media"), [
    (b'{"resourceLogs":[' + b"{}," * 1_000_000 + b"{}]}", otlp.JSON),
    (b'{"resourceLogs":[{"scopeLogs":[' + b"{}," * 1_000_000 + b"{}]}]}", otlp.JSON),
    (b"\x0a\x00" * 4_000_000, otlp.PROTOBUF),
    (wire.message(1, b"\x12\x00" * 1_000_000), otlp.PROTOBUF),
])
def test_no_more_resources_and_scopes_than_records(data: bytes, media: str) -> None:
    began = time.process_time()
    with pytest.raises(TooLarge):
        otlp.take(data, media, GIVEN)
    assert time.process_time() - began < 5


def test_of_a_record_too_large_for_an_event_the_beginning_is_kept() -> None:
    large = {"body": string("x" * limits.BODY_BYTES)}
    found, refused = understood(taken({}, large, {}), AUTO)
    assert ["truncated" in one.flags for one in found] == [False, True, False]
    assert not refused


# --- hostile input

_SEEDS = (
    wired(body(TRAIL.encode()) + wire.whole(2, 9) + wire.message(9, bytes(range(16))),
          wire.message(6, wire.message(1, b"k") + wire.message(2, wire.whole(3, -1)))),
    request({"body": string(TRAIL), "attributes": [attribute("k", {"doubleValue": "NaN"})],
             "traceId": TRACE}, {"body": {"arrayValue": {"values": [string("a")]}}}),
)


@pytest.mark.parametrize("seed", range(4))
def test_hostile_bytes_are_messages_or_refusals_and_nothing_else(seed: int) -> None:
    rng = random.Random(seed)
    parser = parser_named("cloudtrail")
    for _ in range(800):
        data = bytearray(rng.choice(_SEEDS))
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(data))
            kind = rng.randrange(4)
            if kind == 0:
                data[at] = rng.randrange(256)
            elif kind == 1:
                del data[at : at + rng.randrange(1, 9)]
            elif kind == 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 5))
            else:
                data[at:at] = data[at : at + rng.randrange(1, 30)]
            if not data:
                break
        for media in (otlp.JSON, otlp.PROTOBUF):
            try:
                found = otlp.take(bytes(data), media, GIVEN)
            except BadRequest:
                continue
            parsed, _ = understood(found, parser)
            for event in parsed:
                reason = json.loads(event.content).get("reason", {})
                assert reason.get("code") != "parser_failed"


# --- beside the reference implementation


def _any(pb: Any, rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(7 if depth < 3 else 5)
    if kind == 0:
        return pb.AnyValue(string_value=rng.choice(["", "x", "\u00e9\u2603", "a" * 200]))
    if kind == 1:
        return pb.AnyValue(bool_value=rng.random() < 0.5)
    if kind == 2:
        return pb.AnyValue(int_value=rng.choice([0, 1, -1, 127, 128, 2**63 - 1, -(2**63)]))
    if kind == 3:
        return pb.AnyValue(double_value=rng.choice([0.0, -1.5, 1e300]))
    if kind == 4:
        return pb.AnyValue()
    if kind == 5:
        return pb.AnyValue(array_value=pb.ArrayValue(
            values=[_any(pb, rng, depth + 1) for _ in range(rng.randrange(3))]))
    return pb.AnyValue(kvlist_value=pb.KeyValueList(values=[
        pb.KeyValue(key=f"k{n}", value=_any(pb, rng, depth + 1)) for n in range(rng.randrange(3))
    ]))


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_plain(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return {one.key: _plain(one.value) for one in value.kvlist_value.values}
    return getattr(value, kind)


def test_records_are_read_as_the_reference_implementation_reads_them() -> None:
    logs = pytest.importorskip("opentelemetry.proto.logs.v1.logs_pb2", reason="opentelemetry-proto")
    common = pytest.importorskip("opentelemetry.proto.common.v1.common_pb2")
    rng = random.Random(7)
    for _ in range(400):
        record = logs.LogRecord(
            time_unix_nano=rng.randrange(2**63), severity_number=rng.randrange(25),
            observed_time_unix_nano=rng.randrange(2**63), severity_text=rng.choice(["", "INFO"]),
            event_name=rng.choice(["", "a.b"]), body=_any(common, rng),
            attributes=[common.KeyValue(key=f"a{n}", value=_any(common, rng))
                        for n in range(rng.randrange(4))],
            dropped_attributes_count=rng.randrange(3), flags=rng.randrange(256),
            trace_id=rng.randbytes(16), span_id=rng.randbytes(8),
        )
        found = otlp_records.record_of_wire(record.SerializeToString())
        assert found == otlp_records.LogRecord(
            {one.key: _plain(one.value) for one in record.attributes},
            record.time_unix_nano, record.observed_time_unix_nano, record.severity_number,
            record.severity_text, record.event_name, _plain(record.body),
            record.dropped_attributes_count, record.trace_id.hex(), record.span_id.hex(),
        )


def test_json_says_the_same_as_protobuf() -> None:
    service = pytest.importorskip(
        "opentelemetry.proto.collector.logs.v1.logs_service_pb2", reason="opentelemetry-proto"
    )
    whole = json.loads(request(
        {"body": string(TRAIL), "timeUnixNano": "1772529247123456789", "severityNumber": 9,
         "attributes": [attribute("n", {"intValue": "-7"}), attribute("d", {"doubleValue": 0.5}),
                        attribute("b", {"boolValue": True})], "eventName": "e"},
    ))
    from google.protobuf import json_format

    binary = json_format.ParseDict(whole, service.ExportLogsServiceRequest()).SerializeToString()
    (one,) = otlp.take(binary, otlp.PROTOBUF, GIVEN).messages
    (other,) = otlp.take(json.dumps(whole).encode(), otlp.JSON, GIVEN).messages
    assert one._replace(raw=b"", raw_type="") == other._replace(raw=b"", raw_type="")


def test_answers_are_what_the_reference_implementation_reads() -> None:
    service = pytest.importorskip(
        "opentelemetry.proto.collector.logs.v1.logs_service_pb2", reason="opentelemetry-proto"
    )
    refused = taken(7, 8, {}).refused
    answer = service.ExportLogsServiceResponse.FromString(otlp.success(otlp.PROTOBUF, refused))
    assert answer.partial_success.rejected_log_records == 2
    assert answer.partial_success.error_message.startswith("log record 1: ")
    full = service.ExportLogsServiceResponse.FromString(otlp.success(otlp.PROTOBUF, []))
    assert not full.HasField("partial_success")
    said = json.loads(otlp.success(otlp.JSON, refused))["partialSuccess"]
    assert said["rejectedLogRecords"] == "2"
