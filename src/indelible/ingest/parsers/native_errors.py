"""What to tell a sender whose line could not be decoded: the member, a code and a plain reason."""

from __future__ import annotations

import difflib
import re
from enum import Enum

import msgspec

from indelible.base.errors import InvalidEvent
from indelible.base.limits import JSON_DEPTH
from indelible.event.model import (
    Actor,
    ActorType,
    Auth,
    Change,
    ChangeOp,
    NativeEvent,
    Operation,
    Origin,
    Outcome,
    Reason,
    Severity,
    Target,
    Why,
)
from indelible.event.model import Sequence as SourceSequence
from indelible.event.strict import deep_at, lone_surrogate, member_at

RESERVED = {
    "kind": "the ledger says what kind of entry this is",
    "received": "the ledger's own clock says when it came; use time for when it happened",
    "via": "the ledger says how it came in; use origin for where the actor was",
    "flags": "the ledger sets flags",
    "retention": "the ledger's retention rules set it",
    "conflict": "the ledger sets it when an id comes again with other content",
    "repeat": "the ledger sets it when a message without an id comes again",
    "raw": "only parsers of foreign formats set it; use data",
    "raw_type": "only parsers of foreign formats set it; use data",
    "stripped": "the ledger sets it when the audit policy takes bodies away",
}
"""Members a sender cannot set, with the reason."""

_PATH = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)
_NAMED = re.compile(r"`([^`]*)`")
_BYTE = re.compile(r"^JSON is malformed: (?P<what>.*) \(byte (?P<at>\d+)\)$")
_ENUM = re.compile(r"^Invalid enum value (?P<value>.*)$", re.DOTALL)
_KIND = {"str": "a text", "int": "a whole number", "bool": "true or false", "array": "an array",
         "object": "an object", "datetime": "a time as text", "null": "null", "float": "a number"}
_PARTS: tuple[tuple[re.Pattern[str], type[msgspec.Struct]], ...] = (
    (re.compile(r"(.*\.)?auth"), Auth),
    (re.compile(r"actor(\.on_behalf_of\[\.*\d*\])*"), Actor),
    (re.compile(r"target|targets\[.*\]"), Target),
    (re.compile(r"origin"), Origin),
    (re.compile(r"changes\[.*\]"), Change),
    (re.compile(r"reason"), Reason),
    (re.compile(r"why"), Why),
    (re.compile(r"source"), SourceSequence),
)
_ENUMS: dict[str, type[Enum]] = {
    "outcome": Outcome, "severity": Severity, "operation": Operation,
}
_BOM = b"\xef\xbb\xbf"


def explain(line: bytes, error: Exception) -> InvalidEvent:
    """The refusal for `line`, which raised `error` while it was decoded."""
    if isinstance(error, msgspec.ValidationError):
        return _explain_schema(str(error))
    if isinstance(error, RecursionError):
        reason = f"arrays and objects nest more than {JSON_DEPTH} deep"
        field = member_at(line, max(deep_at(line, JSON_DEPTH), 0))
        return InvalidEvent(reason, field=field, code="too_deep")
    return _explain_syntax(line, str(error))


def largest(line: bytes) -> str:
    """The top-level member of `line` that takes the most bytes, or ''."""
    try:
        parts = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return max(parts, key=lambda name: len(bytes(parts[name])), default="")


def _explain_schema(text: str) -> InvalidEvent:
    found = _PATH.match(text)
    what = found["what"] if found else text
    path = (found["path"] or "") if found else ""
    path = path.removeprefix("$").removeprefix(".").replace("[...]", "")
    named = _NAMED.findall(what)
    if what.startswith("Object contains unknown field") and named:
        return _unknown(path, named[0])
    if what.startswith("Object missing required field") and named:
        return InvalidEvent(
            f"the member {named[0]} is required", field=_join(path, named[0]), code="missing_field"
        )
    enum = _ENUM.match(what)
    if enum is not None:
        return _not_in_list(path, enum["value"])
    if what.startswith("Expected") and len(named) == 2:
        return _wrong_type(path, named[0], named[1])
    if "RFC3339" in what:
        reason = "not an RFC 3339 time with offset, such as 2026-03-03T09:14:07.123Z"
        return InvalidEvent(reason, field=path, code="bad_time")
    return InvalidEvent(what, field=path, code="bad_value")


def _unknown(path: str, name: str) -> InvalidEvent:
    field = _join(path, name)
    if not path and name in RESERVED:
        reason = f"{name} cannot be set by a sender: {RESERVED[name]}"
        return InvalidEvent(reason, field=field, code="reserved_field")
    known = _members(path)
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    if close:
        hint = f"did you mean {_join(path, close[0])}?"
    else:
        hint = "put it in data, the place for what has no member of its own"
    reason = f"there is no member {name[:80]!r}; {hint}"
    return InvalidEvent(reason, field=field, code="unknown_field")


def _members(path: str) -> list[str]:
    for pattern, part in _PARTS:
        if pattern.fullmatch(path):
            return list(part.__struct_fields__)
    return list(NativeEvent.__struct_fields__)


def _not_in_list(path: str, value: str) -> InvalidEvent:
    kind: type[Enum] = _ENUMS.get(path, ChangeOp if path.endswith(".op") else ActorType)
    allowed = ", ".join(str(item.value) for item in kind)
    return InvalidEvent(f"{value[:80]} is not one of: {allowed}", field=path, code="bad_value")


def _wrong_type(path: str, expected: str, got: str) -> InvalidEvent:
    wanted, sent = _KIND.get(expected, expected), _KIND.get(got, got)
    if not path:
        reason = f"an event is a JSON object; this is {sent}"
    elif got == "null":
        reason = f"expected {wanted}; leave the member out instead of sending null"
    elif expected == "datetime":
        reason = f"expected an RFC 3339 time as text, such as 2026-03-03T09:14:07.123Z, not {sent}"
    else:
        reason = f"expected {wanted}, not {sent}"
    return InvalidEvent(reason, field=path, code="wrong_type")


def _explain_syntax(line: bytes, text: str) -> InvalidEvent:
    if line.startswith(_BOM):
        reason = "the text begins with a byte order mark; send UTF-8 without one"
        return InvalidEvent(reason, code="byte_order_mark")
    try:
        line.decode()
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 at byte {error.start} of the event"
        return InvalidEvent(reason, field=member_at(line, error.start), code="bad_utf8")
    half = lone_surrogate(line)
    if half is not None:
        reason = f"{half[0]} is half of a surrogate pair; send the pair"
        return InvalidEvent(reason, field=member_at(line, half[1]), code="lone_surrogate")
    found = _BYTE.match(text)
    if found is None:
        reason = "the text ends before the JSON does" if "truncated" in text else text
        field = member_at(line, len(line))
        return InvalidEvent(f"not well-formed JSON: {reason}", field=field, code="bad_json")
    at = int(found["at"])
    if found["what"] == "trailing characters":
        reason = f"something follows the object (byte {at}); put each event on a line of its own"
        return InvalidEvent(reason, code="bad_json")
    field = member_at(line, at)
    if line[at : at + 9].lstrip(b"-+").startswith((b"NaN", b"nan", b"Infinity", b"inf")):
        reason = f"NaN and Infinity are not JSON numbers (byte {at}); send null or a text"
        return InvalidEvent(reason, field=field, code="bad_number")
    reason = f"not well-formed JSON: {found['what']} (byte {at})"
    return InvalidEvent(reason, field=field, code="bad_json")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
