"""OTLP log exports (OTLP 1.x): requests taken apart, answers made. Pure.

A request of either encoding becomes one message a record. What is kept of each (`raw`) is a request
of its own that holds the resource, the scope and this record, byte by byte as they were sent: in
JSON as text, of Protocol Buffers in base64. What a parser reads is the record's body; a record
without a body, or with a text that no parser knows, is its attributes (applications log a sentence
and put who and what beside it). Everything else that the record, its scope and its resource say
stands under `data.otel`.

A record that is damaged is refused by its position and costs no other. Damage around the records
leaves nobody able to say where they begin; then the whole request is refused.
Sources: the OTLP specification ("OTLP/HTTP"), the logs data model and its Appendix B.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from indelible.base.errors import BadRequest, InvalidEvent, TooLarge
from indelible.base.limits import JSON_DEPTH, NAME_CHARS, OTLP_RAW_BYTES, REQUEST_EVENTS
from indelible.event.model import Severity
from indelible.ingest.json_ends import read, shallow
from indelible.ingest.parsed import Rejected, rejected
from indelible.ingest.parsers.contract import Given, Record
from indelible.ingest.parsers.finish import opened
from indelible.ingest.parsers.pick import epoch
from indelible.ingest.protocols import otlp_records as records
from indelible.ingest.protocols import otlp_wire as wire
from indelible.ingest.protocols.message import Message, Taken
from indelible.ingest.protocols.otlp_records import About, LogRecord

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
_SEVERITIES: Final[tuple[Severity | UnsetType, ...]] = (
    UNSET, *[Severity.DEBUG] * 8, Severity.INFO, *[Severity.LOW] * 3, *[Severity.MEDIUM] * 4,
    Severity.HIGH, *[Severity.CRITICAL] * 7,
)
"""By OpenTelemetry's number, so that a syslog severity means the same by either way in."""


class _Scope(msgspec.Struct, frozen=True, rename="camel"):
    scope: Raw = Raw(b"null")
    log_records: list[Raw] | None = None
    schema_url: str | None = None


class _Resource(msgspec.Struct, frozen=True, rename="camel"):
    resource: Raw = Raw(b"null")
    scope_logs: list[_Scope] | None = None
    schema_url: str | None = None


class _Request(msgspec.Struct, frozen=True, rename="camel"):
    resource_logs: list[_Resource] | None = None


class _Piece(NamedTuple):
    """One record as it stands in a request, what it shares with others, and what is kept."""

    shared: Given
    record: bytes
    raw: bytes


_request = msgspec.json.Decoder(_Request).decode
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_DEEP: Final = b'{"indelible:too_deep":true}'
"""Stands where a request nests deeper than can be read; what holds it is refused."""
_LEVELS: Final = JSON_DEPTH * len(("value", "arrayValue", "values")) + len(
    ("request", "resourceLogs", "resource", "scopeLogs", "scope", "logRecords", "record", "body")
)
"""So deep nests a request whose values nest `JSON_DEPTH` deep."""


def take(body: bytes, media: str, given: Given) -> Taken:
    """The records of an `ExportLogsServiceRequest`; `media` is PROTOBUF or JSON.

    Raises `BadRequest` when the request cannot be taken apart, and `TooLarge` beyond
    `limits.REQUEST_EVENTS` records or `limits.OTLP_RAW_BYTES` of what is kept of all of them.
    """
    pieces = _of_json(body, given) if media == JSON else _of_wire(body, given)
    messages: list[Message] = []
    refused: list[Rejected] = []
    size = 0
    for line, piece in enumerate(pieces, 1):
        if line > REQUEST_EVENTS:
            raise TooLarge(f"more than {REQUEST_EVENTS} log records in one request")
        size += len(piece.raw)
        if size > OTLP_RAW_BYTES:
            raise TooLarge(
                f"with its resource beside each record the request has more than {OTLP_RAW_BYTES} "
                "bytes",
                remedy="Send fewer records at once.",
            )
        try:
            messages.append(_message(line, piece, media))
        except InvalidEvent as error:
            refused.append(rejected(line, error))
    return Taken(messages, refused)


