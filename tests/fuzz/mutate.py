"""Mutations of byte strings, reproducible from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

TOKENS = (
    b"", b"\x00", b"\xff\xff\xff\xff", b"\x80", b"\xed\xa0\x80", b"\xe2\x80\xae", b"\n", b"\r\n",
    b'"', b"\\", b"\\ud800", b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b"NaN", b"1e400",
    b"-0", b"18446744073709551616", b"9" * 20, b"0", b"{}", b"[]", b'""', b'"id"', b'"kind"',
    b"( ", b")", b"NOT ", b"OR ", b"*", b">=", b"..", b"-", b"+", b"=", b" ", b"\xe2\x80\x94 ",
    b"A" * 300, b"[" * 40,
)
Change = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def _span(rng: random.Random, data: bytearray) -> tuple[int, int]:
    start = rng.randrange(len(data) + 1)
    return start, min(len(data), start + rng.choice((1, 2, 4, 16, 64, rng.randrange(1, 500))))


def _flip(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _delete(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    start, stop = _span(rng, data)
    del data[start:stop]


def _double(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    start, stop = _span(rng, data)
    at = rng.randrange(len(data) + 1)
    data[at:at] = data[start:stop] * rng.choice((1, 1, 2, 20))


def _token(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    at = rng.randrange(len(data) + 1)
    data[at : at + rng.choice((0, 0, 1, 5))] = rng.choice(TOKENS)


def _splice(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = rng.choice(seeds)
    at = rng.randrange(len(other) + 1)
    data[rng.randrange(len(data) + 1) :] = other[at:]


def _cut(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _lines(rng: random.Random, data: bytearray, _seeds: Sequence[bytes]) -> None:
    lines = bytes(data).split(b"\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[rng.choice((one, other))]
    data[:] = b"\n".join(lines)


_CHANGES: tuple[Change, ...] = (
    _flip, _flip, _set, _delete, _double, _token, _token, _splice, _cut, _lines,
)


def mutated(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds with a few changes; one time in twenty plain noise."""
    if rng.random() < 0.05:
        return rng.randbytes(rng.randrange(200))
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        rng.choice(_CHANGES)(rng, data, seeds)
    return bytes(data)
