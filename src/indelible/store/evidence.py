"""Evidence segments: the stored bytes, compressed, encrypted, immutable (`spec/storage.md` 3).

    header | frame records ... | footer record (last flag) | u64 offset of the footer record

A frame is the zstd compression of newline-delimited bodies of up to 1,024 events that do
not cross a multiple of 1,024; a record is `u32 length || ciphertext`. The footer is JSON: frame
table, which salt key holds from which index, time range, and the hash of the segment's leaves.
"""

from __future__ import annotations

import os
import struct
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
import zstandard

from indelible.base.errors import Damaged
from indelible.base.files import write_with
from indelible.base.limits import BODY_BYTES, FRAME_BYTES, FRAME_EVENTS, FRAME_STEP_BYTES
from indelible.store.records import Header, RecordCipher, read_header

FORMAT = "indelible-evidence/1"
SUFFIX = ".evidence"
LEVEL = 3
LEVEL_LARGE = 6  # bodies that carry an original message: a tenth smaller, and parsing costs more
LARGE_BODY_BYTES = 1_500


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One frame: first index, events, byte offset and length of its record, plain size."""

    first: int
    count: int
    offset: int
    length: int
    plain: int


class SaltSpan(msgspec.Struct, frozen=True, array_like=True):
    """From `first` on, salts come from the key `key` (until the next span)."""

    first: int
    key: str


class Footer(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment says of itself."""

    first: int
    end: int
    frames: list[Frame]
    salts: list[SaltSpan]
    received_min: int
    received_max: int
    leaves_root: str
    """Hex of the RFC 6962 hash of the segment's leaves taken as a tree of their own."""


