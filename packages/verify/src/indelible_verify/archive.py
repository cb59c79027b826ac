"""Reading a ZIP archive that may be hostile: exact names, no hidden parts, bounded sizes.

What any reader could see in the file must be what is verified here, also a reader that goes from
member to member without the directory. So the archive must consist of the named members one after
the other and its directory, with nothing before, between or behind, and nothing within a member
behind the end of its deflated data; headers and directory must say the same, and no extra field
may give a member another name.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from indelible_verify import limits
from indelible_verify.errors import Damaged, Refused

_LOCAL: Final = struct.Struct("<4s5H3I2H")
_ENCRYPTED: Final = 0x1
_DESCRIPTOR: Final = 0x8
_MEMBERS: Final = 64
_STEP: Final = 1 << 16
_ZIP64: Final = struct.Struct("<2H2Q")
"""The extra field of ZIP64: the sizes of a large member. No other may stand in a bundle."""

_IN_EXTRA: Final = 0xFFFFFFFF
"""What a header says of a size that stands in the extra field."""

_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, struct.error)


class Archive:
    """A bundle's archive, open for reading; raises Refused or Damaged when it is not one.

    `sizes` gives each name that must be there and the most bytes it may unfold to.
    """

    def __init__(self, path: Path, sizes: Mapping[str, int]) -> None:
        self._file = _open_regular(path)
        try:
            self._zip = self._read_directory(sizes)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()
        self._file.close()

    def read(self, name: str) -> bytes:
        """Whole content of a member, within its limit; raises Damaged."""
        with self.stream(name) as member:
            return member.read()

    def size(self, name: str) -> int:
        """Size the directory gives for a member; reading more than that fails."""
        return self._zip.getinfo(name).file_size

    def stream(self, name: str) -> MemberStream:
        """Open a member for reading piece by piece."""
        try:
            return MemberStream(name, self._zip.open(name))
        except (*_BROKEN, NotImplementedError, RuntimeError) as error:
            raise Damaged(f"{name}: {error}") from None

    def _read_directory(self, sizes: Mapping[str, int]) -> zipfile.ZipFile:
        size = os.fstat(self._file.fileno()).st_size
        if size > limits.ARCHIVE_BYTES:
            raise Refused(f"the archive is larger than {limits.ARCHIVE_BYTES} bytes")
        if self._file.read(4) != b"PK\x03\x04":
            raise Refused("the file is not a ZIP archive")
        start = self._check_end(size)
        try:
            archive = zipfile.ZipFile(self._file)
        except (*_BROKEN, NotImplementedError) as error:
            raise Damaged(f"the archive's directory is damaged: {error}") from None
        _check_names([info.orig_filename for info in archive.infolist()], set(sizes))
        for info in archive.infolist():
            _check_member(info, sizes[info.filename])
        self._check_layout(archive, start)
        for info in archive.infolist():
            if info.compress_type == zipfile.ZIP_DEFLATED:
                self._check_deflated(info)
        return archive

    def _check_layout(self, archive: zipfile.ZipFile, start: int) -> None:
        at = 0
        for info in sorted(archive.infolist(), key=lambda member: member.header_offset):
            if info.header_offset != at:
                raise Damaged(f"bytes that belong to no member stand before {info.filename}")
            self._file.seek(at)
            header = self._file.read(_LOCAL.size)
            if len(header) < _LOCAL.size:
                raise Damaged(f"the header of {info.filename} is cut off")
            magic, _, flags, method, _, _, *numbers, name_size, extra_size = _LOCAL.unpack(header)
            name, extra = self._file.read(name_size), self._file.read(extra_size)
            same = (flags, method, name) == (
                info.flag_bits,
                info.compress_type,
                info.orig_filename.encode("utf-8"),
            )
            if magic != b"PK\x03\x04" or not same or not _same_numbers(numbers, info, extra):
                raise Damaged(f"header and directory disagree about {info.filename}")
            at += _LOCAL.size + name_size + extra_size + info.compress_size
            at += self._descriptor_size(info, at)
        if not start == archive.start_dir == at:
            raise Damaged("bytes that belong to no member stand before the directory")

    def _check_deflated(self, info: zipfile.ZipInfo) -> None:
        """The deflated data end exactly where the member does: nothing hides behind them."""
        self._file.seek(info.header_offset + _LOCAL.size - 4)
        name_size, extra_size = struct.unpack("<2H", self._file.read(4))
        self._file.seek(name_size + extra_size, os.SEEK_CUR)
        left, unpacker = info.compress_size, zlib.decompressobj(-zlib.MAX_WBITS)
        waiting = b""
        try:
            while (left or waiting) and not unpacker.eof:
                if not waiting:
                    waiting = self._file.read(min(left, _STEP))
                    left -= len(waiting)
                unpacker.decompress(waiting, _STEP)
                waiting = unpacker.unconsumed_tail
        except zlib.error:
            return  # reading the member says so
        if left or unpacker.unused_data:
            raise Damaged(f"bytes that belong to no member stand within {info.filename}")

    def _descriptor_size(self, info: zipfile.ZipInfo, at: int) -> int:
        if not info.flag_bits & _DESCRIPTOR:
            return 0
        self._file.seek(at)
        found = self._file.read(24)
        for sizes in ("<3I", "<I2Q"):
            plain = struct.pack(sizes, info.CRC, info.compress_size, info.file_size)
            for descriptor in (b"PK\x07\x08" + plain, plain):
                if found.startswith(descriptor):
                    return len(descriptor)
        raise Damaged(f"the data descriptor of {info.filename} is damaged")

    def _check_end(self, size: int) -> int:
        """Check the record at the end, before anything trusts it; gives the directory's place."""
        self._file.seek(max(0, size - 42))
        before, end = self._file.read(20), self._file.read(22)
        if len(end) < 22 or end[:4] != b"PK\x05\x06":
            raise Damaged("the archive does not end with its directory")
        disk, disk_of_start, here, count, length, start, comment = struct.unpack("<4H2IH", end[4:])
        if before.startswith(b"PK\x06\x07") or (disk, disk_of_start, comment) != (0, 0, 0):
            raise Damaged("the archive's end is not that of one plain ZIP file")
        if here != count or count > _MEMBERS or length > limits.ARCHIVE_DIRECTORY_BYTES:
            raise Damaged(f"the archive's directory lists {count} members in {length} bytes")
        if start + length + 22 != size:
            raise Damaged("bytes that belong to no member stand at the archive's end")
        return int(start)