class _Count:
    """Counts resources and scopes, of which an exporter sends no more than records."""

    def __init__(self) -> None:
        self._left = REQUEST_EVENTS

    def one(self) -> None:
        """Raises `TooLarge` beyond `limits.REQUEST_EVENTS`."""
        self._left -= 1
        if self._left < 0:
            raise TooLarge(f"more than {REQUEST_EVENTS} resources and scopes in one request")


def _of_wire(body: bytes, given: Given) -> Iterator[_Piece]:
    count = _Count()
    try:
        for number, _, value in wire.fields(body):
            if number == 1 and isinstance(value, bytes):
                count.one()
                yield from _resource_of_wire(value, given, count)
    except wire.BadWire as error:
        message = f"not an ExportLogsServiceRequest: {error}"
        raise BadRequest(message, code="bad_protobuf") from error


def _resource_of_wire(data: bytes, given: Given, count: _Count) -> Iterator[_Piece]:
    resource, url, scopes = _parts(data)
    if not scopes:
        return
    shared = _from(_about(records.resource_of_wire, resource), given)
    for data in scopes:
        count.one()
        scope, scope_url, found = _parts(data)
        if not found:
            continue
        known = _within(_about(records.scope_of_wire, scope), shared)
        for record in found:
            inner = wire.message(2, record)
            if scope_url:
                inner += wire.message(3, scope_url)
            inner = (wire.message(1, scope) if scope else b"") + inner
            outer = (wire.message(1, resource) if resource else b"") + wire.message(2, inner)
            if url:
                outer += wire.message(3, url)
            yield _Piece(known, record, wire.message(1, outer))


def _parts(data: bytes) -> tuple[bytes, bytes, list[bytes]]:
    """Of `ResourceLogs` or `ScopeLogs`: who they are from, the schema's address, what is inside.

    Both have the same form. A member that stands twice is merged, which joining its bytes does.
    """
    about = url = b""
    inside: list[bytes] = []
    for number, _, value in wire.fields(data):
        if not isinstance(value, bytes):
            continue
        if number == 1:
            about += value
        elif number == 2:
            inside.append(value)
        elif number == 3:
            url = value
    return about, url, inside


def _about(read: Callable[[bytes], About], data: bytes | Raw) -> About:
    """A resource or a scope; raises `BadRequest`: all its records would lack it."""
    try:
        return read(bytes(data))
    except InvalidEvent as error:
        raise BadRequest(f"a resource or a scope: {error.message}", code=error.code) from error


def _of_json(body: bytes, given: Given) -> Iterator[_Piece]:
    try:
        try:
            request = read(_request, body)
        except RecursionError:  # of one record, perhaps; the others can be read
            request = read(_request, shallow(body, _LEVELS, _DEEP))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"not an ExportLogsServiceRequest: {error}", code="bad_json") from error
    count = _Count()
    for one in request.resource_logs or ():
        count.one()
        if not one.scope_logs:
            continue
        shared = _from(_about_json(one.resource), given)
        for inside in one.scope_logs:
            count.one()
            if not inside.log_records:
                continue
            known = _within(_about_json(inside.scope), shared)
            before = b'{"resourceLogs":[{"resource":%b,"scopeLogs":[{"scope":%b,"logRecords":[' % (
                bytes(one.resource), bytes(inside.scope)
            )
            after = b"]%b}]%b}]}" % (_url(inside.schema_url), _url(one.schema_url))
            for record in inside.log_records:
                one_record = bytes(record)
                yield _Piece(known, one_record, before + one_record + after)


def _about_json(said: Raw) -> About:
    return _about(lambda text: records.about_of_json(_read(text)), said)


def _read(text: bytes) -> Any:
    """JSON that stands in the request; what was passed over until now is checked here."""
    if _DEEP in text:
        raise InvalidEvent(f"it nests more than {JSON_DEPTH} deep", code="too_deep")
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidEvent(f"not well-formed JSON: {error}", code="bad_json") from error


def _url(schema: str | None) -> bytes:
    return b',"schemaUrl":' + _encode(schema) if schema else b""


# --- what is known of a record besides its body


