"""Verdicts, problems and the report that carries them (spec section 10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """What a verification found, in the words of spec section 10."""

    PROVEN = "proven"
    PENDING = "pending"
    ERASED = "erased"
    PRUNED = "pruned"
    GAP_DECLARED = "gap declared"
    UNWITNESSED = "unwitnessed"
    TAMPERED = "tampered"
    TRUNCATED = "truncated"
    ROLLED_BACK = "rolled back"
    FORKED = "forked"
    SIGNATURE_STRIPPED = "signature stripped"
    NOT_SIGNED = "not signed by the given key"
    STALE = "stale"
    UNREADABLE = "unreadable"
    WITHHELD = "withheld"


EXIT_OK: Final = 0
EXIT_ERROR: Final = 1
EXIT_USAGE: Final = 2
EXIT_REFUSED: Final = 3
EXIT_FAILED: Final = 4

# What matters most comes first: the one word of a report with several problems.
_ORDER: Final = (
    Verdict.NOT_SIGNED,
    Verdict.SIGNATURE_STRIPPED,
    Verdict.FORKED,
    Verdict.TAMPERED,
    Verdict.TRUNCATED,
    Verdict.ROLLED_BACK,
    Verdict.UNREADABLE,
    Verdict.WITHHELD,
    Verdict.STALE,
    Verdict.UNWITNESSED,
    Verdict.PRUNED,
    Verdict.ERASED,
    Verdict.GAP_DECLARED,
    Verdict.PENDING,
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; `first` and `last` are indexes, inclusive, where it has a place."""

    verdict: Verdict
    text: str
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """Something lawful that must not go unsaid: erased, pruned, a declared gap, pending."""

    verdict: Verdict
    text: str
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class EventResult:
    """One entry of a bundle or proof: its status and what its verified body says."""

    index: int
    status: Verdict
    kind: str = ""
    time: str = ""
    actor: str = ""
    action: str = ""
    target: str = ""
    outcome: str = ""


@dataclass(kw_only=True)
class Report:
    """Everything a verification has to say. `verdict` and `exit` follow from `problems`.

    `tied` is set once entries were found to give a root that the given keys signed; `finish` sees
    to it that nothing is called proven without it.
    """

    subject: str
    origin: str = ""
    size: int = 0
    root: bytes = b""
    events: list[EventResult] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    proved: list[str] = field(default_factory=list)
    not_proved: list[str] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    tied: bool = False

    @property
    def verdict(self) -> Verdict:
        """The gravest problem's verdict, or proven."""
        found = {problem.verdict for problem in self.problems}
        return next((verdict for verdict in _ORDER if verdict in found), Verdict.PROVEN)

    @property
    def exit(self) -> int:
        """0 when nothing is wrong, else 4."""
        return EXIT_FAILED if self.problems else EXIT_OK

    def add(
        self, verdict: Verdict, text: str, first: int | None = None, last: int | None = None
    ) -> None:
        """Add one problem."""
        self.problems.append(Problem(verdict, text, first, first if last is None else last))

    def finish(self) -> Report:
        """Take back what a problem, or a root that was never reached, leaves unproved."""
        if not self.tied and not self.problems:
            self.add(Verdict.TAMPERED, "no signed root was reached")
        if not self.tied:
            self.events = [
                event if event.status is Verdict.TAMPERED else replace(event, status=self.verdict)
                for event in self.events
            ]
        if self.problems:
            self.proved.clear()
        return self

    def first_damage(self) -> tuple[int, int] | None:
        """Range of the first problem that names one, by index."""
        ranges = [(p.first, p.last) for p in self.problems if p.first is not None]
        return min(((a, a if b is None else b) for a, b in ranges), default=None)


def ranges(indexes: Sequence[int]) -> list[tuple[int, int]]:
    """Gather strictly increasing indexes into inclusive ranges."""
    found: list[tuple[int, int]] = []
    for index in indexes:
        if found and found[-1][1] == index - 1:
            found[-1] = (found[-1][0], index)
        else:
            found.append((index, index))
    return found


def spell(first: int, last: int) -> str:
    """An inclusive range for people."""
    return f"index {first}" if first == last else f"indexes {first} to {last}"
