"""What a broker deleted or lost before it was read, as an event of the source itself: pure.

A loss is never passed over in silence: it is an event, and a gap in the counts of its source.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw

from indelible.event.model import (
    Actor,
    ActorType,
    Event,
    Operation,
    Outcome,
    Reason,
    Severity,
    Target,
)
from indelible.ingest.parsed import Parsed

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode


class Hole(NamedTuple):
    """Why records are missing: those from `first` to `last`, as far as that can be said.

    Without any such number `last` is less than `first`.
    """

    code: str
    text: str
    first: int
    last: int


class Place(NamedTuple):
    """Where records were lost, in the broker's words: who tells it (`system`), what was done to
    what, and the `unit` of its numbers."""

    system: str
    action: str
    unit: str
    target: Target
    labels: dict[str, str]
    parser: str


def loss_event(hole: Hole, place: Place, ident: str, now_us: int, sure: bool = True) -> Parsed:
    """A loss as an event; `ident` is the same whenever the same loss is told.

    A log that is gone, and of which everything that was known had been read, may have held more:
    nobody can say, so its outcome is unknown. The same where the numbers are missing and it is not
    `sure` that there were records of the source among them.
    """
    lost = hole.first <= hole.last
    data = {f"first_{place.unit}": hole.first}
    if lost:
        data[f"last_{place.unit}"] = hole.last
    sure = sure and lost
    event = Event(
        action=place.action,
        actor=Actor(type=ActorType.SYSTEM, id=place.system),
        operation=Operation.OTHER,
        targets=[place.target],
        time=_EPOCH + timedelta(microseconds=now_us),
        outcome=Outcome.FAILURE if sure else Outcome.UNKNOWN,
        reason=Reason(code=hole.code, text=hole.text),
        id=ident,
        severity=Severity.HIGH if sure else Severity.MEDIUM,
        labels=place.labels,
        data=Raw(_encode(data)),
        raw=UNSET,
    )
    return Parsed(
        content=_encode(event), idempotent=ident.encode(), line=1, id=ident, time_us=now_us,
        parser=place.parser,
    )
