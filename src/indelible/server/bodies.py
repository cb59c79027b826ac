"""Request bodies: bounded in bytes before and after decompression, and in time.

Raises TooLarge, SlowSender, UnsupportedEncoding or BadRequest; returns None when the sender hung
up, in which case nothing is stored and nobody is answered.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import zstandard
from starlette.types import Receive

from indelible.base.errors import BadRequest, Busy, TooLarge
from indelible.base.limits import (
    GZIP_STEP_BYTES,
    READING_BYTES,
    REQUEST_BYTES,
    REQUEST_COMPRESSED_BYTES,
    REQUEST_PARTS,
    REQUEST_SECONDS,
    REQUEST_WINDOW_BYTES,
    ZSTD_STEP_BYTES,
)
from indelible.server.errors import SlowSender, UnsupportedEncoding
from indelible.server.patience import Patience


class Reading:
    """How many bytes of unfinished requests are held, all connections together.

    A request that comes in one piece is never held, so single events do not pay for this.
    """

    def __init__(self, limit: int = READING_BYTES) -> None:
        self._limit = limit
        self.held = 0

    def take(self, size: int) -> None:
        """Hold `size` more; raises Busy beyond the limit."""
        if self.held + size > self._limit:
            raise Busy(f"{self.held} bytes of other requests are still arriving")
        self.held += size

    def give(self, size: int) -> None:
        """Hold `size` less."""
        self.held -= size


async def read_body(
    receive: Receive,
    reading: Reading,
    patience: Patience,
    limit: int = REQUEST_COMPRESSED_BYTES,
    declared: bytes = b"",
) -> bytes | None:
    """The whole body, at most `limit` bytes, within REQUEST_SECONDS; None after a hang-up.

    `declared` is the Content-Length header: a request that says it is too large is refused before
    it is read.
    """
    size = _declared(declared, limit)
    try:
        with patience:
            message = await receive()
            if message["type"] != "http.request":
                return None
            first: bytes = message["body"]
            if len(first) > limit:
                raise TooLarge(f"the request has more than {limit} bytes")
            if len(first) == size or not message.get("more_body", False):
                return first
            return await _read_on(receive, reading, first, limit)
    except TimeoutError as error:
        raise SlowSender(
            f"the request did not arrive whole within {REQUEST_SECONDS} seconds"
        ) from error


def _declared(header: bytes, limit: int) -> int:
    """The Content-Length, -1 when there is none; raises TooLarge."""
    if not header:
        return -1
    if not header.isdigit() or len(header) > 19:
        raise BadRequest("the Content-Length is not a number", field="Content-Length")
    size = int(header)
    if size > limit:
        raise TooLarge(f"the request announces {size} bytes; {limit} are taken")
    return size


async def _read_on(
    receive: Receive, reading: Reading, first: bytes, limit: int
) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    part, more = first, True
    try:
        while True:
            if size + len(part) > limit:
                raise TooLarge(f"the request has more than {limit} bytes")
            reading.take(len(part))
            size += len(part)
            parts.append(part)
            if not more:
                return b"".join(parts)
            message = await receive()
            if message["type"] != "http.request":
                return None
            part, more = message.get("body", b""), message.get("more_body", False)
    finally:
        reading.give(size)


def unpack(body: bytes, encoding: bytes, limit: int = REQUEST_BYTES) -> bytes:
    """The body without its Content-Encoding: identity, gzip or zstd; at most `limit` bytes."""
    name = encoding.strip().lower()
    if name in (b"", b"identity"):
        if len(body) > limit:
            raise TooLarge(f"the request has more than {limit} bytes")
        return body
    if name in (b"gzip", b"x-gzip"):
        return _gunzip(body, limit)
    if name == b"zstd":
        return _unzstd(body, limit)
    raise UnsupportedEncoding(f"the Content-Encoding {name.decode('latin-1')!r} is not understood")


def _gunzip(body: bytes, limit: int) -> bytes:
    """All members of a gzip stream. Memory: the limit, and one step's output."""
    parts: list[bytes] = []
    room = limit
    member = zlib.decompressobj(31)
    members = 1
    for step in _steps(body, GZIP_STEP_BYTES):
        data = step
        while data:
            if member.eof:
                members = _count(members)
                member = zlib.decompressobj(31)
            try:
                part = member.decompress(data, room + 1)
            except zlib.error as error:
                raise _damaged(f"the gzip body is damaged: {error}") from error
            room -= len(part)
            if room < 0:
                raise _too_large(limit)
            parts.append(part)
            data = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise _damaged("the gzip body ends too early")
    return b"".join(parts)


def _unzstd(body: bytes, limit: int) -> bytes:
    """All frames of a zstd stream. Memory: the limit, and one step's output."""
    parts: list[bytes] = []
    room = limit
    decoder = zstandard.ZstdDecompressor(max_window_size=REQUEST_WINDOW_BYTES)
    frame = decoder.decompressobj()
    frames = 1
    try:
        for step in _steps(body, ZSTD_STEP_BYTES):
            data = step
            while data:
                if frame.eof:
                    frames = _count(frames)
                    frame = decoder.decompressobj()
                part = frame.decompress(data)
                room -= len(part)
                if room < 0:
                    raise _too_large(limit)
                parts.append(part)
                data = frame.unused_data if frame.eof else b""
    except zstandard.ZstdError as error:
        raise _damaged(f"the zstd body is damaged: {error}") from error
    if not frame.eof:
        raise _damaged("the zstd body ends too early")
    return b"".join(parts)


def _steps(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def _count(parts: int) -> int:
    """One more member or frame; each costs a decoder, so their number has a bound."""
    if parts >= REQUEST_PARTS:
        raise TooLarge(f"the compressed body has more than {REQUEST_PARTS} parts")
    return parts + 1


def _damaged(message: str) -> BadRequest:
    return BadRequest(message, code="bad_encoding")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the request has more than {limit} bytes after decompression")
