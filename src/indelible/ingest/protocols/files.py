"""The lines of a file that is followed, and how far it was read: pure.

What a message of a file is called decides whether a restart adds it twice and whether two equal
lines stay two events, so here is the reasoning in full. The id of a message is

    file/<32 hexadecimal digits>/<offset of its first byte>

and the digits are a digest of everything in the file up to the end of the message's first line,
chained line by line (`chained`). It follows that

- the same content gives the same ids, whatever the file is called, wherever it was moved, copied or
  packed: a rotated file keeps its identity, a file read again after a crash adds nothing, and the
  positions that are kept are an optimisation only;
- equal lines of one file differ in what stands before them, hence in their ids;
- two files that begin alike (a header, the banner of a program) have the same ids up to the first
  byte in which they differ and no further: a fingerprint of the first bytes alone would go on to
  call the equal lines of both by the same name wherever their offsets agree;
- a file shorter than any fingerprint needs no waiting: its first line is named when it is whole.

Device and inode take no part. An inode number is given to the next file as soon as it is free, and
a truncated file keeps its own: either would have given two contents one name. A copy (copytruncate,
gzip) has another inode: it would have given one content two names.

What content cannot tell is whether a second file that begins like a known one is that file again
(a copy) or another that began the same: logs without times do, after each rotation. There the
follower decides by what it saw (`follow_finding`), and a file that is another one is given a
`generation`, 8 random bytes that are mixed into its ids. They cannot be computed again, so they are
kept before any message that depends on them is delivered; and so is where time rather than content
ended a message (`Position.cuts`, `Position.closed`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

import msgspec

from indelible.base.errors import BadRequest
from indelible.base.limits import FOLLOW_FIRST_BYTES, FOLLOW_TAIL_BYTES, FOLLOW_TAILS, LINE_BYTES

START: Final = bytes(16)
"""The digest of nothing."""
_BOM: Final = b"\xef\xbb\xbf"


OPTIONS: Final = ("path", "backfill")
"""What a source of files can be told."""


def check_options(options: Mapping[str, str]) -> None:
    """Raise `BadRequest` when the options of a source of files cannot work."""
    path = options.get("path", "")
    if not path.startswith("/"):
        raise BadRequest(
            f"{path!r} is not an absolute path", field="path",
            remedy="Give the whole path, or a glob such as /var/log/app/*.log.",
        )
    if options.get("backfill", "yes") not in ("yes", "no"):
        raise BadRequest("backfill is yes or no", field="backfill")


def chained(before: bytes, line: bytes) -> bytes:
    """The digest of what `before` stands for and one line more, with its line end."""
    return blake2b(before + line, digest_size=16).digest()


def message_id(generation: bytes, digest: bytes, offset: int) -> str:
    """What the message is called whose first line begins at `offset` and ends with `digest`."""
    if generation:
        digest = blake2b(digest, digest_size=16, key=generation).digest()
    return f"file/{digest.hex()}/{offset}"


def tail_of(before: bytes) -> bytes:
    """The hash of the last `FOLLOW_TAIL_BYTES` of `before`, by which a place is found again."""
    return blake2b(before[-FOLLOW_TAIL_BYTES:], digest_size=8).digest()


def first_of(head: bytes) -> bytes | None:
    """The hash of a file's first line, or None as long as it is not all there.

    NUL bytes in front do not count. Of a long first line the beginning stands for it.
    """
    head = head.lstrip(b"\0")
    end = head.find(b"\n", 0, FOLLOW_FIRST_BYTES)
    if end < 0 and len(head) < FOLLOW_FIRST_BYTES:
        return None
    return beginning(head[: end + 1] if end >= 0 else head[:FOLLOW_FIRST_BYTES])


def beginning(line: bytes) -> bytes:
    """The hash that `first_of` gives for a first line, whole or not."""
    return blake2b(line, digest_size=8, person=b"first").digest()


class Position(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How far one file was read, and how it is known again; kept as MessagePack.

    `line` is where the first line begins that was not delivered, `digest` stands for everything
    before it. Pieces that begin within a range of `skip` were delivered all the same. `cuts` says
    where a line was cut for want of an end, by the beginning of the piece; `closed` where a message
    of several lines was closed by time, by its beginning: offsets of ends, both. `tails` are places
    read, with the hash of the bytes before each. `old` is the offset below which the content was
    there when the source was first followed. `stamp` is size and modification time of a packed
    file, whose offsets are those of its content, or of a file that is known to hold nothing new as
    long as they stay. `done` files are not looked for again; a `gone` one is known by its content
    only: its inode may be another file's by now.
    """

    path: str
    device: int
    inode: int
    first: bytes = b""
    generation: bytes = b""
    line: int = 0
    digest: bytes = START
    skip: list[tuple[int, int]] = []
    cuts: dict[int, int] = {}
    closed: dict[int, int] = {}
    tails: list[tuple[int, bytes]] = []
    old: int = 0
    stamp: tuple[int, int] = (0, 0)
    packed: bool = False
    done: bool = False
    gone: bool = False
    seen_us: int = 0

    @property
    def key(self) -> str:
        """The name it is kept under: of this file on this disk, at this generation."""
        where = f"{self.device}/{self.inode}/".encode()
        return f"file/{blake2b(where + self.first + self.generation, digest_size=8).hexdigest()}"

    @property
    def at(self) -> int:
        """How far the content was seen."""
        return self.tails[-1][0] if self.tails else 0

    def tail_below(self, size: int) -> tuple[int, bytes] | None:
        """The last place that a file of `size` bytes reaches."""
        return next((tail for tail in reversed(self.tails) if tail[0] <= size), None)

    def again(self) -> None:
        """It is read, although it was done: it was written to after that."""
        if self.stamp != (0, 0):
            self.stamp, self.tails = (0, 0), []
        self.done = False

    def passed(self, at: int, before: bytes) -> None:
        """Note the bytes `before` the place `at`; older places are thinned out."""
        if self.tails and self.tails[-1][0] == at:
            return
        self.tails.append((at, tail_of(before)))
        if len(self.tails) > FOLLOW_TAILS:
            old, new = self.tails[: FOLLOW_TAILS // 2], self.tails[FOLLOW_TAILS // 2 :]
            self.tails = old[:1] + old[2::2] + new


encode_position = msgspec.msgpack.Encoder().encode
decode_position = msgspec.msgpack.Decoder(Position).decode


class Line(msgspec.Struct, gc=False):
    """A line, or a piece of one that was cut.

    `line` is where the whole line began, after it everything `before` stands for; `start` and `end`
    are the piece's own bounds, `digest` stands for everything up to its end. `text` is without line
    end and at most `LINE_BYTES` long, of `size` bytes that there were. `whole` says that a line end
    was read, and no cut came before it.
    """

    line: int
    before: bytes
    start: int
    end: int
    text: bytes
    size: int
    digest: bytes
    whole: bool
    done: bool = False

    @property
    def truncated(self) -> bool:
        """Whether the text is less than what the writer wrote as one line."""
        return not self.whole or self.size > len(self.text)


class Lines:
    """Cuts the bytes of a file into lines; may begin at any line's beginning.

    NUL bytes before a line are passed over: files whose writer did not notice that they were
    truncated have a hole there. A line longer than `LINE_BYTES` is read to its end and given out
    with its beginning as text; memory holds no more than that.
    """

    def __init__(self, line: int, digest: bytes, cuts: dict[int, int]) -> None:
        self.line = line
        self.digest = digest
        self.at = line
        self._cuts = cuts
        self._start = line
        self._text = b""
        self._size = 0
        self._hash: blake2b | None = None
        self._was_cut = False

    @property
    def held(self) -> bool:
        """Whether a line was begun and has no end yet."""
        return self._size > 0

    @property
    def only_nuls(self) -> bool:
        """Whether nothing but NUL bytes stands after the last line: a hole, or room set aside."""
        return self.at > self.line and not self._size and not self._was_cut

    @property
    def cut_to(self) -> int:
        """Up to where the line that has no end yet was given out."""
        return self._start if self._was_cut else self.line

    def rewind(self) -> None:
        """Read again from the beginning of the line, of which nothing but NUL bytes was there."""
        self.at = self._start = self.line

    def skip_to(self, at: int) -> None:
        """Pass over a hole before a line: NUL bytes that nobody needs to read."""
        assert not self._size
        assert not self._was_cut
        self.at = self._start = at

    def feed(self, chunk: bytes) -> list[Line]:
        """The lines that `chunk`, which follows what was fed before, brings to their end."""
        found: list[Line] = []
        *pieces, rest = chunk.split(b"\n")
        for piece in pieces:
            if self._cuts:
                piece = self._cut_again(piece, found)
            found.append(self._ended(piece))
        if rest:
            if self._cuts:
                rest = self._cut_again(rest, found)
            self._hold(rest)
        return found

    def cut(self) -> Line:
        """Give out what there is of the line that has no end; the rest is a piece of its own."""
        assert self._hash is not None
        made = self._made(self._hash.copy().digest(), whole=False)
        self._start, self._text, self._size, self._was_cut = self.at, b"", 0, True
        return made

    def _cut_again(self, piece: bytes, found: list[Line]) -> bytes:
        """Cut where the same line was cut before; what is left of the piece."""
        if not self._size and not self._was_cut:
            bare = piece.lstrip(b"\0")
            self.at += len(piece) - len(bare)
            self._start, piece = self.at, bare
        while (end := self._cuts.get(self._start)) is not None and end <= self.at + len(piece):
            if end <= self.at:
                break
            taken = end - self.at
            self._hold(piece[:taken])
            found.append(self.cut())
            piece = piece[taken:]
        return piece

    def _ended(self, piece: bytes) -> Line:
        """The line that ends with `piece`."""
        plain = self._hash is None and self.at == self.line and piece[:1] != b"\0"
        if plain and len(piece) <= LINE_BYTES:
            self._text, self._size = piece, len(piece)
            self.at += len(piece) + 1
            digest = blake2b(self.digest + piece + b"\n", digest_size=16).digest()
        else:
            self._hold(piece)
            self.at += 1
            running = self._hash or blake2b(self.digest, digest_size=16)
            running.update(b"\n")
            digest = running.digest()
        made = self._made(digest, whole=not self._was_cut)
        self.line = self._start = self.at
        self.digest = digest
        self._text, self._size, self._hash, self._was_cut = b"", 0, None, False
        return made

    def _hold(self, data: bytes) -> None:
        """Add to the line that has no end yet."""
        if not self._size and not self._was_cut:
            bare = data.lstrip(b"\0")
            self.at += len(data) - len(bare)
            self._start, data = self.at, bare
        if not data:
            return
        if self._hash is None:
            self._hash = blake2b(self.digest, digest_size=16)
        self._hash.update(data)
        self._text += data[: max(0, LINE_BYTES - len(self._text))]
        self._size += len(data)
        self.at += len(data)

    def _made(self, digest: bytes, whole: bool) -> Line:
        text, size = self._text, self._size
        if text.endswith(b"\r") and size == len(text):
            text, size = text[:-1], size - 1
        if self._start == 0 and text.startswith(_BOM):
            text, size = text[len(_BOM) :], size - len(_BOM)
        return Line(
            self.line, self.digest, self._start, self.at, text, size, digest, whole
        )


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ascending ranges, those that touch made one."""
    out: list[tuple[int, int]] = []
    for start, end in ranges:
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        elif end > start:
            out.append((start, end))
    return out
