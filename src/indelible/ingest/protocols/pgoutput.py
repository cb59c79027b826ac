"""PostgreSQL's logical replication messages (plugin pgoutput), from bytes to values: pure.

Protocol version 1, which is version 2 without streaming (PostgreSQL manual, "Logical Replication
Message Formats"). A message is taken whole or refused with `Malformed`; nothing else is raised and
nothing is allocated that the message does not hold. Values are the bytes of PostgreSQL's own text
form; what they mean is said by `pgoutput_values`.

A message that was cut off by the way in (`limits.CAPTURE_CHANGE_BYTES`) is read as far as it goes
when `cut` is given: the values that are missing are `CUT`.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeAlias

from indelible.base.clock import to_us
from indelible.base.limits import CAPTURE_COLUMNS, NAME_CHARS


class Malformed(Exception):
    """The message is none of pgoutput's; `str` says why."""


class Absent:
    """Why a message does not tell a column's value."""

    def __init__(self, why: str) -> None:
        self.why = why

    def __repr__(self) -> str:
        return self.why


UNCHANGED: Final = Absent("unchanged")
"""A value out of line (TOAST) that the update did not touch: the message does not repeat it."""
CUT: Final = Absent("cut")
"""A value behind the end of a message that was cut off."""

Value: TypeAlias = bytes | Absent | None
"""PostgreSQL's text form of a value; None is SQL's NULL."""


class Begin(NamedTuple):
    """A transaction that was committed at `lsn`, `time_us` microseconds after 1970 UTC."""

    lsn: int
    time_us: int
    xid: int


class Commit(NamedTuple):
    """The transaction's end: its commit record begins at `lsn` and ends before `end`."""

    lsn: int
    end: int
    time_us: int


class Origin(NamedTuple):
    """The transaction was itself replicated, from the node of this name."""

    lsn: int
    name: str


class Column(NamedTuple):
    """One column of a relation; `key`: it belongs to the replica identity."""

    name: str
    type: int
    key: bool


class Relation(NamedTuple):
    """A table as the rows after this message have it.

    `identity` is what tells its rows apart in old values: `d` the primary key, `i` an index, `f`
    the full row, `n` nothing.
    """

    oid: int
    schema: str
    name: str
    identity: str
    columns: tuple[Column, ...]


class Type(NamedTuple):
    """The name of a type that somebody defined."""

    oid: int
    schema: str
    name: str


class Row(NamedTuple):
    """A row that was inserted (`I`), updated (`U`) or deleted (`D`).

    `of` says what the old values are: `O` the full row, `K` the key alone (other columns stand as
    NULL), '' that there are none. `new` is None for a delete, `old` where the message has none.
    """

    kind: str
    oid: int
    of: str
    old: list[Value] | None
    new: list[Value] | None


class Truncate(NamedTuple):
    """Tables that were emptied at once."""

    oids: tuple[int, ...]
    cascade: bool
    restart: bool


class Said(NamedTuple):
    """What `pg_logical_emit_message` said; `inside`: as part of the transaction."""

    inside: bool
    lsn: int
    prefix: str
    content: bytes


Message: TypeAlias = Begin | Commit | Origin | Relation | Type | Row | Truncate | Said

_EPOCH_US: Final = to_us(datetime(2000, 1, 1, tzinfo=UTC))  # from which PostgreSQL counts
_LAST_US: Final = to_us(datetime(9999, 12, 31, tzinfo=UTC))
_ROWS: Final = frozenset(b"IUD")
_BEGIN, _COMMIT, _ORIGIN = ord("B"), ord("C"), ord("O")
_RELATION, _TYPE, _TRUNCATE, _SAID = ord("R"), ord("Y"), ord("T"), ord("M")
_OLD, _KEY, _NEW = ord("O"), ord("K"), ord("N")
_TEXT, _NULL, _TOAST, _BINARY = ord("t"), ord("n"), ord("u"), ord("b")
_INSERT, _UPDATE, _DELETE = ord("I"), ord("U"), ord("D")
_number = int.from_bytes
_length = struct.Struct(">I").unpack_from


def decode(data: bytes, cut: bool = False) -> Message:
    """One message; raises `Malformed`. `cut`: a row may end anywhere."""
    try:
        kind = data[0]
        if kind in _ROWS:
            return _row(kind, data, cut)
        return _other(kind, data)
    except (IndexError, ValueError, struct.error) as error:
        raise Malformed(f"a message of {len(data)} bytes breaks off") from error


def _row(kind: int, data: bytes, cut: bool) -> Row:
    oid = _number(data[1:5], "big")
    mark = data[5]
    if mark == _NEW and kind != _DELETE:
        new, at = _tuple(data, 6, cut)
        found = Row(chr(kind), oid, "", None, new)
    elif mark in (_OLD, _KEY) and kind != _INSERT:
        old, at = _tuple(data, 6, cut)
        of = chr(mark)
        if kind == _DELETE:
            found = Row("D", oid, of, old, None)
        elif cut and at + 3 > len(data):  # not even how many columns the new row has
            found = Row("U", oid, of, old, [CUT] * len(old))
        elif data[at] != _NEW:
            raise Malformed(f"an update goes on with {data[at : at + 1]!r}")
        else:
            new, at = _tuple(data, at + 1, cut)
            found = Row("U", oid, of, old, new)
    else:
        raise Malformed(f"a message {chr(kind)!r} begins with {data[5:6]!r}")
    if at != len(data) and not cut:
        raise Malformed(f"{len(data) - at} bytes behind the row")
    return found


