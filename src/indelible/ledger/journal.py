"""The journal: what makes an event durable. One file, one key, one record a batch.

    header                                   store.records.Header: format, origin, file, first, keys
    u32 length | u64 first index | u32 crc32 | ciphertext       a batch
    ...
    u32 length | u64 next index  | u32 crc32 | ciphertext       empty closing record, last flag

The CRC covers length, first index and ciphertext. A record's content is `u32 count`, the bodies'
lengths (u32 each), their id marks (24 bytes each, zero without an id) and the bodies.

Write order: the keys are durable in the keyring, the file with its header is durable under its
name, then each `append` is one write and one `fdatasync`. An append that fails poisons the file:
nothing is appended to it any more and a failed sync is never retried, because the kernel may have
dropped the dirty pages and would then report success.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from indelible.base.errors import Damaged, DiskFull, LedgerStopped
from indelible.base.files import fsync_folder
from indelible.base.invariant import invariant
from indelible.base.limits import BATCH_BYTES, HOLE_EVENTS
from indelible.base.random import random_id
from indelible.store.keyring import JOURNAL, SALT, Keyring
from indelible.store.records import TAG, Header, RecordCipher, read_header

FORMAT = "indelible-journal/1"
SUFFIX = ".journal"
MARK = 24
_HEAD = struct.Struct(">IQI")
_MAX_RECORD = BATCH_BYTES + (4 + MARK) * 65_536 + 4 + TAG


class Batch(NamedTuple):
    """Consecutive events as they stand in one record."""

    first: int
    bodies: list[bytes]
    marks: bytes  # MARK bytes an event

    @property
    def end(self) -> int:
        """The index after the last."""
        return self.first + len(self.bodies)


def _encode(bodies: list[bytes], marks: bytes) -> bytes:
    count = len(bodies)
    lengths = struct.pack(f">I{count}I", count, *map(len, bodies))
    return b"".join((lengths, marks, *bodies))


def _decode(first: int, content: bytes) -> Batch:
    invariant(len(content) >= 4, "a journal record without a count")
    (count,) = struct.unpack_from(">I", content)
    invariant(4 + (4 + MARK) * count <= len(content), "a journal record counts more than it holds")
    lengths = struct.unpack_from(f">{count}I", content, 4)
    at = 4 + 4 * count
    marks = content[at : at + MARK * count]
    at += MARK * count
    bodies = []
    for length in lengths:
        bodies.append(content[at : at + length])
        at += length
    invariant(at == len(content), "a journal record's lengths do not add up")
    return Batch(first, bodies, marks)


def file_name(first: int, file_id: str) -> str:
    """Names sort by first index."""
    return f"{first:020d}-{file_id}{SUFFIX}"


def first_of(path: Path) -> int:
    """The first index that the journal file of this name may hold."""
    return int(path.name.partition("-")[0])


def header_bytes(origin: str, path: Path) -> int:
    """How long the header of the journal file of this name is: key ids have a fixed length."""
    first, _, file_id = path.name.removesuffix(SUFFIX).partition("-")
    key = "0" * len(random_id())
    header = Header(
        format=FORMAT, origin=origin, file=file_id, first=int(first), key=key, salt_key=key
    )
    return len(header.encode())


class NewJournal(NamedTuple):
    """Keys made ahead for a journal file, durable in the keyring."""

    file_id: str
    key_id: str
    key: bytes
    salt_key_id: str
    salt_key: bytes

    @classmethod
    def prepare(cls, keyring: Keyring) -> NewJournal:
        """Fresh keys for one file."""
        file_id = random_id()
        (key_id, key), (salt_id, salt) = keyring.new_keys(((JOURNAL, file_id), (SALT, file_id)))
        return cls(file_id, key_id, key, salt_id, salt)


class JournalWriter:
    """The journal file being appended to."""

    def __init__(self, folder: Path, origin: str, first: int, keys: NewJournal) -> None:
        header = Header(
            format=FORMAT, origin=origin, file=keys.file_id, first=first,
            key=keys.key_id, salt_key=keys.salt_key_id,
        ).encode()
        self.path = folder / file_name(first, keys.file_id)
        self.first = self.next = first
        self.key_id, self.salt_key_id, self.salt_key = keys.key_id, keys.salt_key_id, keys.salt_key
        self._cipher = RecordCipher(keys.key, header)
        self._number = 0
        self._failed: str | None = None
        self.offset = 0
        self._handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            self._put(header)
            fsync_folder(folder)
        except BaseException as error:
            os.close(self._handle)
            self.path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise _trouble(error, self.path) from error
            raise

    def _put(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            written = os.pwrite(self._handle, view, self.offset)
            self.offset += written
            view = view[written:]
        os.fdatasync(self._handle)

    def append(self, bodies: list[bytes], marks: bytes, *, last: bool = False) -> None:
        """Make one batch durable. On return it survives a power cut.

        Raises `DiskFull` or `LedgerStopped`; after either the file takes nothing more. What was
        not durable is reported to nobody: a restart finds it whole or moves it to quarantine.
        """
        if self._failed is not None:
            raise LedgerStopped(f"the journal {self.path.name} failed before: {self._failed}")
        sealed = self._cipher.seal(self._number, _encode(bodies, marks), last=last)
        head = len(sealed).to_bytes(4, "big") + self.next.to_bytes(8, "big")
        crc = zlib.crc32(sealed, zlib.crc32(head))
        try:
            self._put(b"".join((head, crc.to_bytes(4, "big"), sealed)))
        except OSError as error:
            self._failed = error.strerror or str(error)
            raise _trouble(error, self.path) from error
        self._number += 1
        self.next += len(bodies)

    @property
    def failed(self) -> bool:
        """True after an append did not reach the disk."""
        return self._failed is not None

    def close(self) -> None:
        """Write the closing record (unless the file failed) and close; again, it does nothing."""
        if self._handle < 0:
            return
        try:
            if self._failed is None:
                self.append([], b"", last=True)
        finally:
            handle, self._handle = self._handle, -1
            os.close(handle)


def _trouble(error: OSError, path: Path) -> DiskFull | LedgerStopped:
    """An error of the disk under a journal file, in words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"the disk of {path.parent} is full")
    return LedgerStopped(f"{path}: {error.strerror or error}")


