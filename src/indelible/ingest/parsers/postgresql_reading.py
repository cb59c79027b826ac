"""Reading an SQL text word by word, and what a statement was read to say. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from indelible.ingest.parsers.postgresql_lex import END, Word, words


class Told(NamedTuple):
    """A change that a statement tells: `op` is `add`, `remove` or `replace`."""

    path: tuple[str, ...]
    op: str
    before: object = None
    after: object = None


class Statement(NamedTuple):
    """One statement. `tag` is PostgreSQL's command tag as far as the words give it.

    `names` are its objects, all of `kind`; `others` further targets as (kind, name): a trigger's
    table, the roles that gain or lose a right. `inward` is a COPY into the database.
    """

    verb: str = ""
    kind: str = ""
    names: tuple[str, ...] = ()
    others: tuple[tuple[str, str], ...] = ()
    changes: tuple[Told, ...] = ()
    inward: bool = False

    @property
    def tag(self) -> str:
        """`CREATE TABLE`, `GRANT ROLE`, `SELECT`."""
        if self.verb in ("grant", "revoke"):
            return f"{self.verb} role".upper() if self.kind == "role" else self.verb.upper()
        if self.verb == "assume":
            return "SET"
        if self.verb in _TAGGED_WITH_KIND or (self.verb, self.kind) == ("truncate", "table"):
            return f"{self.verb} {self.kind.replace('_', ' ')}".upper().strip()
        return self.verb.replace("_", " ").upper()


_TAGGED_WITH_KIND: Final = frozenset(("create", "alter", "drop", "refresh", "import"))
_KIND_STARTS: Final = {
    "foreign": ("table", "data"), "materialized": ("view",), "event": ("trigger",),
    "user": ("mapping",), "large": ("object",), "access": ("method",), "default": ("privileges",),
    "text": ("search",), "operator": ("class", "family"),
}
_KIND_ENDS: Final = {"foreign data": ("wrapper",),
                     "text search": ("configuration", "dictionary", "parser", "template")}
_KIND_WORDS: Final = """
    aggregate cast collation column constraint conversion database domain extension function group
    index language procedure publication role routine rule schema sequence server statistics
    subscription system table tables tablespace transform trigger type user view policy sequences
    functions routines procedures types schemas domains"""
_KINDS: Final = frozenset(_KIND_WORDS.split())
_ROLE_KINDS: Final = frozenset(("user", "group", "role"))
_RESERVED_WORDS: Final = """
    all and any array as asc case cast check collate column constraint create default desc do else
    end except false fetch for foreign from grant group having in into lateral limit not null
    offset on only or order primary references returning select some table then to true union
    unique user using variadic when where window with"""
_RESERVED: Final = frozenset(_RESERVED_WORDS.split())
"""Words that PostgreSQL takes for no name unless they are quoted (manual, appendix C)."""


class Reading:
    """A place in the words of a text, with the word ahead."""

    def __init__(self, text: str) -> None:
        self._words = words(text)
        self.ahead: Word = next(self._words, END)

    def step(self) -> Word:
        """The word ahead, gone past."""
        found, self.ahead = self.ahead, next(self._words, END)
        return found

    def at(self, *texts: str) -> bool:
        """Whether the word ahead is one of these keywords or marks."""
        return self.ahead.kind in ("name", "mark") and self.ahead.text in texts

    def take(self, *texts: str) -> str:
        """The word ahead, gone past, when it is one of these; else ''."""
        return self.step().text if self.at(*texts) else ""

    def name(self) -> str:
        """A name with its schema (`hr.salary`), '' when none stands here."""
        parts: list[str] = []
        while self.ahead.kind in ("name", "quoted"):
            if not parts and self.ahead.kind == "name" and self.ahead.text in _RESERVED:
                break
            parts.append(self.step().text)
            if not self.take("."):
                break
        return ".".join(parts)

    def names(self) -> tuple[str, ...]:
        """Names between commas; argument lists behind them are passed over."""
        found: list[str] = []
        while one := self.name():
            found.append(one)
            self.brackets()
            self.take("*")
            if not self.take(","):
                break
        return tuple(found)

    def brackets(self) -> None:
        """Past one pair of round brackets, when one opens here."""
        depth = 0
        while self.at("(") or (depth and self.ahead.kind != "end"):
            word = self.step()
            if word.kind == "mark":
                depth += (word.text == "(") - (word.text == ")")
            if not depth:
                break

    def value(self) -> object:
        """The values up to the statement's end: one as text, several as a list."""
        found = [self.step().text]
        while self.take(","):
            found.append(self.step().text)
        return found[0] if len(found) == 1 else found

    def rest(self) -> Iterator[Word]:
        """The words up to the statement's end."""
        while self.ahead.kind != "end" and not self.at(";"):
            yield self.step()

    def kind(self) -> str:
        """The kind of object named here (`materialized_view`), '' when none is."""
        if self.ahead.kind != "name":
            return ""
        word = self.ahead.text
        if word in _KIND_STARTS or word in _KINDS:
            self.step()
            for table in (_KIND_STARTS, _KIND_ENDS):
                word += f" {more}" if (more := self.take(*table.get(word, ()))) else ""
        else:
            return ""
        return "role" if word in _ROLE_KINDS else word.replace(" ", "_")

    def unless(self) -> None:
        """Past IF [NOT] EXISTS, ONLY and CONCURRENTLY."""
        while self.take("concurrently", "if", "not", "exists", "only"):
            pass
