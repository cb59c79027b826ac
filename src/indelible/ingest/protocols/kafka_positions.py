"""How far the partitions of topics were read, and what to do where a log does not go on: pure.

`judged` compares what was kept with what the brokers say. Offsets that no record has (compaction,
the markers of transactions) are no holes: only where a log begins behind what was read, ends before
it, or is another log, records are lost. That is never passed over in silence.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from indelible.event.model import Target
from indelible.ingest.parsed import Parsed
from indelible.ingest.protocols import losses
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.kafka_records import VERSION, Stem
from indelible.ingest.protocols.kafka_settings import Options
from indelible.ingest.protocols.losses import Hole

_PREFIX: Final = "kafka/"
_FIRST_LIFE: Final = "1"
_UNREADABLE: Final = (
    "_BAD_COMPRESSION", "_BAD_MSG", "_NOT_IMPLEMENTED", "INVALID_MSG", "MSG_SIZE_TOO_LARGE",
)
"""librdkafka's words for records that it has, or that a broker has, and cannot take apart."""


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """How far a partition was read: every record before `offset` is durable.

    `topic_id` is the brokers' own id of the topic, '' where they told none, `life` what stands for
    it in the ids of records (`Stem.life`): once chosen it stays as long as the topic is the same.
    `known_end` is where the log ended when it was last looked at, `losses` how many of the
    partition were told.
    """

    cluster: str
    topic_id: str
    life: str
    offset: int
    known_end: int
    losses: int = 0


class Ends(msgspec.Struct, frozen=True):
    """A partition as the brokers have it now: `low` is its first offset, `high` the next one to be
    written, `stable` the first that is not decided yet (an open transaction)."""

    cluster: str
    topic_id: str
    low: int
    high: int
    stable: int


class Judged(NamedTuple):
    """Where to read on, in which log, and what was lost before it."""

    offset: int
    life: str
    hole: Hole | None = None


_kept = msgspec.msgpack.Decoder(Kept)


def kept_of(configured: Configured) -> dict[Place, Kept]:
    """What was kept of a source's partitions."""
    found = {}
    for name, value in configured.positions.items():
        topic, slash, number = name.removeprefix(_PREFIX).rpartition("/")
        if name.startswith(_PREFIX) and slash and number.isdigit():
            found[Place(topic, int(number))] = _kept.decode(value)
    return found


def name_of(place: Place) -> str:
    """The name under which a partition's position is kept."""
    return f"{_PREFIX}{place}"


packed = msgspec.msgpack.Encoder().encode


def judged(
    kept: Kept | None, now: Ends, known: Kept | None, latest: bool, now_us: int,
    truncated: bool = False,
) -> Judged:
    """What a log as it stands means for a partition that was read up to `kept`.

    `known` is what was kept of another partition of the same topic, None for a topic that was never
    read; that one is begun at its end where `latest`. `now_us` names a new life where the brokers
    do not. `truncated`: the brokers themselves say that they lost some of what was read.
    """
    new_life = now.topic_id or str(now_us)
    if kept is None:
        if known is None:
            life = now.topic_id or _FIRST_LIFE
            return Judged(now.high if latest else now.low, life)
        same = _same(known, now)
        hole = None
        if same and now.low:
            text = "the partition is new, and what came first was deleted before it was read"
            hole = Hole("expired", text, 0, now.low - 1)
        return Judged(now.low, known.life if same else new_life, hole)
    if kept.cluster != now.cluster:
        text = f"the brokers are those of another cluster now (it was {kept.cluster})"
        return Judged(now.low, new_life, _unread("other_cluster", text, kept))
    if not _same(kept, now):
        text = "the topic was deleted and made again"
        return Judged(now.low, new_life, _unread("topic_recreated", text, kept))
    if truncated or kept.offset > now.high:
        text = "a new leader lacks some of what was read" if truncated else (
            f"the log ends at {now.high}, before what was read: it was made again, or brokers lost"
            " some of it")
        life = kept.life if kept.topic_id and kept.topic_id == now.topic_id else new_life
        return Judged(now.low, life, _unread("log_shorter", text, kept))
    if kept.offset < now.low:
        text = "the brokers deleted records before they were read: the topic's retention is short"
        hole = Hole("expired", text, kept.offset, now.low - 1)
        return Judged(now.low, kept.life, hole)
    return Judged(kept.offset, kept.life)


def unreadable(why: str) -> bool:
    """Whether what is wrong with a partition is its records, and not who asks for them."""
    return why.partition(":")[0] in _UNREADABLE


def stepped(found: Judged, place: Place, now: Ends, why: str, options: Options) -> Judged:
    """Where to read on behind records that cannot be read and that an administrator gave up.

    Only from where the partition stands, and only while it stands there for its records' sake: what
    can be read is read, whatever is given up.
    """
    if found.hole is not None or not unreadable(why):
        return found
    for topic, partition, first, last in options.skip:
        last = min(last, now.high - 1)
        if (topic, partition) == place and first <= found.offset <= last:
            text = f"they cannot be read ({why}) and were given up: {options.skip_reason}"
            return Judged(last + 1, found.life, Hole("given_up", text, found.offset, last))
    return found


def untold(kept: Kept | None, now: Ends) -> bool:
    """Whether a look was told less than it takes to know the log that was read.

    An id that was known and is not told now (no controller, a right taken away, a timeout, a broker
    of before 2.8 among newer ones) says nothing: the topic may be another one. Nothing is decided
    then, and what was kept stays.
    """
    if kept is None:
        return False
    if kept.cluster != now.cluster:
        return not now.cluster
    return bool(kept.topic_id and not now.topic_id)


def _same(kept: Kept, now: Ends) -> bool:
    """Whether a log may be the one that was read; without ids of topics nothing else is known."""
    if kept.cluster != now.cluster:
        return False
    return not kept.topic_id or not now.topic_id or kept.topic_id == now.topic_id


def _unread(code: str, text: str, kept: Kept) -> Hole:
    """What of a log that is gone was known to be there and had not been read."""
    return Hole(code, text, kept.offset, kept.known_end - 1)


def hole_event(hole: Hole, stem: Stem, place: Place, now_us: int, before: int = 0) -> Parsed:
    """The loss as an event of the source itself; `before` is how many of the partition were told.

    Told again because nothing was kept behind it, it is the same event; where more is gone by then
    it is another. A later loss in the same place is another one, too.
    """
    ident = f"{stem.id_of(place.partition, hole.first)}-{hole.last}/{hole.code}/{before}"
    target = Target(type="kafka_partition", id=str(place), parent=place.topic)
    where = losses.Place(
        "kafka", "kafka.partition.lose", "offset", target, {"topic": place.topic}, VERSION)
    return losses.loss_event(hole, where, ident, now_us)
