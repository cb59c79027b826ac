"""Reading one journal file back for verification, also a broken one.

A record that opens under the file's key as number n is exactly what was written as number n, so in
a broken file every record that still opens is put back into its place by its number: what is
missing then is the smallest range, and what merely stands in the wrong place is told apart.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from indelible.base.errors import Damaged
from indelible.base.limits import (
    BATCH_BYTES,
    HOLE_EVENTS,
    JOURNAL_WINDOW_BYTES,
    RECORD_MOVED,
    SEGMENT_EVENTS,
)
from indelible.ledger.journal import FORMAT, MARK, file_name
from indelible.ledger.kernel import SaltStream
from indelible.ledger.scan import Finding, key_of
from indelible.store.keyring import Keyring
from indelible.store.records import TAG, RecordCipher, read_header

_HEAD = struct.Struct(">IQI")
_MAX_RECORD = BATCH_BYTES + (4 + MARK) * SEGMENT_EVENTS + 4 + TAG


class Record(NamedTuple):
    """A record as its frame shows it: byte offset, length, and the first index it claims."""

    offset: int
    length: int
    first: int

    @property
    def stop(self) -> int:
        """The byte after it."""
        return self.offset + 16 + self.length


class Opened(NamedTuple):
    """A record that opened as number `number`."""

    number: int
    first: int
    bodies: list[bytes]
    marks: bytes
    last: bool

    @property
    def end(self) -> int:
        """The index after its events."""
        return self.first + len(self.bodies)


def decode(first: int, content: bytes) -> tuple[list[bytes], bytes]:
    """Bodies and id marks of a record's content; raises `Damaged` on lengths that do not add up."""
    (count,) = struct.unpack_from(">I", content)
    at = 4 + 4 * count + MARK * count
    if at > len(content):
        raise Damaged(f"the record at index {first} is shorter than its count")
    bodies = []
    for length in struct.unpack_from(f">{count}I", content, 4):
        bodies.append(content[at : at + length])
        at += length
    if at != len(content):
        raise Damaged(f"the lengths in the record at index {first} do not add up")
    return bodies, content[4 + 4 * count : 4 + (4 + MARK) * count]


