"""The encrypted container of column files: 64 KiB pieces, each AES-256-GCM.

File = magic "INDLPCE1" || u32 header length || header (JSON object) || pieces. A piece holds 65,536
bytes of content (the last one 0 to 65,536) and its 16-byte tag. Nonce = piece number (96 bits);
associated data = SHA-256(everything before the first piece) || u64 piece number || u8 last. The key
is used for this file only. So a piece that is flipped, moved, swapped with another file's, appended
or dropped is noticed when it is read; `PieceReader` reads the last piece when it opens the file, so
a file cut at a piece is noticed at once.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from indelible.base.errors import ColumnsDamaged
from indelible.base.files import write_with

MAGIC = b"INDLPCE1"
PIECE_BYTES = 65_536
TAG_BYTES = 16
STORED_BYTES = PIECE_BYTES + TAG_BYTES
HEADER_BYTES_MAX = 65_536

HeaderValue = str | int
Expected = HeaderValue | tuple[HeaderValue, ...]
"""What a member of a header must be, or any of several."""
_numbers = itertools.count()


def _aad(digest: bytes, number: int, last: bool) -> bytes:
    return digest + number.to_bytes(8, "big") + (b"\x01" if last else b"\x00")


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


class PieceWriter:
    """A write-only file object that encrypts what it is given into `file`.

    `finish` writes the last piece; without it the file does not open again.
    """

    def __init__(self, file: BinaryIO, key: bytes, header: Mapping[str, HeaderValue]) -> None:
        text = msgspec.json.encode(dict(header))
        head = MAGIC + len(text).to_bytes(4, "big") + text
        file.write(head)
        self._file = file
        self._digest = hashlib.sha256(head).digest()
        self._cipher = AESGCM(key)
        self._waiting = bytearray()
        self._pieces = 0
        self._size = 0
        self.closed = False

    def write(self, data: bytes) -> int:
        """Take content; whole pieces that cannot be the last go to the file at once."""
        view = memoryview(data).cast("B")
        self._waiting += view
        self._size += len(view)
        while len(self._waiting) > PIECE_BYTES:
            self._put(bytes(self._waiting[:PIECE_BYTES]), False)
            del self._waiting[:PIECE_BYTES]
        return len(view)

    def _put(self, content: bytes, last: bool) -> None:
        aad = _aad(self._digest, self._pieces, last)
        self._file.write(self._cipher.encrypt(_nonce(self._pieces), content, aad))
        self._pieces += 1

    def tell(self) -> int:
        """Bytes of content taken so far."""
        return self._size

    def writable(self) -> bool:
        """Always: this is what a writer is."""
        return True

    def readable(self) -> bool:
        """Never."""
        return False

    def seekable(self) -> bool:
        """Never: content is written once, in order."""
        return False

    def flush(self) -> None:
        """Nothing: the caller makes the underlying file durable."""

    def close(self) -> None:
        """Nothing, on purpose: a file object closed by an error must not become a whole file."""

    def finish(self) -> None:
        """Write the last piece."""
        self._put(bytes(self._waiting), True)
        self._waiting.clear()


def write_pieces(
    path: Path, content: BinaryIO | bytes, key: bytes, header: Mapping[str, HeaderValue]
) -> None:
    """Write `content` encrypted to `path`, durably and atomically (`base.files.write_with`)."""

    def fill(file: BinaryIO) -> None:
        writer = PieceWriter(file, key, header)
        if isinstance(content, bytes):
            writer.write(content)
        else:
            while chunk := content.read(16 * PIECE_BYTES):
                writer.write(chunk)
        writer.finish()

    write_with(path, fill)


class PieceCache:
    """Decrypted pieces of any number of readers, least recently used out first, in bounded memory.

    Safe to use from several threads.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max = max_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def get(self, reader: int, piece: int) -> bytes | None:
        """The piece, if it is held."""
        with self._lock:
            found = self._held.get((reader, piece))
            if found is not None:
                self._held.move_to_end((reader, piece))
            return found

    def put(self, reader: int, piece: int, content: bytes) -> None:
        """Hold the piece, letting go of the least recently used beyond the bound."""
        with self._lock:
            if (reader, piece) in self._held:
                return
            self._held[(reader, piece)] = content
            self._bytes += len(content)
            while self._bytes > self._max:
                _, gone = self._held.popitem(last=False)
                self._bytes -= len(gone)


