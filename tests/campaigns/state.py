"""What a campaign has done so far: one JSON file, written after every step."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

OUT = Path(__file__).parents[2] / "campaign" / "out"
NOTES = 200


class Outcome(NamedTuple):
    """What one step did: counts that add up over steps, and lines worth reading."""

    counts: dict[str, int]
    notes: tuple[str, ...] = ()


class Failure(msgspec.Struct):
    """A step that failed; `--only NAME --seed SEED --step STEP` runs it again."""

    step: int
    error: str


class Progress(msgspec.Struct):
    """One campaign's account."""

    seed: int
    next: int = 0
    total: int = 0
    seconds: float = 0.0
    when: str = ""
    counts: dict[str, int] = {}
    notes: list[str] = []
    failures: list[Failure] = []

    def add(self, outcome: Outcome) -> None:
        """One more step that held."""
        for name, count in outcome.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        self.notes = [*self.notes, *outcome.notes][:NOTES]

    def line(self, name: str) -> dict[str, Any]:
        """The account as one line of JSON."""
        return {
            "campaign": name, "seed": self.seed, "steps": self.next, "of": self.total,
            "seconds": round(self.seconds, 1), "counts": self.counts,
            "failures": len(self.failures), "notes": len(self.notes),
        }


class State:
    """All campaigns' progress under one folder."""

    def __init__(self, out: Path = OUT) -> None:
        self._path = out / "state.json"
        self.out = out
        self.campaigns: dict[str, Progress] = {}
        if self._path.exists():
            self.campaigns = msgspec.json.decode(
                self._path.read_bytes(), type=dict[str, Progress]
            )

    def begin(self, name: str, seed: int | None, *, fresh: bool) -> Progress:
        """The progress to go on from; a new one for another seed."""
        found = self.campaigns.get(name)
        if found is None or fresh or (seed is not None and seed != found.seed):
            found = Progress(seed=1 if seed is None else seed)
            self.campaigns[name] = found
        return found

    def save(self) -> None:
        """Replace the file."""
        self.out.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_bytes(msgspec.json.format(msgspec.json.encode(self.campaigns)))
        os.replace(new, self._path)
