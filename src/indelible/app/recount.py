"""Makes up for what the counts of sources lack: events that were stored after they were last kept.

After a crash that is the last minute, for which the log itself is asked: so an event that was
answered is counted, and no gap is invented. Which events are lacking is known to `app.sourcing`,
whoever opens the folder; a piece at a time is read and added, so that others have their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Final

import msgspec

from indelible.base.clock import wall_us
from indelible.base.limits import RECOUNT_EVENTS
from indelible.ingest.completeness.numbers import Span
from indelible.ingest.completeness.tally import Tally
from indelible.ledger.incoming import Source
from indelible.ledger.reader import LedgerReader

if TYPE_CHECKING:
    from indelible.app.core import Core


class _From(msgspec.Struct):
    number: int
    seq: int = 0
    boot: str = ""


class _Said(msgspec.Struct):
    kind: str
    source: _From
    action: str = ""
    flags: list[str] = []
    data: msgspec.Raw = msgspec.Raw()


class _Told(msgspec.Struct):
    """What a record says of a source: a gap, a day, or how it differs from its rhythm."""

    source: int
    boot: str = ""
    first: int = 0
    last: int = 0
    state: str = "open"
    day: str = ""
    what: str = "silence"


class _Summary(msgspec.Struct):
    count: int


class _Counts(msgspec.Struct):
    """What a summary or an hour's statement of the audit policy counts."""

    summary: _Summary | None = None
    source: int = 0
    dropped_by_rule: int = 0


_said = msgspec.json.Decoder(_Said).decode
_counts = msgspec.json.Decoder(_Counts).decode


async def recount(core: Core) -> None:
    """Return when the counts hold every event that was in the log when it was opened.

    Counts and gaps may be kept and asked for meanwhile. Raises what reading the log raises; what
    was added by then stays added, and the next call goes on behind it.
    """
    loop = asyncio.get_running_loop()
    while (piece := core.sourcing.lacking(RECOUNT_EVENTS)) is not None:
        read = await loop.run_in_executor(core.threads, _Piece.read, core.ledger.reader, *piece)
        read.add(core)
        core.sourcing.made_up(piece[1])


class _Piece:
    """What one piece of the log says, in the order in which it says it of each source."""

    def __init__(self) -> None:
        self._late: dict[int, _Late] = {}
        self._steps: list[tuple[int, _Late | _Said]] = []

    @classmethod
    def read(cls, reader: LedgerReader, first: int, end: int) -> _Piece:
        """Read [first, end)."""
        piece = cls()
        for start, bodies, _ in reader.spans(first, end):
            for index, body in enumerate(bodies, start):
                piece._take(index, _said(body))
        return piece

    def _of(self, number: int) -> _Late:
        """What comes of a source until something is told of it."""
        late = self._late.get(number)
        if late is None:
            late = self._late[number] = _Late()
            self._steps.append((number, late))
        return late

    def _take(self, index: int, said: _Said) -> None:
        if said.source.number:
            self._of(said.source.number).take(index, said)
        elif said.action in _TELLS:
            number = msgspec.json.decode(said.data, type=_Told).source
            self._late.pop(number, None)
            self._steps.append((number, said))
        elif said.kind == "statement" and b'"dropped_by_rule":' in bytes(said.data):
            dropped = _counts(said.data)
            self._of(dropped.source).dropped_by_rule += dropped.dropped_by_rule

    def add(self, core: Core) -> None:
        """Add it to the counts."""
        now = wall_us()
        for number, step in self._steps:
            tally = core.sourcing.tally(Source(number, ""))
            if isinstance(step, _Late):
                step.add_to(tally, now)
            else:
                told = msgspec.json.decode(step.data, type=_Told)
                _TELLS[step.action](tally, told, now)


def _gap(tally: Tally, told: _Told, now_us: int) -> None:
    """A gap stands on record already, or that it closed."""
    numbers, gap = tally.following(told.boot), Span(told.first, told.last)
    if told.state == "lost":
        tally.stretches += 1
    elif numbers is not None and told.state == "open":
        numbers.recorded(gap, now_us)
    elif numbers is not None:
        numbers.ended(gap)


def _day(tally: Tally, told: _Told, _now_us: int) -> None:
    """A day is stated already: the next one began there."""
    ended = (date.fromisoformat(told.day) - date(1970, 1, 1)).days
    if tally.day.number <= ended:
        tally.new_day(ended + 1)


def _differs(tally: Tally, told: _Told, now_us: int) -> None:
    """A difference from its rhythm is told already, or that it is over."""
    if told.state == "begun":
        tally.rhythm.told[told.what] = now_us
    else:
        tally.rhythm.told.pop(told.what, None)


_TELLS: Final[dict[str, Callable[[Tally, _Told, int], None]]] = {
    "ledger.gap.declare": _gap,
    "ledger.completeness.state": _day,
    "ledger.silence.declare": _differs,
    "ledger.source.differ": _differs,
}
"""What the ledger itself says of a source, by its action, and what follows for the counts."""


class _Late:
    """What the log says of one source's events since the counts were kept."""

    def __init__(self) -> None:
        self.stored = self.unparsed = self.repeats = self.conflicts = self.stripped = 0
        self.summarised = self.dropped_by_rule = 0
        self.first = self.last = -1
        self.boots: dict[str, list[int]] = {}

    def take(self, index: int, said: _Said) -> None:
        """Count one event."""
        if "summary" in said.flags:
            summary = _counts(said.data).summary
            self.summarised += summary.count if summary is not None else 0
        else:
            self.stored += 1
        self.unparsed += said.kind == "unparsed"
        self.stripped += "stripped" in said.flags
        self.repeats += "probable_repeat" in said.flags
        self.conflicts += "id_conflict" in said.flags
        self.first = index if self.first < 0 else self.first
        self.last = index
        if said.source.seq:
            self.boots.setdefault(said.source.boot, []).append(said.source.seq)

    def add_to(self, tally: Tally, now_us: int) -> None:
        """Make up for what the counts lack."""
        tally.stored += self.stored
        tally.unparsed += self.unparsed
        tally.repeats += self.repeats
        tally.conflicts += self.conflicts
        tally.stripped += self.stripped
        tally.summarised += self.summarised
        tally.dropped_by_rule += self.dropped_by_rule
        if self.last >= 0:
            tally.stored_at(self.first, self.last)
        for boot, numbers in self.boots.items():
            tally.numbered(boot, numbers, now_us)
