"""Numbers that a sender gives its events, and which of them never came. Pure.

A sender that numbers its events (`source.seq`, from 1 within each `source.boot`) lets anybody see
what is missing. `Numbers` follows one boot: a range that is skipped is *missing*; it becomes a
*gap*, to be put on record, when it is still missing after a while, because requests overtake each
other; a number that comes after its gap was recorded *closes* that part of it.

Of the first boot that is seen of a source nothing is missing before its first number: the sender
may have run before it was connected. Any later boot begins at 1.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

import msgspec

from indelible.base.limits import GAP_RANGES, GAP_RANGES_MOST


class Range(msgspec.Struct, array_like=True):
    """Missing numbers, both ends included; since when, and whether that is on record as a gap."""

    first: int
    last: int
    since_us: int
    told: bool = False


def _first(hole: Range) -> int:
    return hole.first


class Span(msgspec.Struct, frozen=True, array_like=True):
    """Numbers from `first` to `last`."""

    first: int
    last: int


class Numbers(msgspec.Struct):
    """What came of one boot: everything from `start` below `next`, but for what is missing.

    `closed` are numbers whose gap is on record and which have come since. `unfollowed` counts
    numbers that were missing when there were too many ranges of them (`limits.GAP_RANGES`, and
    `GAP_RANGES_MOST` before their gaps are on record): they count as missing for good, since nobody
    will see them come.
    """

    start: int
    next: int
    missing: list[Range] = []
    closed: list[Span] = []
    unfollowed: int = 0

    def take(self, numbers: Iterable[int], now_us: int) -> None:
        """Numbers of durable events, in the order in which they came."""
        for number in numbers:
            if number == self.next:
                self.next += 1
            elif number > self.next:
                self._lack(len(self.missing), self.next, number - 1, now_us)
                self.next = number + 1
            else:
                self._late(number, now_us)

    def _lack(self, at: int, first: int, last: int, now_us: int) -> None:
        """Numbers are missing, from now on; `at` is their place among the ranges."""
        if len(self.missing) < GAP_RANGES_MOST:
            self.missing.insert(at, Range(first, last, now_us))
        else:
            self.unfollowed += last - first + 1

    def _late(self, number: int, now_us: int) -> None:
        """A number below the newest: it fills a hole, came before, or is the first one now."""
        if number < self.start:
            if number + 1 < self.start:
                self._lack(0, number + 1, self.start - 1, now_us)
            self.start = number
            return
        at = bisect_right(self.missing, number, key=_first) - 1
        if at < 0 or number > self.missing[at].last:
            return
        hole = self.missing[at]
        self.missing[at : at + 1] = [
            Range(first, last, hole.since_us, hole.told)
            for first, last in ((hole.first, number - 1), (number + 1, hole.last))
            if first <= last
        ]
        if hole.told:
            self._close(number, number)

    def _close(self, first: int, last: int) -> None:
        if first > last:
            return
        if self.closed and self.closed[-1].last + 1 == first:
            self.closed[-1] = Span(self.closed[-1].first, last)
        else:
            self.closed.append(Span(first, last))

    def due(self, before_us: int) -> list[Span]:
        """Ranges missing since before `before_us` that are not on record yet."""
        return [
            Span(hole.first, hole.last) for hole in self.missing
            if not hole.told and hole.since_us <= before_us
        ]

    def recorded(self, gap: Span, now_us: int) -> None:
        """A gap is on record, since now or since long; of too many, the oldest are followed no
        more.

        What of it is not missing has come since, and closes that part: so it does not matter
        whether a number was taken before this was known.
        """
        inside = self.start <= gap.first and gap.last < self.next
        if not inside and len(self.missing) >= GAP_RANGES_MOST:
            return
        if gap.last >= self.next:
            self._lack(len(self.missing), self.next, gap.last, now_us)
            self.next = gap.last + 1
        if gap.first < self.start:
            self._lack(0, gap.first, self.start - 1, now_us)
            self.start = gap.first
        came = gap.first
        for hole in self._cut(gap, told=True):
            self._close(came, hole.first - 1)
            came = hole.last + 1
        self._close(came, gap.last)
        self._bound()

    def _bound(self) -> None:
        if len(self.missing) > GAP_RANGES and self.missing[0].told:
            oldest = self.missing.pop(0)
            self.unfollowed += oldest.last - oldest.first + 1

    def ended(self, gap: Span) -> None:
        """That a gap closed stood on record already: its numbers came, taken here or not yet."""
        self._cut(gap)
        self.forget_closed(gap)

    def _cut(self, gap: Span, *, told: bool = False) -> list[Span]:
        """What of `gap` is missing; from now on it is on record, or missing no more."""
        low = bisect_right(self.missing, gap.first, key=_first)
        low -= bool(low and self.missing[low - 1].last >= gap.first)
        high = bisect_right(self.missing, gap.last, key=_first)
        left, inside = list[Range](), list[Span]()
        for hole in self.missing[low:high]:
            first, last = max(hole.first, gap.first), min(hole.last, gap.last)
            inside.append(Span(first, last))
            if hole.first < first:
                left.append(Range(hole.first, first - 1, hole.since_us, hole.told))
            if told:
                left.append(Range(first, last, hole.since_us, told=True))
            if last < hole.last:
                left.append(Range(last + 1, hole.last, hole.since_us, hole.told))
        self.missing[low:high] = left
        return inside

    def forget_closed(self, gap: Span) -> None:
        """That a gap closed is on record now."""
        self.closed = [
            Span(first, last)
            for one in self.closed
            for first, last in (
                (one.first, min(one.last, gap.first - 1)), (max(one.first, gap.last + 1), one.last)
            )
            if first <= last
        ]

    @property
    def open(self) -> int:
        """How many numbers are missing with their gap on record, or are not followed any more."""
        told = sum(hole.last - hole.first + 1 for hole in self.missing if hole.told)
        return told + self.unfollowed

    @property
    def whole(self) -> bool:
        """Whether nothing is missing that can come, and nothing is to be put on record."""
        return not self.missing and not self.closed

    @property
    def weight(self) -> int:
        """How much it takes to follow it: one, and one for each range."""
        return 1 + len(self.missing)

    @property
    def lacking(self) -> int:
        """How many numbers are missing, on record or not."""
        return sum(hole.last - hole.first + 1 for hole in self.missing) + self.unfollowed


def begun(first: int, known: bool) -> Numbers:
    """The numbers of a boot whose first event has `first`; `known`: others came before it."""
    return Numbers(1, 1) if known else Numbers(first, first)
