"""Objects read into the ledger: each is whole in it, or none of it is taken for read.

An object is done when all its events are durable; only then is it remembered, or its notification
deleted. A crash before that reads it again, under the same ids. Requests are made in threads of the
source's own, one batch of an object at a time; the next is read when the last is durable, so a slow
ledger makes reading slow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from msgspec.structs import replace

from indelible.base.clock import MICROS, monotonic, wall_us
from indelible.base.errors import Unreachable
from indelible.base.limits import (
    DIGEST_SHOWN,
    DIGEST_UNNAMED_SECONDS,
    S3_AT_ONCE,
    S3_CALL_SECONDS,
    S3_CLOCK_SECONDS,
    S3_KEEP_SECONDS,
    S3_OLD_SECONDS,
    S3_TRIES,
    S3_TROUBLES,
    S3_TRY_SECONDS,
)
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.table import parser_named
from indelible.ingest.protocols.digests_records import altered_since
from indelible.ingest.protocols.hub import Configured, Hub
from indelible.ingest.protocols.s3_keys import address, log_place
from indelible.ingest.protocols.s3_memory import ALTERED, NAMED, Memory, Read
from indelible.ingest.protocols.s3_options import Options
from indelible.ingest.protocols.s3_reading import Problem, Reading
from indelible.ingest.protocols.s3_records import VERSION, not_read
from indelible.ingest.protocols.s3_store import Bucket, Object, Opened
from indelible.ingest.submission import Submission

UNREACHABLE: Final = "unreachable"
"""The code of an object for which the store did not answer in several tries."""
_T = TypeVar("_T")


async def together(calls: Iterable[Coroutine[None, None, _T]]) -> list[_T]:
    """What several calls give, made at once; when one fails the others are ended first."""
    try:
        async with asyncio.TaskGroup() as tasks:
            begun = [tasks.create_task(one) for one in calls]
    except ExceptionGroup as group:
        raise first_of(group) from group
    return [one.result() for one in begun]


def first_of(group: ExceptionGroup[Exception]) -> Exception:
    """One error of a group, which names what is wrong better than the group does."""
    first = group.exceptions[0]
    return first_of(first) if isinstance(first, ExceptionGroup) else first


class Troubles:
    """Failures of objects in a row: several may be the trouble of the store, not of the objects."""

    def __init__(self) -> None:
        self._row, self._read = 0, False

    def read(self) -> None:
        """One could be read."""
        self._row, self._read = 0, True

    def failed(self, code: str, why: str) -> None:
        """One could not; raises `Unreachable` when that is no longer its own matter.

        As long as nothing at all was read, that is a matter of permissions on the whole bucket.
        """
        if code != UNREACHABLE and self._read:
            return
        self._row += 1
        if self._row >= S3_TROUBLES:
            raise Unreachable(f"the objects of the bucket cannot be read: {why}")


class Work:
    """One source at work. Lives in one event loop."""

    def __init__(self, hub: Hub, configured: Configured, options: Options, bucket: Bucket) -> None:
        self.hub, self.settings, self.options = hub, configured.settings, options
        self.bucket = bucket
        self.memory = Memory(configured.positions)
        self.troubles = Troubles()
        self.changed: dict[str, bytes] = {}
        """Positions that others of this source ask to be kept, beside the memory's."""
        self.trouble = ""
        """What people should look at, though reading goes on."""
        self._parser = parser_named(configured.settings.parser)
        self._pool = ThreadPoolExecutor(2 * S3_AT_ONCE, thread_name_prefix="s3")
        self._turn = asyncio.Semaphore(S3_AT_ONCE)
        self._kept = 0.0
        self._objects = 0
        self._ahead = 0

    def close(self) -> None:
        """Let the threads end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def now_us(self) -> int:
        """Our time, or the store's where ours is ahead of it."""
        return wall_us() - self._ahead

    def told(self, theirs_us: int) -> None:
        """The store says how late it is; 0 when it does not."""
        ahead = wall_us() - theirs_us if theirs_us else 0
        self._ahead = ahead if ahead > S3_CLOCK_SECONDS * MICROS else 0

    async def run(self, call: Callable[..., _T], *given: object) -> _T:
        """A blocking call, in a thread of this source.

        Raises `Unreachable` when it has no end: the wait for a byte is bounded, and a server may
        send one a while for ever. The thread itself ends with its connection, at the next byte.
        """
        try:
            async with asyncio.timeout(S3_CALL_SECONDS):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._pool, call, *given)
        except TimeoutError as error:
            why = f"the store has not answered to the end within {S3_CALL_SECONDS:g} s"
            raise Unreachable(why) from error

    async def open(self, what: Object) -> Opened:
        """Begin to read an object; tried again where the store does not answer.

        Raises `Gone`, `Withheld`, `Unreachable`.
        """
        return await self._tried(lambda: self.run(self.bucket.open, what.key, what.version))

    async def read(self, what: Object) -> Read:
        """Read an object, and return when all of it is durable; what could not be read is told.

        Raises `Gone`, `Withheld`, and `Unreachable` when it did not succeed in several tries.
        """
        async with self._turn:
            return await self._tried(lambda: self._read(what))

    async def tell(self, event: Parsed, refused: int = 0) -> None:
        """Put a finding on record."""
        await self.hub.deliver(self._submission([event], VERSION, False, refused))

    async def settle(self, at_once: bool = False) -> None:
        """Keep what was read, not more often than once a second."""
        now = monotonic()
        if not at_once and now - self._kept < S3_KEEP_SECONDS:
            return
        self._kept = now
        read = f"{self._objects:,} read since the source was started"
        wrong = {"trouble": self.trouble} if self.trouble else {}
        self.hub.figures(self.settings, {"objects": read, **wrong})
        changed, self.changed = {**self.memory.take(), **self.changed}, {}
        if changed:
            await self.hub.keep(self.settings, changed)

    # --- one object

    async def _tried(self, call: Callable[[], Coroutine[None, None, _T]]) -> _T:
        for times in range(1, S3_TRIES):
            try:
                return await call()
            except Unreachable:
                await asyncio.sleep(S3_TRY_SECONDS * times)
        return await call()

    async def _read(self, what: Object) -> Read:
        opened = await self.run(self.bucket.open, what.key, what.version)
        found = opened.object
        name = address(self.options.bucket, found.key)
        old = self.now_us() - found.modified_us > S3_OLD_SECONDS * MICROS
        given = self.hub.given(self.settings)
        given = replace(given, data={**given.data, "file": name})
        reading = Reading(opened, self.options.bucket, self._parser, given, name)
        problems: list[Problem] = []
        count = 0
        try:
            while (batch := await self.run(reading.step)) is not None:
                count += len(batch.problems)
                problems += batch.problems[: DIGEST_SHOWN - len(problems)]
                if batch.events:
                    version = self._parser.version
                    await self.hub.deliver(self._submission(batch.events, version, old))
        finally:
            reading.close()
        if problems:
            first = problems[0]
            event = not_read(
                self.options.bucket, found, first.code, first.why, problems, count
            )
            await self.tell(event, refused=count)
        read = self._taken(found, reading.sha256)
        await self._compare(read)
        self.memory.add(read)
        self._objects += 1
        return read

    def _taken(self, found: Object, sha256: bytes) -> Read:
        """What is remembered: whether digests must name it is asked only of what came in time."""
        fresh = self.now_us() - found.modified_us < DIGEST_UNNAMED_SECONDS * MICROS
        log = fresh and found.modified_us >= self.memory.forgot_us
        return Read(
            found.key, found.etag, found.modified_us, sha256,
            self.options.digests and log and log_place(found.key) is not None,
        )

    async def _compare(self, read: Read) -> None:
        """Tell a log file that is not what a digest has vouched for."""
        place = log_place(read.key)
        if place is None:
            return
        for before in self.memory.of(read.key):
            if before.state == NAMED and before.sha256 != read.sha256:
                read.state = ALTERED
                await self.tell(altered_since(
                    self.options.bucket, place, read.key, before.sha256, read.sha256
                ))
                return

    def _submission(
        self, events: list[Parsed], parser: str, old: bool, refused: int = 0
    ) -> Submission:
        return Submission(
            source=self.settings.id, tenant=self.settings.tenant, events=events, protocol="s3",
            parser=parser, peer="", backfill=old, rejected=refused,
        )
