"""Torn ends of journal files: kept aside, cut off, and reported by an event, whatever crashes.

A crash right after the event repeats it.

A file is `NAME.OFFSET.INDEX.torn`: cut off journal file NAME at byte OFFSET, where the event INDEX
would have begun. Until an event of the log speaks of it, `.unreported` follows (`spec/storage.md`
section 2).
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from indelible.base.files import fsync_folder, write_durably
from indelible.base.limits import TORN_REPORTS
from indelible.ledger.journal import SUFFIX, TornTail
from indelible.ledger.paths import LedgerPaths

_UNREPORTED = ".unreported"
_TORN = rf"\d{{20}}-[0-9a-f]{{16}}{re.escape(SUFFIX)}\.\d{{1,12}}\.(?P<index>\d{{1,19}})\.torn"
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


def unreported(paths: LedgerPaths, size: int) -> list[Torn]:
    """What no event of the log of `size` events speaks of yet, by index; TORN_REPORTS at most.

    Names are anybody's who can write the folder, as torn ends themselves are: neither says more
    than that bytes are here for which nobody was answered. What cannot be one is left lying.
    """
    names = [_NAME.fullmatch(path.name) for path in paths.quarantine.iterdir() if path.is_file()]
    found = [Torn(name["file"], int(name["index"])) for name in names if name is not None]
    fitting = [torn for torn in found
               if torn.at <= size and not (paths.quarantine / torn.file).is_dir()]
    return sorted(fitting, key=lambda torn: (torn.at, torn.file))[:TORN_REPORTS]


def mark_reported(paths: LedgerPaths, torn: Torn) -> None:
    """An event of the log speaks of it, durably."""
    (paths.quarantine / f"{torn.file}{_UNREPORTED}").rename(paths.quarantine / torn.file)
    fsync_folder(paths.quarantine)
