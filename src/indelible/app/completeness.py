"""What is missing, put on record: gaps, daily statements, silence and other changes of a source.

Runs on a beat in the writer. The figures live in `app.sourcing`; what they mean is decided by the
pure modules of `ingest.completeness`. After a crash nothing is told before `app.recount` has made
up for what the counts lack.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice

from indelible.app.core import Core
from indelible.app.recount import recount
from indelible.base.clock import MICROS, wall_us
from indelible.base.limits import GAP_SECONDS, GAPS_AT_ONCE, SOURCES_AT_ONCE
from indelible.ingest.completeness.numbers import Span
from indelible.ingest.completeness.rhythm import Finding
from indelible.ingest.completeness.tally import Tally
from indelible.ingest.sources import SourceSettings
from indelible.ledger.incoming import Own, Source, own_record

_DAY_US = 86_400 * MICROS


class Completeness:
    """The beat. Lives in the writer's loop."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def beat(self) -> None:
        """Look at every source once."""
        core = self._core
        await recount(core)
        await core.unstated.beat()
        now = wall_us()
        for number, (source, settings) in enumerate(core.known_sources()):
            if number % SOURCES_AT_ONCE == 0:
                await asyncio.sleep(0)  # others have their turn
            tally = core.sourcing.peek(source.number)
            hour = tally.rhythm.hour
            told = await self._numbers(source, tally, now)
            told += await self._rhythm(source, tally, settings, now)
            told += await self._day(source, tally, settings, now)
            if told or tally.rhythm.hour != hour:
                core.sourcing.tally(source)

    async def _numbers(self, source: Source, tally: Tally, now: int) -> int:
        """Put gaps on record that are due, and those that closed; how many.

        All go to the log at once, and of very many the rest at the next looks. What comes while
        they are on their way closes its part of the gap.
        """
        gaps = list(islice(_due(tally, now), GAPS_AT_ONCE))
        if gaps:
            with on_record(self._core, source) as record:
                await record(*(gap_record(source, *gap) for gap in gaps))
                for boot, gap, state in gaps:
                    numbers = tally.following(boot)
                    if numbers is not None and state == "open":
                        numbers.recorded(gap, now)
                    elif numbers is not None:
                        numbers.forget_closed(gap)
        tally.settle()
        return len(gaps)

    async def _rhythm(
        self, source: Source, tally: Tally, settings: SourceSettings | None, now: int
    ) -> int:
        """Put on record how the source differs from its rhythm; how many records."""
        if settings is not None and settings.disabled:
            return 0
        silence, before = settings.silence if settings is not None else 0, dict(tally.rhythm.told)
        found = [*tally.rhythm.turn(now), *tally.rhythm.look(now, tally.heard_us, silence)]
        try:
            for finding in found:
                await self._finding(source, finding)
        except BaseException:  # what is not on record is told at the next look
            tally.rhythm.told = before
            raise
        return len(found)

    async def _finding(self, source: Source, finding: Finding) -> None:
        data: dict[str, object] = {
            "source": source.number, "id": source.id, "state": finding.state, **finding.data
        }
        if finding.what == "silence":
            await self._core.own(own_record("silence", "ledger.silence.declare", data))
            return
        data["what"] = finding.what
        await self._core.own(own_record("event", "ledger.source.differ", data))

    async def _day(
        self, source: Source, tally: Tally, settings: SourceSettings | None, now: int
    ) -> int:
        """State a day that is over, of every source that is configured or sent something."""
        today = now // _DAY_US
        if not tally.day.number:
            tally.day.number = today
            return 1
        if tally.day.number >= today:
            return 0
        day = tally.since()
        configured = settings is not None and not settings.disabled
        if day.received or tally.gaps or configured:
            data: dict[str, object] = {
                "source": source.number, "id": source.id,
                "day": datetime.fromtimestamp(day.number * 86_400, UTC).date().isoformat(),
                "received": day.received, "stored": day.stored, "duplicates": day.duplicates,
                "conflicts": day.conflicts, "repeats": day.repeats, "unparsed": day.unparsed,
                "stripped": day.stripped, "summarised": day.summarised,
                "dropped_by_rule": day.dropped_by_rule,
                "refused": day.refused, "dropped": day.dropped, "missing": tally.gaps,
            }
            if self._core.audit_policy.version:
                data["audit_policy"] = self._core.audit_policy.version
            if day.first_index is not None:
                data["first_index"], data["last_index"] = day.first_index, day.last_index
            with on_record(self._core, source) as record:
                await record(own_record("statement", "ledger.completeness.state", data))
                tally.new_day(today)
        else:
            tally.new_day(today)
        return 1


def _due(tally: Tally, now_us: int) -> Iterator[tuple[str, Span, str]]:
    """What is to be put on record of each boot: first what closed, which is on record as open."""
    for boot, numbers in tally.followed:
        for gap in numbers.closed:
            yield boot, gap, "closed"
        for gap in numbers.due(now_us - GAP_SECONDS * MICROS):
            yield boot, gap, "open"


async def declare_lost(core: Core, source: Source, boot: str, gap: Span) -> None:
    """Put on record that numbers of a source are missing for good: where they were kept they are
    not any more."""
    with on_record(core, source) as record:
        await record(gap_record(source, boot, gap, "lost"))
        core.sourcing.tally(source).stretches += 1


def gap_record(source: Source, boot: str, gap: Span, state: str) -> Own:
    """The record that numbers of a source are missing.

    `state` is `open` (they may yet come), `closed` (they came), or `lost` (they never will).
    """
    return own_record(
        "gap", "ledger.gap.declare",
        {"source": source.number, "boot": boot, "first": gap.first, "last": gap.last,
         "state": state},
    )


@contextmanager
def on_record(core: Core, source: Source) -> Iterator[Callable[..., Awaitable[None]]]:
    """What is put on record inside changes the counts of a source inside, too.

    Counts that are kept hold both or neither, so that after a crash nothing is told again and
    nothing is forgotten.
    """

    async def record(*records: Own) -> None:
        for index in await core.own_all(records):
            core.sourcing.counted(index, index + 1)
        core.sourcing.tally(source)  # it changes now

    with core.sourcing.under_way():
        yield record
