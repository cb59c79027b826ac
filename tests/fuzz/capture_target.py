"""A stream of pgoutput messages, each with its length in front: every change becomes an event."""

from __future__ import annotations

import struct

import msgspec

from indelible.event.model import Event
from indelible.event.strict import compact
from indelible.ingest.protocols.pgoutput import Malformed, Relation, decode
from indelible.ingest.protocols.postgres_capture_events import Place, Translator, key_of
from support import pgoutput as made

_event = msgspec.json.Decoder(Event)


def _framed(*messages: bytes) -> bytes:
    return b"".join([struct.pack(">I", len(one)) + one for one in messages])


_COLUMNS = [("id", 20, True), ("on", 16, False), ("at", 1184, False), ("is", 3802, False),
            ("costs", 1700, False), ("note", 25, False)]
_ROW = [7, "t", "2026-05-01 10:00:00.25+00", '{"a": [1, 2.0]}', "12.50", 'say "x"']
_SAID = '{"actor":{"type":"user","id":"jsmith"},"request_id":"r-1","why":{"ticket":"T-1"}}'
STREAMS = (
    _framed(
        made.begin(), made.message(_SAID), made.relation(_COLUMNS), made.insert(_ROW),
        made.update([*_ROW[:5], ...], _ROW), made.delete(_ROW), made.truncate(16384, options=3),
        made.commit(),
    ),
    _framed(
        made.begin(), made.origin(), made.type_(), made.relation(_COLUMNS, identity="d"),
        made.update([8, *_ROW[1:]], [7, None, None, None, None, None], "K"),
        made.update([8, None, ..., None, "NaN", ""]), made.delete([8] + [None] * 5, "K"),
        made.commit(), made.message("{}", inside=False),
    ),
)


def capture(data: bytes) -> bool:
    """What is stored is strict, and the same stream gives the same; True when a row was read."""
    translator = Translator(Place("7713069031415292387", "app"))
    understood = False
    at = 0
    while at + 4 <= len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        message, at = data[at + 4 : end], end
        for cut in (False, True):
            try:
                found = decode(message, cut)
            except Malformed:
                continue
            if isinstance(found, Relation):
                translator.relate(found, key_of(found) or ("id",))
        if message[:1] == b"R":
            continue
        event = translator.take(message)
        if event is None:
            continue
        assert compact(event.content, "") == event.content, "content that is not strict"
        assert event.id, "a change without an id"
        if event.kind == "event":
            _event.decode(event.content)
            understood = True
    return understood