class _Raw(io.RawIOBase):
    """A member as the raw stream that a buffered reader wants."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


class MemberStream:
    """One member of an archive, read piece by piece; every fault becomes Damaged."""

    def __init__(self, name: str, stream: IO[bytes]) -> None:
        self._name = name
        self._stream = io.BufferedReader(_Raw(stream), 1 << 16)

    def __enter__(self) -> MemberStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    def read(self, count: int = -1) -> bytes:
        """Read `count` bytes or to the end; the checksum is checked at the end."""
        try:
            return self._stream.read(count)
        except (*_BROKEN, NotImplementedError) as error:
            raise Damaged(f"{self._name}: {error}") from None

    def line(self, top: int) -> bytes:
        """Read one line of at most `top` bytes, with its 0x0A where it has one."""
        try:
            return self._stream.readline(top)
        except (*_BROKEN, NotImplementedError) as error:
            raise Damaged(f"{self._name}: {error}") from None


def _open_regular(path: Path) -> IO[bytes]:
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Refused(f"{path} is not a regular file")
    return os.fdopen(handle, "rb")


def read_small(path: Path, top: int) -> bytes:
    """Whole content of a regular file of at most `top` bytes; raises Refused."""
    with _open_regular(path) as file:
        data = file.read(top + 1)
    if len(data) > top:
        raise Refused(f"{path} is longer than {top} bytes")
    return data


def _same_numbers(numbers: list[int], info: zipfile.ZipInfo, extra: bytes) -> bool:
    """Whether a member's own header gives checksum and sizes as the directory does, or leaves them
    to a descriptor; and whether neither has an extra field that says something else."""
    wide = _wide_sizes(extra)
    if wide is None or _wide_sizes(info.extra) is None:
        return False
    told = [info.CRC, info.compress_size, info.file_size]
    if info.flag_bits & _DESCRIPTOR:
        later = [0, 0, 0], [0, _IN_EXTRA, _IN_EXTRA]
        return numbers == told or numbers == later[bool(wide)]
    if wide:
        return numbers == [info.CRC, _IN_EXTRA, _IN_EXTRA] and wide == told[:0:-1]
    return numbers == told


def _wide_sizes(extra: bytes) -> list[int] | None:
    """The sizes in ZIP64's extra field, plain before packed; none in none; None for any other."""
    if not extra:
        return []
    if len(extra) != _ZIP64.size or not extra.startswith(b"\x01\x00\x10\x00"):
        return None
    return list(_ZIP64.unpack(extra)[2:])


def _check_names(names: list[str], wanted: set[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise Damaged(f"the archive holds {name!r} twice")
        if name not in wanted:
            raise Damaged(f"the archive holds {name!r}, which the specification does not name")
        seen.add(name)
    missing = sorted(wanted - seen)
    if missing:
        raise Damaged(f"the archive lacks {', '.join(missing)}")


def _check_member(info: zipfile.ZipInfo, top: int) -> None:
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise Damaged(f"{info.filename} is not a plain file in the archive")
    if info.comment:
        raise Damaged(f"{info.filename} has a comment in the archive")
    if info.flag_bits & _ENCRYPTED:
        raise Damaged(f"{info.filename} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Damaged(f"{info.filename} is neither stored nor deflated")
    if info.compress_type == zipfile.ZIP_STORED and info.flag_bits & _DESCRIPTOR:
        raise Damaged(f"{info.filename} is stored without its size before it")
    if info.file_size > top:
        raise Refused(f"{info.filename} unfolds to {info.file_size} bytes, more than {top}")
