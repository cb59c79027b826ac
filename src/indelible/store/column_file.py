"""Column files: tables of `columns.SCHEMA` as Parquet inside the encrypted container of `pieces`.

Written by pyarrow: zstd level 3, row groups of 122,880, page index, delta encodings where values
rise or never repeat, dictionaries elsewhere, and Bloom filters (1 %) on the columns that a search
for one thing names (measured: `docs/benchmarks.md`). A file is named by its random id; its header
names the log's origin and the indexes it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from indelible.base.errors import ColumnsDamaged
from indelible.base.files import write_with
from indelible.base.invariant import invariant
from indelible.base.limits import COLUMN_READ_BYTES, ROW_GROUP_BYTES, ROW_GROUP_ROWS
from indelible.store.columns import SCHEMA, TARGET_HASH, with_target_hash
from indelible.store.piece_files import PieceHandle
from indelible.store.pieces import Expected, HeaderValue, PieceReader, PieceWriter

FORMAT = "indelible-columns/2"
FORMAT_1 = "indelible-columns/1"  # of earlier releases: without `TARGET_HASH`
BLOOM_COLUMNS = (TARGET_HASH, "actor_id", "session", "request_hash", "id_hash")
_BLOOM_FPP = 0.01
_BLOOM_NDV_MAX = 108_000  # the most that 128 KiB hold at 1 %; Parquet's filters double from there
_ENCODING = {
    "index": "DELTA_BINARY_PACKED",
    "time": "DELTA_BINARY_PACKED",
    "received": "DELTA_BINARY_PACKED",
    "source_seq": "DELTA_BINARY_PACKED",
    TARGET_HASH: "PLAIN",
    "id_hash": "PLAIN",
    "request_hash": "PLAIN",
    "trace_hash": "PLAIN",
    "data": "DELTA_LENGTH_BYTE_ARRAY",
    "changes": "DELTA_LENGTH_BYTE_ARRAY",
    "target_name": "DELTA_LENGTH_BYTE_ARRAY",
}


class ColumnFile(msgspec.Struct, frozen=True, kw_only=True):
    """One column file: where it is, which indexes [first, end) and times it holds, and its key.

    Times are microseconds since 1970 UTC, both ends inclusive.
    """

    path: str
    first: int
    end: int
    rows: int
    time_min: int
    time_max: int
    file_id: str
    key: bytes


def expected_header(file: ColumnFile) -> dict[str, Expected]:
    """What the header of the file must say."""
    return {
        "format": (FORMAT, FORMAT_1), "file": file.file_id, "first": file.first, "end": file.end,
    }


def _with_dictionary(schema: pa.Schema) -> list[str]:
    """The columns that take a dictionary."""
    return [
        field.name
        for field in schema
        if field.name not in _ENCODING and not pa.types.is_boolean(field.type)
    ]


def _blooms(sample: pa.Table) -> dict[str, dict[str, float | int]]:
    """A filter for each needle column, as large as its distinct values in a row group ask for."""
    found: dict[str, dict[str, float | int]] = {}
    for name in BLOOM_COLUMNS:
        distinct = pc.count_distinct(sample[name]).as_py()
        found[name] = {"ndv": max(64, min(distinct, _BLOOM_NDV_MAX)), "fpp": _BLOOM_FPP}
    return found


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of `ROW_GROUP_ROWS` rows; shorter the last one, and heavy ones."""
    held: list[pa.Table] = []
    rows = size = 0
    for table in tables:
        if rows and size + table.nbytes > ROW_GROUP_BYTES:
            yield pa.concat_tables(held).combine_chunks()
            held, rows, size = [], 0, 0
        held.append(table)
        rows += table.num_rows
        size += table.nbytes
        while rows >= ROW_GROUP_ROWS:
            whole = pa.concat_tables(held)
            yield whole.slice(0, ROW_GROUP_ROWS).combine_chunks()
            held = [whole.slice(ROW_GROUP_ROWS)]
            rows -= ROW_GROUP_ROWS
            size = held[0].nbytes
    if rows:
        yield pa.concat_tables(held).combine_chunks()


class _Span:
    """What has been written so far: rows, and the smallest and largest index and time."""

    def __init__(self) -> None:
        self.rows = 0
        self.index: tuple[int, int] | None = None
        self.time: tuple[int, int] | None = None

    def take(self, table: pa.Table) -> None:
        self.rows += table.num_rows
        for name in ("index", "time"):
            ends = pc.min_max(table[name]).as_py()
            low, high = getattr(self, name) or (ends["min"], ends["max"])
            setattr(self, name, (min(low, ends["min"]), max(high, ends["max"])))


