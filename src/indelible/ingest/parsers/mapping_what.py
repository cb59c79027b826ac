"""Action, outcome, targets and changes of a mapping."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import UNSET, UnsetType

from indelible.base.limits import CHANGES, REMEMBERED, TARGETS
from indelible.event.model import Change, Operation, Outcome, Target
from indelible.ingest.parsers.guess_action import done
from indelible.ingest.parsers.guess_changes import between, change, of_holder
from indelible.ingest.parsers.guess_told import outcome_of_code, outcome_of_word
from indelible.ingest.parsers.mapping_conditions import condition
from indelible.ingest.parsers.mapping_errors import Member, Place, known_only
from indelible.ingest.parsers.mapping_values import as_text, constant, name_of, text_of, value_of
from indelible.ingest.parsers.pick import action

_OPERATIONS: Final = {one.value: one for one in Operation}
_OUTCOMES: Final = {one.value: one for one in Outcome}


class Act(NamedTuple):
    """What a vendor's action means: the parts of the action, and what it says besides."""

    parts: tuple[str, ...]
    operation: Operation | UnsetType = UNSET
    outcome: Outcome | UnsetType = UNSET


class Done(NamedTuple):
    """The action of one record."""

    action: str
    vendor: str
    operation: Operation | UnsetType
    outcome: Outcome | UnsetType


def action_of(
    place: Place, name: str, said: Any, rows: Any
) -> Callable[[Any, Any], Done | None]:
    """The function that makes the action, by `[action]` and the table `[actions]`."""
    if not isinstance(said, dict) or "from" not in said:
        raise place.bad(
            ("action",), "a mapping says where the vendor's own action stands",
            'Add [action] with from = "path.of.the.action".',
        )
    known_only(place, ("action",), said, ("from", "service", "object"))
    vendor = text_of(place, ("action", "from"), said["from"])
    service = text_of(place, ("action", "service"), said["service"]) if "service" in said \
        else constant(name)
    thing = text_of(place, ("action", "object"), said["object"]) if "object" in said else None
    exact, begins = _acts(place, rows)

    def find(here: Any, root: Any) -> Done | None:
        verb = vendor(here, root)
        if not verb:
            return None
        act = exact.get(verb)
        if act is None and begins:
            act = next((found for begin, end, found in begins
                        if verb.startswith(begin) and verb.endswith(end)), None)
        front = service(here, root) or name
        if act is not None:
            return Done(_joined(front, act.parts), verb, act.operation, act.outcome)
        return Done(_split(front, thing(here, root) if thing else "", verb), verb, UNSET, UNSET)

    return find


@lru_cache(maxsize=REMEMBERED)
def _joined(service: str, parts: tuple[str, ...]) -> str:
    return action(service, *parts)


@lru_cache(maxsize=REMEMBERED)
def _split(service: str, thing: str, verb: str) -> str:
    """An action that no row names: its own words tell the object and the verb."""
    found = done(verb)
    parts = [one for one in (found.object or thing, found.verb or "occur") if one]
    return action(service, *parts)


def _acts(place: Place, rows: Any) -> tuple[dict[str, Act], list[tuple[str, str, Act]]]:
    """The rows of `[actions]`: by their whole name, and by beginning and end (`user_*`, `a*z`).

    Of several that fit the longest decides.
    """
    if not isinstance(rows, dict):
        raise place.bad(("actions",), "actions is a table: vendor's action = \"object.verb\"")
    exact: dict[str, Act] = {}
    begins: list[tuple[str, str, Act]] = []
    for name, said in rows.items():
        act = _act(place, ("actions", name), said)
        begin, star, end = name.partition("*")
        if "*" in end:
            raise place.bad(("actions", name), "a row has at most one *")
        if star:
            begins.append((begin, end, act))
        else:
            exact[name] = act
    begins.sort(key=lambda one: -len(one[0]) - len(one[1]))
    return exact, begins


def _act(place: Place, member: Member, said: Any) -> Act:
    table = {"action": said} if isinstance(said, str) else said
    if not isinstance(table, dict):
        raise place.bad(member, "a row is a text, or a table of action, operation and outcome")
    known_only(place, member, table, ("action", "operation", "outcome"))
    name = table.get("action", "")
    parts = tuple(part for part in str(name).split(".") if part)
    if not parts:
        raise place.bad(member, "a row names its action", 'Write "object.verb".')
    return Act(
        parts,
        _choice(place, (*member, "operation"), table.get("operation"), _OPERATIONS),
        _choice(place, (*member, "outcome"), table.get("outcome"), _OUTCOMES),
    )


def _choice(place: Place, member: Member, said: Any, known: dict[str, Any]) -> Any:
    if said is None:
        return UNSET
    if said not in known:
        raise place.bad(
            member, f"{said!r} is none of {', '.join(known)}", f"Choose one of {', '.join(known)}."
        )
    return known[said]


class Ended(NamedTuple):
    """How it ended, with code and text of the reason."""

    outcome: Outcome | UnsetType
    code: str
    text: str


def outcome_of(place: Place, said: Any) -> Callable[[Any, Any], Ended]:
    """The function that tells the outcome, by `[outcome]`."""
    member: Member = ("outcome",)
    if isinstance(said, (str, list)):
        said = {"from": said}
    if not isinstance(said, dict):
        raise place.bad(member, "outcome is an expression, or a table with from")
    known_only(place, member, said, ("from", "otherwise", "code", "text", *_OUTCOMES))
    get = value_of(place, (*member, "from"), said["from"]) if "from" in said else constant(None)
    other = _choice(place, (*member, "otherwise"), said.get("otherwise"), _OUTCOMES)
    words = _words(place, member, said)
    code, text = (
        text_of(place, (*member, name), said[name]) if name in said else constant("")
        for name in ("code", "text")
    )

    def find(here: Any, root: Any) -> Ended:
        value = get(here, root)
        found = _ended(value, words)
        return Ended(other if found is None else found, code(here, root), text(here, root))

    return find


