"""Decide a predicate for one event: the reference that the compiled SQL is held against.

It reads nothing but the body, so it serves live tails, access scopes and rules as well.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Iterable
from operator import ge, gt, le, lt

import msgspec
from msgspec import UNSET, Raw, UnsetType

from indelible.base.errors import QueryError
from indelible.event.fields import FIELDS, FieldType, Value, ip_key, ip_range
from indelible.event.model import StoredEvent
from indelible.event.paths import scalars_at
from indelible.event.predicate import All, AnyOf, Changed, Not, Op, Predicate, Term, Text
from indelible.event.text import fold, identifiers, text_parts

Decision = Callable[[int, StoredEvent], bool]
_Test = Callable[[Value], bool]
_Reader = Callable[[int, StoredEvent], Iterable[Value]]

LABEL, DATA, RAW = "label.", "data.", "raw"
_ORDER: dict[Op, Callable[[float | str, float | str], bool]] = {
    Op.GE: ge, Op.GT: gt, Op.LE: le, Op.LT: lt
}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_string = msgspec.json.Decoder(str)


def matches(predicate: Predicate, index: int, event: StoredEvent) -> bool:
    """Whether `event`, which stands at `index`, matches.

    Raises `QueryError` for a predicate that means nothing: an unknown field, an operator or a value
    that the field's type does not have. It never guesses, since scopes rest on it.
    """
    return compiled(predicate)(index, event)


def compiled(predicate: Predicate) -> Decision:
    """`matches` with the predicate's part of the work done once; same errors, raised here."""
    match predicate:
        case Term():
            return _term(predicate)
        case Text():
            return _text(predicate.value)
        case Changed():
            return lambda _i, event: _changed(predicate, event)
        case All():
            every = [compiled(child) for child in predicate.children]
            return lambda index, event: all(decide(index, event) for decide in every)
        case AnyOf():
            some = [compiled(child) for child in predicate.children]
            return lambda index, event: any(decide(index, event) for decide in some)
        case Not():
            inner = compiled(predicate.child)
            return lambda index, event: not inner(index, event)


def values_of(field: str, index: int, event: StoredEvent) -> list[Value]:
    """The values of any searchable field, plain or `label.KEY`, `data.PATH`, `raw`; may be none.

    `ip` gives `fields.ip_key`s and times give microseconds. Raises `QueryError` when unknown.
    """
    return list(_reader(field)[0](index, event))


def raw_text(event: StoredEvent) -> str:
    """The original message of a foreign format; bytes that are no UTF-8 show as U+FFFD."""
    if not bytes(event.raw):
        return ""
    text = _string.decode(event.raw)
    if not event.raw_type:
        return text
    try:
        return b64decode(text, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text


def _reader(field: str) -> tuple[_Reader, FieldType | None]:
    """How to read a field, and its type; None is `data`, whose values tell by their text."""
    if field in FIELDS:
        return FIELDS[field].of, FIELDS[field].type
    if field.startswith(LABEL):
        key = field[len(LABEL) :]
        return lambda _i, e: (e.labels[key],) if key in e.labels else (), FieldType.TEXT
    if field.startswith(DATA):
        path = field[len(DATA) :]
        return lambda _i, e: scalars_at(bytes(e.data), path), None
    if field == RAW:
        return lambda _i, e: [text] if (text := raw_text(e)) else [], FieldType.TEXT
    raise QueryError(f"there is no field {field!r}", field=field)


def _text(value: str) -> Decision:
    wanted = fold(value)
    return lambda _i, event: (
        wanted == ""
        or any(wanted in fold(text) for _name, text in text_parts(event))
        or value in identifiers(event)
    )


def _term(term: Term) -> Decision:
    read, kind = _reader(term.field)
    if term.op is Op.PRESENT:
        return lambda index, event: any(True for _ in read(index, event))
    if term.field == RAW and term.op is not Op.CONTAINS:
        raise _senseless(term)
    tests = [_test(term, kind, value) for value in term.values]
    return lambda index, event: any(
        test(value) for value in read(index, event) for test in tests
    )


def _test(term: Term, kind: FieldType | None, wanted: Value) -> _Test:
    """Compares one value of the event with one value of the term."""
    if kind in (FieldType.NUMBER, FieldType.TIME):
        return _number_test(term, wanted)
    if kind is None and term.op in _ORDER:
        return _json_number_test(term, wanted)
    if not isinstance(wanted, str):
        raise _senseless(term)
    if kind is FieldType.IP:
        return _ip_test(term, wanted)
    if term.op is Op.EQ:
        return lambda value: value == wanted
    if term.op is Op.PREFIX:
        return lambda value: isinstance(value, str) and value.startswith(wanted)
    if term.op is Op.CONTAINS:
        folded = fold(wanted)
        return lambda value: isinstance(value, str) and folded in fold(value)
    order = _ORDER[term.op]
    return lambda value: isinstance(value, str) and order(value, wanted)


def _number_test(term: Term, wanted: Value) -> _Test:
    if not isinstance(wanted, int):
        raise _senseless(term)
    if term.op is Op.EQ:
        return lambda value: value == wanted
    if term.op not in _ORDER:
        raise _senseless(term)
    order = _ORDER[term.op]
    return lambda value: isinstance(value, int) and order(value, wanted)


def _json_number_test(term: Term, wanted: Value) -> _Test:
    """Order among the numbers in `data`, as doubles; anything that is no number does not match."""
    limit = json_number(str(wanted))
    if limit is None:
        raise _senseless(term)
    order = _ORDER[term.op]

    def test(value: Value) -> bool:
        number = json_number(str(value))
        return number is not None and order(number, limit)

    return test


def json_number(text: str) -> float | None:
    """A number in JSON's own notation as a double; None for any other text."""
    return float(text) if _NUMBER.fullmatch(text) else None


def _ip_test(term: Term, wanted: str) -> _Test:
    try:
        if term.op is Op.EQ:
            first, last = ip_range(wanted)
            return lambda value: first <= str(value) <= last
        key = ip_key(wanted)
    except ValueError as error:
        raise _senseless(term) from error
    if term.op not in _ORDER:
        raise _senseless(term)
    order = _ORDER[term.op]
    return lambda value: order(str(value), key)


def _changed(wanted: Changed, event: StoredEvent) -> bool:
    return any(
        (wanted.path is None or change.path == wanted.path)
        and _said(change.before, wanted.before)
        and _said(change.after, wanted.after)
        for change in event.changes
    )


def _said(raw: Raw | UnsetType, wanted: str | None) -> bool:
    if wanted is None:
        return True
    if raw is UNSET:
        return False
    text = bytes(raw).strip()
    if text.decode() == wanted:
        return True
    return text[:1] == b'"' and _string.decode(text) == wanted


def _senseless(term: Term) -> QueryError:
    shown = ", ".join(repr(value) for value in term.values)
    return QueryError(
        f"`{term.field}` cannot be compared by `{term.op.value}` with {shown}", field=term.field
    )
