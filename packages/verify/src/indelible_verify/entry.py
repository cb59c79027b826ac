"""Entries, bodies, and their agreement (spec sections 1 to 3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from struct import Struct
from typing import Final

from indelible_verify import limits, strict_json
from indelible_verify.errors import Damaged

ENTRY_BYTES: Final = 60
SALT_BYTES: Final = 32
NO_SALT: Final = bytes(SALT_BYTES)
U16: Final = (1 << 16) - 1
U32: Final = (1 << 32) - 1
U64: Final = (1 << 64) - 1
KINDS: Final[Mapping[str, int]] = {
    "event": 1,
    "unparsed": 2,
    "source": 3,
    "gap": 4,
    "silence": 5,
    "statement": 6,
    "heartbeat": 7,
    "config": 8,
    "key": 9,
    "hold": 10,
    "erase": 11,
    "prune": 12,
    "restore": 13,
}
KIND_NAMES: Final[Mapping[int, str]] = {number: name for name, number in KINDS.items()}
_FOREIGN: Final = (KINDS["event"], KINDS["unparsed"])
_ONCE: Final = frozenset(
    ("kind", "received", "source", "via", "retention", "flags", "conflict", "repeat",
     "data")
)
_LAYOUT: Final = Struct(">BBHIQQI32s")
_RECEIVED: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{6})Z", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """The 60 bytes of a leaf, apart."""

    kind: int
    retention: int
    source: int
    sequence: int
    received: int
    commitment: bytes


def parse_entry(data: bytes, index: int) -> Entry:
    """Read one entry; raises Damaged when a field is not as spec section 3 demands."""
    if len(data) != ENTRY_BYTES:
        raise Damaged(f"the entry has {len(data)} bytes, not {ENTRY_BYTES}", index)
    version, kind, retention, source, sequence, received, reserved, commitment = _LAYOUT.unpack(
        data
    )
    if version != 1:
        raise Damaged(f"the entry's version is {version}, not 1", index)
    if kind not in KIND_NAMES:
        raise Damaged(f"the entry's kind {kind} is not in the specification", index)
    if reserved:
        raise Damaged("the entry's reserved bytes are not 0", index)
    return Entry(kind, retention, source, sequence, received, commitment)


def check_own(entry: Entry, index: int) -> None:
    """Raises Damaged when a record of the ledger's own bears a source (spec section 1)."""
    if entry.kind not in _FOREIGN and entry.source:
        name = KIND_NAMES[entry.kind]
        text = f"the entry of the ledger's own kind {name} has source {entry.source}"
        raise Damaged(text, index)


def commit(salt: bytes, body: bytes) -> bytes:
    """Commitment to a body under its salt (spec section 2)."""
    return sha256(b"indelible/body/v1\x00" + salt + body).digest()


def microseconds(received: str) -> int | None:
    """Microseconds since 1970 of a `received` member, or None when it has another form."""
    match = _RECEIVED.fullmatch(received)
    if not match:
        return None
    year, month, day, hour, minute, second, fraction = (int(part) for part in match.groups())
    try:
        when = datetime(year, month, day, hour, minute, second, fraction, tzinfo=UTC)
    except ValueError:
        return None
    return (when - _EPOCH) // timedelta(microseconds=1) if when >= _EPOCH else None


def check_body(data: bytes, salt: bytes, entry: Entry, index: int) -> dict[str, object]:
    """Prove that `data` is the body the entry commits to and give its top-level members.

    Raises Damaged when the commitment or one of the five members that stand in both differs.
    """
    check_own(entry, index)
    if len(data) > limits.BODY_BYTES:
        raise Damaged(f"the body is longer than {limits.BODY_BYTES} bytes", index)
    if commit(salt, data) != entry.commitment:
        raise Damaged("body and salt do not give the entry's commitment", index)
    body = strict_json.parse_object(data, "the body", index, once=_ONCE)
    kind = KINDS.get(strict_json.text(body, "kind"))
    source = strict_json.members(body.get("source"), "the body's source", index)
    pairs = (
        ("kind", kind, entry.kind),
        ("retention class", strict_json.integer(body.get("retention", 0), U16), entry.retention),
        ("source number", strict_json.integer(source.get("number"), U32), entry.source),
        ("source sequence", strict_json.integer(source.get("seq", 0), U64), entry.sequence),
        ("received", microseconds(strict_json.text(body, "received")), entry.received),
    )
    for name, of_body, of_entry in pairs:
        if of_body != of_entry:
            said = "has none that is valid" if of_body is None else f"says {of_body}"
            raise Damaged(f"{name}: the entry says {of_entry}, the body {said}", index)
    return body
