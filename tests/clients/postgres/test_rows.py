"""What changes of a real PostgreSQL become: rows, transactions, people, values of every type."""

from __future__ import annotations

import asyncio
import json
import threading
from hashlib import sha256
from pathlib import Path

from indelible.ingest.sources import SourceSettings
from support.postgres import Postgres, needs_postgres
from support.served import Server
from support.shop import Shop, Watching, captured, events, row, stored, told

pytestmark = needs_postgres

LONG = "".join(sha256(b"%d" % n).hexdigest() for n in range(300))
"""It does not compress, so that PostgreSQL keeps it out of line."""


def test_rows_of_every_kind(shop: Shop) -> None:
    run = shop.postgres.sql
    with Server(shop.place) as server:
        shop.begun()
        run(
            f"INSERT INTO account VALUES (1, 'a', 1, true, '{{\"a\": [1, 2]}}', '{LONG}')",
            "UPDATE account SET email = 'b'",
            f"UPDATE account SET bio = '{LONG[::-1]}'",
            "UPDATE account SET bio = NULL, balance = 'NaN'",
            "UPDATE account SET id = 2",
            "ALTER TABLE account ADD COLUMN phone text DEFAULT 'none'",
            "UPDATE account SET phone = '555'",
            "ALTER TABLE account DROP COLUMN email",
            "UPDATE account SET active = false",
            "ALTER TABLE invoice REPLICA IDENTITY DEFAULT",
            "INSERT INTO invoice VALUES ('c,1', 1, 10), ('c,1', 2, 20)",
            "UPDATE invoice SET total = 11 WHERE number = 1",
            "DELETE FROM invoice WHERE number = 2",
            "TRUNCATE account, invoice RESTART IDENTITY",
        )
        stored(server, shop, 12)
        found = events(server)
    assert told(found[0])["profile"] == (None, {"a": [1, 2]})
    assert told(found[0])["bio"] == (None, LONG)
    assert told(found[1]) == {"email": ("a", "b")}
    assert found[1]["data"]["unchanged"] == ["bio"]
    assert json.loads(found[1]["raw"])["old"]["bio"] == LONG, "the old row has the long value"
    assert told(found[2]) == {"bio": (LONG, LONG[::-1])}
    assert told(found[3]) == {"bio": (LONG[::-1], None), "balance": (1, "NaN")}
    assert [one["id"] for one in found[4]["targets"]] == [
        "postgres.public.account/2", "postgres.public.account/1", "public.account"
    ]
    assert told(found[5]) == {"phone": ("none", "555")}
    assert told(found[6]) == {"active": (True, False)}
    assert row(found[7]) == "postgres.public.invoice/customer=c%2C1,number=1"
    assert told(found[9]) == {
        "customer": (None, "c,1"), "number": (None, 1), "total": (None, 11)
    }, "without the full identity nobody can say what it was before"
    assert found[9]["data"]["before"] == "unknown"
    assert told(found[10]) == {"customer": ("c,1", None), "number": (2, None)}
    assert found[11]["action"] == "postgresql.table.truncate"
    assert [one["id"] for one in found[11]["targets"]] == ["public.account", "public.invoice"]
    assert {one["outcome"] for one in found} == {"success"}


def test_what_was_rolled_back_is_in_no_event(shop: Shop) -> None:
    person = "SELECT pg_logical_emit_message(true, 'indelible', '{}')"
    with Server(shop.place) as server:
        shop.begun()
        with shop.postgres.connect() as connection:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO account VALUES (1)")
            connection.execute("ROLLBACK")
            connection.execute("BEGIN")
            connection.execute(_as(person, "jane"))
            connection.execute("INSERT INTO account VALUES (2)")
            connection.execute("SAVEPOINT one")
            connection.execute(_as(person, "mallory"))
            connection.execute("INSERT INTO account VALUES (3)")
            connection.execute("ROLLBACK TO one")
            connection.execute("INSERT INTO account VALUES (4)")
            connection.execute("SAVEPOINT two")
            connection.execute("INSERT INTO account VALUES (5)")
            connection.execute("RELEASE two")
            connection.execute("COMMIT")
        stored(server, shop, 3)
        found = events(server)
    assert [row(one).rpartition("/")[2] for one in found] == ["2", "4", "5"]
    assert {one["actor"]["id"] for one in found} == {"jane"}, "a person is rolled back, too"


def _as(statement: str, name: str) -> str:
    return statement.replace("{}", json.dumps({"actor": {"type": "user", "id": name}}))


