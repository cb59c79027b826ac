"""Following files: lines become events as they are appended, each once, whatever becomes of a file.

The order of writes is what makes it so. A new file, and an end of a message that time decided, are
kept as positions before a message that depends on them is delivered; all other positions are kept
after `deliver` returned. A crash in between reads some lines again, under the same ids, and the
ledger adds nothing (`files` has the reasoning).

Looking and reading happen in a thread, one step at a time; a step reads no more than one batch, and
the next one begins when that batch is durable: a ledger that is slow makes reading slow, and the
files hold what waits.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec.structs import replace

from indelible.base.clock import monotonic, wall_us
from indelible.base.errors import BadRequest
from indelible.base.limits import FOLLOW_READ_BYTES, IMPORT_BATCH_BYTES, IMPORT_BATCH_EVENTS
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import parser_named
from indelible.ingest.protocols.files import check_options
from indelible.ingest.protocols.files_reading import FileMessage, Reading
from indelible.ingest.protocols.follow_disk import Handles
from indelible.ingest.protocols.follow_known import Known
from indelible.ingest.protocols.follow_meeting import Pace
from indelible.ingest.protocols.follow_tracked import Tracked, Truncated
from indelible.ingest.protocols.follow_watch import Watch
from indelible.ingest.protocols.hub import Configured, Hub
from indelible.ingest.submission import Submission

_HANDLES: Final = Handles()
"""Of all sources in this process."""


async def follow(hub: Hub, configured: Configured) -> None:
    """Follow the files of a source until cancelled.

    Raises `BadRequest` when its options cannot work, `LedgerStopped` when the ledger takes nothing
    more.
    """
    await following(hub, configured, Pace())


async def following(hub: Hub, configured: Configured, pace: Pace) -> None:
    """`follow` at another pace."""
    settings = configured.settings
    follower = Follower(configured, pace)
    running: asyncio.Future[Batch] | None = None
    try:
        while True:
            step = asyncio.to_thread(follower.step, hub.given(settings), monotonic())
            running = asyncio.ensure_future(step)
            batch = await asyncio.shield(running)
            hub.figures(settings, batch.figures)
            if batch.dropped:
                hub.dropped(settings, batch.dropped)
            if batch.before:
                await hub.keep(settings, batch.before)
            if batch.events:
                await hub.deliver(follower.submission(batch))
                follower.delivered(batch)
            if after := follower.to_keep(monotonic(), idle=not batch.events):
                await hub.keep(settings, after)
            if not batch.more:
                await asyncio.sleep(pace.look)
    finally:  # a thread cannot be cancelled: the files are closed when its step is over
        if running is not None:
            running.add_done_callback(lambda _: follower.close())


class Part(NamedTuple):
    """What a batch holds of one file."""

    reading: Reading
    messages: list[FileMessage]


class Batch(NamedTuple):
    """What one step read: events, and what must be kept before they are delivered.

    `more` says that the next step has something to do at once.
    """

    events: list[Parsed]
    parts: list[Part]
    old: bool
    more: bool
    before: dict[str, bytes]
    dropped: int
    figures: dict[str, str]


class Follower:
    """The files of one source; a step at a time, from one thread at a time."""

    def __init__(self, configured: Configured, pace: Pace) -> None:
        settings = configured.settings
        self._settings, self._pace = settings, pace
        self._parser = parser_named(settings.parser)
        self._known = Known(configured.positions)
        check_options(settings.options)
        self._watch = Watch(
            settings.options["path"], settings.parser,
            settings.options.get("backfill", "yes") == "yes", self._known, pace, _HANDLES,
        )
        self._host = socket.gethostname()
        self._began = False
        self._next_look = 0.0
        self._kept = 0.0
        self._turn = self._first = 0

    def step(self, given: Given, now: float) -> Batch:
        """Look at the files when that is due, read one batch."""
        given = replace(given, host=given.host or self._host)
        if not self._began:
            self._watch.begin(given, now)
            self._began = True
        if now >= self._next_look:
            self._watch.look(given, now)
            self._next_look = now + self._pace.look
        parts, old = self._gather(now)
        events = [
            parse_message(
                self._parser, message.raw, _of_file(given, reading), line=number,
                message_id=message.id, flags=("truncated",) if message.truncated else (),
            )
            for number, (reading, message) in enumerate(_each(parts), 1)
        ]
        dropped, self._watch.dropped = self._watch.dropped, 0
        before = self._take() if self._known.urgent else {}
        more = bool(events) or any(one.hungry for one in self._watch.tracked.values())
        return Batch(events, parts, old, more, before, dropped, self._figures())

    def submission(self, batch: Batch) -> Submission:
        """A batch as it goes to the ledger."""
        settings = self._settings
        return Submission(
            source=settings.id, tenant=settings.tenant, events=batch.events, protocol="file",
            parser=self._parser.version, peer="", backfill=batch.old,
        )

    def delivered(self, batch: Batch) -> None:
        """The events of `batch` are durable."""
        for reading, messages in batch.parts:
            reading.delivered(messages)
            reading.position.seen_us = wall_us()
            self._known.changed(reading.position)

    def to_keep(self, now: float, idle: bool) -> dict[str, bytes]:
        """The positions to keep now: not with every batch while there are many."""
        due = idle or now - self._kept >= self._pace.keep
        if not due or not (self._known.dirty or self._known.urgent):
            return {}
        self._kept = now
        return self._take()

    def close(self) -> None:
        """Let go of every file."""
        for tracked in self._watch.tracked.values():
            tracked.close()

    def _figures(self) -> dict[str, str]:
        """What people see of it."""
        count = len(self._watch.tracked)
        if not count:
            return {"trouble": f"{self._watch.path} names no file that can be read"}
        return {"files": f"{count:,} followed"}

    def _take(self) -> dict[str, bytes]:
        """Positions as they are, all lines before them delivered."""
        for reading in self._readings():
            if reading.position.key in self._known.dirty:
                reading.settle()
        return self._known.take()

    def _readings(self) -> list[Reading]:
        lost = [one.reading for one in self._watch.lost if one.reading is not None]
        return lost + [tracked.reading for tracked in self._watch.tracked.values()]

    # --- reading

    def _gather(self, now: float) -> tuple[list[Part], bool]:
        """Messages for one batch, of every file in turn."""
        for tracked in self._watch.tracked.values():
            if not tracked.hungry:
                tracked.reading.due(now)
        waiting = {id(reading): reading for reading in self._readings() if reading.ready}
        count = sum(len(reading.ready) for reading in waiting.values())
        for number, tracked in enumerate(self._in_turn()):
            if number and count >= IMPORT_BATCH_EVENTS:
                break
            reading = tracked.reading
            count -= len(reading.ready)
            for _ in range(IMPORT_BATCH_BYTES // FOLLOW_READ_BYTES):
                if not tracked.hungry or len(reading.ready) >= IMPORT_BATCH_EVENTS:
                    break
                self._read(tracked, now)
            count += len(reading.ready)
            if reading.ready:
                waiting[id(reading)] = reading
        for reading in waiting.values():
            if reading.urgent:
                self._known.changed(reading.position)
                self._known.urgent, reading.urgent = True, False
        self._first = (self._first + 1) % max(1, len(waiting))
        order = list(waiting.values())
        return _cut(order[self._first :] + order[: self._first])

    def _in_turn(self) -> list[Tracked]:
        """The files that may have more to read, older ones first, each time from another one on.

        Of packed files one at a time: each is a stream that holds a handle and a window.
        """
        hungry = [one for one in self._watch.tracked.values() if one.hungry]
        packed = [one for one in hungry if one.position.packed]
        packed.sort(key=lambda one: (not one.streaming, one.seen.mtime_ns))
        plain = [one for one in hungry if not one.position.packed]
        plain.sort(key=lambda one: one.listed)
        if plain:
            self._turn = (self._turn + 1) % len(plain)
        return packed[:1] + plain[self._turn :] + plain[: self._turn]

    def _read(self, tracked: Tracked, now: float) -> None:
        try:
            tracked.read(now)
        except Truncated:
            tracked.hungry = False
            self._watch.lose(tracked, now)
            self._next_look = now
        except BadRequest as error:  # a packed file is damaged: it is read again when it changes
            self._watch.unreadable(error.message)
            tracked.reading.end(now)
        except OSError as error:
            tracked.hungry, tracked.failed = False, True
            if not isinstance(error, FileNotFoundError):
                self._watch.tell(f"{tracked.seen.path} cannot be read: {error.strerror}")


def _cut(waiting: list[Reading]) -> tuple[list[Part], bool]:
    """A batch of what waits, a share of each; whether it is old."""
    taken: dict[int, Part] = {}
    old, count, size = False, 0, 0
    share = max(1, IMPORT_BATCH_EVENTS // max(1, len(waiting)))
    full = not waiting
    while not full:
        before = count
        for reading in waiting:
            part = taken.setdefault(id(reading), Part(reading, []))
            for _ in range(share):
                if not reading.ready or (count and reading.ready[0].old != old):
                    break
                size += len(reading.ready[0].raw)
                full = count >= IMPORT_BATCH_EVENTS or (count > 0 and size > IMPORT_BATCH_BYTES)
                if full:
                    break
                message = reading.ready.popleft()
                old, count = message.old, count + 1
                part.messages.append(message)
            if full:
                break
        full = full or count == before
    return [part for part in taken.values() if part.messages], old


def _each(parts: Iterable[Part]) -> Iterable[tuple[Reading, FileMessage]]:
    for reading, messages in parts:
        for message in messages:
            yield reading, message


def _of_file(given: Given, reading: Reading) -> Given:
    """What is known of the messages of one file."""
    return replace(given, data={**given.data, "file": reading.position.path})

