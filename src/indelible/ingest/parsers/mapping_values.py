"""Expressions of a mapping: where a value comes from and what is done to it, compiled once.

A path, a constant (`"=text"`), the first of several, or a table: `from`, `is`, `template`, `join`
or `sql`, then cuts, case, a `table` of values. Nothing here backtracks: patterns are literal texts
with placeholders, read once from left to right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from indelible.base.limits import NAME_CHARS
from indelible.event.actions import singular
from indelible.ingest.parsers.mapping_conditions import condition
from indelible.ingest.parsers.mapping_errors import Member, Place, known_only
from indelible.ingest.parsers.mapping_paths import BadPath, Get, compiled
from indelible.ingest.parsers.mapping_sql import sql_class
from indelible.ingest.parsers.pick import cut

SOURCES: Final = ("from", "is", "template", "join", "sql")
OPERATIONS: Final = (
    "after", "before", "after_last", "before_last", "pattern", "remove_prefix", "remove_suffix",
    "lower", "upper", "singular", "prefix", "suffix", "table", "otherwise", "with", "when",
)
_HOLE = re.compile(r"\{([^{}]+)\}")


def value_of(place: Place, member: Member, said: Any, more: tuple[str, ...] = ()) -> Get:
    """The function that an expression means; `more` names members that the caller reads itself.

    Raises `BadMapping`.
    """
    if isinstance(said, str):
        return _named(place, member, said)
    if isinstance(said, list):
        if not said:
            raise place.bad(member, "a list of alternatives must not be empty")
        options = [value_of(place, (*member, at), one) for at, one in enumerate(said)]
        return _first(options)
    if isinstance(said, dict):
        return _table(place, member, said, more)
    raise place.bad(
        member, f"{said!r} is no expression",
        'Write a path ("actor.email"), a constant ("=text"), a list of these, or a table.',
    )


def text_of(place: Place, member: Member, said: Any, more: tuple[str, ...] = ()) -> Get:
    """As `value_of`, for members that are texts: the value as a text fit for a name, or ''."""
    if isinstance(said, list) and said:
        options = [text_of(place, (*member, at), one) for at, one in enumerate(said)]
        return _first_text(options)
    get = value_of(place, member, said, more)

    def text(here: Any, root: Any) -> Any:
        value = get(here, root)
        if type(value) is str and len(value) <= NAME_CHARS:  # nearly always
            return value
        return "" if value is None else as_text(value)

    return text


def name_of(place: Place, member: Member, said: Any) -> Get:
    """As `text_of`, for what says who or on what: a text that is too long for a name is cut."""
    if isinstance(said, list) and said:
        return _first_text([name_of(place, (*member, at), one) for at, one in enumerate(said)])
    get = value_of(place, member, said)

    def name(here: Any, root: Any) -> Any:
        value = get(here, root)
        if type(value) is str:
            return value if len(value) <= NAME_CHARS else cut(value)
        return "" if value is None else as_text(value)

    return name


def _first_text(options: list[Get]) -> Get:
    def first(here: Any, root: Any) -> Any:
        for get in options:
            text = get(here, root)
            if text:
                return text
        return ""

    return first


def as_text(value: Any) -> str:
    """A value as a text: numbers in decimal, of a list the first; '' when it is none."""
    if type(value) is str:
        return value if len(value) <= NAME_CHARS else ""
    if value is True or value is False:
        return "true" if value else "false"
    if type(value) is int or type(value) is float:
        return str(value)
    if type(value) is list and value:
        return as_text(value[0]) if type(value[0]) is not list else ""
    return ""


def constant(value: Any) -> Get:
    """Always the same."""
    return lambda here, root: value


def _named(place: Place, member: Member, said: str) -> Get:
    if said.startswith("="):
        return constant(said[1:])
    try:
        return compiled(said)
    except BadPath as error:
        raise place.bad(member, str(error)) from error


def _first(options: list[Get]) -> Get:
    def first(here: Any, root: Any) -> Any:
        for get in options:
            value = get(here, root)
            if value is not None and value != "" and value != []:
                return value
        return None

    return first


def _table(place: Place, member: Member, said: dict[str, Any], more: tuple[str, ...]) -> Get:
    known_only(place, member, said, (*SOURCES, *OPERATIONS, *more))
    given = [name for name in SOURCES if name in said]
    if len(given) != 1:
        raise place.bad(member, f"it needs exactly one of {', '.join(SOURCES)}")
    get = _source(place, member, said, given[0])
    steps = _steps(place, member, said)
    if steps:
        get = _then(get, steps)
    if "table" in said:
        get = _looked_up(place, member, said, get)
    elif "otherwise" in said:
        get = _first([get, constant(said["otherwise"])])
    if "when" in said:
        get = _only(condition(place, (*member, "when"), said["when"]), get)
    return get


def _source(place: Place, member: Member, said: dict[str, Any], name: str) -> Get:
    inner = (*member, name)
    if name == "is":
        return constant(said["is"])
    if name == "from":
        return value_of(place, inner, said["from"])
    if name == "template":
        return template(place, inner, said["template"])
    if name == "sql":
        told = value_of(place, inner, said["sql"])
        return lambda here, root: sql_class(told(here, root))
    if not isinstance(said["join"], list):
        raise place.bad(inner, "join is a list of expressions")
    parts = [text_of(place, (*inner, at), one) for at, one in enumerate(said["join"])]
    mark = _text(place, member, said, "with") if "with" in said else " "

    def joined(here: Any, root: Any) -> Any:
        return mark.join(text for get in parts if (text := get(here, root)))

    return joined


def template(place: Place, member: Member, said: Any) -> Get:
    """A text with `{path}` in it; '' as soon as one of them has no value."""
    if not isinstance(said, str):
        raise place.bad(member, "a template is a text")
    pieces = _HOLE.split(said)
    if "{" in "".join(pieces[::2]) or "}" in "".join(pieces[::2]):
        raise place.bad(member, f"{said!r} has a brace without its other half")
    texts, holes = pieces[::2], [text_of(place, member, path) for path in pieces[1::2]]

    def filled(here: Any, root: Any) -> Any:
        whole = texts[0]
        for get, after in zip(holes, texts[1:], strict=True):
            value = get(here, root)
            if not value:
                return ""
            whole += value + after
        return whole

    return filled


Step = Callable[[str], str]


def _then(get: Get, steps: list[Step]) -> Get:
    def stepped(here: Any, root: Any) -> Any:
        text = as_text(get(here, root))
        for step in steps:
            if not text:
                return ""
            text = step(text)
        return text

    return stepped


def _steps(place: Place, member: Member, said: Mapping[str, Any]) -> list[Step]:
    """What is done to the text, in the order of `OPERATIONS`."""
    steps: list[Step] = []
    for name in OPERATIONS:
        if name not in said or name in ("table", "otherwise", "with", "when"):
            continue
        if name in _PLAIN:
            if said[name] is not True:
                raise place.bad((*member, name), f"{name} is true, or is left out")
            steps.append(_PLAIN[name])
            continue
        text = _text(place, member, said, name)
        if name == "pattern":
            steps.append(_pattern(place, (*member, name), text))
        else:
            steps.append(_cut(name, text))
    return steps


_PLAIN: Final[dict[str, Step]] = {
    "lower": str.lower, "upper": str.upper, "singular": singular,
}


def _text(place: Place, member: Member, said: Mapping[str, Any], name: str) -> str:
    text = said[name]
    if not isinstance(text, str) or not text:
        raise place.bad((*member, name), f"{name} is a text that is not empty")
    return text


def _cut(name: str, mark: str) -> Step:
    """One step; a text without the mark stays whole."""
    cuts: dict[str, Step] = {
        "after": lambda text: text.split(mark, 1)[-1],
        "before": lambda text: text.split(mark, 1)[0],
        "after_last": lambda text: text.rsplit(mark, 1)[-1],
        "before_last": lambda text: text.rsplit(mark, 1)[0],
        "remove_prefix": lambda text: text.removeprefix(mark),
        "remove_suffix": lambda text: text.removesuffix(mark),
        "prefix": lambda text: mark + text,
        "suffix": lambda text: text + mark,
    }
    return cuts[name]


def _pattern(place: Place, member: Member, pattern: str) -> Step:
    """What stands at `{}` in a text of a fixed form; `*` is anything. Linear in the text."""
    pieces = re.split(r"(\{\}|\*)", pattern)
    if pieces.count("{}") != 1:
        raise place.bad(member, "a pattern has {} exactly once, where the value stands")
    if any(not piece for piece in pieces[2:-1:2]):
        raise place.bad(member, "between two placeholders of a pattern stands some text")

    def find(text: str) -> str:
        if not text.startswith(pieces[0]):
            return ""
        at, found, last = len(pieces[0]), "", len(text) - len(pieces[-1])
        if last < at or not text.endswith(pieces[-1]):
            return ""
        holes, marks = pieces[1::2], pieces[2:-1:2]
        for hole, mark in zip(holes, [*marks, None], strict=True):
            end = last if mark is None else text.find(mark, at, last)
            if end < 0:
                return ""
            if hole == "{}":
                found = text[at:end]
            at = end + len(mark or "")
        return found

    return find


def _looked_up(place: Place, member: Member, said: Mapping[str, Any], get: Get) -> Get:
    """A table of values; what is not in it is `otherwise`, else absent."""
    table = said["table"]
    if not isinstance(table, dict) or not table:
        raise place.bad((*member, "table"), "a table has at least one value")
    found = {str(key): value for key, value in table.items()}
    other = said.get("otherwise")

    def look(here: Any, root: Any) -> Any:
        text = as_text(get(here, root))
        return found.get(text, other) if text else other

    return look


def _only(holds: Callable[[Any, Any], bool], get: Get) -> Get:
    return lambda here, root: get(here, root) if holds(here, root) else None


