"""What came from one source, counted: the figures of `indelible source list`.

Every message that a source sends is counted once, by what became of it:

    received = stored + duplicates + summarised + dropped_by_rule + refused + dropped

`stored` includes id conflicts, probable repeats, messages kept unparsed and those stripped of their
bodies, each also counted by itself. The audit policy rolled up the `summarised` and dropped those
`dropped_by_rule`: they count when the record that says so stands in the log. `dropped` are messages
known to be lost before they could be read (datagrams). Counts are kept once a minute; a crash loses
at most the last minute of what was refused, repeated and lost, never an event, and never a count of
the audit policy: what is in the log, or was answered, is counted again at the next start.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from indelible.base.clock import MICROS
from indelible.base.limits import BOOT_RANGES, BOOTS, BOOTS_ENDED, RATE_MINUTES, SOURCE_PARSERS
from indelible.ingest.completeness.numbers import Numbers, begun
from indelible.ingest.completeness.rhythm import Rhythm

_MINUTE_US = 60 * MICROS


class Day(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where a day began: the counts as they stood then, and the indexes of its events so far."""

    number: int = 0
    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0
    repeats: int = 0
    unparsed: int = 0
    stripped: int = 0
    summarised: int = 0
    dropped_by_rule: int = 0
    refused: int = 0
    dropped: int = 0
    first_index: int | None = None
    last_index: int | None = None

    @property
    def received(self) -> int:
        """Everything that is known to have been sent."""
        return (
            self.stored + self.duplicates + self.summarised + self.dropped_by_rule + self.refused
            + self.dropped
        )


