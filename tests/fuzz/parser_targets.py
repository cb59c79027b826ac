"""Parsers of foreign formats: whatever they are given, the message is kept and nothing fails.

For every format the labelled messages are the good inputs. What must hold: a message becomes an
event or is kept unparsed with a reason that is not the parser's own failure; what is stored is
strict JSON on one line and holds the message byte for byte; the same message gives the same event.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import msgspec

from fuzz.capture_target import STREAMS as CHANGES
from fuzz.capture_target import capture
from fuzz.journal_target import UPLOADS, journal_export
from fuzz.kafka_target import RECORDS
from fuzz.kafka_target import record as kafka_record
from fuzz.nats_target import MESSAGES as NATS_MESSAGES
from fuzz.nats_target import message as nats_message
from fuzz.s3_target import DIGESTS, NOTICES, digest, told
from fuzz.targets import Target
from indelible.base.errors import BadRequest, InvalidEvent, TooLarge
from indelible.event.model import Event
from indelible.event.strict import compact
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given, Parser
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.native_rules import ACTION
from indelible.ingest.parsers.table import AUTO, all_parsers
from indelible.ingest.protocols import elasticsearch, hec, loki, otlp, relp, syslog
from indelible.ingest.protocols.message import Taken, understood
from support.labelled import FOLDER, cases

Seeds = Callable[[], Sequence[bytes]]
NOW = Given(now_us=1_780_272_000_000_000, host="fuzz.example.org", program="sshd")
_event = msgspec.json.Decoder(Event)
_LEAVES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1 << 70, 1.5, 1e308, "", "-", "x" * 3000, "\x00\u202e", [], {}, [[]],
    [None], {"": None}, "2026-13-45T99:99:99Z", "9" * 40, "::ffff:203.0.113.9", "198.51.100.7:99",
)


def kept(parser: Parser, data: bytes) -> bool:
    """The message is stored, whatever it says; True when it was understood."""
    try:
        found = parse_message(parser, data, NOW)
    except InvalidEvent as refused:
        if refused.code != "too_large":
            raise
        return False
    _sound(found, data)
    assert parse_message(parser, data, NOW) == found, "two answers to one message"
    return found.kind == "event"


def _sound(found: Parsed, data: bytes) -> None:
    content = msgspec.json.decode(found.content)
    assert b"\n" not in found.content, "content over several lines"
    assert compact(found.content, "") == found.content, "content that is not strict"
    raw = content["raw"].encode() if "raw_type" not in content else base64.b64decode(content["raw"])
    assert raw == data, "the message is not what came"
    if found.kind == "event":
        event = _event.decode(found.content)
        assert ACTION.fullmatch(event.action), f"action {event.action!r}"
        assert event.actor.id, "an actor without an id"
    else:
        assert content["reason"]["code"] != "parser_failed", content["reason"]


def _mutated_object(seeds: Seeds, rng: random.Random, data: bytes) -> bytes:
    """Half of the time a good JSON object with members dropped, replaced, moved and nested; else
    the mutated bytes as they are."""
    good = rng.choice(seeds())
    if rng.random() < 0.5 or not good.startswith(b"{"):
        return data
    whole = json.loads(good)
    for _ in range(rng.choice((1, 1, 2, 4))):
        places = list(_places(whole))
        if not places:
            break
        holder, key = rng.choice(places)
        change = rng.random()
        if change < 0.3:
            del holder[key]
        elif change < 0.8:
            holder[key] = rng.choice(_LEAVES)
        else:
            other, name = rng.choice(places)
            holder[key] = other[name] if change < 0.9 else [holder[key]] * rng.choice((1, 3))
    try:
        return json.dumps(whole, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return data


def _places(part: Any, depth: int = 0) -> Any:
    """Every (container, key) of a decoded document."""
    if depth > 20:
        return
    pairs = list(part.items()) if isinstance(part, dict) else list(enumerate(part))
    for key, value in pairs:
        yield part, key
        if isinstance(value, (dict, list)):
            yield from _places(value, depth + 1)


def seeds_of(name: str) -> Sequence[bytes]:
    """The labelled messages of a format that are understood without an envelope's help."""
    parser = next(one for one in all_parsers() if one.name == name)
    found = [case.raw for case in cases(name)]
    return [raw for raw in found if kept(parser, raw)] or found


def framing(data: bytes) -> bool:
    """A stream gives the same messages whole and octet by octet, or breaks at the same place."""
    whole, parts = syslog.Framer(), syslog.Framer()
    one = whole.feed(data)
    two = [frame for at in range(len(data)) for frame in parts.feed(data[at : at + 1])]
    assert (one, whole.broken) == (two, parts.broken), "the pieces change the messages"
    assert one + whole.end() == two + parts.end()
    return bool(one)


def session(data: bytes) -> bool:
    """A RELP session is the same whole and octet by octet, or is refused."""
    whole: list[object] = []
    parts: list[object] = []
    for found, step in ((whole, len(data) or 1), (parts, 1)):
        relp_session = relp.Session()
        try:
            for at in range(0, len(data), step):
                found += relp_session.feed(data[at : at + step])
        except relp.BadSession:
            found.append("refused")
    if "refused" in (*whole, *parts):
        assert whole[-1:] == parts[-1:], "refused in one way only"
        return False
    assert whole == parts, "the pieces change the session"
    return bool(whole)


