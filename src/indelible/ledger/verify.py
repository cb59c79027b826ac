"""Verification: is what is stored what was signed? Pure judgement over what `bodies` recomputed.

Nothing stored is believed but signed checkpoints. Those kept from earlier sizes narrow a damage
down to the events between two of them where nothing smaller is known.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

from indelible.base.clock import monotonic
from indelible.base.errors import EXIT_DAMAGED, EXIT_OK
from indelible.base.limits import TILE_EVENTS
from indelible.ledger.bodies import Bodies
from indelible.ledger.scan_tail import TORN

ORDER = (
    "not signed by the given key", "signature stripped", "forked", "tampered", "truncated",
    "rolled back", "unreadable", "stale", "unwitnessed", "pending",
)
"""Verdicts of `spec/log.md` section 10, the gravest first."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finding: a verdict for indexes first..last, where it has a place."""

    verdict: str
    message: str
    first: int | None = None
    last: int | None = None


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """The account of one verification. `exit` as in `docs/reference/exit-codes.md`.

    `problems` are what is wrong; `said` is lawful and must not go unsaid: pending, unwitnessed.
    `unwitnessed` counts the events that no known witness has cosigned.
    """

    verdict: str
    exit: int
    origin: str
    size: int
    root: str
    checkpoint_size: int
    first_index: int | None
    problems: list[Problem]
    said: list[Problem]
    lines: list[str]
    events: int
    seconds: float
    unwitnessed: int | None = None


class Signed(NamedTuple):
    """A size and root that somebody vouches for."""

    who: str
    size: int
    root: bytes


class Judged(NamedTuple):
    """What the bodies say to the signed points: `reached` is whether the last one follows.

    `good` is the largest of them that follows; `as_stored` are the tiles whose stored hash must be
    taken for that.
    """

    problems: list[Problem]
    lines: list[str]
    reached: bool
    good: int
    as_stored: frozenset[int]


def judge_bodies(bodies: Bodies, points: Sequence[Signed]) -> Judged:
    """Compare the bodies with signed `points` in ascending order of size."""
    problems = [
        Problem(verdict=f.verdict, first=f.first, last=f.last, message=f.message)
        for f in bodies.findings if f.verdict != TORN
    ]
    tree, stored, good, reached = bodies.tree(), set[int](), 0, False
    lines: list[str] = []
    for point in points:
        ours = bodies.root(tree, point.size)
        reached = ours == point.root
        if ours is None:
            continue
        inside = point.size % TILE_EVENTS and point.size // TILE_EVENTS in bodies.mismatched
        if not reached and inside and point is not points[-1]:
            continue  # a later point tells whether the stored hash of this tile is right
        if not reached:
            swap = _between(bodies.mismatched, good, point.size)
            other = bodies.tree(stored | swap) if swap else tree
            if not swap or bodies.root(other, point.size) != point.root:
                _narrowed(problems, lines, good, point)
                break
            tree, reached = other, True
            stored |= swap
        good = point.size
    lines += _left_open(bodies, points)
    problems += _tiles(bodies, stored, good)
    return Judged(problems, lines, reached, good, frozenset(stored))


def _between(tiles: Sequence[int], low: int, high: int) -> set[int]:
    return {t for t in tiles if t * TILE_EVENTS < high and low < (t + 1) * TILE_EVENTS}


def _narrowed(problems: list[Problem], lines: list[str], good: int, point: Signed) -> None:
    """The signed root does not follow: name the events since the last point that did."""
    last = point.size - 1
    text = f"the events {good}..{last} do not give the root that {point.who} signs"
    named = any(p.first is not None and p.first <= last and good <= (p.last or 0) for p in problems)
    if named:
        lines.append(f"{text}; the damage named there is the reason, or part of it")
    else:
        problems.append(Problem(verdict="tampered", first=good, last=last, message=text))


def _left_open(bodies: Bodies, points: Sequence[Signed]) -> list[str]:
    """What no root can be computed over."""
    if not points or bodies.unknown_from >= min(points[-1].size, bodies.size):
        return []
    end = min(points[-1].size, bodies.size)
    return [
        f"without the damaged events the signed root cannot be computed again: of"
        f" {bodies.unknown_from}..{end - 1} what still reads is as its file's key wrote it, but"
        " not proven"
    ]


def _tiles(bodies: Bodies, stored: Collection[int], good: int) -> list[Problem]:
    """Tiles whose stored hash is not that of their events; neighbours are told together."""
    out: list[Problem] = []
    for tile in bodies.mismatched:
        first = tile * TILE_EVENTS
        last = first + TILE_EVENTS - 1
        if tile in stored:
            text = "these events are not those that were signed"
        elif last < good:
            text = "tiles/1: the stored tile hash is not that of these events, which are as signed"
        else:
            text = "these events and their stored tile hash (tiles/1) do not agree"
        if out and (out[-1].message, out[-1].last) == (text, first - 1):
            first = out.pop().first or 0
        out.append(Problem(verdict="tampered", first=first, last=last, message=text))
    return out


def report(
    *, origin: str, size: int, root: bytes, checkpoint_size: int, problems: list[Problem],
    said: list[Problem], lines: list[str], events: int, began: float, unwitnessed: int | None,
) -> VerifyReport:
    """Put the account together: the gravest verdict, the lowest index."""
    found = {problem.verdict for problem in problems}
    lawful = {one.verdict for one in said}
    verdict = next((one for one in ORDER if one in found), None)
    if verdict is None:
        verdict = "pending" if not checkpoint_size and "pending" in lawful else "proven"
    first = min((p.first for p in problems if p.first is not None), default=None)
    ordered = sorted(problems, key=lambda p: (ORDER.index(p.verdict), p.first or 0))
    told = [f"{p.verdict}: {_placed(p)}" for p in ordered + said]
    return VerifyReport(
        verdict=verdict, exit=EXIT_DAMAGED if problems else EXIT_OK, origin=origin, size=size,
        root=root.hex(), checkpoint_size=checkpoint_size, first_index=first, problems=ordered,
        said=said, lines=told + lines, events=events, seconds=round(monotonic() - began, 3),
        unwitnessed=unwitnessed,
    )


def _placed(problem: Problem) -> str:
    if problem.first is None:
        return problem.message
    last = problem.first if problem.last is None else problem.last
    where = f"index {problem.first}" if last == problem.first else f"{problem.first}..{last}"
    return f"{where}: {problem.message}"