def frames_of(first: int, bodies: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Index ranges of the frames of a segment whose first event is `first`.

    None crosses a multiple of FRAME_EVENTS or holds more than FRAME_BYTES, but for a single event.
    """
    start = end = first
    held = 0
    for body in bodies:
        if end > start and (end % FRAME_EVENTS == 0 or held + len(body) > FRAME_BYTES):
            yield start, end
            start, held = end, 0
        held += len(body)
        end += 1
    if end > start:
        yield start, end


class EvidenceWriter:
    """Collects frames of one segment into a durable file."""

    def __init__(self, header: Header, key: bytes) -> None:
        self._header = header.encode()
        self._cipher = RecordCipher(key, self._header)
        self._packers = {
            level: zstandard.ZstdCompressor(level=level, write_checksum=False)
            for level in (LEVEL, LEVEL_LARGE)
        }
        self._parts: list[bytes] = [self._header]
        self._offset = len(self._header)
        self._first = header.first
        self.frames: list[Frame] = []

    def add_frame(self, bodies: list[bytes]) -> None:
        """The next frame; bodies in index order."""
        plain = b"\n".join(bodies) + b"\n"
        level = LEVEL_LARGE if len(plain) > LARGE_BODY_BYTES * len(bodies) else LEVEL
        sealed = self._cipher.seal(len(self.frames), self._packers[level].compress(plain))
        self._parts.append(len(sealed).to_bytes(4, "big") + sealed)
        length = 4 + len(sealed)
        self.frames.append(Frame(self._first, len(bodies), self._offset, length, len(plain)))
        self._offset += length
        self._first += len(bodies)

    def finish(self, path: Path, footer: Footer) -> int:
        """Write the file durably; returns its size."""
        sealed = self._cipher.seal(len(self.frames), msgspec.json.encode(footer), last=True)
        self._parts.append(len(sealed).to_bytes(4, "big") + sealed)
        self._parts.append(struct.pack(">Q", self._offset))

        def fill(file: BinaryIO) -> None:
            file.writelines(self._parts)

        write_with(path, fill)
        return sum(map(len, self._parts))


class EvidenceReader:
    """Reads one segment. Safe between threads; the newest decoded frames are kept."""

    def __init__(self, path: Path, origin: str, key: bytes, cached_frames: int = 4) -> None:
        self.path = path
        self._file = path.open("rb", buffering=0)
        self.header, raw = read_header(self._file, FORMAT, origin)
        self._cipher = RecordCipher(key, raw)
        self._lock = threading.Lock()
        self._cache: OrderedDict[int, list[bytes]] = OrderedDict()
        self._cached_frames = cached_frames
        self.footer = self._read_footer(len(raw))
        self._firsts = [frame.first for frame in self.footer.frames]

    def _read_footer(self, start: int) -> Footer:
        handle = self._file.fileno()
        size = os.fstat(handle).st_size
        try:
            (offset,) = struct.unpack(">Q", os.pread(handle, 8, max(0, size - 8)))
            if not start <= offset < size:
                raise Damaged(f"{self.path.name}: the footer is not where it should be")
            length = int.from_bytes(os.pread(handle, 4, offset), "big")
            if offset + 4 + length + 8 != size:
                raise Damaged(f"{self.path.name}: the footer is not where it should be")
            sealed = os.pread(handle, length, offset + 4)
            number = self._count_records(start, offset)
            footer = msgspec.json.decode(
                self._cipher.open(number, sealed, last=True), type=Footer
            )
        except (struct.error, msgspec.DecodeError, OSError) as error:
            raise Damaged(f"{self.path.name}: the footer cannot be read") from error
        if len(footer.frames) != number or footer.first != self.header.first:
            raise Damaged(f"{self.path.name}: the footer does not fit the file")
        if any(f.offset < start or f.length < 4 or f.offset + f.length > offset
               for f in footer.frames):
            raise Damaged(f"{self.path.name}: the frame table does not fit the file")
        return footer

    def _count_records(self, at: int, end: int) -> int:
        handle, count = self._file.fileno(), 0
        while at < end:
            at += 4 + int.from_bytes(os.pread(handle, 4, at), "big")
            count += 1
        if at != end:
            raise Damaged(f"{self.path.name}: frame {count - 1} has a wrong length")
        return count

    def frame(self, number: int) -> list[bytes]:
        """The bodies of frame `number`; raises `Damaged` naming the range when altered."""
        with self._lock:
            found = self._cache.get(number)
            if found is not None:
                self._cache.move_to_end(number)
                return found
        frame = self.footer.frames[number]
        bodies = self._decode(number, frame)
        with self._lock:
            self._cache[number] = bodies
            while len(self._cache) > self._cached_frames:
                self._cache.popitem(last=False)
        return bodies

    def _packed(self, number: int, frame: Frame) -> bytes:
        sealed = os.pread(self._file.fileno(), frame.length - 4, frame.offset + 4)
        try:
            packed = self._cipher.open(number, sealed)
        except Damaged as error:
            raise DamagedFrame(self.path.name, frame) from error
        if frame.plain > FRAME_BYTES + FRAME_EVENTS + BODY_BYTES:
            raise DamagedFrame(self.path.name, frame)
        return packed

    def _decode(self, number: int, frame: Frame) -> list[bytes]:
        packed = self._packed(number, frame)
        try:
            plain = zstandard.ZstdDecompressor().decompress(packed, max_output_size=frame.plain)
        except zstandard.ZstdError as error:
            raise DamagedFrame(self.path.name, frame) from error
        bodies = plain.split(b"\n")
        if bodies.pop() != b"" or len(bodies) != frame.count or len(plain) != frame.plain:
            raise DamagedFrame(self.path.name, frame)
        return bodies

    def body(self, index: int, *, alone: bool) -> bytes:
        """One body by its index in the log.

        `alone`: its frame is unpacked no further than to this body, and is not kept.
        """
        number = self.frame_of(index)
        frame = self.footer.frames[number]
        place = index - frame.first
        with self._lock:
            kept = number in self._cache
        return self._line(number, frame, place) if alone and not kept else self.frame(number)[place]

    def _line(self, number: int, frame: Frame, place: int) -> bytes:
        packed = self._packed(number, frame)
        unpacker = zstandard.ZstdDecompressor().decompressobj()
        plain, start = bytearray(), 0
        try:
            for at in range(0, len(packed), FRAME_STEP_BYTES):
                plain += unpacker.decompress(packed[at : at + FRAME_STEP_BYTES])
                if len(plain) > frame.plain:
                    break
                while (end := plain.find(b"\n", start)) >= 0:
                    if not place:
                        return bytes(plain[start:end])
                    start, place = end + 1, place - 1
        except zstandard.ZstdError as error:
            raise DamagedFrame(self.path.name, frame) from error
        raise DamagedFrame(self.path.name, frame)

    def frame_of(self, index: int) -> int:
        """Which frame holds `index`."""
        return bisect_right(self._firsts, index) - 1

    def salt_key_of(self, index: int) -> str:
        """The id of the salt key that holds at `index`."""
        key = ""
        for span in self.footer.salts:
            if span.first > index:
                break
            key = span.key
        return key

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class DamagedFrame(Damaged):
    """A frame is not what was written; `first` and `count` give its range."""

    def __init__(self, file: str, frame: Frame) -> None:
        where = f"indexes {frame.first}..{frame.first + frame.count - 1}"
        super().__init__(f"{file}: {where}: the frame is not what was written")
        self.first, self.count = frame.first, frame.count
