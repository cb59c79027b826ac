"""One `field:value` as a predicate: lists, prefixes, comparisons, ranges, changes."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from indelible.base.errors import QueryError
from indelible.event.evaluate import DATA, RAW, json_number
from indelible.event.fields import FIELDS, FieldType
from indelible.event.predicate import Changed, Op, Predicate, Term
from indelible.language.lexer import Piece, Token
from indelible.language.normal import conjunction, disjunction
from indelible.language.values import (
    CLOSED,
    Span,
    check_closed,
    parse_ip,
    parse_number,
    parse_when,
)

_OPERATORS: Final = {
    ">=": Op.GE, ">": Op.GT, "<=": Op.LE, "<": Op.LT, "~": Op.CONTAINS
}  # fmt: skip
_OPERATOR = re.compile(r">=|>|<=|<|~")
_ORDER: Final = (Op.GE, Op.GT, Op.LE, Op.LT)
_RANGE: Final = ".."


class Item(NamedTuple):
    """One member of a value's list: how it compares, its text, and where that stands."""

    op: Op
    text: str
    start: int
    quoted: bool


def predicate_of(field: str, token: Token, now_us: int) -> tuple[Predicate, int]:
    """What `field:value` asks for, and how many terms it counts as.

    `field` is what `names.resolve` made of the token. Raises `QueryError`.
    """
    if not token.pieces:
        raise QueryError(
            f"{field}: has no value",
            position=token.colon,
            field=field,
            remedy=f"Write the value right after the colon; {field}:* means any value.",
        )
    if field.startswith("change."):
        return _changed(field, token), 1
    items = [_item(field, pieces) for pieces in _split(field, token)]
    parts: list[Term | Predicate] = []
    for item in items:
        _merge(parts, _compare(field, item, now_us))
    return disjunction(parts), len(items)


def single_value(field: str, token: Token) -> tuple[str, int]:
    """The one plain value of `since:`, `until:`, `on:` or `sort:`, and where it stands."""
    if len(token.pieces) == 1 and not token.pieces[0].comma:
        return token.pieces[0].text, token.pieces[0].start
    raise QueryError(
        f"{field}: takes exactly one value", position=token.colon, remedy=f"Write {field}:value."
    )


def _split(field: str, token: Token) -> list[list[Piece]]:
    lists: list[list[Piece]] = [[]]
    for piece in token.pieces:
        if piece.comma:
            lists.append([])
        else:
            lists[-1].append(piece)
    if not all(lists):
        comma = next(piece for piece in token.pieces if piece.comma)
        raise QueryError(
            "a value is missing beside this comma",
            position=comma.start,
            field=field,
            remedy="Write a,b without spaces, or quote a value that holds a comma.",
        )
    return lists


def _item(field: str, pieces: list[Piece]) -> Item:
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        if first.quoted:
            return Item(Op.EQ, first.text, first.start, True)
        return _bare_item(field, first)
    if len(pieces) == 2 and first.quoted and last.text == "*" and not last.quoted:
        return Item(Op.PREFIX, first.text, first.start, True)
    if len(pieces) == 2 and last.quoted and first.text in _OPERATORS and not first.quoted:
        return Item(_OPERATORS[first.text], last.text, last.start, True)
    raise QueryError(
        "quotes go around the whole value",
        position=pieces[1].start,
        field=field,
        remedy=f'Write {field}:"the whole value", {field}:"its beginning"* or {field}:~"a part".',
    )


def _bare_item(field: str, piece: Piece) -> Item:
    text, start = piece.text, piece.start
    if text == "*":
        return Item(Op.PRESENT, "", start, False)
    op = Op.EQ
    if found := _OPERATOR.match(text):
        op, text, start = _OPERATORS[found[0]], text[found.end() :], start + found.end()
        if not text:
            raise QueryError("a value is missing here", position=start, field=field)
    elif text.endswith("*") and field != "ip":
        op, text = Op.PREFIX, text[:-1]
    if "*" in text and field != "ip":
        raise QueryError(
            "a * stands only at the end",
            position=start + text.index("*"),
            field=field,
            remedy=f"{field}:~word finds a part; quotes mean the character itself.",
        )
    return Item(op, text, start, False)


def _merge(parts: list[Predicate], made: Predicate) -> None:
    """Terms of one field and operator are one term with several values."""
    if isinstance(made, Term) and made.op is not Op.PRESENT:
        for at, part in enumerate(parts):
            if isinstance(part, Term) and part.op is made.op:
                values = part.values + made.values
                parts[at] = Term(field=made.field, op=made.op, values=values)
                return
    parts.append(made)


def _compare(field: str, item: Item, now_us: int) -> Predicate:
    if item.op is Op.PRESENT:
        return Term(field=field, op=Op.PRESENT)
    if field == "severity" and item.op in _ORDER:
        return _severity(item)
    kind = FIELDS[field].type if field in FIELDS else FieldType.TEXT
    if kind is not FieldType.TEXT and item.op in (Op.PREFIX, Op.CONTAINS):
        raise _unfit(field, item, "compares as a whole")
    if kind is FieldType.TIME:
        return _time(field, item, now_us)
    if kind is FieldType.NUMBER:
        return _number(field, item)
    if kind is FieldType.IP:
        value = parse_ip(item.text, item.start, block=item.op is Op.EQ)
        return Term(field=field, op=item.op, values=(value,))
    return _text(field, item)


