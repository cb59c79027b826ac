"""Capture from a PostgreSQL that is set up as the page says; of any other it says what it lacks."""

from __future__ import annotations

import json
from pathlib import Path

from support.authority import Authority
from support.postgres import Postgres, needs_postgres
from support.senders import block, eventually
from support.served import Server
from support.shop import PAGE, Shop, events, make_tables, row, statements, stored, told

pytestmark = needs_postgres


def test_a_database_set_up_as_the_page_says_is_captured_with_the_person(tmp_path: Path) -> None:
    with Postgres(wal_level="replica", max_slot_wal_keep_size="-1") as postgres:
        shop = Shop(tmp_path, postgres)
        postgres.sql("DROP ROLE indelible")
        said = shop.add()
        assert "could not be checked from here" in said, "the role is not there yet"
        postgres.sql(*statements(block(PAGE, "postgres-role")))
        postgres.sql("CREATE TABLE account (id int PRIMARY KEY)")
        said = shop.add("--replace")
        for remedy in (
            "ALTER SYSTEM SET wal_level = 'logical'", "CREATE PUBLICATION",
            "ALTER SYSTEM SET max_slot_wal_keep_size",
        ):
            assert remedy in said
        postgres.sql("DROP TABLE account")
        lines = (postgres.folder / "data" / "postgresql.conf").read_text().splitlines()
        kept = [one for one in lines if not one.startswith(("wal_level", "max_slot"))]
        (postgres.folder / "data" / "postgresql.conf").write_text("\n".join([*kept, ""]))
        postgres.sql(*statements(block(PAGE, "postgres-server")))
        postgres.stop()
        postgres.start()
        make_tables(postgres)
        said = shop.add("--replace")
        assert "set up as it should be" in said
        with Server(shop.place) as server:
            shop.begun()
            with postgres.connect() as connection, connection.transaction():
                connection.execute(block(PAGE, "postgres-person"))
                connection.execute("INSERT INTO account VALUES (7, 'a@example.org', 1.50)")
                connection.execute("UPDATE account SET balance = 2.50 WHERE id = 7")
            postgres.sql("DELETE FROM account")
            stored(server, shop, 3)
            inserted, updated, deleted = events(server)
    assert inserted["actor"] == {"type": "user", "id": "jsmith"}
    assert inserted["origin"] == {"request_id": "r-4711"}
    assert inserted["why"] == {"ticket": "HR-1204"}
    assert inserted["action"] == "postgresql.row.insert"
    assert inserted["via"]["protocol"] == "postgres"
    assert inserted["via"]["parser"] == "pgoutput/1"
    assert row(inserted) == "postgres.public.account/7"
    assert told(updated) == {"balance": (1.5, 2.5)}
    assert updated["actor"]["id"] == "jsmith"
    assert deleted["actor"] == {"type": "system", "id": "postgres"}
    assert deleted["flags"] == ["guessed"]
    assert told(deleted)["email"] == ("a@example.org", None)


def test_what_is_not_set_up_is_said_and_nothing_is_captured(shop: Shop) -> None:
    shop.postgres.sql("ALTER ROLE indelible NOREPLICATION")
    try:
        with Server(shop.place):
            eventually(lambda: "may not read replication slots" in shop.log())
        checked = shop.place.cli(
            "source", "check", "shop", "--data", str(shop.place.data), "--secret-file",
            str(shop.secret), "--json", check=False,
        )
    finally:
        shop.postgres.sql("ALTER ROLE indelible REPLICATION")
    document = json.loads(checked.stdout)
    assert checked.returncode == 3
    assert document["ready"] is False
    errors = [one for one in document["findings"] if one["level"] == "error"]
    assert [one["about"] for one in errors] == ["role"]
    assert errors[0]["remedy"].startswith('ALTER ROLE "indelible" REPLICATION')


def test_changes_come_over_tls_as_the_dsn_demands(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.issue("server")
    with Postgres() as postgres:
        postgres.file("server.pem", (tmp_path / "server.pem").read_bytes())
        postgres.file("server.key", (tmp_path / "server.key").read_bytes())
        files = {"ssl_cert_file": "server.pem", "ssl_key_file": "server.key"}
        postgres.configure(ssl="on", **{k: str(postgres.folder / v) for k, v in files.items()})
        postgres.stop()
        postgres.start()
        make_tables(postgres)
        shop = Shop(tmp_path, postgres)
        dsn = f"{postgres.dsn()} sslmode=verify-ca sslrootcert={authority.path}"
        assert "set up as it should be" in shop.add("--option", f"dsn={dsn}")
        with Server(shop.place) as server:
            shop.begun()
            postgres.sql("INSERT INTO account VALUES (1)")
            stored(server, shop, 1)
            [event] = events(server)
    assert event["via"]["tls"] == "server"
    assert event["via"]["peer"] == "127.0.0.1"


def test_a_wrong_password_is_said(shop: Shop) -> None:
    shop.secret.write_text("wrong")
    said = shop.add("--replace")
    assert "could not be checked from here" in said
    with Server(shop.place):
        eventually(lambda: "does not let Indelible in" in shop.log())
        assert "let me in" not in shop.log()


def test_a_password_in_the_dsn_is_refused(shop: Shop) -> None:
    done = shop.add("--replace", "--option", "dsn=host=x dbname=y user=z password=q", check=False)
    assert "--secret-file" in done
    assert "dsn holds password" in done
