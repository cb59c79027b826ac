"""Packed files: recognised by content, streamed, refused when damaged."""

from __future__ import annotations

import gzip
import io
import tracemalloc

import pytest
import zstandard

from indelible.base.errors import BadRequest
from indelible.base.limits import FILE_CHUNK_BYTES
from indelible.ingest.decompress import plain_chunks

TEXT = b"".join(b"line %d of the file\n" % n for n in range(60_000))


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def unpacked(data: bytes) -> bytes:
    return b"".join(plain_chunks(io.BytesIO(data), "f"))


@pytest.mark.parametrize(
    "packed",
    [TEXT, gzip.compress(TEXT), zstd(TEXT), gzip.compress(TEXT[:999]) + gzip.compress(TEXT[999:]),
     zstd(TEXT[:999]) + zstd(TEXT[999:]), gzip.compress(TEXT) + b"\0" * 512],
    ids=["plain", "gzip", "zstd", "two members", "two frames", "padding"],
)
def test_the_content_comes_out_whole(packed: bytes) -> None:
    assert unpacked(packed) == TEXT


def test_an_empty_file_has_no_content() -> None:
    assert unpacked(b"") == b""
    assert unpacked(gzip.compress(b"")) == b""


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_a_file_that_ends_too_early_is_refused_after_what_it_held(pack: object) -> None:
    packed = pack(TEXT)  # type: ignore[operator]
    chunks = plain_chunks(io.BytesIO(packed[:-6]), "f")
    got: list[bytes] = []
    with pytest.raises(BadRequest, match=r"f: the .* data ends too early"):
        got.extend(chunk for chunk in chunks if chunk or got)
    assert TEXT.startswith(b"".join(got))


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(TEXT)[:500] + b"\0" * 50 + gzip.compress(TEXT)[550:],
     zstd(TEXT)[:100] + b"\xff" * 50 + zstd(TEXT)[150:],
     gzip.compress(TEXT)[:-8] + b"\0" * 8,
     gzip.compress(b"x") + b"garbage", zstd(b"x") + b"garbage"],
    ids=["gzip inside", "zstd inside", "gzip checksum", "after gzip", "after zstd"],
)
def test_a_damaged_file_is_refused(packed: bytes) -> None:
    with pytest.raises(BadRequest, match="damaged"):
        unpacked(packed)


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_a_bomb_takes_time_and_no_memory(pack: object) -> None:
    bomb = pack(b"\0" * (1 << 28))  # type: ignore[operator]
    tracemalloc.start()
    sizes = [len(chunk) for chunk in plain_chunks(io.BytesIO(bomb), "f")]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(sizes) == 1 << 28
    assert max(sizes) <= FILE_CHUNK_BYTES
    assert peak < 40 << 20
