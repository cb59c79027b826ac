"""All matching events as a stream of bytes, from evidence, in index order.

`ndjson` is the exact bodies, one a line: what the commitments speak about. `csv` and `parquet` are
rows for other programs. One column file is searched at a time, so memory stays bounded.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from indelible.base.limits import EXPORT_GROUP_ROWS, EXPORT_ROWS, FRAME_EVENTS, READ_BYTES
from indelible.event.evaluate import raw_text, values_of
from indelible.event.model import StoredEvent
from indelible.query.model import ExportRequest, Row
from indelible.query.run import QueryEngine, row_of
from indelible.query.session import Session
from indelible.query.sql_parts import Sql
from indelible.store.columns import HASHED, TARGET_HASH, ColumnBuilder

Found = tuple[int, StoredEvent, bytes]

CSV_COLUMNS = (
    "index", "time", "received", "kind", "action", "operation", "outcome", "actor_type", "actor",
    "actor_name", "target_type", "target", "target_name", "targets", "ip", "source", "tenant",
    "severity", "flags", "raw", "body",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_MOMENT = pa.timestamp("us", tz="UTC")


def export(engine: QueryEngine, request: ExportRequest) -> Iterator[bytes]:
    """The events in the request's format, in chunks. Raises as `search` does, also midway."""
    limit = EXPORT_ROWS if request.limit is None else min(request.limit, EXPORT_ROWS)
    with engine.session(request) as session:
        session.unhurried()
        batches = _batches(session, limit)
        if request.format == "ndjson":
            yield from (b"".join(body + b"\n" for _, _, body in found) for found in batches)
        elif request.format == "csv":
            yield from _csv(batches)
        else:
            yield from _parquet(batches)


def _batches(session: Session, limit: int) -> Iterator[list[Found]]:
    """The matching events in index order, a frame's worth at a time."""
    left = limit
    parts = [([file], False) for file in session.files] + [([], True)]
    for files, with_tail in parts:
        source = session.source(Sql('"index"'), files, with_tail=with_tail)
        text = f'SELECT "index" FROM ({source.text}) ORDER BY "index" LIMIT {left:d}'
        indexes = [int(str(row[0])) for row in session.fetch(Sql(text, source.values))]
        left -= len(indexes)
        yield from _bounded(session.events(indexes))
        if left == 0:
            return


def _bounded(events: Iterator[Found]) -> Iterator[list[Found]]:
    """Some events at a time, by number and by bytes."""
    held: list[Found] = []
    size = 0
    for one in events:
        held.append(one)
        size += len(one[2])
        if len(held) == FRAME_EVENTS or size >= READ_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held


def _csv(batches: Iterator[list[Found]]) -> Iterator[bytes]:
    """RFC 4180 with a header line. A cell that a spreadsheet would run as a formula gets a `'`."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(CSV_COLUMNS)
    yield out.getvalue().encode()
    for found in batches:
        out.seek(0)
        out.truncate()
        for index, event, body in found:
            cells = _cells(row_of(index, event, body), event, body)
            writer.writerow([_safe(cell) for cell in cells])
        yield out.getvalue().encode()


def _cells(row: Row, event: StoredEvent, body: bytes) -> list[str]:
    cells = [str(getattr(row, name)) for name in CSV_COLUMNS[:-3]]
    return [*cells, " ".join(row.flags), raw_text(event), body.decode()]


def _safe(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


class _Chunks(io.RawIOBase):
    """What a writer writes, taken out in chunks."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        content = bytes(memoryview(data))  # type: ignore[arg-type]
        self._held.append(content)
        self._size += len(content)
        return len(content)

    def tell(self) -> int:
        return self._size

    def take(self) -> bytes:
        content = b"".join(self._held)
        self._held.clear()
        return content


def _parquet(batches: Iterator[list[Found]]) -> Iterator[bytes]:
    """The columns of `store.columns` with times as timestamps, and the exact body."""
    chunks = _Chunks()
    empty = _table([])
    with pq.ParquetWriter(pa.PythonFile(chunks, mode="w"), empty.schema, compression="zstd") as out:
        held: list[Found] = []
        size = 0
        for found in batches:
            held += found
            size += sum(len(body) for _, _, body in found)
            if len(held) >= EXPORT_GROUP_ROWS or size >= 2 * READ_BYTES:
                out.write_table(_table(held))
                held, size = [], 0
                yield chunks.take()
        if held:
            out.write_table(_table(held))
    yield chunks.take()


def _table(found: list[Found]) -> pa.Table:
    builder = ColumnBuilder()
    builder.extend((index, body) for index, _, body in found)
    table = builder.build().drop_columns([TARGET_HASH]).append_column(
        "body", pa.array([body.decode() for _, _, body in found], pa.string())
    )
    for name, hashed in HASHED.items():
        at = table.schema.get_field_index(hashed)
        values = [next(iter(values_of(name, index, event)), None) for index, event, _ in found]
        table = table.set_column(at, name, pa.array(values, pa.string()))
    for name in ("time", "received"):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, pc.cast(table[name], _MOMENT))
    return table
