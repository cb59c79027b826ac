"""Splunk's HTTP Event Collector: requests taken apart, answers in its words. Pure.

Events are JSON objects one behind the other, with or without something between them; each is kept
as it stands. Raw data is lines. An event that is none (no `event`, a blank one, broken JSON) is
refused by its number and costs no other: where an object is broken off, reading goes on with the
next line. Source: Splunk's reference "HTTP Event Collector REST API endpoints", "Format events for
HTTP Event Collector", and its table of response codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from json import JSONDecodeError
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from indelible.base.errors import TooLarge
from indelible.base.limits import JSON_DEPTH, NAME_CHARS, REQUEST_EVENTS
from indelible.ingest.json_ends import Ends
from indelible.ingest.parsed import Rejected
from indelible.ingest.parsers.contract import Given, Record
from indelible.ingest.parsers.finish import decoded, opened
from indelible.ingest.parsers.pick import epoch_of_any_unit
from indelible.ingest.protocols.message import Message, Taken


class Reply(NamedTuple):
    """One of HEC's answers: its number, its text, and the HTTP status that goes with it."""

    code: int
    text: str
    status: int


SUCCESS: Final = Reply(0, "Success", 200)
TOKEN_DISABLED: Final = Reply(1, "Token disabled", 403)
TOKEN_REQUIRED: Final = Reply(2, "Token is required", 401)
INVALID_AUTHORIZATION: Final = Reply(3, "Invalid authorization", 401)
INVALID_TOKEN: Final = Reply(4, "Invalid token", 403)
NO_DATA: Final = Reply(5, "No data", 400)
INVALID_DATA: Final = Reply(6, "Invalid data format", 400)
SERVER_ERROR: Final = Reply(8, "Internal server error", 500)
SERVER_BUSY: Final = Reply(9, "Server is busy", 503)
CHANNEL_MISSING: Final = Reply(10, "Data channel is missing", 400)
INVALID_CHANNEL: Final = Reply(11, "Invalid data channel", 400)
EVENT_REQUIRED: Final = Reply(12, "Event field is required", 400)
EVENT_BLANK: Final = Reply(13, "Event field cannot be blank", 400)
QUERY_TOKEN: Final = Reply(16, "Query string authorization is not enabled", 400)
HEALTHY: Final = Reply(17, "HEC is healthy", 200)
UNHEALTHY: Final = Reply(18, "HEC is unhealthy, queues are full", 503)
TOO_LARGE: Final = Reply(27, "Request entity too large", 413)

_BY_REFUSAL: Final = {"missing_field": EVENT_REQUIRED, "empty": EVENT_BLANK}
_BROKEN: Final = "not well-formed JSON, and nothing more was read of its line: "
_WHITE: Final = " \t\r\n,"
_SCALARS: Final = (str, int, float, bool)
_encode = msgspec.json.Encoder().encode


def take_events(body: bytes, given: Given, said: dict[str, str]) -> Taken:
    """The events of a request; `said` are the parameters that stand for what an event lacks.

    Raises `TooLarge` beyond `limits.REQUEST_EVENTS` events.
    """
    messages: list[Message] = []
    refused: list[Rejected] = []
    for line, (raw, why) in enumerate(_objects(body), 1):
        if line > REQUEST_EVENTS:
            raise TooLarge(f"more than {REQUEST_EVENTS} events in one request")
        one = _refusal("bad_json", why) if why else _event(line, raw, given, said)
        if isinstance(one, Message):
            messages.append(one)
        else:
            refused.append(replace(one, line=line))
    return Taken(messages, refused)


def take_lines(body: bytes, given: Given, said: dict[str, str]) -> Taken:
    """The lines of a raw request, without the blank ones; raises as `take_events`."""
    known = _known(given, said)
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) > REQUEST_EVENTS:
        raise TooLarge(f"more than {REQUEST_EVENTS} lines in one request")
    return Taken(
        [Message(line, raw.rstrip(b"\r"), known) for line, raw in enumerate(lines, 1)], []
    )


def _objects(body: bytes) -> Iterator[tuple[bytes, str]]:
    """Every JSON value with its exact bytes, or what stands in its place and why it is none.

    The work is bounded: once `JSON_VAIN_BYTES` were read in vain, a value is looked for on its own
    line alone.
    """
    text = body.decode("latin-1")  # one character a byte, and JSON's structure is ASCII
    at, ends = 0, Ends(text)
    while not ends.spent and (at := _past_white(text, at)) < len(text):
        try:
            stop = ends.end_of(at)
        except JSONDecodeError as error:
            yield b"", _BROKEN + error.msg.removesuffix(" starting at")
            at = _line_end(text, at)
        else:
            yield text[at:stop].encode("latin-1"), ""
            at = stop
    while at < len(text):
        stop = _line_end(text, at + 1)
        yield from _on_one_line(text[at:stop], ends)
        at = stop


