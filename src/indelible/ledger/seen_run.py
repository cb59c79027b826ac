"""One immutable run of the id index: sorted columns in a file, read through mmap.

A run covers the index range [first, end) and holds, for every event there that bore an id, its
fingerprint (two u64: high, low), the digest of its content (u64) and its index (u64), sorted by
fingerprint. The file, little-endian so that it is searched in place:

    header      256 bytes: one JSON line, padded with spaces before its line end
    Bloom       `words` u64: one word a key, chosen by the high half, six bits in it by the low half
    high, low, digest, index     `count` u64 each
    trailer     SHA-256 of each of the five sections, then BLAKE2b-256 under the index's secret of
                the header and those five: without the secret no run can be made or altered unseen

Fingerprints are keyed hashes, so they are uniform: both the Bloom word and the merge partitions
are plain proportions of the high half, which lets a merge of any size stream in bounded memory.
"""

from __future__ import annotations

import hashlib
import hmac
import mmap
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from indelible.base.errors import Damaged
from indelible.base.files import write_with
from indelible.base.limits import MERGE_RECORDS

Column = NDArray[np.uint64]

FORMAT: Final = "indelible-seen/1"
SUFFIX: Final = ".ids"
HEADER_BYTES: Final = 256
BITS_A_KEY: Final = 16  # 0.4 % false hits with one 64-bit word a key; each costs a search
SECTIONS: Final = 5
TRAILER_BYTES: Final = SECTIONS * 32 + 32

_U32: Final = np.uint64(32)


def _bit_table() -> Column:
    """For each u16 the word with the three bits it selects."""
    values = np.arange(1 << 16, dtype=np.uint64)
    one, low = np.uint64(1), np.uint64(63)
    shifts = (values & low, (values >> np.uint64(5)) & low, (values >> np.uint64(10)) & low)
    table: Column = (one << shifts[0]) | (one << shifts[1]) | (one << shifts[2])
    return table


_BITS: Final = _bit_table()


class RunHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What a run says about itself; `seals` is how many seals were merged into it."""

    format: str = FORMAT
    key: str
    first: int
    end: int
    count: int
    words: int
    seals: int


class Columns(msgspec.Struct, frozen=True):
    """Records as four arrays of one length: fingerprint high and low, digest, index."""

    high: Column
    low: Column
    digest: Column
    index: Column

    def slice(self, start: int, stop: int) -> Columns:
        """The records from `start` to `stop`."""
        return Columns(*(part[start:stop] for part in self.all()))

    def all(self) -> tuple[Column, Column, Column, Column]:
        """The four arrays in file order."""
        return self.high, self.low, self.digest, self.index


def columns_of(records: bytes) -> Columns:
    """Columns of concatenated 32-byte records (fingerprint, digest, u64 index), order kept."""
    table = np.frombuffer(records, dtype=">u8").reshape(-1, 4).astype(np.uint64)
    return Columns(*(np.ascontiguousarray(table[:, column]) for column in range(4)))


def sorted_columns(parts: Sequence[Columns]) -> Columns:
    """All records of `parts` by fingerprint; equal ones by index."""
    joined = [np.concatenate(column) for column in zip(*(p.all() for p in parts), strict=True)]
    high, low, _, index = joined
    order = np.argsort(high, kind="stable")
    ranked = high[order]
    if bool((ranked[1:] == ranked[:-1]).any()):
        order = np.lexsort((index, low, high))
    return Columns(*(column[order] for column in joined))


def bloom_mask(low: Column) -> Column:
    """The bits each key must have in its Bloom word: a function of the low half alone."""
    pairs = low.view(np.uint16).reshape(-1, 4)
    return _BITS[pairs[:, 0]] | _BITS[pairs[:, 1]]


def _bloom_words(columns: Columns, words: int, start: int, stop: int) -> Column:
    """The Bloom words [start, stop), of which `columns` hold every key."""
    out = np.zeros(stop - start, dtype=np.uint64)
    at = ((columns.high >> _U32) * np.uint64(words)) >> _U32
    np.bitwise_or.at(out, at.astype(np.int64) - start, bloom_mask(columns.low))
    return out


def words_for(count: int) -> int:
    """How many Bloom words a run of `count` keys has."""
    return max(1, -(-count * BITS_A_KEY // 64))


def run_path(folder: Path, first: int, end: int) -> Path:
    """Where the run of [first, end) lies."""
    return folder / f"{first:020d}-{end:020d}{SUFFIX}"


def seal_trailer(secret: bytes, header: bytes, hashes: bytes) -> bytes:
    """The keyed hash that closes a run."""
    return hashlib.blake2b(header + hashes, digest_size=32, key=secret, person=b"seen-run").digest()


def key_id(secret: bytes) -> str:
    """Names the secret without telling it."""
    return hashlib.blake2b(b"", digest_size=8, key=secret, person=b"seen-key-id").hexdigest()


def write_run(path: Path, secret: bytes, header: RunHeader, parts: Iterable[Columns]) -> None:
    """Write a run durably from sorted `parts`, which are cut by `partition_bounds(header.count)`.

    Memory stays at one part; the five sections are filled side by side.
    """
    line = msgspec.json.encode(header)
    head = line + b" " * (HEADER_BYTES - 1 - len(line)) + b"\n"
    offsets = [
        HEADER_BYTES,
        *(HEADER_BYTES + 8 * (header.words + header.count * c) for c in range(4)),
    ]
    limits = [partition_word(b, header.words) for b in partition_bounds(header.count)]

    def fill(file: BinaryIO) -> None:
        hashers = [hashlib.sha256() for _ in range(SECTIONS)]
        places = list(offsets)
        file.write(head)
        for part, start, stop in zip(parts, limits[:-1], limits[1:], strict=True):
            bloom = _bloom_words(part, header.words, start, stop)
            for section, column in enumerate((bloom, *part.all())):
                data = np.ascontiguousarray(column, dtype="<u8").tobytes()
                hashers[section].update(data)
                file.seek(places[section])
                file.write(data)
                places[section] += len(data)
        file.seek(HEADER_BYTES + 8 * (header.words + 4 * header.count))
        hashes = b"".join(hasher.digest() for hasher in hashers)
        file.write(hashes + seal_trailer(secret, head, hashes))

    write_with(path, fill)


def partition_bounds(count: int) -> list[int]:
    """Bounds of the high half, from 0 to 2**64, that cut `count` uniform keys into parts.

    Parts end on Bloom words, so that each word is made by one part.
    """
    words = words_for(count)
    parts = min(words, max(1, -(-count // MERGE_RECORDS)))
    starts = [words * part // parts for part in range(parts)]
    return [*(-(-(word << 32) // words) << 32 for word in starts), 1 << 64]


def partition_word(bound: int, words: int) -> int:
    """The first Bloom word at or above `bound`."""
    return ((bound >> 32) * words) >> 32


def cut(columns: Columns, bounds: Sequence[int]) -> list[int]:
    """Where each of `bounds` falls in sorted `columns`."""
    inner = np.array(bounds[:-1], dtype=np.uint64)
    return [*np.searchsorted(columns.high, inner).tolist(), len(columns.high)]


class Run:
    """A run open for reading. Opening checks header, name, length and trailer, `problems` all."""

    def __init__(self, path: Path, secret: bytes) -> None:
        self.path = path
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < HEADER_BYTES + 8 + TRAILER_BYTES:
                raise Damaged(f"{path.name} is shorter than any run of the id index")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        head = self._map[:HEADER_BYTES]
        hashes = self._map[size - TRAILER_BYTES : size - 32]
        if not hmac.compare_digest(seal_trailer(secret, head, hashes), self._map[size - 32 :]):
            raise Damaged(f"{path.name}: not what was written under the id index's secret")
        self.header = header = msgspec.json.decode(head, type=RunHeader)
        if path != run_path(path.parent, header.first, header.end):
            raise Damaged(
                f"{path.name} holds the ids of {header.first}..{header.end - 1}: those that its"
                " name tells are missing",
                remedy="Run `indelible reindex --data DIR`: it is made again from evidence.",
            )
        if size != HEADER_BYTES + 8 * (header.words + 4 * header.count) + TRAILER_BYTES:
            raise Damaged(f"{path.name} has {size} bytes, which is not what its header says")
        self._map.madvise(mmap.MADV_RANDOM)
        self._words = self._column(HEADER_BYTES, header.words)
        start = HEADER_BYTES + 8 * header.words
        self.columns = Columns(
            *(self._column(start + 8 * header.count * c, header.count) for c in range(4))
        )
        self._scale = np.uint64(header.words)

    def _column(self, offset: int, count: int) -> Column:
        return np.frombuffer(self._map, dtype="<u8", count=count, offset=offset)

    def find(self, high: Column, top: Column, low: Column, mask: Column) -> tuple[list[int], bytes]:
        """Positions in the arguments of the keys that are here, and 16 bytes for each.

        The bytes are digest || u64 index, big-endian. `top` is `high >> 32` and `mask` is
        `bloom_mask(low)`, made once for all runs.
        """
        words = self._words[(top * self._scale) >> _U32]
        hits = np.flatnonzero((words & mask) == mask)
        if not len(hits) or not self.header.count:
            return [], b""
        wanted_high, wanted_low = high[hits], low[hits]
        rows = np.searchsorted(self.columns.high, wanted_high)
        rows = np.minimum(rows, self.header.count - 1)
        same_high = self.columns.high[rows] == wanted_high
        sound = same_high & (self.columns.low[rows] == wanted_low)
        for at in np.flatnonzero(same_high & ~sound).tolist():  # 64 equal bits: next to never
            rows[at], sound[at] = self._next(int(rows[at]), wanted_high[at], wanted_low[at])
        rows = rows[sound]
        value = np.empty((len(rows), 2), dtype=">u8")
        value[:, 0] = self.columns.digest[rows]
        value[:, 1] = self.columns.index[rows]
        return hits[sound].tolist(), value.tobytes()

    def _next(self, row: int, high: np.uint64, low: np.uint64) -> tuple[int, bool]:
        """The row of (high, low) from `row` on, among those with the same high half."""
        highs, lows = self.columns.high, self.columns.low
        while row + 1 < self.header.count and lows[row] != low and highs[row + 1] == high:
            row += 1
        return row, bool(lows[row] == low)

    def problems(self) -> Iterator[str]:
        """What is wrong inside: sections against their hashes, then the order and the ranges."""
        size = len(self._map)
        hashes = self._map[size - TRAILER_BYTES : size - 32]
        names = ("Bloom filter", "high", "low", "digest", "index")
        for at, (name, column) in enumerate(
            zip(names, (self._words, *self.columns.all()), strict=True)
        ):
            if hashlib.sha256(column.data).digest() != hashes[32 * at : 32 * at + 32]:
                yield f"{self.path.name}: the section {name} is not what was written"
        high, low, _, index = self.columns.all()
        same = high[1:] == high[:-1]
        if bool((high[1:] < high[:-1]).any()) or bool((low[1:][same] < low[:-1][same]).any()):
            yield f"{self.path.name}: the fingerprints are not in order"
        if bool((low[1:][same] == low[:-1][same]).any()):
            yield f"{self.path.name}: a fingerprint stands twice"
        if self.header.count and not (
            self.header.first <= int(index.min()) and int(index.max()) < self.header.end
        ):
            yield f"{self.path.name}: it holds indexes outside its range"


def merge_runs(folder: Path, secret: bytes, runs: Sequence[Run]) -> Path:
    """Write one run that holds all of `runs` (neighbours, oldest first); they stay as they are."""
    count = sum(run.header.count for run in runs)
    first, end = runs[0].header.first, runs[-1].header.end
    header = RunHeader(
        key=key_id(secret),
        first=first,
        end=end,
        count=count,
        words=words_for(count),
        seals=sum(run.header.seals for run in runs),
    )
    bounds = partition_bounds(count)
    cuts = [cut(run.columns, bounds) for run in runs]

    def parts() -> Iterator[Columns]:
        for part in range(len(bounds) - 1):
            yield sorted_columns(
                [
                    run.columns.slice(at[part], at[part + 1])
                    for run, at in zip(runs, cuts, strict=True)
                ]
            )

    path = run_path(folder, first, end)
    write_run(path, secret, header, parts())
    return path
