"""What an SQL text does, statement by statement: verb, kind and names of objects, changes. Pure.

Only what the words say for certain: a query's tables are left to pgaudit, which resolves them.
What is not known stays a verb without objects. Total: any text gives an answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Final

from indelible.base.limits import NAME_CHARS, REMEMBERED, TARGETS
from indelible.ingest.parsers.postgresql_lex import words
from indelible.ingest.parsers.postgresql_reading import Reading, Statement
from indelible.ingest.parsers.postgresql_rights import definition, rights, setting
from indelible.ingest.parsers.postgresql_select import (
    QUERIES,
    called,
    glimpsed,
    plain,
    prepared,
    query,
)

_SELECT: Final = re.compile(r"\s*select(?![\w$])", re.IGNORECASE)
_READ_CHARS: Final = 16 * NAME_CHARS
"""A longer text is read so far only: what it does stands at its beginning."""


def statements(text: str) -> tuple[Statement, ...]:
    """The statements of a text, in order, at most `limits.TARGETS`.

    Of a very long text only its beginning is read; where more statements may follow, an empty one
    stands for them, and a query is told as one that may do something where its rest looks so.
    """
    if len(text) <= NAME_CHARS:
        return _remembered(text)
    found = _read(text[:_READ_CHARS])
    if len(text) > _READ_CHARS and found and found[-1].verb in QUERIES and not plain(text):
        last = found[-1]
        names = last.names if last.kind == "function" else ()
        found = (*found[:-1], Statement(last.verb, "function", (*names, *glimpsed(text))))
    more = ";" in text[_READ_CHARS:].rstrip("; \t\r\n")
    return (*found, Statement()) if more else found


def tagged(text: str, tag: str) -> Statement:
    """The one statement of a text with a command tag; an empty one when none or several have it.

    pgaudit writes the client's whole text beside each of its statements.
    """
    found = [one for one in statements(text) if one.tag == tag]
    return found[0] if len(found) == 1 else Statement()


def only(text: str) -> Statement:
    """The one statement of a text; an empty one when there are none or several."""
    found = statements(text)
    return found[0] if len(found) == 1 else Statement()


def functions(text: str) -> tuple[str, ...]:
    """The functions that queries in a text call and that may do something, in order."""
    return _calls_remembered(text) if len(text) <= NAME_CHARS else _calls(text)


def _calls(text: str) -> tuple[str, ...]:
    if plain(text):
        return ()
    return tuple(name for one in statements(text) for name in called(one))


def redacted(text: str) -> str:
    """`text` with every string behind PASSWORD replaced as pgaudit does it."""
    if "password" not in text.lower():
        return text
    kept: list[str] = []
    at, secret = 0, False
    for word in words(text):
        if secret and word.kind == "string":
            kept += [text[at : word.start], "<REDACTED>"]
            at = word.end
        secret = word.kind == "name" and word.text == "password"
    return "".join(kept) + text[at:]


def _read(text: str) -> tuple[Statement, ...]:
    if _SELECT.match(text) and ";" not in text.rstrip("; \t\r\n") and plain(text):
        return (Statement("select"),)
    return tuple(islice(_statements(text), TARGETS))


@lru_cache(maxsize=REMEMBERED)
def _remembered(text: str) -> tuple[Statement, ...]:
    return _read(text)


@lru_cache(maxsize=REMEMBERED)
def _calls_remembered(text: str) -> tuple[str, ...]:
    return _calls(text)


def _statements(text: str) -> Iterator[Statement]:
    reading = Reading(text)
    while True:
        while reading.take(";", "("):
            pass
        if reading.ahead.kind == "end":
            return
        verb = reading.step().text
        reader = _READERS.get(verb)
        yield reader(verb, reading) if reader else Statement(verb=verb)
        for _ in reading.rest():
            pass


def _explained(verb: str, reading: Reading) -> Statement:
    """EXPLAIN: the statement behind it where it is run (ANALYZE), else what is shown."""
    runs = False
    if reading.take("("):
        while reading.ahead.kind != "end" and not reading.take(")"):
            option = reading.step()
            runs = runs or (option.kind == "name" and option.text == "analyze"
                            and reading.ahead.text not in ("false", "off", "0"))
    else:
        while word := reading.take("analyze", "verbose"):
            runs = runs or word == "analyze"
    if not runs:
        return Statement(verb)
    while reading.take("("):
        pass
    inner = reading.step().text
    reader = _READERS.get(inner)
    return reader(inner, reading) if reader and inner != verb else Statement(verb=inner)


def _rows(verb: str, reading: Reading) -> Statement:
    """INSERT, UPDATE, DELETE, MERGE: the table whose rows they write."""
    reading.take("into", "from")
    reading.take("only")
    name = reading.name()
    return Statement(verb, "table" if name else "", (name,) if name else ())


def _tables(verb: str, reading: Reading) -> Statement:
    """TRUNCATE, LOCK, VACUUM, ANALYZE, CLUSTER and the like: tables, or all of them."""
    reading.brackets()
    while reading.take("verbose", "full", "freeze", "analyze"):
        pass
    kind = reading.kind() or "table"
    reading.unless()
    return Statement(verb, kind, reading.names())


def _copy(verb: str, reading: Reading) -> Statement:
    """COPY: the table, the direction, and the server's file or program."""
    name = reading.name()
    reading.brackets()
    inward = reading.take("to", "from") == "from"
    program = bool(reading.take("program"))
    where = reading.step().text if reading.ahead.kind == "string" else ""
    others = ((("program" if program else "file"), where),) if where else ()
    return Statement(verb, "table" if name else "", (name,) if name else (), others, inward=inward)


