"""The tail as a follower sees it: read back from the journal on disk, never from the writer.

Everything the follower holds was decrypted from the file, re-encoded by nobody, and hashed again;
its root is what a checkpoint is compared with before it is signed. Bodies stay in memory until
their segment is sealed; columns are made in chunks of 4,096 events and reused at the seal.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from indelible.base.errors import Damaged
from indelible.base.invariant import invariant
from indelible.base.limits import CHUNK_BYTES, CHUNK_EVENTS
from indelible.ledger.incoming import Durable
from indelible.ledger.journal import (
    MARK,
    Batch,
    JournalReader,
    TornTail,
    first_of,
    journal_files,
)
from indelible.ledger.kernel import SaltStream, heads_of, leaves_of, received_of_head
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.tree_state import LogTree
from indelible.store.columns import SCHEMA, ColumnBuilder
from indelible.store.evidence import SaltSpan
from indelible.store.keyring import Keyring


class Chunk(NamedTuple):
    """Columns of consecutive events [first, end)."""

    first: int
    end: int
    table: pa.Table


class Tail:
    """Events above the sealed size, re-read and re-hashed. One caller at a time."""

    def __init__(
        self, paths: LedgerPaths, origin: str, keyring: Keyring, tree: LogTree
    ) -> None:
        self._paths, self._origin, self._keyring = paths, origin, keyring
        self.tree = tree
        self.start = tree.size
        self.bodies: list[bytes] = []
        self.received: list[int] = []
        self._before = 0  # bytes of all bodies that ever stood below `start`
        self._totals: list[int] = []  # the same below the index after each body
        self.marks = bytearray()
        self.salts: list[SaltSpan] = []
        self.chunks: list[Chunk] = []
        self._file: JournalReader | None = None
        self._stream: SaltStream | None = None

    @property
    def end(self) -> int:
        """The first index not yet read."""
        return self.start + len(self.bodies)

    @property
    def bytes(self) -> int:
        """Bytes of the bodies that are held."""
        return self._total(self.end) - self._before

    def _total(self, index: int) -> int:
        return self._totals[index - self.start - 1] if index > self.start else self._before

    def cut(self, first: int, most: int) -> int:
        """The end of the bodies from `first` that take `most` bytes together; one always does."""
        fitting = bisect_right(self._totals, self._total(first) + most)
        return max(first + 1, self.start + fitting)

    def follow(self, durable: Durable, limit: int) -> bool:
        """Read on towards `durable`, at most about `limit` events; True when it is reached.

        Raises `Damaged` when the disk does not give back what a whole journal must.
        """
        stop = self.end + limit
        while self.end < durable.size:
            if self.end >= stop:
                return False
            self._read(durable, stop)
        return True

    def _read(self, durable: Durable, stop: int) -> None:
        opened = self._file is None
        if self._file is None:
            self._open(self._path_of(self.end))
        reader = self._file
        assert reader is not None
        until = durable.offset if reader.path.name == durable.file else None
        before = self.end
        try:
            for batch in reader.read(until):
                self._take(batch)
                if self.end >= stop:
                    return
        except TornTail as torn:
            raise Damaged(f"re-reading {torn.path.name}: {torn.message}") from torn
        if until is None:
            reader.close()
            self._file = None
        if self.end == before and (opened or until is not None):
            raise Damaged(
                f"{reader.path.name} ends at index {self.end}, {durable.size} were stored"
            )

    def follow_file(self, path: Path) -> None:
        """Read a whole journal file that nobody writes to; a torn end is left out."""
        self._open(path)
        assert self._file is not None
        try:
            for batch in self._file.read():
                self._take(batch)
        except TornTail:
            return
        finally:
            self._file.close()
            self._file = None

    def _path_of(self, index: int) -> Path:
        found = None
        for path in journal_files(self._paths.journal):
            if first_of(path) <= index:
                found = path
        if found is None:
            raise Damaged(f"no journal file holds index {index}")
        return found

    def _open(self, path: Path) -> None:
        self._file = JournalReader(path, self._origin, self._keyring)
        key = self._file.header.salt_key
        self._stream = SaltStream(self._keyring.get(key))
        first = max(self._file.header.first, self.start)
        if not self.salts or self.salts[-1].key != key:
            self.salts.append(SaltSpan(first, key))

    def _take(self, batch: Batch) -> None:
        skip = self.end - batch.first
        if skip >= len(batch.bodies):
            return
        invariant(skip >= 0, "a hole in the journal")
        bodies = batch.bodies[skip:]
        heads = heads_of(bodies)
        assert self._stream is not None
        salts = self._stream.salts(self.end, len(bodies))
        self.tree.append(leaves_of(bodies, heads, salts))
        before = self._total(self.end)
        self._totals += list(accumulate(map(len, bodies), initial=before))[1:]
        self.bodies += bodies
        self.received += map(received_of_head, heads)
        self.marks += batch.marks[skip * MARK :]

    # --- columns

    def build_chunks(self, *, partial: bool) -> list[Chunk]:
        """Make the full chunks that are due, and with `partial` a shorter newest one.

        Returns the new ones; a chunk replaces any earlier one that begins at the same index.
        """
        made: list[Chunk] = []
        while True:
            short: Chunk | None = None
            if self.chunks and self.chunks[-1].end < self._full(self.chunks[-1].first):
                short = self.chunks[-1]
                if short.end == self.end:
                    return made
                if self.end < self._full(short.first) and not partial:
                    return made
                self.chunks.pop()
            first = self.chunks[-1].end if self.chunks else self.start
            full = self._full(first)
            end = min(self.end, full)
            if end == first or (end < full and not partial):
                return made
            made.append(self._chunk(short, first, end))
            self.chunks.append(made[-1])

    def _full(self, first: int) -> int:
        """Where a full chunk from `first` ends; beyond the tail's end while more may still fit."""
        heavy = self.cut(first, CHUNK_BYTES) if first < self.end else self.end
        return min(heavy, first + CHUNK_EVENTS) if heavy < self.end else first + CHUNK_EVENTS

    def _chunk(self, short: Chunk | None, first: int, end: int) -> Chunk:
        """The columns of [first, end): those of the `short` one that grew are not made again."""
        made = short.end if short is not None else first
        builder = ColumnBuilder()
        builder.extend(
            zip(range(made, end), self.bodies[made - self.start : end - self.start], strict=True)
        )
        table = builder.build()
        if short is not None:
            table = pa.concat_tables([short.table, table]).combine_chunks()
        return Chunk(first, end, table)

    def columns(self, first: int, end: int) -> pa.Table:
        """The columns of [first, end), from the chunks (all of which must be built)."""
        tables = [
            chunk.table.slice(max(first, chunk.first) - chunk.first,
                              min(end, chunk.end) - max(first, chunk.first))
            for chunk in self.chunks
            if chunk.first < end and first < chunk.end
        ]
        table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
        invariant(table.num_rows == end - first, "the chunks do not cover the segment")
        return table

    # --- letting go

    def salt_spans(self, first: int, end: int) -> list[SaltSpan]:
        """Which salt key holds from which index, for [first, end)."""
        spans = [SaltSpan(max(first, s.first), s.key) for s in self.salts if s.first < end]
        return [
            span for position, span in enumerate(spans)
            if position + 1 == len(spans) or spans[position + 1].first > first
        ]

    def drop_below(self, index: int) -> None:
        """Forget events below `index`: they are sealed."""
        count = index - self.start
        self._before = self._total(index)
        del self._totals[:count]
        del self.bodies[:count]
        del self.received[:count]
        del self.marks[: count * MARK]
        self.start = index
        kept: list[Chunk] = []
        for chunk in self.chunks:
            if chunk.end > index:
                low = max(0, index - chunk.first)
                kept.append(Chunk(chunk.first + low, chunk.end, chunk.table.slice(low)))
        self.chunks = kept
        self.salts = self.salt_spans(index, 1 << 63)
        self.tree.drop_below(index)