def _text(field: str, item: Item) -> Predicate:
    text = item.text
    if item.op in _ORDER:
        if not field.startswith(DATA):
            raise _unfit(field, item, "has no order")
        if json_number(text) is None:
            raise _unfit(field, item, "compares in order with numbers only")
    elif field == RAW and item.op is not Op.CONTAINS:
        raise QueryError(
            "raw is searched for a part",
            position=item.start,
            field=field,
            remedy="Write raw:~word or raw:*.",
        )
    elif field == "change" and "->" in text and not item.quoted:
        raise QueryError(
            "the path of the change is missing",
            position=item.start,
            field=field,
            remedy="Write change.PATH:before->after; change.*:before->after means any path.",
        )
    elif item.op is Op.EQ and not item.quoted:
        text = check_closed(field, text, item.start)
    return Term(field=field, op=item.op, values=(text,))


def _severity(item: Item) -> Predicate:
    """`severity:>=high` is a list of the words from there on."""
    words = CLOSED["severity"]
    at = words.index(check_closed("severity", item.text, item.start))
    fitting = {
        Op.GE: words[at:], Op.GT: words[at + 1 :], Op.LE: words[: at + 1], Op.LT: words[:at]
    }[item.op]  # fmt: skip
    if not fitting:
        raise _unfit("severity", item, "has nothing beyond that")
    return Term(field="severity", op=Op.EQ, values=fitting)


def _number(field: str, item: Item) -> Predicate:
    if item.op is Op.EQ and _RANGE in item.text:
        low, high = item.text.split(_RANGE, 1)
        first = parse_number(low, item.start)
        last = parse_number(high, item.start + len(low) + len(_RANGE))
        return _between(field, Op.LE, first, last)
    return Term(field=field, op=item.op, values=(parse_number(item.text, item.start),))


def _time(field: str, item: Item, now_us: int) -> Predicate:
    if item.op is Op.EQ and _RANGE in item.text:
        low, high = item.text.split(_RANGE, 1)
        first = parse_when(low, now_us, item.start)
        last = parse_when(high, now_us, item.start + len(low) + len(_RANGE))
        return _between(field, Op.LT, first.start, last.end)
    span = parse_when(item.text, now_us, item.start)
    if item.op is not Op.EQ:
        return _bound(field, item.op, span)
    if span.end == span.start:
        raise QueryError(
            "an age is one moment, which no event hits",
            position=item.start,
            field=field,
            remedy=f"Write {field}:>={item.text} for the time since then.",
        )
    return within(field, span)


def within(field: str, span: Span) -> Predicate:
    """Events whose time lies in the span."""
    if span.end - span.start == 1:
        return Term(field=field, op=Op.EQ, values=(span.start,))
    return _between(field, Op.LT, span.start, span.end)


def _bound(field: str, op: Op, span: Span) -> Term:
    """A comparison with a span: after all of it, from its start, up to its end, before it."""
    if span.end - span.start > 1:
        if op is Op.GT:
            return Term(field=field, op=Op.GE, values=(span.end,))
        if op is Op.LE:
            return Term(field=field, op=Op.LT, values=(span.end,))
    return Term(field=field, op=op, values=(span.start,))


def _between(field: str, upper: Op, first: int, last: int) -> Predicate:
    return conjunction(
        [
            Term(field=field, op=Op.GE, values=(first,)),
            Term(field=field, op=upper, values=(last,)),
        ]
    )


def _changed(field: str, token: Token) -> Changed:
    name = field[len("change.") :]
    path = None if name == "*" and not token.rest_quoted else name
    before: list[Piece] = []
    after: list[Piece] | None = None
    for piece in token.pieces:
        if after is None and not piece.quoted and "->" in piece.text:
            at = piece.text.index("->")
            before += _cut(piece, 0, at)
            after = _cut(piece, at + 2, len(piece.text))
        else:
            (before if after is None else after).append(piece)
    if after is None:
        if _side(before) is None:
            return Changed(path=path)
        raise QueryError(
            "from what, to what?",
            position=token.colon,
            field=field,
            remedy=f"Write {token.text}:before->after; either side may be left empty.",
        )
    return Changed(path=path, before=_side(before), after=_side(after))


def _cut(piece: Piece, start: int, end: int) -> list[Piece]:
    text = piece.text[start:end]
    return [Piece(text, piece.start + start, piece.start + end)] if text else []


def _side(pieces: list[Piece]) -> str | None:
    """One side of `before->after`: None (any) for nothing or a bare `*`."""
    if not pieces or (len(pieces) == 1 and pieces[0].text == "*" and not pieces[0].quoted):
        return None
    if len(pieces) > 1:
        raise QueryError(
            "one value stands on each side of ->",
            position=pieces[1].start,
            remedy="Quote a value that holds commas, spaces or quotes.",
        )
    return pieces[0].text


def _unfit(field: str, item: Item, what: str) -> QueryError:
    return QueryError(
        f"{field} {what}; {item.op.value} {item.text!r} does not fit",
        position=item.start,
        field=field,
        remedy=f"docs/reference/search.md says how {field} compares; quotes mean plain text.",
    )
