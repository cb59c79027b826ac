"""Which sources the log registered: read from its own records."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from indelible.ledger.open import Ledger
from indelible.ledger.reader import LedgerReader


class _Data(msgspec.Struct):
    number: int
    id: str
    tenant: str = ""


class _From(msgspec.Struct):
    number: int


class _Record(msgspec.Struct):
    kind: str
    source: _From
    data: msgspec.Raw = msgspec.Raw()


_MARK = b'"kind":"source"'


def registered_in(reader: LedgerReader, first: int, end: int) -> Iterator[tuple[int, str, str]]:
    """(number, id, tenant) of every `source` record in [first, end)."""
    for _, bodies, _ in reader.spans(first, end):
        for body in bodies:
            if _MARK not in body:
                continue
            record = msgspec.json.decode(body, type=_Record)
            if record.kind == "source" and record.source.number == 0:
                found = msgspec.json.decode(record.data, type=_Data)
                yield found.number, found.id, found.tenant


def registered_in_tail(ledger: Ledger) -> Iterator[tuple[int, str, str]]:
    """Registrations among the unsealed events."""
    return registered_in(ledger.reader, ledger.reader.sealed_end, ledger.tree.size)
