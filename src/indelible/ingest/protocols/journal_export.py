"""The journal export format, as systemd-journal-upload sends it: entries out of a stream. Pure.

An entry is its fields and an empty line. A field is `NAME=TEXT` and a line end; one whose value is
no printable line is its name and a line end, the value's length as 64 bits (little-endian), the
value, and a line end. Source: systemd.io, "Journal Export Formats".

The length of a value is always kept to, also where the entry is refused: what a program logged
can look like entries, and must never be read as such. What breaks the form loses its entry alone;
reading goes on behind the next empty line. Each byte is looked at once or twice, however the
stream is cut into pieces, and no more than `limits.JOURNALD_ENTRY_BYTES` of it is held.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

from indelible.base.limits import (
    JOURNALD_ENTRY_BYTES,
    JOURNALD_FIELDS,
    JOURNALD_VALUE_BYTES,
    NAME_CHARS,
    REMEMBERED,
)
from indelible.ingest.parsed import Rejected
from indelible.ingest.parsers.contract import Given
from indelible.ingest.protocols.message import Message, Taken

MEDIA_TYPE: Final = "application/vnd.fdo.journal"
_NAME: Final = re.compile(rb"[A-Z_][A-Z0-9_]{0,63}")
_NAME_MOST: Final = 64
_LENGTH_BYTES: Final = 8


@lru_cache(maxsize=REMEMBERED)
def _name_of(name: bytes) -> str:
    """The name of a field, '' for what cannot be one."""
    return name.decode() if _NAME.fullmatch(name) else ""


class Entry(NamedTuple):
    """One entry: its number in the stream from 1, its bytes without the empty line, its fields.

    A field that comes twice has a list, as in the journal's JSON; bytes that are not UTF-8 stand
    replaced in `record`, and as they came in `raw`.
    """

    number: int
    raw: bytes
    record: dict[str, str | list[str]]


class _At(Enum):
    """Where in an entry the next byte is."""

    LINE = "a line: a field, the name of a binary one, or the end of the entry"
    LENGTH = "the length of a binary value"
    VALUE = "a binary value"
    CLOSE = "the line end behind a binary value"
    REST = "the rest of a line that is too long to be held"
    LOST = "a broken entry, to the next empty line"


class Stream:
    """Entries of one stream, fed with whatever arrives."""

    def __init__(self) -> None:
        self._number = 0
        self._at = _At.LINE
        self._held = bytearray()  # of the line, the length or the value that is being read
        self._left = 0  # bytes of a binary value that have not come
        self._name = b""
        self._bare = True  # whether the line that is passed over is empty so far
        self._clear()

    def _clear(self) -> None:
        self._parts: list[bytes] = []
        self._record: dict[str, str | list[str]] = {}
        self._size = self._fields = 0
        self._wrong: tuple[str, str, str] | None = None  # field, code, reason

    @property
    def inside(self) -> bool:
        """Whether an entry has begun that is not whole."""
        return bool(self._fields or self._wrong or self._held) or self._at is not _At.LINE

    def feed(self, data: bytes) -> tuple[list[Entry], list[Rejected]]:
        """The entries that are whole now, and those that had to be refused."""
        found: list[Entry] = []
        refused: list[Rejected] = []
        at = 0
        while at < len(data):
            if self._at is _At.LINE:
                at = self._line(data, at, found, refused)
            elif self._at is _At.LENGTH:
                at = self._length(data, at)
            elif self._at is _At.VALUE:
                at = self._value(data, at)
            elif self._at is _At.CLOSE:
                at = self._close(data, at)
            elif self._at is _At.REST:
                at = self._rest(data, at)
            else:
                at = self._lost(data, at, found, refused)
        return found, refused

    def end(self) -> tuple[list[Entry], list[Rejected]]:
        """The last entry: whole when its last field is, with or without the empty line."""
        found: list[Entry] = []
        refused: list[Rejected] = []
        if self.inside:
            if self._held or self._at is not _At.LINE:
                self._refuse("", "cut_off", "the stream ends within the entry")
            self._finish(found, refused)
        return found, refused

    def _line(
        self, data: bytes, at: int, found: list[Entry], refused: list[Rejected]
    ) -> int:
        end = data.find(b"\n", at)
        if end < 0:
            self._held += data[at:]
            room = 0 if self._wrong else JOURNALD_ENTRY_BYTES - self._size
            if len(self._held) > max(room, _NAME_MOST):
                self._too_long()
            return len(data)
        line = data[at:end]
        if self._held:
            line = bytes(self._held) + line
            self._held.clear()
        if not line:
            self._finish(found, refused)
            return end + 1
        name, equals, value = line.partition(b"=")
        if equals and len(name) <= _NAME_MOST:
            self._keep(name, value, line + b"\n")
        elif _NAME.fullmatch(line):
            self._name, self._at = line, _At.LENGTH
        else:
            self._lose("a line is neither a field nor the name of one", bare=True)
        return end + 1

    def _too_long(self) -> None:
        """A line that does not end within the bounds: a large text, or no field at all."""
        name, equals, _ = bytes(self._held[: _NAME_MOST + 1]).partition(b"=")
        self._held.clear()
        if equals:
            self._refuse(name.decode("utf-8", "replace"), *_TOO_LARGE)
            self._fields += 1
            self._at = _At.REST
        else:
            self._lose("a line is neither a field nor the name of one", bare=False)

    def _length(self, data: bytes, at: int) -> int:
        end = at + _LENGTH_BYTES - len(self._held)
        self._held += data[at:end]
        if len(self._held) < _LENGTH_BYTES:
            return len(data)
        self._left = int.from_bytes(self._held, "little")
        if self._left > JOURNALD_VALUE_BYTES:
            self._held.clear()
            self._lose(f"a value of {self._left} bytes is announced", bare=False)
            return end
        if self._size + len(self._name) + self._left > JOURNALD_ENTRY_BYTES:
            self._refuse(self._name.decode(), *_TOO_LARGE)
        self._at = _At.VALUE if self._left else _At.CLOSE
        return end

    def _value(self, data: bytes, at: int) -> int:
        end = min(at + self._left, len(data))
        if self._wrong is None:
            self._held += data[at:end]
        self._left -= end - at
        if not self._left:
            self._at = _At.CLOSE
        return end

    def _close(self, data: bytes, at: int) -> int:
        whole = bytes(self._held)
        self._held.clear()
        if data[at : at + 1] != b"\n":
            self._lose("no line end follows a binary value", bare=False)
            return at
        self._at = _At.LINE
        self._keep(self._name, whole[_LENGTH_BYTES:], self._name + b"\n" + whole + b"\n")
        return at + 1

    def _rest(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at)
        if end < 0:
            return len(data)
        self._at = _At.LINE
        return end + 1

    def _lost(
        self, data: bytes, at: int, found: list[Entry], refused: list[Rejected]
    ) -> int:
        end = data.find(b"\n", at)
        if end < 0:
            self._bare = False
            return len(data)
        if end == at and self._bare:
            self._finish(found, refused)
        self._bare = True
        return end + 1

    def _keep(self, name: bytes, value: bytes, whole: bytes) -> None:
        """One field; `whole` is how it came."""
        self._fields += 1
        if self._wrong is not None:
            return
        self._size += len(whole)
        if self._size > JOURNALD_ENTRY_BYTES:
            self._refuse(name.decode("utf-8", "replace"), *_TOO_LARGE)
            return
        if self._fields > JOURNALD_FIELDS:
            reason = f"an entry has at most {JOURNALD_FIELDS} fields"
            self._refuse("", "too_many_fields", reason)
            return
        self._parts.append(whole)
        key, text = _name_of(name), value.decode("utf-8", "replace")
        if not key:
            return  # the journal knows no such field; it stays in the entry's bytes
        before = self._record.get(key)
        if before is None:
            self._record[key] = text
        elif isinstance(before, list):
            before.append(text)
        else:
            self._record[key] = [before, text]

    def _refuse(self, field: str, code: str, reason: str) -> None:
        """The entry is not kept; the first reason stands."""
        self._wrong = self._wrong or (field, code, reason)
        self._parts, self._record = [], {}

    def _lose(self, reason: str, *, bare: bool) -> None:
        """The entry breaks the form: nothing of it is read further."""
        self._refuse("", "bad_entry", reason)
        self._at, self._bare = _At.LOST, bare

    def _finish(self, found: list[Entry], refused: list[Rejected]) -> None:
        """The entry is at its end; an empty line by itself is none."""
        if self._fields or self._wrong:
            self._number += 1
        if self._wrong is not None:
            field, code, reason = self._wrong
            refused.append(Rejected(line=self._number, field=field, code=code, reason=reason))
        elif self._fields:
            found.append(Entry(self._number, b"".join(self._parts), self._record))
        self._held.clear()
        self._at = _At.LINE
        self._clear()


_TOO_LARGE: Final = ("too_large", f"an entry has at most {JOURNALD_ENTRY_BYTES} bytes")


def taken(entries: list[Entry], refused: list[Rejected], given: Given) -> Taken:
    """Entries as messages: `__CURSOR`, the journal's name for the place of an entry, is the id."""
    return Taken([_message(one, given) for one in entries], refused)


def _message(entry: Entry, given: Given) -> Message:
    cursor = entry.record.get("__CURSOR", "")
    if not isinstance(cursor, str) or len(cursor) > NAME_CHARS:
        cursor = ""
    return Message(
        entry.number, entry.raw, given, inner=entry.record, id=cursor,
        raw_type="" if _is_text(entry.raw) else MEDIA_TYPE,
    )


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True
