"""`reindex`: what follows from evidence is made again, in a folder that nobody else has open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from indelible.app.local import LocalLedger
from indelible.app.place import Place
from indelible.base.errors import IndelibleError
from indelible.base.files import FolderLock
from indelible.ledger.found import (
    drop_new,
    found_segments,
    new_manifest,
    put_in_place,
    sound_manifest,
)
from indelible.ledger.incoming import own_record
from indelible.ledger.reindex import Reindexer


class ReindexReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was made again; `manifest` is `kept` or `rebuilt`, `recorded` the event or why not."""

    segments: int
    events: int
    ids: int
    column_files: int
    manifest: str
    recorded: str


def reindex_folder(data: Path, progress: Callable[[int, int], None]) -> ReindexReport:
    """Make manifest, tiles, id index and column files of a stopped ledger again from evidence.

    Works on a folder that `serve` refuses because of them. Raises `FolderInUse`; `Damaged` when
    evidence and journal do not give what was signed, and then nothing was changed.
    """
    place = Place.at(data.absolute())
    origin, paths = place.settings.origin, place.paths
    paths.make()
    lock = FolderLock(paths.lock)
    keyring = place.keyring()
    try:
        found = found_segments(paths, origin, keyring)
        kept = sound_manifest(paths, found)
        manifest = kept or new_manifest(paths, found)
        try:
            made = Reindexer(paths, origin, keyring, manifest, progress).run()
            manifest.close()
            if kept is None:
                put_in_place(paths)
        except BaseException:
            manifest.close()
            drop_new(paths)
            raise
    finally:
        keyring.close()
        lock.release()
    facts: dict[str, object] = {
        "segments": made.segments, "events": made.events,
        "manifest": "kept" if kept is not None else "rebuilt",
    }
    return ReindexReport(
        segments=made.segments, events=made.events, ids=made.ids, column_files=made.column_files,
        manifest=str(facts["manifest"]),
        recorded=record_in(place.data, "indelible.ledger.reindex", facts),
    )


def record_in(data: Path, action: str, facts: dict[str, object]) -> str:
    """Open the ledger, write one event of its own, close it: `event N`, or why it could not be.

    What was done is done: that the ledger refuses for another reason is said, not raised.
    """

    async def write() -> int:
        async with LocalLedger(data) as ledger:
            return await ledger.core.own(own_record("event", action, facts, "execute"))

    try:
        return f"event {asyncio.run(write())}"
    except IndelibleError as error:
        return f"not recorded: {error.message}"
