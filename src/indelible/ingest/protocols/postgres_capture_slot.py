"""How far a slot was read, and what to do where the slot does not go on from there.

`judged` is pure: it compares what was kept with what the server says. A hole is never passed over
in silence, and a slot that is gone is made again at once, for waiting would only widen the hole.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

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
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.pgoutput import lsn_of, lsn_text
from indelible.ingest.protocols.postgres_capture_checks import SlotFacts
from indelible.ingest.protocols.postgres_capture_events import At, Place

POSITION: Final = "slot"
"""The name under which the position is kept."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """How far was read: everything before `(lsn, position)` is durable (see `At`).

    It holds on this server (its system identifier) and timeline, and for these publications, only:
    elsewhere the same place may be another change.
    """

    server: str
    timeline: str
    published: str
    lsn: int
    position: int

    @property
    def at(self) -> At:
        """As a place in the stream."""
        return At(self.lsn, self.position)


_kept = msgspec.msgpack.Decoder(Kept)


def kept_of(configured: Configured) -> Kept | None:
    """What was kept of a source, None before the first time."""
    value = configured.positions.get(POSITION)
    return None if value is None else _kept.decode(value)


def positions_of(kept: Kept) -> dict[str, bytes]:
    """A position as `Hub.keep` takes it."""
    return {POSITION: msgspec.msgpack.encode(kept)}


class Hole(NamedTuple):
    """Why changes are missing. They lie from `first` on."""

    code: str
    text: str
    first: int


class Judged(NamedTuple):
    """`make`: a new slot is needed. `drop`: the old one is there, and of no use. `after`: what may
    be passed over because it is durable."""

    make: bool
    drop: bool
    hole: Hole | None
    after: At


def judged(kept: Kept | None, here: Kept, slot: SlotFacts | None) -> Judged:
    """What a slot as it stands means for a stream that was read up to `kept`.

    `here` says on which server and timeline, and for which publications, it would go on.
    """
    lost = slot is not None and (slot.status == "lost" or not slot.confirmed)
    usable = slot is not None and not lost
    confirmed = lsn_of(slot.confirmed) if slot is not None and slot.confirmed else 0
    hole = None
    after = At(0, 0)
    if kept is not None and kept.server != here.server:
        text = f"the database is on another server now (it was on {kept.server})"
        hole = Hole("other_server", text, kept.lsn)
    elif kept is None:
        if lost and confirmed:
            hole = Hole("slot_lost", "the server gave up the slot before it was read", confirmed)
    elif lost:
        text = "the server gave up the slot: it held back more log than max_slot_wal_keep_size"
        hole = Hole("slot_lost", text, kept.lsn)
    elif slot is None:
        hole = Hole("slot_missing", "the slot is gone; somebody dropped it", kept.lsn)
    elif confirmed > kept.lsn:
        text = "the slot stands further on than it was read: somebody else reads or moved it"
        hole = Hole("slot_moved", text, kept.lsn)
    elif (kept.timeline, kept.published) == (here.timeline, here.published):
        after = kept.at
    return Judged(make=not usable, drop=lost, hole=hole, after=after)


def hole_event(hole: Hole, place: Place, slot: str, last: int, now_us: int) -> Parsed:
    """The gap as an event of the source itself: `first` to `last` of the log were not seen."""
    ident = f"{place.server}/gap/{lsn_text(hole.first)}-{lsn_text(last)}"
    data = {"first_lsn": lsn_text(hole.first), "last_lsn": lsn_text(last)}
    event = Event(
        action="postgresql.slot.lose",
        actor=Actor(type=ActorType.SYSTEM, id="postgresql"),
        operation=Operation.OTHER,
        targets=[Target(type="postgresql_slot", id=slot, parent=place.database)],
        time=_EPOCH + timedelta(microseconds=now_us),
        outcome=Outcome.FAILURE,
        reason=Reason(code=hole.code, text=hole.text),
        id=ident,
        severity=Severity.HIGH,
        labels={"database": place.database},
        data=Raw(_encode(data)),
    )
    return Parsed(
        content=_encode(event), idempotent=ident.encode(), line=1, id=ident, time_us=now_us
    )
