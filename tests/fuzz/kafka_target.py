"""A record of Kafka, its parts each with their length in front: any becomes one event."""

from __future__ import annotations

import struct

import msgspec

from indelible.event.model import Event
from indelible.event.strict import compact
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import AUTO
from indelible.ingest.protocols.kafka_records import Record, Stem, event_of

_NONE = 0xFFFF
_STEM = Stem("cluster", "audit", "topicid")
_GIVEN = Given(now_us=1_800_000_000_000_000)
_event = msgspec.json.Decoder(Event)


def _framed(kind: int, time_ms: int, *parts: bytes | None) -> bytes:
    """Key, value, then the headers' names and values in turn."""
    said = [struct.pack(">H", _NONE) if one is None else struct.pack(">H", len(one)) + one
            for one in parts]
    return struct.pack(">Bq", kind, time_ms) + b"".join(said)


_LOGIN = b'{"time": "2026-05-01T10:00:00Z", "user": "jsmith", "action": "login"}'
_PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_LINE = (b"<38>1 2026-05-01T10:00:00Z web sshd 1 - - Accepted publickey for alice from 203.0.113.7"
         b" port 4711 ssh2")
RECORDS = (
    _framed(1, 1_777_777_777_123, b"jsmith", _LOGIN, b"traceparent", _PARENT, b"a", None),
    _framed(2, 1_777_777_777_123, None, b"\0\0\0\0\7" + _LOGIN, b"b3", b"0" * 32 + b"-1"),
    _framed(0, 0, b"\xff", None, b"a", b"1", b"a", b"\xff"),
    _framed(1, -1, None, _LINE, b"", b""),
)


def record(data: bytes) -> bool:
    """What is stored is strict, has its id, and is the same again; True when it was understood."""
    if len(data) < 9:
        return False
    kind, time_ms = struct.unpack_from(">Bq", data)
    parts: list[bytes | None] = []
    at = 9
    while at + 2 <= len(data):
        size = int.from_bytes(data[at : at + 2], "big")
        at += 2
        parts.append(None if size == _NONE else data[at : at + size])
        at += 0 if size == _NONE else size
    key, value, *rest = [*parts, None, None][: max(2, len(parts))]
    headers = [((name or b"").decode("utf-8", "replace"), said)
               for name, said in zip(rest[::2], rest[1::2], strict=False)]
    one = Record("audit", 3, 17, key, value, headers, kind, max(0, time_ms))
    found = event_of(one, _STEM, AUTO, _GIVEN)
    assert found == event_of(one, _STEM, AUTO, _GIVEN), "two answers to one record"
    assert found.id, "a record without an id"
    assert compact(found.content, "") == found.content, "content that is not strict"
    if found.kind != "event":
        return False
    _event.decode(found.content)
    return True
