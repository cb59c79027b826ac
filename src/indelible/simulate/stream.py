"""Events of ordinary work, many at a time: numbers drawn by numpy, text by templates.

`Stream.make` turns times into lines of the native format; everything follows from the seed and
the times, so the same call sequence gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from indelible.base.random import seeded, seeded_arrays
from indelible.simulate.acts import ACTS, KINDS, SESSION
from indelible.simulate.changing import changes_text
from indelible.simulate.names import CITIES
from indelible.simulate.people import HABITS, ROLES, Roster
from indelible.simulate.profile import Profile
from indelible.simulate.things import Things

Ints = NDArray[np.int64]

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
CHUNK: Final = 8_192
_SESSION_US: Final = 4 * HOUR_US
_STRANGE: Final = 0.03  # of events come from an address that is not a habit

_OUTCOMES: Final = (
    '"success"',
    '"failure","reason":{"code":"conflict","text":"The record was changed by someone else"}',
    '"denied","reason":{"code":"not_permitted","text":"No treatment relationship"}',
)
_LOGIN_OUTCOMES: Final = (
    '"success"',
    '"failure","reason":{"code":"bad_credentials","text":"Wrong password"}',
    '"denied","reason":{"code":"account_locked","text":"Too many attempts"}',
)


def _action_tables() -> NDArray[np.float64]:
    """Role after role the cumulative chances of the actions, plus the role's number."""
    rows = []
    for number, role in enumerate(ROLES):
        weights = np.array([act.weights.get(role, 0.0) for act in ACTS])
        rows.append(np.cumsum(weights) / weights.sum() + number)
    return np.concatenate(rows)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A 64-bit mixing function: session names from (actor, slot)."""
    values = values * np.uint64(0x9E3779B97F4A7C15)
    values ^= values >> np.uint64(29)
    values *= np.uint64(0xBF58476D1CE4E5B9)
    mixed: NDArray[np.uint64] = values ^ (values >> np.uint64(32))
    return mixed


class Stream:
    """One company at work."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self.profile = profile
        self.roster = Roster(profile, seed)
        self.things = Things(profile, seed)
        self._rng = seeded_arrays(seed, profile.actors)
        self._tables = _action_tables()
        kinds = {kind.type: number for number, kind in enumerate(KINDS)}
        self._kind_of: Ints = np.array([kinds.get(act.target, 0) for act in ACTS])
        self._kinds = self._kind_of.tolist()
        self._failed = np.array([act.failed for act in ACTS])
        self._denied = np.array([act.failed + act.denied for act in ACTS])
        self._salt = np.uint64(seeded(f"session-{seed}").getrandbits(63))
        actors = self.roster.actors
        self._middle = [
            f'"origin":{{%s{actor.origin},"service":"%s","request_id":"%016x"' for actor in actors
        ]
        sites = [CITIES[len(actor.id) % len(CITIES)] for actor in actors]
        self._label = [
            f'"labels":{{"site":"{actor.site}","dept":"{actor.role}"}},"data":{{"country":"{c}",'
            f'"city":"{city}","build":"2026.%d","status":%d,"duration_ms":%d,"bytes":%d}}}}'
            for actor, (c, city) in zip(actors, sites, strict=True)
        ]

    def make(self, times: Ints, hour: int, weekend: bool) -> list[bytes]:
        """Lines (without line ends) for the increasing `times`, all within one hour of the day."""
        count = len(times)
        rng = self._rng
        chances = self.roster.cumulative(hour, weekend)
        actors = np.searchsorted(chances, np.sort(rng.random(count)))
        rng.shuffle(actors)
        picked = self._tables.searchsorted(self.roster.roles[actors] + rng.random(count) * 0.999999)
        acts = picked % len(ACTS)
        numbers = self.things.draw(self._kind_of[acts], rng.random(count))
        luck = rng.random(count)
        outcomes = (luck < self._denied[acts]).astype(np.int64) * 2
        outcomes[luck < self._failed[acts]] = 1
        slots = (times // _SESSION_US).astype(np.uint64)
        sessions = _mix(actors.astype(np.uint64) + (slots << np.uint64(24)) + self._salt)
        humans = np.searchsorted(chances, rng.random(count)) % self.roster.people
        bits = rng.integers(0, 1 << 63, (7, count), dtype=np.int64)
        took = np.exp(rng.normal(3.6, 1.0, count)).astype(np.int64) + 1
        sizes = np.exp(rng.normal(7.5, 1.2, count)).astype(np.int64)
        habits = bits[6] % HABITS
        habits[rng.random(count) < _STRANGE] = HABITS
        stamps = np.datetime_as_string(times.astype("datetime64[us]"), unit="us")
        write = self._line
        return [
            write(*row)
            for row in zip(
                stamps.tolist(),
                (times // 1000).tolist(),
                actors.tolist(),
                acts.tolist(),
                numbers.tolist(),
                outcomes.tolist(),
                sessions.tolist(),
                humans.tolist(),
                habits.tolist(),
                took.tolist(),
                sizes.tolist(),
                *bits[:6].tolist(),
                strict=True,
            )
        ]

    def _line(
        self, stamp: str, milli: int, number: int, act_number: int, thing: int, outcome: int,
        session: int, human: int, habit: int, took: int, size: int,
        one: int, two: int, three: int, four: int, five: int, six: int,
    ) -> bytes:  # fmt: skip
        actor = self.roster.actors[number]
        act = ACTS[act_number]
        ip = (
            actor.ips[habit]
            if habit < HABITS
            else f"{80 + five % 110}.{five >> 8 & 255}.{five >> 16 & 255}.{five >> 24 & 255}"
        )
        who = f'{actor.head},"session":"s_{session:016x}"'
        if actor.type == "agent":
            who = f'{who},"on_behalf_of":[{self.roster.actors[human].short}]'
        if act.target == SESSION:
            what = _LOGIN_OUTCOMES[outcome]
        else:
            target = self.things.text(self._kinds[act_number], thing)
            what = f'{_OUTCOMES[outcome]},"targets":[{target}]'
        trace = f',"trace_id":"{three:016x}{four:016x}"' if six & 1 else ""
        changes = changes_text(act.changes, six >> 1) if act.changes and outcome == 0 else ""
        middle = self._middle[number] % (f'"ip":"{ip}",', act.service, two)
        label = self._label[number] % (act_number, (200, 409, 403)[outcome], took, size)
        return (
            f'{{"id":"{milli >> 16:08x}-{milli & 0xFFFF:04x}-7{one & 0xFFF:03x}-'
            f'{0x8000 | one >> 12 & 0x3FFF:04x}-{one >> 15 & 0xFFFFFFFFFFFF:012x}",'
            f'"time":"{stamp}Z","action":"{act.action}","actor":{who}}},"outcome":{what},'
            f"{middle}{trace}}}{changes},{label}"
        ).encode()


def _spread(
    stream: Stream, count: int, from_us: int, until_us: int
) -> Iterator[tuple[int, int, int]]:
    """(start, end, how many) for each part of an hour, by the company's rhythm."""
    edges = [from_us]
    while edges[-1] < until_us:
        edges.append(min((edges[-1] // HOUR_US + 1) * HOUR_US, until_us))
    load = stream.roster.load
    loads = {(h, w): load(h, w) for h in range(24) for w in (False, True)}
    weights = np.array([loads[clock_of(a)] * (b - a) for a, b in pairwise(edges)])
    marks = np.floor(np.cumsum(weights) / weights.sum() * count + 0.5).astype(np.int64).tolist()
    before = 0
    for start, end, mark in zip(edges[:-1], edges[1:], marks, strict=True):
        yield start, end, mark - before
        before = mark


def clock_of(us: int) -> tuple[int, bool]:
    """(hour of the day, whether it is a weekend) of a time, in UTC."""
    return us // HOUR_US % 24, (us // DAY_US + 3) % 7 >= 5


def timed(stream: Stream, count: int, from_us: int, until_us: int) -> Iterator[tuple[int, bytes]]:
    """(time, line) of exactly `count` events in time order."""
    rng = seeded_arrays(count, from_us & 0xFFFFFFFF)
    for start, end, some in _spread(stream, count, from_us, until_us):
        times = np.sort(rng.integers(start, end, some))
        for at in range(0, some, CHUNK):
            part = times[at : at + CHUNK]
            yield from zip(part.tolist(), stream.make(part, *clock_of(start)), strict=True)
