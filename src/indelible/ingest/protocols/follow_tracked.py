"""One file that is followed: its handle, its bytes, and whether they are still the same file's."""

from __future__ import annotations

from collections.abc import Iterator

from indelible.base.errors import BadRequest
from indelible.base.limits import FOLLOW_READ_BYTES, FOLLOW_SAME_BYTES
from indelible.ingest.protocols.files import Position, first_of
from indelible.ingest.protocols.files_reading import Reading
from indelible.ingest.protocols.follow_content import bytes_before, tail_in
from indelible.ingest.protocols.follow_disk import Handle, Handles, Seen, unpacked


class Truncated(Exception):
    """The file does not hold any more what was read of it."""


class Tracked:
    """A file and what is read of it.

    `seen` is what the last look found, `listed` whether the configured path names it. `changed` is
    when it last changed, `since` when it was taken up, `hungry` whether there may be more to read,
    `failed` whether that could not be read. `reach` is how far its content went when it was taken
    up.
    """

    def __init__(self, seen: Seen, reading: Reading, handles: Handles, now: float) -> None:
        self.seen = seen
        self.reading = reading
        self.listed = True
        self.changed = self.since = now
        self.hungry = not (reading.position.done and reading.position.stamp == seen.stamp)
        self.failed = False
        self.reach = reading.position.at
        self._handles = handles
        self._chunks: Iterator[bytes] | None = None
        self._passed = 0
        self._rest = b""

    @property
    def position(self) -> Position:
        """How far it was read."""
        return self.reading.position

    @property
    def streaming(self) -> bool:
        """Whether a packed file is open and being unpacked."""
        return self._chunks is not None

    def handle(self) -> Handle:
        """The open file; raises `OSError` when it cannot be opened any more."""
        found = self._handles.get(self)
        return found or self._handles.open(self, self.seen.path, self.seen.identity)

    def open_already(self) -> Handle | None:
        """The handle, if it is open."""
        return self._handles.get(self)

    def close(self) -> None:
        """Let go of the handle; it is opened again when needed."""
        self._handles.close(self)
        self._chunks = None

    def look(self, one: Seen, now: float) -> None:
        """Take note of what a look found."""
        if one.stamp != self.seen.stamp:
            self.changed = now
            self.hungry = not self.position.packed
        elif self.failed:
            self.hungry = True
        self.failed = False
        self.seen = one if one.path else one._replace(path=self.seen.path)

    def read(self, now: float) -> None:
        """Read one piece of what is new.

        Raises `Truncated` when what was read before is not there any more, `OSError` when the file
        cannot be read, `BadRequest` when a packed file is damaged.
        """
        if self.position.packed:
            self._unpack(now)
        else:
            self._read_on(now)

    def _read_on(self, now: float) -> None:
        """The bytes behind those that were read, having looked that those are still there."""
        reading, handle = self.reading, self.handle()
        if self.position.done:
            self.position.again()
        if not reading.last and self.position.tails:
            self._place_holds(handle)
            reading.last = bytes_before(handle, reading.at)
        before, at = reading.last, reading.at
        most = FOLLOW_READ_BYTES if at else FOLLOW_SAME_BYTES  # an early place for `judge`
        data = handle.read(len(before) + most, at - len(before))
        if not data.startswith(before):
            raise Truncated
        chunk = data[len(before) :]
        if not at and first_of(chunk) not in (None, self.position.first):
            raise Truncated
        if chunk:
            reading.feed(chunk, now)
            if not chunk.strip(b"\0"):
                reading.skip_to(handle.data_from(reading.at))
            return
        look = handle.look()
        if look is None or look.size < at:
            raise Truncated
        reading.at_end()
        self.hungry = False

    def _place_holds(self, handle: Handle) -> None:
        """Whether the file is still the one that was read, where only its places are known.

        Between a look and this an inode may have been given to another file.
        """
        look = handle.look()
        place = None if look is None else self.position.tail_below(look.size)
        if place is None or tail_in(handle, place[0]) != place[1]:
            raise Truncated

    def _unpack(self, now: float) -> None:
        """The next piece of a packed file's content, from where it was read to."""
        if self._chunks is None:
            self._chunks = unpacked(self.seen.path, self.seen.identity)
            self._passed, self._rest = 0, b""
        if not self._rest:
            try:
                chunk = next(self._chunks, None)
            except (BadRequest, OSError):
                self._chunks, self.hungry = None, False
                raise
            if chunk is None:
                self._chunks, self.hungry = None, False
                self.reading.end(now)
                return
            skipped = min(len(chunk), max(0, self.reading.at - self._passed))
            self._passed += len(chunk)
            self._rest = chunk[skipped:]
        self.reading.feed(self._rest[:FOLLOW_READ_BYTES], now)
        self._rest = self._rest[FOLLOW_READ_BYTES:]
