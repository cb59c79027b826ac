"""A queue that tells what is new in a bucket: a message is deleted when all it names is durable.

While an object is read its message is kept hidden from others. What cannot be read is handed out
again, later each time, as the queue's own settings allow (a redrive to a dead-letter queue counts
the times). A message that says nothing of objects is put on record with its text, then deleted: it
would come for ever. Objects of another bucket are never read, whoever names them.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from indelible.base.clock import MICROS, monotonic
from indelible.base.errors import Unreachable
from indelible.base.limits import (
    S3_AGAIN_MOST_SECONDS,
    S3_AGAIN_SECONDS,
    S3_AT_ONCE,
    S3_LETTERS,
    S3_REMEMBER_SECONDS,
    S3_VISIBLE_SECONDS,
)
from indelible.ingest.protocols.digests_work import Digests
from indelible.ingest.protocols.s3_keys import digest_key
from indelible.ingest.protocols.s3_notices import NotANotice, Notice, notices
from indelible.ingest.protocols.s3_records import no_notice, not_read
from indelible.ingest.protocols.s3_store import Gone, Letter, Object, Queue, Withheld
from indelible.ingest.protocols.s3_work import UNREACHABLE, Work, together

_log = logging.getLogger(__name__)
_DIGEST: Final = "CloudTrail-Digest"
"""In a message: what it tells of is better read when the log files are."""


class Notified:
    """The queue of one source."""

    def __init__(self, work: Work, digests: Digests, queue: Queue) -> None:
        self._work, self._digests, self._queue = work, digests, queue
        self._held: dict[str, Letter] = {}
        self._looked = 0.0

    async def forever(self) -> None:
        """Take messages until cancelled; raises `Unreachable` when queue or bucket are silent."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hold())
            while True:
                letters = await self._work.run(self._queue.receive, S3_LETTERS)
                for letter in letters:
                    self._held[letter.receipt] = letter
                digests = [one for one in letters if _DIGEST in one.body]
                for some in ([one for one in letters if one not in digests], digests):
                    for start in range(0, len(some), S3_AT_ONCE):
                        await together(self._take(one) for one in some[start : start + S3_AT_ONCE])
                        await self._work.settle()
                await self._rest(idle=not letters)

    async def _rest(self, idle: bool) -> None:
        """Forget what is long past; when nothing is new, see what did not come."""
        now = monotonic()
        if now - self._looked > S3_AGAIN_SECONDS:
            self._looked = now
            self._work.memory.prune(self._work.now_us() - S3_REMEMBER_SECONDS * MICROS)
            if idle:
                await self._digests.look()
        await self._work.settle(at_once=idle)

    async def _hold(self) -> None:
        """Keep messages hidden that are being worked on."""
        while True:
            await asyncio.sleep(S3_VISIBLE_SECONDS / 3)
            for letter in list(self._held.values()):
                await self._hide(letter, S3_VISIBLE_SECONDS)

    async def _hide(self, letter: Letter, seconds: int) -> None:
        try:
            await self._work.run(self._queue.hide, letter, seconds)
        except Unreachable as error:  # it comes again sooner than it should, and does no harm
            _log.warning("%s", error)

    # --- one message

    async def _take(self, letter: Letter) -> None:
        try:
            again = await self._taken(letter)
        finally:
            self._held.pop(letter.receipt, None)
        if again:
            times = min(letter.times - 1, 16)
            await self._hide(letter, min(S3_AGAIN_SECONDS * 2**times, S3_AGAIN_MOST_SECONDS))
        else:
            await self._work.run(self._queue.delete, letter)

    async def _taken(self, letter: Letter) -> bool:
        """Read what a message names; True when it must come again."""
        try:
            found = notices(letter.body)
        except NotANotice as error:
            event = no_notice(self._work.options.queue, letter, str(error))
            await self._work.tell(event, refused=1)
            return False
        again = False
        for notice in found:
            again = await self._one(notice) or again
        return again

    async def _one(self, notice: Notice) -> bool:
        options = self._work.options
        what = Object(notice.key, notice.etag, 0, notice.version)
        if notice.bucket != options.bucket:
            why = f"the queue tells of an object of {notice.bucket!r}, which is not this source's"
            await self._work.tell(not_read(notice.bucket, what, "other_bucket", why), refused=1)
            return False
        if not notice.key.startswith(options.prefix) or notice.key.endswith("/"):
            return False
        if notice.etag and self._work.memory.has(what):
            return False
        return await self._read(what)

    async def _read(self, what: Object) -> bool:
        bucket = self._work.options.bucket
        try:
            if digest_key(what.key) is None:
                await self._work.read(what)
            elif self._work.options.digests:
                await self._digests.take(what)
        except Gone as error:
            await self._work.tell(not_read(bucket, what, "gone", f"it was announced: {error}"))
        except Withheld as error:
            return await self._failed(what, error.code, str(error))
        except Unreachable as error:
            return await self._failed(what, UNREACHABLE, error.message)
        else:
            self._work.troubles.read()
        return False

    async def _failed(self, what: Object, code: str, why: str) -> bool:
        """Say so, once; its message comes again."""
        self._work.troubles.failed(code, why)
        await self._work.tell(not_read(self._work.options.bucket, what, code, why))
        return True
