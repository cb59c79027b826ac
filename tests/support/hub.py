"""A hub in memory: what transports deliver, with the ledger's rule for ids."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from indelible.base.clock import wall_us
from indelible.ingest.parsers.contract import Given
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import Senders, SourceSettings
from indelible.ingest.submission import Submission, SubmitResult


class MemoryHub:
    """Fulfils `ingest.protocols.hub.Hub`. `open` is cleared to hold every delivery back."""

    def __init__(self, *sources: SourceSettings, secret: bytes = b"") -> None:
        self.configured = [Configured(settings=one, secret=secret) for one in sources]
        self.submissions: list[Submission] = []
        self.contents: list[dict[str, Any]] = []
        self.ids: set[tuple[str, str]] = set()
        self.counts: dict[str, int] = {"refused": 0, "dropped": 0}
        self.strangers: list[tuple[str, str, str]] = []
        self.positions: dict[tuple[str, str], dict[str, bytes]] = {}
        self.shown: dict[str, str] = {}
        self.gaps: list[tuple[str, int, int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.grown = asyncio.Condition()

    def sources(self, protocol: str) -> Sequence[Configured]:
        return [
            one for one in self.configured
            if one.settings.protocol == protocol and not one.settings.disabled
        ]

    def senders(self, protocol: str) -> Senders:
        return Senders(protocol, [one.settings for one in self.sources(protocol)])

    def given(self, settings: SourceSettings) -> Given:
        return Given(now_us=wall_us(), zone=ZoneInfo(settings.zone))

    async def deliver(self, submission: Submission) -> SubmitResult:
        await self.open.wait()
        self.submissions.append(submission)
        for event in submission.events:
            if event.id:
                if (submission.source, event.id) in self.ids:
                    continue
                self.ids.add((submission.source, event.id))
            content = json.loads(event.content)
            self.contents.append({**content, "flags": list(event.flags), "kind": event.kind})
        async with self.grown:
            self.grown.notify_all()
        return SubmitResult(indexes=[0] * len(submission.events))

    @property
    def raws(self) -> list[str]:
        """The original messages, in the order of delivery."""
        return [content["raw"] for content in self.contents]

    async def wait_for(self, count: int, seconds: float = 20.0) -> None:
        """Until so many events are there."""
        async with asyncio.timeout(seconds), self.grown:
            await self.grown.wait_for(lambda: len(self.contents) >= count)

    def refused(self, settings: SourceSettings, count: int) -> None:
        self.counts["refused"] += count

    def dropped(self, settings: SourceSettings, count: int) -> None:
        self.counts["dropped"] += count

    def unknown(self, protocol: str, peer: str, certificate: str = "", count: int = 1) -> None:
        self.strangers.append((protocol, peer, certificate))

    def figures(self, settings: SourceSettings, figures: Mapping[str, str]) -> None:
        self.shown = dict(figures)

    async def gap(self, settings: SourceSettings, boot: str, first: int, last: int) -> None:
        self.gaps.append((boot, first, last))

    async def keep(self, settings: SourceSettings, positions: Mapping[str, bytes]) -> None:
        kept = self.positions.setdefault((settings.id, settings.tenant), {})
        for what, value in positions.items():
            if value:
                kept[what] = value
            else:
                kept.pop(what, None)
