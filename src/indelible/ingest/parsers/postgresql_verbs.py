"""The actions of SQL statements: `postgresql.OBJECT.VERB`, and their operation classes. Data."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, UnsetType

from indelible.event.model import Operation
from indelible.ingest.parsers.pick import action
from indelible.ingest.parsers.postgresql_functions import operation_of
from indelible.ingest.parsers.postgresql_reading import Statement
from indelible.ingest.parsers.postgresql_select import QUERIES

_CLASSES: Final[dict[Operation, str]] = {
    Operation.CREATE: "create insert import select_into",
    Operation.READ: "select show explain fetch move declare",
    Operation.UPDATE: "update merge alter comment security_label reassign_owned refresh",
    Operation.DELETE: "delete drop truncate drop_owned",
    Operation.GRANT: "grant",
    Operation.REVOKE: "revoke",
    Operation.LOGIN: "assume",
    Operation.EXPORT: "copy",
    Operation.EXECUTE: "execute call do vacuum analyze cluster reindex checkpoint load",
    Operation.OTHER: """
        set reset begin commit rollback savepoint release prepare deallocate close lock listen
        notify unlisten discard with access prepare_transaction commit_prepared
        rollback_prepared""",
}
_OPERATIONS: Final = {
    verb: operation for operation, verbs in _CLASSES.items() for verb in verbs.split()
}
_OF_ROWS: Final = ("insert", "update", "delete", "merge")
"""What they do is done to rows, whatever table holds them: `row.delete` drops no table."""
_POWERS: Final = frozenset(
    ("superuser", "createrole", "createdb", "replication", "bypassrls", "login")
)
"""Switches of a role that give it something; the others say how it inherits or expires."""


def named(told: Statement) -> str:
    """The action: `postgresql.table.drop`; of what is not SQL or several: `statement.execute`."""
    if _acts(told):
        return "postgresql.function.execute"
    if told.verb not in _OPERATIONS or told.verb == "with":
        return "postgresql.statement.execute"
    if told.verb == "select_into":
        return "postgresql.table.create"
    if told.verb == "do":
        return "postgresql.block.execute"
    if told.verb in _OF_ROWS:
        return f"postgresql.row.{told.verb}"
    return action("postgresql", told.kind or "statement", told.verb)


def class_of(told: Statement) -> Operation | UnsetType:
    """The operation class of a statement.

    A query is what the functions do that it calls, and a read where they only answer. A right
    given to a role is a grant however it is written: by GRANT, as a default for objects to come,
    or as a switch of ALTER ROLE.
    """
    if _acts(told):
        return operation_of(told.names)
    if told.verb == "select_into":
        called = operation_of(name for kind, name in told.others if kind == "function")
        return Operation.CREATE if called is Operation.EXECUTE else called
    if told.verb == "copy":
        return Operation.IMPORT if told.inward else Operation.EXPORT
    if told.verb == "alter":
        if told.kind == "default_privileges":
            ops = {one.op for one in told.changes}
            return Operation.REVOKE if ops == {"remove"} else Operation.GRANT
        if told.kind == "system":
            return Operation.CONFIGURE
        powers = {one.after for one in told.changes if one.path[0] in _POWERS}
        if told.kind == "role" and len(powers) == 1:
            return Operation.GRANT if True in powers else Operation.REVOKE
    return _OPERATIONS.get(told.verb, Operation.EXECUTE if told.verb else UNSET)


def _acts(told: Statement) -> bool:
    """Whether it is a query with a function that may do something."""
    return told.verb in QUERIES and told.kind == "function"
