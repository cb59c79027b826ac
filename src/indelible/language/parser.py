"""Search text to `Query`.

    search = either ; either = every ("or" every)* ; every = sign+ ; sign = ("-" | "not")* one
    one    = word | phrase | field:value | "(" either ")"

`and` between two conditions is allowed and says nothing. Nothing but `QueryError` is raised.
"""

from __future__ import annotations

from typing import NamedTuple

from indelible.base.errors import QueryError
from indelible.base.limits import JSON_DEPTH, QUERY_CHARS, QUERY_TERMS
from indelible.event.predicate import EVERYTHING, Op, Predicate, Term, Text
from indelible.language.lexer import Token, tokens
from indelible.language.names import CONTROLS, resolve
from indelible.language.normal import conjunction, disjunction, negation
from indelible.language.query import Query
from indelible.language.terms import predicate_of, single_value, within
from indelible.language.values import Span, parse_when

_WORDS = ("or", "and", "not")
SORTS = ("time", "index")


def parse(text: str, now_us: int) -> Query:
    """The meaning of a search text; ages count back from `now_us`.

    Raises `QueryError` with the position of the offending character, and a remedy.
    """
    if len(text) > QUERY_CHARS:
        raise QueryError(
            f"the search is longer than {QUERY_CHARS} characters",
            position=QUERY_CHARS,
            remedy="Shorten it, or search in several steps.",
        )
    return _Parser(text, now_us).query()


class _Bound(NamedTuple):
    """A `since:`, `until:` or `on:` that may bound the whole search."""

    since_us: int | None
    until_us: int | None
    position: int

    def predicate(self) -> Predicate:
        parts: list[Predicate] = []
        if self.since_us is not None and self.until_us is not None:
            return within("time", Span(self.since_us, self.until_us))
        if self.since_us is not None:
            parts.append(Term(field="time", op=Op.GE, values=(self.since_us,)))
        if self.until_us is not None:
            parts.append(Term(field="time", op=Op.LT, values=(self.until_us,)))
        return conjunction(parts)


