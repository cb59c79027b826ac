"""From what a parser said of a message to the event that is stored: `Parsed`.

The one place that calls parsers of foreign formats. It keeps the message itself in `raw`, adds
what the envelope said and the parser did not, holds the result to the bounds of an event, and
makes an event of kind `unparsed` of every message that was not understood, with the reason and
with whatever could be read all the same.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import force_setattr, replace

from indelible.base import limits
from indelible.base.clock import to_us
from indelible.event.actions import operation_of
from indelible.event.model import Event, Origin, Reason
from indelible.ingest.json_ends import closed, read, shallow
from indelible.ingest.parsed import Parsed, Unparsed
from indelible.ingest.parsers.contract import (
    WRONG,
    Given,
    NotUnderstood,
    Parser,
    Record,
    Understood,
)
from indelible.ingest.parsers.keeping import Keep
from indelible.ingest.parsers.table import Resolved, resolve

CONTENT_BYTES: Final = limits.BODY_BYTES - limits.ADDED_BYTES
"""What an event may take, so that what token and ledger add still fits into a body."""

_log = logging.getLogger(__name__)
_told: set[str] = set()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def parse_message(
    parser: Parser,
    raw: bytes,
    given: Given,
    *,
    line: int = 1,
    message_id: str = "",
    inner: str | Record | None = None,
    raw_type: str = "",
    flags: tuple[str, ...] = (),
) -> Parsed:
    """One message as an event, or as an `unparsed` one; never refused, whatever it says and however
    long it is.

    `raw` is what is kept; `inner` is what the parser reads where that is not the same (the message
    within an envelope). `flags` are what the way in remarked (`truncated`). `message_id` serves
    where neither the message nor its envelope has an id; without any, the ledger keeps a repetition
    and flags it. Of a message that is too large for an event the beginning is kept, flagged
    `truncated`, with `data.raw_bytes` and `data.raw_sha256` of the whole.
    """
    keep = Keep(raw, raw_type, line, message_id, flags)
    try:
        message = opened(raw, "truncated" in flags) if inner is None else inner
        parser, message, given = _resolved(parser, message, given)
        return _event(parser, keep, given, understand(parser, message, given))
    except NotUnderstood as no:
        parser, given = no.known or (parser, given)
        return _unparsed(parser, keep, given, no)


def _resolved(parser: Parser, message: str | Record, given: Given) -> Resolved:
    """As `resolve`; an envelope or a recogniser that fails costs no message."""
    try:
        return resolve(parser, message, given)
    except NotUnderstood:
        raise
    except Exception as error:
        raise _failed(parser, error) from error


def opened(raw: bytes, truncated: bool = False) -> str | Record:
    """A message as a parser is handed it: the object when it is one in JSON, else the text.

    What nests too deep in an object is left out of it, so that it hides nothing beside it; of one
    that was cut off (`truncated`) it is what came before the cut.
    """
    if raw.lstrip(b" \t\r\n").startswith(b"{"):
        try:
            found = decoded(closed(raw) if truncated else raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return raw.decode("utf-8", "replace")
        if isinstance(found, dict):
            return found
    return raw.decode("utf-8", "replace")


def decoded(raw: bytes) -> Any:
    """A JSON text, with a remark in place of what nests deeper than `JSON_DEPTH`, and U+FFFD where
    half a character stands, where it cannot be read otherwise; raises as a decoder does."""
    try:
        return read(_decode, raw)
    except RecursionError:
        return read(_decode, shallow(raw, limits.JSON_DEPTH, _TOO_DEEP))


_TOO_DEEP: Final = b'"left out: it nests too deep"'


def understand(parser: Parser, message: str | Record, given: Given) -> Understood:
    """What `parser` makes of a message; raises `NotUnderstood` and nothing else."""
    try:
        if isinstance(message, dict):
            if parser.record is None:
                raise NotUnderstood(WRONG, f"{parser.name} reads texts, not JSON objects")
            return parser.record(message, given)
        if parser.text is None:
            raise NotUnderstood(*_why_no_object(parser, message))
        return parser.text(message, given)
    except NotUnderstood:
        raise
    except Exception as error:
        raise _failed(parser, error) from error


def _failed(parser: Parser, error: Exception) -> NotUnderstood:
    """The message is kept; the parser's fault is told, once a kind, and nothing of the message."""
    fault = f"{parser.version} failed: {type(error).__name__}"
    if fault not in _told:
        _told.add(fault)
        last = traceback.extract_tb(error.__traceback__)[-1:]
        where = [f"{one.filename}:{one.lineno} in {one.name}" for one in last]
        _log.error("%s at %s", fault, *where or ["?"])
    return NotUnderstood("parser_failed", fault)


def _why_no_object(parser: Parser, message: str) -> tuple[str, str]:
    try:
        _decode(message)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        return "bad_json", f"not well-formed JSON: {error}"
    return WRONG, f"{parser.name} reads JSON objects"


