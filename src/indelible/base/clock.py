"""The only clock. `received` times are wall time read once and carried on by the monotonic clock.

Guarantee: a `Clock` never goes back, whatever the wall clock does; steps of the wall clock against
the monotonic one are measured by `Clock.step_us` and reported by the ledger, never followed.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

from indelible.base.errors import IndelibleError

MICROS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AGE = re.compile(r"^(\d{1,9})(us|ms|s|m|h|d|w)$")
_UNIT_US = {
    "us": 1,
    "ms": 1_000,
    "s": MICROS,
    "m": 60 * MICROS,
    "h": 3600 * MICROS,
    "d": 86400 * MICROS,
    "w": 7 * 86400 * MICROS,
}


def wall_us() -> int:
    """The wall clock in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def monotonic() -> float:
    """Seconds of the monotonic clock, for durations only."""
    return time.monotonic()


class Clock:
    """Microseconds since 1970 UTC that never decrease and do not follow wall clock steps.

    `floor_us` is the last time already written: the first value is at least that.
    """

    def __init__(self, floor_us: int = 0) -> None:
        self._base_wall = wall_us()
        self._base_mono = time.monotonic_ns() // 1000
        self._last = floor_us

    def now_us(self) -> int:
        """max(carried wall time, previous value)."""
        now = self._base_wall + (time.monotonic_ns() // 1000 - self._base_mono)
        if now > self._last:
            self._last = now
        return self._last

    def step_us(self) -> int:
        """How far the wall clock has moved against the monotonic one since the last `accept`."""
        return wall_us() - (self._base_wall + time.monotonic_ns() // 1000 - self._base_mono)

    def accept(self) -> None:
        """Follow the wall clock from here on (never backwards)."""
        self._base_wall = wall_us()
        self._base_mono = time.monotonic_ns() // 1000


def rfc3339(us: int) -> str:
    """`YYYY-MM-DDThh:mm:ss.ffffffZ` of microseconds since 1970 UTC."""
    moment = _EPOCH + timedelta(microseconds=us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond:06d}Z"


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 UTC of an aware datetime, exactly."""
    delta = moment - _EPOCH
    return (delta.days * 86400 + delta.seconds) * MICROS + delta.microseconds


def parse_rfc3339(text: str) -> int:
    """Microseconds since 1970 UTC of an RFC 3339 time with offset; raises on anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise IndelibleError(f"not an RFC 3339 time: {text!r}", code="bad_time") from error
    if moment.tzinfo is None:
        raise IndelibleError(f"the time {text!r} has no offset; add Z or +hh:mm", code="bad_time")
    return to_us(moment)


def parse_duration(text: str) -> int:
    """Microseconds of an age such as `90s`, `15m`, `24h`, `7d`, `2w`."""
    found = _AGE.match(text)
    if found is None:
        raise IndelibleError(
            f"{text!r} is not an age", code="bad_duration", remedy="Write 90s, 15m, 24h, 7d or 2w."
        )
    return int(found[1]) * _UNIT_US[found[2]]
