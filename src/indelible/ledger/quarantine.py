"""Torn ends of journal files: kept aside, cut off, and reported by an event, whatever crashes.

A file is `NAME.OFFSET.INDEX.torn`: cut off journal file NAME at byte OFFSET, where the event INDEX
would have begun. Until an event of the log speaks of it, `.unreported` follows (`spec/storage.md`
section 2).
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from indelible.base.files import fsync_folder, write_durably
from indelible.ledger.journal import SUFFIX, TornTail
from indelible.ledger.paths import LedgerPaths

_UNREPORTED = ".unreported"
_TORN = rf"\d{{20}}-[0-9a-f]{{16}}{SUFFIX}\.\d{{1,12}}\.(?P<index>\d{{1,19}})\.torn"
_NAME = re.compile(f"(?P<file>{_TORN}){_UNREPORTED}", re.ASCII)


class Torn(NamedTuple):
    """A torn end by its name in `quarantine/`, and the index at which it would have stood."""

    file: str
    at: int


def set_aside(paths: LedgerPaths, torn: TornTail) -> None:
    """Keep the torn bytes and cut them off, so that the file ends in whole records.

    A crash in between repeats it: the name is the same, and so are the bytes.
    """
    with torn.path.open("rb") as file:
        file.seek(torn.offset)
        content = file.read()
    name = f"{torn.path.name}.{torn.offset}.{torn.index}.torn{_UNREPORTED}"
    write_durably(paths.quarantine / name, content)
    handle = os.open(torn.path, os.O_RDWR)
    try:
        os.ftruncate(handle, torn.offset)
        os.fsync(handle)
    finally:
        os.close(handle)


def unreported(paths: LedgerPaths) -> list[Torn]:
    """What no event of the log speaks of yet, by index."""
    names = [_NAME.fullmatch(path.name) for path in paths.quarantine.iterdir()]
    found = [Torn(name["file"], int(name["index"])) for name in names if name is not None]
    return sorted(found, key=lambda torn: (torn.at, torn.file))


def mark_reported(paths: LedgerPaths, torn: Torn) -> None:
    """An event of the log speaks of it, durably."""
    (paths.quarantine / f"{torn.file}{_UNREPORTED}").rename(paths.quarantine / torn.file)
    fsync_folder(paths.quarantine)
