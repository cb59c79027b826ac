"""Where a JSON value ends that stands somewhere in a long text: pure, and bounded in its work.

What is read in vain is read again by whoever goes on behind it, so it is counted, and so is what
a `JSONDecodeError` costs by itself: it counts the line ends from the text's beginning to its place
(a quarter of what reading costs, at most). What nests too deep to be read is gone through bracket
by bracket, which takes many times as long, and has a bound of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from json import JSONDecodeError, JSONDecoder
from typing import TypeVar

import msgspec

from indelible.base.limits import JSON_DEEP_BYTES, JSON_VAIN_BYTES

Read = TypeVar("Read")

_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_BRACKET_BYTES = re.compile(_BRACKET.pattern.encode(), re.DOTALL)
_decode = msgspec.json.Decoder(str).decode
_scan = JSONDecoder(parse_int=bool, parse_float=bool).raw_decode


class Ends:
    """Finds where values of `text` end; `spent` once `JSON_VAIN_BYTES` were read in vain."""

    def __init__(self, text: str) -> None:
        self._text, self._left, self._deep = text, JSON_VAIN_BYTES, JSON_DEEP_BYTES

    @property
    def spent(self) -> bool:
        """Whether nothing more is to be looked for in the whole of the text."""
        return self._left <= 0

    def end_of(self, at: int) -> int:
        """Where the value ends that begins at `at`.

        Raises `json.JSONDecodeError` where none does.
        """
        try:
            return self.end_in(self._text, at)
        except JSONDecodeError as error:
            self._left -= error.pos - at + (error.pos >> 2)
            raise

    def end_in(self, part: str, at: int) -> int:
        """As `end_of`, in a part of the text alone; only what nests deep is counted."""
        try:
            return _scan(part, at)[1]
        except RecursionError:
            pass
        try:
            end = _flat_end(part, at, self._deep)
        except JSONDecodeError as error:
            self._deep -= error.pos - at
            raise
        self._deep -= end - at
        return end


def end_of(text: str, at: int) -> int:
    """Where the value ends that begins at `at`; numbers take no room. Raises as `Ends.end_of`.

    Of a value that nests too deep to be read it is where its brackets close.
    """
    try:
        return _scan(text, at)[1]
    except RecursionError:
        return _flat_end(text, at, JSON_DEEP_BYTES)


def _flat_end(text: str, at: int, most: int) -> int:
    """Where the brackets close that open at `at`, no more than `most` characters away."""
    depth, stop = 0, min(at + most, len(text))
    for token in _BRACKET.finditer(text, at, stop):
        mark = text[token.start()]
        depth += (mark in "[{") - (mark in "]}")
        if not depth:
            return token.end()
    raise JSONDecodeError("it nests deep and has no end", text, stop)


def closed(text: bytes) -> bytes:
    """A JSON text that was cut off, with what it lacks behind it.

    A text within it keeps what there is of that; what else was cut in the middle (a number, a word,
    a name without its value) is left out with its name. What was no JSON stays none.
    """
    ends: list[bytes] = []
    whole = 0  # up to here nothing is begun and not ended, but for `ends`
    named = False
    for token in _PIECE.finditer(text):
        mark = token[0][:1]
        if mark in b"{[":
            ends.append(b"}" if mark == b"{" else b"]")
            whole, named = token.end(), False
        elif mark in b"}]":
            ends = ends[:-1]
            whole, named = token.end(), False
        elif mark == b",":
            whole, named = token.start(), False
        elif mark == b":":
            named = True
        elif not token[1]:
            if named or ends[-1:] == [b"]"]:
                return _without_half(text, token.start()) + b'"' + b"".join(reversed(ends))
        elif named or ends[-1:] == [b"]"]:
            whole = token.end()
    return text[:whole] + b"".join(reversed(ends))


_PIECE = re.compile(rb'"(?:[^"\\]++|\\.)*+("?+)|[\[\]{},:]', re.DOTALL)
_LONGEST_HALF = len(b"\\ud83d\\ude0")


def _without_half(text: bytes, at: int) -> bytes:
    """The text up to the last place where the JSON text that begins at `at` may end: not within an
    escape, a pair of them or a character."""
    for back in range(_LONGEST_HALF + 1):
        end = max(at + 1, len(text) - back)
        try:
            _decode(text[at:end] + b'"')
        except (msgspec.MsgspecError, UnicodeDecodeError):
            continue
        return text[:end]
    return text[: at + 1]


def shallow(body: bytes, levels: int, instead: bytes) -> bytes:
    """A JSON text with `instead` in place of each array and object that nests deeper than `levels`.

    For a request of which only some parts cannot be read for their depth; the text is otherwise
    as it was, well-formed or not. Raises `RecursionError` for one above `JSON_DEEP_BYTES`.
    """
    if len(body) > JSON_DEEP_BYTES:
        raise RecursionError(f"it nests too deep, and has more than {JSON_DEEP_BYTES} bytes")
    out: list[bytes] = []
    depth = kept = 0
    for token in _BRACKET_BYTES.finditer(body):
        mark = body[token.start() : token.start() + 1]
        if mark in (b"[", b"{"):
            depth += 1
            if depth == levels + 1:
                out += [body[kept : token.start()], instead]
        elif mark in (b"]", b"}"):
            if depth == levels + 1:
                kept = token.end()
            depth -= 1
    return b"".join([*out, body[kept:]]) if depth <= levels else b"".join(out)


def read(decode: Callable[[bytes], Read], body: bytes) -> Read:
    """What `decode` makes of a JSON text, or of it `paired` where it cannot be read for the sake of
    half a character; raises as the decoder does."""
    try:
        return decode(body)
    except msgspec.DecodeError:
        whole = paired(body)
        if whole == body:
            raise
        return decode(whole)


def paired(body: bytes) -> bytes:
    """A JSON text with U+FFFD in place of each escaped half of a surrogate pair.

    A half is no character, and makes a text that no strict decoder reads; senders in JavaScript
    write it for a string that was cut in the middle of a character, or that somebody chose so.
    """
    found = bytearray(body)
    for escape in _ESCAPE.finditer(body):
        if escape[1]:
            found[escape.start() : escape.end()] = rb"\ufffd"
    return bytes(found)


_ESCAPE = re.compile(
    rb"(?:\\(?:[^u]|u(?![dD][89a-fA-F])"
    rb"|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))++"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})", re.DOTALL,
)
"""Whole escapes, as many as stand together, or one half, which takes as many bytes as U+FFFD."""
