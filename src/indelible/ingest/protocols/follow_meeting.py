"""Files that were not seen before: what each one is, found out as soon as its content tells.

Whatever cannot be told yet is asked again: a first line that is not whole, a copy that is being
made, a packed file that is being written. Each has its time (`Pace`), after which it is taken for
what it looks like.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from msgspec.structs import replace

from indelible.base import limits
from indelible.base.clock import wall_us
from indelible.base.errors import BadRequest
from indelible.base.random import random_bytes
from indelible.ingest.protocols import follow_content
from indelible.ingest.protocols.files import Position
from indelible.ingest.protocols.follow_content import Content
from indelible.ingest.protocols.follow_disk import Seen
from indelible.ingest.protocols.follow_finding import Verdict, is_rotation, judge
from indelible.ingest.protocols.follow_known import Known


class Pace(NamedTuple):
    """How long following waits for what, in seconds; `base.limits` has the reasons."""

    look: float = limits.FOLLOW_SECONDS
    settle: float = limits.FOLLOW_SETTLE_SECONDS
    unclear: float = limits.FOLLOW_UNCLEAR_SECONDS
    partial: float = limits.FOLLOW_PARTIAL_SECONDS
    lost: float = limits.FOLLOW_LOST_SECONDS
    gone: float = limits.FOLLOW_GONE_SECONDS
    after: float = limits.FOLLOW_AFTER_SECONDS
    keep: float = limits.FOLLOW_KEEP_SECONDS


class Surroundings(Protocol):
    """What there is to know of the files that are followed."""

    def alive(self, position: Position) -> bool:
        """Whether the content that was read up to `position` is still there."""

    def settle(self, position: Position) -> None:
        """Bring a position to where it is, if its file is being read."""

    def unreadable(self, why: str) -> None:
        """A packed file cannot be unpacked."""


class Found(NamedTuple):
    """What a file was found to be: where it is read from, and how far its content goes."""

    position: Position
    size: int


class _Met:
    """A file that was seen and is not yet followed: since when, and how it last was."""

    def __init__(self, now: float) -> None:
        self.since = self.changed = self.looked = now
        self.stamp = (-1, 0)
        self.again = now
        self.first = b""
        self.told = False


class Meeting:
    """Finds out what files are. `backfill` says that what was there at first is read too."""

    def __init__(
        self, backfill: bool, known: Known, pace: Pace, around: Surroundings
    ) -> None:
        self._backfill, self._known, self._pace, self._around = backfill, known, pace, around
        self._met: dict[tuple[int, int], _Met] = {}

    def looked(self, now: float) -> None:
        """A look is over: what it did not find is forgotten."""
        for identity in [name for name, met in self._met.items() if met.looked < now]:
            del self._met[identity]

    def meet(
        self, one: Seen, now: float, old: bool, of: list[Position] | None
    ) -> Found | None:
        """Where `one` is to be read from; None as long as that is not known. Raises `OSError`.

        `old` says that it was there when the source was first followed. With `of`, it is of
        interest only when it continues one of those, which are lost.
        """
        pace = self._pace
        met = self._met.setdefault(one.identity, _Met(now))
        met.looked = now
        if met.stamp != one.stamp:
            met.stamp, met.changed = one.stamp, now
        elif now < met.again:
            return None
        times = (
            met.changed + pace.settle, met.changed + pace.partial, met.changed + pace.unclear,
            met.since + pace.unclear,
        )
        met.again = min((at for at in times if at > now), default=now + pace.partial)
        found = self._decided(one, met, now, old, of)
        if found is not None:
            del self._met[one.identity]
        return found

    def _decided(
        self, one: Seen, met: _Met, now: float, old: bool, of: list[Position] | None
    ) -> Found | None:
        """Judge a file by its content."""
        quiet = now - met.changed
        with follow_content.opened(one) as handle:
            if not follow_content.is_packed_file(handle):
                content = follow_content.plain(
                    handle, one, quiet >= self._pace.settle, quiet >= self._pace.partial
                )
                if content is None:
                    return None
                content = self._since(met, content, now)
                start: tuple[int, bytes] = (0, b"")
                if old and not self._backfill:
                    end = follow_content.last_line_end(handle, one.size)
                    start = (end, follow_content.tail_in(handle, end))
                return self._taken(self._judged(content, of), content, one, old, of, start)
        if quiet < self._pace.settle and not old:
            return None
        try:
            content = follow_content.packed(
                one, lambda first, path: self._places(first, path, of)
            )
        except BadRequest as error:
            if quiet >= self._pace.unclear and of is None and not met.told:
                met.told = True
                self._around.unreadable(error.message)
            return None
        return self._taken(self._judged(content, of), content, one, True, of, (0, b""))

    def _since(self, met: _Met, content: Content, now: float) -> Content:
        """Whether this content was looked at for long enough."""
        found = content.candidate
        if met.first != found.first:
            met.first, met.since = found.first, now
            met.again = min(met.again, now + self._pace.unclear)
        decided = now - met.since >= self._pace.unclear
        return content._replace(candidate=found._replace(decided=decided))

    def _places(self, first: bytes, path: str, of: list[Position] | None) -> list[int]:
        """Where a packed file is to be compared with the files whose copy it may be."""
        known = self._known.beginning(first) if of is None else of
        return [
            at for each in known if is_rotation(path, each.path) or path == each.path
            for at, _ in each.tails
        ]

    def _judged(self, content: Content, of: list[Position] | None) -> Verdict:
        found = content.candidate
        known = self._known.beginning(found.first) if of is None else of
        return judge(found, known, self._around.alive)

    def _taken(
        self, verdict: Verdict, content: Content, one: Seen, old: bool,
        of: list[Position] | None, start: tuple[int, bytes],
    ) -> Found | None:
        """Where a file is read from that was found to be this; `start` is the place behind what
        was there at first."""
        if verdict.kind == "wait" or (of is not None and verdict.kind == "new"):
            return None
        found = content.candidate
        position = Position(
            path=found.path, device=one.device, inode=one.inode, first=found.first,
            packed=content.packed, stamp=one.stamp if content.packed else (0, 0),
            seen_us=wall_us(),
        )
        if verdict.of is not None:
            return Found(self._continued(verdict.kind, verdict.of, position, one, found.size),
                         found.size)
        passed = old and not self._backfill
        if passed or self._known.beginning(found.first):
            position.generation = random_bytes(8)
        if passed and start[0]:
            position.line, position.tails = start[0], [start]
        position.done = passed and content.packed
        position.old = (1 << 62 if content.packed else one.size) if old else 0
        return Found(position, found.size)

    def _continued(
        self, kind: str, before: Position, own: Position, one: Seen, size: int
    ) -> Position:
        """The position in a copy: where the known file was read to, or nothing left to read."""
        if kind == "short":
            tail = before.tail_below(size)
            return replace(
                own, generation=before.generation, done=True, stamp=one.stamp,
                tails=[tail] if tail else [],
            )
        self._around.settle(before)
        return replace(
            own, generation=before.generation, line=before.line, digest=before.digest,
            skip=list(before.skip), cuts=dict(before.cuts), closed=dict(before.closed),
            tails=list(before.tails), old=before.old,
        )