def _words(place: Place, member: Member, said: dict[str, Any]) -> dict[str, Outcome]:
    words: dict[str, Outcome] = {}
    for name, outcome in _OUTCOMES.items():
        values = said.get(name, [])
        if not isinstance(values, list):
            raise place.bad((*member, name), f"{name} is a list of values")
        for value in values:
            words[as_text(value).lower()] = outcome
    return words


def _ended(value: Any, words: dict[str, Outcome]) -> Outcome | None:
    """By the mapping's own words; without any by the usual ones, and by HTTP status."""
    text = as_text(value).lower()
    if not text:
        return None
    found = words.get(text)
    if found is None and len(text) == 3 and text.isascii() and text.isdigit():
        found = words.get(f"{text[0]}xx") or (None if words else outcome_of_code(int(text)))
    if found is not None or words:
        return found
    if value is True or value is False:
        return Outcome.SUCCESS if value else Outcome.FAILURE
    return outcome_of_word(text)


TargetsOf: TypeAlias = Callable[[Any, Any], Iterable[Target]]


def targets_of(place: Place, said: Any) -> TargetsOf:
    """The function that finds the targets, by `[[targets]]` in their order."""
    rows = _rows(place, ("targets",), said)
    plans = [_target(place, ("targets", at), one) for at, one in enumerate(rows)]

    def find(here: Any, root: Any) -> list[Target]:
        found: list[Target] = []
        for plan in plans:
            found += plan(here, root)
        return found

    return find


def _rows(place: Place, member: Member, said: Any) -> list[Any]:
    rows = [said] if isinstance(said, dict) else said
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        raise place.bad(member, f"{member[0]} is an array of tables: [[{member[0]}]]")
    return rows


def _target(place: Place, member: Member, said: dict[str, Any]) -> TargetsOf:
    known_only(place, member, said, ("each", "when", "type", "id", "name", "parent"))
    for name in ("type", "id"):
        if name not in said:
            raise place.bad(member, f"a target has a {name}", f"Add {name} here.")
    kind, label, parent = (
        text_of(place, (*member, part), said[part]) if part in said else constant("")
        for part in ("type", "name", "parent")
    )
    ident = name_of(place, (*member, "id"), said["id"])

    def one(here: Any, root: Any) -> list[Target]:
        key, sort = ident(here, root), kind(here, root)
        if not key or not sort:
            return []
        called = label(here, root)
        return [Target(
            type=_typed(sort), id=key, name=called if called and called != key else UNSET,
            parent=parent(here, root) or UNSET,
        )]

    return each_of(place, member, said, one, TARGETS)


@lru_cache(maxsize=REMEMBERED)
def _typed(name: str) -> str:
    """A vendor's name of a kind of thing, as types are written: lower case, `_`."""
    return action("x", name)[2:]


def each_of(
    place: Place, member: Member, said: dict[str, Any], one: Callable[[Any, Any], Any], most: int
) -> Callable[[Any, Any], list[Any]]:
    """`one`, or `one` of every element of the list that `each` names, where `when` holds."""
    holds = condition(place, (*member, "when"), said["when"]) if "when" in said else None
    every = value_of(place, (*member, "each"), said["each"]) if "each" in said else None

    def at(here: Any, root: Any) -> list[Any]:
        if holds is not None and not holds(here, root):
            return []
        found: list[Any] = one(here, root)
        return found

    def all_of(here: Any, root: Any) -> list[Any]:
        value = every(here, root) if every is not None else None
        elements = value if isinstance(value, list) else [] if value is None else [value]
        return [found for element in elements[:most] for found in at(element, root)]

    return at if every is None else all_of


def changes_of(place: Place, said: Any) -> Callable[[Any, Any], list[Change]]:
    """The function that finds the changes, by `[[changes]]`."""
    rows = _rows(place, ("changes",), said)
    plans = [_change(place, ("changes", at), one) for at, one in enumerate(rows)]

    def find(here: Any, root: Any) -> list[Change]:
        found: list[Change] = []
        for plan in plans:
            found += plan(here, root)
        return found[:CHANGES]

    return find


def _change(
    place: Place, member: Member, said: dict[str, Any]
) -> Callable[[Any, Any], list[Change]]:
    """One row: `all` (a list or object in a known form), or path with before and after."""
    known_only(place, member, said, ("each", "when", "all", "path", "before", "after"))
    if "all" in said:
        held = value_of(place, (*member, "all"), said["all"])

        def listed(here: Any, root: Any) -> list[Change]:
            return list(islice(of_holder(held(here, root)), CHANGES))

        return each_of(place, member, said, listed, CHANGES)
    if "before" not in said and "after" not in said:
        raise place.bad(member, "a change has all, or before or after")
    before, after = (
        value_of(place, (*member, part), said[part]) if part in said else constant(None)
        for part in ("before", "after")
    )
    path = text_of(place, (*member, "path"), said["path"]) if "path" in said else constant("")

    def one(here: Any, root: Any) -> list[Change]:
        was, now = before(here, root), after(here, root)
        if was is None and now is None:
            return []
        name = path(here, root)
        if isinstance(was, dict) and isinstance(now, dict):
            return list(islice(between(was, now, name), CHANGES))
        return list(change(name, was, now)) if name and was != now else []

    return each_of(place, member, said, one, CHANGES)


