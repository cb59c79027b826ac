"""What the server's errors mean: logins that failed, sessions ended from outside, statements.

ERROR ends a statement, FATAL a session, PANIC all of them (PostgreSQL manual, "Message Severity
Levels"). Which refusals are denials follows SQLSTATE, or the wording where none is logged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import UNSET

from indelible.base.limits import NAME_CHARS
from indelible.event.model import Operation, Outcome, Target
from indelible.ingest.parsers.contract import NotUnderstood
from indelible.ingest.parsers.postgresql_entry import (
    ANONYMOUS,
    SYSTEM,
    Entry,
    What,
    names_of,
    statement_data,
    target,
    targets_of,
)
from indelible.ingest.parsers.postgresql_reading import Statement
from indelible.ingest.parsers.postgresql_sql import only
from indelible.ingest.parsers.postgresql_verbs import class_of, named

_CLIENT: Final = (
    r'host "(?P<host>[^"]*)", user "(?P<user>.*?)"(?:, database "(?P<database>.*?)")?'
    r"(?:, (?:no encryption|(?:SSL|GSS) \w+))?$"
)
_LOGIN: Final[tuple[tuple[re.Pattern[str], Outcome], ...]] = tuple(
    (re.compile(text, re.DOTALL), outcome)
    for text, outcome in (
        (r'authentication failed for user "(?P<user>.*)": host rejected', Outcome.DENIED),
        (r'"?(?P<method>[A-Za-z0-9-]+)"? (?:bearer )?authentication failed for user "(?P<user>.*)"',
         Outcome.FAILURE),
        (rf"no pg_hba\.conf entry for (?:replication connection from )?{_CLIENT}", Outcome.DENIED),
        (rf"pg_hba\.conf rejects (?:replication )?connection for {_CLIENT}", Outcome.DENIED),
        (r'role "(?P<user>.*)" is not permitted to log in', Outcome.DENIED),
        (r'role "(?P<user>.*)" does not exist', Outcome.FAILURE),
        (r'permission denied for database "(?P<database>.*)"', Outcome.DENIED),
        (r'database "(?P<database>.*)" is not currently accepting connections', Outcome.DENIED),
        (r'database "(?P<database>.*)" does not exist', Outcome.FAILURE),
        (r'too many connections for (?:role|database) "', Outcome.FAILURE),
        (r"sorry, too many clients already|remaining connection slots are reserved",
         Outcome.FAILURE),
        (r"the database system is ", Outcome.FAILURE),
        (r"canceling authentication due to timeout", Outcome.FAILURE),
        (r"no PostgreSQL user name specified|unsupported frontend protocol|invalid startup packet"
         r"|connection requires a valid client certificate", Outcome.FAILURE),
    )
)
_ENDED: Final = re.compile(r"terminating connection (?:due to|because of) ")
_DENIED: Final = re.compile(
    r"permission denied|must be (?:superuser|owner|member|able)|must have |only superuser"
    r"|only roles with|new row violates row-level security|cannot .* without superuser",
    re.IGNORECASE,
)
_DENIED_CODES: Final = frozenset(("42501", "28000", "28P01", "0LP01", "0P000"))
_REFUSED: Final = re.compile(
    r"(?:permission denied (?:for|to set)|must be owner of) (?P<kind>[a-z][a-z -]*?) "
    r'"?(?P<name>[^" ][^"]*)"?$'
)


def failed(entry: Entry) -> What:
    """What failed; raises `NotUnderstood` for errors of the server itself."""
    short = len(entry.message) <= NAME_CHARS
    if entry.severity == "FATAL" and short:
        for pattern, outcome in _LOGIN:
            found = pattern.match(entry.message)
            if found is not None:
                return _login(found.groupdict(), entry, outcome)
        if _ENDED.match(entry.message):
            return _ended(entry)
    if not entry.user and not entry.statement:
        why = f"an error of the server itself: {entry.message[:80]}"
        raise NotUnderstood("unknown_message", why, {"severity": entry.severity})
    told = only(entry.statement) if entry.statement else Statement()
    refused = _REFUSED.match(entry.message) if short else None
    touched = list(_named(refused, told, entry.database))
    denied = entry.code in _DENIED_CODES or bool(not entry.code and _DENIED.match(entry.message))
    return What(
        named(told), class_of(told), touched, Outcome.DENIED if denied else Outcome.FAILURE,
        UNSET, {"vendor_action": told.tag or entry.severity, **statement_data(entry.statement)},
    )


def _named(
    refused: re.Match[str] | None, told: Statement, database: str
) -> Iterator[Target]:
    """What the statement names, then what the refusal speaks of; else the database."""
    names = set(told.names)
    found = targets_of(told, database)
    yield from found
    if refused is not None and refused["name"] not in names:
        kind = refused["kind"].replace(" ", "_").replace("-", "_")
        for one in found:
            if one.type == f"postgresql_{kind}" and one.id.endswith(f".{refused['name']}"):
                return
        yield target(kind, refused["name"], database)
    elif not found and database:
        yield target("database", database, "")


def _login(said: dict[str, str | None], entry: Entry, outcome: Outcome) -> What:
    """A session that did not begin, of the user it was asked for."""
    user, database = names_of(entry, said.get("user") or "", said.get("database") or "")
    return What(
        "postgresql.session.login", Operation.LOGIN,
        [target("database", database, "")] if database and database != "[unknown]" else (),
        outcome,
        data={"vendor_action": "connection refused"},
        actor=None if user and user != "[unknown]" else ANONYMOUS,
        user=user, database=database, host=said.get("host") or "",
        method=(said.get("method") or "").lower(),
    )


def _ended(entry: Entry) -> What:
    """A session ended by the server, for reasons of its own or because somebody asked it to."""
    session = entry.session
    found = [Target(type="postgresql_session", id=session)] if session else []
    if entry.user:
        found.append(target("role", entry.user, ""))
    return What(
        "postgresql.session.terminate", Operation.DELETE, found, Outcome.SUCCESS,
        data={"vendor_action": entry.message, **statement_data(entry.statement)}, actor=SYSTEM,
    )
