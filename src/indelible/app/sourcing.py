"""The sources of a running ledger: their settings, their counts, and who wants to hear of both."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple

import msgspec

from indelible.base.clock import wall_us
from indelible.base.errors import BadRequest, IndelibleError
from indelible.base.limits import REACH_RANGES, SORTED_EVENTS, SOURCES
from indelible.ingest.completeness.tally import Tally
from indelible.ingest.parsed import Parsed
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import Senders, SourceSettings, rival
from indelible.ingest.submission import Submission
from indelible.ledger.incoming import Source, Written
from indelible.store.meta import Meta
from indelible.store.source_rows import SettingsRow

_settings = msgspec.json.Decoder(SourceSettings)
_tally = msgspec.json.Decoder(Tally)
_UPTO = "tallies"
_log = logging.getLogger(__name__)


class Left(NamedTuple):
    """What the audit policy left of a submission: the events that were handed to the ledger, how
    many of the others were there already, and how many it summarised and dropped; `apart`: for
    what it took apart the numbers are followed where that is kept, and are not if it is not."""

    kept: Sequence[Parsed]
    known: int = 0
    summarised: int = 0
    dropped: int = 0
    apart: bool = False


class Reach(NamedTuple):
    """Which events counts hold: every one below `upto`, and those of [first, end) in `ahead`.

    Submissions overtake each other: one that is written may be counted before an older one is.
    """

    upto: int
    ahead: tuple[tuple[int, int], ...] = ()

    def packed(self) -> bytes:
        """As it is kept: `upto` and the ranges, each number 8 bytes."""
        numbers = (self.upto, *(number for one in self.ahead for number in one))
        return b"".join(number.to_bytes(8, "big") for number in numbers)

    @classmethod
    def of(cls, kept: bytes) -> Reach:
        """What was kept."""
        parts = [kept[at : at + 8] for at in range(0, len(kept), 8)]
        upto, *rest = (int.from_bytes(part, "big") for part in parts)
        return cls(upto, tuple(zip(rest[::2], rest[1::2], strict=True)))

    def holds(self, index: int) -> bool:
        """Whether the event at an index is in the counts."""
        return index < self.upto or any(first <= index < end for first, end in self.ahead)

    def lacks(self, size: int) -> list[tuple[int, int]]:
        """The ranges below `size` that are not in the counts, in their order."""
        found, at = [], self.upto
        for first, end in sorted(self.ahead):
            if at < min(first, size):
                found.append((at, min(first, size)))
            at = max(at, end)
        return [*found, (at, size)] if at < size else found


class Sourcing:
    """Settings and counts of all sources. Lives in the writer's loop; the database is asked when
    it is made and told when something changes."""

    def __init__(self, meta: Meta, size: Callable[[], int] = lambda: 0) -> None:
        self._under_way: dict[int, int] = {}
        self._ahead: list[tuple[int, int]] = []  # [first, end) counted, while older are under way
        self._ticket = self._pruned = 0
        self._size = size
        self._meta = meta
        self._configured = {
            (row.id, row.tenant): Configured(
                settings=_settings.decode(row.settings), secret=row.secret
            )
            for row in meta.of_sources.settings()
        }
        for name, tenant in meta.of_sources.strange:  # who altered it gains no sender by that
            altered = SourceSettings(id=name, tenant=tenant, disabled=True)
            self._configured[(name, tenant)] = Configured(settings=altered)
        self.strange = tuple(
            f"the settings of source {name!r} were not written by this ledger; it is disabled"
            for name, _ in meta.of_sources.strange
        )
        self._senders: dict[str, Senders] = {}
        self._tallies = dict(_counts(meta))
        self._changed: set[int] = set()
        self.figures: dict[tuple[str, str], dict[str, str]] = {}  # as the collector says them
        self._lacking = self._lacks()
        self._newest: dict[int, bytes] = {}  # counts that were handed out to be kept
        self._durable = self._newest  # and those that are
        self._flushing = Lock()
        self.on_change: Callable[[], None] = lambda: None

    def _lacks(self) -> list[tuple[int, int]]:
        """Ranges of the log that the counts lack as they were kept, the oldest first."""
        reach = self.reach
        if reach is None and self._tallies:  # an old folder, where nobody knows
            return []
        return (reach or Reach(0)).lacks(self._size())

    # --- settings

    def configured(self, source: str, tenant: str) -> Configured | None:
        """What is configured of a source, or None."""
        return self._configured.get((source, tenant))

    def all(self) -> list[Configured]:
        """Every configured source by name."""
        return [self._configured[key] for key in sorted(self._configured)]

    def senders(self, protocol: str) -> Senders:
        """Which source a sender of `protocol` is."""
        found = self._senders.get(protocol)
        if found is None:
            found = Senders(protocol, [one.settings for one in self.all()])
            self._senders[protocol] = found
        return found

    def put(self, settings: SourceSettings, secret: bytes | None = None) -> None:
        """Keep settings durably and tell who listens; the secret stays unless one is given.

        Raises `BadRequest` when another source has one of their senders (`rival`), also where two
        were added at once. It is not named: its tenant may be none of the caller's business.
        """
        if other := rival(settings, [one.settings for one in self.all()]):
            raise BadRequest(
                f"what comes from {', '.join(other.senders)} is another source already",
                field=other.field,
                remedy="Name other peers or certificates, or disable that source first.",
            )
        key = (settings.id, settings.tenant)
        before = self._configured.get(key)
        if before is None and len(self._configured) >= SOURCES:
            raise IndelibleError(f"there are {SOURCES} sources already", code="too_many")
        if secret is None:
            secret = before.secret if before is not None else b""
        row = SettingsRow(
            id=settings.id, tenant=settings.tenant, settings=msgspec.json.encode(settings),
            secret=secret,
        )
        self._meta.of_sources.put_settings([row])
        self._configured[key] = Configured(settings=settings, secret=secret)
        self._senders.clear()
        self.on_change()

    # --- positions

    def positions(self, settings: SourceSettings) -> dict[str, bytes]:
        """How far the source was read."""
        return self._meta.of_sources.positions(settings.id, settings.tenant)

    def keep(self, source: str, tenant: str, positions: Mapping[str, bytes]) -> None:
        """Keep durably how far it was read."""
        self._meta.of_sources.put_positions(source, tenant, positions)

    # --- counts

    def tally(self, source: Source) -> Tally:
        """The counts of a source."""
        found = self._tallies.get(source.number)
        if found is None:
            found = self._tallies[source.number] = Tally()
        self._changed.add(source.number)
        return found

    def count(
        self, source: Source, submission: Submission, written: Written | None,
        left: Left | None = None,
    ) -> None:
        """Count what became of a submission, of which `left` was stored (None: all of it)."""
        now, tally = wall_us(), self.tally(source)
        if submission.rejected or submission.dropped:
            tally.lost(now, refused=submission.rejected, dropped=submission.dropped)
        if written is None:
            return
        events, duplicates = submission.events, len(written.duplicates)
        left = left or Left(events)
        kept = left.kept
        if duplicates < len(kept):
            first, last = _new(written)
            tally.stored_at(first, last)
            self.counted(first, last + 1)
        old = frozenset(written.duplicates)
        fresh = [one for at, one in enumerate(kept) if at not in old] if old else kept
        tally.read_by(Counter([event.parser or submission.parser for event in events]))
        self.number(source, kept if left.apart else events)
        tally.add(
            now,
            stored=len(kept) - duplicates,
            duplicates=duplicates + left.known,
            conflicts=len(written.conflicts),
            repeats=len(written.repeats),
            unparsed=sum([1 for event in fresh if event.kind == "unparsed"]),
            stripped=_stripped(kept, written),
            apart=left.summarised + left.dropped,
            size=sum([len(event.content) for event in kept]),
            event_us=fresh[-1].time_us if fresh else None,
            backfill=submission.backfill,
        )

    def number(self, source: Source, events: Sequence[Parsed]) -> None:
        """Follow the numbers of events that are durable, boot by boot in their order."""
        boots: dict[str, list[int]] = {}
        for event in events:
            if event.seq:
                boots.setdefault(event.boot, []).append(event.seq)
        for boot, numbers in boots.items():
            self.tally(source).numbered(boot, numbers, wall_us())

    def changed(self) -> tuple[dict[int, bytes], Reach | None]:
        """The counts that changed since this was asked last, to be kept; and which events are in
        them, None when nothing is to be kept now."""
        if len(self._lacking) > REACH_RANGES:
            return {}, None
        changed, self._changed = self._changed, set()
        kept = {} if self._newest is self._durable else dict(self._newest)
        kept |= {number: msgspec.json.encode(self._tallies[number]) for number in changed}
        self._newest = kept
        self._prune()
        return kept, self._reaches()

    def _reaches(self) -> Reach:
        """Which events are in the counts now."""
        upto = min(self._under_way.values(), default=self._size())
        if not self._lacking:
            return Reach(upto, tuple(self._ahead))
        ends = [end for _, end in self._lacking]
        firsts = [*(first for first, _ in self._lacking[1:]), max(upto, ends[-1])]
        return Reach(self._lacking[0][0], (*zip(ends, firsts, strict=True), *self._ahead))

    @property
    def behind(self) -> bool:
        """Whether the log holds events that these counts lack."""
        return bool(self._lacking)

    @property
    def uncounted(self) -> int:
        """How many entries of the log were not looked at for these counts yet."""
        return sum(end - first for first, end in self._lacking)

    def lacking(self, most: int) -> tuple[int, int] | None:
        """The oldest [first, end) that the counts lack, of at most so many events."""
        if not self._lacking:
            return None
        first, end = self._lacking[0]
        return first, min(end, first + most)

    def made_up(self, upto: int) -> None:
        """Everything below is in the counts now."""
        left = ((max(first, upto), end) for first, end in self._lacking)
        self._lacking = [(first, end) for first, end in left if first < end]

    def flush(self, kept: dict[int, bytes], reach: Reach) -> None:
        """Keep counts durably, in one transaction with what says how far they reach.

        Counts that newer ones overtook are not put in their place: those hold them too.
        """
        try:
            with self._flushing:
                if kept is not self._newest and self._newest is self._durable:
                    return
                self._meta.of_sources.put_tallies(kept, _UPTO, reach.packed())
                self._durable = kept
        except BaseException:
            self._changed |= set(kept)
            raise

    def counted(self, first: int, end: int) -> None:
        """Events at these indexes are in the counts, while older ones may still be under way."""
        ahead = self._ahead
        if ahead and ahead[-1][1] == first:
            ahead[-1] = (ahead[-1][0], end)
        else:
            ahead.append((first, end))
        if len(ahead) > SORTED_EVENTS and len(ahead) > 2 * self._pruned:
            self._prune()

    def _prune(self) -> None:
        """Let go of what lies below everything that is under way."""
        oldest = min(self._under_way.values(), default=self._size())
        self._ahead = [one for one in self._ahead if one[1] > oldest]
        self._pruned = len(self._ahead)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Events that are written inside are not counted before its end."""
        self._ticket += 1
        mine = self._ticket
        self._under_way[mine] = self._size()
        try:
            yield
        finally:
            del self._under_way[mine]

    @property
    def reach(self) -> Reach | None:
        """Which events are in the counts as they were kept; None in an old folder."""
        kept = self._meta.get(_UPTO)
        return None if kept is None else Reach.of(kept)

    def peek(self, number: int) -> Tally:
        """The counts of a source, to look at; a change of them is not kept."""
        return self._tallies.setdefault(number, Tally())


def _counts(meta: Meta) -> Iterator[tuple[int, Tally]]:
    """The counts as they were kept; they are derived, so one that cannot be read begins anew."""
    for number, kept in meta.of_sources.tallies().items():
        try:
            yield number, _tally.decode(kept)
        except msgspec.MsgspecError as error:
            _log.error("the counts of source %d cannot be read and begin anew: %s", number, error)


def _new(written: Written) -> tuple[int, int]:
    """The first and the last index that a batch was given, duplicates left out."""
    old = frozenset(written.duplicates)
    fresh = [index for at, index in enumerate(written.indexes) if at not in old] if old else None
    return (fresh[0], fresh[-1]) if fresh else (written.indexes[0], written.indexes[-1])


def _stripped(kept: Sequence[Parsed], written: Written) -> int:
    """How many of the stored events lost their bodies."""
    if not any(event.original for event in kept):
        return 0
    old = frozenset(written.duplicates)
    return sum(1 for at, event in enumerate(kept) if event.original and at not in old)
