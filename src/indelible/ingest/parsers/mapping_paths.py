"""Paths into a record, compiled once to functions.

`actor.email` steps into objects; `actors.0.id` takes a position of a list; `details[Key=ip].Value`
takes the element of a list whose member has a value (`details[0=ip].1` where elements are lists);
a name applied to a list takes the first element that has it. `\\.` is a dot within a name. Within
`each`, a path begins at the element, `$.` at the record, and `@` is the element itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from indelible.event.paths import split_path

Get: TypeAlias = Callable[[Any, Any], Any]
"""A value taken out of `(here, root)`: the element at hand and the whole record; None: absent."""

_CHOICE = re.compile(r"(.*?)\[([^\[\]=]+)=([^\[\]]*)\]", re.S)


class BadPath(ValueError):
    """A path that cannot be read; the message says why."""


def compiled(path: str) -> Get:
    """The function that follows `path`; raises `BadPath`."""
    if not path:
        raise BadPath("a path must not be empty; a constant is written \"=text\"")
    if path == "@":
        return lambda here, root: here
    if path == "$":
        return lambda here, root: root
    if path.startswith("$."):
        inner = compiled(path[2:])
        return lambda here, root: inner(root, root)
    steps: list[str | tuple[str, str]] = []
    for segment in split_path(path):
        steps += _steps(segment, path)
    names = [step for step in steps if isinstance(step, str) and not _is_position(step)]
    return _by_names(names) if len(names) == len(steps) else _by_steps(steps)


def _steps(segment: str, path: str) -> list[str | tuple[str, str]]:
    """A name, and the choices behind it."""
    if not segment:
        raise BadPath(f"{path!r} has an empty step; a dot within a name is written \\.")
    if not segment.endswith("]") or "[" not in segment:
        return [segment]
    found: list[str | tuple[str, str]] = []
    at = 0
    while at < len(segment):
        choice = _CHOICE.match(segment, at)
        if choice is None or (choice[1] and at):
            raise BadPath(f"{segment!r} is not of the form name[member=value]")
        if choice[1]:
            found.append(choice[1])
        found.append((choice[2], choice[3]))
        at = choice.end()
    return found


def _by_names(names: list[str]) -> Get:
    """The common case, quickly: one, two or three names; more in a loop."""
    if len(names) == 1:
        [only] = names

        def one(here: Any, root: Any) -> Any:
            if type(here) is dict:
                return here.get(only)
            return None if here is None else in_list(here, only)

        return one
    if len(names) == 2:
        first, second = names

        def two(here: Any, root: Any) -> Any:
            part = here.get(first) if type(here) is dict else in_list(here, first)
            if type(part) is dict:
                return part.get(second)
            return None if part is None else in_list(part, second)

        return two

    def many(here: Any, root: Any) -> Any:
        for name in names:
            here = here.get(name) if type(here) is dict else in_list(here, name)
            if here is None:
                return None
        return here

    return many


def _by_steps(steps: list[str | tuple[str, str]]) -> Get:
    def follow(here: Any, root: Any) -> Any:
        for step in steps:
            if isinstance(step, tuple):
                here = chosen(here, *step)
            elif type(here) is dict:
                here = here.get(step)
            elif type(here) is list and _is_position(step):
                here = here[int(step)] if int(step) < len(here) else None
            else:
                here = in_list(here, step)
            if here is None:
                return None
        return here

    return follow


def _is_position(step: str) -> bool:
    return len(step) < len("1000000000") and step.isascii() and step.isdigit()


def in_list(part: Any, name: str) -> Any:
    """The member of the first element of a list that has it, else None."""
    if type(part) is list:
        for one in part:
            if type(one) is dict and one.get(name) is not None:
                return one[name]
    return None


def chosen(part: Any, member: str, value: str) -> Any:
    """The first element of a list whose member has a value as text; of an object: itself."""
    at = int(member) if _is_position(member) else None
    for one in part if type(part) is list else [part]:
        paired = type(one) is list and at is not None and at < len(one)
        if type(one) is dict or paired:
            said = one[at] if paired else one.get(member)
            if (said == value) if type(said) is str else (said is not None and str(said) == value):
                return one
    return None