class _Parser:
    def __init__(self, text: str, now_us: int) -> None:
        self.tokens = tokens(text)
        self.end = Token("end", "", len(text), len(text))
        self.at = 0
        self.now_us = now_us
        self.terms = 0
        self.depth = 0
        self.bounds: list[_Bound] = []
        self.sort: str | None = None

    def query(self) -> Query:
        if not self.tokens:
            return Query()
        predicate = self.either()
        if self.here().kind == "close":
            raise QueryError(
                "this bracket closes nothing",
                position=self.here().start,
                remedy="Remove it, or open a bracket before it; quotes make it text.",
            )
        since = [bound.since_us for bound in self.bounds if bound.since_us is not None]
        until = [bound.until_us for bound in self.bounds if bound.until_us is not None]
        return Query(
            predicate=predicate,
            since_us=max(since, default=None),
            until_us=min(until, default=None),
            sort=self.sort,
        )

    def here(self) -> Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else self.end

    def is_word(self, word: str) -> bool:
        token = self.here()
        return token.kind == "word" and token.text.lower() == word

    def either(self) -> Predicate:
        parts = [self.every()]
        while self.is_word("or"):
            self.at += 1
            parts.append(self.every())
        if len(parts) > 1 and self.depth == 0 and self.bounds:
            raise QueryError(
                "beside an `or` it is not clear what this bounds",
                position=self.bounds[0].position,
                remedy="Put the alternatives in brackets: (a or b) since:7d.",
            )
        return disjunction(parts) if len(parts) > 1 else parts[0]

    def every(self) -> Predicate:
        parts = [self.sign()]
        while self.here().kind not in ("end", "close") and not self.is_word("or"):
            if self.is_word("and"):
                self.at += 1
            parts.append(self.sign())
        return conjunction(parts)

    def sign(self) -> Predicate:
        negative = signed = False
        while self.here().kind == "minus" or self.is_word("not"):
            sign = self.here()
            self.at += 1
            if sign.kind == "minus" and self.here().start != sign.end:
                raise QueryError(
                    "a - stands right before what it negates",
                    position=sign.start,
                    remedy='Write -word without a space, or "-" in quotes for the character.',
                )
            negative, signed = not negative, True
        if not signed:
            return self.one(top=self.depth == 0)
        found = self.one(top=False)
        return negation(found) if negative else found

    def one(self, *, top: bool) -> Predicate:
        token = self.here()
        if token.kind in ("end", "close"):
            raise _missing(token)
        if token.kind == "word" and token.text.lower() in _WORDS:
            raise _missing(token)
        self.at += 1
        if token.kind == "open":
            return self.bracket(token)
        if token.kind == "field":
            return self.field(token, top)
        self.count(1, token)
        if token.kind == "phrase":
            return Text(value=token.text) if token.text else EVERYTHING
        return _word(token)

    def bracket(self, opened: Token) -> Predicate:
        self.depth += 1
        if self.depth > JSON_DEPTH:
            raise QueryError(
                f"brackets nest deeper than {JSON_DEPTH}",
                position=opened.start,
                remedy="Write the search with fewer brackets.",
            )
        found = self.either()
        if self.here().kind != "close":
            raise QueryError(
                "this bracket has no end",
                position=opened.start,
                remedy="Close it with ), or quote it to search for the character.",
            )
        self.at += 1
        self.depth -= 1
        return found

    def field(self, token: Token, top: bool) -> Predicate:
        name = resolve(token)
        if name not in CONTROLS:
            found, terms = predicate_of(name, token, self.now_us)
            self.count(terms, token)
            return found
        self.count(1, token)
        if not token.pieces:
            raise QueryError(
                f"{name}: has no value",
                position=token.colon,
                field=name,
                remedy=f"Write it right after the colon: {name}:{_EXAMPLE[name]}.",
            )
        value, position = single_value(name, token)
        if name == "sort":
            return self.sorted_by(value, position, top)
        bound = _bound(name, parse_when(value, self.now_us, position), token.start, position)
        if not top:
            return bound.predicate()
        self.bounds.append(bound)
        return EVERYTHING

    def sorted_by(self, value: str, position: int, top: bool) -> Predicate:
        if value not in SORTS or not top:
            raise QueryError(
                f"there is no order {value!r}" if top else "the order is of the whole search",
                position=position,
                field="sort",
                remedy="Write sort:time or sort:index, outside of brackets.",
            )
        self.sort = value
        return EVERYTHING

    def count(self, terms: int, token: Token) -> None:
        self.terms += terms
        if self.terms > QUERY_TERMS:
            raise QueryError(
                f"the search has more than {QUERY_TERMS} terms",
                position=token.start,
                remedy="Search in several steps.",
            )


_EXAMPLE = {"since": "7d", "until": "2026-03-31", "on": "2026-03-03", "sort": "index"}


def _bound(name: str, span: Span, start: int, position: int) -> _Bound:
    if name == "since":
        return _Bound(span.start, None, start)
    if name == "until":
        return _Bound(None, span.end, start)
    if span.end == span.start:
        raise QueryError(
            "an age is one moment, not a day",
            position=position,
            field="on",
            remedy="Write on:2026-03-03 or on:today, or since: with the age.",
        )
    return _Bound(span.start, span.end, start)


def _word(token: Token) -> Predicate:
    if ":" in token.text:
        raise QueryError(
            "what stands before the colon is no field",
            position=token.start,
            remedy="Put the text in quotes to look for it.",
        )
    text = token.text.rstrip("*")
    if "*" in text:
        raise QueryError(
            "a * stands only at the end",
            position=token.start + text.index("*"),
            remedy="Words are found anywhere in the text; quotes mean the character itself.",
        )
    return Text(value=text) if text else EVERYTHING


def _missing(token: Token) -> QueryError:
    what = f" before {token.text!r}" if token.text else " at the end"
    return QueryError(
        f"a condition is missing{what}",
        position=token.start,
        remedy="Write a word or field:value there; put or, and, not in quotes to mean the words.",
    )
