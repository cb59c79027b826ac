"""The rooms as the server sees them: `server.rooms.Rooms` over a running `Core`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from indelible.app import administration, backing, state
from indelible.app.core import Core
from indelible.base.clock import monotonic
from indelible.base.errors import BadRequest, KeyMissing, NotFound
from indelible.base.limits import (
    BUNDLES_AT_ONCE,
    POLL_SECONDS,
    PROOF_SECONDS,
    REMEMBERED,
    TAIL_BATCH_EVENTS,
    TAIL_BEAT_SECONDS,
    TAIL_LOOK_BYTES,
    TAIL_LOOK_SECONDS,
    TAIL_READS,
)
from indelible.event.evaluate import matches
from indelible.event.model import Via, read_body
from indelible.event.predicate import EVERYTHING, Predicate
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import Senders, SourceSettings
from indelible.ingest.submission import Submission, SubmitResult
from indelible.ledger.cosign import WitnessError, cosigner_key
from indelible.ledger.incoming import Own
from indelible.ledger.kernel import entry_of, head_of
from indelible.ledger.reader import Stored
from indelible.proof.tree import leaf_hash
from indelible.server.rooms import (
    AuditPolicyVersion,
    AuditPolicyView,
    Author,
    BundleRequest,
    EventView,
    Readiness,
    Receipt,
    SourceView,
    Status,
    VerifyOutcome,
    VerifyRequest,
    WitnessView,
    Working,
)
from indelible.store.meta import Meta

T = TypeVar("T")
_EMPTY = SubmitResult(indexes=())


@lru_cache(maxsize=REMEMBERED)
def _via(protocol: str, parser: str, peer: str, tls: str, backfill: bool) -> Via:
    return Via(protocol=protocol, parser=parser, peer=peer, tls=tls, backfill=backfill)


class Engine(Protocol):
    """Who answers queries: the workers of a server, or this process."""

    async def ask(self, op: str, payload: bytes, size: int) -> bytes:
        """One question about every event below `size`."""

    def stream(self, op: str, payload: bytes, size: int) -> AsyncIterator[bytes]:
        """The same, in pieces."""

    async def seal(self, end: int) -> int:
        """Seal everything below `end`; the sealed size."""


def receipt_of(stored: Stored) -> Receipt:
    """What was written for one event."""
    entry = entry_of(stored.body, head_of(stored.body), stored.salt)
    return Receipt(
        index=stored.index, leaf=leaf_hash(entry), entry=entry, salt=stored.salt, body=stored.body
    )


class LiveRooms:
    """Fulfils `server.rooms.Rooms`."""

    def __init__(self, core: Core, engine: Engine) -> None:
        self._core, self._engine = core, engine
        self._tailing = asyncio.Semaphore(TAIL_READS)
        self._bundling = asyncio.Semaphore(BUNDLES_AT_ONCE)
        self._working: dict[str, Callable[[], tuple[int, int]]] = {}

    @property
    def meta(self) -> Meta:
        """Tokens, sources, witnesses, verification runs."""
        return self._core.meta

    async def _thread(self, work: Callable[..., T], *arguments: object) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._core.threads, work, *arguments)

    # --- writing

    async def submit(self, submission: Submission) -> SubmitResult:
        """See `Rooms.submit`."""
        core = self._core
        source = await core.source(submission.source, submission.tenant)
        core.tally(source, refused=submission.rejected, dropped=submission.dropped)
        if not submission.events:
            core.sourcing.count(source, submission, None)
            return _EMPTY
        via = _via(
            submission.protocol, submission.parser, submission.peer, submission.tls,
            submission.backfill,
        )
        with core.sourcing.under_way():
            if core.audit_policy.decider is not None and core.audit_policy.concerns(source.id):
                return await core.audit_policy.submit(source, via, submission)
            written = await core.write(source, via, submission.events)
            core.tally(source, repeated=len(written.duplicates))
            core.sourcing.count(source, submission, written)
        return SubmitResult(
            indexes=written.indexes, duplicates=written.duplicates, conflicts=written.conflicts,
            repeats=written.repeats,
        )

    def configured(self, source: str, tenant: str) -> Configured | None:
        """See `Rooms.configured`."""
        return self._core.sourcing.configured(source, tenant)

    def senders(self, protocol: str) -> Senders:
        """See `Rooms.senders`."""
        return self._core.sourcing.senders(protocol)

    async def put_source(self, settings: SourceSettings, secret: bytes | None) -> None:
        """See `Rooms.put_source`."""
        await self._core.source(settings.id, settings.tenant)
        self._core.sourcing.put(settings, secret)

    def pause_source(self, source: str, tenant: str, until_us: int) -> None:
        """See `Rooms.pause_source`."""
        known = self._core.known_source(source, tenant)
        if known is None:
            raise NotFound(f"there is no source {source!r}")
        sourcing = self._core.sourcing
        sourcing.tally(known).rhythm.paused_until_us = until_us
        kept, upto = sourcing.changed()
        if upto is not None:  # a pause that was answered outlives a crash
            sourcing.flush(kept, upto)

    def sources(self) -> Sequence[SourceView]:
        """See `Rooms.sources`."""
        return state.sources(self._core)

    def audit_policy(self) -> AuditPolicyView:
        """See `Rooms.audit_policy`."""
        return self._core.audit_policy.view()

    def audit_policies(self) -> Sequence[AuditPolicyVersion]:
        """See `Rooms.audit_policies`."""
        return self._core.audit_policy.versions()

    def audit_policy_version(self, version: int) -> AuditPolicyVersion:
        """See `Rooms.audit_policy_version`."""
        return self._core.audit_policy.one(version)

    async def set_audit_policy(
        self, rules: str, reason: str, by: Author
    ) -> AuditPolicyVersion:
        """See `Rooms.set_audit_policy`."""
        return await self._core.audit_policy.set(rules, reason, by)

    async def record(self, content: bytes) -> int:
        """See `Rooms.record`."""
        return await self._core.own(Own(content=content))

    async def receipts(self, indexes: Sequence[int]) -> list[Receipt]:
        """See `Rooms.receipts`."""
        stored = await self._thread(self._core.ledger.reader.many, list(indexes))
        return [receipt_of(one) for one in stored]

    # --- reading

    async def query(self, op: str, request: msgspec.Struct) -> bytes:
        """See `Rooms.query`."""
        return await self._engine.ask(op, msgspec.json.encode(request), self._core.ledger.tree.size)

    def export(self, request: msgspec.Struct) -> AsyncIterator[bytes]:
        """See `Rooms.export`."""
        size = self._core.ledger.tree.size
        return self._engine.stream("export", msgspec.json.encode(request), size)

    def _visible(self, index: int, scope: Predicate) -> Stored | None:
        """The event, unless it does not exist or is out of scope."""
        if not 0 <= index < self._core.ledger.tree.size:
            return None
        stored = self._core.ledger.reader.one(index)
        if scope != EVERYTHING and not matches(scope, index, read_body(stored.body)):
            return None
        return stored

    async def event(self, index: int, scope: Predicate) -> EventView | None:
        """See `Rooms.event`."""
        try:
            stored = await self._thread(self._visible, index, scope)
        except KeyMissing as error:
            if scope != EVERYTHING:
                return None
            empty = Receipt(index=index, leaf=b"", entry=b"", salt=b"", body=b"")
            return EventView(receipt=empty, verdict="unreadable", why=error.message)
        if stored is None:
            return None
        return EventView(receipt=receipt_of(stored), verdict=self._verdict(stored))

    def _verdict(self, stored: Stored) -> str:
        """Whether the leaf made from body and salt is the tree's, and under a checkpoint."""
        core = self._core
        entry = entry_of(stored.body, head_of(stored.body), stored.salt)
        if leaf_hash(entry) != core.ledger.tree.leaves(stored.index, stored.index + 1):
            return "tampered"
        return "proven" if stored.index < core.publisher.size else "pending"

    async def proof(self, index: int, scope: Predicate) -> str | None:
        """See `Rooms.proof`."""
        if await self._thread(self._visible, index, scope) is None:
            return None
        await self._await_checkpoint(index)
        return await self._thread(self._core.prover.proof, index)

    async def _await_checkpoint(self, index: int) -> None:
        """Give a fresh event the second until its checkpoint."""
        until = monotonic() + PROOF_SECONDS
        while index >= self._core.publisher.size and monotonic() < until:
            await asyncio.sleep(POLL_SECONDS)

    async def bundle(self, request: BundleRequest, scope: Predicate) -> Path:
        """See `Rooms.bundle`."""
        whole = None
        if request.from_index is not None and request.to_index is not None:
            whole = (request.from_index, request.to_index)
        indexes = range(whole[0], whole[1] + 1) if whole else sorted(set(request.indexes))
        if not indexes or indexes[-1] >= self._core.ledger.tree.size:
            raise NotFound(f"there is no event {indexes[-1] if indexes else ''}".strip())
        if scope != EVERYTHING:
            for index in indexes:
                if await self._thread(self._visible, index, scope) is None:
                    raise NotFound(f"there is no event {index}")
        await self._await_checkpoint(indexes[-1])
        async with self._bundling:
            return await self._thread(self._core.prover.bundle, indexes, whole)

    async def tail(
        self, from_index: int, scope: Predicate
    ) -> AsyncIterator[list[tuple[int, bytes]]]:
        """See `Rooms.tail`."""
        core, at = self._core, from_index
        while True:
            size = core.ledger.tree.size
            if at < size:
                end = min(size, at + TAIL_BATCH_EVENTS)
                async with self._tailing:
                    found, at = await self._thread(self._matching, at, end, scope)
                yield found
                continue
            try:
                async with asyncio.timeout(TAIL_BEAT_SECONDS), core.committed:
                    await core.committed.wait()
            except TimeoutError:
                yield []

    def _matching(
        self, first: int, end: int, scope: Predicate
    ) -> tuple[list[tuple[int, bytes]], int]:
        """What matches, and how far it looked: a slow predicate gives way to others."""
        until = monotonic() + TAIL_LOOK_SECONDS
        found: list[tuple[int, bytes]] = []
        size = 0
        for start, bodies, _ in self._core.ledger.reader.spans(first, end):
            for index, body in enumerate(bodies, start):
                if scope == EVERYTHING or matches(scope, index, read_body(body)):
                    found.append((index, body))
                    size += len(body)
                if size > TAIL_LOOK_BYTES or monotonic() > until:
                    return found, index + 1
        return found, end

    # --- the log's own face

    def keys(self) -> dict[str, str]:
        """See `Rooms.keys`."""
        return self._core.ledger.keys.vkeys()

    def checkpoint(self) -> bytes:
        """See `Rooms.checkpoint`."""
        return self._core.publisher.note

    async def cosigned(self) -> bytes:
        """See `Rooms.cosigned`."""
        return await self._thread(self._core.prover.cosigned)

    async def tile(self, path: str) -> bytes | None:
        """See `Rooms.tile`."""
        return await self._thread(self._core.prover.tile, path)

    # --- administration

    def status(self) -> Status:
        """See `Rooms.status`."""
        working = tuple(
            Working(name=name, done=min(done, total), total=total)
            for name, figures in self._working.items()
            for done, total in [figures()]
        )
        return msgspec.structs.replace(state.status(self._core), working=working)

    def readiness(self) -> Readiness:
        """See `Rooms.readiness`."""
        return state.readiness(self._core)

    @contextmanager
    def _work(self, name: str, figures: Callable[[], tuple[int, int]]) -> Iterator[None]:
        """While the block runs, `status` shows it with its figures."""
        self._working[name] = figures
        try:
            yield
        finally:
            self._working.pop(name, None)

    async def seal(self) -> bytes:
        """See `Rooms.seal`."""
        core = self._core
        before = core.ledger.reader.sealed_end
        end = core.ledger.tree.size
        with self._work("seal", lambda: (core.ledger.reader.sealed_end - before, end - before)):
            await core.sequencer.call(core.ledger.writer.roll)
            sealed = await self._engine.seal(end)
        segments = sum(1 for row in core.ledger.reader.segments if row.first >= before)
        return msgspec.json.encode({"segments": segments, "sealed_size": sealed})

    async def verify(
        self, request: VerifyRequest, progress: Callable[[int, int], None]
    ) -> VerifyOutcome:
        """See `Rooms.verify`."""
        return await administration.verify(self._core, request, progress)

    async def clock_accept(self) -> bytes:
        """See `Rooms.clock_accept`."""
        return msgspec.json.encode({"step_seconds": await self._core.accept_clock()})

    async def rotate(self, what: str) -> bytes:
        """See `Rooms.rotate`."""
        return await administration.rotate(self._core, what)

    async def backup(self, to: Path, keys_to: Path | None) -> bytes:
        """See `Rooms.backup`."""
        core, figures = self._core, [0, 0]

        def advance(done: int, total: int) -> None:
            figures[:] = done, total

        with self._work("backup", lambda: (figures[0], figures[1])):
            made = await asyncio.to_thread(
                backing.backup, core.ledger, core.place, to, keys_to, core.publisher, advance
            )
        return msgspec.json.encode(made)

    async def witness_add(self, name: str, url: str, vkey: str) -> None:
        """See `Rooms.witness_add`."""
        try:
            cosigner_key(vkey)
        except WitnessError as error:
            raise BadRequest(
                f"vkey is not a witness's key: {error.message}", field="vkey",
                remedy="Give the line of its witness.vkey (or witness.vkey.mldsa44) as it is.",
            ) from error
        await self._thread(self._core.meta.add_witness, name, url, vkey)

    async def witness_remove(self, name: str) -> None:
        """See `Rooms.witness_remove`."""
        await self._thread(self._core.meta.remove_witness, name)

    def witnesses(self) -> Sequence[WitnessView]:
        """See `Rooms.witnesses`."""
        return state.witnesses(self._core)


