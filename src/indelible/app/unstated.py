"""Keeps what the audit policy took apart until it stands in the log: see the pure states of
`ingest.audit_policy.unstated`.

The promise to senders is the same as for any event. `add` returns only when the summaries and
counts that hold the events are durable in the metadata (one synced transaction for everybody who
waits, as the journal's group commit does it). When a summary's minute is over it is written to the
log like an event, and its state goes only after the counts of sources that hold it were kept. After
a crash everything that is still there is written again at once: a record that stands in the log
already is recognised by its id, so nothing is lost and nothing counted twice.

A retry is recognised by its id, across restarts too, among the newest `limits.ROLLED_IDS`; what
comes again later than that, or without an id, counts again: the counts are of what was received.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from indelible.app.answered import Answered, Rows
from indelible.base.clock import MICROS, wall_us
from indelible.base.errors import IndelibleError
from indelible.base.limits import ROLLED_IDS, SORTED_EVENTS, SUMMARIES
from indelible.base.random import random_id
from indelible.event.model import Via
from indelible.ingest.audit_policy import unstated
from indelible.ingest.audit_policy.decide import Judged
from indelible.ingest.audit_policy.rules import AuditRule
from indelible.ingest.audit_policy.unstated import Drops, Key, Numbered, Of, Summary, Unstated
from indelible.ingest.parsed import Parsed
from indelible.ledger.incoming import SELF, Source, Work
from indelible.ledger.journal import MARK

if TYPE_CHECKING:
    from indelible.app.core import Core

_log = logging.getLogger(__name__)
_DAY_US = 86_400 * MICROS


class Apart(NamedTuple):
    """One event that is not stored as one, and the rule that says so."""

    event: Parsed
    judged: Judged
    rule: AuditRule


class _Waiting(NamedTuple):
    source: Source
    of: Of
    rolled: Sequence[Apart]
    dropped: Sequence[Apart]
    events: Sequence[Parsed]
    answer: asyncio.Future[int]


class Figures(NamedTuple):
    """Events of a source that are answered and do not stand in the log yet."""

    summarised: int = 0
    dropped: int = 0


class _Batch:
    """What one transaction changes, and how it was before."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.before: dict[Key, bytes | None] = {}
        self.ids = bytearray()
        self.known: dict[bytes, bytes | None] = {}


