"""A message of NATS: the subject it is acknowledged by, headers, subject and payload, each with its
length in front. Any becomes one event, and any reply a place or none."""

from __future__ import annotations

import struct

import msgspec

from indelible.event.model import Event
from indelible.event.strict import compact
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import AUTO
from indelible.ingest.protocols.nats_records import Record, Stem, event_of, place_of

_STEM = Stem("AUDIT", "2026-05-01T10:00:00.123456789Z")
_GIVEN = Given(now_us=1_800_000_000_000_000)
_event = msgspec.json.Decoder(Event)


def _framed(*parts: bytes) -> bytes:
    """Reply, subject, headers, and the payload, which goes to the end."""
    return b"".join([struct.pack(">H", len(one)) + one for one in parts[:3]]) + parts[3]


_LOGIN = b'{"time": "2026-05-01T10:00:00Z", "user": "jsmith", "action": "login"}'
_PARENT = b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_LINE = (b"<38>1 2026-05-01T10:00:00Z web sshd 1 - - Accepted publickey for alice from 203.0.113.7"
         b" port 4711 ssh2")
MESSAGES = (
    _framed(b"$JS.ACK.AUDIT.c.1.17.9.1777777777123456789.4", b"audit.a",
            b"NATS/1.0\r\nNats-Msg-Id: m-1\r\na: 1\r\na: 2\r\n" + _PARENT + b"\r\n\r\n", _LOGIN),
    _framed(b"$JS.ACK.hub.hash.AUDIT.c.2.17.9.1777777777123456789.4.r", b"$KV.people.alice",
            b"NATS/1.0\r\nKV-Operation: DEL\r\n\r\n", b""),
    _framed(b"$JS.ACK.1.2.3.4.5.6.7", b"\xff",
            b"NATS/1.0 404 No Messages\r\n\xff\r\n:\r\n\r\n", _LINE),
)


def message(data: bytes) -> bool:
    """What is stored is strict, has its id, and is the same again; True when it was understood."""
    parts: list[bytes] = []
    at = 0
    for _ in range(3):
        size = int.from_bytes(data[at : at + 2], "big")
        parts.append(data[at + 2 : at + 2 + size])
        at += 2 + size
    reply, subject, headers = parts
    place = place_of(reply.decode("ascii", "replace"))
    sequence, time_ns = (17, 0) if place is None else (place.sequence, place.time_ns)
    one = Record(subject, sequence, time_ns, data[at:], headers)
    found = event_of(one, _STEM, AUTO, _GIVEN)
    assert found == event_of(one, _STEM, AUTO, _GIVEN), "two answers to one message"
    assert found.id, "a message without an id"
    assert one.time_us >= 0, "a time before all times"
    assert compact(found.content, "") == found.content, "content that is not strict"
    if found.kind != "event":
        return False
    _event.decode(found.content)
    return True
