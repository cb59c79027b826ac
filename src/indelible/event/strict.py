"""Checks of JSON that is stored as it came: duplicate keys, depth, surrogates, number range.

`data`, `before` and `after` keep the text they arrived with. Before that text may enter a body it
must mean the same to every reader: valid UTF-8, no member named twice, no half of a surrogate
pair, no number that a double cannot hold, at most `limits.JSON_DEPTH` deep, and no insignificant
white space. The common case costs one decode and one encode in C: text that comes back byte for
byte cannot hide any of these. Only a difference is looked at more closely.
"""

from __future__ import annotations

import json
import math
import re
from math import isinf
from typing import NoReturn

import msgspec

from indelible.base.errors import InvalidEvent
from indelible.base.limits import JSON_DEPTH

_LITERALS = frozenset((b"null", b"true", b"false", b'""', b"{}", b"[]"))
_QUOTE = 0x22
_AROUND = 4  # levels an event puts around a free-form part, or the longest chain of actors
_STRING = rb'"[^"\\]*+(?:\\[\s\S][^"\\]*+)*+"'
_SPACE = re.compile(rb"(" + _STRING + rb")|[ \t\r\n]++")
_BRACKETS = re.compile(_STRING + rb"|([\[{])|([\]}])")
_NAME = rb'"([^"\\]*+(?:\\[\s\S][^"\\]*+)*+)"(?=[ \t\r\n]*+:)'
_WALK = re.compile(_NAME + rb"|" + _STRING + rb"|([\[{])|([\]}])")
_HUGE = re.compile(rb"[0-9]{309}")  # a double ends below 10^309
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|[\s\S])")

_encode = msgspec.json.Encoder().encode


def _number(text: str) -> msgspec.Raw:
    """A number keeps its text; making a double of one near the limit costs 30 us each."""
    if isinf(float(text)):
        raise ValueError("beyond the range of a double")
    return msgspec.Raw(text.encode())


_decode = msgspec.json.Decoder(float_hook=_number).decode


def compact(raw: bytes, field: str) -> bytes:
    """`raw`, one JSON value, without insignificant white space; numbers and escapes untouched.

    `raw` is well-formed JSON, as `msgspec.Raw` carries it. Raises `InvalidEvent` naming `field`
    when the value is not fit to be stored.
    """
    if raw in _LITERALS or (len(raw) < 16 and raw.isdigit()):
        return raw
    if raw[0] == _QUOTE and b"\\" not in raw and raw.isascii():
        return raw
    try:
        again = _encode(_decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _look_closer(raw, field, JSON_DEPTH)
    kept = raw if again == raw else _SPACE.sub(rb"\1", raw)
    shallow = raw.count(b"{") + raw.count(b"[") <= JSON_DEPTH
    if again == kept and shallow and (len(raw) < 309 or _HUGE.search(raw) is None):
        return kept
    return _look_closer(raw, field, JSON_DEPTH)


def check_document(raw: bytes) -> None:
    """Refuse one whole event for duplicate keys, depth, surrogates or numbers.

    The depth allowed is that of a free-form part and of what an event puts around it. Raises
    `InvalidEvent` whose `field` is the top-level member where the trouble lies.
    """
    try:
        _look_closer(raw, "", JSON_DEPTH + _AROUND)
    except InvalidEvent as error:
        for name, part in _members(raw).items():
            try:
                _look_closer(bytes(part), name, JSON_DEPTH + _AROUND)
            except InvalidEvent as nearer:
                raise nearer from error
        raise


def _members(raw: bytes) -> dict[str, msgspec.Raw]:
    try:
        return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def member_at(raw: bytes, at: int) -> str:
    """The top-level member of a JSON object, perhaps malformed, in which byte `at` lies, or ''."""
    level, name = 0, ""
    for found in _WALK.finditer(raw):
        if found.start() > at:
            break
        if found[2]:
            level += 1
        elif found[3]:
            level -= 1
        elif level == 1 and found[1] and found.end() <= at:
            name = found[1][:200].decode(errors="replace")
    return name


def deep_at(raw: bytes, most: int) -> int:
    """The byte where JSON text, perhaps malformed, nests more than `most` deep, or -1."""
    level = 0
    for found in _BRACKETS.finditer(raw):
        if found[1]:
            level += 1
            if level > most:
                return found.start()
        elif found[2]:
            level -= 1
    return -1


def lone_surrogate(raw: bytes) -> tuple[str, int] | None:
    r"""The first `\uD800`-like escape that lacks its other half and its byte, or None."""
    if b"\\u" not in raw:
        return None
    high: re.Match[bytes] | None = None
    for found in _ESCAPE.finditer(raw):
        code = int(found[1], 16) if found[1] else 0
        if high is not None and not (0xDC00 <= code < 0xE000 and found.start() == high.end()):
            return high[0].decode(), high.start()
        if high is None and 0xDC00 <= code < 0xE000:
            return found[0].decode(), found.start()
        high = found if 0xD800 <= code < 0xDC00 else None
    return (high[0].decode(), high.start()) if high is not None else None


def _look_closer(raw: bytes, field: str, most: int) -> bytes:
    """The whole examination, for text that did not come back byte for byte."""
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        _refuse("bad_utf8", f"not UTF-8 at byte {error.start} of the value", field)
    if deep_at(raw, most) >= 0:
        _refuse("too_deep", f"arrays and objects nest more than {JSON_DEPTH} deep", field)
    half = lone_surrogate(raw)
    if half is not None:
        _refuse("lone_surrogate", f"{half[0]} is half of a surrogate pair; send the pair", field)

    def pairs(members: list[tuple[str, object]]) -> None:
        seen: set[str] = set()
        for name, _ in members:
            if name in seen:
                reason = f"the member {name!r} occurs twice in one object"
                _refuse("duplicate_key", reason, field or name)
            seen.add(name)

    def number(literal: str) -> None:
        if math.isinf(float(literal)):
            shown = literal if len(literal) <= 40 else literal[:40] + "..."
            _refuse("bad_number", f"the number {shown} is beyond the range of a double", field)

    def constant(literal: str) -> NoReturn:
        _refuse("bad_number", f"{literal} is not a JSON number; send null or a text", field)

    try:
        json.loads(
            text, object_pairs_hook=pairs, parse_float=number, parse_int=number,
            parse_constant=constant,
        )
    except ValueError as error:
        _refuse("bad_json", f"not well-formed JSON: {error}", field)
    return _SPACE.sub(rb"\1", raw)


def _refuse(code: str, reason: str, field: str) -> NoReturn:
    raise InvalidEvent(reason, field=field or None, code=code)
