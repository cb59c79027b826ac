"""From parsed events to the answer a sender gets: ranges, duplicates, conflicts, refusals."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from indelible.base.limits import REJECTIONS_SHOWN
from indelible.ingest.parsed import Parsed, Rejected
from indelible.server.context import Context
from indelible.server.rooms import Receipt, Submission, SubmitResult


class Duplicate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line that was stored before with the same content, and where."""

    line: int
    index: int


class Conflict(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line stored under an id that other content bore first."""

    line: int
    index: int
    first_index: int


class ReceiptView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was written for a line: leaf, entry and salt in hexadecimal, the body as text."""

    line: int
    index: int
    leaf: str
    entry: str
    salt: str
    body: str


class SubmitAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to `POST /v1/events`, given only when the events are durable.

    `accepted` counts the lines that are in the log, duplicates among them. `ranges` are
    [line, count, first index] of the lines stored now. `rejected` shows the first 1,000.
    """

    accepted: int
    ranges: list[tuple[int, int, int]]
    duplicates: list[Duplicate]
    conflicts: list[Conflict]
    rejected: list[Rejected]
    rejected_count: int
    receipts: list[ReceiptView] | None = None


encode = msgspec.json.Encoder().encode


def ranges_of(
    events: list[Parsed], indexes: Sequence[int], skip: Sequence[int]
) -> list[tuple[int, int, int]]:
    """Runs of neighbouring lines at neighbouring indexes, without the positions of `skip`."""
    skipped = frozenset(skip)
    found: list[tuple[int, int, int]] = []
    line = index = count = 0
    for position, event in enumerate(events):
        if position in skipped:
            continue
        if count and event.line == line + count and indexes[position] == index + count:
            count += 1
            continue
        if count:
            found.append((line, count, index))
        line, index, count = event.line, indexes[position], 1
    if count:
        found.append((line, count, index))
    return found


def answer_of(
    events: list[Parsed],
    refused: list[Rejected],
    result: SubmitResult,
    receipts: list[ReceiptView] | None,
) -> tuple[int, bytes]:
    """Status and bytes: 200 when all lines are in the log, 207 when some are, 422 when none."""
    duplicates = sorted(result.duplicates)
    answer = SubmitAnswer(
        accepted=len(events),
        ranges=ranges_of(events, result.indexes, duplicates),
        duplicates=[Duplicate(line=events[p].line, index=result.indexes[p]) for p in duplicates],
        conflicts=[
            Conflict(line=events[p].line, index=result.indexes[p], first_index=first)
            for p, first in sorted(result.conflicts.items())
        ],
        rejected=refused[:REJECTIONS_SHOWN],
        rejected_count=len(refused),
        receipts=receipts,
    )
    status = 200 if not refused else 207 if events else 422
    return status, encode(answer)


async def submit(
    context: Context, submission: Submission, refused: list[Rejected], want_receipts: bool
) -> tuple[int, bytes]:
    """Hand a submission to the ledger and word its answer. Raises what the ledger raises."""
    events = submission.events
    result = await context.rooms.submit(submission)
    metrics = context.metrics
    duplicates = len(result.duplicates)
    metrics.accepted += len(events) - duplicates
    metrics.duplicates += duplicates
    metrics.conflicts += len(result.conflicts)
    metrics.rejected += submission.rejected
    receipts = None
    if want_receipts:
        written = await context.rooms.receipts(result.indexes)
        receipts = [_view(event, one) for event, one in zip(events, written, strict=True)]
    if len(events) == 1 and not (refused or duplicates or result.conflicts or want_receipts):
        return 200, _ONE % (events[0].line, result.indexes[0])
    return answer_of(events, refused, result, receipts)


_ONE = (
    b'{"accepted":1,"ranges":[[%d,1,%d]],"duplicates":[],"conflicts":[],"rejected":[],'
    b'"rejected_count":0}'
)


def _view(event: Parsed, receipt: Receipt) -> ReceiptView:
    return ReceiptView(
        line=event.line,
        index=receipt.index,
        leaf=receipt.leaf.hex(),
        entry=receipt.entry.hex(),
        salt=receipt.salt.hex(),
        body=receipt.body.decode(),
    )
