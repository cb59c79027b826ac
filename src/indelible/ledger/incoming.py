"""What the ledger is handed and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple, Protocol

import msgspec

from indelible.event.model import Via


class Incoming(Protocol):
    """One event ready to be written; `ingest.parsed.Parsed` is one.

    `content` is the encoded event (`{...}`), `idempotent` what the same id is compared by.
    """

    @property
    def content(self) -> bytes: ...
    @property
    def idempotent(self) -> bytes: ...
    @property
    def id(self) -> str: ...
    @property
    def seq(self) -> int: ...
    @property
    def boot(self) -> str: ...
    @property
    def time_us(self) -> int | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def flags(self) -> tuple[str, ...]: ...
    @property
    def parser(self) -> str:
        """What `via.parser` says, where not what the submission's says."""

    @property
    def keep_repeats(self) -> bool:
        """It has no id; the same `idempotent` again is stored and flagged `probable_repeat`."""

    @property
    def original(self) -> bytes:
        """What `idempotent` was before the event was stripped; empty where it was not."""


_STRIPPED = b"indelible/stripped/v1\x00"


def stripped_identity(digest: bytes) -> bytes:
    """What an event without its message is compared by; `digest` is the message's SHA-256."""
    return _STRIPPED + digest


def other_identity(event: Incoming) -> bytes:
    """What the same event is compared by in its other form: stripped if it is whole, and whole if
    it is stripped. So a retry is recognised though the audit policy changed in between."""
    return event.original or stripped_identity(sha256(event.idempotent).digest())


class Own(NamedTuple):
    """An `Incoming` of the ledger itself."""

    content: bytes
    kind: str = "event"
    idempotent: bytes = b""
    id: str = ""
    seq: int = 0
    boot: str = ""
    time_us: int | None = None
    flags: tuple[str, ...] = ()
    parser: str = ""
    keep_repeats: bool = False
    original: bytes = b""


UNWATCHED = "import"
"""A message of this protocol without an id is not watched for repetition: files give ids, and
releases that knew no repetitions took such messages without."""


class Source(NamedTuple):
    """A registered source."""

    number: int
    id: str


SELF = Source(0, "indelible")


class Work(NamedTuple):
    """Events of one submission."""

    source: Source
    via: Via
    events: Sequence[Incoming]


class Written(NamedTuple):
    """Where the events of one `Work` are, by position.

    `indexes[p]` is the event's index, for a duplicate the first one's; `duplicates` are the
    positions answered from before; `conflicts` maps a position to the index that first bore the id,
    `repeats` one that was flagged `probable_repeat` to the index of the same message before.
    """

    indexes: list[int]
    duplicates: list[int]
    conflicts: dict[int, int]
    repeats: dict[int, int]


class Durable(NamedTuple):
    """What a follower needs to read on: everything below `size` is in `file` up to `offset`."""

    size: int
    file: str
    offset: int


class OwnAction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The event form of the ledger's own records (`spec/log.md` section 9)."""

    action: str
    actor: dict[str, str]
    operation: str = "other"
    outcome: str = "success"
    id: str = ""
    tenant: str = "indelible"
    data: dict[str, object] = {}


def own_record(
    kind: str, action: str, data: dict[str, object], operation: str = "other", *,
    record_id: str = "",
) -> Own:
    """A record of the ledger's own; `data` as its kind demands.

    One with a `record_id` is stored once, however often it is handed in.
    """
    content = msgspec.json.encode(
        OwnAction(
            action=action, actor={"type": "system", "id": "indelible"}, operation=operation,
            id=record_id, data=data,
        )
    )
    return Own(content=content, kind=kind, idempotent=content, id=record_id)
