"""How far a stream was read, and what to do where it does not go on: pure.

JetStream numbers the messages of a stream from 1 on, and no number is given twice as long as the
stream is the same. Which stream it is, the time says at which it was made. So a number that never
comes is a message that was deleted (by retention, a limit, a purge, or one by one), unless only
some subjects are read, where it may be another subject's.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from indelible.event.model import Target
from indelible.ingest.parsed import Parsed
from indelible.ingest.protocols import losses
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.losses import Hole
from indelible.ingest.protocols.nats_records import VERSION, Stem

_PREFIX: Final = "nats/"
LIMITS: Final = "limits"
"""The retention of streams that keep what was read; of others an acknowledgement removes it."""


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """How far a stream was read: every message before `next` is durable.

    `created` is when the stream was made, in the server's words, `end` the number behind its last
    one when it was looked at, `begun` the last number of those among which some were deleted before
    the source ever read (their lack is no loss), `turns` how often a shorter stream was met. `low`
    is the first that a durable consumer may give again later, to one that died before it was
    durable; 0 where there is none.
    """

    created: str
    next: int
    end: int
    begun: int = 0
    turns: int = 0
    low: int = 0


class State(msgspec.Struct, frozen=True):
    """What a stream holds: so many `messages`, of the numbers from `first_seq` to `last_seq`.

    Empty it has a `first_seq` of one more than `last_seq`; one that never had anything may say 0.
    """

    messages: int = 0
    first_seq: int = 0
    last_seq: int = 0


class Config(msgspec.Struct, frozen=True):
    """How a stream is set up; ages in nanoseconds, 0 or less for no limit."""

    retention: str = LIMITS
    max_age: int = 0
    max_msgs: int = -1
    max_bytes: int = -1
    max_msgs_per_subject: int = -1
    discard: str = "old"
    deny_delete: bool = False
    deny_purge: bool = False
    allow_msg_ttl: bool = False
    subjects: list[str] = []


class Seen(msgspec.Struct, frozen=True):
    """A stream as the server has it now."""

    created: str
    config: Config = Config()
    state: State = State()

    @property
    def first(self) -> int:
        """The first number that is there, or that would be."""
        return max(1, self.state.first_seq)

    @property
    def last(self) -> int:
        """The last number that was given."""
        return self.state.last_seq

    @property
    def deleted(self) -> int:
        """How many between both are not there any more."""
        return max(0, self.last + 1 - self.first - self.state.messages)


class Floor(msgspec.Struct, frozen=True):
    """How far a durable consumer is: all up to `acked` is acknowledged, `given` was given last."""

    acked: int
    given: int


class Judged(NamedTuple):
    """Where a stream stands, and one thing that was lost before it; then it is judged again."""

    kept: Kept
    hole: Hole | None = None
    sure: bool = True


_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)")
_kept = msgspec.msgpack.Decoder(Kept)
packed = msgspec.msgpack.Encoder().encode


def kept_of(configured: Configured, stream: str) -> Kept | None:
    """What was kept of a source's stream."""
    value = configured.positions.get(name_of(stream))
    return None if value is None else _kept.decode(value)


def name_of(stream: str) -> str:
    """The name under which a stream's position is kept."""
    return f"{_PREFIX}{stream}"


def instant(text: str) -> str:
    """A time of the server, exact to the nanosecond and always written alike: servers write it in
    their own zone, or in UTC, as their version does. Any other text stays as it is."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        return text
    try:
        second = datetime.fromisoformat(found[1] + found[3]).astimezone(UTC)
    except (ValueError, OverflowError):
        return text
    fraction = (found[2] or "").rstrip("0")
    return f"{second:%Y-%m-%dT%H:%M:%S}{'.' if fraction else ''}{fraction}Z"


def judged(kept: Kept | None, now: Seen, floor: Floor | None, latest: bool, some: bool) -> Judged:
    """What a stream as it stands means for one that was read up to `kept`.

    `floor` is that of a durable consumer that was there before. A stream that was never read begins
    behind what that one acknowledged, or at its end where `latest`. `some`: only some subjects are
    read, so nobody can say whether what is missing was among them.
    """
    end = now.last + 1
    if kept is None:
        low = now.first if floor is None else max(now.first, floor.acked + 1)
        low = end if latest and floor is None else low
        kept = Kept(now.created, low, end, _holey(now))
    if kept.created != now.created:
        text = "the stream was deleted and made again"
        fresh = Kept(now.created, now.first, end, _holey(now))
        return Judged(fresh, Hole("stream_recreated", text, kept.next, kept.end - 1), not some)
    if kept.end > end:
        text = (f"the stream ends at {now.last}, and it had ended at {kept.end - 1}: it was"
                " restored from an older copy, or servers lost some of it")
        fresh = Kept(now.created, now.first, end, _holey(now), kept.turns + 1)
        return Judged(fresh, Hole("stream_shorter", text, kept.next, kept.end - 1), not some)
    if floor is not None and floor.acked >= kept.next:
        text = ("the consumer has them acknowledged, and they never came here: somebody else reads"
                " with it, or the ledger is an older copy")
        hole = Hole("acknowledged", text, kept.next, floor.acked)
        return Judged(_moved(kept, floor.acked + 1, end), hole, not some)
    return _left(kept, now, floor, some)


def _left(kept: Kept, now: Seen, floor: Floor | None, some: bool) -> Judged:
    """What is still there of what was not read, and what of it a consumer may give again."""
    end = now.last + 1
    hole: Hole | None = None
    begin = kept.low or kept.next
    again = kept.next - 1 if kept.low else 0
    if floor is not None:
        begin, again = max(begin, floor.acked + 1), floor.given
    if begin < now.first and (not some or now.config.retention == LIMITS):
        text = "retention, a limit or a purge deleted messages before they were read"
        hole = Hole("expired", text, begin, now.first - 1)
        begin = now.first
    moved = _moved(kept, max(kept.next, begin) if hole else kept.next, end)
    low = begin if begin <= again else 0
    return Judged(replace(moved, low=low), hole, not (some or kept.low))


def missing(begun: int, expected: int, sequence: int, first: int, some: bool) -> Hole | None:
    """What was deleted between `expected` and the `sequence` that came instead.

    `first` is the first number that was there when the stream was looked at before. Where only
    `some` subjects are read, what is missing behind it is theirs whom they belong to.
    """
    low = expected if first > expected else max(expected, begun + 1)
    last = (min(sequence, first) if some else sequence) - 1
    if low > last:
        return None
    if last < first:
        text = "retention, a limit or a purge deleted messages before they were read"
        return Hole("expired", text, low, last)
    text = "messages were deleted before they were read, or a later one of their subject replaced"
    return Hole("deleted", text + " them", low, last)


def hole_event(hole: Hole, kept: Kept, stream: str, now_us: int, sure: bool = True) -> Parsed:
    """The loss as an event of the source itself; told again it is the same one.

    `kept` is how far the stream was read that lacks them. Where a shorter stream was met since, it
    is another loss, although its numbers are the same.
    """
    ident = f"{Stem(stream, kept.created).id_of(hole.first)}-{hole.last}/{hole.code}/{kept.turns}"
    place = losses.Place(
        "nats", "nats.stream.lose", "sequence", Target(type="nats_stream", id=stream),
        {"stream": stream}, VERSION)
    return losses.loss_event(hole, place, ident, now_us, sure)


def _moved(kept: Kept, to: int, end: int) -> Kept:
    return replace(kept, next=to, end=max(to, end), low=0)


def _holey(now: Seen) -> int:
    return now.last if now.deleted else 0
