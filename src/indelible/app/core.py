"""The running ledger inside the writer process: sequencer, sources, own records, publishing.

`Core` is the part that the server and the local mode share. What differs (who re-reads the journal
and who answers queries) is handed in: `on_durable` hears of every batch, and `checked` is called
with what a keeper read back from disk.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from indelible import __version__
from indelible.app.audit_policy import AuditPolicies
from indelible.app.damage import findings
from indelible.app.place import Place
from indelible.app.proving import Prover
from indelible.app.recount import recount
from indelible.app.sourcing import Sourcing
from indelible.app.unstated import UnstatedEvents
from indelible.base.clock import MICROS, monotonic, rfc3339, wall_us
from indelible.base.errors import Damaged, IndelibleError, LedgerStopped
from indelible.base.files import write_durably
from indelible.base.limits import (
    BEAT_PAUSE_SECONDS,
    CLOCK_FORWARD_SECONDS,
    CLOCK_IDLE_DAYS,
    CLOCK_STEP_SECONDS,
    KEY_OVERLAP_DAYS,
    RECOUNT_FIRST,
    ROOM_THREADS,
    SOURCES,
)
from indelible.event.model import Via
from indelible.ingest.sources import SourceSettings
from indelible.ledger.incoming import (
    SELF,
    Durable,
    Incoming,
    Own,
    Source,
    Work,
    Written,
    own_record,
)
from indelible.ledger.journal import journal_spans
from indelible.ledger.open import Ledger, drop_sealed_journals
from indelible.ledger.publish import LogKeys, Publisher
from indelible.ledger.quarantine import mark_reported, unreported
from indelible.ledger.registrations import registered_in
from indelible.ledger.sequencer import Sequencer
from indelible.proof.note import NoteSignature
from indelible.store.keyring import ED25519, MLDSA44
from indelible.store.meta import Meta

_log = logging.getLogger(__name__)
OWN_VIA = Via(protocol="internal")
OVERLAP_US = KEY_OVERLAP_DAYS * 86_400 * MICROS


class Alarm(NamedTuple):
    """A witness knows another history; `shown`: by a checkpoint that the log itself signed."""

    verdict: str
    shown: bool
    text: str


class Witnessed(NamedTuple):
    """What one witness last cosigned: size, when (seconds since 1970), or why not.

    `alarm` is what stands in `Core.damage` because this witness contradicted the log.
    """

    size: int
    at: int
    error: str
    alarm: Alarm | None = None


class _Lost(NamedTuple):
    """Messages of one source and hour that are not in the log, or were there before."""

    refused: int = 0
    repeated: int = 0
    dropped: int = 0

    def plus(self, more: _Lost) -> _Lost:
        """Both together."""
        return _Lost(*(mine + its for mine, its in zip(self, more, strict=True)))


class Core:
    """One open ledger with everything that writes to it. Lives in one event loop."""

    def __init__(
        self, place: Place, ledger: Ledger, on_durable: Callable[[Durable], None]
    ) -> None:
        self.place, self.ledger = place, ledger
        self.meta = Meta(place.paths.meta, keyring=ledger.keyring)
        self.sequencer = Sequencer(
            ledger.writer, on_durable=self._durable, data=place.data,
            unsealed=journal_spans(ledger.paths.journal, ledger.tree.size),
        )
        self.sequencer.sealed(ledger.reader.sealed_end)
        self._on_durable = on_durable
        self.publisher: Publisher = ledger.publisher
        self.prover = Prover(ledger.origin, ledger.tree, ledger.reader, ledger.publisher)
        self.threads = ThreadPoolExecutor(ROOM_THREADS, "rooms")
        self._publishing_thread = ThreadPoolExecutor(1, "publish")  # no reader delays a checkpoint
        self._dropping_thread = ThreadPoolExecutor(1, "drop")  # of journals that are sealed
        self._dropping = asyncio.Lock()
        self.started_us = wall_us()
        self.damage = [finding.text for finding in findings(self.meta)]
        self._sources = {
            (row.id, row.tenant): Source(row.number, row.id) for row in self.meta.sources()
        }
        self._sources[(SELF.id, "")] = SELF
        self._registering = asyncio.Lock()
        self._tally: dict[tuple[int, int], _Lost] = {}
        self.sourcing = Sourcing(self.meta, lambda: ledger.tree.size)
        self._keeping = asyncio.Lock()
        self.audit_policy = AuditPolicies(self)
        self.unstated = UnstatedEvents(self)
        self.committed = asyncio.Condition()
        self._publishing = asyncio.Lock()
        self.witnessed: dict[str, Witnessed] = {}
        self.not_ready: Callable[[], list[str]] = list
        self._kept = 0

    def known_damage(self) -> tuple[str, ...]:
        """What is known to be wrong, in words."""
        return (*self.damage, *self.meta.strange, *self.sourcing.strange)

    def unwitnessed_seconds(self) -> float:
        """How long the oldest event without a cosignature has been waiting, at most.

        Known without reading it: by the times of its segment, else it came after the cosignature.
        """
        covered = max((one.size for one in self.witnessed.values()), default=0)
        if covered >= self.ledger.tree.size:
            return 0.0
        reader = self.ledger.reader
        if covered < reader.sealed_end:
            since = reader.segment_of(covered).received_min
        else:
            times = (one.at * MICROS for one in self.witnessed.values() if one.size)
            since = max(times, default=self.started_us)
        return max(0.0, (wall_us() - since) / MICROS)

    # --- writing

    def _durable(self, durable: Durable) -> None:
        self._on_durable(durable)
        asyncio.get_running_loop().create_task(self._notify())

    async def _notify(self) -> None:
        async with self.committed:
            self.committed.notify_all()

    def write(
        self, source: Source, via: Via, events: Sequence[Incoming]
    ) -> Coroutine[object, object, Written]:
        """Make events of a source durable."""
        return self.sequencer.submit(Work(source, via, events))

    async def own(self, record: Own) -> int:
        """Make one record of the ledger's own durable; its index."""
        [index] = await self.own_all([record])
        return index

    async def own_all(self, records: Sequence[Own]) -> Sequence[int]:
        """Make records of the ledger's own durable together; their indexes."""
        written = await self.sequencer.submit(Work(SELF, OWN_VIA, records), own=True)
        return written.indexes

    async def source(self, name: str, tenant: str) -> Source:
        """The source of this name and tenant; registers it (a `source` record) at first sight."""
        found = self._sources.get((name, tenant))
        if found is not None:
            return found
        async with self._registering:
            found = self._sources.get((name, tenant))
            if found is not None:
                return found
            number = 1 + max((s.number for s in self._sources.values()), default=0)
            if number > SOURCES:
                raise IndelibleError(f"there are {SOURCES} sources already", code="too_many")
            data: dict[str, object] = {"number": number, "id": name}
            if tenant:
                data["tenant"] = tenant
            await self.own(own_record("source", "ledger.source.register", data, "create"))
            try:
                self.meta.add_source(number, name, tenant)
            except IndelibleError as error:  # the next source must not get this number too
                self.stop(f"a source could not be remembered: {error.message}")
                raise
            found = self._sources[(name, tenant)] = Source(number, name)
            return found

    def known_source(self, name: str, tenant: str) -> Source | None:
        """The source of this name and tenant, if it is registered."""
        return self._sources.get((name, tenant))

    def known_sources(self) -> list[tuple[Source, SourceSettings | None]]:
        """Every source but the ledger itself, with its settings where it is configured."""
        found = []
        for (name, tenant), source in list(self._sources.items()):
            if source.number:
                configured = self.sourcing.configured(name, tenant)
                found.append((source, configured.settings if configured else None))
        return found

    def tally(
        self, source: Source, *, refused: int = 0, repeated: int = 0, dropped: int = 0
    ) -> None:
        """Count messages that were refused, were there already, or were lost on the way, for the
        statement of this hour."""
        lost = _Lost(refused, repeated, dropped)
        if any(lost):
            key = (source.number, wall_us() // (3600 * MICROS))
            self._tally[key] = self._tally.get(key, _Lost()).plus(lost)

    async def state_tally(self) -> None:
        """Write what was refused, repeated and lost since the last statement, by source and hour;
        keep the counts of all sources."""
        tally, self._tally = self._tally, {}
        while tally:
            (number, hour), lost = tally.popitem()
            data: dict[str, object] = {
                "source": number, "hour": rfc3339(hour * 3600 * MICROS), "refused": lost.refused,
                "repeated": lost.repeated,
            }
            if lost.dropped:
                data["dropped"] = lost.dropped
            try:
                await self.own(own_record("statement", "ledger.refusals.state", data))
            except BaseException:  # what could not be stated is stated later
                tally[(number, hour)] = lost
                for key, left in tally.items():
                    self._tally[key] = self._tally.get(key, _Lost()).plus(left)
                raise
        await self.unstated.beat()
        await self.keep_counts()

    async def keep_counts(self) -> None:
        """Keep the counts of all sources durably, and let go of what they hold from now on."""
        async with self._keeping:
            kept, reach = self.sourcing.changed()
            if reach is None:
                return
            self.unstated.counted()
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self.threads, self.sourcing.flush, kept, reach)
            await self.unstated.forget()

    # --- life

    async def begin(self) -> None:
        """Start taking work; report the start, a torn tail, and a stopped clock."""
        self.sequencer.start()
        found = self.ledger.recovered
        idle = max(0, self.ledger.idle_us())
        if found.last_received_us and idle > CLOCK_IDLE_DAYS * 86400 * MICROS:
            self.sequencer.held = (
                f"the clock is {idle // (86400 * MICROS)} days after the last event:"
                " confirm it with `indelible clock accept`"
            )
        self._restore_sources()
        await self.retire_signing_keys()
        if found.size == 0:
            await self._first_records()
        await self.announce_signing_keys()
        await self.own(
            own_record(
                "event", "indelible.start",
                {"version": __version__, "idle_seconds": idle // MICROS, "size": found.size},
                "execute",
            )
        )
        for torn in unreported(self.ledger.paths, found.size):
            data: dict[str, object] = {"file": torn.file, "index": torn.at}
            await self.own(own_record("event", "indelible.journal.quarantine", data))
            mark_reported(self.ledger.paths, torn)
        await self.audit_policy.begin()
        await self._recount()
        await self.unstated.begin()

    async def _recount(self) -> None:
        """Count what the counts lack before more comes; where that is much, it can wait."""
        try:
            if self.sourcing.uncounted <= RECOUNT_FIRST:
                await recount(self)
        except (IndelibleError, OSError) as error:
            _log.error("the counts of sources are behind the log: %s", error)

    async def announce_signing_keys(self) -> None:
        """Say in the log which keys sign now, and then in `vkey`: where that file names others.

        So a rotation ends, also one that a crash cut off after the keys were made. The old keys
        sign beside the new ones, so the record stands under both.
        """
        keys, new = self.ledger.keys, self.ledger.keys.vkeys()
        files = {self.place.data / name: f"{line}\n".encode() for name, line in new.items()}
        if all(path.is_file() and path.read_bytes() == line for path, line in files.items()):
            return
        if len(keys.ed25519) > 1 and len(keys.mldsa44) > 1:
            data: dict[str, object] = {
                "state": "active", "keys": list(new.values()),
                "replaces": [keys.ed25519[-2].vkey, keys.mldsa44[-2].vkey],
                "until": rfc3339(wall_us() + OVERLAP_US),
            }
            await self.own(own_record("key", "ledger.key.rotate", data, "update"))
        for path, line in files.items():
            await asyncio.to_thread(write_durably, path, line)

    async def retire_signing_keys(self) -> None:
        """The overlap of a rotation is over: old signing keys sign no more."""
        ledger = self.ledger
        before = wall_us() - OVERLAP_US
        gone = [
            key for purpose in (ED25519, MLDSA44)
            for key in ledger.keyring.retire_replaced(purpose, before)
        ]
        if gone:
            ledger.keys = ledger.publisher.keys = LogKeys(ledger.origin, ledger.keyring)

    async def _first_records(self) -> None:
        vkeys = self.ledger.keys.vkeys()
        await self.own(
            own_record("source", "ledger.source.register", {"number": 0, "id": SELF.id}, "create")
        )
        await self.own(
            own_record(
                "key", "ledger.key.activate",
                {"state": "active", "keys": [vkeys["vkey"], vkeys["vkey.mldsa44"]]}, "create",
            )
        )

    def _restore_sources(self) -> None:
        """A crash between a `source` record and the metadata leaves the record: take it over."""
        ledger = self.ledger
        tail = registered_in(ledger.reader, ledger.reader.sealed_end, ledger.tree.size)
        for row in tail:
            if row.number and (row.id, row.tenant) not in self._sources:
                self.meta.add_source(row.number, row.id, row.tenant)
                self._sources[(row.id, row.tenant)] = Source(row.number, row.id)

    async def checked(self, size: int, root: bytes) -> None:
        """A keeper has read everything below `size` back from disk: publish it.

        Raises `Damaged` and stops the ledger when the disk gave back something else.
        """
        async with self._publishing:
            if size < self.publisher.size or size > self.ledger.tree.size:
                return
            if self.ledger.tree.root(size) != root:
                self.stop("what was read back from disk differs from what was written")
                raise Damaged(self.ledger.writer.stopped or "")
            await self._publish(size, root)

    async def renew(self) -> None:
        """The sign of life: the same tree under a fresh signature. A stopped ledger gives none."""
        async with self._publishing:
            alive = self.ledger.writer.stopped is None
            if alive and self.publisher.note and self.publisher.size:
                await self._publish(self.publisher.size, self.publisher.head.root)

    async def published(self) -> bytes:
        """The newest checkpoint, durable; empty before the first."""
        async with self._publishing:
            return self.publisher.note

    async def cosigned(self, size: int, line: NoteSignature) -> None:
        """Add a witness's line to the newest checkpoint if that is still the one of `size`."""
        loop = asyncio.get_running_loop()
        async with self._publishing:
            add = self.publisher.add_cosignatures
            await loop.run_in_executor(self._publishing_thread, add, size, [line])

    async def _publish(self, size: int, root: bytes) -> None:
        loop = asyncio.get_running_loop()
        now = self.ledger.clock.now_us()
        try:
            await loop.run_in_executor(
                self._publishing_thread, self.publisher.publish, size, root, now
            )
        except IndelibleError as error:
            self.stop(error.message)
            raise
        except OSError as error:
            why = f"the checkpoint could not be written: {error.strerror} ({error.filename})"
            self.stop(why)
            raise LedgerStopped(why) from error
        if self.ledger.reader.sealed_end > self._kept and size >= self.ledger.reader.sealed_end:
            self._kept = self.ledger.reader.sealed_end
            await loop.run_in_executor(self._publishing_thread, self.publisher.keep)

    def stop(self, why: str) -> None:
        """Take nothing more and say why; nothing on disk changes."""
        self.ledger.writer.stopped = self.ledger.writer.stopped or why
        if why not in self.damage:
            self.damage.append(why)

    async def sealed(self, end: int) -> None:
        """A segment up to `end` is durable: let go of what it replaces."""
        ledger = self.ledger
        ledger.reader.refresh()
        self.sequencer.sealed(ledger.reader.sealed_end)
        ledger.tree.drop_below(ledger.reader.sealed_end)
        ledger.writer.seen.reload()
        ledger.writer.seen.forget_below(min(end, ledger.writer.seen.sealed_end))
        drop = partial(
            drop_sealed_journals, ledger.paths, ledger.origin, ledger.keyring,
            ledger.reader.sealed_end, before=ledger.writer.writing_from,
        )
        async with self._dropping:
            await asyncio.get_running_loop().run_in_executor(self._dropping_thread, drop)
            if not self.sequencer.closing:
                await self.sequencer.call(ledger.writer.spare)

    async def watch_clock(self) -> None:
        """Report steps of the wall clock; a forward step over a day holds writing."""
        clock = self.ledger.clock
        step = clock.step_us() / MICROS
        if abs(step) <= CLOCK_STEP_SECONDS:
            clock.accept()
            return
        if step > CLOCK_FORWARD_SECONDS:
            if self.sequencer.held is None:
                self.sequencer.held = (
                    f"the clock jumped {step:.0f} s ahead: confirm it with `indelible clock accept`"
                )
                await self._clock_event(step, "held")
            return
        clock.accept()
        await self._clock_event(step, "followed" if step > 0 else "waited for")

    async def _clock_event(self, step: float, answer: str) -> None:
        await self.own(
            own_record(
                "event", "indelible.clock.step", {"step_seconds": round(step, 3), "answer": answer}
            )
        )

    async def accept_clock(self) -> float:
        """Confirm the clock and write on; the step in seconds."""
        step = self.ledger.clock.step_us() / MICROS
        self.ledger.clock.accept()
        self.sequencer.held = None
        await self._clock_event(step, "accepted")
        return step

    async def end(self) -> None:
        """Finish what is waiting, write the last statement, close."""
        if self.ledger.writer.stopped is None:
            await self.unstated.end()
            await self.state_tally()
            await self.own(own_record("event", "indelible.stop", {}, "execute"))
        async with self._dropping:  # whoever drops hears that it is done
            await self.sequencer.close()

    def close(self) -> None:
        """Close files and give the folder back."""
        self.threads.shutdown(wait=True)
        self._publishing_thread.shutdown(wait=True)
        self._dropping_thread.shutdown(wait=True)
        self.meta.close()
        self.ledger.close()


async def every(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    """Run an async function on a beat for ever; its errors are logged and end this turn only."""
    while True:
        began = monotonic()
        try:
            await work()
        except IndelibleError as error:
            _log.error("%s: %s", error.code, error.message)
        except OSError as error:
            _log.error("%s: %s", error.filename, error.strerror)
        except Exception:  # noqa: BLE001 - a beat that ends in silence would be worse
            _log.exception("a beat failed and goes on")
        await asyncio.sleep(max(BEAT_PAUSE_SECONDS, seconds - (monotonic() - began)))