def test_concurrent_transactions_keep_their_people_apart(shop: Shop) -> None:
    people, rows = 6, 30

    def work(person: int) -> None:
        with shop.postgres.connect() as connection:
            for number in range(rows):
                with connection.transaction():
                    said = json.dumps({"actor": {"type": "user", "id": f"p{person}"}})
                    connection.execute(
                        "SELECT pg_logical_emit_message(true, 'indelible', %s)", (said,)
                    )
                    for half in (0, 1):
                        connection.execute(
                            "INSERT INTO account VALUES (%s, %s)",
                            (person * 10_000 + number * 2 + half, f"p{person}"),
                        )

    with Server(shop.place) as server:
        shop.begun()
        threads = [threading.Thread(target=work, args=(one,)) for one in range(people)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stored(server, shop, people * rows * 2)
        found = events(server)
    for event in found:
        assert event["actor"]["id"] == told(event)["email"][1]


def test_a_change_too_large_to_be_taken_is_told_in_part(
    database: Postgres, watching: Watching
) -> None:
    database.sql(
        "SELECT pg_create_logical_replication_slot('indelible', 'pgoutput')",
        "INSERT INTO account VALUES (1, 'a', 1, true, NULL, repeat('x', 20000000))",
        "UPDATE account SET email = 'b'",
    )
    asyncio.run(captured(watching, 2))
    inserted, updated = watching.contents
    assert inserted["flags"] == ["guessed", "truncated"]
    assert json.loads(inserted["raw"])["cut"] == ["bio"]
    assert told(inserted)["email"] == (None, "a")
    assert updated["flags"] == ["guessed", "truncated"]
    assert row(updated).endswith("/1"), "the row is known, what changed is behind the cut"


def test_values_keep_their_meaning_whatever_their_type(
    database: Postgres, watching: Watching
) -> None:
    types = {
        "uuid": ("'6f1c3a2e-0000-4000-8000-000000000001'", "6f1c3a2e-0000-4000-8000-000000000001"),
        "mood": ("'happy'", "happy"), "int[]": ("'{1,NULL}'", "{1,NULL}"),
        "inet": ("'10.0.0.1/24'", "10.0.0.1/24"), "interval": ("'1 day 02:03'", "P1DT2H3M"),
        "money": ("'12.34'", "$12.34"), "bytea": (r"'\x00ff'", "\\x00ff"),
        "timestamp": ("'2026-05-01 10:00'", "2026-05-01T10:00:00"),
        "timestamptz": ("'2026-05-01 10:00+02'", "2026-05-01T08:00:00Z"),
        "date": ("'0044-03-15 BC'", "0044-03-15 BC"), "float8": ("1e300", 1e300),
        "real": ("'-infinity'", "-Infinity"), "int4range": ("'[1,5)'", "[1,5)"),
        "json": ("""'{"b": 1,  "a": 2}'""", {"b": 1, "a": 2}), "oid": ("42", 42),
        "numeric": ("12345678901234567890.5", 12345678901234567890.5), "boolean": ("false", False),
    }
    columns = ", ".join(f'"{name}.x" {name}' for name in types)
    database.sql(
        "CREATE TYPE mood AS ENUM ('sad', 'happy')", f"CREATE TABLE kinds ({columns})",
        "ALTER PUBLICATION indelible ADD TABLE kinds",
        "SELECT pg_create_logical_replication_slot('indelible', 'pgoutput')",
        f"INSERT INTO kinds VALUES ({', '.join(sql for sql, _ in types.values())})",
    )
    asyncio.run(captured(watching, 1))
    found = told(watching.contents[0])
    for name, (_, value) in types.items():
        assert found[f"{name}\\.x"] == (None, value), name


def test_rows_of_partitions_and_of_prepared_transactions(tmp_path: Path) -> None:
    with Postgres(max_prepared_transactions="5") as postgres:
        postgres.sql(
            "CREATE TABLE part (id int, k text, PRIMARY KEY (id, k)) PARTITION BY LIST (k)",
            "CREATE TABLE part_a PARTITION OF part FOR VALUES IN ('a')",
            "CREATE PUBLICATION indelible FOR ALL TABLES WITH (publish_via_partition_root)",
            "SELECT pg_create_logical_replication_slot('indelible', 'pgoutput')",
        )
        with postgres.connect() as connection:
            connection.execute("BEGIN")
            connection.execute("INSERT INTO part VALUES (1, 'a')")
            connection.execute("PREPARE TRANSACTION 'one'")
            connection.execute("CREATE TABLE later (id int PRIMARY KEY)")
            connection.execute("INSERT INTO later VALUES (2)")
            connection.execute("COMMIT PREPARED 'one'")
        options = {"dsn": postgres.dsn(), "publication": "indelible"}
        hub = Watching(SourceSettings(id="shop", protocol="postgres", options=options))
        asyncio.run(captured(hub, 2))
    assert [row(one) for one in hub.contents] == [
        "postgres.public.later/2", "postgres.public.part/id=1,k=a"
    ]
