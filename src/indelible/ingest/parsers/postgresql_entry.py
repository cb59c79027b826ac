"""One report of a PostgreSQL server, whatever format it was written in, and the event made of it.

The formats (`postgresql`, `postgresql_csv`, `postgresql_json`) fill an `Entry`; what its message
means is told by `postgresql_messages` and `postgresql_audit` as a `What`; `event_of` puts both
together (PostgreSQL manual, "Error Reporting and Logging").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final, NamedTuple

from msgspec import UNSET, UnsetType

from indelible.base.limits import NAME_CHARS
from indelible.event.model import (
    Actor,
    ActorType,
    Auth,
    Change,
    ChangeOp,
    Event,
    Operation,
    Outcome,
    Reason,
    Severity,
    Target,
)
from indelible.event.paths import escape_segment
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.contract import NotUnderstood, Understood
from indelible.ingest.parsers.postgresql_reading import Statement
from indelible.ingest.parsers.postgresql_sql import redacted

STATEMENT_CHARS: Final = 64 * NAME_CHARS
"""A longer text is left to `raw`."""


class Entry(NamedTuple):
    """What one report says. Texts are '' where it does not.

    `severity` is PostgreSQL's own word (`LOG`, `ERROR`), `code` the SQLSTATE, `session` names the
    backend, `data` holds what a format has besides.
    """

    message: str
    severity: str
    time: datetime | UnsetType = UNSET
    flags: tuple[str, ...] = ()
    user: str = ""
    database: str = ""
    session: str = ""
    host: str = ""
    app: str = ""
    code: str = ""
    statement: str = ""
    detail: str = ""
    guessed: tuple[str, ...] = ()
    data: Mapping[str, object] = {}


class What(NamedTuple):
    """What a message means. `user`, `database`, `host`, `app` are its own, before the entry's."""

    action: str
    operation: Operation | UnsetType = UNSET
    targets: Iterable[Target] = ()
    outcome: Outcome | UnsetType = UNSET
    changes: list[Change] | UnsetType = UNSET
    data: Mapping[str, object] = {}
    actor: Actor | None = None
    user: str = ""
    database: str = ""
    host: str = ""
    app: str = ""
    method: str = ""
    identity: str = ""


SYSTEM: Final = Actor(type=ActorType.SYSTEM, id="postgresql")
ANONYMOUS: Final = Actor(type=ActorType.ANONYMOUS, id="anonymous")
_SEVERITIES: Final = {
    **{f"DEBUG{level}": Severity.DEBUG for level in range(1, 6)}, "DEBUG": Severity.DEBUG,
    "LOG": Severity.INFO, "INFO": Severity.INFO, "NOTICE": Severity.INFO,
    "WARNING": Severity.LOW, "ERROR": Severity.MEDIUM, "FATAL": Severity.HIGH,
    "PANIC": Severity.CRITICAL,
}
FAILING: Final = frozenset(("ERROR", "FATAL", "PANIC"))


def event_of(entry: Entry, what: What) -> Understood:
    """The event; raises `NotUnderstood` when neither entry nor message names who acted."""
    database = _name(what.database or entry.database)
    failed = entry.severity in FAILING
    host = what.host or entry.host
    address = pick.ip(host) if host and host != "[local]" else ""
    device = "" if address or host == "[local]" else _name(host)
    app, done_to = _name(what.app or entry.app), ""
    if what.actor is SYSTEM:  # the client is the one to whom the server did it
        done_to, address, device, app = address or device, "", "", ""
    event = Event(
        action=what.action,
        operation=what.operation,
        actor=_actor(entry, what),
        targets=pick.targets(what.targets),
        time=entry.time,
        outcome=what.outcome,
        reason=_reason(entry) if failed else UNSET,
        origin=pick.origin(ip=address, device=device, service=app),
        changes=what.changes,
        severity=_SEVERITIES.get(entry.severity, UNSET),
        labels={"database": database} if database else UNSET,
    )
    data = pick.flat({"detail": entry.detail, "client": done_to, **entry.data, **what.data})
    return Understood(event, data, entry.flags, entry.guessed)


