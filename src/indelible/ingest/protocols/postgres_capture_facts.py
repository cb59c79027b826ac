"""What a PostgreSQL server says of itself, asked in a few statements."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from indelible.base.errors import Unreachable
from indelible.ingest.protocols.findings import Finding
from indelible.ingest.protocols.pgoutput import lsn_of
from indelible.ingest.protocols.postgres_capture_checks import (
    Facts,
    SlotFacts,
    TableFacts,
    findings,
)
from indelible.ingest.protocols.postgres_capture_settings import (
    SESSION,
    Options,
    driver,
    parameters,
)

if TYPE_CHECKING:
    from psycopg import AsyncConnection

    Connection = AsyncConnection[tuple[Any, ...]]

_SERVER: Final = """
SELECT current_setting('server_version_num')::int, current_database(), current_user::text,
       pg_encoding_to_char(d.encoding), pg_is_in_recovery(), current_setting('wal_level'),
       (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),
       current_setting('max_replication_slots')::int,
       (SELECT count(*) FROM pg_replication_slots),
       r.rolreplication OR r.rolsuper OR EXISTS (
           SELECT FROM pg_roles m
           WHERE m.rolname = 'rds_replication' AND pg_has_role(m.oid, 'MEMBER'))
FROM pg_database d, pg_roles r
WHERE d.datname = current_database() AND r.rolname = current_user"""
_WHERE: Final = """
SELECT (SELECT system_identifier::text FROM pg_control_system()),
       substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8), pg_current_wal_flush_lsn()::text,
       s.plugin, s.database, s.wal_status, s.confirmed_flush_lsn::text, s.restart_lsn::text,
       s.active, s.safe_wal_size
FROM (SELECT) one LEFT JOIN pg_replication_slots s ON s.slot_name = %s"""
_PUBLICATIONS: Final = """
SELECT pubname, pubinsert, pubupdate, pubdelete, pubtruncate
FROM pg_publication WHERE pubname = ANY(%s)"""
_TABLES: Final = """
SELECT DISTINCT c.oid::regclass::text, c.relreplident::text,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
FROM pg_publication_tables t
JOIN pg_namespace n ON n.nspname = t.schemaname
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
WHERE t.pubname = ANY(%s) ORDER BY 1"""
_KEY: Final = """
SELECT array_agg(a.attname::text ORDER BY k.at)
FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, at)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indisprimary AND i.indrelid = %s"""


@asynccontextmanager
async def connected(options: Options, secret: bytes) -> AsyncIterator[Connection]:
    """A session whose values have the form of `SESSION`; raises `Unreachable`."""
    psycopg = driver()
    try:
        connection = await psycopg.AsyncConnection.connect(
            **parameters(options, secret), autocommit=True, prepare_threshold=None
        )
    except psycopg.OperationalError as error:
        raise Unreachable(
            f"PostgreSQL does not let Indelible in: {told(error)}",
            remedy="Check dsn, the password (--secret-file) and the server's pg_hba.conf.",
        ) from error
    try:
        for name, value in SESSION.items():
            await connection.execute(
                "SELECT set_config(name, %s, false) FROM pg_settings WHERE lower(name) = lower(%s)",
                (value, name),
            )
        yield connection
    finally:
        await connection.close()


def told(error: Exception) -> str:
    """A server's words on one line."""
    return " ".join(str(error).split())


async def slot_of(connection: Connection, name: str) -> tuple[str, str, str, SlotFacts | None]:
    """The server's identifier, timeline and LSN now, and the slot if there is one."""
    cursor = await connection.execute(_WHERE, (name,))
    row = await cursor.fetchone()
    assert row is not None
    server, timeline, now, plugin, database, status, confirmed, restart, active, safe = row
    slot = None
    if plugin is not None or status is not None or confirmed is not None:
        slot = SlotFacts(
            plugin=plugin or "", database=database or "", status=status or "lost",
            confirmed=confirmed or "", restart=restart or "", active=bool(active),
            safe_bytes=safe,
        )
    return server, timeline, now, slot


async def facts_of(connection: Connection, options: Options) -> Facts:
    """What the server says of itself; raises psycopg's errors."""
    cursor = await connection.execute(_SERVER)
    row = await cursor.fetchone()
    assert row is not None
    version, database, user, encoding, standby, level, keep, most, used, may = row
    server, timeline, now, slot = ("", "", "", None)
    if not standby:
        server, timeline, now, slot = await slot_of(connection, options.slot)
    names = list(options.publications)
    publications = await (await connection.execute(_PUBLICATIONS, (names,))).fetchall()
    tables = await (await connection.execute(_TABLES, (names,))).fetchall()
    host = connection.info.host
    at = lsn_of(now) if now else 0
    return Facts(
        version=version, server=server, timeline=timeline, database=database, user=user,
        encoding=encoding, standby=standby, wal_level=level, keep_mb=-1 if keep is None else keep,
        slots_most=most, slots_used=used, may_replicate=may,
        encrypted=bool(connection.pgconn.ssl_in_use),
        remote=not host.startswith("/") and host not in ("localhost", "127.0.0.1", "::1"),
        leaves_out={
            name: tuple([word for word, on in zip(_VERBS, row, strict=True) if not on])
            for name, *row in publications
        },
        tables=[TableFacts(name=name, identity=identity, key=key)
                for name, identity, key in tables],
        now=now, slot=slot,
        behind_bytes=max(0, at - lsn_of(slot.confirmed)) if slot and slot.confirmed else 0,
        held_bytes=max(0, at - lsn_of(slot.restart)) if slot and slot.restart else 0,
    )


_VERBS: Final = ("insert", "update", "delete", "truncate")


async def key_columns(connection: Connection, oid: int) -> tuple[str, ...]:
    """The columns of a table's primary key as it is now; none where it has none."""
    row = await (await connection.execute(_KEY, (oid,))).fetchone()
    return tuple(row[0]) if row is not None and row[0] else ()


async def check(options: Options, secret: bytes) -> list[Finding]:
    """Connect, ask and judge; raises `Unreachable`."""
    async with connected(options, secret) as connection:
        return findings(await facts_of(connection, options), options)