def write_column_tables(
    tables: Iterable[pa.Table],
    path: Path,
    *,
    first: int,
    end: int,
    key: bytes,
    file_id: str,
    origin: str,
    level: int = 3,
) -> ColumnFile:
    """Write tables of `SCHEMA`, in index order, as one file: durable before this returns.

    `[first, end)` are the indexes the file answers for; rows must lie inside, erased ones may lack.
    Holds one row group in memory. Raises `InvariantViolated` on a row outside, or without rows.
    """
    span = _Span()
    header: dict[str, HeaderValue] = {"format": FORMAT, "origin": origin, "file": file_id}
    header |= {"first": first, "end": end}

    def fill(file: BinaryIO) -> None:
        pieces = PieceWriter(file, key, header)
        writer: pq.ParquetWriter | None = None
        for group in _groups(tables):
            span.take(group)
            if writer is None:
                writer = pq.ParquetWriter(
                    pa.PythonFile(pieces, mode="w"),
                    SCHEMA,
                    compression="zstd",
                    compression_level=level,
                    use_dictionary=_with_dictionary(SCHEMA),
                    column_encoding=_ENCODING,
                    write_page_index=True,
                    bloom_filter_options=_blooms(group),
                    store_schema=False,
                )
            writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
        invariant(writer is not None, "a column file without rows")
        assert writer is not None
        writer.close()
        pieces.finish()

    write_with(path, fill)
    invariant(span.index is not None and span.time is not None, "a column file without rows")
    assert span.index is not None
    assert span.time is not None
    inside = first <= span.index[0] and span.index[1] < end
    invariant(inside, f"rows {span.index} do not lie in {first}..{end - 1}")
    return ColumnFile(
        path=str(path), first=first, end=end, rows=span.rows, time_min=span.time[0],
        time_max=span.time[1], file_id=file_id, key=key,
    )


def write_column_file(
    table: pa.Table, path: Path, *, key: bytes, file_id: str, origin: str
) -> ColumnFile:
    """Write one table whose indexes have no holes: its first and last index are the file's."""
    ends = pc.min_max(table["index"]).as_py()
    return write_column_tables(
        [table], path, first=ends["min"], end=ends["max"] + 1, key=key, file_id=file_id,
        origin=origin,
    )


def read_column_tables(file: ColumnFile) -> Iterator[pa.Table]:
    """The file's row groups as `SCHEMA`, decrypted and checked. Raises `ColumnsDamaged`."""
    with PieceReader(Path(file.path), file.key, expected_header(file)) as reader:
        try:
            parquet = pq.ParquetFile(pa.PythonFile(PieceHandle(reader), mode="r"))
            for number in range(parquet.num_row_groups):
                yield with_target_hash(parquet.read_row_group(number)).cast(SCHEMA)
        except pa.ArrowException as error:
            raise ColumnsDamaged(f"column file {file.file_id} cannot be read: {error}") from error


def read_indexes(file: ColumnFile) -> Iterator[pa.ChunkedArray]:
    """The indexes of each row group; every byte of the file is decrypted first.

    Raises `ColumnsDamaged`.
    """
    with PieceReader(Path(file.path), file.key, expected_header(file)) as reader:
        for at in range(0, reader.size, COLUMN_READ_BYTES):
            reader.read_at(at, COLUMN_READ_BYTES)
        try:
            parquet = pq.ParquetFile(pa.PythonFile(PieceHandle(reader), mode="r"))
            for number in range(parquet.num_row_groups):
                yield parquet.read_row_group(number, columns=["index"]).column("index")
        except pa.ArrowException as error:
            raise ColumnsDamaged(f"column file {file.file_id} cannot be read: {error}") from error


def merge_column_files(
    files: Sequence[ColumnFile], path: Path, *, key: bytes, file_id: str, origin: str
) -> ColumnFile:
    """One file with the rows of `files`, which follow one another; for compaction.

    Holds a row group or two in memory. The old files are left as they are.
    """
    for before, after in pairwise(files):
        invariant(before.end == after.first, f"{before.file_id} and {after.file_id} are apart")
    merged = write_column_tables(
        (table for file in files for table in read_column_tables(file)),
        path, first=files[0].first, end=files[-1].end, key=key, file_id=file_id, origin=origin,
    )
    invariant(merged.rows == sum(file.rows for file in files), "compaction lost or made rows")
    return merged
