"""Kafka: the records of topics, each of them once, from the offset behind the last durable one.

Positions are kept here and not by Kafka. The order is: deliver, keep the position, tell the group
(where one is named, for those who watch its lag). A crash between any two of them only reads again
what has ids. What is given out is only what was committed (`read_committed`).

Nothing is skipped in silence. Where the brokers deleted what was not read yet, made a topic again
or lost some of it, that is told by an event (`kafka.partition.lose`) and `Hub.gap` before reading
goes on. What is new (partitions, topics that were missing) is found by looking on a beat.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace

from indelible.base.clock import MICROS, monotonic, rfc3339, wall_us
from indelible.base.limits import (
    COLLECT_BATCH_EVENTS,
    KAFKA_BATCH_BYTES,
    KAFKA_BATCHES,
    KAFKA_BEHIND_SHOWN,
    KAFKA_GATHER_SECONDS,
    KAFKA_KEEP_SECONDS,
    KAFKA_LOOK_SECONDS,
    KAFKA_OLD_SECONDS,
    KAFKA_WAIT_SECONDS,
    KAFKA_WRONG_SECONDS,
)
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import parser_named
from indelible.ingest.protocols.hub import Configured, Hub
from indelible.ingest.protocols.kafka_log import TRUNCATED, Log, Seen
from indelible.ingest.protocols.kafka_positions import (
    Kept,
    Place,
    hole_event,
    judged,
    kept_of,
    name_of,
    packed,
    stepped,
    unreadable,
    untold,
)
from indelible.ingest.protocols.kafka_records import VERSION, Record, Stem, event_of
from indelible.ingest.protocols.kafka_settings import options_of
from indelible.ingest.protocols.losses import Hole
from indelible.ingest.submission import Submission

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_WAITS = (
    "topic {}: its id, or that of the cluster, is not told now, so whether it is the one that was"
    " read is not known: it waits"
)


async def consume(hub: Hub, configured: Configured) -> None:
    """Read the topics of a source until cancelled.

    Raises `BadRequest` when its options or its secret cannot work, `Unreachable` when no broker
    answers, `LedgerStopped` when the ledger takes nothing more.
    """
    await _Consuming(hub, configured).run()


class _Reading(NamedTuple):
    """A partition that is being read: the next offset to come, and the log that it is in."""

    offset: int
    topic_id: str
    life: str


class _Batch(NamedTuple):
    """Events that go to the ledger together, and where their partitions stand behind them."""

    events: list[Parsed]
    offsets: dict[Place, int]
    wrong: dict[Place, str]
    newest_us: int


class _Consuming:
    """One source at work. Lives in one event loop; its one thread asks the brokers and parses."""

    def __init__(self, hub: Hub, configured: Configured) -> None:
        self._hub, self._settings = hub, configured.settings
        self._options = options_of(configured.settings.options)
        self._secret = configured.secret
        self._parser = parser_named(configured.settings.parser)
        self._kept = kept_of(configured)
        self._reading: dict[Place, _Reading] = {}
        self._cluster = ""
        self._seen: Seen | None = None
        self._under_way: deque[tuple[asyncio.Future[Any], dict[Place, int]]] = deque()
        self._durable: dict[Place, int] = {}
        self._stuck: dict[Place, str] = {}
        self._kept_at = 0.0
        self._newest_us = 0
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kafka")

    async def run(self) -> None:
        """Look, and read what is there, again and again."""
        log: Log | None = None
        try:
            log = await self._in_thread(Log, self._options, self._secret, self._settings.id)
            await self._forever(log)
        finally:
            left = [task for task, _ in self._under_way]
            for task in left:
                task.cancel()
            if log is not None:
                self._pool.submit(log.close)
            self._pool.shutdown(wait=False)
            await asyncio.gather(*left, return_exceptions=True)

    async def _forever(self, log: Log) -> None:
        wrong: dict[Place, str] = {}
        looked_at = -KAFKA_LOOK_SECONDS
        while True:
            since = monotonic() - looked_at
            if since >= (KAFKA_WRONG_SECONDS if wrong else KAFKA_LOOK_SECONDS):
                wrong = await self._look(log, wrong)
                looked_at = monotonic()
            batch = await self._in_thread(self._read, log, self._hub.given(self._settings))
            wrong |= batch.wrong
            await self._send(batch)
            await self._settle(log)

    async def _in_thread(self, call: Callable[..., _T], *given: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, call, *given)

    # --- reading

    def _read(self, log: Log, given: Given) -> _Batch:
        """Records that are there, parsed; in the thread. As many as a batch takes."""
        records: list[Record] = []
        offsets: dict[Place, int] = {}
        wrong: dict[Place, str] = {}
        size, until, wait = 0, 0.0, KAFKA_WAIT_SECONDS
        while len(records) < COLLECT_BATCH_EVENTS and size < KAFKA_BATCH_BYTES and not wrong:
            taken = log.take(wait)
            for record in taken.records:
                place = Place(record.topic, record.partition)
                if place in self._reading:
                    records.append(record)
                    size += record.size
                    offsets[place] = record.offset + 1
            for place, offset in taken.ends.items():
                if place in self._reading:
                    offsets[place] = max(offset, offsets.get(place, 0))
            wrong = taken.wrong
            until = until or monotonic() + KAFKA_GATHER_SECONDS
            wait = until - monotonic()
            if not records or wait <= 0:
                break
        wrong |= self._made_again(log, offsets)
        events: list[Parsed] = []
        now_us, newest_us = wall_us(), 0
        for record in records:
            place = Place(record.topic, record.partition)
            if place in offsets:
                stem = Stem(self._cluster, record.topic, self._reading[place].life)
                events.append(event_of(record, stem, self._parser, given, len(events) + 1))
                newest_us = max(newest_us, record.time_us(now_us))
        return _Batch(events, offsets, wrong, newest_us)

    def _made_again(self, log: Log, offsets: dict[Place, int]) -> dict[Place, str]:
        """Take back what was read of topics that were made again meanwhile.

        librdkafka reads on in the new one at the old offset. A topic that still has its id after
        its records came is the one that they came from.
        """
        known = {place.topic: self._reading[place].topic_id for place in offsets}
        now = log.ids([name for name, ident in known.items() if ident])
        wrong = {}
        for place in list(offsets):
            if now.get(place.topic, "") not in ("", known[place.topic]):
                del offsets[place]
                wrong[place] = "the topic has another id"
        return wrong

    async def _send(self, batch: _Batch) -> None:
        """Have a batch made durable, while the next is read; not more than some at once."""
        for place, offset in batch.offsets.items():
            if place in self._reading:
                self._reading[place] = self._reading[place]._replace(offset=offset)
                self._stuck.pop(place, None)
        if not batch.offsets:
            return
        if len(self._under_way) >= KAFKA_BATCHES:
            await self._oldest()
        self._newest_us = max(self._newest_us, batch.newest_us)
        delivered: asyncio.Future[Any]
        if batch.events:
            old = 0 < batch.newest_us < wall_us() - round(KAFKA_OLD_SECONDS * MICROS)
            delivered = asyncio.ensure_future(
                self._hub.deliver(self._submission(batch.events, self._parser.version, old)))
        else:
            delivered = asyncio.get_running_loop().create_future()
            delivered.set_result(None)
        self._under_way.append((delivered, batch.offsets))

    async def _oldest(self) -> None:
        """Wait for the oldest batch; everything before it is durable, too."""
        task, offsets = self._under_way[0]
        await task
        self._under_way.popleft()
        self._durable |= offsets

    async def _settle(self, log: Log, at_once: bool = False) -> None:
        """Keep how far was read, not more often than once a second."""
        while self._under_way and (at_once or self._under_way[0][0].done()):
            await self._oldest()
        now = monotonic()
        if not self._durable or (not at_once and now - self._kept_at < KAFKA_KEEP_SECONDS):
            return
        self._kept_at = now
        durable, self._durable = self._durable, {}
        ends = {} if self._seen is None else self._seen.ends
        moved: dict[Place, Kept] = {}
        for place, offset in durable.items():
            at = self._reading.get(place)
            before = self._kept.get(place)
            if at is not None and (before is None or before.offset != offset):
                end = max(offset, ends[place].high if place in ends else 0)
                losses = 0 if before is None else before.losses
                moved[place] = Kept(self._cluster, at.topic_id, at.life, offset, end, losses)
        await self._keep(moved)
        if self._options.group and moved:
            said = [(place, kept.offset) for place, kept in moved.items()]
            await self._in_thread(log.commit, said)
        self._show(log)

    async def _keep(self, moved: dict[Place, Kept]) -> None:
        if moved:
            await self._hub.keep(
                self._settings, {name_of(place): packed(one) for place, one in moved.items()})
            self._kept |= moved

    # --- looking

    async def _look(self, log: Log, wrong: dict[Place, str]) -> dict[Place, str]:
        """Find what is new and what is gone, and go on where that can be.

        Of the partitions that were wrong those are given back of which nothing could be decided.
        """
        for place, why in wrong.items():
            if self._stuck.get(place) != why:
                _log.warning("source %s: partition %s: %s", self._settings.id, place, why)
        self._stuck |= wrong
        seen: Seen = await self._in_thread(log.look)
        known = {place.topic: kept for place, kept in self._kept.items()}
        changed = [place for place in seen.ends if self._is_new(place, seen) or place in wrong]
        changed = [one for one in changed if one.topic in known or one.topic not in seen.parts]
        held = {place for place in changed
                if untold(self._kept.get(place, known.get(place.topic)), seen.ends[place])}
        changed = [place for place in changed if place not in held]
        seen.troubles.extend([_WAITS.format(one) for one in sorted({one.topic for one in held})])
        gone = [place for place in self._reading
                if place not in seen.ends and (place in wrong or place.topic not in seen.topics)]
        if changed or gone:
            await self._settle(log, at_once=True)
            before = dict(self._reading)
            for place in gone:
                del self._reading[place]
                self._stuck.pop(place, None)
            self._cluster = seen.cluster
            await self._begin(changed, seen, wrong)
            if any(place not in self._reading or self._reading[place].life != at.life
                   for place, at in before.items()):
                await self._in_thread(log.renew)
            await self._in_thread(
                log.assign, {place: at.offset for place, at in self._reading.items()})
        await self._take_up_ids(seen, wrong)
        self._seen = seen
        self._show(log)
        return {place: why for place, why in wrong.items() if place in held}

    async def _take_up_ids(self, seen: Seen, wrong: dict[Place, str]) -> None:
        """Keep ids of topics that were begun without, so that another topic is known from now on.

        `life` stays: what was read has ids that are made of it. A partition that lacks what was
        read is not taken for the same one: the brokers will say so when it is read on.
        """
        moved = {}
        for place, at in self._reading.items():
            now = seen.ends.get(place)
            if now is None or at.topic_id or not now.topic_id or place in wrong:
                continue
            if seen.cluster == self._cluster and now.low <= at.offset <= now.high:
                self._reading[place] = at._replace(topic_id=now.topic_id)
                moved[place] = replace(self._kept[place], topic_id=now.topic_id)
        await self._keep(moved)

    def _is_new(self, place: Place, seen: Seen) -> bool:
        """Whether a partition is not read yet, or is now another log than the one that is read."""
        at, now = self._reading.get(place), seen.ends[place]
        if at is None or seen.cluster != self._cluster:
            return True
        return bool(now.topic_id and at.topic_id and now.topic_id != at.topic_id)

    async def _begin(self, places: list[Place], seen: Seen, wrong: Mapping[Place, str]) -> None:
        """Decide where partitions are read from, tell what was lost, and keep both first."""
        now_us = wall_us()
        known = {place.topic: kept for place, kept in self._kept.items()}
        moved: dict[Place, Kept] = {}
        for place in places:
            now, kept = seen.ends[place], self._kept.get(place)
            latest = self._options.start == "latest"
            why = wrong.get(place, "")
            cut = why.startswith(TRUNCATED)
            found = judged(kept, now, known.get(place.topic), latest, now_us, cut)
            found = stepped(found, place, now, why, self._options)
            losses = 0 if kept is None else kept.losses
            if found.hole is not None:
                stem = Stem(kept.cluster, place.topic, kept.life) if kept is not None else Stem(
                    now.cluster, place.topic, found.life)
                await self._tell(found.hole, stem, place, now_us, losses)
                losses += 1
                self._stuck.pop(place, None)
            moved[place] = Kept(
                now.cluster, now.topic_id, found.life, found.offset, now.high, losses)
            self._reading[place] = _Reading(found.offset, now.topic_id, found.life)
        await self._keep({place: one for place, one in moved.items()
                          if one != self._kept.get(place)})

    async def _tell(
        self, hole: Hole, stem: Stem, place: Place, now_us: int, before: int
    ) -> None:
        """Put a loss on record before reading goes on behind it."""
        _log.error("source %s: partition %s: %s", self._settings.id, place, hole.text)
        event = hole_event(hole, stem, place, now_us, before)
        await self._hub.deliver(self._submission([event], VERSION, False))
        if hole.first <= hole.last:
            boot = f"kafka/{stem.cluster}/{place}"
            await self._hub.gap(self._settings, boot, hole.first, hole.last)

    # --- the ledger, and what people see

    def _submission(self, events: list[Parsed], parser: str, old: bool) -> Submission:
        settings, options = self._settings, self._options
        return Submission(
            source=settings.id, tenant=settings.tenant, events=events, protocol="kafka",
            parser=parser, peer=options.host, tls="server" if options.tls else "", backfill=old,
        )

    def _show(self, log: Log) -> None:
        """How far behind the last look it is; the next look knows better."""
        seen = self._seen
        if seen is None:
            return
        behind = {place: max(0, ends.high - self._reading[place].offset)
                  for place, ends in seen.ends.items() if place in self._reading}
        held = sum([ends.high - ends.stable for ends in seen.ends.values()])
        most = sorted(behind.items(), key=lambda pair: -pair[1])[:KAFKA_BEHIND_SHOWN]
        figures = {
            "reads": f"{_counted(len({place.topic for place in behind}), 'topic')},"
            f" {_counted(len(behind), 'partition')}",
            "behind": f"{sum(behind.values()):,} offsets",
        }
        if where := ", ".join(f"{place}: {count:,}" for place, count in most if count):
            figures["most of them"] = where
        if held:
            figures["held by open transactions"] = f"{held:,} offsets"
        if self._newest_us:
            figures["last record"] = rfc3339(self._newest_us)
        stuck = [f"partition {place}: {why}{self._stands(place, why)}"
                 for place, why in self._stuck.items()]
        if wrong := "; ".join(filter(None, (*seen.troubles, *stuck, log.trouble))):
            figures["trouble"] = wrong
        self._hub.figures(self._settings, figures)

    def _stands(self, place: Place, why: str) -> str:
        """Where a partition stands whose records cannot be read; who gives them up must know."""
        at = self._reading.get(place)
        return f" (it stands at offset {at.offset})" if at and unreadable(why) else ""


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
