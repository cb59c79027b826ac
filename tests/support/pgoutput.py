"""Messages as the plugin pgoutput writes them, to be read again."""

from __future__ import annotations

import struct
from collections.abc import Sequence

EPOCH_US = 946_684_800_000_000


def begin(lsn: int = 0x16B3748, time_us: int = 1_780_272_000_123_456, xid: int = 731) -> bytes:
    return struct.pack(">cQqI", b"B", lsn, time_us - EPOCH_US, xid)


def commit(lsn: int = 0x16B3748, end: int = 0, time_us: int = 1_780_272_000_123_456) -> bytes:
    return struct.pack(">cBQQq", b"C", 0, lsn, end or lsn + 48, time_us - EPOCH_US)


def relation(
    columns: Sequence[tuple[str, int, bool]], oid: int = 16384, schema: str = "public",
    name: str = "account", identity: str = "f",
) -> bytes:
    out = struct.pack(">cI", b"R", oid) + schema.encode() + b"\0" + name.encode() + b"\0"
    out += identity.encode() + struct.pack(">H", len(columns))
    for column, kind, key in columns:
        out += bytes([key]) + column.encode() + b"\0" + struct.pack(">Ii", kind, -1)
    return out


def row(values: Sequence[object]) -> bytes:
    out = struct.pack(">H", len(values))
    for value in values:
        if value is None:
            out += b"n"
        elif value is ...:
            out += b"u"
        else:
            text = value if isinstance(value, bytes) else str(value).encode()
            out += b"t" + struct.pack(">I", len(text)) + text
    return out


def insert(new: Sequence[object], oid: int = 16384) -> bytes:
    return struct.pack(">cI", b"I", oid) + b"N" + row(new)


def update(
    new: Sequence[object], old: Sequence[object] | None = None, of: str = "O", oid: int = 16384
) -> bytes:
    before = b"" if old is None else of.encode() + row(old)
    return struct.pack(">cI", b"U", oid) + before + b"N" + row(new)


def delete(old: Sequence[object], of: str = "O", oid: int = 16384) -> bytes:
    return struct.pack(">cI", b"D", oid) + of.encode() + row(old)


def truncate(*oids: int, options: int = 0) -> bytes:
    return struct.pack(f">cIB{len(oids)}I", b"T", len(oids), options, *oids)


def message(
    content: bytes | str, prefix: str = "indelible", inside: bool = True, lsn: int = 0x16B3700
) -> bytes:
    text = content.encode() if isinstance(content, str) else content
    return (
        struct.pack(">cBQ", b"M", inside, lsn) + prefix.encode() + b"\0"
        + struct.pack(">I", len(text)) + text
    )


def origin(name: str = "node_b", lsn: int = 0x16B0000) -> bytes:
    return struct.pack(">cQ", b"O", lsn) + name.encode() + b"\0"


def type_(name: str = "mood", oid: int = 16400, schema: str = "public") -> bytes:
    return struct.pack(">cI", b"Y", oid) + schema.encode() + b"\0" + name.encode() + b"\0"
