"""One message of a stream as an event: pure.

The payload is the message, and what is kept; subject and headers stand in `data.nats`. A message
without a payload that says it marks a deletion (of a key, or of what a stream let go of) becomes an
event of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import replace

from indelible.base.clock import to_us
from indelible.base.limits import NAME_CHARS
from indelible.event.model import Actor, ActorType, Event, Operation, Origin, Outcome, Target
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given, Parser
from indelible.ingest.parsers.pick import epoch
from indelible.ingest.protocols.carried import shown, told, trace_of
from indelible.ingest.protocols.message import Message, read

VERSION: Final = "nats/1"
"""What `via.parser` says of events that are no message."""

_LINE: Final = b"NATS/1.0"
_PLACE = re.compile(
    r"\$JS\.ACK\.(?:[^.]*\.[^.]*\.)?([^.]+)\.([^.]+)"
    r"\.(\d{1,19})\.(\d{1,19})\.(\d{1,19})\.(\d{1,19})\.(\d{1,20})"
)
_DELETIONS: Final = {"kv-operation": ("DEL", "PURGE"), "nats-marker-reason": None}
"""Headers of messages without payload that mark a deletion, and with which values."""
_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode


class Place(NamedTuple):
    """Where a message stands, as the server says in the subject that acknowledges it.

    `tries` counts how often it was given to the consumer, `time_ns` is when it was stored, in
    nanoseconds since 1970, `pending` how many more the consumer has.
    """

    stream: str
    consumer: str
    tries: int
    sequence: int
    time_ns: int
    pending: int


class Record(NamedTuple):
    """A message as the server gives it: its subject, which may be any bytes, and the block of its
    headers as they stand before the payload."""

    subject: bytes
    sequence: int
    time_ns: int
    payload: bytes
    headers: bytes = b""

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return len(self.subject) + len(self.headers) + len(self.payload)

    @property
    def time_us(self) -> int:
        """When it was stored, in microseconds since 1970 UTC; 0 for no time that can be."""
        time = epoch(self.time_ns, "ns")
        return 0 if time is UNSET else to_us(time)


class Stem(NamedTuple):
    """What the ids of a stream's messages begin with.

    `created` tells a stream from another one of its name: when it was made, as the server says.
    """

    stream: str
    created: str

    def id_of(self, sequence: int) -> str:
        """The id of a message: the same whenever it is given."""
        return f"nats/{self.stream}/{self.created}/{sequence}"


def place_of(reply: str) -> Place | None:
    """The place in the subject that a message names for its acknowledgement; None for another.

    With seven parts behind the prefix, or with a domain and an account before them and perhaps one
    more behind (JetStream's two forms).
    """
    found = _PLACE.match(reply)
    if found is None:
        return None
    tries, sequence, _, time_ns, pending = (int(one) for one in found.groups()[2:])
    return Place(found[1], found[2], tries, sequence, time_ns, pending)


def headers_of(block: bytes) -> tuple[str, list[tuple[str, bytes | None]]]:
    """The headers in a block as it stands before a payload, and what its first line says.

    They are `NAME: VALUE`, one a line, as whoever published them wrote them: a line without a colon
    has a name and no value. The first line is `NATS/1.0` and nothing else; what a publisher wrote
    there is told, so that it is not taken for the server's word.
    """
    first, _, rest = block.partition(b"\r\n")
    found: list[tuple[str, bytes | None]] = []
    for line in rest.split(b"\r\n"):
        if not line:
            continue
        name, colon, value = line.partition(b":")
        found.append((name.strip().decode("utf-8", "replace"), value.strip() if colon else None))
    status = first.removeprefix(_LINE).strip()
    return str(shown(status)) if status else "", found


def event_of(record: Record, stem: Stem, parser: Parser, given: Given, line: int = 1) -> Parsed:
    """One message as an event; never refused for what it says, cut where it is too large.

    The same id is compared by payload, headers, subject and time together, so that another message
    in its place (a stream that was restored and written on) is not taken for known. Where the
    payload has an id of its own that one counts, and the payload is what is compared.
    """
    ident = stem.id_of(record.sequence)
    status, headers = headers_of(record.headers) if record.headers else ("", [])
    given = _known(record, stem, headers, status, given)
    trace = trace_of(headers)
    found = None if record.payload else _deletion(record, headers, ident, given, trace)
    if found is None:
        found = read(
            Message(line=line, raw=record.payload, given=given, id=ident, trace_id=trace), parser)
    if found.id != ident:
        return found
    whole = (record.payload, record.headers, record.subject, record.time_ns)
    return replace(found, idempotent=_pack(whole), line=line)


def _known(
    record: Record, stem: Stem, headers: Sequence[tuple[str, bytes | None]], status: str,
    given: Given,
) -> Given:
    """What the envelope says: above all when the server stored it, which nobody else can set."""
    about: dict[str, object] = {
        "stream": stem.stream, "sequence": record.sequence,
        "subject": shown(record.subject),
    }
    if status:
        about["status"] = status
    about |= told(headers)
    for name, value in headers:
        if name.lower() == "nats-msg-id" and value is not None:
            about["msg_id"] = shown(value)
            break
    return replace(
        given, data={**given.data, "nats": about}, labels={**given.labels, "stream": stem.stream},
        observed=epoch(record.time_ns, "ns"),
    )


def _deletion(
    record: Record, headers: Sequence[tuple[str, bytes | None]], ident: str, given: Given,
    trace: str,
) -> Parsed | None:
    """What a marker says: what its subject names is deleted. By whom, it says not."""
    for name, value in headers:
        values = _DELETIONS.get(name.lower(), ())
        if value and (values is None or value.decode("latin-1") in values):
            break
    else:
        return None
    subject = record.subject.decode("utf-8", "replace")
    event = Event(
        action="nats.subject.delete",
        actor=Actor(type=ActorType.SYSTEM, id="nats"),
        operation=Operation.DELETE,
        targets=[
            Target(type="nats_subject", id=subject[:NAME_CHARS], parent=given.labels["stream"]),
            Target(type="nats_stream", id=given.labels["stream"]),
        ],
        observed=given.observed,
        outcome=Outcome.SUCCESS,
        origin=Origin(trace_id=trace) if trace else UNSET,
        id=ident,
        labels=dict(given.labels),
        data=Raw(_encode({**given.data, "guessed": ["actor"]})),
    )
    return Parsed(
        content=_encode(event), idempotent=b"", line=1, id=ident, parser=VERSION,
        flags=("guessed",),
    )
