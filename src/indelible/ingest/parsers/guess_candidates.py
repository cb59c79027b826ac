"""Which members of an unknown record may tell which member of the event. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from indelible.base.limits import REMEMBERED
from indelible.ingest.parsers.guess_leaves import Leaves
from indelible.ingest.parsers.guess_names import Path, Role, roles
from indelible.ingest.parsers.guess_people import Found


class Guess(NamedTuple):
    """One member of the event: where it comes from, the value there, and how sure, to 1."""

    value: Any
    paths: tuple[Path, ...]
    sure: float


Plan = dict[str, tuple[tuple[Role, int], ...]]
"""For each member of the event who may tell it: the role, and the place among the leaves."""

SHAPES: Final = REMEMBERED // 16
"""Plans that are remembered: records of one kind have few shapes. Of a record with more members
than this none is, so that what is remembered stays small whatever is sent."""


@lru_cache(maxsize=SHAPES)
def plan_of(paths: tuple[Path, ...]) -> Plan:
    """What the members at `paths` may be, the likeliest first."""
    found: dict[str, list[tuple[Role, int]]] = {}
    for at, path in enumerate(paths):
        for role in roles(path):
            found.setdefault(role.member, []).append((role, at))
    return {
        member: tuple(sorted(some, key=lambda one: -one[0].weight))
        for member, some in found.items()
    }


class Candidates(NamedTuple):
    """The members of one record, by what they may be."""

    plan: Plan
    leaves: Leaves

    def get(self, member: str) -> Iterator[Found]:
        """Those that may tell a member of the event, the likeliest first."""
        paths, values = self.leaves.paths, self.leaves.values
        for role, at in self.plan.get(member, ()):
            yield Found(role, paths[at], values[at])
