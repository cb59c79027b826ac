"""What is wrong with a mapping file: file, line, member, and what to do about it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from indelible.base.errors import SettingsError

Member = tuple[str | int, ...]
"""Where something stands in a mapping: `("targets", 1, "id")`, `id` of the second `[[targets]]`."""

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_PART = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(?:\.|$)""")
_KEY = re.compile(r"""\s*((?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_.\s-])+?)\s*=""")


class BadMapping(SettingsError):
    """A mapping file cannot be used; `field` names the member."""

    remedy = "Correct the named member; docs/howto/add-a-source.md lists what a mapping may say."


class Place(NamedTuple):
    """A mapping file, for messages: its name and its text."""

    file: str
    text: str

    def bad(self, member: Member, message: str, remedy: str = "") -> BadMapping:
        """The error that names the file, the line and the member."""
        line = line_of(self.text, member)
        where = f"{self.file}, line {line}" if line else self.file
        return BadMapping(
            f"{where}: {message}", field=shown(member) or None,
            remedy=remedy or BadMapping.remedy,
        )


def shown(member: Member) -> str:
    """A member as people write it: `targets[2].id`, counted from 1."""
    text = ""
    for part in member:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def known_only(
    place: Place, member: Member, table: Mapping[str, Any], known: Iterable[str]
) -> None:
    """Refuse members that a mapping has no use for, with the nearest name."""
    names = list(known)
    for name in table:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise place.bad(
                (*member, name), f"there is no member {name!r} here",
                f"Did you mean {near[0]}?" if near else f"Members here: {', '.join(names)}.",
            )


def line_of(text: str, member: Member) -> int:
    """The line on which a member stands, or the nearest that holds it; 0 when none does."""
    best, found = 0, 0
    header: Member = ()
    seen: dict[Member, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        head = _HEADER.match(line)
        if head:
            header = _parts(head[2])
            if head[1] == "[[":
                seen[header] = seen.get(header, -1) + 1
            header = _counted(header, seen)
            here = header
        else:
            key = _KEY.match(line)
            if not key:
                continue
            here = header + _parts(key[1])
        same = _common(here, member)
        if same == len(here) and same > best:
            best, found = same, number
    return found


def _parts(text: str) -> Member:
    """The parts of a dotted key."""
    parts: list[str | int] = []
    at = 0
    while at < len(text):
        one = _PART.match(text, at)
        if one is None:
            break
        parts.append(next(part for part in one.groups() if part is not None))
        at = one.end()
    return tuple(parts)


def _counted(header: Member, seen: Mapping[Member, int]) -> Member:
    """A header with the position of each array of tables that it is in."""
    whole: list[str | int] = []
    for end in range(1, len(header) + 1):
        whole.append(header[end - 1])
        if header[:end] in seen:
            whole.append(seen[header[:end]])
    return tuple(whole)


def _common(first: Member, second: Member) -> int:
    same = 0
    for one, other in zip(first, second, strict=False):
        if one != other:
            break
        same += 1
    return same
