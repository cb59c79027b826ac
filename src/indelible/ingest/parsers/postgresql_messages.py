"""What the server's own messages mean: sessions, statements, settings, the server's life.

The wording is that of PostgreSQL 15 in English (`lc_messages`), which other versions mostly share;
what pgaudit writes is read by `postgresql_audit`. Messages about the server's upkeep (checkpoints,
vacuum, replication) are not events and are told apart as `unknown_message`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from msgspec import UNSET

from indelible.base.limits import NAME_CHARS
from indelible.event.model import Change, ChangeOp, Operation, Outcome, Target
from indelible.ingest.parsers.contract import NotUnderstood
from indelible.ingest.parsers.pick import action, raw
from indelible.ingest.parsers.postgresql_audit import audited
from indelible.ingest.parsers.postgresql_entry import (
    ANONYMOUS,
    FAILING,
    SYSTEM,
    Entry,
    What,
    changes_of,
    names_of,
    statement_data,
    target,
    targets_of,
)
from indelible.ingest.parsers.postgresql_failures import failed
from indelible.ingest.parsers.postgresql_sql import only
from indelible.ingest.parsers.postgresql_verbs import class_of, named

_WITH_SQL: Final = ("statement:", "execute", "duration:")
_Found = re.Match[str]


def meaning(entry: Entry) -> What:
    """What an entry's message means; raises `NotUnderstood` when it is no event."""
    message = entry.message
    if message.startswith("AUDIT: "):
        return audited(entry)
    if entry.severity in FAILING:
        return failed(entry)
    word = message.partition(" ")[0]
    if len(message) > NAME_CHARS and word not in _WITH_SQL:  # longer than any of these can be
        raise NotUnderstood("unknown_message", "a long message of a kind that is not read")
    for pattern, reader in _BY_FIRST_WORD.get(word, ()):
        found = pattern.match(message)
        if found is not None:
            return reader(found, entry)
    why = f"the server's upkeep, or an unknown message: {message[:80]}"
    raise NotUnderstood("unknown_message", why, {"severity": entry.severity})


def _received(found: _Found, entry: Entry) -> What:
    return What(
        "postgresql.connection.receive", Operation.OTHER, actor=ANONYMOUS, host=found["host"],
        data={"vendor_action": "connection received", "client_port": found["port"] or ""},
    )


def _startup_failed(found: _Found, entry: Entry) -> What:
    return What(
        "postgresql.connection.receive", Operation.OTHER, actor=ANONYMOUS,
        outcome=Outcome.FAILURE, data={"vendor_action": found[0]},
    )


def _authenticated(found: _Found, entry: Entry) -> What:
    """The identity is proved; `connection authorized` says that the session begins."""
    return What(
        "postgresql.identity.authenticate", Operation.LOGIN, outcome=Outcome.SUCCESS,
        user="" if entry.user else found["identity"], identity=found["identity"],
        method=found["method"], data={"vendor_action": "connection authenticated"},
    )


def _authorized(found: _Found, entry: Entry) -> What:
    user, database = names_of(entry, found["user"], found["database"] or "")
    data = {"vendor_action": "connection authorized", "tls": found["tls"] or "",
            "replication": bool(found["replication"]) or None}
    return What(
        "postgresql.session.login", Operation.LOGIN, _database(database), Outcome.SUCCESS,
        user=user, database=database, app=found["app"] or "", data=data,
    )


def _disconnected(found: _Found, entry: Entry) -> What:
    user, database = names_of(entry, found["user"], found["database"])
    return What(
        "postgresql.session.logout", Operation.LOGOUT, _database(database), Outcome.SUCCESS,
        data={"vendor_action": "disconnection", "session_time": found["time"]},
        user=user, database=database, host=found["host"],
    )


def _stated(found: _Found, entry: Entry) -> What:
    """`statement:` and `execute NAME:`, written before the statement is run: no outcome yet."""
    return _statement(found["sql"], entry)


def _timed(found: _Found, entry: Entry) -> What:
    """`duration: ... statement:`, written when it has succeeded."""
    if found["step"] in ("parse", "bind"):
        why = "a step of a statement, which is told when it is executed"
        raise NotUnderstood("unknown_message", why)
    told = _statement(found["sql"], entry, Outcome.SUCCESS)
    return told._replace(data={**told.data, "duration_ms": float(found["ms"])})


def _statement(sql: str, entry: Entry, outcome: Outcome | None = None) -> What:
    told = only(sql)
    data: dict[str, object] = {"vendor_action": told.tag or "statement", **statement_data(sql)}
    parameters = entry.detail.partition("parameters: ")[2]
    if parameters:
        data.update(parameters=parameters, detail="")
    return What(
        named(told), class_of(told),
        targets_of(told, entry.database) or _database(entry.database),
        outcome or UNSET, changes_of(told) if outcome else UNSET, data,
    )