class UnstatedEvents:
    """Open summaries and counts of one ledger. Lives in its event loop."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._open: dict[Key, Unstated] = {}
        self._closing: list[Unstated] = []
        self._known: dict[bytes, bytes] = {}
        self._figures: dict[tuple[str, str], Figures] = {}
        self._answered = Answered()
        self._stated: tuple[list[str], list[str]] = ([], [])  # since the last flush, and before it
        self._queue: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()
        self._writing = asyncio.Lock()

    def of(self, source: str, tenant: str) -> Figures:
        """What a source has here."""
        return self._figures.get((source, tenant), Figures())

    # --- taking

    async def add(
        self, source: Source, of: Of, rolled: Sequence[Apart], dropped: Sequence[Apart],
        events: Sequence[Parsed],
    ) -> int:
        """Return when these events are durably rolled up or counted: how many were rolled up
        before. Raises what the database raises; then none of them is.

        `events` is all of the submission, whose others are durable: its numbers are followed.
        """
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(source, of, rolled, dropped, events, answer))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        return await answer

    async def _run(self) -> None:
        while self._queue:
            async with self._changing:
                taken, self._queue = self._queue, []
                await self._commit(taken)
            if len(self._open) > SUMMARIES:
                await self._spill()

    async def _commit(self, taken: list[_Waiting]) -> None:
        batch = _Batch(self._answered.rows())
        try:
            if self._answered.many:
                await self._core.keep_counts()
            self._answered.check()
            now = wall_us()
            again = [await self._apply(batch, waiting, now) for waiting in taken]
            states = {
                self._open[key].id: unstated.packed(self._open[key]) for key in batch.before
            }
            states |= {row.id: unstated.packed(row) for row in batch.rows}
            keep, most = self._core.meta.of_audit_policy.keep, ROLLED_IDS * MARK
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._core.threads, keep, states, bytes(batch.ids), most)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            self._undo(batch)
            told = error if isinstance(error, IndelibleError) else IndelibleError(
                f"what the audit policy took apart could not be kept: {error!r}"
            )
            for waiting in taken:
                if not waiting.answer.done():
                    waiting.answer.set_exception(told)
            return
        while len(self._known) > ROLLED_IDS:
            del self._known[next(iter(self._known))]
        for waiting in taken:
            self._core.sourcing.number(waiting.source, waiting.events)
        self._answered.written(batch.rows)
        for waiting, repeated in zip(taken, again, strict=True):
            self._figure(waiting.of, len(waiting.rolled) - repeated, len(waiting.dropped))
            if not waiting.answer.done():
                waiting.answer.set_result(repeated)

    async def _apply(self, batch: _Batch, waiting: _Waiting, now_us: int) -> int:
        """Roll up and count; how many of the rolled ones were rolled up before."""
        again, of = 0, waiting.of
        batch.rows.take(of, [one.event for one in (*waiting.rolled, *waiting.dropped)])
        for at, (event, judged, rule) in enumerate(waiting.rolled):
            if at and not at % SORTED_EVENTS:
                await asyncio.sleep(0)
            if event.id and self._is_known(batch, waiting.source, event):
                again += 1
                continue
            time_us = now_us if event.time_us is None else event.time_us
            key = unstated.key_of(of, rule, judged, time_us)
            state = self._state(batch, key)
            if state is None:
                state = self._open[key] = unstated.new_summary(
                    random_id(), of, rule, judged, time_us, now_us
                )
            assert isinstance(state, Summary)
            state.add(event, judged, time_us)
        if waiting.dropped:
            key = unstated.drops_key(of, now_us)
            drops = self._state(batch, key)
            if drops is None:
                drops = self._open[key] = unstated.new_drops(random_id(), of, now_us)
            assert isinstance(drops, Drops)
            for event, _, rule in waiting.dropped:
                drops.add(event, rule)
        return again

    def _state(self, batch: _Batch, key: Key) -> Unstated | None:
        """The open state of a key, remembered as it was before this batch."""
        state = self._open.get(key)
        if key not in batch.before:
            batch.before[key] = None if state is None else unstated.packed(state)
        return state

    def _is_known(self, batch: _Batch, source: Source, event: Parsed) -> bool:
        """Whether this very event was rolled up before; it is known from now on."""
        seen = self._core.ledger.writer.seen
        name = seen.fingerprint(source.number, event.id)
        content = seen.digest(event.idempotent)
        before = self._known.get(name)
        if before == content:
            return True
        batch.known.setdefault(name, before)
        self._known[name] = content
        batch.ids += name + content
        return False

    def _undo(self, batch: _Batch) -> None:
        self._answered.failed()
        for key, kept in batch.before.items():
            if kept is None:
                self._open.pop(key, None)
            else:
                self._open[key] = unstated.unpacked(kept)
        for name, digest in batch.known.items():
            if digest is None:
                self._known.pop(name, None)
            else:
                self._known[name] = digest

    def _figure(self, of: Of, summarised: int, dropped: int) -> None:
        key = (of.source, of.tenant)
        had = self._figures.get(key, Figures())
        now = Figures(had.summarised + summarised, had.dropped + dropped)
        if any(now):
            self._figures[key] = now
        else:
            self._figures.pop(key, None)

    # --- writing

    async def begin(self) -> None:
        """Take over what the last run left, and write it."""
        tables = self._core.meta.of_audit_policy
        for ids in tables.rolled_ids():
            for at in range(0, len(ids), MARK):  # as in the journal: fingerprint and digest
                self._known[ids[at : at + 16]] = ids[at + 16 : at + MARK]
        for ident, kept in tables.unstated().items():
            try:
                state = unstated.found(kept)
            except msgspec.MsgspecError as error:  # of a later release: it stays for that
                _log.error("the state %s of the audit policy cannot be read: %s", ident, error)
                continue
            of = state if isinstance(state, Numbered) else state.of
            tally = self._core.sourcing.tally(await self._core.source(of.source, of.tenant))
            for boot, ranges in state.numbers.items():
                for first, last in ranges:
                    tally.numbered(boot, list(range(first, last + 1)), wall_us())
            if isinstance(state, Numbered):
                self._answered.found(state)
            else:
                self._closing.append(state)
                self._figure(state.of, *_counts(state))
        await self._write()

    async def beat(self) -> None:
        """Write what is due, and what was opened on a day that is over."""
        now = wall_us()
        today = now - now % _DAY_US
        await self._close(
            key for key, state in list(self._open.items())
            if state.due_us() <= now or state.opened_us < today
        )

    async def end(self) -> None:
        """Write everything; what cannot be written is kept, and written at the next start."""
        try:
            await self._close(list(self._open))
        except IndelibleError as error:
            _log.warning("summaries are kept for the next start: %s", error.message)

    async def _spill(self) -> None:
        """Write the oldest early, when there are too many."""
        try:
            await self._close(list(self._open)[: len(self._open) - SUMMARIES])
        except IndelibleError as error:
            _log.warning("summaries are kept, and written later: %s", error.message)

    async def _close(self, keys: Iterable[Key]) -> None:
        async with self._changing:  # a state that is being kept is not complete
            for key in list(keys):
                state = self._open.pop(key, None)
                if state is not None:
                    self._closing.append(state)
        await self._write()

    async def _write(self) -> None:
        async with self._writing:
            by_source: dict[tuple[str, str, bool], list[Unstated]] = {}
            for state in self._closing:
                of = state.of
                by_source.setdefault((of.source, of.tenant, of.backfill), []).append(state)
            for (name, tenant, backfill), states in by_source.items():
                source = await self._core.source(name, tenant)
                via = Via(protocol="internal", backfill=backfill)
                summaries = [one for one in states if isinstance(one, Summary)]
                drops = [one for one in states if isinstance(one, Drops)]
                if summaries:
                    records = [one.record() for one in summaries]
                    await self._put(source, Work(source, via, records), summaries)
                if drops:
                    statements = [one.record(source.number) for one in drops]
                    own = Work(SELF, Via(protocol="internal"), statements)
                    await self._put(source, own, drops)

    async def _put(self, source: Source, work: Work, states: Sequence[Unstated]) -> None:
        """Make records durable in the log; count those that were not there already."""
        sourcing = self._core.sourcing
        with sourcing.under_way():
            written = await self._core.sequencer.submit(work, own=True)
            there = frozenset(written.duplicates)
            tally = sourcing.tally(source)
            for at, state in enumerate(states):
                summarised, dropped = _counts(state)
                index = written.indexes[at]
                if at not in there:
                    tally.summarised += summarised
                    tally.dropped_by_rule += dropped
                    sourcing.counted(index, index + 1)
                    if summarised:
                        tally.stored_at(index, index)
                self._figure(state.of, -summarised, -dropped)
                self._stated[0].append(state.id)
        done = {state.id for state in states}
        self._closing = [state for state in self._closing if state.id not in done]

    def counted(self) -> None:
        """The counts that are kept next are as they stand now."""
        self._answered.counted()

    async def forget(self) -> None:
        """Counts of sources were kept: let go of numbers that they hold, and of states that stood
        in the log a flush ago."""
        recent, stated = self._stated
        self._stated = ([], recent)
        gone = [*stated, *self._answered.forgotten()]
        if gone:
            loop, forget = asyncio.get_running_loop(), self._core.meta.of_audit_policy.forget
            await loop.run_in_executor(self._core.threads, forget, gone)


def _counts(state: Unstated) -> tuple[int, int]:
    """How many events it stands for: summarised, dropped."""
    return (state.count, 0) if isinstance(state, Summary) else (0, state.count)
