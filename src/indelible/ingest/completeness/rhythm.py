"""How a source usually sends, learned by hour of the week; and how it differs from that now. Pure.

What is learned, for each of the 168 hours of a week (UTC) as a mean that follows slowly: how many
events were stored, and in how many minutes there were some. (A source that sends once an hour, a
thousand at a time, is not silent ten minutes later: minutes tell that, events do not.) An hour of
the week is judged from its third time on. What is told, each when it begins and when it is over:

- `silence`: nothing came for as long as its register says, or although something was to be
  expected in `limits.SILENCE_EXPECTED` minutes by now (by chance that happens to a source that
  sends at random once in half a billion times);
- `volume`: an hour brought less than half of what it usually brings;
- `clock`: its newest events are ahead of this clock, or far behind (a wrong zone is whole hours);
- `shape`: far more of its messages than usual could not be read: its format changed.

A declared pause tells nothing and teaches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import msgspec

from indelible.base.clock import MICROS
from indelible.base.limits import (
    CLOCK_AHEAD_SECONDS,
    CLOCK_BATCHES,
    CLOCK_BEHIND_SECONDS,
    SHAPE_EVENTS,
    SHAPE_SHARE,
    SILENCE_EXPECTED,
    SILENCE_LEAST_SECONDS,
    VOLUME_EVENTS,
)

_MINUTE_US = 60 * MICROS
_HOUR_US = 60 * _MINUTE_US
_HOURS = 24 * 7
_SLOWEST = 0.2  # the weight of the newest week, once a few are known


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One difference: which, whether it `begun` or is `over`, and its figures."""

    what: str
    state: str
    data: dict[str, str | int | float]


class Rhythm(msgspec.Struct, omit_defaults=True):
    """The learned rhythm of one source, and what is told of it now."""

    hour: int = 0
    count: int = 0
    unread: int = 0
    minute: int = 0
    minutes: int = 0
    means: list[float] = []
    active: list[float] = []
    weeks: list[int] = []
    share: float = 0.0
    shares: int = 0
    lags: list[int] = []
    told: dict[str, int] = {}
    paused_until_us: int = 0

    def observe(self, now_us: int, stored: int, unparsed: int, lag_us: int | None) -> None:
        """A batch that became durable now; `lag_us` is how far its newest event was behind."""
        if not self.hour:
            self.hour = now_us // _HOUR_US
        self.count += stored
        self.unread += unparsed
        if stored and now_us // _MINUTE_US != self.minute:
            self.minute = now_us // _MINUTE_US
            self.minutes += 1
        if lag_us is not None:
            self.lags = [*self.lags, lag_us][-CLOCK_BATCHES:]

    # --- learning

    def turn(self, now_us: int) -> Iterator[Finding]:
        """Learn from the hours that are over; tell what the newest of them showed."""
        now = now_us // _HOUR_US
        if not self.hour or now <= self.hour:
            return
        if self.paused_until_us < self.hour * _HOUR_US:
            usual = self._usual(self.means, self.hour)
            yield from self._volume(usual)
            yield from self._shape()
            self._learn(self.hour, self.count, self.minutes)
            for hour in range(self.hour + 1, min(now, self.hour + _HOURS)):
                self._learn(hour, 0, 0)
        self.hour, self.count, self.unread, self.minutes = now, 0, 0, 0

    def _learn(self, hour: int, count: int, minutes: int) -> None:
        if not self.means:
            self.means, self.active = [0.0] * _HOURS, [0.0] * _HOURS
            self.weeks = [0] * _HOURS
        slot = hour % _HOURS
        weight = max(1 / (self.weeks[slot] + 1), _SLOWEST)
        self.means[slot] += (count - self.means[slot]) * weight
        self.active[slot] += (minutes - self.active[slot]) * weight
        self.weeks[slot] += 1

    def _usual(self, means: list[float], hour: int) -> float | None:
        """What this hour of the week usually brings; None until it was seen twice."""
        slot = hour % _HOURS
        return means[slot] if means and self.weeks[slot] >= 2 else None

    def expected(self, since_us: int, now_us: int) -> float | None:
        """In how many minutes from one moment to another something was due; None for unknown."""
        total, at = 0.0, since_us
        end = min(now_us, since_us + _HOURS * _HOUR_US)
        while at < end:
            hour = at // _HOUR_US
            upto = min(end, (hour + 1) * _HOUR_US)
            usual = self._usual(self.active, hour)
            if usual is None:
                return None
            total += usual * (upto - at) / _HOUR_US
            at = upto
        return total

    # --- telling

    def look(self, now_us: int, last_us: int, silence_seconds: int) -> Iterator[Finding]:
        """What is remarkable now; `last_us` is when something new came (0 for never)."""
        if now_us < self.paused_until_us:
            return
        if last_us:
            since = max(last_us, self.paused_until_us)
            yield from self._silence(now_us, since, silence_seconds)
        yield from self._clock()

    def _silence(self, now_us: int, since_us: int, configured: int) -> Iterator[Finding]:
        quiet = (now_us - since_us) // MICROS
        expected = None if configured else self.expected(since_us, now_us)
        silent = (
            quiet >= configured if configured
            else quiet >= SILENCE_LEAST_SECONDS
            and expected is not None and expected >= SILENCE_EXPECTED
        )
        data: dict[str, str | int | float] = {"seconds": quiet}
        if silent:
            data["because"] = "its register says so" if configured else "of its rhythm"
        if expected is not None:
            data["expected_minutes"] = round(expected, 1)
        yield from self._state("silence", silent, data, since_us)

    def _volume(self, usual: float | None) -> Iterator[Finding]:
        low = usual is not None and usual >= VOLUME_EVENTS and 0 < self.count < usual / 2
        data: dict[str, str | int | float] = {"events": self.count, "usual": round(usual or 0, 1)}
        yield from self._state("volume", low, data, self.hour)

    def _shape(self) -> Iterator[Finding]:
        """The share of messages that could not be read, of an hour with enough of them."""
        if self.count < SHAPE_EVENTS:
            return
        share = self.unread / self.count
        changed = self.shares >= 2 and share > SHAPE_SHARE and share > 4 * self.share
        data: dict[str, str | int | float] = {
            "unparsed": self.unread, "events": self.count, "usual_share": round(self.share, 3),
        }
        yield from self._state("shape", changed, data, self.hour)
        if not changed:
            self.shares += 1
            self.share += (share - self.share) * max(1 / self.shares, _SLOWEST)

    def _clock(self) -> Iterator[Finding]:
        if len(self.lags) < CLOCK_BATCHES:
            return
        lag = int(median(self.lags)) // MICROS
        off = lag > CLOCK_BEHIND_SECONDS or lag < -CLOCK_AHEAD_SECONDS
        where = "behind" if lag > 0 else "ahead"
        yield from self._state("clock", off, {"seconds": abs(lag), "where": where}, lag)

    def _state(
        self, what: str, holds: bool, data: dict[str, str | int | float], mark: int
    ) -> Iterator[Finding]:
        """Tell a state once when it begins, and once when it is over."""
        if holds == (what in self.told):
            return
        if holds:
            self.told[what] = mark
        else:
            del self.told[what]
        yield Finding(what=what, state="begun" if holds else "over", data=data)
