"""The company's audit trail as a source of native events: the room's public face."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from indelible.base.random import seeded
from indelible.simulate.intrusion import tell_intrusion
from indelible.simulate.profile import BENCH, DEMO, Profile
from indelible.simulate.stream import DAY_US, HOUR_US, Stream, clock_of, timed
from indelible.simulate.trail import tell_trail


def events(
    profile: Profile, seed: int, count: int, until_us: int, span_us: int | None = None
) -> Iterator[bytes]:
    """Exactly `count` lines of native events, without line ends, in time order.

    They fill the `span_us` (the profile's days unless given) before `until_us`, by the hours of
    the day and the week. The same arguments give the same bytes.
    """
    span = profile.days * DAY_US if span_us is None else span_us
    for _, line in timed(Stream(profile, seed), count, until_us - span, until_us):
        yield line


def demo_history(seed: int, now_us: int, count: int) -> Iterator[bytes]:
    """Exactly `count` lines (at least 2,000): trail, 30 ordinary days, the intruder's afternoon.

    In time order; the last is a few minutes before `now_us`.
    """
    stream = Stream(DEMO, seed)
    told = list(
        heapq.merge(
            tell_trail(stream.roster, seed, now_us), tell_intrusion(stream.roster, seed, now_us)
        )
    )
    ordinary = timed(stream, max(count, 2_000) - len(told), now_us - 30 * DAY_US, now_us)
    for _, line in heapq.merge(told, ordinary, key=lambda pair: pair[0]):
        yield line


class Live:
    """The company as it works from now on, one event at a time."""

    def __init__(self, seed: int, rate: float, profile: Profile = DEMO) -> None:
        """`rate` is the mean of events a second over the week."""
        self._stream = Stream(profile, seed)
        self._rng = seeded(f"live-{seed}")
        load = self._stream.roster.load
        mean = sum(
            load(hour, weekend) * (2 if weekend else 5)
            for hour in range(24)
            for weekend in (False, True)
        ) / (24 * 7)
        self._scale = rate / mean

    def delay_s(self, us: int) -> float:
        """Seconds from `us` to the next event, by the hour's rhythm; at most ten."""
        pace = self._scale * self._stream.roster.load(*clock_of(us))
        return min(10.0, self._rng.expovariate(pace))

    def event(self, us: int) -> bytes:
        """An event of the time `us`."""
        return self._stream.make(np.array([us], dtype=np.int64), *clock_of(us))[0]


def live(seed: int, rate: float) -> Live:
    """The running demo: sleep `delay_s`, then send `event`."""
    return Live(seed, rate)


def write_batches(
    folder: Path, seed: int, count: int, until_us: int, size: int = 1_000
) -> tuple[int, int]:
    """Write `count` bench events as NDJSON files of `size` lines; returns (files, bytes).

    Files are `000000.ndjson` and on, with times in the hour before `until_us`, for a load generator
    that posts each once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = total = 0
    lines: list[bytes] = []

    def flush() -> None:
        nonlocal files, total
        content = b"\n".join(lines) + b"\n"
        (folder / f"{files:06d}.ndjson").write_bytes(content)
        files, total = files + 1, total + len(content)
        lines.clear()

    for line in events(BENCH, seed, count, until_us, HOUR_US):
        lines.append(line)
        if len(lines) == size:
            flush()
    if lines:
        flush()
    return files, total
