"""The versions of the audit policy that the metadata name against the log's own `config` records.

A version that was taken out of the metadata would leave an older one to decide what is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from indelible.store.audit_tables import VersionRow

_MARK = b'"kind":"config"'


class _From(msgspec.Struct):
    number: int


class _Declared(msgspec.Struct, frozen=True):
    what: str = ""
    version: int = 0
    rules: str = ""


class _Record(msgspec.Struct):
    kind: str
    source: _From
    data: _Declared = _Declared()


_record = msgspec.json.Decoder(_Record).decode
_said = msgspec.json.Decoder(_Declared).decode


class PolicyRecords:
    """The declarations met while bodies were read."""

    def __init__(self) -> None:
        self.found: dict[int, _Declared] = {}

    def look(self, first: int, bodies: Sequence[bytes]) -> None:
        """Take up the declarations among the bodies from index `first` on."""
        for index, body in enumerate(bodies, first):
            if _MARK not in body:
                continue
            record = _record(body)
            if record.kind == "config" and record.source.number == 0 and (
                record.data.what == "audit_policy"
            ):
                self.found[index] = record.data


def compare_versions(
    rows: Sequence[VersionRow], records: PolicyRecords, size: int, *, whole: bool
) -> Iterator[tuple[str, int | None]]:
    """What the metadata say otherwise than the log of this size; the index of the record, if any.

    `whole`: every event was read. A row without a record, or with one beyond the end (of a backup),
    is declared by the next start.
    """
    for row in rows:
        if row.entry is None or row.entry >= size:
            continue
        told, said = records.found.get(row.entry), _said(row.said)
        if told is None and whole:
            yield f"event {row.entry} does not declare version {row.version}", row.entry
        elif told is not None and told != said:
            yield f"version {row.version} is told otherwise than event {row.entry} says", row.entry
    newest = max(records.found, default=None)
    if newest is None:
        return
    version, known = records.found[newest].version, max((row.version for row in rows), default=0)
    if known < version:
        yield f"the log declares version {version}, the metadata know {known or 'none'}", newest
