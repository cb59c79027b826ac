"""Which objects were read, and what was in them: the newest, by the time they were written. Pure.

A listing shows the same objects again and again, and a notification may come twice: what was read
is known by key and ETag. Of CloudTrail's log files the hash of their content is remembered too,
until a digest names it. Nothing rests on this memory but work: an object that was forgotten is read
again, and its events have ids.

Positions are `seen/SLOT`, of objects that were written within the same ten minutes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from indelible.base.clock import MICROS
from indelible.base.limits import S3_REMEMBERED, S3_SLOT_SECONDS
from indelible.ingest.protocols.s3_store import Object

PREFIX: Final = "seen/"
_SLOT_US: Final = S3_SLOT_SECONDS * MICROS

UNNAMED, NAMED, ALTERED, TOLD = range(4)
"""What digests say of a content: nothing yet; it is as delivered; it is not; nothing, on record."""


class Read(msgspec.Struct, array_like=True):
    """One content that was read of an object; `sha256` is empty where it could not be unpacked."""

    key: str
    etag: str
    modified_us: int
    sha256: bytes
    log: bool
    state: int = UNNAMED


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Read]).decode


class Memory:
    """Objects that were read. Lives in one event loop."""

    def __init__(self, positions: Mapping[str, bytes]) -> None:
        self._slots: dict[int, dict[tuple[str, str], Read]] = {}
        self._of: dict[str, list[Read]] = {}
        self._dirty: set[int] = set()
        self._kept: set[int] = set()
        self._count = self._horizon_us = 0
        self.forgot_us = 0
        """Objects that were written before this may have been forgotten for want of room."""
        for name, value in positions.items():
            if not name.startswith(PREFIX):
                continue
            self._kept.add(int(name.removeprefix(PREFIX)))
            for read in _decode(zlib.decompress(value)):
                self._put(read)
        self._dirty.clear()

    def has(self, found: Object) -> bool:
        """Whether this object was read with this content."""
        return any(read.etag == found.etag for read in self._of.get(found.key, ()))

    def of(self, key: str) -> list[Read]:
        """Every content that was read of an object, the oldest first."""
        return list(self._of.get(key, ()))

    def add(self, read: Read) -> None:
        """An object was read, and all of it is durable."""
        for old in self._of.get(read.key, ()):
            if old.etag == read.etag:
                return
        self._put(read)
        while self._count > S3_REMEMBERED:
            oldest = min(self._slots)
            self.forgot_us = max(self.forgot_us, (oldest + 1) * _SLOT_US)
            self._drop(oldest)

    def mark(self, read: Read, state: int) -> None:
        """A digest said something of a content."""
        if read.state != state:
            read.state = state
            self._changed(_slot(read.modified_us))

    def prune(self, before_us: int) -> None:
        """Forget objects that were written before, and keep no position of such from now on.

        Those that are read later all the same are remembered as long as there is room, and not
        beyond this process: a first reading of years has no use for more.
        """
        self._horizon_us = before_us
        for slot in [one for one in self._kept | self._dirty if not self._above(one)]:
            if slot in self._slots:
                self._drop(slot)

    def unnamed(self, before_us: int) -> Iterator[Read]:
        """Log files that were written before, and that no digest has named."""
        for slot, reads in self._slots.items():
            if (slot + 1) * _SLOT_US <= before_us:
                yield from (one for one in reads.values() if one.log and one.state == UNNAMED)

    def take(self) -> dict[str, bytes]:
        """The positions that changed since this was asked last; an empty value forgets one."""
        found: dict[str, bytes] = {}
        for slot in self._dirty:
            reads = self._slots.get(slot)
            if reads:
                found[f"{PREFIX}{slot}"] = zlib.compress(_encode(list(reads.values())), 1)
                self._kept.add(slot)
            elif slot in self._kept:
                found[f"{PREFIX}{slot}"] = b""
                self._kept.discard(slot)
        self._dirty.clear()
        return found

    def _put(self, read: Read) -> None:
        slot = _slot(read.modified_us)
        self._slots.setdefault(slot, {})[read.key, read.etag] = read
        self._of.setdefault(read.key, []).append(read)
        self._changed(slot)
        self._count += 1

    def _above(self, slot: int) -> bool:
        return (slot + 1) * _SLOT_US > self._horizon_us

    def _changed(self, slot: int) -> None:
        if self._above(slot):
            self._dirty.add(slot)

    def _drop(self, slot: int) -> None:
        gone = self._slots.pop(slot)
        self._count -= len(gone)
        if slot in self._kept or slot in self._dirty:
            self._dirty.add(slot)
        _without(self._of, gone.values())


def _without(of: dict[str, list[Read]], gone: Iterable[Read]) -> None:
    for read in gone:
        left = [one for one in of[read.key] if one is not read]
        if left:
            of[read.key] = left
        else:
            del of[read.key]


def _slot(modified_us: int) -> int:
    return modified_us // _SLOT_US
