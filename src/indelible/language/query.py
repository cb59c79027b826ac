"""What a search text means: a predicate, the bounds of event time, the order."""

from __future__ import annotations

import msgspec

from indelible.event.predicate import EVERYTHING, Op, Predicate, Term
from indelible.language.normal import conjunction


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed search.

    `since_us` (inclusive) and `until_us` (exclusive) bound the event's time in microseconds and are
    not part of `predicate`. `sort` is "time", "index" or None where the text does not say.
    """

    predicate: Predicate = EVERYTHING
    since_us: int | None = None
    until_us: int | None = None
    sort: str | None = None

    def bounded(self) -> Predicate:
        """The predicate together with the bounds, for those who look at single events."""
        parts: list[Predicate] = []
        if self.since_us is not None:
            parts.append(Term(field="time", op=Op.GE, values=(self.since_us,)))
        if self.until_us is not None:
            parts.append(Term(field="time", op=Op.LT, values=(self.until_us,)))
        return conjunction([self.predicate, *parts])
