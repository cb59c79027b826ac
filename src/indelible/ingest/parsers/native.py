r"""The native format: one event, an array of events, or NDJSON; see `docs/reference/event.md`.

A line that breaks a rule is refused with its number, the member and the reason, and never costs
its neighbours. An event may also stand over several lines (pretty-printed); it counts as the line
on which it begins. In an array the line is the element's position.

Duplicate members in the typed parts: msgspec keeps the last one silently. `_lost_nothing` proves
from lengths or counts that none was dropped; whatever it cannot prove is examined member by member
(`event.strict.check_document`).
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import force_setattr

from indelible.base import limits
from indelible.base.errors import InvalidEvent, TooLarge
from indelible.base.limits import LINE_BYTES
from indelible.event.model import NativeEvent
from indelible.event.strict import check_document
from indelible.ingest.json_ends import Ends
from indelible.ingest.parsed import Parsed, Rejected, rejected
from indelible.ingest.parsers.native_errors import explain, largest
from indelible.ingest.parsers.native_rules import check

VERSION: Final = "native/1"
"""What `via.parser` says."""

CONTENT_BYTES: Final = limits.BODY_BYTES - limits.ADDED_BYTES
"""What an event may take, so that what token and ledger add still fits into a body."""

_WHITE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_decode = msgspec.json.Decoder(NativeEvent).decode
_encode = msgspec.json.Encoder().encode
_elements = msgspec.json.Decoder(list[Raw]).decode


def parse_native(body: bytes, key: str = "") -> tuple[list[Parsed], list[Rejected]]:
    """Every event of `body`, and every refusal, in order of their lines.

    `key` is the request's `Idempotency-Key`: an event without an id on line n gets `key/n`.
    Raises `TooLarge` when the whole exceeds `limits.REQUEST_BYTES` or `limits.REQUEST_EVENTS`.
    """
    if len(body) > limits.REQUEST_BYTES:
        raise TooLarge(f"more than {limits.REQUEST_BYTES} bytes in one request")
    start = body.lstrip(b" \t\r\n")
    if not start:
        return [], [Rejected(line=1, field="", code="empty", reason="the request holds no event")]
    if start.startswith((b"[", _BOM + b"[")):
        found = _parse_array(start, key)
        if found is not None:
            return found
    return _parse_lines(body, key)


def parse_event(line: bytes, number: int, fallback_id: str = "") -> Parsed:
    """One event from its JSON text; `fallback_id` serves where it has no id of its own.

    Raises `InvalidEvent` with the member and the reason.
    """
    if len(line) > LINE_BYTES:
        reason = f"an event takes at most {CONTENT_BYTES} bytes; this text has {len(line)}"
        raise InvalidEvent(reason, field=largest(line), code="too_large")
    try:
        event = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise explain(line, error) from error
    given = event.operation is not UNSET
    plain = event.target is UNSET and event.observed is UNSET
    check(event, long=len(line) > limits.NAME_CHARS)
    source = event.source
    if source is not UNSET:
        force_setattr(event, "source", UNSET)
    named = bool(fallback_id) and event.id is UNSET
    if named:
        force_setattr(event, "id", fallback_id)
    try:
        content = _encode(event)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise explain(line, error) from error
    added = 0 if given or event.operation is UNSET else 15 + len(event.operation.value)
    if named or not plain or len(content) < len(line) + added:
        members = (not given) + named - (0 if source is UNSET else 2 + (source.boot is not UNSET))
        if not _lost_nothing(line, content, members):
            check_document(line)
    if len(content) > CONTENT_BYTES:
        reason = f"an event takes at most {CONTENT_BYTES} bytes; this one has {len(content)}"
        raise InvalidEvent(reason, field=largest(content), code="too_large")
    moment = event.time
    return Parsed(
        content=content,
        idempotent=content,
        line=number,
        id=event.id or "",
        seq=0 if source is UNSET else source.seq or 0,
        boot="" if source is UNSET else source.boot or "",
        time_us=(moment - _EPOCH) // _MICROSECOND if moment is not UNSET else None,
    )


def _lost_nothing(line: bytes, content: bytes, added: int) -> bool:
    r"""Whether counting proves that `content` has all members of `line`, and `added` more.

    White space is taken out first, so that each member of `line` has its `":`. A dropped member
    makes the count of `line` greater; only `\u0022`, which re-encodes as a quote, could make up
    for it, and text that has it proves nothing. (The caller has a cheaper proof: in an event with
    neither `target` nor `observed` nothing but the fraction of `time` re-encodes longer than it
    came, by at most 5 bytes, and the shortest member that can be dropped takes 7, so content at
    least as long as the line has lost none.)
    """
    if b"\\" in line and b"\\u0022" in line:
        return False
    return line.translate(None, _WHITE).count(b'":') + added == content.count(b'":')


def _parse_array(text: bytes, key: str) -> tuple[list[Parsed], list[Rejected]] | None:
    """The elements of a JSON array, or None when the text is lines after all."""
    try:
        elements = _elements(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        if _is_lines(text):
            return None
        problem = explain(text, error)
        reason = f"{problem.message}; nothing of this array was kept (send NDJSON to have each " \
            "line judged alone)"
        return [], [Rejected(line=1, field=problem.field or "", code=problem.code, reason=reason)]
    if len(elements) > limits.REQUEST_EVENTS:
        raise TooLarge(f"more than {limits.REQUEST_EVENTS} events in one request")
    if not elements:
        reason = "the array holds no event"
        return [], [Rejected(line=1, field="", code="empty", reason=reason)]
    accepted: list[Parsed] = []
    refused: list[Rejected] = []
    for number, element in enumerate(elements, 1):
        try:
            accepted.append(parse_event(bytes(element), number, _id(key, number)))
        except InvalidEvent as error:
            refused.append(rejected(number, error))
    return accepted, refused


def _is_lines(text: bytes) -> bool:
    """Whether text that begins with `[` and is no array is NDJSON with an odd first line."""
    first, _, rest = text.partition(b"\n")
    if not rest.lstrip(_WHITE).startswith(b"{"):
        return False
    try:
        _elements(first)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        inside = first[1:].lstrip(_WHITE)
        return bool(inside) and not inside.startswith(b"{") and not inside.rstrip().endswith(b",")
    return True


def _parse_lines(body: bytes, key: str) -> tuple[list[Parsed], list[Rejected]]:
    accepted: list[Parsed] = []
    refused: list[Rejected] = []
    lines = body.split(b"\n")
    if len(lines) > limits.REQUEST_EVENTS:
        lines = _bounded(body, lines)
    spread: _Spread | None = None
    skip_until = 0
    for number, line in enumerate(lines, 1):
        if number <= skip_until:
            continue
        try:
            accepted.append(parse_event(line, number, f"{key}/{number}" if key else ""))
        except InvalidEvent as error:
            if not line.strip(_WHITE):
                continue
            if error.code in ("bad_json", "byte_order_mark") and number < len(lines):
                spread = spread or _Spread(body, lines)
                text, skip_until = spread.object_at(number)
                if text is not None:
                    _parse_spread(text, number, _id(key, number), accepted, refused)
                    continue
            refused.append(rejected(number, error))
    return accepted, refused


def _bounded(body: bytes, lines: list[bytes]) -> list[bytes]:
    """`lines`, unless they hold more events than a request may."""
    full = sum(1 for line in lines if line.strip(_WHITE))
    begun = sum(1 for line in lines if line.startswith(b"{"))
    if min(full, begun) > limits.REQUEST_EVENTS:
        raise TooLarge(f"more than {limits.REQUEST_EVENTS} events in one request")
    return lines


def _id(key: str, number: int) -> str:
    return f"{key}/{number}" if key else ""


def _parse_spread(
    text: bytes, number: int, name: str, accepted: list[Parsed], refused: list[Rejected]
) -> None:
    """An object that stood over several lines."""
    try:
        accepted.append(parse_event(text, number, name))
    except InvalidEvent as error:
        refused.append(rejected(number, error))


class _Spread:
    """Finds objects that stand over several lines of `body`.

    The work is bounded: once `JSON_VAIN_BYTES` were read in vain each line is judged alone.
    """

    def __init__(self, body: bytes, lines: list[bytes]) -> None:
        self._text = body.decode("latin-1")  # one character a byte; JSON's structure is ASCII
        self._starts = [0]
        for line in lines:
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._ends = Ends(self._text)

    def object_at(self, number: int) -> tuple[bytes | None, int]:
        """The object that begins on line `number` and the line it ends on, or (None, number)."""
        start = self._starts[number - 1]
        if self._ends.spent:
            return None, number
        text = self._text
        begin = start
        while begin < len(text) and text[begin] in " \t\r\xef\xbb\xbf":
            begin += 1
        if text[begin : begin + 1] != "{":
            return None, number
        try:
            end = self._ends.end_of(begin)
        except (RecursionError, ValueError):
            return None, number
        rest = text.find("\n", end)
        rest = len(text) if rest < 0 else rest
        if text[end:rest].strip(" \t\r"):
            return None, number
        last = bisect_right(self._starts, max(end - 1, start))
        return text[start:end].encode("latin-1"), last
