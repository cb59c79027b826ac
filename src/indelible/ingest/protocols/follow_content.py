"""The content of a file that is not followed yet: how it begins, and what it is by that."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from indelible.base.errors import BadRequest
from indelible.base.limits import (
    FOLLOW_FIRST_BYTES,
    FOLLOW_READ_BYTES,
    FOLLOW_TAIL_BYTES,
    LINE_BYTES,
)
from indelible.ingest.protocols.files import Position, beginning, first_of, tail_of
from indelible.ingest.protocols.follow_disk import Handle, Seen, is_packed, unpacked
from indelible.ingest.protocols.follow_finding import Candidate


class Content(NamedTuple):
    """What a file holds. `line` is its first line as far as it is there."""

    candidate: Candidate
    packed: bool
    line: bytes


@contextmanager
def opened(one: Seen) -> Iterator[Handle]:
    """The open file for a short while; raises `OSError`."""
    handle = Handle(one.path, one.identity)
    try:
        yield handle
    finally:
        handle.close()


def head_of(handle: Handle, size: int) -> bytes:
    """The first bytes of a file behind the hole it may begin with; raises `OSError`."""
    at, head = handle.data_from(0), b""
    while not head and at < size:
        chunk = handle.read(FOLLOW_READ_BYTES, at)
        if not chunk:
            break
        at += len(chunk)
        head = chunk.lstrip(b"\0")
    if head and len(head) < FOLLOW_FIRST_BYTES:
        head += handle.read(FOLLOW_FIRST_BYTES, at)
    return head


def first_line(one: Seen, packed: bool) -> bytes:
    """The first line of a file, empty where it cannot be read."""
    try:
        if packed:
            head = next(unpacked(one.path, one.identity), b"")
        else:
            with opened(one) as handle:
                head = head_of(handle, one.size)
    except (OSError, BadRequest):
        return b""
    return head.lstrip(b"\0").partition(b"\n")[0]


def tail_in(handle: Handle, at: int) -> bytes:
    """The hash of the bytes before `at`; raises `OSError`."""
    return tail_of(bytes_before(handle, at))


def bytes_before(handle: Handle, at: int) -> bytes:
    """The last bytes before `at`; raises `OSError`."""
    start = max(0, at - FOLLOW_TAIL_BYTES)
    return handle.read(at - start, start)


def holds(position: Position, one: Seen) -> bool:
    """Whether a file still holds what was read of it."""
    if position.packed:
        return one.stamp == position.stamp
    if one.size < position.at:
        return False
    try:
        with opened(one) as handle:
            place = position.tail_below(one.size)
            if place is None:
                return first_of(head_of(handle, one.size)) == position.first
            return tail_in(handle, place[0]) == place[1]
    except OSError:
        return False


def plain(handle: Handle, one: Seen, settled: bool, given_up: bool) -> Content | None:
    """A file as it is; None as long as its first line is not there. Raises `OSError`.

    `given_up` takes a first line without end for one.
    """
    head = head_of(handle, one.size)
    first = first_of(head)
    if first is None and head and given_up:
        first = beginning(head)
    if first is None:
        return None
    candidate = Candidate(
        os.path.realpath(one.path), one.size, first, settled, False,
        lambda at: tail_in(handle, at),
    )
    return Content(candidate, False, head.partition(b"\n")[0])


def packed(one: Seen, places: Callable[[bytes, str], Iterable[int]]) -> Content:
    """A packed file, unpacked to its end where `places` (of files it may copy) are to be compared.

    Raises `OSError`, `BadRequest` where it is damaged or not whole.
    """
    content = unpacked(one.path, one.identity)
    head = next(content, b"")
    first = first_of(head) or beginning(head)
    path = os.path.realpath(one.path)
    wanted = sorted(set(places(first, path)))
    size, tails = _scanned(head, content, wanted) if wanted else (len(head), {})
    candidate = Candidate(path, size, first, True, True, lambda at: tails.get(at, b""))
    return Content(candidate, True, head.partition(b"\n")[0])


def _scanned(
    head: bytes, content: Iterator[bytes], wanted: list[int]
) -> tuple[int, dict[int, bytes]]:
    """The size of the content, and the hashes before the `wanted` places."""
    at, before, chunk = 0, b"", head
    tails: dict[int, bytes] = {}
    while chunk:
        window = before + chunk
        for place in wanted:
            if at < place <= at + len(chunk):
                end = place - at + len(before)
                tails[place] = tail_of(window[:end])
        at += len(chunk)
        before = window[-FOLLOW_TAIL_BYTES:]
        chunk = next(content, b"")
    return at, tails


def is_packed_file(handle: Handle) -> bool:
    """Whether a file is packed with gzip or zstd; raises `OSError`."""
    return is_packed(handle.read(4, 0))


def last_line_end(handle: Handle, size: int) -> int:
    """Where the last line begins that has no end yet; raises `OSError`."""
    start = max(0, size - LINE_BYTES)
    found = handle.read(size - start, start).rfind(b"\n")
    return size if found < 0 else start + found + 1
