"""What changed, in the forms in which records of many vendors tell it. Pure.

A list of `{field, old, new}`, an object of `{field: {from, to}}`, and two objects of which one is
the state before and one after (every member that differs is a change). Values stay JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from indelible.base.limits import ACTION_CHARS, CHANGES, NAME_CHARS, REMEMBERED
from indelible.event.model import Change, ChangeOp
from indelible.event.paths import escape_segment
from indelible.ingest.parsers.guess_names import Path, joined
from indelible.ingest.parsers.guess_tables import named

_encode = msgspec.json.Encoder().encode
_PATHS: Final = named(
    """field fieldname name key property propertyname path attribute attributename column setting
    displayname parameter"""
)
_BEFORE: Final = named(
    """old oldvalue before from previous previousvalue prior original originalvalue was beforevalue
    fromvalue lastvalue"""
)
_AFTER: Final = named(
    "new newvalue after to current currentvalue updated updatedvalue now aftervalue tovalue"
)
_HOLDERS: Final = named(
    """changes change changed diff delta modifiedproperties changedfields changeditems fields
    attributechanges changedvalues changedattributes auditchanges fieldchanges modifications updates
    propertychanges"""
)
_STATES: Final = (
    ("before", "after"), ("old", "new"), ("oldvalue", "newvalue"), ("oldvalues", "newvalues"),
    ("previous", "current"), ("from", "to"), ("oldstate", "newstate"), ("prior", "current"),
    ("beforestate", "afterstate"), ("previousstate", "newstate"), ("previousvalue", "newvalue"),
    ("beforevalue", "aftervalue"), ("originalvalue", "newvalue"), ("oldobject", "newobject"),
)
_WRAPPED: Final = named(
    "event data payload details detail attributes properties meta"
)
_OF_WHAT: Final = ("field", "fieldname", "attribute", "property")
_NOTHING: Final = object()


def changes_in(record: dict[str, Any]) -> list[Change]:
    """The changes that a record tells in one of the known forms, at most `limits.CHANGES`."""
    return list(islice(_found(record), CHANGES))


class Told(NamedTuple):
    """Where changes stand: a holder of many, or the states before and after, and what they are of.
    """

    holder: Path = ()
    before: Path = ()
    after: Path = ()
    named: Path = ()


def _found(record: dict[str, Any]) -> Iterator[Change]:
    for told in places_in(record):
        if told.holder:
            yield from of_holder(_at(record, told.holder))
        else:
            path = _at(record, told.named) if told.named else ""
            yield from between(_at(record, told.before), _at(record, told.after), path)


def places_in(record: dict[str, Any]) -> Iterator[Told]:
    """Where a record may tell changes: at its top, or in what wraps an event."""
    top = _names_in(record)
    yield from _told_in((), record, top)
    for name in top.wrapped:
        part = record[name]
        if isinstance(part, dict):
            yield from _told_in((name,), part, _names_in(part))


def _told_in(front: Path, part: dict[str, Any], names: _Names) -> Iterator[Told]:
    for name in names.holders:
        yield Told(holder=(*front, name))
    if names.states:
        before, after = names.states
        path = next((name for name in names.of_what if isinstance(part[name], str)), "")
        yield Told(
            before=(*front, before), after=(*front, after), named=(*front, path) if path else ()
        )


class _Names(NamedTuple):
    """The members of an object that matter for changes."""

    holders: tuple[str, ...] = ()
    states: tuple[str, str] | None = None
    of_what: tuple[str, ...] = ()
    wrapped: tuple[str, ...] = ()


def _names_in(part: dict[str, Any]) -> _Names:
    if not part or len(part) > CHANGES or max(map(len, part)) > ACTION_CHARS:
        return _Names()  # no honest record: it would fill what is remembered
    return _sorted_out(tuple(part))


@lru_cache(maxsize=REMEMBERED // 16)
def _sorted_out(members: tuple[str, ...]) -> _Names:
    names = {joined(name): name for name in members}
    return _Names(
        tuple(name for plain, name in names.items() if plain in _HOLDERS),
        next(((names[before], names[after]) for before, after in _STATES
              if before in names and after in names), None),
        tuple(names[one] for one in _OF_WHAT if one in names),
        tuple(name for name in members if joined(name) in _WRAPPED),
    )


def _at(record: Any, path: Path) -> Any:
    for name in path:
        record = record[name]
    return record


def of_holder(value: Any) -> Iterator[Change]:
    """The changes of a list of `{field, old, new}` or of an object of fields."""
    if isinstance(value, list):
        for one in value[:CHANGES]:
            if isinstance(one, dict):
                yield from _of_element(one)
    elif isinstance(value, dict):
        named = {joined(name): part for name, part in value.items()}
        for before, after in _STATES:
            if before in named and after in named:
                yield from between(named[before], named[after], "")
                return
        for name, part in islice(value.items(), CHANGES):
            yield from _of_field(name, part)


def _of_element(one: dict[str, Any]) -> Iterator[Change]:
    path, before, after = "", _NOTHING, _NOTHING
    for name, value in one.items():
        plain = joined(name)
        if plain in _PATHS and isinstance(value, str) and not path:
            path = value
        elif plain in _BEFORE:
            before = value
        elif plain in _AFTER:
            after = value
    if path and (before is not _NOTHING or after is not _NOTHING):
        yield from change(path, before, after)


def _of_field(name: str, part: Any) -> Iterator[Change]:
    if isinstance(part, list) and len(part) == 2:
        yield from change(name, part[0], part[1])
    elif isinstance(part, dict):
        before = next((v for k, v in part.items() if joined(k) in _BEFORE), _NOTHING)
        after = next((v for k, v in part.items() if joined(k) in _AFTER), _NOTHING)
        if before is not _NOTHING or after is not _NOTHING:
            yield from change(name, before, after)


def between(before: Any, after: Any, path: str) -> Iterator[Change]:
    """What differs between two states: member by member where both are objects."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in list(dict.fromkeys([*before, *after]))[:CHANGES]:
            if before.get(name, _NOTHING) != after.get(name, _NOTHING):
                whole = f"{path}.{escape_segment(name)}" if path else escape_segment(name)
                yield from change(whole, before.get(name, _NOTHING), after.get(name, _NOTHING))
    elif before != after and path:
        yield from change(path, before, after)


def change(path: str, before: Any = _NOTHING, after: Any = _NOTHING) -> Iterator[Change]:
    """One change; a side that is null or not there makes it an addition or a removal."""
    was, now = raw(before), raw(after)
    if not 0 < len(path) <= NAME_CHARS or (was is UNSET and now is UNSET):
        return
    op = ChangeOp.ADD if was is UNSET else ChangeOp.REMOVE if now is UNSET else ChangeOp.REPLACE
    yield Change(path=path, op=op, before=was, after=now)


def raw(value: Any) -> Raw | UnsetType:
    """A value as JSON; UNSET for null, for nothing, and for what no event can carry."""
    if value is None or value is _NOTHING:
        return UNSET
    try:
        return Raw(_encode(value))
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError, TypeError):
        return UNSET
