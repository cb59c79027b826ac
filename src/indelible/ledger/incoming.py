"""What the ledger is handed and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
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
    positions answered from before; `conflicts` maps a position to the index that first bore the id.
    """

    indexes: list[int]
    duplicates: list[int]
    conflicts: dict[int, int]


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
    tenant: str = "indelible"
    data: dict[str, object] = {}


def own_record(kind: str, action: str, data: dict[str, object], operation: str = "other") -> Own:
    """A record of the ledger's own; `data` as its kind demands."""
    content = msgspec.json.encode(
        OwnAction(
            action=action, actor={"type": "system", "id": "indelible"}, operation=operation,
            data=data,
        )
    )
    return Own(content=content, kind=kind)
