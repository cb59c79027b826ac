"""Each change of a real PostgreSQL once, whatever is killed or stopped meanwhile."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import threading
from collections import Counter
from pathlib import Path

import psycopg
import pytest

from indelible.ingest.protocols import postgres_capture_look
from indelible.ingest.protocols.postgres_capture import capture
from indelible.ingest.protocols.postgres_capture_slot import kept_of
from support.postgres import Postgres, needs_postgres
from support.senders import eventually
from support.served import Server
from support.shop import Shop, Watching, captured, count, events, row, stored

pytestmark = needs_postgres


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
