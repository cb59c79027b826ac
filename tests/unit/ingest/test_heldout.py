"""Parsers judged on messages that they were not written with.

`tests/labelled/heldout/FORMAT.json` has messages labelled by somebody who did not write the parser,
before it was asked. Here is measured what share of what a message holds an event says rightly:
all formats together must reach the floors, and each by itself the least. A member that the label
says is not held counts only when the parser says one all the same: it is invented, and wrong.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from indelible.ingest.parsers.table import FORMATS as FORMATS_READ
from support.labelled import ABSENT, HELD_OUT, Case, at, cases

ALL = list(cases(folder=HELD_OUT))
FORMATS = sorted({case.format for case in ALL})
FLOORS = {
    "actor": 0.95, "action": 0.95, "operation": 0.95,
    "time": 0.99, "outcome": 0.92, "origin.ip": 0.98,
}
EACH = 0.8
"""Of one format: of ten messages one miss is a tenth."""
LEAST = 10
OF_A_MAPPING = 5
"""Held-out messages of a format of the second wave, which is a mapping."""

Tally = dict[str, tuple[int, int]]


def same(wanted: Any, found: Any) -> bool:
    return bool(wanted == found)


def same_time(wanted: Any, found: Any) -> bool:
    """The same moment to the microsecond; vendors write finer digits."""
    apart = datetime.fromisoformat(wanted) - datetime.fromisoformat(found)
    return abs(apart) <= timedelta(microseconds=1)


def judged(case: Case) -> Iterator[tuple[str, Any, Any, bool]]:
    """Each member that counts: its name, the label's value, the event's, and if it is right."""
    parsed = case.parsed()
    event = json.loads(parsed.content) if parsed.kind == "event" else {}
    label = case.label["event"]
    for name in FLOORS:
        paths = ("actor.type", "actor.id") if name == "actor" else (name,)
        if any(path not in label for path in paths):
            continue
        wanted = [label[path] for path in paths]
        found = [None if (said := at(event, path)) is ABSENT else said for path in paths]
        if name == "outcome" and found == ["unknown"]:
            found = [None]
        if wanted == found == [None]:
            continue
        right: Callable[[Any, Any], bool] = same_time if name == "time" else same
        yield name, wanted, found, None not in wanted + found and all(map(right, wanted, found))


def tallied(chosen: list[Case]) -> tuple[Tally, list[str]]:
    """Of each member how often it is right and how often it counts, and every miss."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    misses = []
    for case in chosen:
        for name, wanted, found, right in judged(case):
            counts[name][0] += right
            counts[name][1] += 1
            if not right:
                misses.append(f"{case.format} {case.number} {name}: {wanted} is {found}"
                              f" ({case.label['why']})")
    return {name: (right, of) for name, (right, of) in counts.items()}, misses


def shown(title: str, tally: Tally) -> str:
    cells = (f"{right:4}/{of:<4}" if of else " " * 9
             for right, of in (tally.get(name, (0, 0)) for name in FLOORS))
    return f"{title:18}" + " ".join(f"{cell:>10}" for cell in cells)


def too_low(tally: Tally, floors: dict[str, float]) -> list[str]:
    return [f"{name} {right}/{of}" for name, (right, of) in tally.items()
            if of and right / of < floors[name]]


def test_all_formats_together_reach_the_floors(capsys: pytest.CaptureFixture[str]) -> None:
    total, misses = tallied(ALL)
    lines = [f"{'':18}" + " ".join(f"{name:>10}" for name in FLOORS)]
    lines += [shown(name, tallied([case for case in ALL if case.format == name])[0])
              for name in FORMATS]
    lines += [shown(f"all ({len(ALL)})", total), *misses]
    with capsys.disabled():
        print("", *lines, sep="\n")
    assert not too_low(total, FLOORS)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_right_four_times_of_five(name: str) -> None:
    chosen = [case for case in ALL if case.format == name]
    assert len(chosen) >= (OF_A_MAPPING if FORMATS_READ[name].endswith(".toml") else LEAST)
    tally, misses = tallied(chosen)
    assert not too_low(tally, dict.fromkeys(FLOORS, EACH)), misses


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.format}-{case.number}")
def test_a_held_out_message_says_where_its_form_is_documented(case: Case) -> None:
    assert case.label["from"]
    assert case.label["why"]
    assert {"actor.type", "actor.id", "time", "outcome", "origin.ip"} <= set(case.label["event"])
