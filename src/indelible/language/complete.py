"""What may be typed next: field names, values of closed sets, and questions about open ones."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from indelible.base.errors import QueryError
from indelible.event.fields import FIELDS, FieldType
from indelible.event.text import IDENTIFIERS
from indelible.language.lexer import Token, quote, tokens
from indelible.language.names import CONTROLS, all_names, resolve
from indelible.language.parser import SORTS
from indelible.language.values import CLOSED

_TIMES: Final = ("15m", "1h", "24h", "7d", "30d", "today", "yesterday")
_DAYS: Final = ("today", "yesterday")
_UNASKED: Final = frozenset(("raw", *IDENTIFIERS)) | {
    name for name, field in FIELDS.items() if field.type is not FieldType.TEXT
}
_OPERATOR = re.compile(r"(?:>=|>|<=|<|~)")
_ENDS = re.compile(r'[\s,()"]')
_PLAIN = re.compile(r"[\w@/+.#%=&:-]+")


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """One proposal: `text` replaces the characters from `start` to before `end`.

    `kind` is "field", "value" or "ask". An "ask" has no text of its own: the query room fills in
    the commonest values of `field` that begin with `prefix`, each written by `value_text`.
    """

    kind: str
    start: int
    end: int
    prefix: str
    text: str = ""
    field: str = ""
    help: str = ""


def complete(text: str, at: int) -> list[Completion]:
    """Proposals for the place `at` (a character position) in a search; never raises.

    Names come in the order of the field table, those that begin with what stands there first.
    """
    at = max(0, min(at, len(text)))
    found = tokens(text[:at], tolerant=True)
    last = found[-1] if found else None
    touching = last is not None and last.end == at
    if last is None or not touching or last.kind in ("open", "minus"):
        return _names("", at, _end(text, at))
    if last.kind == "field":
        return _values(last, at, _end(text, at))
    if last.kind == "word":
        return _names(last.text, last.start, _end(text, at))
    return []


def value_text(value: str) -> str:
    """A value as it is typed after the colon: quoted where it has to be."""
    return value if _PLAIN.fullmatch(value) and "->" not in value else quote(value)


def _end(text: str, at: int) -> int:
    found = _ENDS.search(text, at)
    return len(text) if found is None else found.start()


def _names(prefix: str, start: int, end: int) -> list[Completion]:
    folded = prefix.lower()
    first = [name for name in all_names() if name.startswith(folded)]
    then = [name for name in all_names() if folded in name and name not in first]
    return [
        Completion(
            kind="field",
            start=start,
            end=end,
            prefix=prefix,
            text=name if name.endswith(".") else f"{name}:",
            field=name,
            help=help_text,
        )
        for name in [*first, *then]
        if (help_text := all_names()[name])
    ]


def _values(token: Token, at: int, end: int) -> list[Completion]:
    try:
        field = resolve(token)
    except QueryError:
        return []
    prefix, start = "", at
    if token.pieces and not token.pieces[-1].comma:
        piece = token.pieces[-1]
        sign = None if piece.quoted else _OPERATOR.match(piece.text)
        skipped = sign.end() if sign else 0
        prefix, start = piece.text[skipped:], piece.start + skipped
    known = _known(field)
    if known is not None:
        return [
            Completion(kind="value", start=start, end=end, prefix=prefix, text=word, field=field)
            for word in known
            if word.startswith(prefix.lower())
        ]
    if field in _UNASKED or field.startswith("change."):
        return []
    return [Completion(kind="ask", start=start, end=end, prefix=prefix, field=field)]


def _known(field: str) -> tuple[str, ...] | None:
    """The whole set of values to propose, or None when only the log knows them."""
    if field in CLOSED:
        return CLOSED[field]
    if field == "sort":
        return SORTS
    if field == "on":
        return _DAYS
    if field in CONTROLS or (field in FIELDS and FIELDS[field].type is FieldType.TIME):
        return _TIMES
    return None
