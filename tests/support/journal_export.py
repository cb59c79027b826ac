"""Entries in the journal's export format, written as journald's own programs write them."""

from __future__ import annotations

import struct

Field = tuple[str, bytes]


def field(name: str, value: bytes) -> bytes:
    """A field; a value that is no printable line has its length in front."""
    try:
        if value.decode().replace("\t", " ").isprintable():
            return name.encode() + b"=" + value + b"\n"
    except UnicodeDecodeError:
        pass
    return name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"


def entry(*fields: Field) -> bytes:
    """An entry, with the empty line behind it."""
    return b"".join(field(name, value) for name, value in fields) + b"\n"


def logged(number: int, message: bytes, *more: Field) -> bytes:
    """What the journal of a host holds of a message of sshd."""
    at = 1_780_000_000_000_000 + number * 1_000
    cursor = f"s={1:032x};i={number:x};b={2:032x};m={number:x};t={at:x};x={number:x}"
    told = {
        "__CURSOR": cursor, "__REALTIME_TIMESTAMP": at, "__MONOTONIC_TIMESTAMP": number * 1_000,
        "_BOOT_ID": f"{2:032x}", "_SOURCE_REALTIME_TIMESTAMP": at - 7, "_HOSTNAME": "web1",
        "PRIORITY": 6, "SYSLOG_FACILITY": 10, "SYSLOG_IDENTIFIER": "sshd", "_PID": 77,
        "_COMM": "sshd", "_TRANSPORT": "syslog",
    }
    return entry(
        *((name, str(value).encode()) for name, value in told.items()), ("MESSAGE", message), *more
    )


def failed(number: int) -> bytes:
    """sshd's message of a failed login; the number is the port."""
    return f"Failed password for root from 203.0.113.7 port {number} ssh2".encode()
