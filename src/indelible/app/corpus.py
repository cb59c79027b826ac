"""What a query process knows: column files, the tail it was sent, and bodies from disk."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pyarrow as pa

from indelible.base.clock import monotonic
from indelible.base.errors import NotFound
from indelible.base.settings import Settings
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.reader import LedgerReader
from indelible.ledger.seal import column_file_of
from indelible.ledger.tail import Chunk
from indelible.query.run import QueryEngine
from indelible.query.service import Service
from indelible.store.column_file import ColumnFile
from indelible.store.columns import SCHEMA
from indelible.store.keyring import Keyring
from indelible.store.manifest import Manifest


class LiveCorpus:
    """A `query.corpus.Corpus` that a feeder keeps up to date. Safe between threads."""

    def __init__(
        self, paths: LedgerPaths, keyring: Keyring, manifest: Manifest, reader: LedgerReader
    ) -> None:
        self._paths, self._keyring, self._manifest = paths, keyring, manifest
        self.reader = reader
        self._changed = threading.Condition()
        self._chunks: list[Chunk] = []
        self._files: tuple[ColumnFile, ...] = ()
        self._tail: pa.Table | None = None
        self.reload()

    # --- feeding

    def reload(self) -> None:
        """Look at the manifest again."""
        self.reader.refresh()
        files = tuple(
            column_file_of(self._paths, row, self._keyring) for row in self._manifest.columns()
        )
        with self._changed:
            self._files = files
            sealed = files[-1].end if files else 0
            self._chunks = [chunk for chunk in self._chunks if chunk.end > sealed]
            self._tail = None
            self._changed.notify_all()

    def put(self, chunk: Chunk) -> None:
        """Columns of [first, end): they replace everything from `first` on."""
        with self._changed:
            kept: list[Chunk] = []
            for old in self._chunks:
                if old.first >= chunk.first:
                    break
                stop = min(old.end, chunk.first)
                kept.append(Chunk(old.first, stop, old.table.slice(0, stop - old.first)))
            self._chunks = [*kept, chunk]
            self._tail = None
            self._changed.notify_all()

    def wait_for(self, size: int, seconds: float) -> bool:
        """Wait until every event below `size` can be found."""
        until = monotonic() + seconds
        with self._changed:
            while self._end() < size:
                left = until - monotonic()
                if left <= 0:
                    return False
                self._changed.wait(left)
            return True

    def _end(self) -> int:
        sealed = self._files[-1].end if self._files else 0
        return max(sealed, self._chunks[-1].end if self._chunks else 0)

    # --- reading

    @property
    def size(self) -> int:
        """How many events can be found."""
        with self._changed:
            return self._end()

    def column_files(self) -> Sequence[ColumnFile]:
        """Sealed columns in index order."""
        with self._changed:
            return self._files

    def tail(self) -> pa.Table:
        """Columns of the unsealed events."""
        with self._changed:
            if self._tail is None:
                tables = [chunk.table for chunk in self._chunks]
                self._tail = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
            return self._tail

    def bodies(self, indexes: Sequence[int]) -> list[tuple[int, bytes]]:
        """(index, exact body); what has no body is left out."""
        try:
            return [(stored.index, stored.body) for stored in self.reader.many(indexes)]
        except NotFound:
            return []


def service_over(corpus: LiveCorpus, settings: Settings) -> Service:
    """The query operations over a corpus, bounded as the settings say."""
    return Service(
        QueryEngine(corpus, memory_mb=settings.query_memory_mb, threads=settings.query_threads)
    )
