"""One record of Kafka as an event: pure.

The value is the message, and what is kept; key and headers stand in `data.kafka`. A record without
a value (a *tombstone*) says that what its key names is deleted, and becomes an event of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import replace

from indelible.base.clock import MICROS, to_us
from indelible.base.limits import KAFKA_AHEAD_SECONDS, NAME_CHARS
from indelible.event.model import Actor, ActorType, Event, Operation, Origin, Outcome, Target
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given, Parser
from indelible.ingest.parsers.pick import epoch
from indelible.ingest.protocols.carried import shown, told, trace_of
from indelible.ingest.protocols.message import Message, read

VERSION: Final = "kafka/1"
"""What `via.parser` says of events that are no message."""
CREATED: Final = 1
"""The type of a timestamp that the producer set; any other is the broker's."""

_SCHEMA: Final = 5
"""Bytes that serializers with a schema registry write before a value: 0 and the schema's number."""
_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode


class Record(NamedTuple):
    """A record as the broker gives it. `kind` and `time_ms` are its timestamp, 0 without one.

    `unread`: it has headers, and they cannot be read.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    kind: int = 0
    time_ms: int = 0
    unread: bool = False

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        said = sum([len(name) + len(value or b"") for name, value in self.headers])
        return len(self.key or b"") + len(self.value or b"") + said

    def time_us(self, now_us: int) -> int:
        """Its timestamp in microseconds since 1970 UTC, for figures; 0 for none that can be.

        Any producer sets it, and brokers before Kafka 4.0 take any number for it.
        """
        time = epoch(self.time_ms, "ms") if self.time_ms > 0 else UNSET
        us = 0 if time is UNSET else to_us(time)
        return us if us <= now_us + KAFKA_AHEAD_SECONDS * MICROS else 0


class Stem(NamedTuple):
    """What the ids of a topic's records begin with.

    `life` tells a topic from another one of its name: its id, where the brokers know one.
    """

    cluster: str
    topic: str
    life: str

    def id_of(self, partition: int, offset: int) -> str:
        """The id of a record: the same whenever it is read."""
        return f"kafka/{self.cluster}/{self.topic}/{self.life}/{partition}/{offset}"


def event_of(record: Record, stem: Stem, parser: Parser, given: Given, line: int = 1) -> Parsed:
    """One record as an event; never refused for what it says, cut where it is too large.

    The same id is compared by value, key, headers and timestamp together, so that another record
    in its place (a broker that lost some of its log) is not taken for known. Where the value has an
    id of its own that one counts, and the value is what is compared.
    """
    ident = stem.id_of(record.partition, record.offset)
    trace, given = trace_of(record.headers), _known(record, given)
    if record.value is None:
        found = _tombstone(record, ident, given, trace)
    else:
        raw = record.value
        message = Message(
            line=line, raw=raw, given=given, inner=_without_schema(raw), id=ident, trace_id=trace
        )
        found = read(message, parser)
    if found.id != ident:
        return found
    whole = (record.value, record.key, record.headers, record.kind, record.time_ms)
    return replace(found, idempotent=_pack(whole), line=line)


def _known(record: Record, given: Given) -> Given:
    """What the envelope says of the message.

    A timestamp that the producer set is when it happened, as far as the message says nothing; one
    that the broker set is when it was observed there.
    """
    about: dict[str, object] = {
        "topic": record.topic, "partition": record.partition, "offset": record.offset,
    }
    if record.key is not None:
        about["key"] = shown(record.key)
    about |= told(record.headers)
    if record.unread:
        about["headers_unread"] = "a name among them is no UTF-8"
    value = record.value
    if value is not None and _without_schema(value) is not None:
        about["schema"] = int.from_bytes(value[1:_SCHEMA], "big")
    time = epoch(record.time_ms, "ms") if record.time_ms > 0 else UNSET
    created = record.kind == CREATED
    return replace(
        given, data={**given.data, "kafka": about}, labels={**given.labels, "topic": record.topic},
        time=time if created else UNSET, observed=UNSET if created else time,
    )


def _without_schema(value: bytes) -> str | dict[str, Any] | None:
    """The JSON behind the number of its schema; None for any other value."""
    if value[:1] != b"\0" or value[_SCHEMA : _SCHEMA + 1] != b"{":
        return None
    try:
        found = msgspec.json.decode(value[_SCHEMA:])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _tombstone(record: Record, ident: str, given: Given, trace: str) -> Parsed:
    """What a record without a value says: whatever its key names is deleted. By whom, it says not.

    Without a key it names nothing but its topic.
    """
    topic = Target(type="kafka_topic", id=record.topic)
    targets = [topic]
    if record.key is not None:
        key = shown(record.key)
        name = key if isinstance(key, str) else _encode(key).decode()
        targets = [
            Target(type="kafka_record", id=f"{record.topic}/{name}"[:NAME_CHARS],
                   parent=record.topic),
            topic,
        ]
    event = Event(
        action="kafka.record.delete",
        actor=Actor(type=ActorType.SYSTEM, id="kafka"),
        operation=Operation.DELETE,
        targets=targets,
        time=given.time,
        observed=given.observed,
        outcome=Outcome.SUCCESS,
        origin=Origin(trace_id=trace) if trace else UNSET,
        id=ident,
        labels=dict(given.labels),
        data=Raw(_encode({**given.data, "guessed": ["actor"]})),
    )
    return Parsed(
        content=_encode(event), idempotent=b"", line=1, id=ident, parser=VERSION,
        flags=("guessed",), time_us=None if given.time is UNSET else to_us(given.time),
    )
