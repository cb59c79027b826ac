"""The members of an unknown record, one by one, with their paths. Pure.

Breadth first, so that of a record with more members than are looked at the outer ones are seen.
Lists of pairs (`[{"Name": "UserAgent", "Value": ...}]`, `[["UserAgent", ...]]`) give one member a
pair; a text that is a JSON object is looked into; of a security event (RFC 8417) the URI under
`events` is a member whose value is its last part. Paths are written as mappings write them:
`details[Key=actor].Value`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from indelible.base.limits import ACTION_CHARS, CHANGES, JSON_DEPTH, NAME_CHARS
from indelible.ingest.parsers.guess_names import Path

LEAVES: Final = CHANGES
"""Members that are looked at; no honest audit event has as many."""
_NAMES: Final = ("name", "Name", "key", "Key", "field", "parameter")
_VALUES: Final = ("value", "Value", "ValueString", "valueString", "stringValue", "StringValue",
                  "string_value", "boolValue", "val")
_ELEMENTS: Final = len(_VALUES)  # of a list that are looked into: what follows is more of the same
_decode = msgspec.json.Decoder().decode


class Leaves(NamedTuple):
    """Members with a text, a number or a truth value: their paths, the value at each, and the
    paths of texts that are JSON."""

    paths: tuple[Path, ...]
    values: list[Any]
    texts: list[Path]


def leaves_of(record: dict[str, Any]) -> Leaves:
    """The members of `record`; texts longer than a name are left out unless they are JSON."""
    paths: list[Path] = []
    values: list[Any] = []
    texts: list[Path] = []
    waiting: list[tuple[Path, Any]] = [((), record)]
    for path, part in waiting:  # grows while it is read
        if len(path) > JSON_DEPTH or len(values) > LEAVES or len(waiting) > LEAVES:
            break
        for name, value in part.items() if isinstance(part, dict) else _elements(part):
            kind = type(value)
            if len(name) > ACTION_CHARS:
                continue  # a name as long means nothing
            if kind is str:
                if value[:1] == "{" and value[-1:] == "}":
                    inner = _object(value)
                    if inner is not None:
                        texts.append((*path, name))
                        waiting.append(((*path, name), inner))
                        continue
                if len(value) <= NAME_CHARS:
                    paths.append((*path, name))
                    values.append(value)
            elif kind is dict or kind is list:
                if "://" in name and path[-1:] == ("events",):
                    paths.append((*path, name))
                    values.append(name.rstrip("/").rpartition("/")[2][:NAME_CHARS])
                if value:
                    waiting.append(((*path, name), value))
            elif value is not None:
                paths.append((*path, name))
                values.append(value)
    return Leaves(tuple(paths[:LEAVES]), values[:LEAVES], texts)


def _elements(part: list[Any]) -> list[tuple[str, Any]]:
    """A list's elements by position, or by name where they are pairs."""
    pairs = [pair for one in part[:LEAVES] if (pair := _pair(one))]
    if pairs:
        return pairs
    return [(str(at), value) for at, value in enumerate(part[:_ELEMENTS])]


def _pair(one: Any) -> tuple[str, Any] | None:
    """An object or a list that only names a value, as a member of that name."""
    if type(one) is list and len(one) == 2:
        said, value = one
        named = type(said) is str and said and type(value) is str
        return (f"[0={said}]", {"1": value}) if named else None
    if type(one) is not dict or not 2 <= len(one) <= 3:
        return None
    for name in _NAMES:
        said = one.get(name)
        if isinstance(said, str) and said:
            for value in _VALUES:
                if value in one:
                    return f"[{name}={said}]", {value: one[value]}
            return None
    return None


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