def _changed(found: _Found, entry: Entry) -> What:
    """The configuration files were read again and told another value."""
    name, after = found["name"], found["after"]
    change = Change(path=name, op=ChangeOp.REMOVE) if after is None else Change(
        path=name, op=ChangeOp.REPLACE, after=raw(after)
    )
    return What(
        "postgresql.setting.change", Operation.CONFIGURE, [target("setting", name, "")],
        Outcome.SUCCESS, [change], {"vendor_action": "parameter changed"}, SYSTEM,
    )


def _kept(found: _Found, entry: Entry) -> What:
    return What(
        "postgresql.setting.change", Operation.CONFIGURE, [target("setting", found["name"], "")],
        Outcome.FAILURE, data={"vendor_action": "parameter changed", "message": found[0]},
        actor=SYSTEM,
    )


def _database(name: str) -> list[Target]:
    return [target("database", name, "")] if name and name != "[unknown]" else []


def _server(verb: str, operation: Operation) -> Callable[[_Found, Entry], What]:
    def reader(found: _Found, entry: Entry) -> What:
        return What(
            action("postgresql", "server", verb), operation, outcome=Outcome.SUCCESS,
            data={"vendor_action": entry.message[:80]}, actor=SYSTEM,
        )

    return reader


def _crashed(found: _Found, entry: Entry) -> What:
    process = Target(type="postgresql_process", id=found["pid"])
    return What(
        "postgresql.process.crash", Operation.OTHER, [process],
        data={"vendor_action": found[0]}, actor=SYSTEM,
    )


def _escalated(found: _Found, entry: Entry) -> What:
    """The extension set_user: a user takes on, or gives up, another role."""
    return What(
        "postgresql.role.assume", Operation.LOGIN, [target("role", found["to"], "")],
        Outcome.SUCCESS, data={"vendor_action": "set_user", "superuser": bool(found["super"])},
        user="" if entry.user else found["from"],
    )


_Reader = Callable[[_Found, Entry], What]
_FROM: Final = r"host=(?P<host>\S+)(?: port=(?P<port>\S+))?"
_LOGIN: Final = (
    r"(?P<replication>replication )?connection authorized: user=(?P<user>.+?)"
    r"(?: database=(?P<database>.+?))?(?: application_name=(?P<app>.*?))?"
    r"(?: (?P<tls>(?:SSL|GSS) (?:enabled )?\(.*))?$"
)
_NOBODY: Final = (
    r"incomplete startup packet|invalid length of startup packet|invalid frontend message"
    r"|could not accept SSL connection"
)
_ROLE: Final = (
    r"(?:Superuser )?Role (?P<from>\S+) transitioning to (?P<super>Superuser )?Role (?P<to>\S+)"
)
_TOLD: Final[tuple[tuple[str, str, _Reader], ...]] = (
    ("connection", rf"connection received: {_FROM}$", _received),
    ("connection", r'connection authenticated: (?:identity|user)="(?P<identity>.*)" '
                   r"method=(?P<method>\S+)", _authenticated),
    ("connection", _LOGIN, _authorized),
    ("replication", _LOGIN, _authorized),
    ("disconnection:", r"disconnection: session time: (?P<time>\S+) user=(?P<user>.*) "
                       rf"database=(?P<database>.*) {_FROM}$", _disconnected),
    ("statement:", r"statement: (?P<sql>.*)", _stated),
    ("execute", r"execute (?:fetch from )?[^:]+: (?P<sql>.*)", _stated),
    ("duration:", r"duration: (?P<ms>\d+(?:\.\d+)?) ms  (?P<step>statement|execute|parse|bind)"
                  r"(?: [^:]*)?: (?P<sql>.*)", _timed),
    ("parameter", r'parameter "(?P<name>[^"]+)" '
                  r'(?:changed to "(?P<after>.*)"|removed from configuration file)', _changed),
    ("parameter", r'parameter "(?P<name>[^"]+)" cannot be changed', _kept),
    ("received", r"received SIGHUP, reloading", _server("reload", Operation.CONFIGURE)),
    ("received", r"received (?:smart|fast|immediate) shutdown request",
     _server("stop", Operation.EXECUTE)),
    ("received", r"received promote request", _server("promote", Operation.CONFIGURE)),
    ("starting", r"starting PostgreSQL", _server("start", Operation.EXECUTE)),
    ("database", r"database system is shut down$", _server("shut_down", Operation.EXECUTE)),
    ("server", r"server process \(PID (?P<pid>\d+)\) (?:was terminated|exited|crashed)", _crashed),
    ("incomplete", _NOBODY, _startup_failed),
    ("invalid", _NOBODY, _startup_failed),
    ("could", _NOBODY, _startup_failed),
    ("Role", _ROLE, _escalated),
    ("Superuser", _ROLE, _escalated),
)
"""First word, pattern, reader."""


def _by_first_word() -> dict[str, list[tuple[re.Pattern[str], _Reader]]]:
    table: dict[str, list[tuple[re.Pattern[str], _Reader]]] = {}
    for word, pattern, reader in _TOLD:
        table.setdefault(word, []).append((re.compile(pattern, re.DOTALL), reader))
    return table


_BY_FIRST_WORD: Final = _by_first_word()
