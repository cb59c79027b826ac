"""Change capture from a real PostgreSQL: each change once, whatever is killed meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import psycopg
import pytest

from indelible.ingest.protocols import postgres_capture_look
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.postgres_capture import capture
from indelible.ingest.protocols.postgres_capture_slot import kept_of
from indelible.ingest.sources import SourceSettings
from support.authority import Authority
from support.hub import MemoryHub
from support.postgres import PASSWORD, Postgres, needs_postgres
from support.senders import block, eventually
from support.served import Place, Server

pytestmark = needs_postgres
PAGE = "postgres_capture"
LONG = "".join(sha256(b"%d" % n).hexdigest() for n in range(300))
"""It does not compress, so that PostgreSQL keeps it out of line."""


class Shop:
    """A ledger that captures a database."""

    def __init__(self, root: Path, postgres: Postgres) -> None:
        self.root, self.postgres = root, postgres
        self.place = Place(root).init()
        self.secret = root / "shop.password"
        self.secret.write_text(f"{PASSWORD}\n")

    def add(self, *more: str, check: bool = True) -> str:
        """Register the source; what the command says."""
        done = self.place.cli(
            "source", "add", "shop", "--data", str(self.place.data), "--protocol", "postgres",
            "--option", f"dsn={self.postgres.dsn()}", "--option", "publication=indelible",
            "--secret-file", str(self.secret), *more, check=check,
        )
        return (done.stdout + done.stderr).decode()

    def begun(self) -> None:
        """Wait until the slot is there: changes from now on are captured."""
        eventually(lambda: bool(self.slot()), why=self.log())

    def slot(self) -> list[tuple[Any, ...]]:
        return self.postgres.sql(
            "SELECT wal_status, confirmed_flush_lsn::text FROM pg_replication_slots"
            " WHERE slot_name = 'indelible' AND confirmed_flush_lsn IS NOT NULL"
        )

    def log(self) -> str:
        return (self.root / "serve.log").read_text()[-3000:]


def make_tables(postgres: Postgres) -> None:
    """Tables, and what the page says of publication and identity."""
    postgres.sql(
        "CREATE TABLE account (id bigint PRIMARY KEY, email text, balance numeric(12,2),"
        " active boolean DEFAULT true, profile jsonb, bio text)",
        "CREATE TABLE invoice (customer text, number int, total numeric, PRIMARY KEY"
        " (customer, number))",
        *statements(block(PAGE, "postgres-publication")),
    )


def statements(text: str) -> list[str]:
    return [one for one in (part.strip() for part in text.split(";")) if one]


def count(server: Server, what: str = "stored") -> int:
    """A count of the source `shop`."""
    try:
        with server.client("auditor") as client:
            found = client.get("/v1/sources").json()["sources"]
    except httpx2.HTTPError:
        return -1
    return next((int(one[what]) for one in found if one["id"] == "shop"), 0)


def events(server: Server, query: str = "source:shop") -> list[dict[str, Any]]:
    """The stored events of a search, in the order of the log."""
    with server.client("reader") as client:
        answer = client.get("/v1/export", params={"q": query, "format": "ndjson"})
        assert answer.status_code == 200, answer.text
        found = [json.loads(line) for line in answer.text.splitlines()]
    return [one.get("event", one) for one in found]


def stored(server: Server, shop: Shop, most: int, seconds: float = 90) -> None:
    """Wait until `most` events are there; no more may come."""
    eventually(lambda: count(server) >= most, seconds, why=shop.log())
    assert count(server) == most, (count(server), shop.log())


def told(event: dict[str, Any]) -> dict[str, tuple[object, object]]:
    changes = event.get("changes", [])
    return {one["path"]: (one.get("before"), one.get("after")) for one in changes}


def row(event: dict[str, Any]) -> str:
    return next(one["id"] for one in event["targets"] if one["type"] == "postgresql_row")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    with Postgres() as postgres:
        yield postgres


@pytest.fixture
def database(cluster: Postgres) -> Iterator[Postgres]:
    """The cluster with the tables and the publication of the page, removed afterwards."""
    make_tables(cluster)
    yield cluster
    eventually(lambda: not cluster.sql("SELECT FROM pg_replication_slots WHERE active"))
    cluster.sql(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots",
        "DROP PUBLICATION IF EXISTS indelible",
        "DROP SCHEMA public CASCADE", "CREATE SCHEMA public",
    )


@pytest.fixture
def shop(tmp_path: Path, database: Postgres) -> Shop:
    found = Shop(tmp_path, database)
    found.add()
    return found


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


def test_bulk_changes_and_a_big_transaction_whose_reader_is_killed(shop: Shop) -> None:
    big = 200_000
    with Server(shop.place) as server:
        shop.begun()
        shop.postgres.sql(
            "INSERT INTO account SELECT g, 'a' || g, g FROM generate_series(1, 10000) g",
            "UPDATE account SET balance = balance + 1",
            f"INSERT INTO invoice SELECT 'c', g, g FROM generate_series(1, {big}) g",
            "TRUNCATE invoice",
        )
        eventually(lambda: count(server) > 60_000, 120, why=shop.log())
        memory = max(_peak_mb(pid) for pid in server.pids("collector"))
        [pid] = server.pids("collector")
        os.kill(pid, signal.SIGKILL)
        stored(server, shop, 20_001 + big, seconds=240)
        memory = max(memory, *(_peak_mb(pid) for pid in server.pids("collector")))
        with server.client("reader") as client:
            answer = client.get(
                "/v1/search/facets", params={"q": "source:shop", "field": "action"}
            ).text
        assert count(server, "conflicts") == 0
    assert memory < 400, f"the collector held {memory:.0f} MB"
    for verb, number in (("insert", 10_000 + big), ("update", 10_000)):
        assert re.search(rf'"postgresql.row.{verb}","count":{number}\b', answer), answer


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def test_every_change_is_stored_once_whoever_is_killed(shop: Shop) -> None:
    """Small and large transactions while collector, ledger and database server die in turn."""
    postgres = shop.postgres
    postgres.configure(fsync="on")
    postgres.stop()
    postgres.start()
    server = Server(shop.place)
    done = threading.Event()
    written: list[str] = []

    def write() -> None:
        number = 0
        while not done.is_set():
            number += 1
            size = 3_000 if number % 10 == 0 else 40
            name = f"t{number}"
            try:
                with postgres.connect() as connection, connection.transaction():
                    connection.execute(
                        f"INSERT INTO invoice SELECT '{name}', g, {size}"
                        f" FROM generate_series(1, {size}) g"
                    )
            except psycopg.Error:  # the server is away: the table says what became of it
                done.wait(0.3)

    with server:
        shop.begun()
        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(3):
            before = count(server)
            eventually(lambda before=before: count(server) > before, why=shop.log())
            [pid] = server.pids("collector")
            os.kill(pid, signal.SIGKILL)
        before = count(server)
        eventually(lambda: count(server) > before, why=shop.log())
        postgres.stop("immediate")
        postgres.start()
        before = count(server)
        eventually(lambda: count(server) > before, why=shop.log())
        server.kill()
    with server:
        before = count(server)
        eventually(lambda: count(server) > before, why=shop.log())
        postgres.stop("fast")
        postgres.start()
        before = count(server)
        eventually(lambda: count(server) > before, why=shop.log())
        done.set()
        writer.join()
        rows = postgres.sql("SELECT customer, number FROM invoice")
        written += [f"postgres.public.invoice/customer={name},number={n}" for name, n in rows]
        eventually(lambda: count(server) >= len(written), 120, why=shop.log())
        found = Counter(row(event) for event in events(server))
        assert count(server, "conflicts") == 0
    assert len(written) > 5_000
    assert found == Counter(written), "every committed change once, and nothing else"
    assert "slot.lose" not in shop.log()


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


class Watching(MemoryHub):
    """A hub that also shows figures and puts gaps on record."""

    def __init__(self, settings: SourceSettings) -> None:
        super().__init__(settings, secret=PASSWORD.encode())
        self.shown: dict[str, str] = {}
        self.gaps: list[tuple[str, int, int]] = []

    async def gap(self, settings: SourceSettings, boot: str, first: int, last: int) -> None:
        self.gaps.append((boot, first, last))

    def figures(self, settings: SourceSettings, figures: Mapping[str, str]) -> None:
        self.shown = dict(figures)

    def again(self) -> Configured:
        """The source as a restarted collector is handed it, in an event loop of its own."""
        self.open, self.grown = asyncio.Event(), asyncio.Condition()
        self.open.set()
        [one] = self.configured
        kept = self.positions.get((one.settings.id, one.settings.tenant), {})
        return msgspec.structs.replace(one, positions=kept)


@pytest.fixture
def watching(database: Postgres) -> Watching:
    options = {"dsn": database.dsn(), "publication": "indelible"}
    return Watching(SourceSettings(id="shop", protocol="postgres", options=options))


async def captured(hub: Watching, count: int) -> None:
    """Capture until so many events are there and their position is kept."""
    work = asyncio.ensure_future(capture(hub, hub.again()))
    try:
        waiting = asyncio.ensure_future(hub.wait_for(count))
        await asyncio.wait((work, waiting), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
        async with asyncio.timeout(20):
            while not hub.positions or "behind" not in hub.shown:
                await asyncio.sleep(0.05)
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


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


def test_a_reader_that_is_stopped_in_the_middle_goes_on_where_it_was(
    database: Postgres, watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_capture_look, "CAPTURE_KEEP_SECONDS", 0.0)
    database.sql(
        "SELECT pg_create_logical_replication_slot('indelible', 'pgoutput')",
        "INSERT INTO account SELECT g FROM generate_series(1, 20000) g",
    )

    async def stopped() -> None:
        work = asyncio.ensure_future(capture(watching, watching.again()))
        await watching.wait_for(6_000)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    asyncio.run(stopped())
    kept = kept_of(watching.again())
    assert kept is not None
    assert 0 < kept.position < 20_000, "within the transaction"
    before = len(watching.submissions)
    asyncio.run(captured(watching, 20_000))
    assert len(watching.contents) == 20_000
    again = sum(len(one.events) for one in watching.submissions[before:])
    assert again <= 20_000 - kept.position, "what is durable is not sent again"


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
