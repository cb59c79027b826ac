"""From parsed events to the answer a sender gets: ranges, duplicates, conflicts, refusals."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from indelible.base.limits import REJECTIONS_SHOWN
from indelible.ingest.parsed import Parsed, Rejected
from indelible.ingest.submission import NOT_STORED, Submission, SubmitResult
from indelible.server.context import Context
from indelible.server.rooms import Receipt


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

    `accepted` counts the lines that need not be sent again: stored, there already, or taken apart
    by the audit policy. `ranges` are [line, count, first index] of the lines stored now;
    `summarised` and `dropped_by_rule` are [line, count] of those that it rolled up and dropped,
    absent where there are none. `unparsed` counts the foreign messages among those accepted that
    could not be read; absent where there are none. `rejected` shows the first 1,000.
    """

    accepted: int
    ranges: list[tuple[int, int, int]]
    duplicates: list[Duplicate]
    conflicts: list[Conflict]
    rejected: list[Rejected]
    rejected_count: int
    receipts: list[ReceiptView] | None = None
    summarised: list[tuple[int, int]] = []
    dropped_by_rule: list[tuple[int, int]] = []
    unparsed: int = 0


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


def lines_of(events: list[Parsed], positions: Sequence[int]) -> list[tuple[int, int]]:
    """Runs of neighbouring lines at ascending positions: [line, count]."""
    found: list[tuple[int, int]] = []
    for position in positions:
        line = events[position].line
        if found and found[-1][0] + found[-1][1] == line:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((line, 1))
    return found


def answer_of(
    events: list[Parsed],
    refused: list[Rejected],
    result: SubmitResult,
    receipts: list[ReceiptView] | None,
) -> tuple[int, bytes]:
    """Status and bytes: 200 when all lines are in the log, 207 when some are, 422 when none."""
    duplicates = sorted(result.duplicates)
    elsewhere = [*duplicates, *result.summarised, *result.dropped_by_rule]
    answer = SubmitAnswer(
        accepted=len(events),
        ranges=ranges_of(events, result.indexes, elsewhere),
        duplicates=[Duplicate(line=events[p].line, index=result.indexes[p]) for p in duplicates],
        conflicts=[
            Conflict(line=events[p].line, index=result.indexes[p], first_index=first)
            for p, first in sorted(result.conflicts.items())
        ],
        rejected=refused[:REJECTIONS_SHOWN],
        rejected_count=len(refused),
        receipts=receipts,
        summarised=lines_of(events, result.summarised),
        dropped_by_rule=lines_of(events, result.dropped_by_rule),
        unparsed=sum(1 for event in events if event.kind == "unparsed"),
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
    metrics.taken(len(events), result)
    metrics.rejected += submission.rejected
    receipts = None
    if want_receipts:
        stored = [at for at, index in enumerate(result.indexes) if index != NOT_STORED]
        written = await context.rooms.receipts([result.indexes[at] for at in stored])
        receipts = [_view(events[at], one) for at, one in zip(stored, written, strict=True)]
    if len(events) == 1 and not (
        refused or result.duplicates or result.conflicts or want_receipts
        or result.indexes[0] == NOT_STORED or events[0].kind == "unparsed"
    ):
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
