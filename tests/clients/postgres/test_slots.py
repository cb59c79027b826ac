"""Slots of a real PostgreSQL: what they hold back is let go, and one that was lost is a gap."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.postgres import Postgres, needs_postgres
from support.senders import eventually
from support.served import Server
from support.shop import Shop, Watching, captured, count, events, make_tables, row, stored

pytestmark = needs_postgres


def test_a_slot_that_is_not_read_lets_the_log_of_other_databases_go(shop: Shop) -> None:
    postgres = shop.postgres
    postgres.sql("CREATE TABLE unpublished (text text)")
    with Server(shop.place):
        shop.begun()
        before = shop.slot()[0][1]
        postgres.sql(
            "INSERT INTO unpublished SELECT repeat('x', 1000) FROM generate_series(1, 3000)"
        )
        eventually(lambda: shop.slot()[0][1] != before, why=shop.log())


def test_a_slot_that_was_lost_is_a_gap_on_record_and_capturing_goes_on(tmp_path: Path) -> None:
    settings = {"max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "32MB"}
    with Postgres(**settings) as postgres:
        shop = Shop(tmp_path, postgres)
        make_tables(postgres)
        shop.add()
        server = Server(shop.place)
        with server:
            shop.begun()
            postgres.sql("INSERT INTO account VALUES (1)")
            stored(server, shop, 1)
        postgres.sql("INSERT INTO account VALUES (2)")
        for _ in range(6):
            postgres.sql("SELECT pg_switch_wal()", "CREATE TABLE t AS SELECT 1", "DROP TABLE t",
                         "CHECKPOINT")
        status = postgres.sql("SELECT wal_status FROM pg_replication_slots")
        assert status == [("lost",)]
        with server:
            eventually(lambda: count(server) >= 2, why=shop.log())
            postgres.sql("INSERT INTO account VALUES (3)")
            stored(server, shop, 3)
            first, gap, last = events(server)
    assert row(first).endswith("/1")
    assert row(last).endswith("/3")
    assert gap["action"] == "postgresql.slot.lose"
    assert gap["reason"]["code"] == "slot_lost"
    assert gap["severity"] == "high"
    assert gap["data"]["first_lsn"] < gap["data"]["last_lsn"]


@pytest.mark.parametrize("how", ["dropped", "moved"])
def test_a_slot_that_somebody_else_handled_is_a_gap_on_record(shop: Shop, how: str) -> None:
    postgres = shop.postgres
    server = Server(shop.place)
    with server:
        shop.begun()
        postgres.sql("INSERT INTO account VALUES (1)")
        stored(server, shop, 1)
    if how == "dropped":
        postgres.sql("SELECT pg_drop_replication_slot('indelible')",
                     "INSERT INTO account VALUES (2)")
    else:
        postgres.sql(
            "INSERT INTO account VALUES (2)",
            "SELECT pg_replication_slot_advance('indelible', pg_current_wal_lsn())",
        )
    with server:
        eventually(lambda: count(server) >= 2, why=shop.log())
        postgres.sql("INSERT INTO account VALUES (3)")
        stored(server, shop, 3)
        gap = events(server)[1]
    assert gap["reason"]["code"] == {"dropped": "slot_missing", "moved": "slot_moved"}[how]


def test_how_far_behind_a_slot_is_is_shown_with_what_is_to_be_mended(
    database: Postgres, watching: Watching
) -> None:
    database.sql(
        "SELECT pg_create_logical_replication_slot('indelible', 'pgoutput')",
        "ALTER TABLE account REPLICA IDENTITY DEFAULT",
        "SELECT pg_logical_emit_message(false, 'indelible', '{}')",
        "INSERT INTO account VALUES (1)",
    )
    asyncio.run(captured(watching, 1))
    assert watching.shown["slot"] == "indelible: reserved"
    assert watching.shown["behind"].endswith("bytes of its log")
    assert "without REPLICA IDENTITY FULL" in watching.shown["warnings"]
    assert watching.contents[0]["flags"] == ["guessed"]


def test_a_gap_is_told_to_whoever_keeps_gaps_on_record(
    database: Postgres, watching: Watching
) -> None:
    database.sql("SELECT pg_create_logical_replication_slot('indelible', 'pgoutput')",
                "INSERT INTO account VALUES (1)")
    asyncio.run(captured(watching, 1))
    database.sql("SELECT pg_drop_replication_slot('indelible')")
    asyncio.run(captured(watching, 2))
    [(boot, first, last)] = watching.gaps
    assert boot.startswith("postgres/")
    assert 0 < first < last
    assert watching.contents[1]["reason"]["code"] == "slot_missing"


def test_two_readers_of_one_slot_do_not_lose_anything_in_silence(
    database: Postgres, watching: Watching
) -> None:
    database.sql("SELECT pg_create_logical_replication_slot('indelible', 'pgoutput')",
                "INSERT INTO account VALUES (1)")
    asyncio.run(captured(watching, 1))
    database.sql("INSERT INTO account VALUES (2)")
    other = Watching(watching.configured[0].settings)
    asyncio.run(captured(other, 1))
    database.sql("INSERT INTO account VALUES (3)")
    asyncio.run(captured(watching, 3))
    assert watching.contents[1]["reason"]["code"] == "slot_moved"
