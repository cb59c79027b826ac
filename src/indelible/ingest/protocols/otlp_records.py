"""Log records of OpenTelemetry, from their binary form and from their JSON: one shape for both.

Field numbers and member names are those of opentelemetry-proto 1.x (`logs/v1/logs.proto`,
`common/v1/common.proto`, `resource/v1/resource.proto`); what is unknown is passed over, as the
OTLP specification asks. JSON differs from the usual mapping of Protocol Buffers: trace and span
ids are hexadecimal, and enums are numbers.
"""

from __future__ import annotations

import base64
import binascii
import math
from typing import Any, Final, NamedTuple

from indelible.base.errors import InvalidEvent
from indelible.base.limits import JSON_DEPTH
from indelible.ingest.protocols import otlp_wire as wire

Value = str | bool | int | float | bytes | list[Any] | dict[str, Any] | None
"""What an attribute or a body holds; bytes only as a whole body, elsewhere they are base64."""


class LogRecord(NamedTuple):
    """One record as it was sent; absent members are empty or 0."""

    attributes: dict[str, Any]
    time_ns: int = 0
    observed_ns: int = 0
    severity: int = 0
    severity_text: str = ""
    event_name: str = ""
    body: Value = None
    dropped: int = 0
    trace_id: str = ""
    span_id: str = ""


class About(NamedTuple):
    """A resource, or an instrumentation scope: who the records are from."""

    attributes: dict[str, Any]
    name: str = ""
    version: str = ""


_TOO_DEEP: Final = f"its values nest deeper than {JSON_DEPTH}"


def _too_deep() -> InvalidEvent:
    return InvalidEvent(_TOO_DEEP, field="body", code="too_deep")