class Tally(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Counts of one source since it was registered, and how it goes now. Times are microseconds.

    `last_us` is when something of it was received at last, `new_us` when that was not known yet (0
    in counts of before that was told apart), `event_us` the time of its newest event, None when it
    gave none. `minutes` counts stored events of the newest minutes, the newest last, which is
    minute number `minute` since 1970. `stretches` counts gaps that can never close.

    `numbers` follows the newest boots of the sender, the newest last. Older ones that lack numbers
    are in `lacking`, the oldest first, until what they lack came, or there are too many ranges of
    it (`limits.BOOT_RANGES`; `ranges` is how many there are, each boot counted as one more): then
    what the oldest lacked is `unfollowed`. Of all others `ended` says where they were, the newest
    last; `forgot` that there were even more.
    """

    stored: int = 0
    duplicates: int = 0
    conflicts: int = 0
    repeats: int = 0
    unparsed: int = 0
    stripped: int = 0
    summarised: int = 0
    dropped_by_rule: int = 0
    refused: int = 0
    dropped: int = 0
    stretches: int = 0
    bytes: int = 0
    first_us: int = 0
    last_us: int = 0
    new_us: int = 0
    event_us: int | None = None
    backfill: bool = False
    minute: int = 0
    minutes: list[int] = []
    parsers: dict[str, int] = {}
    numbers: dict[str, Numbers] = {}
    lacking: dict[str, Numbers] = {}
    ranges: int = 0
    ended: dict[str, int] = {}
    forgot: bool = False
    unfollowed: int = 0
    rhythm: Rhythm = msgspec.field(default_factory=Rhythm)
    day: Day = msgspec.field(default_factory=Day)

    @property
    def heard_us(self) -> int:
        """When something new came at last: what only repeats what is known breaks no silence."""
        return self.new_us or self.last_us

    @property
    def received(self) -> int:
        """Everything that is known to have been sent."""
        return (
            self.stored + self.duplicates + self.summarised + self.dropped_by_rule + self.refused
            + self.dropped
        )

    def lost(self, now_us: int, *, refused: int = 0, dropped: int = 0) -> None:
        """Count what is not in the log."""
        self.refused += refused
        self.dropped += dropped
        self.first_us = self.first_us or now_us

    def add(
        self, now_us: int, *, stored: int, duplicates: int, conflicts: int, repeats: int,
        unparsed: int, size: int, event_us: int | None, backfill: bool, stripped: int = 0,
        apart: int = 0,
    ) -> None:
        """Count one batch that is durable; `event_us` is the time of its newest event.

        `apart` are events that the audit policy rolled up or dropped: they are counted elsewhere,
        but the source is not silent.
        """
        self.stored += stored
        self.duplicates += duplicates
        self.conflicts += conflicts
        self.repeats += repeats
        self.unparsed += unparsed
        self.stripped += stripped
        self.bytes += size
        self.first_us = self.first_us or now_us
        self.last_us = now_us
        if stored or apart:
            self.new_us = now_us
            self.event_us, self.backfill = event_us, backfill
        self._turn(now_us)
        self.minutes[-1] += stored
        lag = None if event_us is None or backfill else now_us - event_us
        self.rhythm.observe(now_us, 0 if backfill else stored + apart, unparsed, lag)

    def read_by(self, counts: Mapping[str, int]) -> None:
        """Events were read by these parsers."""
        for parser, count in counts.items():
            if parser in self.parsers or len(self.parsers) < SOURCE_PARSERS:
                self.parsers[parser] = self.parsers.get(parser, 0) + count

    def stored_at(self, first: int, last: int) -> None:
        """Its newest events stand at these indexes."""
        if self.day.first_index is None:
            self.day.first_index = first
        self.day.last_index = last

    def numbered(self, boot: str, numbers: list[int], now_us: int) -> None:
        """Numbers that the sender gave to events which are durable now."""
        if not numbers:
            return
        found = self.numbers.pop(boot, None) or self._boot(boot, numbers[0])
        found.take(numbers, now_us)
        self.numbers[boot] = found  # the newest is the last
        while len(self.numbers) > BOOTS:
            oldest = next(iter(self.numbers))
            gone = self.numbers.pop(oldest)
            if gone.whole:
                self._end(oldest, gone)
            else:
                self.lacking[oldest] = gone
                self.ranges += gone.weight
        while self.ranges > BOOT_RANGES:
            oldest = next(iter(self.lacking))
            gone = self.lacking.pop(oldest)
            self.ranges -= gone.weight
            self._end(oldest, gone)

    def _end(self, boot: str, gone: Numbers) -> None:
        """Follow a boot no more."""
        self.unfollowed += gone.lacking
        self.ended[boot] = gone.next
        while len(self.ended) > BOOTS_ENDED:
            del self.ended[next(iter(self.ended))]
            self.forgot = True

    def _boot(self, boot: str, first: int) -> Numbers:
        """A boot that is not among the newest: one that was goes on where it was, a new one begins
        at 1.

        Where so many were followed that some are forgotten, nobody knows which it is, and nothing
        is missing before its first number.
        """
        lacked = self.lacking.pop(boot, None)
        if lacked is not None:
            self.ranges -= lacked.weight
            return lacked
        following = self.ended.pop(boot, None)
        if following is not None:
            return Numbers(1, following)
        return begun(first, known=bool(self.numbers) and not self.forgot)

    def following(self, boot: str) -> Numbers | None:
        """The numbers of a boot that is followed."""
        return self.numbers.get(boot) or self.lacking.get(boot)

    @property
    def followed(self) -> list[tuple[str, Numbers]]:
        """Every boot that is followed, the oldest first."""
        return [*self.lacking.items(), *self.numbers.items()]

    def settle(self) -> None:
        """What was due of the boots is on record: let go of those that lack nothing any more."""
        for boot, numbers in list(self.lacking.items()):
            if numbers.whole:
                self._end(boot, self.lacking.pop(boot))
        self.ranges = sum(one.weight for one in self.lacking.values())

    @property
    def gaps(self) -> int:
        """Numbers that are missing, with their gaps on record or not followed any more."""
        return sum(one.open for _, one in self.followed) + self.unfollowed

    def since(self) -> Day:
        """What the present day brought so far."""
        start = self.day
        return Day(
            number=start.number,
            stored=self.stored - start.stored,
            duplicates=self.duplicates - start.duplicates,
            conflicts=self.conflicts - start.conflicts,
            repeats=self.repeats - start.repeats,
            unparsed=self.unparsed - start.unparsed,
            stripped=self.stripped - start.stripped,
            summarised=self.summarised - start.summarised,
            dropped_by_rule=self.dropped_by_rule - start.dropped_by_rule,
            refused=self.refused - start.refused,
            dropped=self.dropped - start.dropped,
            first_index=start.first_index,
            last_index=start.last_index,
        )

    def new_day(self, number: int) -> None:
        """Let a day begin."""
        self.day = Day(
            number=number, stored=self.stored, duplicates=self.duplicates,
            conflicts=self.conflicts, repeats=self.repeats, unparsed=self.unparsed,
            stripped=self.stripped, summarised=self.summarised,
            dropped_by_rule=self.dropped_by_rule, refused=self.refused, dropped=self.dropped,
        )

    def _turn(self, now_us: int) -> None:
        """Let the row of minutes end with the present one."""
        minute = now_us // _MINUTE_US
        passed = minute - self.minute
        if self.minutes and passed <= 0:
            return
        fresh = [0] * min(passed, RATE_MINUTES + 1) if self.minutes else [0]
        self.minutes = [*self.minutes, *fresh][-RATE_MINUTES - 1 :]
        self.minute = minute

    def per_minute(self, now_us: int) -> float:
        """Stored events a minute, over the last whole minutes that are counted."""
        now = now_us // _MINUTE_US
        first = self.minute - len(self.minutes) + 1
        whole = range(max(first, now - RATE_MINUTES), now)
        if not whole:  # within its first minute
            return float(sum(self.minutes)) if self.minute == now else 0.0
        counted = sum(self.minutes[m - first] for m in whole if m <= self.minute)
        return counted / len(whole)

    @property
    def lag_us(self) -> int | None:
        """How far the newest event was behind when it came; None where that says nothing."""
        if self.event_us is None or self.backfill:
            return None
        return max(0, self.last_us - self.event_us)
