"""A message of a stream as an event: whose id it has, and what of it is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from indelible.base.limits import CARRIED_BYTES
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import AUTO
from indelible.ingest.protocols.nats_records import (
    Place,
    Record,
    Stem,
    event_of,
    headers_of,
    place_of,
)

STEM = Stem("AUDIT", "2026-05-01T10:00:00.123456789Z")
GIVEN = Given(now_us=1_800_000_000_000_000)
LOGIN = b'{"time": "2026-05-01T10:00:00Z", "user": "jsmith", "action": "login"}'
TIME_NS = 1_777_777_777_123_456_789
TRACE = "0af7651916cd43dd8448eb211c80319c"


def block(*lines: str, first: str = "NATS/1.0") -> bytes:
    return "".join(f"{line}\r\n" for line in (first, *lines, "")).encode()


def parsed(payload: bytes = LOGIN, headers: bytes = b"", **more: Any) -> Parsed:
    record = Record(**{"subject": b"audit.a", "sequence": 17, "time_ns": TIME_NS,
                       "payload": payload, "headers": headers, **more})
    return event_of(record, STEM, AUTO, GIVEN)


def event(payload: bytes = LOGIN, headers: bytes = b"", **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(parsed(payload, headers, **more).content)
    return found


def test_a_message_is_known_by_stream_and_sequence() -> None:
    found = event(headers=block("Nats-Msg-Id: m-1", f"traceparent: 00-{TRACE}-b7ad6b7169203331-01"))
    assert found["id"] == "nats/AUDIT/2026-05-01T10:00:00.123456789Z/17"
    assert found["time"] == "2026-05-01T10:00:00Z"
    assert found["observed"].startswith("2026-05-03T03:09:37.123456")
    assert found["origin"]["trace_id"] == TRACE
    assert found["labels"] == {"stream": "AUDIT"}
    assert found["raw"].encode() == LOGIN
    assert found["data"]["nats"] == {
        "stream": "AUDIT", "sequence": 17, "subject": "audit.a", "msg_id": "m-1", "headers": {
            "Nats-Msg-Id": "m-1", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}}


def test_an_id_of_the_message_itself_counts_before() -> None:
    said = json.dumps({
        "eventVersion": "1.08", "eventID": "e-1", "eventTime": "2026-05-01T10:00:00Z",
        "eventSource": "s3.amazonaws.com", "eventName": "GetObject", "awsRegion": "eu-central-1",
        "userIdentity": {"type": "IAMUser", "userName": "alice", "accountId": "111122223333"},
        "recipientAccountId": "111122223333", "eventType": "AwsApiCall",
    }).encode()
    first, again = parsed(said), parsed(said, block("a: 1"), sequence=99)
    assert first.id == again.id == "e-1"
    assert first.idempotent == again.idempotent == said


def test_what_differs_in_any_part_is_not_the_same_message() -> None:
    one = parsed()
    assert parsed().idempotent == one.idempotent
    others = [parsed(LOGIN + b" "), parsed(headers=block("a: 1")), parsed(subject=b"audit.b"),
              parsed(time_ns=TIME_NS + 1)]
    assert len({one.idempotent, *(other.idempotent for other in others)}) == 5
    assert {other.id for other in others} == {one.id}


def test_a_first_line_that_imitates_the_server_is_told() -> None:
    assert headers_of(block("a: 1", first="NATS/1.0 503 No Responders")) == (
        "503 No Responders", [("a", b"1")])
    found = event(headers=block(first="NATS/1.0 404 No Messages"))
    assert found["data"]["nats"]["status"] == "404 No Messages"
    long = event(headers=block(first="NATS/1.0 " + "x" * (CARRIED_BYTES + 1)))
    assert "sha256" in long["data"]["nats"]["status"]


@pytest.mark.parametrize("block_", [
    b"NATS/1.0", b"", b"\r\n", b"NATS/1.0\r\n\r\n\r\n", b"\xff\xfe",
    b"NATS/1.0\r\n\xff\xff: \xff\r\n",
    b"NATS/1.0\r\n" + b":\r\n" * 5_000, b"NATS/1.0\r\n" + b"a" * 100_000,
])
def test_any_block_of_headers_is_read(block_: bytes) -> None:
    found = parsed(headers=block_)
    assert found.kind == "event"
    assert len(found.content) < 100_000


@pytest.mark.parametrize("time_ns", [0, 1, 10**19 - 1, 2**63])
def test_any_time_is_read(time_ns: int) -> None:
    found = event(time_ns=time_ns)
    assert found["data"]["nats"]["sequence"] == 17
    assert Record(b"a", 1, time_ns, b"").time_us >= 0


@pytest.mark.parametrize(("reply", "place"), [
    ("$JS.ACK.AUDIT.c.1.17.9.1777777777123456789.4",
     Place("AUDIT", "c", 1, 17, 1777777777123456789, 4)),
    ("$JS.ACK.hub.acc0hash.AUDIT.c.2.17.9.1777777777123456789.4",
     Place("AUDIT", "c", 2, 17, 1777777777123456789, 4)),
    ("$JS.ACK._.acc0hash.AUDIT.c.2.17.9.1777777777123456789.4.r4nd0m",
     Place("AUDIT", "c", 2, 17, 1777777777123456789, 4)),
    ("$JS.ACK.1.2.3.4.5.6.7", Place("1", "2", 3, 4, 6, 7)),
    ("$JS.ACK.8.9.1.2.3.4.5.6.7", Place("1", "2", 3, 4, 6, 7)),
    ("$JS.ACK.AUDIT.c.1.17.9.1777777777123456789", None),
    ("$JS.ACK.AUDIT.c.1.x.9.1.4", None),
    ("$JS.ACK.AUDIT.c.1.99999999999999999999.9.1.4", None),
    ("_INBOX.abc.def", None),
    ("", None),
])
def test_the_place_of_a_message_is_read_in_both_forms(reply: str, place: Place | None) -> None:
    assert place_of(reply) == place


@pytest.mark.parametrize(("headers", "payload", "deletes"), [
    (block("KV-Operation: DEL"), b"", True),
    (block("KV-Operation: PURGE"), b"", True),
    (block("kv-operation: DEL"), b"", True),
    (block("KV-Operation: PUT"), b"", False),
    (block("KV-Operation"), b"", False),
    (block("Nats-Marker-Reason: MaxAge"), b"", True),
    (block("Nats-Marker-Reason:"), b"", False),
    (block("KV-Operation: DEL"), LOGIN, False),
    (b"", b"", False),
])
def test_a_marker_of_deletion_is_an_event_of_its_own(
    headers: bytes, payload: bytes, deletes: bool
) -> None:
    found = event(payload, headers, subject=b"$KV.people.alice")
    assert (found.get("action") == "nats.subject.delete") is deletes
    if deletes:
        assert found["targets"] == [
            {"type": "nats_subject", "id": "$KV.people.alice", "parent": "AUDIT"},
            {"type": "nats_stream", "id": "AUDIT"}]
        assert found["id"] == "nats/AUDIT/2026-05-01T10:00:00.123456789Z/17"
        assert found["data"]["guessed"] == ["actor"]


def test_a_subject_of_any_bytes_and_length_is_told() -> None:
    assert event(subject=b"a.\xff")["data"]["nats"]["subject"] == {"base64": "YS7/"}
    assert "sha256" in event(subject=b"a" * 4_000)["data"]["nats"]["subject"]
    found = event(b"", block("KV-Operation: DEL"), subject=b"\xff" * 4_000)
    assert found["action"] == "nats.subject.delete"


def test_a_message_for_its_line_keeps_it() -> None:
    one = event_of(Record(b"a", 1, TIME_NS, LOGIN), STEM, AUTO, replace(GIVEN), 5)
    assert one.line == 5
