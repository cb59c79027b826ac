"""Copying a ledger's files so that the copy is there after a power cut, or not at all.

Everything is built in a folder beside its place, under a name that no command takes for a ledger,
made durable file by file and folder by folder, and only then renamed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from indelible.base.errors import DiskFull, IndelibleError, LedgerStopped
from indelible.base.files import fsync_folder, make_folder, write_durably
from indelible.base.limits import FILE_CHUNK_BYTES
from indelible.base.random import random_id
from indelible.base.settings import FILE_NAME, load

ABOUT = "backup.json"
STATE = "state"
_SETTING = re.compile(r"^\s*([a-z_]+)\s*=")


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup says of itself in `backup.json`: where it came from, and what it holds."""

    origin: str
    size: int
    root: str
    made: str
    keys: str
    state: str
    format: str = "indelible-backup/1"


def about_of(folder: Path) -> About | None:
    """What stands in a backup's `backup.json`; None for a plain copy of a data folder."""
    try:
        return msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise IndelibleError(f"{folder / ABOUT} cannot be read: {error}") from error


def is_free(folder: Path) -> bool:
    """True when there is nothing at `folder`, or an empty folder."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        return False
    return not folder.exists() or not any(folder.iterdir())


def overlap(one: Path, other: Path) -> bool:
    """True when the places are the same or one lies inside the other."""
    a, b = one.resolve(), other.resolve()
    return a == b or a in b.parents or b in a.parents


@contextmanager
def built_beside(place: Path) -> Iterator[Path]:
    """A new folder that becomes `place` when the block ends, and vanishes when it fails.

    A crash leaves it as `.NAME.unfinished-ID` beside the place. Raises `DiskFull` and
    `LedgerStopped` for trouble with the disk.
    """
    try:
        make_folder(place.parent)
        build = place.parent / f".{place.name}.unfinished-{random_id()}"
        build.mkdir(mode=0o700)
        try:
            yield build
            sync_tree(build)
            os.rename(build, place)
            fsync_folder(place.parent)
        except BaseException:
            shutil.rmtree(build, ignore_errors=True)
            raise
    except OSError as error:
        raise disk_error(error, place) from error


def disk_error(error: OSError, place: Path) -> IndelibleError:
    """An error of the disk in words."""
    if isinstance(error, IndelibleError):
        return error
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"the disk of {place} is full; nothing was left there")
    return LedgerStopped(
        f"{error.filename or place}: {error.strerror or error}", code="store_failed",
        remedy="Look at the disk and at the folder's owner and mode; then give the command again.",
    )


def copy_file(source: Path, to: Path) -> str:
    """Copy the bytes of a file to a new one (mode 0600), durably; their SHA-256 in hex.

    Raises `FileNotFoundError` when the source is gone; then nothing is there.
    """
    digest = hashlib.sha256()
    with source.open("rb", buffering=0) as reader:
        handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb", buffering=0) as writer:
            while piece := reader.read(FILE_CHUNK_BYTES):
                digest.update(piece)
                view = memoryview(piece)
                while view:
                    view = view[writer.write(view) :]
            os.fsync(writer.fileno())
    return digest.hexdigest()


def sync_tree(folder: Path) -> None:
    """Make every file and every name below `folder` durable."""
    for root, _, names in os.walk(folder):
        for name in names:
            handle = os.open(os.path.join(root, name), os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        fsync_folder(Path(root))


def tree_bytes(folder: Path) -> int:
    """Bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def write_settings(source: Path, to: Path, **changed: str) -> None:
    """The settings file of folder `source` in folder `to`, with other values for some settings.

    Everything else stays as it was written, comments too. Raises `SettingsError` when the result
    would not load.
    """
    old = (source / FILE_NAME).read_text("utf-8").splitlines()
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in changed.items()]
    for line in old:
        found = _SETTING.match(line)
        if found is None or found[1] not in changed:
            lines.append(line)
    write_durably(to / FILE_NAME, ("\n".join(lines) + "\n").encode())
    load(to, {})


Advance = Callable[[int, int], None]
