"""What stands before the severity of a line of PostgreSQL's log: `log_line_prefix` as written.

The prefix is free, so it is read by what its parts look like: `[pid]`, `user@database`,
`user=...,db=...`, a session id, an address with its port. Two bare words are user and database,
as pgaudit's documentation proposes (`%m %u %d [%p]: `); they are flagged as guessed.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from indelible.ingest.parsers.contract import NotUnderstood


class Prefix(NamedTuple):
    """The parts of a prefix, '' for those it has not."""

    user: str = ""
    database: str = ""
    host: str = ""
    app: str = ""
    pid: str = ""
    session: str = ""
    guessed: tuple[str, ...] = ()


_PID: Final = re.compile(r"\[(\d+)(?:-\d+)?\](?::? \[\d+-\d+\])?")
_SESSION: Final = re.compile(r"(?<![\w.])([0-9a-f]{8}\.[0-9a-f]{1,8})(?![\w.])(?: \d+(?= ))?")
_HOST: Final = re.compile(r"(?:^|(?<=\s))(\[local\]|[0-9A-Za-z:._-]+)\(\d+\)|^(\[local\])(?=:)")
_PAIR: Final = re.compile(
    r"(?<!\w)(user|db|database|app|application|client|host|remote|appname)="
)
_KEYS: Final = {"db": "database", "client": "host", "remote": "host", "application": "app",
                "appname": "app"}
_COUNTERS: Final = re.compile(r"(?<!\S)(?:\d+/\d+|\d+|\d[0-9A-Z]{4})(?=\s)")
_ADDRESS: Final = re.compile(r"\[local\]|[0-9A-Fa-f:]*[:.][0-9A-Fa-f:.]+")


def prefix_of(text: str) -> Prefix:
    """The parts of a prefix without its time.

    Raises `NotUnderstood` when a part stands twice, or where the name of the application, which
    each client chooses, may be taken for a part of the user's.
    """
    found, rest = _taken(_PID, text)
    session, rest = _taken(_SESSION, rest)
    if _PAIR.search(rest):
        return _pairs(rest, found, session)
    rest = rest.removeprefix(":")
    host, rest = _taken(_HOST, rest)
    rest = rest.strip(" :")
    if "@" in rest:
        if session or not found:
            rest = _COUNTERS.sub("", rest).strip()
        names, _, app = rest.partition("/")
        user, _, database = names.rpartition("@")
        spaced = re.search(r"\s", user) is not None
        if "@" in app or ("@" in user and spaced):
            raise NotUnderstood("ambiguous", "the line's prefix may be read in several ways: "
                                "log_line_prefix = '%m [%p] user=%u,db=%d,app=%a ' is clear")
        return Prefix(
            user, database, host, app, found, session, ("actor.id",) if spaced else ()
        )
    return _words(rest.split(), host, found, session)


def _taken(pattern: re.Pattern[str], text: str) -> tuple[str, str]:
    """What a pattern finds, and the text without it."""
    found = pattern.search(text)
    if found is None:
        return "", text
    part = next((one for one in found.groups() if one), "")
    return part, text[: found.start()] + text[found.end() :]


def _pairs(text: str, pid: str, session: str) -> Prefix:
    """`user=ann,db=shop,app=psql,client=10.0.0.1`."""
    marks = list(_PAIR.finditer(text))
    said: dict[str, str] = {}
    for at, mark in enumerate(marks):
        end = marks[at + 1].start() if at + 1 < len(marks) else len(text)
        name = _KEYS.get(mark[1], mark[1])
        if name in said:
            raise NotUnderstood("ambiguous", f"the line's prefix names its {name} twice")
        value = text[mark.end() : end].strip().rstrip(",;")
        said[name] = value.rstrip(" :)]") if value.count("]") > value.count("[") else value
    return Prefix(
        said.get("user", ""), said.get("database", ""), said.get("host", "").partition("(")[0],
        said.get("app", ""), pid, session,
    )


def _words(words: list[str], host: str, pid: str, session: str) -> Prefix:
    """Bare words: user and database, perhaps the client's address behind them."""
    if len(words) > 2 and not host and _ADDRESS.fullmatch(words[2]):
        host = words.pop(2)
    if len(words) != 2 or any("=" in one for one in words):
        return Prefix(host=host, pid=pid, session=session)
    guessed = ("actor.id", "labels.database")
    return Prefix(words[0], words[1], host, "", pid, session, guessed)