class PieceReader:
    """Random access to the content of a file that `write_pieces` made. Safe for several threads.

    Raises `ColumnsDamaged` when a header, a tag or a length is not what was written. `expected`
    names header members that must have exactly these values (a tuple: one of these).
    """

    def __init__(
        self,
        path: Path,
        key: bytes,
        expected: Mapping[str, Expected] | None = None,
        cache: PieceCache | None = None,
    ) -> None:
        self._path = path
        self._cache = cache
        self._number = next(_numbers)
        try:
            self._file = path.open("rb", buffering=0)
        except FileNotFoundError as error:
            raise ColumnsDamaged(f"{path.name} is missing") from error
        self._handle = self._file.fileno()
        try:
            self._open(key, expected)
        except BaseException:
            self.close()
            raise

    def _open(self, key: bytes, expected: Mapping[str, Expected] | None) -> None:
        begin = os.pread(self._handle, 12, 0)
        length = int.from_bytes(begin[8:], "big")
        if len(begin) < 12 or begin[:8] != MAGIC or length > HEADER_BYTES_MAX:
            raise ColumnsDamaged(f"{self._path.name} is not a file of encrypted pieces")
        head = begin + os.pread(self._handle, length, 12)
        try:
            self.header = msgspec.json.decode(head[12:], type=dict[str, HeaderValue])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ColumnsDamaged(f"the header of {self._path.name} cannot be read") from error
        for name, value in (expected or {}).items():
            good = value if isinstance(value, tuple) else (value,)
            found = self.header.get(name)
            if found not in good:
                raise ColumnsDamaged(f"{self._path.name} says {name} {found!r}, not {good[0]!r}")
        self._start = len(head)
        self._digest = hashlib.sha256(head).digest()
        self._cipher = AESGCM(key)
        stored = os.fstat(self._handle).st_size - self._start
        self._pieces = -(-stored // STORED_BYTES)
        self.size = stored - self._pieces * TAG_BYTES
        if self._pieces < 1 or stored - (self._pieces - 1) * STORED_BYTES < TAG_BYTES:
            raise ColumnsDamaged(f"{self._path.name} is cut short")
        self._last = self._read_pieces(self._pieces - 1, self._pieces)[0]

    def _read_pieces(self, first: int, end: int) -> list[bytes]:
        stored = os.pread(
            self._handle, (end - first) * STORED_BYTES, self._start + first * STORED_BYTES
        )
        found = []
        view = memoryview(stored)
        for number in range(first, end):
            at = (number - first) * STORED_BYTES
            aad = _aad(self._digest, number, number == self._pieces - 1)
            try:
                piece = self._cipher.decrypt(_nonce(number), view[at : at + STORED_BYTES], aad)
            except (InvalidTag, ValueError) as error:
                raise ColumnsDamaged(
                    f"piece {number} of {self._path.name} is not as written"
                ) from error
            found.append(piece)
        return found

    def _pieces_of(self, first: int, end: int) -> list[bytes]:
        """Pieces [first, end), from the cache where it has them all or the span is short."""
        if self._cache is None or end - first > 8:
            return self._read_pieces(first, end)
        found: list[bytes] = []
        for number in range(first, end):
            piece = self._cache.get(self._number, number)
            if piece is None:
                rest = self._read_pieces(number, end)
                for offset, content in enumerate(rest):
                    self._cache.put(self._number, number + offset, content)
                return found + rest
            found.append(piece)
        return found

    def read_at(self, offset: int, length: int) -> bytes:
        """Content [offset, offset + length), shorter at the end of the file."""
        stop = min(offset + length, self.size)
        if offset < 0 or stop <= offset:
            return b""
        first, end = offset // PIECE_BYTES, (stop - 1) // PIECE_BYTES + 1
        if first == self._pieces - 1:
            return self._last[offset - first * PIECE_BYTES : stop - first * PIECE_BYTES]
        pieces = self._pieces_of(first, end)
        if len(pieces) == 1:
            return pieces[0][offset - first * PIECE_BYTES : stop - first * PIECE_BYTES]
        pieces[-1] = pieces[-1][: stop - (end - 1) * PIECE_BYTES]
        pieces[0] = pieces[0][offset - first * PIECE_BYTES :]
        return b"".join(pieces)

    def close(self) -> None:
        """Let go of the file; a reader that nobody refers to any more does so by itself."""
        self._file.close()

    def __enter__(self) -> PieceReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
