"""Change capture from PostgreSQL: what the rows of a database were before and after, row by row.

A logical replication slot is read through plain SQL: `pg_logical_slot_peek_binary_changes` gives
changes without forgetting them; when their events are durable, `pg_replication_slot_advance` lets
the server forget. The order is deliver, keep the position, advance. A crash between any two of them
only reads again what has ids, so each change is stored exactly once.

Nothing is skipped in silence. Where the slot is lost, gone, or was moved by somebody else, the
changes between what was read and where reading goes on are told as a gap: an event with both
positions, and `Hub.gap`.

The stream of a look is consumed as it comes (COPY), so memory holds a few batches, whatever the
size of a transaction. The server spools a look on its disk; looking again costs it reading its log
from the slot's `restart_lsn` on, so looks grow and rest as they get slow.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import msgspec

from indelible.base.errors import IndelibleError, Unreachable
from indelible.base.limits import (
    CAPTURE_CHANGES,
    CAPTURE_CHANGES_MOST,
    CAPTURE_IDLE_BYTES,
    CAPTURE_REST_MOST_SECONDS,
    CAPTURE_SECONDS,
    CAPTURE_SHARE,
)
from indelible.ingest.parsed import Parsed
from indelible.ingest.protocols.findings import ERROR, WARNING, Finding
from indelible.ingest.protocols.hub import Configured, Hub
from indelible.ingest.protocols.pgoutput import lsn_of, lsn_text
from indelible.ingest.protocols.postgres_capture_checks import SlotFacts, findings
from indelible.ingest.protocols.postgres_capture_events import VERSION, At, Place, Translator
from indelible.ingest.protocols.postgres_capture_facts import connected, facts_of, slot_of, told
from indelible.ingest.protocols.postgres_capture_look import Look, Looked
from indelible.ingest.protocols.postgres_capture_settings import Options, driver, options_of
from indelible.ingest.protocols.postgres_capture_slot import (
    Hole,
    Kept,
    hole_event,
    judged,
    kept_of,
    positions_of,
)
from indelible.ingest.submission import Submission

if TYPE_CHECKING:
    from indelible.ingest.protocols.postgres_capture_facts import Connection


_log = logging.getLogger(__name__)
_OUTSIDE = "pg_logical_emit_message(false, 'indelible', ...) names nobody: call it with true"


async def capture(hub: Hub, configured: Configured) -> None:
    """Capture one source until cancelled; raises `IndelibleError` when it cannot go on."""
    options = options_of(configured.settings.options)
    psycopg = driver()
    try:
        async with connected(options, configured.secret) as asking:
            async with connected(options, configured.secret) as reading:
                await _Capture(hub, configured, options, asking, reading).run()
    except psycopg.OperationalError as error:
        raise Unreachable(
            f"PostgreSQL: {told(error)}", remedy="It is tried again; see the server's own log."
        ) from error
    except psycopg.Error as error:
        raise IndelibleError(
            f"PostgreSQL: {told(error)}{_hint(error, options)}",
            remedy="Run `indelible source check NAME`.",
        ) from error


def _hint(error: Exception, options: Options) -> str:
    """What a known error of the server really means."""
    if "publication" in str(error) and getattr(error, "sqlstate", "") == "42704":
        return (
            " (the slot is older than the publication, which did not exist when these changes were"
            f" made: SELECT pg_drop_replication_slot('{options.slot}'), and a new one is made)"
        )
    return ""


class _Capture:
    """One source over two sessions: one reads, the other asks and moves the slot."""

    def __init__(
        self, hub: Hub, configured: Configured, options: Options, asking: Connection,
        reading: Connection,
    ) -> None:
        self._hub, self._settings, self._options = hub, configured.settings, options
        self._asking, self._reading = asking, reading
        self._kept = kept_of(configured)
        self._place = Place("", "")
        self._here = Kept("", "", "", 0, 0)
        self._peer = asking.info.hostaddr or asking.info.host
        self._tls = "server" if asking.pgconn.ssl_in_use else ""
        self._changes = CAPTURE_CHANGES
        self._warnings: list[Finding] = []
        self._outside = 0

    async def run(self) -> None:
        """Check once, then look again and again."""
        facts = await facts_of(self._asking, self._options)
        found = findings(facts, self._options)
        errors = [one for one in found if one.level == ERROR]
        if errors:
            text = "; ".join([f"{one.text}. {one.remedy}".strip() for one in errors])
            raise IndelibleError(text, remedy="Run `indelible source check NAME`.")
        self._warnings = [one for one in found if one.level == WARNING]
        for one in self._warnings:
            _log.warning("source %s: %s", self._settings.id, one.text)
        while True:
            rest = await self._look()
            await asyncio.sleep(rest)

    async def _look(self) -> float:
        """Look once; how long to rest then."""
        server, timeline, now, slot = await slot_of(self._asking, self._options.slot)
        self._place = Place(server, self._asking.info.dbname)
        self._here = Kept(server, timeline, ",".join(self._options.publications), 0, 0)
        verdict = judged(self._kept, self._here, slot)
        confirmed = lsn_of(slot.confirmed) if slot is not None and slot.confirmed else 0
        if verdict.make:
            confirmed = await self._make(verdict.drop)
        if verdict.hole is not None:
            await self._tell(verdict.hole, confirmed)
        if self._kept is None or verdict.make or verdict.hole is not None:
            await self._keep(At(confirmed, 0))
        else:
            self._figures(now, slot)
        looked = await self._read(verdict.after)
        end = max(looked.end, lsn_of(now)) if looked.whole else looked.end
        if end > confirmed and (looked.events or end - confirmed >= CAPTURE_IDLE_BYTES):
            await self._keep(At(end, 0))
            await self._advance(end)
        return self._pace(looked)

    async def _read(self, after: At) -> Looked:
        translator = Translator(self._place, after)
        look = Look(self._asking, translator, self._deliver, self._keep)
        looked = await look.run(self._reading, self._options, self._changes)
        if translator.outside and not self._outside:
            _log.warning("source %s: %s", self._settings.id, _OUTSIDE)
        self._outside += translator.outside
        return looked

    def _pace(self, looked: Looked) -> float:
        """Rest in proportion to what a look costs the server; ask for more where it costs much."""
        if looked.whole:
            rest = max(CAPTURE_SECONDS, CAPTURE_SHARE * looked.began)
            return min(rest, CAPTURE_REST_MOST_SECONDS)
        if CAPTURE_SHARE * looked.began > looked.lasted:
            self._changes = min(2 * self._changes, CAPTURE_CHANGES_MOST)
        return 0.0

    # --- the ledger

    async def _deliver(self, events: list[Parsed]) -> object:
        return await self._hub.deliver(
            Submission(
                source=self._settings.id, tenant=self._settings.tenant, events=events,
                protocol="postgres", parser=VERSION, peer=self._peer, tls=self._tls,
            )
        )

    async def _keep(self, at: At) -> None:
        kept = msgspec.structs.replace(self._here, lsn=at.lsn, position=at.position)
        await self._hub.keep(self._settings, positions_of(kept))
        self._kept = kept

    async def _tell(self, hole: Hole, last: int) -> None:
        """Put a hole on record before reading goes on behind it."""
        _log.error(
            "source %s: %s: changes from %s to %s of the log are missing", self._settings.id,
            hole.text, lsn_text(hole.first), lsn_text(last),
        )
        now_us = self._hub.given(self._settings).now_us
        event = hole_event(hole, self._place, self._options.slot, last, now_us)
        await self._deliver([event])
        comparable = hole.code != "other_server" and hole.first <= last
        if comparable:
            boot = f"postgres/{self._place.server}"
            await self._hub.gap(self._settings, boot, hole.first, last)

    # --- the server

    async def _make(self, drop: bool) -> int:
        """Make the slot; where it begins."""
        name = self._options.slot
        if drop:
            await self._asking.execute("SELECT pg_drop_replication_slot(%s)", (name,))
        made = await self._asking.execute(
            "SELECT lsn::text FROM pg_create_logical_replication_slot(%s, 'pgoutput')", (name,)
        )
        row = await made.fetchone()
        assert row is not None
        return lsn_of(row[0])

    async def _advance(self, end: int) -> None:
        """Let the server forget what is durable here."""
        await self._asking.execute(
            "SELECT pg_replication_slot_advance(%s, %s)", (self._options.slot, lsn_text(end))
        )

    # --- what people see

    def _figures(self, now: str, slot: SlotFacts | None) -> None:
        assert slot is not None
        at = lsn_of(now)
        figures = {
            "slot": f"{self._options.slot}: {slot.status}",
            "behind": f"{max(0, at - lsn_of(slot.confirmed)):,} bytes of its log",
            "held back": f"{max(0, at - lsn_of(slot.restart or now)):,} bytes on its disk",
        }
        if slot.safe_bytes is not None:
            figures["until it is given up"] = f"{max(0, slot.safe_bytes):,} bytes"
        if self._outside:
            figures["named in vain"] = f"{self._outside:,} times: {_OUTSIDE}"
        if self._warnings:
            figures["warnings"] = "; ".join([one.text for one in self._warnings])
        self._hub.figures(self._settings, figures)
