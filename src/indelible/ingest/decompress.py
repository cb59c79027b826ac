"""Files as plain bytes: gzip and zstd are recognised by their first bytes, never by a name.

Streaming: one chunk of output at a time, whatever the input claims, so a small file that unpacks
to terabytes costs time and no memory. (Request bodies are bounded as a whole: `server.bodies`.)
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

import zstandard

from indelible.base.errors import BadRequest
from indelible.base.limits import FILE_CHUNK_BYTES, IMPORT_WINDOW_BYTES, ZSTD_STEP_BYTES

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


def plain_chunks(file: BinaryIO, name: str) -> Iterator[bytes]:
    """The content of `file`, unpacked, in chunks of at most `FILE_CHUNK_BYTES` bytes.

    `name` is for messages. Raises `BadRequest` when a packed file is damaged or ends too early;
    what came before has been given out by then.
    """
    first = file.read(FILE_CHUNK_BYTES)
    if first.startswith(_GZIP):
        yield from _gunzip(file, first, name)
    elif first.startswith(_ZSTD):
        yield from _unzstd(file, first, name)
    else:
        while first:
            yield first
            first = file.read(FILE_CHUNK_BYTES)


def _gunzip(file: BinaryIO, data: bytes, name: str) -> Iterator[bytes]:
    """All members of a gzip file, one after the other."""
    unpacker = zlib.decompressobj(31)
    while data:
        if unpacker.eof:
            data = data.lstrip(b"\0")  # padding after the last member, as tar and tapes leave it
            if not data:
                data = file.read(FILE_CHUNK_BYTES)
                continue
            unpacker = zlib.decompressobj(31)
        try:
            part = unpacker.decompress(data, FILE_CHUNK_BYTES)
        except zlib.error as error:
            raise _damaged(name, f"the gzip data is damaged: {error}") from error
        if part:
            yield part
        data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        if not data:
            data = file.read(FILE_CHUNK_BYTES)
    if not unpacker.eof:
        raise _damaged(name, "the gzip data ends too early")


def _unzstd(file: BinaryIO, data: bytes, name: str) -> Iterator[bytes]:
    """All frames of a zstd file, one after the other."""
    unpacker = zstandard.ZstdDecompressor(max_window_size=IMPORT_WINDOW_BYTES)
    frame = unpacker.decompressobj()
    while data:
        for start in range(0, len(data), ZSTD_STEP_BYTES):
            step = data[start : start + ZSTD_STEP_BYTES]
            while step:
                if frame.eof:
                    frame = unpacker.decompressobj()
                try:
                    part = frame.decompress(step)
                except zstandard.ZstdError as error:
                    raise _damaged(name, f"the zstd data is damaged: {error}") from error
                for at in range(0, len(part), FILE_CHUNK_BYTES):
                    yield part[at : at + FILE_CHUNK_BYTES]
                step = frame.unused_data if frame.eof else b""
        data = file.read(FILE_CHUNK_BYTES)
    if not frame.eof:
        raise _damaged(name, "the zstd data ends too early")


def _damaged(name: str, what: str) -> BadRequest:
    return BadRequest(f"{name}: {what}", remedy="Fetch or pack the file again and repeat.")