class JournalReader:
    """Reads one journal file record by record, checking each."""

    def __init__(self, path: Path, origin: str, keyring: Keyring) -> None:
        self.path = path
        self._file: BinaryIO = path.open("rb", buffering=0)
        self.header, raw = read_header(self._file, FORMAT, origin)
        if file_name(self.header.first, self.header.file) != path.name:
            raise Damaged(f"{path.name}: the name does not match its header")
        self._cipher = RecordCipher(keyring.get(self.header.key), raw)
        self.offset = len(raw)
        self.next = self.header.first
        self._number = 0
        self._current: Batch | None = None
        self.closed = False

    def read(self, until: int | None = None) -> Iterator[Batch]:
        """Whole records up to byte offset `until` (default: the end of the file).

        Raises `TornTail` at an incomplete or unreadable record; `offset` then is where it begins.
        """
        size = os.fstat(self._file.fileno()).st_size if until is None else until
        while self.offset < size and not self.closed:
            batch = self._record(size)
            if batch is not None:
                yield batch
        if self.closed and until is None and self.offset < size:
            raise Damaged(f"{self.path.name}: bytes follow the closing record")

    def _record(self, size: int) -> Batch | None:
        head = os.pread(self._file.fileno(), 16, self.offset)
        if len(head) < 16:
            raise TornTail(self.path, self.offset, self.next)
        length, first, crc = _HEAD.unpack(head)
        if length > _MAX_RECORD or length < TAG or self.offset + 16 + length > size:
            raise TornTail(self.path, self.offset, self.next)
        sealed = os.pread(self._file.fileno(), length, self.offset + 16)
        if len(sealed) != length or zlib.crc32(sealed, zlib.crc32(head[:12])) != crc:
            raise TornTail(self.path, self.offset, self.next)
        if first != self.next:
            raise Damaged(f"{self.path.name}: index {first} where {self.next} was due")
        content, last = self._open(sealed)
        self._number += 1
        self.offset += 16 + length
        self.closed = last
        batch = _decode(first, content)
        self.next = batch.end
        return batch if batch.bodies else None

    def _open(self, sealed: bytes) -> tuple[bytes, bool]:
        try:
            return self._cipher.open(self._number, sealed), False
        except Damaged:
            try:
                return self._cipher.open(self._number, sealed, last=True), True
            except Damaged as error:
                raise Damaged(
                    f"{self.path.name}: the record at index {self.next} is not what was written"
                ) from error

    def batch_of(self, index: int) -> Batch | None:
        """The batch that holds `index`, at or after the current place; None when it is not here.

        Earlier records are passed over undecrypted: only for reading back what was verified.
        """
        if self._current is not None and self._current.first <= index < self._current.end:
            return self._current
        handle = self._file.fileno()
        size = os.fstat(handle).st_size
        while self.offset + 16 <= size:
            length = int.from_bytes(os.pread(handle, 4, self.offset), "big")
            follow = self.offset + 16 + length
            after = _HEAD.unpack(os.pread(handle, 16, follow))[1] if follow + 16 <= size else None
            if after is None or after > index:
                self._current = self._record(size)
                if self._current is None or not self._current.first <= index < self._current.end:
                    return None
                return self._current
            self.offset, self.next = follow, after
            self._number += 1
        return None

    def whole_record_after(self, offset: int) -> bool:
        """Whether any whole record begins after `offset`: then a break there is not a torn tail.

        Looked for by the upper bytes of an index that can be due: at every byte of a torn batch
        something could be a length, and hashing for each would take minutes.
        """
        size = os.fstat(self._file.fileno()).st_size
        content = os.pread(self._file.fileno(), min(size - offset, 2 * _MAX_RECORD), offset)
        due = (self.next, self.next + HOLE_EVENTS)
        for upper in {(index >> 24).to_bytes(5, "big") for index in due}:
            at = content.find(upper, 5)
            while at >= 0:
                if self._whole(content, at - 4):
                    return True
                at = content.find(upper, at + 1)
        return False

    def _whole(self, content: bytes, at: int) -> bool:
        if len(content) - at < 16:
            return False
        length, first, crc = _HEAD.unpack_from(content, at)
        if not TAG <= length <= len(content) - at - 16 or first < self.next:
            return False
        body = content[at + 16 : at + 16 + length]
        return bool(zlib.crc32(body, zlib.crc32(content[at : at + 12])) == crc)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class TornTail(Damaged):
    """A journal ends in something that is not a whole record."""

    def __init__(self, path: Path, offset: int, index: int) -> None:
        super().__init__(f"{path.name}: no whole record at byte {offset} (index {index})")
        self.path, self.offset, self.index = path, offset, index


def journal_files(folder: Path) -> list[Path]:
    """The journal files of a ledger, by first index."""
    return sorted(folder.glob(f"[!.]*{SUFFIX}"))


def journal_spans(folder: Path, size: int) -> list[tuple[int, int]]:
    """(index after its last event, bytes) of each journal file of a ledger of `size` events."""
    files = journal_files(folder)
    firsts = [first_of(path) for path in files]
    ends = [*firsts[1:], size]
    return [(end, path.stat().st_size) for end, path in zip(ends, files, strict=False)]
