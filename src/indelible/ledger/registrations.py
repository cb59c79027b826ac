"""Which sources the log registered: read from its own `source` records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from indelible.ledger.reader import LedgerReader
from indelible.store.meta import SourceRow

_MARK = b'"kind":"source"'


class _From(msgspec.Struct):
    number: int


class _Record(msgspec.Struct):
    kind: str
    source: _From
    data: msgspec.Raw = msgspec.Raw()


def registered(first: int, bodies: Sequence[bytes]) -> Iterator[tuple[int, SourceRow]]:
    """(index, source) of every registration among consecutive bodies from index `first` on."""
    for index, body in enumerate(bodies, first):
        if _MARK not in body:
            continue
        record = msgspec.json.decode(body, type=_Record)
        if record.kind == "source" and record.source.number == 0:
            yield index, msgspec.json.decode(record.data, type=SourceRow)


def registered_in(reader: LedgerReader, first: int, end: int) -> Iterator[SourceRow]:
    """Every source that was registered in [first, end)."""
    for start, bodies, _ in reader.spans(first, end):
        for _, row in registered(start, bodies):
            yield row
