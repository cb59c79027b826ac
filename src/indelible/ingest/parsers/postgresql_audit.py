"""What pgaudit writes: `AUDIT: SESSION,18,1,READ,SELECT,TABLE,hr.salary,"SELECT ...",<none>,2`.

Columns by the pgaudit documentation, "Format": type, statement and substatement id, class,
command, object type and name, statement, parameters, and rows where they are logged. Each line is
one event: one command and one object of it.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import UNSET, UnsetType

from indelible.base.limits import NAME_CHARS
from indelible.event.model import Operation, Outcome, Target
from indelible.ingest.parsers.contract import NotUnderstood
from indelible.ingest.parsers.postgresql_entry import (
    Entry,
    What,
    changes_of,
    statement_data,
    target,
    targets_of,
)
from indelible.ingest.parsers.postgresql_reading import Statement
from indelible.ingest.parsers.postgresql_sql import functions, tagged
from indelible.ingest.parsers.postgresql_verbs import class_of, named

_FIELD: Final = re.compile(r'"([^"]*(?:""[^"]*)*)"(?=,|$)|([^,"]*)(?=,|$)')
_WITHOUT_ROWS: Final = ("type", "id", "sub", "class", "command", "kind", "name", "sql", "args")
_AFTER_IT_RAN: Final = frozenset(("DDL", "ROLE", "MISC", "MISC_SET"))
_ROWS_TOLD_AFTER: Final = frozenset(("SELECT", "INSERT", "UPDATE", "DELETE"))
_AT_ITS_END: Final = frozenset(("COPY", "TRUNCATE TABLE", "PREPARE", "DECLARE CURSOR"))
_QUERIES: Final = {"SELECT": "select", "DECLARE CURSOR": "declare"}
_BEGUN: Final = frozenset(("DO", "EXECUTE"))
_PARTS: Final = frozenset(("policy", "trigger", "rule"))
"""Their names are told as `own on public.account`."""
_ABSENT: Final = frozenset(("<not logged>", "<previously logged>", "<none>"))


def audited(entry: Entry) -> What:
    """The event of one line of pgaudit; raises `NotUnderstood` when its columns are not those."""
    text = entry.message.removeprefix("AUDIT: ")
    fields = columns(text)
    if not fields:  # it was cut off within the statement; what stands before that is whole
        fields = columns(f'{text}"')
        fields += [""] * (len(_WITHOUT_ROWS) - max(len(fields), _WITHOUT_ROWS.index("sql") + 1))
    if len(fields) not in (len(_WITHOUT_ROWS), len(_WITHOUT_ROWS) + 1):
        why = f"pgaudit writes 9 columns or 10, this line has {len(fields) or 'broken ones'}"
        raise NotUnderstood("bad_audit_line", why)
    said = dict(zip(_WITHOUT_ROWS, fields, strict=False))
    rows = fields[-1] if len(fields) > len(_WITHOUT_ROWS) else ""
    if said["type"] not in ("SESSION", "OBJECT"):
        raise NotUnderstood("bad_audit_line", f"an unknown kind of audit: {said['type'][:80]}")
    command = said["command"]
    told, operation = _told(said)
    found = _objects(said, told, entry.database)
    data: dict[str, object] = {
        "vendor_action": command, "class": said["class"], "audit_type": said["type"],
        "statement_id": said["id"], "substatement_id": said["sub"],
        "parameters": _parameters(said["args"]),
        "rows": int(rows) if command in _ROWS_TOLD_AFTER and _count(rows) else None,
    }
    if said["sql"] not in _ABSENT:
        data.update(statement_data(said["sql"]))
    outcome = _outcome(said, rows)
    changes = changes_of(told) if outcome is Outcome.SUCCESS else UNSET
    return What(named(told), operation, found, outcome, changes, data)


def columns(text: str) -> list[str]:
    """The fields of one line of CSV, with quoted line ends; none when the quotes do not close."""
    found: list[str] = []
    at = 0
    while True:
        field = _FIELD.match(text, at)
        if field is None:
            return []
        quoted = field[1]
        found.append(field[2] if quoted is None else quoted.replace('""', '"'))
        at = field.end() + 1
        if at > len(text):
            return found


def _told(said: dict[str, str]) -> tuple[Statement, Operation | UnsetType]:
    """What was done: pgaudit's own command and object; the rest by the statement's words."""
    command, kind = said["command"], _kind(said["kind"])
    if command in _QUERIES and said["class"] == "READ" and (called := functions(said["sql"])):
        return _queried(command, kind if said["name"] else "", called)
    if said["class"] in ("READ", "WRITE") and kind and said["name"]:
        told = Statement(command.lower().replace(" ", "_"), kind)
        return told, class_of(told)
    if command in ("EXECUTE", "CALL") and said["class"] == "FUNCTION":
        told = Statement("execute", kind or "function")
        return told, Operation.EXECUTE
    if command == "DO":
        return Statement("execute", "block"), Operation.EXECUTE
    tag = command if command != "???" else ""
    told = tagged(said["sql"], tag) if tag else Statement()
    if not told.verb:
        told = _by_command(command, kind, said["class"])
    operation = class_of(told)
    if kind and told.kind != "default_privileges":
        told = told._replace(kind=kind)
    return told, operation


def _queried(
    command: str, kind: str, called: tuple[str, ...]
) -> tuple[Statement, Operation | UnsetType]:
    """A query that calls what may do something; pgaudit tells of it only the tables it reads."""
    told = Statement(_QUERIES[command], "function", tuple(filter(None, called)))
    operation = class_of(told)
    if kind:
        others = tuple(("function", name) for name in told.names)
        told = Statement(told.verb, kind, others=others)
    return told, operation


def _by_command(command: str, kind: str, group: str) -> Statement:
    """What the command alone says, where the statement is not logged or is one of several."""
    if command == "???":  # a right that is none of those pgaudit names, as of a view's owner
        return Statement("access", kind)
    words = command.lower().split(" ")
    verb, rest = words[0], "_".join(words[1:])
    if words == ["select", "into"]:
        return Statement("select_into", "table")
    if verb == "truncate":
        return Statement(verb, "table")
    if verb == "copy":
        return Statement(verb, kind, inward=group == "WRITE")
    rest = {"user": "role", "group": "role", "cursor": "", "table_as": "table"}.get(rest, rest)
    return Statement(verb, rest or kind)


def _objects(said: dict[str, str], told: Statement, database: str) -> list[Target]:
    """pgaudit's object, which is resolved; else those the statement names; else the database."""
    name, kind = said["name"], _kind(said["kind"])
    found: list[Target] = []
    if name and kind and len(name) <= NAME_CHARS:
        part, _, whole = name.partition(" on ") if kind in _PARTS else (name, "", "")
        found.append(target(kind, part, database))
        if whole:
            found.append(target("table", whole, database))
        found += targets_of(told._replace(names=()), database)
    else:
        found += targets_of(told, database)
    if not found and database:
        found.append(target("database", database, ""))
    return found


def _kind(name: str) -> str:
    kind = name.lower().replace(" ", "_")
    return {"tables": "table", "sequences": "sequence"}.get(kind, kind)


def _outcome(said: dict[str, str], rows: str) -> Outcome | UnsetType:
    """What the line proves: commands that are logged when they have run succeeded.

    Queries without row counts, functions and blocks are logged as they begin, once their rights
    were checked; how they end is not said. A transaction may still be rolled back.
    """
    command = said["command"]
    if command in _BEGUN and said["class"] == "FUNCTION":
        return UNSET
    if said["class"] in _AFTER_IT_RAN and command != "???":
        return Outcome.SUCCESS
    if command in _AT_ITS_END or (command in _ROWS_TOLD_AFTER and _count(rows)):
        return Outcome.SUCCESS
    return UNSET


def _parameters(text: str) -> list[str] | None:
    if not text or text in _ABSENT:
        return None
    return columns(text) or [text]


def _count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < len("18446744073709551616")
