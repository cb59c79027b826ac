"""A database that is captured: by a ledger that is served, or by a reader in this process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.postgres_capture import capture
from indelible.ingest.sources import SourceSettings
from support import shipping
from support.hub import MemoryHub
from support.postgres import PASSWORD, Postgres
from support.senders import block, eventually
from support.served import Place, Server

PAGE = "postgres_capture"


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
        """Its state and how far it was read; nothing before it is begun."""
        return self.postgres.sql(
            "SELECT wal_status, confirmed_flush_lsn::text FROM pg_replication_slots"
            " WHERE slot_name = 'indelible' AND confirmed_flush_lsn IS NOT NULL"
        )

    def log(self) -> str:
        """The end of what the server said."""
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
    """The statements of a block of the page."""
    return [one for one in (part.strip() for part in text.split(";")) if one]


def count(server: Server, what: str = "stored") -> int:
    """A count of the source `shop`."""
    try:
        with server.client("auditor") as client:
            found = client.get("/v1/sources").json()["sources"]
    except httpx2.HTTPError:
        return -1
    return next((int(one[what]) for one in found if one["id"] == "shop"), 0)


def events(server: Server) -> list[dict[str, Any]]:
    """The stored events of the source `shop`, in the order of the log."""
    return shipping.events(server, "source:shop")


def stored(server: Server, shop: Shop, most: int, seconds: float = 90) -> None:
    """Wait until `most` events are there; no more may come."""
    eventually(lambda: count(server) >= most, seconds, why=shop.log())
    assert count(server) == most, (count(server), shop.log())


def told(event: dict[str, Any]) -> dict[str, tuple[object, object]]:
    """What changed: of each column the value before and after."""
    changes = event.get("changes", [])
    return {one["path"]: (one.get("before"), one.get("after")) for one in changes}


def row(event: dict[str, Any]) -> str:
    """The row an event is of."""
    return next(one["id"] for one in event["targets"] if one["type"] == "postgresql_row")


class Watching(MemoryHub):
    """A hub that knows the password, and what was kept when its source is begun again."""

    def __init__(self, settings: SourceSettings) -> None:
        super().__init__(settings, secret=PASSWORD.encode())

    def again(self) -> Configured:
        """The source as a restarted collector is handed it, in an event loop of its own."""
        self.open, self.grown = asyncio.Event(), asyncio.Condition()
        self.open.set()
        [one] = self.configured
        kept = self.positions.get((one.settings.id, one.settings.tenant), {})
        return msgspec.structs.replace(one, positions=kept)


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
