"""Whether a PostgreSQL server is set up for being captured, and what to do where it is not: pure.

`Facts` is what the server says of itself; `findings` judges it, each with the statement to paste.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from indelible.base.limits import CAPTURE_TABLES_SHOWN
from indelible.ingest.protocols.findings import ERROR, FINE, LEVELS, WARNING, Finding
from indelible.ingest.protocols.postgres_capture_settings import Options


class TableFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A published table: its name as SQL writes it, its identity, whether it has a primary key."""

    name: str
    identity: str
    key: bool


class SlotFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The replication slot. LSNs are texts, '' where there are none; `safe_bytes` is what may
    still be written before the server gives the slot up, None where that has no bound."""

    plugin: str
    database: str
    status: str
    confirmed: str
    restart: str
    active: bool
    safe_bytes: int | None
    two_phase: bool = False


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a server says. `keep_mb` is max_slot_wal_keep_size, -1 without a bound.

    `publishes` names what each existing publication leaves out, `behind_bytes` how much log the
    slot has not passed on, `held_bytes` how much the server keeps for it.
    """

    version: int
    server: str
    timeline: str
    database: str
    user: str
    encoding: str
    standby: bool
    wal_level: str
    keep_mb: int
    slots_most: int
    slots_used: int
    may_replicate: bool
    encrypted: bool
    remote: bool
    leaves_out: dict[str, tuple[str, ...]]
    tables: Sequence[TableFacts]
    now: str
    slot: SlotFacts | None
    behind_bytes: int = 0
    held_bytes: int = 0


def findings(facts: Facts, options: Options) -> list[Finding]:
    """Every remark, errors first."""
    found = [*_server(facts), *_wal(facts, options), *_publication(facts, options),
             *_tables(facts), *_slot(facts, options)]
    return sorted(found, key=lambda one: LEVELS.index(one.level))


def _finding(level: str, about: str, text: str, remedy: str = "") -> Finding:
    return Finding(level=level, about=about, text=text, remedy=remedy)


def _server(facts: Facts) -> Iterator[Finding]:
    major = facts.version // 10_000
    if major < 14:
        why = "messages in the log, which name the acting person, came with version 14"
        yield _finding(ERROR, "version", f"PostgreSQL {major} is too old: {why}")
    else:
        yield _finding(FINE, "version", f"PostgreSQL {major}")
    if facts.standby:
        text = "this is a standby; changes are captured from the primary"
        remedy = "Name every server in dsn and add target_session_attrs=read-write."
        yield _finding(ERROR, "standby", text, remedy)
    if facts.wal_level != "logical":
        yield _finding(
            ERROR, "wal_level", f"wal_level is {facts.wal_level}: rows cannot be read from the log",
            "ALTER SYSTEM SET wal_level = 'logical';  -- then restart the server",
        )
    else:
        yield _finding(FINE, "wal_level", "wal_level is logical")
    if not facts.may_replicate:
        yield _finding(
            ERROR, "role", f"the role {facts.user} may not read replication slots",
            f"ALTER ROLE {quoted(facts.user)} REPLICATION;"
            "  -- on Amazon RDS: GRANT rds_replication TO the role",
        )
    else:
        yield _finding(FINE, "role", f"the role {facts.user} may read replication slots")
    if facts.remote and not facts.encrypted:
        text = "changes come in clear over the network"
        remedy = "Add sslmode=verify-full (and sslrootcert=FILE) to dsn."
        yield _finding(WARNING, "tls", text, remedy)
    if facts.encoding == "SQL_ASCII":
        text = "the database has no encoding; texts that are no UTF-8 are shown as \\xNN"
        yield _finding(WARNING, "encoding", text)


