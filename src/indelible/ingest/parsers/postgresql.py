"""PostgreSQL's log as text: what `log_destination = stderr` writes, also by way of syslog.

The server writes `log_line_prefix`, severity, message; longer reports go on in lines that begin
with a tab, and in lines of their own for DETAIL, HINT, CONTEXT and STATEMENT. The usual prefixes
are read: Debian's `%m [%p] %q%u@%d `, that of RDS, of pgBadger, the plain `%m [%p] ` and others
(docs/sources/postgresql.md). CSV and JSON logs say more and cannot be forged: prefer them.

A client chooses the user, the database and the application it names before it is authenticated,
so a prefix with `%u` can hold what looks like the rest of a line. Where a line can be read in two
ways, it is not read at all (`ambiguous`).
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from msgspec import UNSET, UnsetType

from indelible.base.limits import NAME_CHARS
from indelible.ingest.parsers.contract import (
    WRONG,
    Given,
    Join,
    NotUnderstood,
    Parser,
    Understood,
)
from indelible.ingest.parsers.pick import epoch
from indelible.ingest.parsers.postgresql_entry import FAILING, Entry, event_of, when
from indelible.ingest.parsers.postgresql_messages import meaning
from indelible.ingest.parsers.postgresql_prefix import Prefix, prefix_of

_SEQUENCE: Final = re.compile(r"(?:\[\d+-\d+\] )?")
"""Number and part of a report, which the server puts before everything it sends to syslog."""
_TIME: Final = re.compile(
    rf"{_SEQUENCE.pattern}[\[<]?"
    r"(?:(?P<stamp>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? "
    r"(?:[A-Za-z]{1,6}|[+-]\d\d(?::?\d\d)?))|(?P<epoch>\d{9,11}\.\d{3}))(?=[\]> :,-]|$)[\]>]?"
)
_MORE: Final = "DETAIL|HINT|QUERY|CONTEXT|LOCATION|STATEMENT|BACKTRACE"
_SEVERITY: Final = re.compile(
    r"(?<![^ :>\]])(?:(?P<name>DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC)"
    rf"|(?P<more>{_MORE})): {{1,2}}"
)
_FORGED: Final = re.compile(
    rf"(?<![^ :>\]])(?:FATAL: |(?:{_MORE}):  |LOG: {{1,2}}(?:[0-9A-Z]{{5}}: )?"
    r"(?:(?:replication )?connection |provided user|no match))"
)
_FORGED_APP: Final = re.compile(
    rf"(?<![^ :>\]])(?:LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|{_MORE}):  "
)
_OTHER: Final = re.compile(r"(?<![^ :>\]])(?:LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC):  ")
_CHOSEN_CHARS: Final = NAME_CHARS // 2
"""What clients choose of a prefix: three names, which the server cuts off at 63 bytes each, and
the name of their host."""


def _text(text: str, given: Given) -> Understood:
    """One report; raises `NotUnderstood`."""
    first, *rest = text.rstrip("\r\n").split("\n")
    began = _TIME.match(first)
    start = _start(first, began)
    severity = _SEVERITY.search(first, start, start + NAME_CHARS)
    if severity is None or (began is None and not given.program.startswith("postgres")):
        raise NotUnderstood(WRONG, "no time and severity as PostgreSQL writes them")
    if severity["name"] is None:
        why = f"a {severity['more']} line without the report that it belongs to"
        raise NotUnderstood("continuation", why)
    told = prefix_of(first[start : severity.start()])
    _refuse_forged(first, severity.end(), told)
    parts = _parts(first[severity.end() :], rest)
    time, flags = _moment(began, given)
    code, message = _coded(parts.pop("message"))
    if severity["name"] in FAILING:
        message = _POSITION.sub("", message)
    entry = Entry(
        message=message, code=code, severity=severity["name"], time=time, flags=flags,
        user=told.user, database=told.database, session=told.session or told.pid or given.process,
        host=told.host, app=told.app, statement=parts.pop("statement", ""),
        detail=parts.pop("detail", ""), guessed=told.guessed,
        data={**parts, "pid": told.pid if told.session else ""},
    )
    return event_of(entry, meaning(entry))


_POSITION: Final = re.compile(r" at character \d+$")
_CODE: Final = re.compile(r"((?:\d[0-9A-Z]|F0|HV|P0|XX)[0-9A-Z]{3}): ")
"""The SQLSTATE that `log_error_verbosity = verbose` puts before a message (appendix A)."""
_NO_ERROR: Final = "00000"


def _coded(message: str) -> tuple[str, str]:
    """The SQLSTATE before a message, '' where there is none or it tells no error; the message."""
    found = _CODE.match(message)
    if found is None:
        return "", message
    return "" if found[1] == _NO_ERROR else found[1], message[found.end() :]


def _start(line: str, began: re.Match[str] | None) -> int:
    """Where a line goes on behind its time, or behind its number where it has no time."""
    found = began or _SEQUENCE.match(line)
    return found.end() if found else 0


def _moment(
    began: re.Match[str] | None, given: Given
) -> tuple[datetime | UnsetType, tuple[str, ...]]:
    if began is None:
        return UNSET, ()
    if began["epoch"]:
        return epoch(began["epoch"]), ()
    return when(began["stamp"], given.zone)


def _refuse_forged(first: str, end: int, told: Prefix) -> None:
    """Refuse a line that can be read in two ways, because a name in its prefix may hold a severity.

    What is written before a client is authenticated, with names of its own choice, is known by its
    severity or message; an application's name may stand before any message.
    """
    pattern = _FORGED_APP if told.app else _FORGED
    if pattern.search(first, end, end + _CHOSEN_CHARS):
        why = "a name in the line's prefix, or its message, holds another severity"
        raise NotUnderstood("ambiguous", why)


def _parts(message: str, rest: list[str]) -> dict[str, str]:
    """The message and what follows it, by lower-case names (`detail`, `statement`)."""
    name, lines = "message", [message]
    parts: dict[str, str] = {}
    for line in rest:
        if not line.startswith("\t"):
            began = _TIME.match(line)
            more = _SEVERITY.search(line, _start(line, began), NAME_CHARS)
            if more is not None and more["more"]:
                parts.setdefault(name, "\n".join(lines))
                name, lines = more["more"].lower(), [line[more.end() :]]
                continue
        lines.append(line[1:] if line.startswith("\t") else line)
    parts.setdefault(name, "\n".join(lines))
    return parts


def _recognise(text: str, given: Given) -> str:
    began = _TIME.match(text)
    start = _start(text, began)
    if began is None and not given.program.startswith("postgres"):
        return ""
    found = _SEVERITY.search(text, start, start + NAME_CHARS)
    if found is None or not found[0].endswith("  ") or "\n" in text[start : found.start()]:
        return ""
    return f"a time with its zone and {found[0].strip()} as PostgreSQL writes them"


def _follows(line: bytes) -> bool:
    """Whether a line belongs to the report before it: a tab, or DETAIL, HINT, STATEMENT ..."""
    if line.startswith(b"\t"):
        return True
    text = line[:NAME_CHARS].decode("utf-8", "replace")
    began = _TIME.match(text)
    found = _SEVERITY.search(text, _start(text, began))
    if found is None or not found["more"] or not found[0].endswith("  "):
        return False
    return _OTHER.search(text, found.end(), found.end() + _CHOSEN_CHARS) is None


PARSER: Final = Parser(
    name="postgresql",
    version="postgresql/1",
    about="PostgreSQL server log in text form, with pgaudit",
    text=_text,
    reads_records=False,
    recognise=_recognise,
    join=Join(key=lambda line: b"", ends=lambda line: True, follows=_follows),
)
