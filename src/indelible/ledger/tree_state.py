"""The Merkle tree of a running ledger: stored tile hashes below, leaves of the tail above.

Level-0 tiles are derived from evidence on demand; the hash of every full tile (level 1 and up) is
stored, 32 bytes for 256 entries, in `tiles/1`, `tiles/2`, ...: file L holds, in order, the hashes
of the complete subtrees of 256^L entries, which is what level-L tiles are made of.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from indelible.base.errors import Damaged
from indelible.base.files import fsync_folder
from indelible.base.invariant import invariant
from indelible.base.limits import TILE_EVENTS

_H = 32
MAX_LEVEL = 7


def subtree_root(leaves: bytes | bytearray | memoryview) -> bytes:
    """RFC 6962 hash of concatenated 32-byte hashes taken as leaves of a tree; at least one."""
    level = [bytes(leaves[at : at + _H]) for at in range(0, len(leaves), _H)]
    while len(level) > 1:
        pairs = [
            sha256(b"\x01" + level[at] + level[at + 1]).digest()
            for at in range(0, len(level) - 1, 2)
        ]
        if len(level) & 1:
            pairs.append(level[-1])
        level = pairs
    return level[0]


class LogTree:
    """Leaves and tile hashes; gives the root of any size and any subtree's hash.

    `fetch(tile)` returns the leaves of a level-0 tile that is no longer in memory, up to the size
    that is sealed (32 bytes each).
    """

    def __init__(self, fetch: Callable[[int], bytes]) -> None:
        self._fetch = fetch
        self.levels: list[bytearray] = [bytearray() for _ in range(MAX_LEVEL + 1)]
        self._leaves = bytearray()
        self._leaf_start = 0
        self.size = 0
        self._memo: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def load(self, folder: Path, size: int) -> None:
        """Start at a sealed `size`: stored level 1, higher levels computed and compared."""
        full = size // TILE_EVENTS
        stored = read_level(folder, 1, full)
        for at in range(0, len(stored), _H):
            self._push(1, stored[at : at + _H])
        for level in range(2, MAX_LEVEL + 1):
            count = len(self.levels[level]) // _H
            if read_level(folder, level, count) != self.levels[level]:
                raise Damaged(f"tiles/{level} does not follow from tiles/1")
        self._leaf_start = full * TILE_EVENTS
        self.size = self._leaf_start
        if size > self._leaf_start:
            self.append(self._fetch(full)[: (size - self._leaf_start) * _H])
        invariant(self.size == size, "the tree does not reach the sealed size")

    def append(self, leaves: bytes) -> None:
        """Add leaves, 32 bytes each."""
        self._leaves += leaves
        size = self.size + len(leaves) // _H
        done = len(self.levels[1]) // _H
        while (done + 1) * TILE_EVENTS <= size:
            at = (done * TILE_EVENTS - self._leaf_start) * _H
            self._push(1, subtree_root(self._leaves[at : at + TILE_EVENTS * _H]))
            done += 1
        self.size = size  # last: a reader in another thread finds all below `size` in place

    def push_tile(self, tile_hash: bytes) -> None:
        """Add a whole level-0 tile by its hash; its leaves then come from `fetch`."""
        invariant(self.size % TILE_EVENTS == 0, "a tile after a part of one")
        self._push(1, tile_hash)
        self.size += TILE_EVENTS
        self._leaves.clear()
        self._leaf_start = self.size

    def _push(self, level: int, tile_hash: bytes) -> None:
        hashes = self.levels[level]
        hashes += tile_hash
        if len(hashes) % (TILE_EVENTS * _H) == 0 and level < MAX_LEVEL:
            self._push(level + 1, subtree_root(hashes[-TILE_EVENTS * _H :]))

    def drop_below(self, index: int) -> None:
        """Forget leaves of full tiles below `index` (they are sealed)."""
        start = index // TILE_EVENTS * TILE_EVENTS
        if start > self._leaf_start:
            del self._leaves[: (start - self._leaf_start) * _H]
            self._leaf_start = start

    def leaves(self, first: int, end: int) -> bytes:
        """The leaves of [first, end), from memory or from evidence."""
        invariant(0 <= first <= end <= self.size, "leaves outside the tree")
        out = []
        while first < end:
            if first >= self._leaf_start:
                low = (first - self._leaf_start) * _H
                out.append(bytes(self._leaves[low : low + (end - first) * _H]))
                break
            tile = first // TILE_EVENTS
            stop = min(end, (tile + 1) * TILE_EVENTS)
            low = (first - tile * TILE_EVENTS) * _H
            out.append(self._fetch(tile)[low : low + (stop - first) * _H])
            first = stop
        return b"".join(out)

    def subtree(self, lo: int, hi: int) -> bytes:
        """MTH(D[lo:hi]) (RFC 6962 section 2.1) for the subtrees that proofs need."""
        if hi - lo <= TILE_EVENTS and lo // TILE_EVENTS == (hi - 1) // TILE_EVENTS:
            if hi - lo == TILE_EVENTS:
                at = lo // TILE_EVENTS * _H
                return bytes(self.levels[1][at : at + _H])
            return subtree_root(self.leaves(lo, hi))
        found = self._memo.get((lo, hi))
        if found is not None:
            return found
        value = self._stored(lo, hi) or self._split(lo, hi)
        self._memo[(lo, hi)] = value
        if len(self._memo) > 4096:
            self._memo.popitem(last=False)
        return value

    def _stored(self, lo: int, hi: int) -> bytes | None:
        width, level = TILE_EVENTS, 1
        while width < hi - lo:
            width, level = width * TILE_EVENTS, level + 1
        if width != hi - lo or lo % width or level > MAX_LEVEL:
            return None
        at = lo // width * _H
        return bytes(self.levels[level][at : at + _H]) or None

    def _split(self, lo: int, hi: int) -> bytes:
        k = 1 << (hi - lo - 1).bit_length() - 1
        return sha256(b"\x01" + self.subtree(lo, lo + k) + self.subtree(lo + k, hi)).digest()

    def root(self, size: int) -> bytes:
        """The root of the first `size` entries."""
        invariant(0 <= size <= self.size, "a root beyond the tree")
        return self.subtree(0, size) if size else sha256(b"").digest()

    def tile(self, level: int, number: int, width: int) -> bytes:
        """`width` hashes of a tile, 32 bytes each."""
        if level == 0:
            first = number * TILE_EVENTS
            return self.leaves(first, first + width)
        at = number * TILE_EVENTS * _H
        return bytes(self.levels[level][at : at + width * _H])

    def store(self, folder: Path, size: int) -> None:
        """Write the hashes of all full tiles below `size` that are not stored yet, durably."""
        full = size // TILE_EVENTS
        for level in range(1, MAX_LEVEL + 1):
            if full:
                write_level(folder, level, bytes(self.levels[level][: full * _H]))
            full //= TILE_EVENTS
        fsync_folder(folder)


def read_level(folder: Path, level: int, count: int) -> bytes:
    """The first `count` stored hashes of a level; raises `Damaged` when there are fewer."""
    if count == 0:
        return b""
    try:
        with (folder / str(level)).open("rb") as file:
            content = file.read(count * _H)
    except FileNotFoundError:
        content = b""
    if len(content) != count * _H:
        raise Damaged(
            f"tiles/{level} holds {len(content) // _H} hashes, {count} are due",
            remedy="Run `indelible reindex`: it derives tiles from evidence.",
        )
    return content


def write_level(folder: Path, level: int, hashes: bytes) -> None:
    """Make the stored hashes of a level begin with `hashes`; only what is missing is written.

    Idempotent: the same place gets the same bytes again after a crash. What is there already is
    synced too: a process that was killed may have written it and no more.
    """
    path = folder / str(level)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        have = os.fstat(handle).st_size // _H * _H
        start = max(0, min(have, len(hashes)) - 256 * _H)
        if os.pread(handle, len(hashes) - start, start) != hashes[start:]:
            os.pwrite(handle, hashes[start:], start)
        os.fsync(handle)
    finally:
        os.close(handle)
