"""Texts within a mapping's reach: lines of a fixed form, and members that are texts of one.

A form is the text itself with a named field in braces where a value stands:
`{client:word} - {user} [{time}] "{request}" {status:digits}`. A field ends where the text behind it
in the form comes first, so a line is read once, from left to right, whatever is in it: there is
nothing to go back for, and no message can make a form slow. `docs/howto/add-a-source.md` is the
reference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from indelible.ingest.parsers.contract import Record
from indelible.ingest.parsers.mapping_errors import Member, Place

Read: TypeAlias = Callable[[str], dict[str, str] | None]
"""The fields of a text of this form; None for a text of another."""

_HOLE = re.compile(r"\{([^{}]*)\}")
_FIELD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::([a-z]+))?")
_KINDS: Final = {
    "word": re.compile(r"\S+"),
    "part": re.compile(r"[^\s/]+"),
    "name": re.compile(r"[A-Za-z0-9_-]+"),
    "digits": re.compile(r"[0-9]+"),
    "stamp": re.compile(r"\d\d/[A-Za-z]{3}/\d{4}(?::\d\d){3} [+-]\d{4}", re.ASCII),
}
"""What a field may be held to: without white space; also without `/`; a name; a number; the time of
an access log, `03/Mar/2026:09:14:07 +0000`."""
_SURE: Final = _KINDS["stamp"]
"""A kind that tells where the field before it ends, whatever stands in that."""
_QUOTED = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_ESCAPES = re.compile(r"(?:\\x[0-9A-Fa-f]{2})++|\\.", re.DOTALL)
_MEANT: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}
_decode = msgspec.json.Decoder().decode


class _Field(NamedTuple):
    """One field: its name ('' for `{*}`), what it is held to, and the text that ends it.

    `ends` finds that text where a stamp must follow it.
    """

    name: str
    kind: re.Pattern[str] | None
    mark: str
    quoted: bool
    escaped: bool
    ends: re.Pattern[str] | None = None


class Forms(NamedTuple):
    """What the forms of one mapping have in common."""

    place: Place
    escaped: bool
    missing: frozenset[str]
    parts: frozenset[str] = frozenset()
    """Members that are read by forms of their own; of these only what is quoted is unescaped."""


def forms_of(place: Place, table: Mapping[str, Any]) -> Forms:
    """`escaped` and `missing` of a mapping; raises `BadMapping`."""
    escaped, missing = table.get("escaped", False), table.get("missing", [])
    if not isinstance(escaped, bool):
        raise place.bad(("escaped",), "escaped is true, or is left out")
    values = [missing] if isinstance(missing, str) else missing
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise place.bad(("missing",), 'missing is a text, or a list of them, such as "-"')
    parts = table.get("parts")
    return Forms(
        place, escaped, frozenset(values), frozenset(parts if isinstance(parts, dict) else ())
    )


def read_of(forms: Forms, member: Member, said: Any) -> Read:
    """The function that reads a text by the first form that fits; raises `BadMapping`."""
    rows = [said] if isinstance(said, str) else said
    if not isinstance(rows, list) or not rows:
        raise forms.place.bad(member, "a form is a text, several are a list of them")
    options = tuple(_form(forms, (*member, at), one) for at, one in enumerate(rows))

    def read(text: str) -> dict[str, str] | None:
        for option in options:
            found = option(text)
            if found is not None:
                return found
        return None

    return read


def _form(forms: Forms, member: Member, said: Any) -> Read:
    first, fields = _fields(forms, member, said)
    missing = forms.missing

    def read(text: str) -> dict[str, str] | None:
        if not text.startswith(first):
            return None
        at, found, last = len(first), {}, len(text)
        for name, kind, mark, quoted, escaped, ends in fields:
            if quoted:
                end = _QUOTED.match(text, at).end()  # type: ignore[union-attr]  # fits anywhere
                if not text.startswith(mark, end):
                    return None
            elif ends is not None:
                followed = ends.search(text, at)
                end = followed.start() if followed else -1
            else:
                end = text.find(mark, at) if mark else last
                if end < 0:
                    return None
            value = text[at:end]
            if kind is not None and not kind.fullmatch(value):
                return None
            if name and value and value not in missing:
                found[name] = unescaped(value) if escaped else value
            at = end + len(mark)
        return found if at == last else None

    return read


def _fields(forms: Forms, member: Member, said: Any) -> tuple[str, tuple[_Field, ...]]:
    """The text that a form begins with, and its fields in their order."""
    place = forms.place
    pieces = _HOLE.split(said) if isinstance(said, str) else []
    texts, holes = pieces[::2], pieces[1::2]
    if not holes or "{" in "".join(texts) or "}" in "".join(texts):
        raise place.bad(member, f"{said!r} is no form", "Write {name} where a value stands.")
    if "" in texts[1:-1]:
        raise place.bad(member, "between two fields of a form stands some text")
    found: list[_Field] = []
    for at, hole in enumerate(holes):
        named = _FIELD.fullmatch(hole)
        if hole != "*" and (named is None or named[2] not in (None, *_KINDS)):
            raise place.bad(
                member, f"{{{hole}}} is no field",
                f"Write {{name}}, {{name:kind}} (kinds are {', '.join(_KINDS)}), or {{*}}.",
            )
        before, mark, name = texts[at], texts[at + 1], named[1] if named else ""
        quoted = forms.escaped and before.endswith('"') and mark.startswith('"')
        whole = forms.escaped and member[0] == "forms" and name not in forms.parts
        found.append(_Field(
            name, _KINDS[named[2]] if named and named[2] else None, mark, quoted, quoted or whole
        ))
    for at, (field, after) in enumerate(pairwise(found)):
        if after.kind is _SURE and not field.quoted:
            behind = f"{re.escape(field.mark)}{_SURE.pattern}{re.escape(after.mark)}"
            found[at] = field._replace(ends=re.compile(behind, re.ASCII))
    return texts[0], tuple(found)


def unescaped(text: str) -> str:
    """A text without its backslashes: `\\"`, `\\n`, and octets as `\\x22`.

    A row of octets that is no UTF-8 (a TLS handshake at a plain port) stays as it is written.
    """
    return _ESCAPES.sub(_meant, text) if "\\" in text else text


def _meant(found: re.Match[str]) -> str:
    said = found[0]
    if len(said) == 2:
        return _MEANT.get(said[1], said[1] if not said[1].isalnum() else said)
    try:
        return bytes.fromhex(said.replace("\\x", "")).decode()
    except UnicodeDecodeError:
        return said


Opens: TypeAlias = Callable[[Record], Record]


def parts_of(forms: Forms, said: Any) -> Opens | None:
    """The function that adds what stands in members of a fixed form, by `[parts]`, in its order.

    A member that the record has already stays.
    """
    if not isinstance(said, dict):
        raise forms.place.bad(("parts",), "parts is a table: member = form, or a list of forms")
    rows = tuple((name, read_of(forms, ("parts", name), form)) for name, form in said.items())

    def opened(record: Record) -> Record:
        whole = dict(record)
        for name, read in rows:
            text = whole.get(name)
            found = read(text) if type(text) is str else None
            if found:
                whole = {**found, **whole}
        return whole

    return opened if rows else None


def present_of(forms: Forms) -> Opens | None:
    """The function that leaves out members whose text says that there is none, by `missing`."""
    missing = forms.missing

    def opened(record: Record) -> Record:
        return {name: value for name, value in record.items()
                if type(value) is not str or value not in missing}

    return opened if missing else None


def texts_of(place: Place, said: Any) -> Opens | None:
    """The function that reads texts as JSON objects, by `texts`: names, no positions."""
    if not isinstance(said, list) or not all(isinstance(one, str) and one for one in said):
        raise place.bad(("texts",), "texts is a list of paths")
    paths = [tuple(one.split(".")) for one in said]
    return (lambda record: with_texts(record, paths)) if paths else None


def with_texts(record: Record, paths: list[tuple[str, ...]]) -> Record:
    """A copy in which the texts at `paths` are objects, where they are JSON."""
    for path in paths:
        part: Any = record
        for name in path[:-1]:
            part = part.get(name) if isinstance(part, dict) else None
        text = part.get(path[-1]) if isinstance(part, dict) else None
        if not isinstance(text, str) or text[:1] not in ("{", "["):
            continue
        try:
            value: Any = _decode(text)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
        record = dict(record)
        here = record
        for name in path[:-1]:
            here[name] = dict(here[name])
            here = here[name]
        here[path[-1]] = value
    return record
