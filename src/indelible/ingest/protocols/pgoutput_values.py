"""PostgreSQL's text form of a value as JSON, by the type of its column: pure.

Booleans and numbers become JSON's where JSON can say them: `NaN`, infinities and what a double
cannot hold stay texts; numbers keep every digit. `json` and `jsonb` are taken over as they are when
an event may hold them. Times get ISO 8601's `T` and `Z`. All else is text as PostgreSQL writes it:
bytes as `\\x` and hexadecimal digits, arrays as `{a,b}`, UUIDs, addresses, intervals, enumerations.
The form is that of a session with the settings of `postgres_capture.SESSION`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isinf
from types import MappingProxyType
from typing import Final, TypeAlias

import msgspec

from indelible.base.errors import InvalidEvent
from indelible.event.strict import compact

ToJson: TypeAlias = Callable[[bytes], bytes]

_encode = msgspec.json.Encoder().encode
_INTEGER: Final = re.compile(rb"-?(?:0|[1-9][0-9]{0,18})")
_NUMBER: Final = re.compile(rb"-?(?:0|[1-9][0-9]{0,308})(?:\.[0-9]+)?(?:e[+-]?[0-9]{1,3})?")
_PLAIN: Final = re.compile(rb"[ !#-\[\]-~]*")
_MOMENT: Final = re.compile(rb"([0-9]{4,6}-[0-9]{2}-[0-9]{2}) ([0-9:.]+)(?:(\+00)|([+-][0-9:]+))?")


def text(value: bytes) -> bytes:
    """A JSON string; bytes that are no UTF-8 (of a database without encoding) are `\\xNN`."""
    if _PLAIN.fullmatch(value) is not None:
        return b'"%b"' % value
    return _encode(value.decode("utf-8", "backslashreplace"))


def _boolean(value: bytes) -> bytes:
    return b"true" if value == b"t" else b"false" if value == b"f" else text(value)


def _integer(value: bytes) -> bytes:
    return value if _INTEGER.fullmatch(value) is not None else text(value)


def _number(value: bytes) -> bytes:
    """A number whose double is finite; `1e+400` and `NaN` are texts."""
    if _NUMBER.fullmatch(value) is None:
        return text(value)
    sure = len(value) < _SURE and b"e" not in value  # making a double of it is the dear part
    return value if sure or not isinf(float(value)) else text(value)


_SURE: Final = len(str(10**308))


def _document(value: bytes) -> bytes:
    """JSON as it is; what nests too deep for an event, or names a member twice, is a text."""
    try:
        again = _encode(msgspec.json.decode(value, type=msgspec.Raw))
        return compact(again.strip(b" \t\r\n"), "")
    except (msgspec.MsgspecError, InvalidEvent, ValueError, RecursionError):
        return text(value)


def _moment(value: bytes) -> bytes:
    found = _MOMENT.fullmatch(value)
    if found is None:  # infinity, or before Christ
        return text(value)
    day, time, utc, offset = found.groups()
    return b'"%bT%b%b"' % (day, time, b"Z" if utc else offset or b"")


_BY_TYPE: Final = MappingProxyType(
    {
        16: _boolean,
        20: _integer, 21: _integer, 23: _integer, 26: _integer,  # int8, int2, int4, oid
        700: _number, 701: _number, 1700: _number,  # float4, float8, numeric
        114: _document, 3802: _document,  # json, jsonb
        1114: _moment, 1184: _moment,  # timestamp, timestamp with time zone
    }
)
"""OIDs of built-in types, which never change (`src/include/catalog/pg_type.dat`)."""


def to_json(type_oid: int) -> ToJson:
    """What turns values of a type into JSON; it takes any bytes and raises nothing."""
    return _BY_TYPE.get(type_oid, text)
