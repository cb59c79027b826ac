"""Paths into JSON: `a.b.0`, with `\\.` for a dot inside a member's name; and what stands there.

The one reading of `data.PATH` that the evaluator, the columns and the documentation share.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Raw

_SEPARATOR = re.compile(r"(?:\\[.\\]|[^.])*")
_ESCAPED = re.compile(r"\\([.\\])")
_SPECIAL = re.compile(r"([.\\])")
_members = msgspec.json.Decoder(dict[str, Raw])
_elements = msgspec.json.Decoder(list[Raw])
_string = msgspec.json.Decoder(str)


def split_path(path: str) -> tuple[str, ...]:
    """The segments of a path. `\\.` is a dot and `\\\\` a backslash inside a segment."""
    segments: list[str] = []
    at = 0
    while True:
        found = _SEPARATOR.match(path, at)
        assert found is not None  # the pattern matches the empty text
        segments.append(_ESCAPED.sub(r"\1", found[0]))
        if found.end() >= len(path):
            return tuple(segments)
        at = found.end() + 1


def escape_segment(name: str) -> str:
    """A member's name as one segment of a path: the inverse of `split_path`."""
    return _SPECIAL.sub(r"\\\1", name)


def scalars_at(document: bytes, path: str) -> list[str]:
    """The values at `path` in JSON text, as texts: what `data.PATH` compares with.

    A string is its decoded text; a number, `true` and `false` are their JSON text; `null` is no
    value; an object is its JSON text; an array stands for each of its elements. On the way, a
    segment of digits takes one position of an array and any other segment looks into every element.
    """
    found: list[str] = []
    if document:
        _walk(document, split_path(path), 0, found)
    return found


def _walk(raw: bytes, segments: tuple[str, ...], at: int, found: list[str]) -> None:
    raw = raw.strip()
    first = raw[:1]
    if at == len(segments):
        if first == b"[":
            for element in _elements.decode(raw):
                _walk(bytes(element), segments, at, found)
        elif first == b'"':
            found.append(_string.decode(raw))
        elif raw != b"null":
            found.append(raw.decode())
        return
    segment = segments[at]
    if first == b"{":
        members = _members.decode(raw)
        if segment in members:
            _walk(bytes(members[segment]), segments, at + 1, found)
    elif first == b"[":
        elements = _elements.decode(raw)
        if not (segment.isascii() and segment.isdigit()):
            for element in elements:
                _walk(bytes(element), segments, at, found)
        elif len(segment) < 10 and int(segment) < len(elements):
            _walk(bytes(elements[int(segment)]), segments, at + 1, found)
