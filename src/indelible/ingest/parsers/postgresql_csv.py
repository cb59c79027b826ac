"""PostgreSQL's log as `log_destination = csvlog` writes it, with pgaudit.

Columns by the PostgreSQL manual, "Using CSV-Format Log Output": 23 up to version 12, 24 in 13, 26
since 14. Texts are always quoted, so that no client can write a record of its own: a line begins
a record only where the opening quote of its message stands, which the server alone can write
(whatever a client sends has its quotes doubled).
"""

from __future__ import annotations

import re
from typing import Final

from indelible.ingest.parsers.contract import (
    WRONG,
    Given,
    Join,
    NotUnderstood,
    Parser,
    Understood,
)
from indelible.ingest.parsers.postgresql_audit import columns
from indelible.ingest.parsers.postgresql_entry import Entry, event_of, when
from indelible.ingest.parsers.postgresql_messages import meaning

_COLUMNS: Final = (
    "log_time", "user", "database", "pid", "from", "session", "line", "tag", "session_start",
    "vxid", "txid", "severity", "code", "message", "detail", "hint", "internal_query",
    "internal_position", "context", "statement", "position", "location", "app", "backend",
    "leader", "query_id",
)
_LEAST: Final = _COLUMNS.index("app") + 1
_MESSAGE: Final = _COLUMNS.index("message") + 1
_QUOTED: Final = r'(?:"[^"]*(?:""[^"]*)*")?'
_STAMP: Final = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [A-Za-z0-9:+-]{1,9}"
_START: Final = re.compile(
    rf"{_STAMP},{_QUOTED},{_QUOTED},\d+,{_QUOTED},[0-9a-f]+\.[0-9a-f]+,\d+,{_QUOTED},{_STAMP},"
    r'[^,"\n]*,\d+,[^,"\n]+,[0-9A-Z]{5},(?=(?:"")*"(?![",]))'
)
_START_BYTES: Final = re.compile(_START.pattern.encode())
_BROKEN: Final = re.compile(
    rf'{_STAMP},(?!,?"[",])(?:{_QUOTED},)?"[^"]*(?:""[^"]*)*\Z'.encode()
)
"""The beginning of a record whose user or database holds a line break.

Within a text of a client this cannot stand: there a single quote ends the text, and a comma follows
it; here neither a comma nor a second quote follows the first one.
"""


def _text(text: str, given: Given) -> Understood:
    """One record; raises `NotUnderstood`."""
    if _START.match(text) is None:
        raise NotUnderstood(WRONG, "it does not begin as a record of PostgreSQL's CSV log")
    text = text.rstrip("\r\n")
    flags: tuple[str, ...] = ()
    fields, least = columns(text), _LEAST
    if not fields:  # its quotes do not close: it was cut off, behind the beginning of the message
        fields, least, flags = columns(f'{text}"'), _MESSAGE, ("truncated",)
    if len(fields) < least:
        raise NotUnderstood("bad_columns", f"it has {len(fields)} columns, fewer than {least}")
    said = {**dict.fromkeys(_COLUMNS, ""), **dict(zip(_COLUMNS, fields, strict=False))}
    found = understood({**said, "from": _host(said["from"])}, given)
    return found._replace(flags=(*found.flags, *flags))


def understood(said: dict[str, str], given: Given) -> Understood:
    """The event of a record by its columns' names, with the host alone in `from`."""
    time, flags = when(said["log_time"], given.zone)
    backend = said.get("backend", "")
    entry = Entry(
        message=said["message"],
        severity=said["severity"],
        time=time,
        flags=flags,
        user=said["user"],
        database=said["database"],
        session=said["session"],
        host=said["from"],
        app=said["app"],
        code="" if said["code"] == "00000" else said["code"],
        statement=said["statement"],
        detail=said["detail"],
        data={
            "pid": said["pid"], "line": said["line"], "hint": said["hint"],
            "context": said["context"],
            "backend": backend if backend not in _USUAL else "",
        },
    )
    return event_of(entry, meaning(entry))


_USUAL: Final = frozenset(("", "client backend", "not initialized", "postmaster"))


def _host(source: str) -> str:
    """The host of `host:port`, as the server writes it also for IPv6 (`::1:54321`)."""
    host, _, port = source.rpartition(":")
    return host if host and port.isdigit() else source


def _follows(line: bytes) -> bool:
    """Whether a line is the rest of a record that a line break in one of its texts divides."""
    return _START_BYTES.match(line) is None and _BROKEN.match(line) is None


def _recognise(text: str, given: Given) -> str:
    if _START.match(text) is None:
        return ""
    return "it begins with the columns of PostgreSQL's CSV log, up to SQLSTATE and message"


PARSER: Final = Parser(
    name="postgresql_csv",
    version="postgresql_csv/1",
    about="PostgreSQL server log in CSV form, with pgaudit",
    text=_text,
    reads_records=False,
    recognise=_recognise,
    join=Join(
        key=lambda line: b"",
        ends=lambda line: True,
        follows=_follows,
    ),
)
