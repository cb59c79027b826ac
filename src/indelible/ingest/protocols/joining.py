"""Lines that are one message, put together: pure, and bounded in time, lines and bytes.

A parser says with `Join` how its messages spread over lines; a `Joiner` holds lines until their
message is complete. Files, syslog, RELP and imports use the same one: each line comes with a mark
of the caller's own (an offset, a transaction, a number), and each message gives the marks of its
lines back, so that the caller knows what may be answered for or kept as read.

A message is complete when `Join.ends` says so; when, in a format whose lines `follow` one another,
the next one does not follow; or when a bound is reached. Of the bounds, size, count of lines and
how far apart lines may stand depend on the lines alone: the same lines give the same messages
again. Time, and how many messages may be open at once, do not: what was closed by them is `forced`,
so that a caller whose messages must come out the same after a restart can keep where it happened.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

from indelible.base.limits import (
    JOIN_APART_BYTES,
    JOIN_BYTES,
    JOIN_HELD,
    JOIN_HELD_BYTES,
    JOIN_LINES,
    JOIN_SECONDS,
)
from indelible.ingest.parsers.contract import Given, Join
from indelible.ingest.parsers.finish import opened
from indelible.ingest.parsers.table import AUTO, parser_named, recognised

T = TypeVar("T")

_ALONE: Final = Join._field_defaults["follows"]


class Joined(NamedTuple, Generic[T]):
    """One message: its lines joined by line ends, and their marks in order.

    `forced` says that time or want of room closed it, not a line. `text` is empty for a blank line
    that belongs to no message: there is nothing to keep of it but its mark.
    """

    text: bytes
    marks: list[T]
    forced: bool = False


class _Open(Generic[T]):
    """A message that may get more lines."""

    __slots__ = ("lines", "marks", "place", "size", "touched")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.marks: list[T] = []
        self.size = self.place = 0
        self.touched = 0.0

    def joined(self, forced: bool) -> Joined[T]:
        return Joined(b"\n".join(self.lines), self.marks, forced)


class Joiner(Generic[T]):
    """Joins the lines of one file, one connection, one sender; see the module.

    Without a `join` every line is a message at once. `seconds` is how long a message waits for
    more after its last line.
    """

    def __init__(self, join: Join | None, seconds: float = JOIN_SECONDS) -> None:
        self._join = join
        self._follow = join is not None and join.follows is not _ALONE
        self._seconds = seconds
        self._open: OrderedDict[tuple[str, bytes], _Open[T]] = OrderedDict()
        self._last: dict[str, tuple[str, bytes]] = {}
        self._held = self._place = 0

    @property
    def waiting(self) -> bool:
        """Whether lines are held."""
        return bool(self._open)

    @property
    def due_at(self) -> float | None:
        """When `due` has something to give at the earliest."""
        oldest = next(iter(self._open.values()), None)
        return None if oldest is None else oldest.touched + self._seconds

    def add(
        self,
        text: bytes,
        mark: T,
        now: float,
        stream: str = "",
        place: int | None = None,
        closes: Callable[[Sequence[T]], bool] | None = None,
    ) -> list[Joined[T]]:
        """Take one line without its line end; what it completes, in the order of completion.

        Lines of different `stream`s (hosts, programs) never join. `place` is the line's offset,
        where that is known better than from the lines that came. `closes`, asked with the marks
        so far, closes the message as well: for a caller that knows where it was closed before.
        """
        if self._join is None:
            return [Joined(text, [mark])]
        self._place = self._place + len(text) + 1 if place is None else place
        return self._apart() + self._added(self._join, text, mark, now, stream, closes)

    def _added(
        self, join: Join, text: bytes, mark: T, now: float, stream: str,
        closes: Callable[[Sequence[T]], bool] | None,
    ) -> list[Joined[T]]:
        if self._follow and join.follows(text):
            last = self._last.get(stream)
            if last is not None and last in self._open:
                return self._put(last, text, mark, now, False, closes)
            if not text:
                return [Joined(b"", [mark])]
        out = self._unfollowed(stream)
        key = join.key(text)
        if not key and (not text or not self._follow):
            return [*out, Joined(text, [mark])]
        name = (stream, key)
        if self._follow:
            self._last[stream] = name
        out += self._put(name, text, mark, now, bool(key) and join.ends(text), closes)
        return out + self._room()

    def passed(self, text: bytes, stream: str = "", place: int | None = None) -> list[Joined[T]]:
        """A line went by that is not to be joined again; what it completes by having come."""
        if self._join is None:
            return []
        self._place = self._place + len(text) + 1 if place is None else place
        out = self._apart()
        return out if self._join.follows(text) else out + self._unfollowed(stream)

    def due(self, now: float) -> list[Joined[T]]:
        """What has waited for `seconds` since its last line."""
        out: list[Joined[T]] = []
        while self._open:
            name, oldest = next(iter(self._open.items()))
            if now - oldest.touched < self._seconds:
                break
            out.append(self._close(name, forced=True))
        return out

    def end(self) -> list[Joined[T]]:
        """Everything that is open: nothing more will come."""
        return [self._close(name) for name in list(self._open)]

    def _put(
        self,
        name: tuple[str, bytes],
        text: bytes,
        mark: T,
        now: float,
        ends: bool,
        closes: Callable[[Sequence[T]], bool] | None,
    ) -> list[Joined[T]]:
        """Add a line to the message `name`, which is begun or continued."""
        out: list[Joined[T]] = []
        one = self._open.get(name)
        if one is not None and one.size + len(text) > JOIN_BYTES:
            out.append(self._close(name))
            one = None
        if one is None:
            one = self._open[name] = _Open()
        one.lines.append(text)
        one.marks.append(mark)
        one.size += len(text) + 1
        one.touched, one.place = now, self._place
        self._held += len(text) + 1
        self._open.move_to_end(name)
        full = len(one.lines) >= JOIN_LINES
        if ends or full or (closes is not None and closes(one.marks)):
            out.append(self._close(name))
        return out

    def _apart(self) -> list[Joined[T]]:
        """What has no line any more within reach of the one that comes."""
        out: list[Joined[T]] = []
        while self._open:
            name, oldest = next(iter(self._open.items()))
            if self._place - oldest.place <= JOIN_APART_BYTES:
                break
            out.append(self._close(name))
        return out

    def _unfollowed(self, stream: str) -> list[Joined[T]]:
        """The message that the new line does not continue, where only neighbours join."""
        last = self._last.get(stream)
        if last is None or last[1] or last not in self._open:
            return []
        return [self._close(last)]

    def _room(self) -> list[Joined[T]]:
        """The oldest messages, when too many are open."""
        out: list[Joined[T]] = []
        while len(self._open) > JOIN_HELD or self._held > JOIN_HELD_BYTES:
            out.append(self._close(next(iter(self._open)), forced=True))
        return out

    def _close(self, name: tuple[str, bytes], forced: bool = False) -> Joined[T]:
        one = self._open.pop(name)
        self._held -= one.size
        if self._last.get(name[0]) == name:
            del self._last[name[0]]
        return one.joined(forced)


def join_of(parser: str, first: bytes, given: Given) -> Join | None:
    """How messages join that are read as `parser`; for `auto`, as the format of `first` does.

    `first` is the first line of a file or a connection. In an envelope (a syslog header) nothing
    is looked for: lines of an envelope are messages by themselves.
    """
    if parser != AUTO.name:
        return parser_named(parser).join
    message: Any = opened(first)
    found = recognised(message, given)
    return None if found is None else found[0].join
