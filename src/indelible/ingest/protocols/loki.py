"""Loki's push requests in JSON: taken apart, and answers in its words. Pure.

A request holds streams, a stream its labels and entries, an entry a time in nanoseconds, a line and
perhaps structured metadata. Each entry becomes one message. What is kept of it (`raw`) is a request
of its own that holds its stream's labels and this entry, byte by byte as they were sent: two equal
lines at two times, or of two streams, are two messages. What a parser reads is the line; a line
that no parser knows, with metadata beside it, is the metadata (applications log a sentence and put
who and what beside it).

An entry that is none is refused by its position and costs no other; of a stream whose labels cannot
be read all entries are. Source: Loki's reference "Loki HTTP API", and what its push endpoint
decodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from indelible.base.errors import BadRequest, InvalidEvent, TooLarge
from indelible.base.limits import (
    JSON_DEPTH,
    LOKI_RAW_BYTES,
    LOKI_REASONS,
    NAME_CHARS,
    REQUEST_EVENTS,
)
from indelible.event.model import Severity
from indelible.ingest.json_ends import read, shallow
from indelible.ingest.parsed import Rejected, rejected
from indelible.ingest.parsers.contract import Given, Record
from indelible.ingest.parsers.finish import opened
from indelible.ingest.parsers.guess_told import severity_of
from indelible.ingest.parsers.pick import epoch_of_any_unit
from indelible.ingest.protocols.message import Message, Taken

JSON: Final = "application/json"
_SCALARS: Final = (str, int, float, bool)
_HOSTS: Final = ("host", "hostname", "node_name")
_SERVICES: Final = ("service_name", "service", "app", "application", "job")
_ENVIRONMENTS: Final = ("environment", "env")
_LEVELS: Final = ("level", "detected_level", "severity")
"""Labels by which senders usually say so; the first of them that is there counts."""

_DEEP: Final = b'{"indelible:too_deep":true}'
"""Stands where a request nests deeper than can be read; what holds it is refused."""
_ROUND: Final = len(("request", "streams", "stream", "values", "entry"))
"""So many levels are around what an entry says."""


class _Request(msgspec.Struct, frozen=True):
    streams: list[Raw]


_request = msgspec.json.Decoder(_Request).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_entries = msgspec.json.Decoder(list[Raw] | None).decode
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class _Stream(NamedTuple):
    """What the entries of a stream share: what is known of them, and what is kept before each."""

    given: Given
    loki: dict[str, Any]
    before: bytes


class _Entry(NamedTuple):
    """One entry at its place in a request, with its stream or with why it has none."""

    at: str
    raw: bytes
    stream: _Stream | InvalidEvent


def take(body: bytes, given: Given, org: str = "") -> Taken:
    """The entries of a push request; `org` is the tenant that the sender names, which is kept.

    Raises `BadRequest` when the request cannot be taken apart, and `TooLarge` beyond
    `limits.REQUEST_EVENTS` entries or `limits.LOKI_RAW_BYTES` of what is kept of all of them.
    """
    messages: list[Message] = []
    refused: list[Rejected] = []
    size = 0
    for line, entry in enumerate(_of(body, given, org), 1):
        if line > REQUEST_EVENTS:
            raise TooLarge(f"more than {REQUEST_EVENTS} entries in one request")
        try:
            message = _message(line, entry)
        except InvalidEvent as error:
            refused.append(replace(rejected(line, error), field=entry.at))
            continue
        size += len(message.raw)
        if size > LOKI_RAW_BYTES:
            raise TooLarge(
                f"with its labels beside each entry the request has more than {LOKI_RAW_BYTES} "
                "bytes",
                remedy="Send fewer entries at once.",
            )
        messages.append(message)
    return Taken(messages, refused)


def _of(body: bytes, given: Given, org: str) -> Iterator[_Entry]:
    """Every entry of a request; a stream that is none stands as one."""
    try:
        request = _opened(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(
            f"not a push request: {error}", code="bad_json",
            remedy='Send {"streams": [{"stream": {LABELS}, "values": [["NANOSECONDS", "LINE"]]}]}.',
        ) from error
    if len(request.streams) > REQUEST_EVENTS:
        raise TooLarge(f"more than {REQUEST_EVENTS} streams in one request")
    for number, said in enumerate(request.streams):
        at = f"streams[{number}]"
        try:
            members = _members(said)
            if "values" not in members:
                yield _Entry(at, b"", _without_values(members))
                continue
            found = _entries(members.pop("values"))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            why = f"a stream is an object whose values are a list: {error}"
            yield _Entry(at, b"", InvalidEvent(why, code="wrong_type"))
            continue
        if found:
            stream = _stream(members, given, org)
            for place, entry in enumerate(found):
                yield _Entry(f"{at}.values[{place}]", bytes(entry), stream)


def _opened(body: bytes) -> _Request:
    """A request, mended where it cannot be read for the sake of one entry; raises as a decoder."""
    try:
        return read(_request, body)
    except RecursionError:
        return read(_request, shallow(body, JSON_DEPTH + _ROUND, _DEEP))


def _without_values(members: dict[str, Raw]) -> InvalidEvent:
    why = "the stream has no values"
    if "entries" in members:
        why += "; labels and entries are the form before Loki 0.4: send stream and values"
    return InvalidEvent(why, code="missing_field")


def _stream(members: dict[str, Raw], given: Given, org: str) -> _Stream | InvalidEvent:
    """A stream by its members without the values, or why its labels cannot be read."""
    try:
        labels = _flat(_read(bytes(members.get("stream", b"null"))))
    except InvalidEvent as error:
        return InvalidEvent(f"the labels of its stream: {error.message}", code=error.code)
    others = b"".join(b"%b:%b," % (_encode(name), value) for name, value in members.items())
    said = {"service": _name(labels, _SERVICES), "env": _name(labels, _ENVIRONMENTS)}
    loki: dict[str, Any] = {"labels": labels} if labels else {}
    if org:
        loki["org_id"] = org
    known = replace(
        given,
        host=_name(labels, _HOSTS) or given.host,
        severity=_severity(labels),
        labels={**given.labels, **{name: value for name, value in said.items() if value}},
    )
    return _Stream(known, loki, b'{"streams":[{%b"values":[' % others)


def _message(line: int, entry: _Entry) -> Message:
    """An entry as a message; raises `InvalidEvent` when it is none."""
    stream = entry.stream
    if isinstance(stream, InvalidEvent):
        raise stream
    stamp, text, metadata = _parts(_read(entry.raw))
    time = epoch_of_any_unit(stamp)
    loki = {**stream.loki, "metadata": metadata} if metadata else dict(stream.loki)
    if time is UNSET and isinstance(stamp, _SCALARS):
        loki["time"] = str(stamp)[:NAME_CHARS]
    inner = opened(text.encode())
    beside: Record = {"message": text, **metadata}
    severity = _severity(metadata)
    return Message(
        line=line,
        raw=b"%b%b]}]}" % (stream.before, entry.raw),
        given=replace(
            stream.given, time=time, data={"loki": loki} if loki else {},
            severity=stream.given.severity if severity is UNSET else severity,
        ),
        inner=inner,
        trace_id=_name(metadata, ("trace_id",)),
        instead=beside if metadata and isinstance(inner, str) else None,
    )


def _parts(entry: Any) -> tuple[Any, str, dict[str, Any]]:
    """The time, the line and the metadata of an entry; raises `InvalidEvent`."""
    if not isinstance(entry, list):
        raise InvalidEvent(f"an entry is {_FORM}", code="wrong_type")
    if len(entry) < 2:
        raise InvalidEvent(f"it has no line; an entry is {_FORM}", code="missing_field")
    if not isinstance(entry[1], str):
        raise InvalidEvent(f"its line is no text; an entry is {_FORM}", code="wrong_type")
    said = entry[2] if len(entry) > 2 else None
    return entry[0], entry[1], _flat(said) if isinstance(said, dict) else {}


_FORM: Final = '["NANOSECONDS", "LINE"]'


def _read(text: bytes) -> Any:
    """JSON that stands in the request; what was passed over until now is checked here."""
    if _DEEP in text:
        raise InvalidEvent(f"it nests more than {JSON_DEPTH} deep", code="too_deep")
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(f"not well-formed JSON: {error}", code="bad_json") from error


def _flat(said: Any) -> dict[str, Any]:
    """Labels or metadata: texts as Loki has them, numbers; anything else as its JSON text."""
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise InvalidEvent("labels are an object", code="wrong_type")
    return {
        name: value if isinstance(value, _SCALARS) else _text(value)
        for name, value in said.items() if value is not None
    }


def _text(value: Any) -> str:
    try:
        return _encode(value).decode()
    except (msgspec.MsgspecError, RecursionError):
        return ""


def _name(said: dict[str, Any], names: Sequence[str]) -> str:
    for name in names:
        value = said.get(name)
        if isinstance(value, str) and 0 < len(value) <= NAME_CHARS:
            return value
    return ""


def _severity(said: dict[str, Any]) -> Severity | UnsetType:
    return severity_of(_name(said, _LEVELS)) or UNSET


# --- answers


def partly(accepted: int, refused: Sequence[Rejected]) -> str:
    """What is said of a request of which some entries, or all, were refused.

    Names the first `limits.LOKI_REASONS` of them, each by its place in the request.
    """
    told = [f"{one.field}: {one.reason} ({one.code})" for one in refused[:LOKI_REASONS]]
    if len(refused) > LOKI_REASONS:
        told.append(f"and {len(refused) - LOKI_REASONS} more")
    return (
        f"{len(refused)} of {accepted + len(refused)} entries refused, {accepted} stored, which "
        f"need not come again. {'; '.join(told)}"
    )
