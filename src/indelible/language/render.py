"""A predicate as search text: canonical, and read back by `parse` as the same predicate."""

from __future__ import annotations

import re

from indelible.base.errors import QueryError
from indelible.event.fields import FIELDS, FieldType
from indelible.event.predicate import (
    EVERYTHING,
    All,
    AnyOf,
    Changed,
    Not,
    Op,
    Predicate,
    Term,
    Text,
)
from indelible.language.lexer import quote
from indelible.language.normal import normal
from indelible.language.query import Query
from indelible.language.values import CLOSED, time_text

_PLAIN_WORD = re.compile(r"[\w@/+.#%=&][\w@/+.#%=&-]*")
_PLAIN_VALUE = re.compile(r"[\w@/+.#%=&:-]+")
_PLAIN_KEY = re.compile(r"[\w@/+#%=&\\-][\w@/+.#%=&\\-]*")
_KEYWORDS = frozenset(("or", "and", "not"))
_SIGNS = {Op.GE: ">=", Op.GT: ">", Op.LE: "<=", Op.LT: "<", Op.CONTAINS: "~"}


def render(predicate: Predicate) -> str:
    """`predicate` as text, with `parse(render(p), now).predicate == normal(p)` for every `now`.

    Raises `QueryError` for what the language cannot say, such as an order among texts.
    """
    found = normal(predicate)
    return "" if found == EVERYTHING else _either(found)


def render_query(query: Query) -> str:
    """The whole search as text, ages turned into the moments they meant."""
    parts = []
    if query.predicate != EVERYTHING:
        found = normal(query.predicate)
        parts.append(f"({_either(found)})" if isinstance(found, AnyOf) else _either(found))
    if query.since_us is not None:
        parts.append(f"since:{time_text(query.since_us)}")
    if query.until_us is not None:
        parts.append(f"until:{time_text(query.until_us - 1)}")
    if query.sort is not None:
        parts.append(f"sort:{query.sort}")
    return " ".join(parts)


def _either(predicate: Predicate) -> str:
    if isinstance(predicate, AnyOf):
        return " or ".join(_every(child) for child in predicate.children)
    return _every(predicate)


def _every(predicate: Predicate) -> str:
    if isinstance(predicate, All) and predicate.children:
        return " ".join(_one(child) for child in predicate.children)
    return _one(predicate)


def _one(predicate: Predicate) -> str:
    match predicate:
        case Term():
            return _term(predicate)
        case Text():
            return _word(predicate.value)
        case Changed():
            return _changed(predicate)
        case Not():
            return f"-{_one(predicate.child)}"
        case _:
            return "*" if predicate == EVERYTHING else f"({_either(predicate)})"


def _word(text: str) -> str:
    if _PLAIN_WORD.fullmatch(text) and text.lower() not in _KEYWORDS:
        return text
    return quote(text)


def _term(term: Term) -> str:
    name = _name(term.field)
    if term.op is Op.PRESENT:
        if term.values:
            raise _unsayable(term)
        return f"{name}:*"
    if not term.values:
        raise _unsayable(term)
    return f"{name}:" + ",".join(_value(term, value) for value in term.values)


def _name(field: str) -> str:
    if field in FIELDS or field == "raw":
        return field
    family, dot, rest = field.partition(".")
    if family not in ("label", "data") or not dot:
        raise QueryError(f"there is no field {field!r}", field=field)
    return f"{family}.{rest if _PLAIN_KEY.fullmatch(rest) else quote(rest)}"


def _value(term: Term, value: str | int) -> str:
    kind = FIELDS[term.field].type if term.field in FIELDS else FieldType.TEXT
    sign = _SIGNS.get(term.op, "")
    if kind in (FieldType.NUMBER, FieldType.TIME):
        if not isinstance(value, int) or term.op in (Op.PREFIX, Op.CONTAINS):
            raise _unsayable(term)
        return sign + (time_text(value) if kind is FieldType.TIME else str(value))
    if not isinstance(value, str):
        raise _unsayable(term)
    ordered = term.op in (Op.GE, Op.GT, Op.LE, Op.LT)
    if ordered and kind is FieldType.TEXT and not term.field.startswith("data."):
        raise _unsayable(term)
    if term.field == "raw" and term.op is not Op.CONTAINS:
        raise _unsayable(term)
    plain = _PLAIN_VALUE.fullmatch(value) and "->" not in value
    if term.op is Op.EQ and term.field in CLOSED and value not in CLOSED[term.field]:
        plain = None  # quotes say: exactly this, known or not
    text = value if plain or (kind is FieldType.IP and value) else quote(value)
    return f"{sign}{text}*" if term.op is Op.PREFIX else f"{sign}{text}"


def _changed(changed: Changed) -> str:
    path = changed.path
    name = "*" if path is None else path if _PLAIN_KEY.fullmatch(path) else quote(path)
    if changed.before is None and changed.after is None:
        return f"change.{name}:*"
    return f"change.{name}:{_side(changed.before)}->{_side(changed.after)}"


def _side(text: str | None) -> str:
    if text is None:
        return ""
    return text if _PLAIN_WORD.fullmatch(text) else quote(text)


def _unsayable(term: Term) -> QueryError:
    shown = ", ".join(repr(value) for value in term.values)
    return QueryError(
        f"the language has no way to say {term.field} {term.op.value} ({shown})", field=term.field
    )
