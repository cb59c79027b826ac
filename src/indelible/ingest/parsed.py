"""What a parser hands on: events that were understood, and refusals with their reason.

A parser is a pure function from bytes to `(list[Parsed], list[Rejected])`. It never drops input in
silence: each message becomes one of the two. Foreign formats refuse nothing; what they cannot read
becomes a `Parsed` of kind `unparsed`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET, Raw, UnsetType

from indelible.base.errors import InvalidEvent
from indelible.event.model import Origin, Reason, Severity


class Parsed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event, encoded once: these bytes begin its body.

    `content` is the encoded `event.model.Event` (`{...}`, no byte 0x0A, no insignificant white
    space, at most `limits.BODY_BYTES` less `limits.ADDED_BYTES`). `idempotent` is what the same id
    is compared by: `content` for native input, the message as received for foreign formats.
    `time_us` is the event's own time in microseconds since 1970 UTC, None when it gave none.
    `line` is the position in the request, from 1: the line for NDJSON, the element for an array.
    `parser` is what `via.parser` says of this event where that differs from the submission's.
    `keep_repeats` asks the ledger to flag a repetition of a message that has no id. `original` is
    what `idempotent` was before the audit policy stripped the event; empty for any other.
    """

    content: bytes
    idempotent: bytes
    line: int
    id: str = ""
    seq: int = 0
    boot: str = ""
    time_us: int | None = None
    kind: str = "event"
    flags: tuple[str, ...] = ()
    parser: str = ""
    keep_repeats: bool = False
    original: bytes = b""


class Unparsed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The content of an event of kind `unparsed`: the message as it came, and why it was not read.

    `raw` is the text, or base64 with `raw_type`, its media type. It has no action and no actor, but
    what an envelope said of the message (when, on which host) stands in the usual members.
    """

    time: datetime | UnsetType = UNSET
    observed: datetime | UnsetType = UNSET
    reason: Reason
    origin: Origin | UnsetType = UNSET
    id: str | UnsetType = UNSET
    tenant: str | UnsetType = UNSET
    severity: Severity | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    raw: str
    raw_type: str | UnsetType = UNSET


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """One refusal: where (`line`, `field`), what (`code`, stable), why (`reason`, for people)."""

    line: int
    field: str
    code: str
    reason: str


def rejected(line: int, error: InvalidEvent) -> Rejected:
    """The refusal of `line` that `error` describes."""
    return Rejected(line=line, field=error.field or "", code=error.code, reason=error.message)