def _called(verb: str, reading: Reading) -> Statement:
    """CALL, EXECUTE, DO: what is run."""
    kind = {"call": "procedure", "execute": "statement", "do": "block"}[verb]
    name = reading.name() if verb == "call" else ""
    return Statement(verb, kind, (name,) if name else ())


def _reassign(verb: str, reading: Reading) -> Statement:
    """REASSIGN OWNED BY old TO new."""
    reading.take("owned")
    reading.take("by")
    return Statement("reassign_owned", "role", reading.names())


def _label(verb: str, reading: Reading) -> Statement:
    """SECURITY LABEL ON kind name."""
    while reading.ahead.kind != "end" and not reading.take("on", ";"):
        reading.step()
    told = definition("label", reading)
    return told._replace(verb="security_label")


def _transaction(verb: str, reading: Reading) -> Statement:
    if verb == "rollback" and reading.take("prepared"):
        return Statement("rollback_prepared", "transaction")
    return Statement({"start": "begin", "end": "commit", "abort": "rollback"}.get(verb, verb),
                     "transaction")


def _listening(verb: str, reading: Reading) -> Statement:
    name = reading.name()
    return Statement(verb, "channel", (name,) if name else ())


def _library(verb: str, reading: Reading) -> Statement:
    name = reading.step().text if reading.ahead.kind == "string" else ""
    return Statement(verb, "library", (name,) if name else ())


_READERS: Final[dict[str, Callable[[str, Reading], Statement]]] = {
    **dict.fromkeys(("create", "alter", "drop", "comment"), definition),
    **dict.fromkeys(("grant", "revoke"), rights),
    **dict.fromkeys(("set", "reset"), setting),
    **dict.fromkeys(("insert", "update", "delete", "merge"), _rows),
    **dict.fromkeys(("truncate", "lock", "vacuum", "analyze", "cluster", "reindex", "refresh"),
                    _tables),
    **dict.fromkeys(("call", "execute", "do"), _called),
    **dict.fromkeys(("begin", "start", "commit", "end", "rollback", "abort", "savepoint",
                     "release"), _transaction),
    **dict.fromkeys(("listen", "notify", "unlisten"), _listening),
    **dict.fromkeys(QUERIES, query), "prepare": prepared,
    "explain": _explained,
    "copy": _copy, "reassign": _reassign, "security": _label, "load": _library,
}