def names_of(entry: Entry, user: str, database: str) -> tuple[str, str]:
    """User and database: the entry's own, which no name can counterfeit, else the message's."""
    own = ("", "") if entry.guessed else (_name(entry.user), _name(entry.database))
    return own[0] or user or entry.user, own[1] or database or entry.database


def statement_data(statement: str) -> dict[str, object]:
    """The statement for `data`, passwords redacted; nothing when it is very long."""
    text = statement.strip()
    return {"statement": redacted(text)} if text and len(text) <= STATEMENT_CHARS else {}


def targets_of(told: Statement, database: str) -> list[Target]:
    """The objects a statement names, within their database."""
    found = [target(told.kind, name, database) for name in told.names]
    found += [target(kind, name, database) for kind, name in told.others]
    return [one for one in found if len(one.id) <= NAME_CHARS]


def target(kind: str, name: str, database: str) -> Target:
    """A target `postgresql_KIND`; what belongs to the server as a whole has no parent."""
    parent = "" if kind in _OF_THE_SERVER else _name(database)
    return Target(type=f"postgresql_{kind}", id=name, parent=parent or UNSET)


_OF_THE_SERVER: Final = frozenset(
    ("database", "role", "tablespace", "setting", "program", "file", "library", "session")
)


def changes_of(told: Statement) -> list[Change] | UnsetType:
    """The changes a statement tells."""
    return pick.bounded(
        Change(
            path=".".join(map(escape_segment, one.path)),
            op=ChangeOp(one.op),
            before=UNSET if one.before is None else pick.raw(one.before),
            after=UNSET if one.after is None else pick.raw(one.after),
        )
        for one in told.changes
        if all(one.path)
    )


def _actor(entry: Entry, what: What) -> Actor:
    if what.actor is not None:
        return what.actor
    user = _name(what.user or entry.user)
    if not user:
        why = "neither the line nor its prefix names the user; use %u in log_line_prefix"
        raise NotUnderstood("missing_actor", why, dict(entry.data))
    actor = Actor(
        type=ActorType.USER,
        id=user,
        session=pick.or_unset(entry.session),
        auth=Auth(method=what.method) if what.method else UNSET,
    )
    if not what.identity or what.identity == user or len(what.identity) > NAME_CHARS:
        return actor
    return pick.behind(actor, [Actor(type=ActorType.USER, id=what.identity)])


def _reason(entry: Entry) -> Reason | UnsetType:
    return pick.reason(entry.code, entry.message)


def _name(value: str) -> str:
    return value if len(value) <= NAME_CHARS and value != "[unknown]" else ""


_STAMP: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) (\S+)$")
_OFFSET: Final = re.compile(r"([+-])(\d\d)(?::?(\d\d))?$")
_ZERO: Final = frozenset(("UTC", "GMT", "Z", "UCT"))


def when(stamp: str, zone: tzinfo) -> tuple[datetime | UnsetType, tuple[str, ...]]:
    """A time as `%m` and `%t` write it, and its flags.

    UTC, GMT and offsets are exact. Other abbreviations name several zones of the world; the
    source's configured zone is taken instead and flagged, and the abbreviation only decides which
    of two hours is meant when clocks are put back.
    """
    found = _STAMP.match(stamp)
    if found is None:
        return UNSET, ()
    try:
        naive = datetime.fromisoformat(found[1])
    except ValueError:
        return UNSET, ()
    if found[2] in _ZERO:
        return pick.in_utc(naive.replace(tzinfo=UTC)), ()
    offset = _OFFSET.match(found[2])
    if offset is not None:
        ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        if ahead >= timedelta(days=1):
            return UNSET, ()
        east = timezone(-ahead if offset[1] == "-" else ahead)
        return pick.in_utc(naive.replace(tzinfo=east)), ()
    local = naive.replace(tzinfo=zone)
    later = local.replace(fold=1)
    if local.tzname() != found[2] and later.tzname() == found[2]:
        local = later
    return pick.in_utc(local), ("time_assumed",)
