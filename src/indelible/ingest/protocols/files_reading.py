"""One file being read: from its bytes to messages, and from what was delivered to a position.

Pure: bytes and the time come in, messages go out. A position never lies: it names the first line
that was not delivered, and of the lines behind it those that were (messages of several lines may
be interleaved), so that what is read again after a restart is what was missing and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from indelible.base.limits import FOLLOW_TAIL_BYTES
from indelible.ingest.parsers.contract import Join
from indelible.ingest.protocols.files import Line, Lines, Position, merged, message_id
from indelible.ingest.protocols.joining import Joined, Joiner


class FileMessage(NamedTuple):
    """One message of a file: what is kept, what it is called, the lines it was made of."""

    raw: bytes
    id: str
    truncated: bool
    old: bool
    lines: list[Line]


class Reading:
    """What is read of one file and not yet delivered. Not for several threads at once.

    `ready` are messages in the order in which they became complete. `urgent` says that time ended
    a message: the position must be kept before that message is delivered, else a restart could end
    it elsewhere and call the halves by other names.
    """

    def __init__(self, position: Position, join: Join | None, partial_seconds: float) -> None:
        self.position = position
        self.ready: deque[FileMessage] = deque()
        self.urgent = False
        self.last = self._before = b""
        self._partial = partial_seconds
        self._grew = 0.0
        self._lines = Lines(position.line, position.digest, position.cuts)
        self._skip = list(position.skip)
        self._joiner: Joiner[Line] = Joiner(join)
        self._order: deque[Line] = deque()
        self._ends = dict(position.closed)

    @property
    def at(self) -> int:
        """Where the next byte to feed stands."""
        return self._lines.at

    @property
    def idle(self) -> bool:
        """Whether nothing is held: no message, no line without end."""
        return not (self.ready or self._order or self._lines.held)

    def feed(self, chunk: bytes, now: float) -> None:
        """Take the bytes that stand at `at`."""
        if not chunk:
            return
        for line in self._lines.feed(chunk):
            self._take(line, now)
        self._grew = now
        data = self.last + chunk
        self.last = data[-FOLLOW_TAIL_BYTES:]
        at, before = self._lines.at, self.last
        if self._lines.only_nuls:  # they may make room for something else
            at, nuls = self._lines.line, self._lines.at - self._lines.line
            if nuls >= len(data):
                return
            before = self._before = data[:-nuls][-FOLLOW_TAIL_BYTES:]
        self.position.passed(at, before)

    def skip_to(self, at: int) -> bool:
        """Pass over NUL bytes up to `at`, when nothing else came since the last line."""
        if not self._lines.only_nuls or at - self._lines.line < FOLLOW_TAIL_BYTES or at <= self.at:
            return False
        self._lines.skip_to(at)
        self.last = bytes(FOLLOW_TAIL_BYTES)
        return True

    def at_end(self) -> None:
        """Nothing more is there for now: NUL bytes at the end are read again when there is."""
        if self._lines.only_nuls:
            self._lines.rewind()
            self.last = self._before

    def due(self, now: float) -> None:
        """Let go of what has waited its time: messages of several lines, a line without end.

        To be asked only when everything that is there was read: what was not read has not waited.
        """
        self._all(self._joiner.due(now))
        if self._lines.held and now - self._grew >= self._partial:
            self._cut(now)

    def end(self, now: float) -> None:
        """No more will come: everything that is held is a message.

        Should more come all the same, it is kept where these ended, as when time ends a message.
        """
        if self._lines.held:
            self._cut(now)
        self._all(one._replace(forced=True) for one in self._joiner.end())

    def delivered(self, messages: Iterable[FileMessage]) -> None:
        """These are durable; move the position."""
        for message in messages:
            for line in message.lines:
                line.done = True
        self.settle()

    def settle(self) -> None:
        """Bring the position to where it is: everything before it is delivered or no message."""
        order, position = self._order, self.position
        while order and order[0].done:
            order.popleft()
        if order:
            position.line, position.digest = order[0].line, order[0].before
            start = order[0].start
        else:
            position.line, position.digest = self._lines.line, self._lines.digest
            start = self._lines.cut_to
        delivered = [(position.line, start)]
        delivered += [(line.start, line.end) for line in order if line.done]
        delivered += [one for one in self._skip if one[1] > self._lines.at]
        position.skip = merged(sorted(delivered))
        for ends in (position.cuts, position.closed):
            for begun in [at for at in ends if at < position.line]:
                del ends[begun]

    def _cut(self, now: float) -> None:
        piece = self._lines.cut()
        self.position.cuts[piece.start] = piece.end
        self.urgent = True
        self._take(piece, now)

    def _take(self, line: Line, now: float) -> None:
        """A line from the cutter: pass over what was delivered before, else join it."""
        self._order.append(line)
        if self._skip:
            if any(start <= line.start < end for start, end in self._skip):
                line.done = True
                self._all(self._joiner.passed(line.text, place=line.start))
                return
            self._skip = [one for one in self._skip if one[1] > line.start]
        joined = self._joiner.add(line.text, line, now, place=line.start, closes=self._closes)
        self._all(joined)
        while self._order and self._order[0].done:
            self._order.popleft()

    def _closes(self, lines: Sequence[Line]) -> bool:
        """Whether a message was closed behind this line before."""
        return bool(self._ends) and self._ends.get(lines[0].start) == lines[-1].end

    def _all(self, messages: Iterable[Joined[Line]]) -> None:
        own = self.position
        for text, lines, forced in messages:
            first = lines[0]
            if forced:
                own.closed[first.start] = lines[-1].end
                self.urgent = True
            if not text.strip(b" \t"):
                for line in lines:
                    line.done = True
                continue
            self.ready.append(
                FileMessage(
                    text, message_id(own.generation, first.digest, first.start),
                    any(line.truncated for line in lines), first.start < own.old, lines,
                )
            )