def plain(value: Value) -> Value:
    """A value as JSON can hold it: bytes in base64."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


# --- Protocol Buffers


def record_of_wire(data: bytes) -> LogRecord:
    """A `LogRecord`; raises `BadWire`, and `InvalidEvent` for values that nest too deep."""
    numbers = {1: 0, 2: 0, 7: 0, 11: 0}
    texts = {3: "", 12: ""}
    ids = {9: b"", 10: b""}
    body: Value = None
    attributes: dict[str, Any] = {}
    for number, _, value in wire.fields(data):
        if number == 6 and isinstance(value, bytes):
            _key_value(value, attributes, 1)
        elif number == 5 and isinstance(value, bytes):
            body = _any(value, 0)
        elif number in numbers and isinstance(value, int):
            numbers[number] = value
        elif number in texts:
            texts[number] = wire.text(value)
        elif number in ids and isinstance(value, bytes):
            ids[number] = value
    return LogRecord(
        attributes, time_ns=numbers[1], observed_ns=numbers[11], severity=numbers[2],
        severity_text=texts[3], event_name=texts[12], body=body, dropped=numbers[7],
        trace_id=_hex(ids[9]), span_id=_hex(ids[10]),
    )


def resource_of_wire(data: bytes) -> About:
    """A `Resource`; raises as `record_of_wire`."""
    attributes: dict[str, Any] = {}
    for number, _, value in wire.fields(data):
        if number == 1 and isinstance(value, bytes):
            _key_value(value, attributes, 1)
    return About(attributes)


def scope_of_wire(data: bytes) -> About:
    """An `InstrumentationScope`; raises as `record_of_wire`."""
    texts = {1: "", 2: ""}
    attributes: dict[str, Any] = {}
    for number, _, value in wire.fields(data):
        if number == 3 and isinstance(value, bytes):
            _key_value(value, attributes, 1)
        elif number in texts:
            texts[number] = wire.text(value)
    return About(attributes, texts[1], texts[2])


def _key_value(data: bytes, into: dict[str, Any], depth: int) -> None:
    key, found = "", b""
    for number, _, value in wire.fields(data):
        if number == 1:
            key = wire.text(value)
        elif number == 2 and isinstance(value, bytes):
            found += value
    into[key] = plain(_any(found, depth))


def _any(data: bytes, depth: int) -> Value:
    """An `AnyValue`: the last of its members that is set."""
    if depth > JSON_DEPTH:
        raise _too_deep()
    found: Value = None
    for number, _, value in wire.fields(data):
        if number == 1:
            found = wire.text(value)
        elif number == 2:
            found = bool(value)
        elif number == 3:
            found = wire.signed(value)
        elif number == 4:
            found = _finite(wire.double(value))
        elif number in (5, 6) and isinstance(value, bytes):
            found = (_array if number == 5 else _members)(value, depth + 1)
        elif number == 7 and isinstance(value, bytes):
            found = value
    return found


def _array(data: bytes, depth: int) -> list[Any]:
    return [
        plain(_any(value, depth)) for number, _, value in wire.fields(data)
        if number == 1 and isinstance(value, bytes)
    ]


def _members(data: bytes, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, _, value in wire.fields(data):
        if number == 1 and isinstance(value, bytes):
            _key_value(value, found, depth)
    return found


def _hex(ident: bytes) -> str:
    """A trace or span id; all zeroes is none."""
    return ident.hex() if ident.strip(b"\0") else ""


# --- JSON


def record_of_json(said: Any) -> LogRecord:
    """A `LogRecord` from its decoded JSON; raises `InvalidEvent` for what is no record."""
    if not isinstance(said, dict):
        raise InvalidEvent("a log record is an object", field="logRecords", code="wrong_type")
    return LogRecord(
        _members_json(said.get("attributes"), 1),
        time_ns=_whole(said.get("timeUnixNano")),
        observed_ns=_whole(said.get("observedTimeUnixNano")),
        severity=_whole(said.get("severityNumber")),
        severity_text=_text(said.get("severityText")),
        event_name=_text(said.get("eventName")),
        body=_any_json(said.get("body"), 0),
        dropped=_whole(said.get("droppedAttributesCount")),
        trace_id=_id(said.get("traceId")), span_id=_id(said.get("spanId")),
    )


def about_of_json(said: Any) -> About:
    """A `Resource` or an `InstrumentationScope`; an empty one for what is neither."""
    if not isinstance(said, dict):
        return About({})
    attributes = _members_json(said.get("attributes"), 1)
    return About(attributes, _text(said.get("name")), _text(said.get("version")))


def _any_json(said: Any, depth: int) -> Value:
    if depth > JSON_DEPTH:
        raise _too_deep()
    found: Value = None
    for name, value in said.items() if isinstance(said, dict) else ():
        if (name == "stringValue" and isinstance(value, str)) or (
            name == "boolValue" and isinstance(value, bool)
        ):
            found = value
        elif name == "intValue":
            found = _whole(value)
        elif name == "doubleValue":
            found = _double(value)
        elif name == "arrayValue":
            elements = value.get("values") if isinstance(value, dict) else None
            found = [
                plain(_any_json(one, depth + 1))
                for one in (elements if isinstance(elements, list) else ())
            ]
        elif name == "kvlistValue":
            members = value.get("values") if isinstance(value, dict) else None
            found = _members_json(members, depth + 1)
        elif name == "bytesValue" and isinstance(value, str):
            found = _bytes(value)
    return found


def _members_json(said: Any, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in said if isinstance(said, list) else ():
        if isinstance(one, dict):
            found[_text(one.get("key"))] = plain(_any_json(one.get("value"), depth))
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: Any) -> int:
    """A number of 64 bits, which may be written as a decimal text."""
    if isinstance(value, str) and len(value) <= 20 and value.lstrip("-").isdecimal():
        try:
            value = int(value)
        except ValueError:  # "--1"
            return 0
    if isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 64:
        return value
    return int(value) if isinstance(value, float) and abs(value) < 1 << 53 else 0


def _double(value: Any) -> float | str | None:
    """A number; what JSON has no number for stays the text it is."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return None
    if not isinstance(value, str):
        return None
    try:
        return _finite(float(value))
    except ValueError:
        return value


def _finite(value: float) -> float | str:
    """A number, or the text of one that JSON has no number for."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _bytes(value: str) -> Value:
    """Bytes in base64, of either alphabet; another text stays a text."""
    try:
        return base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return value


def _id(value: Any) -> str:
    ident = value.lower() if isinstance(value, str) and len(value) in (16, 32) else ""
    return ident if ident.strip("0") and not ident.strip("0123456789abcdef") else ""
