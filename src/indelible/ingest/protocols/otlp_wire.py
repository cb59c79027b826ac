"""Protocol Buffers as bytes: the fields of a message, and the little that answers need.

OTLP asks for a handful of messages only, and an audit log asks for the exact bytes of each record,
which a generated decoder does not keep; so the wire format is read here (protobuf.dev, "Encoding").
Groups, which proto3 does not have, and numbers of more than 64 bits are refused. Fields come in
their order; that a message which stands twice is merged is had by joining its bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types."""

Field = tuple[int, int, int | bytes]
"""Number, wire type, and value: a whole number without sign, or bytes."""

_double = struct.Struct("<d").unpack


class BadWire(ValueError):
    """The bytes are no message."""


def fields(data: bytes) -> Iterator[Field]:
    """Every field of a message in order; raises `BadWire` where it breaks."""
    at, end = 0, len(data)
    try:
        while at < end:
            key = data[at]
            at += 1
            if key > 127:
                key, at = _varint(data, at - 1)
            number, kind = key >> 3, key & 7
            if not number:
                raise BadWire("a field without a number")
            if kind == BYTES:
                size = data[at]
                at += 1
                if size > 127:
                    size, at = _varint(data, at - 1)
                stop = at + size
                if stop > end:
                    raise BadWire("a field reaches beyond the end")
                yield number, kind, data[at:stop]
                at = stop
            elif kind == VARINT:
                value = data[at]
                at += 1
                if value > 127:
                    value, at = _varint(data, at - 1)
                yield number, kind, value
            elif kind in (FIXED64, FIXED32):
                stop = at + (8 if kind == FIXED64 else 4)
                if stop > end:
                    raise BadWire("a field reaches beyond the end")
                yield number, kind, int.from_bytes(data[at:stop], "little")
                at = stop
            else:
                raise BadWire(f"there is no wire type {kind}")
    except IndexError:
        raise BadWire("the message ends within a number") from None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of base 128, least group first, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift > 63:
            raise BadWire("a number of more than 64 bits")
    return value % (1 << 64), at


def text(value: int | bytes) -> str:
    """A string field; what is not UTF-8 in it is replaced."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def signed(value: int | bytes) -> int:
    """A field of type int64."""
    if not isinstance(value, int):
        return 0
    return value - (1 << 64) if value >= 1 << 63 else value


def double(value: int | bytes) -> float:
    """A field of type double, which travels as 64 fixed bits."""
    if not isinstance(value, int):
        return 0.0
    found: float = _double(value.to_bytes(8, "little"))[0]
    return found


def message(number: int, content: bytes) -> bytes:
    """A field that holds bytes, a string or another message."""
    return encoded(number << 3 | BYTES) + encoded(len(content)) + content


def whole(number: int, value: int) -> bytes:
    """A field that holds a number of type int32 or int64."""
    return encoded(number << 3) + encoded(value % (1 << 64))


def encoded(value: int) -> bytes:
    """A number without sign in base 128."""
    if value < 128:
        return bytes((value,))
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
