"""The files of a source that are known, followed or not: their positions, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from indelible.base.limits import FOLLOW_POSITIONS
from indelible.ingest.protocols.files import Position, decode_position, encode_position

K = TypeVar("K")

BEGUN: Final = "begun"
"""The name under which it is kept when a source was first followed, in microseconds."""


class Known:
    """Positions by key, by file and by how the content begins; `dirty` ones differ from the kept.

    `urgent` says that something must be kept before anything more is delivered.
    """

    def __init__(self, kept: Mapping[str, bytes]) -> None:
        self._all: dict[str, Position] = {}
        self._of: dict[tuple[int, int], list[Position]] = {}
        self._first: dict[bytes, list[Position]] = {}
        began = kept.get(BEGUN, b"")
        self.begun_us = int(began) if began.isdigit() else 0
        self.unreadable = 0
        self.dirty: set[str] = set()
        self.urgent = False
        self._begin = False
        for name, value in kept.items():
            if name == BEGUN:
                continue
            try:
                self._enter(decode_position(value))
            except (msgspec.MsgspecError, UnicodeDecodeError):
                self.unreadable += 1

    def begin(self, now_us: int) -> None:
        """The source is followed for the first time."""
        self.begun_us, self._begin, self.urgent = now_us, True, True

    def all(self) -> list[Position]:
        """Every position."""
        return list(self._all.values())

    def of(self, identity: tuple[int, int]) -> Sequence[Position]:
        """The positions of what a file holds or held, as far as it may still be the same file."""
        return tuple(one for one in self._of.get(identity, ()) if not one.gone)

    def beginning(self, first: bytes) -> Sequence[Position]:
        """The positions of files that begin so."""
        return tuple(self._first.get(first, ()))

    def add(self, position: Position) -> None:
        """Know one more; it is kept before anything of it is delivered."""
        self._enter(position)
        self.dirty.add(position.key)
        self.urgent = True

    def changed(self, position: Position) -> None:
        """It will be kept with the next ones."""
        self.dirty.add(position.key)

    def take(self) -> dict[str, bytes]:
        """What is to be kept now: all that changed, as it is, and the end of what is too old."""
        out = {
            key: encode_position(self._all[key]) for key in self.dirty if key in self._all
        }
        if self._begin:
            out[BEGUN] = b"%d" % self.begun_us
            self._begin = False
        self.dirty.clear()
        self.urgent = False
        if len(self._all) > FOLLOW_POSITIONS:
            done = (position for position in self._all.values() if position.done)
            oldest = sorted(done, key=lambda position: position.seen_us)
            for position in oldest[: len(self._all) - FOLLOW_POSITIONS]:
                self._remove(position)
                out[position.key] = b""
        return out

    def _enter(self, position: Position) -> None:
        before = self._all.get(position.key)
        if before is not None:
            self._remove(before)
        self._all[position.key] = position
        self._of.setdefault((position.device, position.inode), []).append(position)
        self._first.setdefault(position.first, []).append(position)

    def _remove(self, position: Position) -> None:
        del self._all[position.key]
        _leave(self._of, (position.device, position.inode), position)
        _leave(self._first, position.first, position)


def _leave(table: dict[K, list[Position]], name: K, position: Position) -> None:
    left = [one for one in table[name] if one is not position]
    if left:
        table[name] = left
    else:
        del table[name]
