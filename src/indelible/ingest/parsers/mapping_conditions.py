"""Conditions of a mapping: which records it reads, and where a part of it counts. Compiled once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from indelible.ingest.parsers.mapping_errors import Member, Place, known_only
from indelible.ingest.parsers.mapping_paths import BadPath, Get, compiled

Holds: TypeAlias = Callable[[Any, Any], bool]
KINDS: Final = ("present", "absent", "equal", "starts", "ends", "any")


def condition(place: Place, member: Member, said: Any) -> Holds:
    """Whether all that a condition says holds; a text is a path that must be there.

    Raises `BadMapping`.
    """
    if isinstance(said, str):
        return _present(_path(place, member, said))
    if not isinstance(said, dict) or not said:
        raise place.bad(member, f"a condition is a path or a table of {', '.join(KINDS)}")
    known_only(place, member, said, KINDS)
    tests: list[Holds] = []
    for kind in ("present", "absent"):
        for path in _list(place, (*member, kind), said.get(kind, [])):
            found = _present(_path(place, (*member, kind), path))
            tests.append(found if kind == "present" else _not(found))
    for kind, test in (("equal", _equal), ("starts", _starts), ("ends", _ends)):
        rows = said.get(kind, {})
        if not isinstance(rows, dict):
            raise place.bad((*member, kind), f"{kind} is a table of path and value")
        for path, wanted in rows.items():
            inner = (*member, kind, path)
            tests.append(test(_path(place, inner, path), _values(wanted)))
    options = [condition(place, (*member, "any", at), one)
               for at, one in enumerate(_list(place, (*member, "any"), said.get("any", [])))]
    if options:
        tests.append(_any(options))
    return _all(tests)


def described(said: dict[str, Any]) -> str:
    """A condition for people: what a record has that is recognised."""
    parts = [", ".join(said["present"])] if said.get("present") else []
    for path, wanted in said.get("equal", {}).items():
        parts.append(f"{path} is {' or '.join(map(str, _values(wanted)))}")
    for path, wanted in said.get("starts", {}).items():
        parts.append(f"{path} begins with {' or '.join(map(str, _values(wanted)))}")
    for path, wanted in said.get("ends", {}).items():
        parts.append(f"{path} ends with {' or '.join(map(str, _values(wanted)))}")
    return f"it has {'; '.join(parts)}" if parts else "it has the members of the mapping"


def _path(place: Place, member: Member, said: Any) -> Get:
    try:
        return compiled(said) if isinstance(said, str) else compiled("")
    except BadPath as error:
        raise place.bad(member, str(error)) from error


def _list(place: Place, member: Member, said: Any) -> list[Any]:
    if not isinstance(said, list):
        raise place.bad(member, f"{member[-1]} is a list")
    return said


def _values(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]


def _present(get: Get) -> Holds:
    def present(here: Any, root: Any) -> bool:
        value = get(here, root)
        return value is not None and value != ""

    return present


def _not(test: Holds) -> Holds:
    return lambda here, root: not test(here, root)


def _equal(get: Get, wanted: list[Any]) -> Holds:
    """Of the same type (`1` is no `true`); of a list one element is enough."""
    kinds = [(type(one), one) for one in wanted]
    texts = frozenset(one for one in wanted if isinstance(one, str))
    numbers = frozenset(one for one in wanted if type(one) is int)

    def equal(here: Any, root: Any) -> bool:
        value = get(here, root)
        if type(value) is str:
            return value in texts
        if type(value) is int:
            return value in numbers
        values = value if type(value) is list else (value,)
        return any(type(one) is kind and one == want for one in values for kind, want in kinds)

    return equal


def _starts(get: Get, wanted: list[Any]) -> Holds:
    begins = tuple(str(one) for one in wanted)

    def starts(here: Any, root: Any) -> bool:
        value = get(here, root)
        return isinstance(value, str) and value.startswith(begins)

    return starts


def _ends(get: Get, wanted: list[Any]) -> Holds:
    endings = tuple(str(one) for one in wanted)

    def ends(here: Any, root: Any) -> bool:
        value = get(here, root)
        return isinstance(value, str) and value.endswith(endings)

    return ends


def _all(tests: list[Holds]) -> Holds:
    if len(tests) == 1:
        return tests[0]
    whole = tuple(tests)

    def hold(here: Any, root: Any) -> bool:
        for test in whole:  # noqa: SIM110 - twice as fast as all() of a generator
            if not test(here, root):
                return False
        return True

    return hold


def _any(tests: list[Holds]) -> Holds:
    options = tuple(tests)

    def hold(here: Any, root: Any) -> bool:
        for test in options:  # noqa: SIM110 - as above
            if test(here, root):
                return True
        return False

    return hold
