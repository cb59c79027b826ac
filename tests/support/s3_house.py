"""A source of objects driven by hand: a bucket in memory, a hub in memory, restarts at will."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from indelible.ingest.protocols.digests_keys import PublicKeys
from indelible.ingest.protocols.digests_work import Digests
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.s3_listing import Listing
from indelible.ingest.protocols.s3_options import options_of
from indelible.ingest.protocols.s3_queue import Notified
from indelible.ingest.protocols.s3_work import Work
from indelible.ingest.sources import SourceSettings
from support.buckets import BUCKET, MemoryBucket, MemoryQueue, Trail
from support.hub import MemoryHub


def story(tell: Callable[[], Coroutine[None, None, None]]) -> Callable[[], None]:
    """A test that is told in a loop of its own."""

    def test() -> None:
        asyncio.run(tell())

    test.__name__ = tell.__name__
    return test


class House:
    """One source; `restart` begins anew from what was kept, as a new process does."""

    def __init__(self, parser: str = "auto", keys: bool = True, **options: str) -> None:
        self.settings = SourceSettings(
            id="aws", protocol="s3", parser=parser, options={"bucket": BUCKET, **options}
        )
        self.hub = MemoryHub(self.settings)
        self.bucket, self.queue = MemoryBucket(), MemoryQueue()
        self.trail = Trail()
        self._keys = keys
        self.restart()

    def restart(self) -> None:
        positions = dict(self.hub.positions.get(("aws", ""), {}))
        configured = Configured(settings=self.settings, positions=positions)
        options = options_of(self.settings.options)
        keys = PublicKeys("", self.asked if self._keys else None)
        self.work = Work(self.hub, configured, options, self.bucket)
        self.digests = Digests(self.work, keys, positions)
        self.listing = Listing(self.work, self.digests, positions)
        self.notified = Notified(self.work, self.digests, self.queue)

    def asked(self, region: str, begin: int, end: int) -> list[tuple[str, bytes]]:
        return [(self.trail.fingerprint, self.trail.der)]

    async def look(self) -> None:
        await self.listing.retry()
        await self.listing.look()
        await self.work.settle(at_once=True)

    async def sweep(self) -> None:
        while await self.listing.sweep():
            pass
        await self.work.settle(at_once=True)

    async def drain(self) -> None:
        """Take every message that the queue hands out."""
        while letters := self.queue.receive(10):
            for letter in letters:
                await self.notified._take(letter)
        await self.work.settle(at_once=True)

    def deliver(self, count: int = 2) -> str:
        """A log file is delivered."""
        key, body = self.trail.log_file(count)
        self.bucket.put(key, body)
        return key

    def digest(self, hours: int = 1, put: bool = True, **change: Any) -> str:
        """The hour ends, and its digest is delivered."""
        key, body, metadata = self.trail.digest(hours, **change)
        if put:
            self.bucket.put(key, body, **metadata)
        return key

    def found(self, action: str = "") -> list[dict[str, Any]]:
        """Stored events: those of an action, else all that are no findings."""
        own = ("cloudtrail.digest.verify", "cloudtrail.log_file.verify", "s3.object.read",
               "s3.notice.read")
        return [
            one for one in self.hub.contents
            if (one.get("action") == action if action else one.get("action") not in own)
        ]

    def verdicts(self) -> list[tuple[str, str]]:
        """Outcome and reason of every digest that was checked, in order."""
        return [
            (one["outcome"], one.get("reason", {}).get("code", ""))
            for one in self.found("cloudtrail.digest.verify")
        ]

    def codes(self, action: str) -> list[str]:
        """The reasons of every finding of an action."""
        return [one.get("reason", {}).get("code", "") for one in self.found(action)]
