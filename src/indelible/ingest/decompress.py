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

CHUNK: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_WINDOW: Final = 1 << 27  # what `zstd --long` without more needs; larger frames are refused
_ZSTD_STEP: Final = 1 << 9  # 4 bytes can stand for 128 KiB, so one step gives 16 MiB at most


def plain_chunks(file: BinaryIO, name: str) -> Iterator[bytes]:
    """The content of `file`, unpacked, in chunks of at most `CHUNK` bytes.

    `name` is for messages. Raises `BadRequest` when a packed file is damaged or ends too early;
    what came before has been given out by then.
    """
    first = file.read(CHUNK)
    if first.startswith(_GZIP):
        yield from _gunzip(file, first, name)
    elif first.startswith(_ZSTD):
        yield from _unzstd(file, first, name)
    else:
        while first:
            yield first
            first = file.read(CHUNK)


def _gunzip(file: BinaryIO, data: bytes, name: str) -> Iterator[bytes]:
    """All members of a gzip file, one after the other."""
    unpacker = zlib.decompressobj(31)
    while data:
        if unpacker.eof:
            data = data.lstrip(b"\0")  # padding after the last member, as tar and tapes leave it
            if not data:
                data = file.read(CHUNK)
                continue
            unpacker = zlib.decompressobj(31)
        try:
            part = unpacker.decompress(data, CHUNK)
        except zlib.error as error:
            raise _damaged(name, f"the gzip data is damaged: {error}") from error
        if part:
            yield part
        data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        if not data:
            data = file.read(CHUNK)
    if not unpacker.eof:
        raise _damaged(name, "the gzip data ends too early")


def _unzstd(file: BinaryIO, data: bytes, name: str) -> Iterator[bytes]:
    """All frames of a zstd file, one after the other."""
    unpacker = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    frame = unpacker.decompressobj()
    while data:
        for start in range(0, len(data), _ZSTD_STEP):
            step = data[start : start + _ZSTD_STEP]
            while step:
                if frame.eof:
                    frame = unpacker.decompressobj()
                try:
                    part = frame.decompress(step)
                except zstandard.ZstdError as error:
                    raise _damaged(name, f"the zstd data is damaged: {error}") from error
                yield from (part[at : at + CHUNK] for at in range(0, len(part), CHUNK))
                step = frame.unused_data if frame.eof else b""
        data = file.read(CHUNK)
    if not frame.eof:
        raise _damaged(name, "the zstd data ends too early")


def _damaged(name: str, what: str) -> BadRequest:
    return BadRequest(f"{name}: {what}", remedy="Fetch or pack the file again and repeat.")
