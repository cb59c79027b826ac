"""Where a page ended: the opaque text from which the next one goes on.

Light on purpose: the server reads cursors without the libraries of a query process.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

import msgspec

from indelible.base.errors import BadRequest
from indelible.language.values import NUMBER_MAX, TIME_MAX_US
from indelible.query.model import Selection

_Number = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]
_Now = Annotated[int, msgspec.Meta(ge=0, le=TIME_MAX_US)]
_Time = Annotated[int, msgspec.Meta(ge=-NUMBER_MAX, le=NUMBER_MAX)]


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a page ended, and what the next one must agree with."""

    digest: bytes
    size: _Number
    now_us: _Now
    time: _Time
    index: _Number


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """What a server may read from a cursor: the pinned size and the moment of the first page."""

    size: int
    now_us: int


_position = msgspec.msgpack.Decoder(Position)


def digest_of(selection: Selection, order: str) -> bytes:
    """What a cursor is bound to: query, scope, times and order."""
    what = (selection.predicate, selection.scope, selection.since_us, selection.until_us, order)
    return hashlib.sha256(msgspec.msgpack.encode(what)).digest()[:12]


def encode_cursor(position: Position) -> str:
    """The position as opaque text."""
    return urlsafe_b64encode(msgspec.msgpack.encode(position)).decode().rstrip("=")


def decode_cursor(text: str) -> Position:
    """The position. Raises `BadRequest` for text that is no cursor."""
    try:
        return _position.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, msgspec.MsgspecError) as error:
        raise BadRequest(
            "this is not a cursor", field="cursor", code="bad_cursor",
            remedy="Use the cursor of the previous page as it came, or leave it out.",
        ) from error


def read_cursor(text: str) -> Cursor:
    """Size and moment of the first page, so that ages in the query mean the same again."""
    position = decode_cursor(text)
    return Cursor(size=position.size, now_us=position.now_us)


def resume(selection: Selection, cursor: str, order: str) -> Position | None:
    """Where to go on; None on the first page. Raises `BadRequest` for another query's cursor."""
    if not cursor:
        return None
    position = decode_cursor(cursor)
    if position.digest != digest_of(selection, order):
        raise BadRequest(
            "this cursor belongs to another query, time range, order or caller", field="cursor",
            code="bad_cursor", remedy="Ask the first page of this query, without a cursor.",
        )
    return position