def _on_one_line(line: str, ends: Ends) -> Iterator[tuple[bytes, str]]:
    """The values of one line, up to one that does not end on it."""
    at = 0
    while (at := _past_white(line, at)) < len(line):
        try:
            stop = ends.end_in(line, at)
        except JSONDecodeError as error:
            yield b"", _BROKEN + error.msg.removesuffix(" starting at")
            return
        yield line[at:stop].encode("latin-1"), ""
        at = stop


def _past_white(text: str, at: int) -> int:
    while at < len(text) and text[at] in _WHITE:
        at += 1
    return at


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found


def _event(line: int, raw: bytes, given: Given, said: dict[str, str]) -> Message | Rejected:
    try:
        found: Any = decoded(raw)
    except RecursionError:
        return _refusal("too_deep", f"it nests more than {JSON_DEPTH} deep")
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return _refusal("bad_json", f"not well-formed JSON: {error}")
    if not isinstance(found, dict):
        return _refusal("wrong_type", "an event is a JSON object")
    event = found.get("event")
    if event is None:
        return _refusal("missing_field", "the object has no member event")
    if isinstance(event, str) and not event.strip():
        return _refusal("empty", "event is blank")
    return Message(line, raw, _known(given, found, said), _inner(event, raw))


def _inner(event: Any, raw: bytes) -> str | Record:
    if isinstance(event, dict):
        return event
    if isinstance(event, str):
        return opened(event.encode())
    try:
        return _encode(event).decode()
    except (msgspec.MsgspecError, RecursionError):
        return raw.decode("utf-8", "replace")


def _refusal(code: str, why: str) -> Rejected:
    return Rejected(line=0, field="event", code=code, reason=why)


def _known(given: Given, found: dict[str, Any], said: dict[str, str] | None = None) -> Given:
    """What an event's envelope says of it; parameters stand for what it lacks."""
    words = {
        name: _word(found, name) or (said or {}).get(name, "")
        for name in ("host", "source", "sourcetype", "index")
    }
    stamp = found.get("time")
    time = epoch_of_any_unit(stamp if stamp is not None else (said or {}).get("time"))
    hec: dict[str, Any] = {
        name: words[name] for name in ("source", "sourcetype", "index") if words[name]
    }
    fields = found.get("fields")
    if isinstance(fields, dict) and fields:
        hec["fields"] = {name: _flat(value) for name, value in fields.items()}
    if stamp is not None and time is UNSET and isinstance(stamp, _SCALARS):
        hec["time"] = str(stamp)[:NAME_CHARS]
    labels = {name: words[name] for name in ("sourcetype", "index") if words[name]}
    return replace(
        given, host=words["host"] or given.host, time=time,
        labels={**given.labels, **labels}, data={"hec": hec} if hec else {},
    )


def _word(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) and len(value) <= NAME_CHARS else ""


def _flat(value: Any) -> Any:
    """An indexed field: a text, a number, or several; anything else as its JSON text."""
    several = value if isinstance(value, list) else [value]
    if all(isinstance(one, _SCALARS) or one is None for one in several):
        return value
    try:
        return _encode(value).decode()
    except (msgspec.MsgspecError, RecursionError):
        return ""


# --- answers


def reply(one: Reply, **more: object) -> bytes:
    """An answer, with members of its own kind besides."""
    return _encode({"text": one.text, "code": one.code, **more})


def outcome(accepted: int, refused: Sequence[Rejected]) -> tuple[Reply, dict[str, object]]:
    """The answer to a request whose events are durable, but for those that were refused.

    `invalid-event-number` counts events from 0, as Splunk does, and names the first refused one;
    `accepted`, `refused` and `reason` are ours.
    """
    if not refused:
        return (SUCCESS, {}) if accepted else (NO_DATA, {})
    first = refused[0]
    return _BY_REFUSAL.get(first.code, INVALID_DATA), {
        "invalid-event-number": first.line - 1, "accepted": accepted, "refused": len(refused),
        "reason": f"{first.reason} ({first.code})",
    }
