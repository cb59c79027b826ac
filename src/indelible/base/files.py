"""Writing files so that they are there after a power cut, call by call.

`write_durably`: open a temporary name in the same folder (O_CREAT|O_EXCL), write, fsync the file,
rename over the final name, fsync the folder. A crash before the rename leaves the old content and
a `.tmp-` file that `sweep_temporary` removes at start; a crash after it leaves the new content.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from indelible.base.errors import FolderInUse
from indelible.base.random import random_id

TEMPORARY = ".tmp-"


def fsync_folder(folder: Path) -> None:
    """Make names created, renamed or removed in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Create `folder` with mode 0700 (and its parents) and make its name durable."""
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        make_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    fsync_folder(folder.parent)


def write_with(path: Path, fill: Callable[[BinaryIO], None], mode: int = 0o600) -> None:
    """Let `fill` write the new content of `path`, then make it durable as the module describes."""
    temporary = path.parent / f"{TEMPORARY}{random_id()}-{path.name}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def write_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace the content of `path` atomically and durably."""

    def fill(file: BinaryIO) -> None:
        file.write(content)

    write_with(path, fill, mode)


def sweep_temporary(folder: Path) -> int:
    """Remove what an interrupted `write_with` left; returns how many files."""
    count = 0
    for path in folder.glob(f"{TEMPORARY}*"):
        path.unlink(missing_ok=True)
        count += 1
    return count


def remove_durably(path: Path) -> None:
    """Unlink `path` if it is there and make that durable."""
    path.unlink(missing_ok=True)
    fsync_folder(path.parent)


class FolderLock:
    """An exclusive lock on a folder, held until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._handle, 64, 0).decode("ascii", "replace").strip()
            os.close(self._handle)
            raise FolderInUse(
                f"{path.parent} is in use by another process ({holder or 'unknown'})"
            ) from error
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"pid {os.getpid()}".encode(), 0)

    def release(self) -> None:
        """Give the folder back."""
        os.close(self._handle)
