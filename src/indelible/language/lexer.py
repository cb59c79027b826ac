"""Search text to tokens: words, phrases, fields with the pieces of their value, brackets, signs.

Positions are characters from 0. Inside quotes `\\"` is a quote and `\\\\` a backslash; any other
backslash is itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from indelible.base.errors import QueryError

_SPACE = re.compile(r"\s+")
_QUOTED = r'"(?:\\["\\]|[^"\\]|\\(?!["\\]))*+"'
_FIELD = re.compile(r'([^\s:"(),.]+)(\.(?:' + _QUOTED + r'|[^\s:"()]+))?:')
_PHRASE = re.compile(_QUOTED)
_BARE = re.compile(r'[^\s"(),]+')
_WORD = re.compile(r'[^\s"()]+')
_ESCAPE = re.compile(r'\\(["\\])')


class Piece(NamedTuple):
    """A part of a value: a bare run, a quoted text (already unquoted), or a comma."""

    text: str
    start: int
    end: int
    quoted: bool = False
    comma: bool = False


class Token(NamedTuple):
    """`kind` is word, phrase, field, minus, open or close.

    Of a field, `text` is the name as written, `rest` what follows `label.`, `data.` or `change.`
    (unquoted), `colon` the position behind the colon, and `pieces` the value.
    """

    kind: str
    text: str
    start: int
    end: int
    colon: int = 0
    rest: str | None = None
    rest_quoted: bool = False
    pieces: tuple[Piece, ...] = ()


def tokens(text: str, *, tolerant: bool = False) -> list[Token]:
    """All tokens of `text`.

    Raises `QueryError` where a quote does not end; `tolerant` lets it end with the text.
    """
    return list(_tokens(text, tolerant))


def unquote(quoted: str) -> str:
    """What stands between the quotes, escapes resolved."""
    return _ESCAPE.sub(r"\1", quoted[1:-1])


def quote(text: str) -> str:
    """`text` as a quoted phrase; the inverse of `unquote`."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _tokens(text: str, tolerant: bool) -> Iterator[Token]:
    at = 0
    while at < len(text):
        if space := _SPACE.match(text, at):
            at = space.end()
            continue
        token = _token(text, at, tolerant)
        if not tolerant:
            _check_apart(text, token)
        yield token
        at = token.end


def _token(text: str, at: int, tolerant: bool) -> Token:
    char = text[at]
    if char in "()":
        return Token("open" if char == "(" else "close", char, at, at + 1)
    if char == "-":
        return Token("minus", char, at, at + 1)
    if char == '"':
        piece = _phrase(text, at, tolerant)
        return Token("phrase", piece.text, at, piece.end)
    if found := _FIELD.match(text, at):
        return _field(text, found, tolerant)
    found = _WORD.match(text, at)
    assert found is not None  # not a space, quote or bracket
    return Token("word", found[0], at, found.end())


def _field(text: str, found: re.Match[str], tolerant: bool) -> Token:
    rest = None if found[2] is None else found[2][1:]
    quoted = rest is not None and rest.startswith('"')
    pieces = tuple(_pieces(text, found.end(), tolerant))
    return Token(
        "field",
        found[0][:-1],
        found.start(),
        pieces[-1].end if pieces else found.end(),
        found.end(),
        unquote(rest) if rest is not None and quoted else rest,
        quoted,
        pieces,
    )


def _pieces(text: str, at: int, tolerant: bool) -> Iterator[Piece]:
    while at < len(text):
        if text[at] == ",":
            piece = Piece(",", at, at + 1, comma=True)
        elif text[at] == '"':
            piece = _phrase(text, at, tolerant)
        elif found := _BARE.match(text, at):
            piece = Piece(found[0], at, found.end())
        else:
            return
        yield piece
        at = piece.end


def _phrase(text: str, at: int, tolerant: bool) -> Piece:
    found = _PHRASE.match(text, at)
    if found is not None:
        return Piece(unquote(found[0]), at, found.end(), quoted=True)
    if tolerant:
        return Piece(unquote(text[at:] + '"'), at, len(text), quoted=True)
    raise QueryError(
        "this quote has no end", position=at, remedy='Close the phrase with a second ".'
    )


def _check_apart(text: str, token: Token) -> None:
    """Words, phrases and fields end at a space or a closing bracket: no two run together."""
    if token.kind in ("open", "minus", "close") or token.end >= len(text):
        return
    following = text[token.end]
    if following.isspace() or following == ")":
        return
    raise QueryError(
        f"{following!r} cannot follow directly here",
        position=token.end,
        remedy="Put a space before it, or quote the whole text.",
    )