def _request(take: Callable[[bytes], Taken], data: bytes) -> bool:
    """A request is taken apart or refused whole; every message of it is kept or refused."""
    try:
        taken = take(data)
    except (BadRequest, TooLarge):
        return False
    events, refused = understood(taken, AUTO)
    assert len(events) + len(refused) == len(taken.messages) + len(taken.refused), "one is lost"
    for event in events:
        assert compact(event.content, "") == event.content, "content that is not strict"
        assert b'"parser_failed"' not in event.content
    return bool(events)


_LOGS = json.dumps({"resourceLogs": [{"resource": {"attributes": [
    {"key": "service.name", "value": {"stringValue": "shop"}}]}, "scopeLogs": [{"logRecords": [
        {"timeUnixNano": "1780272000000000000", "severityNumber": 9, "traceId": "0af7651916cd43dd",
         "body": {"stringValue": "ann signed in"},
         "attributes": [{"key": "user", "value": {"stringValue": "ann"}}]}]}]}]}).encode()
_BULK = (
    b'{"create":{"_index":"logs","_id":"1"}}\n{"message":"ann signed in","user":"ann"}\n'
    b'{"index":{"_index":"logs"}}\n{"@timestamp":"2026-05-01T10:00:00Z","message":"x"}\n'
)
_HEC = (
    b'{"time":1780272000.5,"host":"web","event":{"user":"ann","action":"login"}}'
    b'{"event":"<13>1 2026-05-01T10:00:00Z h sshd - - - Accepted password for ann from 192.0.2.1"}'
)
_LOKI = json.dumps({"streams": [
    {"stream": {"app": "shop", "level": "info", "host": "web"}, "values": [
        ["1780272000000000000", "ann signed in", {"user": "ann", "action": "login"}],
        ["1780272000000000001", '{"user":"ann","action":"login"}']]},
    {"values": [["1780272000", "<13>Oct 11 22:14:15 h su: two"]]},
]}).encode()
_STREAMS = (
    b"<34>1 2026-05-01T10:00:00Z h app - - - one\n<13>Oct 11 22:14:15 h su: two\n",
    b"26 <34>1 - h a - - - message 34 <13>Oct 11 22:14:15 h su: 'su root'",
    b"a line\n17 cats\n20240101 12:00 x\n5 <1>ab\0",
)


def _frames(*frames: tuple[bytes, bytes]) -> bytes:
    numbered = enumerate(frames, 1)
    return b"".join(
        b"%d %s %d%s\n" % (n, command, len(data), b" " + data if data else b"")
        for n, (command, data) in numbered
    )


_OPEN = (b"open", b"relp_version=0\ncommands=syslog")
_SESSIONS = (
    _frames(_OPEN, (b"syslog", b"<1>ab"), (b"close", b"")),
    _frames(_OPEN, (b"starttls", b""), (b"syslog", b"<1>ab\ncde"), (b"syslog", b"x")),
)


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited protobuf field, short enough for one byte of length."""
    return bytes([number << 3 | 2, len(data)]) + data


def _wire() -> bytes:
    """The smallest request in protobuf: one record with a time, a text and an attribute."""
    text = _field(1, b"ann signed in")
    attribute = _field(6, _field(1, b"user") + _field(2, _field(1, b"ann")))
    record = b"\x09" + (1_780_272_000 * 10**9).to_bytes(8, "little") + _field(5, text) + attribute
    return _field(1, _field(2, _field(2, record)))


def _target(parser: Parser) -> Target:
    run: Callable[[bytes], bool] = partial(kept, parser)
    seeds = cache(partial(seeds_of, parser.name))
    return Target(f"parser_{parser.name}", seeds, run, partial(_mutated_object, seeds))


def _all_seeds() -> Sequence[bytes]:
    return [raw for case in cases() if kept(AUTO, raw := case.raw)]


PARSER_TARGETS: tuple[Target, ...] = (
    *(_target(parser) for parser in all_parsers() if (FOLDER / f"{parser.name}.json").exists()),
    Target("parser_auto", cache(_all_seeds), partial(kept, AUTO)),
    Target("syslog_stream", lambda: _STREAMS, framing),
    Target("relp_session", lambda: _SESSIONS, session),
    Target(
        "otlp_json", lambda: (_LOGS,), partial(_request, lambda b: otlp.take(b, otlp.JSON, NOW))
    ),
    Target(
        "otlp_wire", lambda: (_wire(),),
        partial(_request, lambda b: otlp.take(b, otlp.PROTOBUF, NOW)),
    ),
    Target(
        "elasticsearch", lambda: (_BULK,),
        partial(_request, lambda b: elasticsearch.take_bulk(b, "", NOW).taken),
    ),
    Target("hec_events", lambda: (_HEC,), partial(_request, lambda b: hec.take_events(b, NOW, {}))),
    Target("hec_lines", lambda: (_HEC,), partial(_request, lambda b: hec.take_lines(b, NOW, {}))),
    Target(
        "loki", lambda: (_LOKI,), partial(_request, lambda b: loki.take(b, NOW, "acme")),
        partial(_mutated_object, lambda: (_LOKI,)),
    ),
    Target("journal_export", lambda: UPLOADS, journal_export),
    Target("pgoutput_stream", lambda: CHANGES, capture),
    Target("kafka_record", lambda: RECORDS, kafka_record),
    Target("nats_message", lambda: NATS_MESSAGES, nats_message),
    Target("s3_notice", lambda: NOTICES, told),
    Target("cloudtrail_digest", lambda: DIGESTS, digest),
)