class JournalScan:
    """One file. Opening it raises one of `BROKEN` when header or keys do not read.

    `findings` and `torn` (what stands behind the last whole record) are complete once `records` is
    exhausted.
    """

    def __init__(self, path: Path, origin: str, keyring: Keyring) -> None:
        self.name = path.name
        self.findings: list[Finding] = []
        self.torn: Finding | None = None
        self._file = path.open("rb", buffering=0)
        try:
            self.header, raw = read_header(self._file, FORMAT, origin)
            if file_name(self.header.first, self.header.file) != self.name:
                raise Damaged(f"{self.name}: the name does not match its header")
            self._cipher = RecordCipher(key_of(keyring, self.header.key), raw)
            self.salts = SaltStream(key_of(keyring, self.header.salt_key))
        except BaseException:
            self._file.close()
            raise
        self._start = len(raw)
        self._size = os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def records(self) -> Iterator[Opened]:
        """Every record that opens, in the order in which it was written."""
        number, first, offset = 0, self.header.first, self._start
        closed = False
        while not closed:
            record = self._frame(offset)
            one = self._open(record, number) if record is not None else None
            if record is None or one is None or one.first != first:
                break
            yield one
            number, first, offset, closed = number + 1, one.end, record.stop, one.last
        if offset == self._size:
            return
        if closed:
            self._aside(first, first, "bytes follow the closing record")
            return
        found = self._search(offset)
        for record, place in self._rescue(found, offset, number, first):
            again = self._open(record, place)
            if again is not None:
                first, closed = max(first, again.end), again.last
                yield again
        if not closed:
            self._rest(found[-1].stop if found else offset, first)

    def _read(self, offset: int, length: int) -> bytes:
        return os.pread(self._file.fileno(), length, offset)

    def _frame(self, offset: int) -> Record | None:
        """The record whose frame is whole at this byte."""
        head = self._read(offset, 16)
        if len(head) < 16:
            return None
        length, first, crc = _HEAD.unpack(head)
        if not TAG <= length <= min(_MAX_RECORD, self._size - offset - 16):
            return None
        if not self.header.first <= first <= self.header.first + HOLE_EVENTS:
            return None
        if zlib.crc32(self._read(offset + 16, length), zlib.crc32(head[:12])) != crc:
            return None
        return Record(offset, length, first)

    def _search(self, offset: int) -> list[Record]:
        """Whole frames from `offset` on, whatever stands between them passed over."""
        found: list[Record] = []
        low = self.header.first >> 24
        prefixes = [(low + step).to_bytes(5, "big") for step in (0, 1)]
        while offset + 16 <= self._size:
            record = self._frame(offset)
            if record is not None:
                found.append(record)
                offset = record.stop
                continue
            window = self._read(offset + 5, JOURNAL_WINDOW_BYTES)
            places = [at for at in map(window.find, prefixes) if at >= 0]
            offset += 1 + (min(places) if places else max(1, len(window) - 5))
        return found

    def _open(self, record: Record, number: int) -> Opened | None:
        sealed = self._read(record.offset + 16, record.length)
        for last in (False, True):
            try:
                plain = self._cipher.open(number, sealed, last=last)
            except Damaged:
                continue
            bodies, marks = decode(record.first, plain)
            return Opened(number, record.first, bodies, marks, last)
        return None

    def _rescue(
        self, found: list[Record], offset: int, due: int, at: int
    ) -> list[tuple[Record, int]]:
        """Records and their numbers, by number; findings for gaps, strangers and moved ones."""
        places: dict[int, tuple[Record, int, int]] = {}
        strangers: list[int] = []
        known, number = at, due
        for record in found:
            if record.offset != offset:
                strangers.append(at)
            offset = record.stop
            one = self._guess(record, due)
            if one is None:
                strangers.append(at)
                continue
            if one.number in places or one.number < number:
                self._aside(one.first, one.end - 1, "a record stands twice")
                continue
            if one.number < due:
                self._aside(one.first, one.end - 1, "a record is out of place")
            places[one.number] = (record, one.first, one.end)
            due, at = max(due, one.number + 1), max(at, one.end)
        order = sorted(places)
        gaps = self._gaps([places[n][1:] for n in order], known)
        for index in strangers:
            if not any(low <= index <= high for low, high in gaps):
                self._aside(index, index, "bytes that are not this file's own stand here")
        return [(places[n][0], n) for n in order]

    def _guess(self, record: Record, due: int) -> Opened | None:
        near = range(max(0, due - RECORD_MOVED), due + RECORD_MOVED + 1)
        for number in sorted(near, key=lambda n: abs(n - due)):
            one = self._open(record, number)
            if one is not None:
                return one
        return None

    def _aside(self, first: int, last: int, what: str) -> None:
        """A finding that costs no events."""
        last = max(first, last)
        text = f"{self.name}: {what} (index {first}..{last})"
        self.findings.append(Finding("tampered", first, last, text, False))

    def _gaps(self, spans: list[tuple[int, int]], at: int) -> list[tuple[int, int]]:
        gaps = []
        for first, end in spans:
            if first > at:
                gaps.append((at, first - 1))
                text = f"{self.name}: the records of {at}..{first - 1} are gone or altered"
                self.findings.append(Finding("tampered", at, first - 1, text))
            at = max(at, end)
        return gaps

    def _rest(self, offset: int, at: int) -> None:
        left = self._size - offset
        if left <= 0:
            return
        head = self._read(offset, 4)
        whole = left >= 16 + TAG and left == 16 + int.from_bytes(head, "big")
        text = f"{self.name}: no whole record at byte {offset} (index {at})"
        self.torn = Finding("tampered" if whole else "torn", at, at, text)