def _wal(facts: Facts, options: Options) -> Iterator[Finding]:
    """An idle slot must not be able to fill the server's disk."""
    if facts.keep_mb >= 0:
        text = f"max_slot_wal_keep_size bounds what a slot can hold back: {facts.keep_mb:,} MB"
        yield _finding(FINE, "max_slot_wal_keep_size", text)
        return
    level = WARNING if options.unlimited_wal else ERROR
    yield _finding(
        level, "max_slot_wal_keep_size",
        "max_slot_wal_keep_size is not set: while Indelible is away the slot keeps the "
        "write-ahead log, until the server's disk is full",
        "ALTER SYSTEM SET max_slot_wal_keep_size = '20GB'; SELECT pg_reload_conf();"
        "  -- less than the disk has free; or take the risk: --option unlimited_wal=accepted",
    )


def _publication(facts: Facts, options: Options) -> Iterator[Finding]:
    for name in options.publications:
        if name not in facts.leaves_out:
            yield _finding(
                ERROR, "publication", f"there is no publication {name} in {facts.database}",
                f"CREATE PUBLICATION {quoted(name)} FOR TABLE schema.table, ...;"
                "  -- or FOR ALL TABLES; as the tables' owner",
            )
        elif facts.leaves_out[name]:
            missing = ", ".join(facts.leaves_out[name])
            yield _finding(
                WARNING, "publication", f"the publication {name} leaves out: {missing}",
                f"ALTER PUBLICATION {quoted(name)} SET (publish = "
                "'insert, update, delete, truncate');",
            )
    if set(options.publications) <= set(facts.leaves_out):
        if facts.tables:
            yield _finding(FINE, "tables", f"tables published: {len(facts.tables):,}")
        else:
            text = "no table is published: there is nothing to capture"
            remedy = f"ALTER PUBLICATION {quoted(options.publications[0])} ADD TABLE schema.table;"
            yield _finding(WARNING, "tables", text, remedy)


def _tables(facts: Facts) -> Iterator[Finding]:
    bare = [one.name for one in facts.tables
            if one.identity == "n" or (one.identity == "d" and not one.key)]
    if bare:
        yield _finding(
            WARNING, "identity",
            "published tables without a primary key or a full identity, whose UPDATE and DELETE "
            f"PostgreSQL itself refuses: {_shown(bare)}",
            _full(bare),
        )
    short = [one.name for one in facts.tables
             if one.identity in "di" and one.name not in bare]
    if short:
        yield _finding(
            WARNING, "identity",
            f"without REPLICA IDENTITY FULL nobody can say what a row was before: {_shown(short)}",
            _full(short),
        )


def _shown(names: list[str]) -> str:
    more = len(names) - CAPTURE_TABLES_SHOWN
    text = ", ".join(names[:CAPTURE_TABLES_SHOWN])
    return f"{text} and {more:,} more" if more > 0 else text


def _full(names: list[str]) -> str:
    made = [f"ALTER TABLE {name} REPLICA IDENTITY FULL;" for name in names[:CAPTURE_TABLES_SHOWN]]
    return "\n".join(made)


def _slot(facts: Facts, options: Options) -> Iterator[Finding]:
    slot = facts.slot
    if slot is None:
        if facts.slots_used >= facts.slots_most:
            yield _finding(
                ERROR, "slot", f"all {facts.slots_most} replication slots are taken",
                f"ALTER SYSTEM SET max_replication_slots = {facts.slots_most + 4};"
                "  -- then restart the server",
            )
        else:
            text = f"the slot {options.slot} is made when capturing begins"
            yield _finding(FINE, "slot", text)
        return
    if slot.plugin != "pgoutput" or slot.database != facts.database:
        yield _finding(
            ERROR, "slot",
            f"the slot {options.slot} is of the plugin {slot.plugin or 'none'} and the database "
            f"{slot.database or 'none'}, not of pgoutput and {facts.database}",
            "Name another one: --option slot=NAME.",
        )
    elif slot.status == "lost":
        text = f"the server gave up the slot {options.slot}: changes were lost"
        remedy = "A new one is made when capturing begins, and the gap is put on record."
        yield _finding(WARNING, "slot", text, remedy)
    else:
        level = WARNING if slot.status == "unreserved" else FINE
        yield _finding(
            level, "slot",
            f"the slot {options.slot} is {slot.status}, {facts.behind_bytes:,} bytes behind, "
            f"and keeps {facts.held_bytes:,} bytes of the log",
        )


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
