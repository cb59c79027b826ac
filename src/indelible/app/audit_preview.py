"""Reads the stored events that a preview of the audit policy is tried on.

Wired here, since it needs the ledger's files and the pure rules of `ingest`, which no room below
knows together. It runs where queries run, beside the writer. Looked at are the events whose time is
in question: all of them up to `limits.PREVIEW_EVENTS`, beyond that whole frames evenly chosen from
first to last, and the answer says how many that were.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from indelible.base.errors import BadRequest
from indelible.base.limits import FRAME_EVENTS, PREVIEW_COLUMN_BYTES, PREVIEW_EVENTS
from indelible.ingest.audit_policy.preview import Preview, PreviewRequest
from indelible.ledger.reader import LedgerReader
from indelible.store.manifest import Manifest

OPERATION = "audit-policy-preview"
"""What a query process is asked."""


def preview(reader: LedgerReader, manifest: Manifest, size: int, payload: bytes) -> bytes:
    """The `PreviewAnswer` to a `PreviewRequest` over the first `size` events, both as JSON."""
    try:
        request = msgspec.json.decode(payload, type=PreviewRequest)
    except msgspec.MsgspecError as error:
        raise BadRequest(f"the request cannot be read: {error}") from error
    trial = Preview(request)
    reader.refresh()
    pieces = list(_pieces(manifest, request, min(reader.sealed_end, size), size))
    events = sum(end - first for first, end in pieces)
    chosen = pieces if events <= PREVIEW_EVENTS else list(_spread(pieces, events))
    for first, end in chosen:
        for start, bodies, _ in reader.spans(first, end):
            for index, body in enumerate(bodies, start):
                trial.add(index, body)
    looked = sum(end - first for first, end in chosen)
    answer = trial.answer(looked / events if events else 1.0, _column_bytes(manifest))
    return msgspec.json.encode(answer)


def _pieces(
    manifest: Manifest, request: PreviewRequest, sealed: int, size: int
) -> Iterator[tuple[int, int]]:
    """Ranges of indexes whose events may have a time in question: column files know theirs."""
    for row in manifest.columns():
        if row.first < sealed and row.time_max >= request.since_us and (
            row.time_min < request.until_us
        ):
            yield row.first, min(row.end, sealed)
    if sealed < size:
        yield sealed, size


def _spread(pieces: list[tuple[int, int]], events: int) -> Iterator[tuple[int, int]]:
    """Frames at even distances over all pieces, `PREVIEW_EVENTS` events together."""
    step = events * FRAME_EVENTS / PREVIEW_EVENTS
    wanted, passed = 0.0, 0
    for first, end in pieces:
        while wanted < passed + end - first:
            at = first + int(wanted) - passed
            yield at, min(at + FRAME_EVENTS, end)
            wanted += step
        passed += end - first


def _column_bytes(manifest: Manifest) -> float:
    """What columns take for an event in this log; where few are sealed yet, what is usual."""
    rows = manifest.columns()
    events = sum(row.end - row.first for row in rows)
    if events < FRAME_EVENTS:
        return float(PREVIEW_COLUMN_BYTES)
    return sum(row.bytes for row in rows) / events
