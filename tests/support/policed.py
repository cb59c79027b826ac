"""A ledger under an audit policy: lives that end well or in a crash, and what they left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from indelible.app import init_ledger
from indelible.app.checking import verify_folder
from indelible.app.completeness import Completeness
from indelible.app.core import Core
from indelible.app.fscking import fsck_folder
from indelible.app.local import LocalLedger
from indelible.app.place import Place
from indelible.app.reindexing import reindex_folder
from indelible.app.rooms import LiveRooms
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.native import parse_native
from indelible.ingest.parsers.table import parser_named
from indelible.ingest.submission import Submission, SubmitResult
from indelible.server.rooms import Author, SourceView

ME = Author(type="user", id="me", name="Me")
GIVEN = Given(now_us=1_780_000_000_000_000)
DROP = '[[rule]]\nname = "health"\nwhen = "target:/healthz"\nthen = "drop"\n'
SUMMARISE = '[[rule]]\nwhen = "action:doc.read"\nthen = "summarise"\n'
STRIP = '[[rule]]\nwhen = "source:*"\nthen = "strip"\n'
HEALTH = {"target": {"type": "path", "id": "/healthz"}}
WRITE = {"action": "doc.update", "data": {"request": {"pin": 1234}, "note": "x"}}


def native(*events: dict[str, Any]) -> list[Parsed]:
    """Events of the native format; `{}` is a read of document d1 by ann."""
    lines = [
        json.dumps({
            "action": "doc.read", "actor": {"type": "user", "id": "ann"},
            "target": {"type": "doc", "id": "d1"}, "time": "2026-03-03T12:00:00Z", **event,
        })
        for event in events
    ]
    parsed, refused = parse_native("\n".join(lines).encode()) if lines else ([], [])
    assert not refused
    return parsed


def foreign(*texts: str, ids: bool = False) -> list[Parsed]:
    """Messages of JSON that nobody listed, with ids of their own or none."""
    return [
        parse_message(parser_named("json"), text.encode(), GIVEN, line=line,
                      message_id=f"m/{text}" if ids else "")
        for line, text in enumerate(texts, 1)
    ]


class Life:
    """One life of the ledger."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.rooms = LiveRooms(core, None)  # type: ignore[arg-type]  # nobody searches here

    async def rules(self, text: str, reason: str = "a test") -> int:
        """Set the audit policy; its version."""
        return (await self.rooms.set_audit_policy(text, reason, ME)).version

    async def send(
        self, events: list[Parsed], source: str = "app", rejected: int = 0, dropped: int = 0
    ) -> SubmitResult:
        """Hand in a submission."""
        return await self.rooms.submit(
            Submission(source=source, tenant="", events=events, protocol="http",
                       parser="native/1", peer="", rejected=rejected, dropped=dropped)
        )

    def view(self, source: str = "app") -> SourceView:
        """The counts of a source."""
        return next(view for view in self.rooms.sources() if view.id == source)

    def bodies(self) -> list[dict[str, Any]]:
        """Everything in the log."""
        size = self.core.ledger.tree.size
        return [json.loads(one.body) for one in self.core.ledger.reader.many(range(size))]

    def summaries(self) -> list[dict[str, Any]]:
        """Every summary in the log."""
        return [body for body in self.bodies() if "summary" in body.get("flags", ())]


class Policed:
    """The folder, and its lives."""

    def __init__(self, root: Path) -> None:
        self.data = root / "data"
        init_ledger(self.data, "test.example/log", root / "keys" / "log", root / "state")

    def live(
        self, body: Callable[[Life], Awaitable[None]], *, crash: bool = False
    ) -> None:
        """Run one life; a crash writes nothing any more."""

        async def main() -> None:
            place = Place.at(self.data)
            core = Core(place, place.open(), lambda durable: None)
            completeness = Completeness(core)
            await core.begin()
            await completeness.beat()
            try:
                await body(Life(core))
                if crash:
                    await core.sequencer.close()
                else:
                    await core.end()
            finally:
                core.close()

        asyncio.run(main())

    def check(self) -> None:
        """It is proven and whole: in the journal, sealed, and made again from bodies."""

        async def seal() -> None:
            async with LocalLedger(self.data) as ledger:
                await ledger.rooms.seal()

        for step in (lambda: None, lambda: asyncio.run(seal()), self._reindex):
            step()
            assert verify_folder(self.data).verdict == "proven"
            report = fsck_folder(self.data, columns=True, progress=lambda done, total: None)
            assert not report.problems, report.problems

    def _reindex(self) -> None:
        reindex_folder(self.data, lambda done, total: None)


def new_house(tmp_path: Path) -> Policed:
    """A fixture: a new ledger."""
    return Policed(tmp_path)


def balanced(life: Life, source: str = "app") -> int:
    """The sum of a source holds; what it received."""
    view = life.view(source)
    parts = (view.stored, view.duplicates, view.summarised, view.dropped_by_rule, view.refused,
             view.dropped)
    assert view.received == sum(parts)
    return view.received


async def nothing(_life: Life) -> None:
    """A life in which nothing is done."""
