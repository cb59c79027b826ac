"""A small ledger in this process, for tests of what keeps it: backup, restore, reindex."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from indelible.app.checking import verify_folder
from indelible.app.local import LocalLedger
from indelible.app.place import Place
from indelible.app.setup import init_ledger
from indelible.event.model import Via
from indelible.ingest.parsers.native import parse_native
from indelible.ledger.incoming import Written
from indelible.ledger.open import Ledger

ORIGIN = "test.example/log"
Steps = Callable[[LocalLedger], Awaitable[None]]


def lines(first: int, end: int) -> bytes:
    """NDJSON of events with the ids `e<first>` to `e<end - 1>`."""
    return b"\n".join(
        json.dumps(
            {
                "action": "record.update", "actor": {"type": "user", "id": f"u{at % 7}"},
                "targets": [{"type": "record", "id": f"r{at}"}], "id": f"e{at}",
                "data": {"note": "never in clear"},
            }
        ).encode()
        for at in range(first, end)
    )


async def post(
    ledger: LocalLedger, first: int, end: int, source: str = "hr", tenant: str = ""
) -> Written:
    """Write the events of `lines`."""
    parsed, refused = parse_native(lines(first, end))
    assert not refused
    registered = await ledger.core.source(source, tenant)
    return await ledger.core.write(registered, Via(protocol="http", parser="native/1"), parsed)


class Kept:
    """A ledger with its folders below `root`."""

    def __init__(self, root: Path, origin: str = ORIGIN) -> None:
        self.root, self.data = root, root / "data"
        self.keys, self.state = root / "keys", root / "state"
        init_ledger(self.data, origin, self.keys, self.state)

    @property
    def place(self) -> Place:
        """The folder as the product sees it."""
        return Place.at(self.data)

    def run(self, steps: Steps) -> None:
        """Open the ledger, do `steps`, close it."""
        asyncio.run(_run(self.data, steps))

    def filled(self) -> Kept:
        """1,500 events sealed in two segments, 300 in the journal."""

        async def steps(ledger: LocalLedger) -> None:
            await post(ledger, 0, 1000)
            await ledger.rooms.seal()
            await post(ledger, 1000, 1500)
            await ledger.rooms.seal()
            await post(ledger, 1500, 1800)

        self.run(steps)
        return self

    def bare(self) -> Ledger:
        """The open ledger without the records of a start and a stop."""
        return self.place.open()

    def lose_data(self) -> None:
        """The disk with the data folder is gone."""
        shutil.rmtree(self.data)


async def _run(data: Path, steps: Steps) -> None:
    async with LocalLedger(data) as ledger:
        await steps(ledger)


def verdict(data: Path) -> tuple[str, int]:
    """Verdict and exit code of `verify`."""
    report = verify_folder(data)
    return report.verdict, report.exit


def bodies(data: Path) -> list[bytes]:
    """Every body, from evidence and journal."""
    ledger = Place.at(data).open()
    try:
        return [body for _, found, _ in ledger.reader.spans(0, ledger.tree.size) for body in found]
    finally:
        ledger.close()
