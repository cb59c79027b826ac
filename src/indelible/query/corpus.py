"""What a query reads: sealed column files, the tail, and bodies from evidence.

The process that runs queries hands in a `Corpus`; tests hand in one in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from indelible.base.errors import ColumnsDamaged
from indelible.base.limits import CORPUS_TRIES
from indelible.store.column_file import ColumnFile


class Corpus(Protocol):
    """The log as queries see it. Indexes are dense: [0, size)."""

    @property
    def size(self) -> int:
        """How many events are durable and may be shown."""
        ...

    def column_files(self) -> Sequence[ColumnFile]:
        """In index order, without holes, from 0 to the first unsealed index."""
        ...

    def tail(self) -> pa.Table:
        """Columns of the unsealed events; may begin earlier (it then overlaps the files)."""
        ...

    def bodies(self, indexes: Sequence[int]) -> list[tuple[int, bytes]]:
        """(index, exact body) from evidence or journal; indexes without a body are left out."""
        ...


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One consistent look: files cover [0, sealed), `tail` covers [sealed, size)."""

    size: int
    sealed: int
    files: tuple[ColumnFile, ...]
    tail: pa.Table


def look(corpus: Corpus) -> View:
    """Files, tail and size that fit each other, even while a seal moves the line between them.

    Raises `ColumnsDamaged` when some index is in neither: an answer must not silently lack events.
    """
    for _ in range(CORPUS_TRIES):
        size = corpus.size
        files = tuple(corpus.column_files())
        tail = corpus.tail()
        sealed = files[-1].end if files else 0
        if tail.num_rows:
            ends = pc.min_max(tail["index"]).as_py()
            whole = ends["min"] <= sealed and ends["max"] + 1 >= size
        else:
            whole = sealed >= size
        if whole and _joined(files):
            return View(size=max(size, sealed), sealed=sealed, files=files, tail=tail)
    raise ColumnsDamaged(
        f"the columns do not cover the log: files end at {sealed}, the log has {size} entries",
        code="columns_incomplete",
    )


def _joined(files: tuple[ColumnFile, ...]) -> bool:
    expected = 0
    for file in files:
        if file.first != expected:
            return False
        expected = file.end
    return True