def _event(parser: Parser, keep: Keep, given: Given, found: Understood) -> Parsed:
    """Fill in what the envelope said, encode once, and hold it to the bounds."""
    event, flags = found.event, found.flags
    if event.operation is UNSET:
        force_setattr(event, "operation", operation_of(event.action))
    if event.id is UNSET and (known := given.id or keep.id):
        force_setattr(event, "id", known)
    if event.time is UNSET and given.time is not UNSET:
        force_setattr(event, "time", given.time)
        flags = flags + given.flags
    if event.observed is UNSET and given.observed is not UNSET:
        force_setattr(event, "observed", given.observed)
    if event.severity is UNSET and given.severity is not UNSET:
        force_setattr(event, "severity", given.severity)
    if given.host:
        _at_host(event, given.host)
    if given.labels:
        said = {} if event.labels is UNSET else event.labels
        force_setattr(event, "labels", {**given.labels, **said})
    data = {**given.data, **found.data}
    if found.guessed:
        data["guessed"] = list(found.guessed)
        flags = (*flags, "guessed")
    content, cut = _content(event, keep, data)
    if cut:
        flags = (*flags, "truncated")
    return Parsed(
        content=content, idempotent=keep.raw, line=keep.line, id=event.id or "",
        time_us=None if event.time is UNSET else to_us(event.time),
        flags=tuple(dict.fromkeys((*flags, *keep.flags))), parser=parser.version,
        keep_repeats=event.id is UNSET,
    )


def _content(event: Event, keep: Keep, data: dict[str, Any]) -> tuple[bytes, bool]:
    """The event with the message in it, and whether only a beginning of that fitted.

    The whole message is worth more than what was taken from it beyond who did what; where it does
    not fit, a beginning goes with as much as leaves room for one. Raises `NotUnderstood` where
    who did what is too much alone.
    """
    changes = event.changes
    text, kind = keep.whole
    force_setattr(event, "raw", text)
    force_setattr(event, "raw_type", kind)
    for told, values in ((changes, data), (UNSET, _LEFT_OUT)):
        _set(event, told, values)
        content = _encoded(event)
        if len(content) <= CONTENT_BYTES:
            return content, False
    facts = keep.facts()
    force_setattr(event, "raw", "")
    for told, values in ((changes, data), (UNSET, _LEFT_OUT)):
        _set(event, told, {**values, **facts})
        room = CONTENT_BYTES - len(_encoded(event))
        if room >= limits.RAW_LEAST_BYTES:
            force_setattr(event, "raw", keep.beginning(room)[0])
            return _encoded(event), True
    why = f"its fields take more than an event does, {CONTENT_BYTES} bytes"
    raise NotUnderstood("too_large", why)


_LEFT_OUT: Final = {"left_out": "data and changes: too large"}


def _set(event: Event, changes: Any, data: dict[str, Any]) -> None:
    force_setattr(event, "changes", changes)
    force_setattr(event, "data", Raw(_encoded(data)) if data else UNSET)


def _at_host(event: Event, host: str) -> None:
    if event.origin is UNSET:
        force_setattr(event, "origin", Origin(host=host))
    elif event.origin.host is UNSET:
        force_setattr(event, "origin", replace(event.origin, host=host))


def _unparsed(parser: Parser, keep: Keep, given: Given, no: NotUnderstood) -> Parsed:
    """The message kept as it came, or its beginning, with the reason and what else is known."""
    known = given.id or keep.id
    why = Reason(code=no.code, text=no.why[: limits.NAME_CHARS])
    bare = Unparsed(reason=why, id=known or UNSET, raw="")
    content, cut = _of_unread(keep, [
        (_with_envelope(bare, given), {**given.data, **no.data}),
        (_with_envelope(bare, given), {}),
        (bare, {}),
    ])
    flags = keep.flags if given.time is UNSET and not given.ip else given.flags + keep.flags
    return Parsed(
        content=content, idempotent=keep.raw, line=keep.line, id=known, kind="unparsed",
        time_us=None if given.time is UNSET else to_us(given.time),
        flags=tuple(dict.fromkeys((*flags, "truncated") if cut else flags)),
        parser=parser.version, keep_repeats=not known,
    )


def _of_unread(
    keep: Keep, forms: list[tuple[Unparsed, dict[str, object]]]
) -> tuple[bytes, bool]:
    """The first of `forms`, with its data, that leaves room for the message, whole if possible;
    and whether it is only a beginning. The last one always does."""
    text, kind = keep.whole
    for form, data in forms:
        content = _said(form, data, text, kind)
        if content and len(content) <= CONTENT_BYTES:
            return content, False
    facts = keep.facts()
    for form, data in forms:
        content = _said(form, {**data, **facts}, "", kind)
        room = CONTENT_BYTES - len(content)
        if content and room >= limits.RAW_LEAST_BYTES:
            break
    return _said(form, {**data, **facts}, keep.beginning(room)[0], kind), True


def _said(form: Unparsed, data: dict[str, object], raw: str, kind: str | UnsetType) -> bytes:
    """One form of an event that was not read; empty where JSON cannot carry its data."""
    try:
        told = Raw(_encoded(data)) if data else UNSET
        return _encoded(replace(form, data=told, raw=raw, raw_type=kind))
    except NotUnderstood:
        return b""


def _with_envelope(bare: Unparsed, given: Given) -> Unparsed:
    return replace(
        bare,
        time=given.time,
        observed=given.observed,
        origin=_known_origin(given),
        severity=given.severity,
        labels=dict(given.labels) or UNSET,
    )


def _known_origin(given: Given) -> Origin | UnsetType:
    if not given.host and not given.ip:
        return UNSET
    return Origin(host=given.host or UNSET, ip=given.ip or UNSET)


def _encoded(value: Any) -> bytes:
    """One encoding; a value that JSON cannot carry makes the message not understood."""
    try:
        return _encode(value)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError) as error:
        raise NotUnderstood("bad_value", f"it holds what no event can carry: {error}") from error
