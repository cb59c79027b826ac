"""What following files asks of the system: which there are, what they are, what they hold.

Only regular files are opened, without waiting (a FIFO would block) and without writing. Symbolic
links are followed where they are to be trusted: their target is what is read, and another target is
another file. Handles are bounded over all sources: the one longest unused is closed, and opened
again by path, device and inode, so that what is read is what was looked at.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from glob import has_magic, iglob
from threading import Lock
from typing import Final, NamedTuple

from indelible.base.errors import BadRequest
from indelible.base.limits import FOLLOW_FILES, FOLLOW_OPEN_FILES
from indelible.ingest.decompress import plain_chunks

_MAGIC: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")


class Seen(NamedTuple):
    """A regular file as a look found it."""

    path: str
    device: int
    inode: int
    size: int
    mtime_ns: int
    links: int

    @property
    def identity(self) -> tuple[int, int]:
        """Which file of this machine it is, until it is removed."""
        return self.device, self.inode

    @property
    def stamp(self) -> tuple[int, int]:
        """What changes when it is written to."""
        return self.size, self.mtime_ns


def seen_at(path: str) -> Seen | None:
    """The regular file at `path`, if there is one."""
    try:
        return _seen(path, os.stat(path))
    except (OSError, ValueError):
        return None


def listed(pattern: str) -> list[Seen]:
    """The regular files that a path or a glob names, each once, the longest unchanged first."""
    paths = iglob(pattern, recursive=True) if has_magic(pattern) else iter((pattern,))
    found: dict[tuple[int, int], Seen] = {}
    for path in paths:
        one = seen_at(path)
        if one is not None and one.identity not in found:
            found[one.identity] = one
            if len(found) >= FOLLOW_FILES:
                break
    return sorted(found.values(), key=lambda one: (one.mtime_ns, one.path))


def trusted(one: Seen) -> bool:
    """Whether no link on the way to a file was made by somebody who could not read it.

    Who may write to a folder of logs could else have any file read that this process may read, as
    the kernel's `protected_symlinks` has it for shared folders: the owner of a link is root, this
    process's user, or the owner of the file.
    """
    try:
        status = os.stat(one.path)
        if (status.st_dev, status.st_ino) != one.identity:
            return False
        owners = {0, os.geteuid(), status.st_uid}
        path = ""
        for part in one.path.split("/")[1:]:
            path = f"{path}/{part}"
            step = os.lstat(path)
            if stat.S_ISLNK(step.st_mode) and step.st_uid not in owners:
                return False
    except OSError:
        return False
    return True


def in_folder(folder: str) -> Iterator[Seen]:
    """The regular files of a folder, links left out."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.is_file(follow_symlinks=False):
                    found = _seen(entry.path, entry.stat(follow_symlinks=False))
                    if found is not None:
                        yield found


def _seen(path: str, status: os.stat_result) -> Seen | None:
    if not stat.S_ISREG(status.st_mode):
        return None
    return Seen(
        path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_nlink
    )


class Handle:
    """A file that is open for reading; `Handles` may close it at any time to make room.

    Reads and closing exclude each other: a number that was closed may be another file by now.
    """

    def __init__(self, path: str, identity: tuple[int, int]) -> None:
        """Raises `OSError` when the path is not, or no longer, that file."""
        self._lock = Lock()
        self._number = _open(path, identity)

    def look(self) -> Seen | None:
        """What is to be known of the file, wherever its name is."""
        with self._lock, suppress(OSError):
            return _seen("", os.fstat(self._number))
        return None

    def read(self, size: int, offset: int) -> bytes:
        """Up to `size` bytes; raises `OSError`."""
        with self._lock:
            return os.pread(self._number, size, offset)

    def data_from(self, offset: int) -> int:
        """Where data stand from `offset` on, behind a hole; `offset` where that is not known."""
        with self._lock, suppress(OSError):
            return os.lseek(self._number, offset, os.SEEK_DATA)
        return offset

    def close(self) -> None:
        """Give it back."""
        with self._lock:
            if self._number >= 0:
                os.close(self._number)
            self._number = -1


class Handles:
    """The handles of all sources: no more than `FOLLOW_OPEN_FILES` at once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: OrderedDict[object, Handle] = OrderedDict()

    def get(self, owner: object) -> Handle | None:
        """The handle of `owner`, if it is still open."""
        with self._lock:
            if owner in self._open:
                self._open.move_to_end(owner)
            return self._open.get(owner)

    def open(self, owner: object, path: str, identity: tuple[int, int]) -> Handle:
        """Open the file of `owner`; raises `OSError` when the path is not that file."""
        handle = Handle(path, identity)
        with self._lock:
            self._open[owner] = handle
            self._open.move_to_end(owner)
            spare = len(self._open) - FOLLOW_OPEN_FILES
            for _ in range(min(spare, len(self._open) - 1)):
                self._open.pop(self._unused()).close()
        return handle

    def _unused(self) -> object:
        """The one longest unused of those that may be opened again, the last one aside."""
        names = list(self._open)[:-1]
        for name in names:
            found = self._open[name].look()
            if found is None or found.links:
                return name
        return names[0]

    def close(self, owner: object) -> None:
        """Close the handle of `owner`, if there is one."""
        with self._lock:
            handle = self._open.pop(owner, None)
            if handle is not None:
                handle.close()


def _open(path: str, identity: tuple[int, int]) -> int:
    number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode) or (status.st_dev, status.st_ino) != identity:
        os.close(number)
        raise FileNotFoundError(f"{path} is another file by now")
    return number


def is_packed(head: bytes) -> bool:
    """Whether a file that begins so is packed with gzip or zstd."""
    return head.startswith(_MAGIC)


def unpacked(path: str, identity: tuple[int, int]) -> Iterator[bytes]:
    """The content of a packed file in chunks.

    Raises `BadRequest` where it is damaged or ends too early, `OSError` where it cannot be read.
    """
    with os.fdopen(_open(path, identity), "rb") as file:
        yield from plain_chunks(file, path)


def whole(path: str, identity: tuple[int, int]) -> bool:
    """Whether a packed file can be unpacked to its end."""
    try:
        for _ in unpacked(path, identity):
            pass
    except (BadRequest, OSError):
        return False
    return True
