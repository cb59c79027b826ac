"""What the id index must hold of a body: made again from evidence alone.

The index names an event by (source, id) and knows its content by what `ingest` compares: of the
native format the event as it was encoded, which is the body before the members that the ledger
added; of any other format the original message, which stands in `raw`.
"""

from __future__ import annotations

import base64

import msgspec

from indelible.base.errors import Damaged
from indelible.ledger.journal import MARK
from indelible.ledger.seen import Fingerprints

NO_MARK = bytes(MARK)
_ADDED = b',"kind":"'
_NATIVE = "native"
_OCTETS = "application/octet-stream"


class _Source(msgspec.Struct):
    number: int


class _Via(msgspec.Struct, frozen=True):
    parser: str = ""


class _Body(msgspec.Struct):
    source: _Source
    id: str = ""
    via: _Via = _Via()
    flags: tuple[str, ...] = ()
    raw: str | None = None
    raw_type: str = ""


_decode = msgspec.json.Decoder(_Body).decode


def mark_of(body: bytes, prints: Fingerprints) -> bytes:
    """The 24 bytes a journal and the id index hold of this event; zero where it has no id.

    Raises `Damaged` when the body is not one the ledger writes.
    """
    try:
        read = _decode(body)
        if not read.id:
            return NO_MARK
        digest = prints.digest(_compared(body, read))
    except (msgspec.MsgspecError, ValueError) as error:
        raise Damaged(f"a body does not read: {error}") from error
    key = prints.fingerprint(read.source.number, read.id)
    if "id_conflict" in read.flags:
        key = prints.variant(key, digest)
    return key + digest


def _compared(body: bytes, read: _Body) -> bytes:
    if read.raw is None or read.via.parser.startswith(_NATIVE):
        return body[: body.rindex(_ADDED)] + b"}"
    if read.raw_type == _OCTETS:
        return base64.b64decode(read.raw, validate=True)
    return read.raw.encode()
