"""The sources that the metadata name against the log's own `source` records.

A row that is gone would let its number be given to another source; a row that no record bears out
would let events be told as of a source that nobody registered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from indelible.ledger.registrations import registered
from indelible.store.meta import SourceRow


class _Registered(NamedTuple):
    at: int
    row: SourceRow
    sealed: bool


class SourceRecords:
    """The registrations met while bodies were read, and whether all were."""

    def __init__(self) -> None:
        self.found: list[_Registered] = []
        self.sealed_read = False
        self.journals_read = True

    def look(self, first: int, bodies: Sequence[bytes], *, sealed: bool) -> None:
        """Take up the registrations among the bodies from index `first` on."""
        for index, row in registered(first, bodies):
            self.found.append(_Registered(index, row, sealed))


def compare_sources(
    rows: Sequence[SourceRow], records: SourceRecords
) -> Iterator[tuple[str, int | None]]:
    """What the metadata say otherwise than the log; the index of the record, where there is one.

    A registration in the journal may lack its row: a crash came between, the next start adds it.
    """
    told = {row.number: row for row in rows}
    for index, row, sealed in records.found:
        if row.number == 0:
            continue
        found = told.get(row.number)
        if found is None and sealed:
            yield f"source {row.number} {row.id!r} is not in the metadata", index
        elif found is not None and found != row:
            yield f"source {row.number} is {row.id!r} in the log, {found.id!r} here", index
    if not (records.sealed_read and records.journals_read):
        return
    known = {one.row.number for one in records.found}
    for row in rows:
        if row.number and row.number not in known:
            yield f"no record of the log registers source {row.number} {row.id!r}", None