def _from(resource: About, given: Given) -> Given:
    """What a resource says of all its records (semantic conventions for resources)."""
    said = resource.attributes
    labels = {
        "service": _name(said, "service.name"),
        "env": _name(said, "deployment.environment.name", "deployment.environment"),
    }
    return replace(
        given,
        host=_name(said, "host.name"), program=_name(said, "service.name"),
        process=_name(said, "process.pid"),
        labels={name: value for name, value in labels.items() if value},
        data={"otel": {"resource": said} if said else {}},
    )


def _within(scope: About, shared: Given) -> Given:
    if scope == About({}):
        return shared
    said = {"name": scope.name, "version": scope.version, "attributes": scope.attributes}
    otel: Any = shared.data["otel"]
    return replace(
        shared, data={"otel": {**otel, "scope": {name: one for name, one in said.items() if one}}}
    )


def _name(said: dict[str, Any], *names: str) -> str:
    for name in names:
        value = said.get(name)
        if type(value) in (str, int) and 0 < len(str(value)) <= NAME_CHARS:
            return str(value)
    return ""


def _message(line: int, piece: _Piece, media: str) -> Message:
    """A record as a message; raises `InvalidEvent` when it is damaged."""
    if media == JSON:
        record = records.record_of_json(_read(piece.record))
    else:
        try:
            record = records.record_of_wire(piece.record)
        except wire.BadWire as error:
            raise InvalidEvent(f"not a LogRecord: {error}", code="bad_protobuf") from error
    inner, rest = _inner(record)
    said: dict[str, Any] = {
        "attributes": rest, "event": record.event_name, "severity_text": record.severity_text,
        "trace_id": record.trace_id, "span_id": record.span_id,
        "dropped_attributes": record.dropped,
    }
    otel: Any = piece.shared.data["otel"]
    otel = {**otel, **{name: value for name, value in said.items() if value}}
    uid = record.attributes.get("log.record.uid")
    return Message(
        line=line,
        raw=piece.raw,
        given=replace(
            piece.shared,
            time=epoch(record.time_ns, "ns") if record.time_ns > 0 else UNSET,
            observed=epoch(record.observed_ns, "ns") if record.observed_ns > 0 else UNSET,
            severity=_severity(record.severity),
            data={"otel": otel} if otel else {},
        ),
        inner=inner,
        id=uid if isinstance(uid, str) and len(uid) <= NAME_CHARS else "",
        raw_type="" if media == JSON else PROTOBUF,
        trace_id=record.trace_id,
        instead=_record(record, inner) if rest and isinstance(inner, str) else None,
    )


def _inner(record: LogRecord) -> tuple[str | Record, dict[str, Any]]:
    """What the parser reads, and the attributes that are not part of it."""
    body = record.body
    if body is None or body in ("", b""):
        return (_record(record) or ""), {}
    if isinstance(body, str):
        return opened(body.encode()), record.attributes
    if isinstance(body, bytes):
        return opened(body), record.attributes
    if isinstance(body, dict):
        return body, record.attributes
    return _encode(body).decode(), record.attributes


def _record(record: LogRecord, message: str = "") -> Record:
    """The attributes as a record, with the event's name and the sentence that was logged."""
    said = {"event.name": record.event_name, "message": message}
    return {**{name: value for name, value in said.items() if value}, **record.attributes}


def _severity(number: int) -> Severity | UnsetType:
    return _SEVERITIES[number] if 0 <= number < len(_SEVERITIES) else UNSET


# --- answers


def success(media: str, refused: list[Rejected]) -> bytes:
    """An `ExportLogsServiceResponse`: full, or partial with how many were refused and why."""
    if not refused:
        return b"{}" if media == JSON else b""
    first = refused[0]
    why = f"log record {first.line}: {first.reason} ({first.code})"
    if len(refused) > 1:
        why += f"; and {len(refused) - 1} more"
    if media == JSON:
        part = {"rejectedLogRecords": str(len(refused)), "errorMessage": why}
        return _encode({"partialSuccess": part})
    return wire.message(1, wire.whole(1, len(refused)) + wire.message(2, why.encode()))


def failure(media: str, message: str) -> bytes:
    """A `google.rpc.Status` that says why nothing was stored; OTLP uses no code of it."""
    if media == JSON:
        return _encode({"message": message})
    return wire.message(2, message.encode())
