"""NATS JetStream: the messages of a stream, each of them once, from the last durable one on.

The position is kept here: a consumer of our own is made behind it, at each beginning anew. Only
where an acknowledgement removes a message (work queues, streams kept for interest), or where a
durable consumer is named, the server's one says what comes next. The order is: deliver, keep the
position, acknowledge. A crash between any two of them only reads again what has ids.

Nothing is skipped in silence. What was deleted before it was read is told by an event
(`nats.stream.lose`) and `Hub.gap`, and so is a stream that was made again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from indelible.base.clock import MICROS, monotonic, rfc3339, wall_us
from indelible.base.errors import BadRequest, IndelibleError
from indelible.base.limits import (
    NATS_ACK_SECONDS,
    NATS_AGAIN_SECONDS,
    NATS_BATCHES,
    NATS_KEEP_SECONDS,
    NATS_LAST_SECONDS,
    NATS_LOOK_SECONDS,
    NATS_OLD_SECONDS,
    NATS_PENDING,
    NATS_UNUSED_SECONDS,
)
from indelible.base.random import random_id
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.table import parser_named
from indelible.ingest.protocols.hub import Configured, Hub
from indelible.ingest.protocols.losses import Hole
from indelible.ingest.protocols.nats_positions import (
    LIMITS,
    Floor,
    Kept,
    Seen,
    hole_event,
    judged,
    kept_of,
    missing,
    name_of,
    packed,
)
from indelible.ingest.protocols.nats_records import VERSION, Stem, event_of
from indelible.ingest.protocols.nats_server import NANOS, Consumer, Given, Server
from indelible.ingest.protocols.nats_settings import options_of
from indelible.ingest.submission import Submission

_log = logging.getLogger(__name__)


async def consume(hub: Hub, configured: Configured) -> None:
    """Read the stream of a source until cancelled.

    Raises `BadRequest` when its options or its secret cannot work, `Unreachable` when no server
    answers, `LedgerStopped` when the ledger takes nothing more.
    """
    await _Consuming(hub, configured).run()


class _Batch(NamedTuple):
    """Events that go to the ledger together: what is missing before them, where the stream stands
    behind them, and where they are acknowledged."""

    events: list[Parsed]
    holes: list[Hole]
    next: int
    acks: list[str]
    newest_us: int = 0


class _Consuming:
    """One source at work. Lives in one event loop."""

    def __init__(self, hub: Hub, configured: Configured) -> None:
        self._hub, self._settings = hub, configured.settings
        self._options = options_of(configured.settings.options)
        self._parser = parser_named(configured.settings.parser)
        self._kept = kept_of(configured, self._options.stream)
        self._server = Server(
            self._options, configured.secret, f"indelible {configured.settings.id}")
        self._seen = Seen("")
        self._own = ""  # a consumer of our making, to be removed
        self._some = False  # whether only some subjects are read
        self._most = NATS_PENDING  # that may wait for their acknowledgement
        self._next = 0  # the number to come, behind all that was ever given
        self._known = 0  # the last number that may be given again from before this began
        self._low = 0 if self._kept is None else self._kept.low  # and the first one, 0 for none
        self._durable = 0  # what is before it, and was given since, is durable
        self._end_seen = 0  # the last number, when nothing came of the stream before
        self._under_way: deque[tuple[asyncio.Task[None], _Batch]] = deque()
        self._acks: list[str] = []
        self._kept_at = 0.0
        self._newest_us = 0
        self._behind = 0
        self._trouble = ""

    async def run(self) -> None:
        """Begin the stream, and read it; again where its consumer went away."""
        try:
            await self._server.open()
            while True:
                if await self._begin():
                    await self._settle(at_once=True)
                    lost = await self._read()
                    _log.warning("source %s: NATS: %s", self._settings.id, lost)
                await self._settle(at_once=True)
                await asyncio.sleep(NATS_AGAIN_SECONDS)
        finally:
            await self._last_note()
            left = [task for task, _ in self._under_way]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            await self._end()

    async def _last_note(self) -> None:
        """Keep how far is durable now, so that what goes away before the next start is no loss."""
        with contextlib.suppress(IndelibleError, OSError, TimeoutError):
            async with asyncio.timeout(NATS_LAST_SECONDS):
                self._kept_at = -NATS_KEEP_SECONDS
                await self._settle()

    async def _end(self) -> None:
        own, self._own = self._own, ""
        with contextlib.suppress(IndelibleError):  # it is gone with the server, or soon
            if own:
                await self._server.drop(own)
        await self._server.close()

    # --- beginning

    async def _begin(self) -> bool:
        """Decide where the stream is read from, tell what was lost, and have a consumer there.

        False when that is to be tried again: there is no stream. One that is made again meanwhile
        is noticed before anything of it is taken for the other's.
        """
        options, server = self._options, self._server
        seen = await server.look()
        self._trouble = "" if seen is not None else f"there is no stream {options.stream}"
        if seen is None:
            self._show()
            return False
        bound = await server.consumer(options.consumer) if options.consumer else None
        if seen.config.retention != LIMITS and not options.consumer:
            raise BadRequest(
                f"the stream {options.stream} removes what is acknowledged (its retention is"
                f" {seen.config.retention})", field="consumer",
                remedy="Name a durable consumer that nobody else reads with: consumer=NAME.",
            )
        if bound is not None and (wrong := misfit(bound, options.subjects)):
            raise BadRequest(
                f"the consumer {options.consumer} {wrong}", field="consumer",
                remedy="Name another one; a consumer that is not there is made as it should be.",
            )
        self._some = bool(bound.config.subjects if bound is not None else options.subjects)
        floor = None if bound is None else Floor(
            bound.ack_floor.stream_seq, bound.delivered.stream_seq)
        kept = await self._judge(seen, floor)
        self._seen, self._low = seen, kept.low
        self._known = max(kept.next - 1, 0 if floor is None else floor.given)
        self._next = self._durable = self._known + 1
        self._end_seen = 0
        self._behind = max(0, seen.last + 1 - self._next)
        made = bound if bound is not None else await self._make(seen, kept)
        if made is None:
            return False
        most = made.config.max_ack_pending
        self._most = most if most > 0 else NATS_PENDING
        await server.read_with(options.consumer or self._own, made.config)
        return True

    async def _judge(self, seen: Seen, floor: Floor | None) -> Kept:
        """What of the stream was lost up to now is put on record; then where it is read on."""
        latest = self._options.start == "latest"
        while True:
            found = judged(self._kept, seen, floor, latest, self._some)
            if found.hole is None:
                break
            before = self._kept or found.kept
            _log.error("source %s: stream %s: %s", self._settings.id, self._options.stream,
                       found.hole.text)
            event = hole_event(
                found.hole, before, self._options.stream, wall_us(), found.sure)
            await self._deliver(_Batch([event], [found.hole], 0, []), before.created, VERSION)
            await self._keep(found.kept)
        if found.kept != self._kept:
            await self._keep(found.kept)
        return found.kept

    async def _make(self, seen: Seen, kept: Kept) -> Consumer | None:
        """A consumer behind what was read: the durable one that is named, else one of our own."""
        if seen.config.retention == LIMITS:
            at: dict[str, object] = {
                "deliver_policy": "by_start_sequence", "opt_start_seq": kept.low or kept.next}
        else:
            at = {"deliver_policy": "all"}
        wait = {**at, "ack_wait": NATS_ACK_SECONDS * NANOS}
        if name := self._options.consumer:
            return await self._server.make(name, {
                **wait, "durable_name": name, "ack_policy": "explicit",
                "max_ack_pending": NATS_PENDING})
        if self._own:
            await self._server.drop(self._own)
        self._own = f"indelible-{random_id()}"
        return await self._server.make(self._own, {
            **wait, "ack_policy": "all", "max_ack_pending": -1, "mem_storage": True,
            "inactive_threshold": NATS_UNUSED_SECONDS * NANOS})

    # --- reading

    async def _read(self) -> str:
        """Read until the consumer goes away, and say why it did."""
        probe, looked_at, asked_at = 0, monotonic(), monotonic()
        while True:
            taken = await self._server.take(probe > 0)
            old = self._seen
            if taken.given or taken.expired or monotonic() - looked_at > NATS_LOOK_SECONDS:
                seen = await self._server.look()
                if seen is None or seen.created != old.created:
                    return "the stream was deleted"  # and what came may be another one's
                self._seen, looked_at = seen, monotonic()
            if taken.given:
                batch = await asyncio.to_thread(self._batch, taken.given, old.first)
                await self._send(batch)
            elif taken.nothing and probe and not taken.lost:
                await self._send(self._passed(probe, old.first))
            if taken.lost:
                return taken.lost
            probe = 0
            await self._settle()
            if self._low and monotonic() - asked_at > NATS_LOOK_SECONDS:
                await self._all_acknowledged()
                asked_at = monotonic()
            if taken.expired and not taken.given and not self._server.pulling:
                probe = await self._unseen()

    def _batch(self, given: Sequence[Given], first: int) -> _Batch:
        """Messages, parsed, and what is missing among them; one that is given again, too: its id
        is known. In a thread, while the loop serves others and waits for it."""
        kept = self._kept
        assert kept is not None
        stem = Stem(self._options.stream, kept.created)
        envelope, now_us = self._hub.given(self._settings), wall_us()
        batch = _Batch([], [], 0, [])
        newest_us = 0
        for record, place, reply in given:
            if place.sequence >= self._next:
                self._lack(batch, kept, place.sequence, first, now_us)
                self._next = place.sequence + 1
            batch.events.append(
                event_of(record, stem, self._parser, envelope, len(batch.events) + 1))
            batch.acks.append(reply)
            newest_us = max(newest_us, record.time_us)
            self._behind = place.pending
        return batch._replace(next=self._next, newest_us=newest_us)

    def _passed(self, upto: int, first: int) -> _Batch:
        """Nothing up to this number is for us: what was is deleted."""
        kept, batch = self._kept, _Batch([], [], 0, [])
        assert kept is not None
        if upto >= self._next:
            self._lack(batch, kept, upto + 1, first, wall_us())
            self._next = upto + 1
        self._behind = max(0, self._seen.last + 1 - self._next)
        return batch._replace(next=self._next)

    def _lack(
        self, batch: _Batch, kept: Kept, sequence: int, first: int, now_us: int
    ) -> None:
        hole = missing(kept.begun, self._next, sequence, first, self._some)
        if hole is not None:
            batch.holes.append(hole)
            event = hole_event(hole, kept, self._options.stream, now_us, not self._some)
            batch.events.append(replace(event, line=len(batch.events) + 1))

    async def _unseen(self) -> int:
        """The last number of the stream where it is not known to be none of ours, else 0.

        It is the one of the time before: in a cluster whoever has the consumer may hear of a
        message later than whoever tells of the stream. With a durable consumer only while it waits
        for nothing: what was given to one who died is given again later.
        """
        await self._settle(at_once=True)
        if self._options.consumer and not await self._all_acknowledged():
            return 0
        before, self._end_seen = self._end_seen, self._seen.last
        whole = not self._seen.deleted and self._seen.first <= self._next
        return before if before >= self._next and (self._some or not whole) else 0

    async def _all_acknowledged(self) -> bool:
        """Whether the consumer waits for no acknowledgement; then nothing is given again."""
        now = await self._server.consumer(self._options.consumer or self._own)
        if now is None:
            return False
        idle = not now.num_ack_pending
        over = now.delivered.stream_seq >= self._known or not now.num_pending
        if (idle and over) or now.ack_floor.stream_seq >= self._known:
            self._low = 0
        return idle

    # --- the ledger

    async def _send(self, batch: _Batch) -> None:
        """Have a batch made durable, while the next is read; not more than some at once."""
        if len(self._under_way) >= NATS_BATCHES:
            await self._oldest()
        if batch.holes:
            _log.error("source %s: stream %s: between %d and %d: %s", self._settings.id,
                       self._options.stream, batch.holes[0].first, batch.holes[-1].last,
                       batch.holes[-1].text)
        self._newest_us = max(self._newest_us, batch.newest_us)
        created = self._seen.created
        work = self._deliver(batch, created, self._parser.version)
        self._under_way.append((asyncio.create_task(work), batch))

    async def _deliver(self, batch: _Batch, created: str, parser: str) -> None:
        settings, options = self._settings, self._options
        if not batch.events:
            return
        old = 0 < batch.newest_us < wall_us() - round(NATS_OLD_SECONDS * MICROS)
        await self._hub.deliver(Submission(
            source=settings.id, tenant=settings.tenant, events=batch.events, protocol="nats",
            parser=parser, peer=options.host, tls="" if options.tls == "off" else "server",
            backfill=old,
        ))
        lost = [hole for hole in batch.holes if hole.first <= hole.last]
        boot = f"nats/{options.stream}/{created}"
        await asyncio.gather(
            *[self._hub.gap(settings, boot, hole.first, hole.last) for hole in lost])

    async def _oldest(self) -> None:
        """Wait for the oldest batch; everything before it is durable, too."""
        task, batch = self._under_way[0]
        await task
        self._under_way.popleft()
        self._durable = batch.next
        self._acks += batch.acks

    async def _settle(self, at_once: bool = False) -> None:
        """Keep how far was read, not more often than once a second; then acknowledge it."""
        while self._under_way and (at_once or self._under_way[0][0].done()):
            await self._oldest()
        now, kept = monotonic(), self._kept
        full = 2 * len(self._acks) >= self._most
        if kept is None or not (
            at_once or full or now - self._kept_at >= NATS_KEEP_SECONDS
        ):
            return
        self._kept_at = now
        moved = replace(kept, next=max(kept.next, self._durable), low=self._low,
                        end=max(kept.end, self._seen.last + 1, self._durable))
        if moved != kept:
            await self._keep(moved)
        acks, self._acks = self._acks, []
        for reply in acks if self._options.consumer else acks[-1:]:
            await self._server.ack(reply)
        self._show()

    async def _keep(self, kept: Kept) -> None:
        await self._hub.keep(self._settings, {name_of(self._options.stream): packed(kept)})
        self._kept = kept

    # --- what people see

    def _show(self) -> None:
        options = self._options
        behind = self._behind + sum([len(batch.acks) for _, batch in self._under_way])
        figures = {
            "reads": f"stream {options.stream}" + "".join([f" {one}" for one in options.subjects]),
            "behind": f"{behind:,} message{'' if behind == 1 else 's'}",
        }
        if self._newest_us:
            figures["last message"] = rfc3339(self._newest_us)
        if trouble := self._trouble or self._server.trouble:
            figures["trouble"] = trouble
        self._hub.figures(self._settings, figures)


def misfit(bound: Consumer, subjects: Sequence[str]) -> str:
    """Why a consumer that is there cannot be read with; '' where it can."""
    config = bound.config
    if config.deliver_subject:
        return "pushes its messages to a subject"
    if config.ack_policy != "explicit":  # with `all` a later one stands for what never came
        return "does not have every message acknowledged by itself (its ack policy)"
    if subjects and set(subjects) != set(config.subjects):
        return f"reads the subjects {', '.join(config.subjects) or '>'}"
    return ""
