"""How late it is at an API, as far as its answers tell. Pure.

Our own clock may be far ahead (a machine that was restored, a battery that is empty), and an API's
`Date` (RFC 9110 section 6.6.1) may be old: that of an answer out of a cache (which has an `Age`,
RFC 9111 section 5.1), or of a front end whose clock stands. So neither is believed in what cannot
be taken back before it is confirmed: by several answers whose times go on as ours does.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from indelible.base.clock import MICROS, to_us
from indelible.base.limits import (
    PULL_CLOCK_ANSWERS,
    PULL_CLOCK_SECONDS,
    PULL_WAIT_SECONDS,
)

_EARLIEST_US: Final = 1_767_225_600 * MICROS
"""2026-01-01: a clock that says an earlier time than this was written at is not set."""
_NEAR_US: Final = PULL_CLOCK_SECONDS * MICROS
_COARSE_US: Final = 2 * MICROS
"""A `Date` says whole seconds, and the answer took a while."""


class ApiClock:
    """The clock of one API against ours."""

    def __init__(self) -> None:
        self._ahead = 0
        self._lag: int | None = None
        self._answers = self._first_us = self._last_us = 0
        self._seen_us = self._seen_at_us = 0

    def now(self, now_us: int) -> int:
        """Our time, or the API's where ours is ahead of it."""
        return now_us - self._ahead

    @property
    def behind(self) -> bool:
        """Whether the API's clock is so far behind ours that people should know."""
        return self._ahead > _NEAR_US

    def sure(self, now_us: int) -> bool:
        """Whether `now` was confirmed, and lately, so that ours has not jumped since.

        Several answers in a row said the same: times that are as far behind ours, over a while in
        which a time that stands would have shown; or times that agree with ours; or none at all.
        """
        known = self._lag is None or self._lag <= _NEAR_US
        over = self._last_us - self._first_us
        return (
            self._answers >= PULL_CLOCK_ANSWERS and (known or over > 2 * _NEAR_US)
            and 0 <= now_us - self._last_us <= PULL_WAIT_SECONDS * MICROS
        )

    def took(self, headers: Mapping[str, str], now_us: int, since_us: int) -> None:
        """An answer came. Everything before `since_us` was read from this API.

        It has been as late as that there before: an earlier time is not believed unconfirmed.
        """
        theirs = self._moving(date_of(headers), now_us)
        lag = None if theirs is None else max(now_us - theirs, 0)
        same = lag is self._lag if lag is None or self._lag is None else (
            abs(lag - self._lag) <= _NEAR_US
        )
        if not same or now_us < self._last_us:
            self._lag, self._answers, self._first_us = lag, 0, now_us
        self._answers, self._last_us = self._answers + 1, now_us
        if theirs is None or lag is None:
            return
        if theirs >= since_us - _NEAR_US or self.sure(now_us):
            self._ahead = lag if lag > _COARSE_US else 0

    def _moving(self, theirs: int | None, now_us: int) -> int | None:
        """A time, unless it stands still."""
        if theirs is None:
            return None
        went = now_us - self._seen_at_us
        if theirs == self._seen_us and went > _NEAR_US:
            return None
        if theirs != self._seen_us:
            self._seen_us, self._seen_at_us = theirs, now_us
        return theirs


def date_of(headers: Mapping[str, str]) -> int | None:
    """The time that an answer says it was made at, None where it says none that can be right."""
    if headers.get("age", "0").strip() != "0":
        return None  # out of a cache
    try:
        theirs = to_us(parsedate_to_datetime(headers["date"]))
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
    return theirs if theirs >= _EARLIEST_US else None