def _tuple(data: bytes, at: int, cut: bool) -> tuple[list[Value], int]:
    """The values of a row and where they end.

    A length beyond the end is found by what follows: nothing can stand there. In a message that was
    cut off everything from there on is `CUT`.
    """
    count = data[at] << 8 | data[at + 1]
    if count > CAPTURE_COLUMNS:
        raise Malformed(f"a row of {count} columns")
    at += 2
    values: list[Value] = []
    size = len(data)
    for _ in range(count):
        if cut and at >= size:
            break
        kind = data[at]
        if kind == _TEXT:
            if cut and at + 5 > size:
                at = size
                break
            begin = at + 5
            at = begin + _length(data, at + 1)[0]
            if cut and at > size:
                break
            values.append(data[begin:at])
        elif kind == _NULL:
            values.append(None)
            at += 1
        elif kind == _TOAST:
            values.append(UNCHANGED)
            at += 1
        elif kind == _BINARY:
            raise Malformed("a value in binary form, which was not asked for")
        else:
            raise Malformed(f"a value of the unknown kind {data[at : at + 1]!r}")
    if at > size and not cut:
        raise Malformed(f"a row that ends {at - size} bytes behind its message")
    values += [CUT] * (count - len(values))
    return values, min(at, size)


def _other(kind: int, data: bytes) -> Message:
    """Every message but rows; the bytes must be used up."""
    found: Message
    if kind == _BEGIN:
        found, at = Begin(_u64(data, 1), _time(data, 9), _u32(data, 17)), 21
    elif kind == _COMMIT:
        found, at = Commit(_u64(data, 2), _u64(data, 10), _time(data, 18)), 26
    elif kind == _ORIGIN:
        name, at = _string(data, 9)
        found = Origin(_u64(data, 1), name)
    elif kind == _RELATION:
        found, at = _relation(data)
    elif kind == _TYPE:
        schema, at = _string(data, 5)
        name, at = _string(data, at)
        found = Type(_u32(data, 1), schema or "pg_catalog", name)
    elif kind == _TRUNCATE:
        found, at = _truncate(data)
    elif kind == _SAID:
        prefix, at = _string(data, 10)
        begin = at + 4
        at = begin + _u32(data, at)
        found = Said(data[1] & 1 == 1, _u64(data, 2), prefix, data[begin:at])
    else:
        raise Malformed(f"no message begins with {data[:1]!r}")
    if at != len(data):
        raise Malformed(f"a message {chr(kind)!r} of {len(data)} bytes should have {at}")
    return found


def _relation(data: bytes) -> tuple[Relation, int]:
    schema, at = _string(data, 5)
    name, at = _string(data, at)
    identity = chr(data[at])
    count = data[at + 1] << 8 | data[at + 2]
    if count > CAPTURE_COLUMNS or identity not in "dfin":
        raise Malformed(f"a table of {count} columns with the identity {identity!r}")
    at += 3
    columns = []
    for _ in range(count):
        key = data[at] & 1 == 1
        column, at = _string(data, at + 1)
        columns.append(Column(column, _u32(data, at), key))
        at += 8
    names = (schema or name, name, *[column.name for column in columns])
    if not all(names) or max(map(len, names)) > NAME_CHARS:
        raise Malformed("a table or a column without a name, or with one that is too long")
    return Relation(_u32(data, 1), schema or "pg_catalog", name, identity, tuple(columns)), at


def _truncate(data: bytes) -> tuple[Truncate, int]:
    count, options = _u32(data, 1), data[5]
    end = 6 + 4 * count
    if not count or end > len(data):
        raise Malformed(f"{count} tables are not named in {len(data)} bytes")
    oids = tuple([_number(data[at : at + 4], "big") for at in range(6, end, 4)])
    return Truncate(oids, options & 1 == 1, options & 2 == 2), end


def _u32(data: bytes, at: int) -> int:
    found = data[at : at + 4]
    if len(found) < 4:
        raise IndexError(at)
    return _number(found, "big")


def _u64(data: bytes, at: int) -> int:
    found = data[at : at + 8]
    if len(found) < 8:
        raise IndexError(at)
    return _number(found, "big")


def _time(data: bytes, at: int) -> int:
    """Microseconds since 1970; a time before or after what an event can bear is none."""
    found = _number(data[at : at + 8], "big", signed=True) + _EPOCH_US
    if not 0 <= found < _LAST_US:
        raise Malformed("a time out of range")
    return found


def _string(data: bytes, at: int) -> tuple[str, int]:
    """A name up to its NUL; a database that knows no encoding may hold names that are no UTF-8."""
    end = data.index(0, at)
    return data[at:end].decode("utf-8", "backslashreplace"), end + 1


def lsn_text(lsn: int) -> str:
    """A position in the write-ahead log as PostgreSQL writes it: `16/B374D848`."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFF_FFFF:X}"


def lsn_of(text: str) -> int:
    """The position that PostgreSQL writes so; raises ValueError."""
    high, slash, low = text.partition("/")
    if not slash:
        raise ValueError(text)
    return int(high, 16) << 32 | int(low, 16)
