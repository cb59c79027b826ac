"""The keeper: follows the journal from disk, vouches for its root, seals and compacts.

It shares no memory with the writer, so what it re-reads is what the disk holds. In the server it
runs in the sealer process; in the local mode of the command line in the same one.
"""

from __future__ import annotations

import fcntl
import os
from typing import BinaryIO

from indelible.base.errors import FolderInUse
from indelible.base.limits import COMPACT_EVENTS, SEGMENT_BYTES, SEGMENT_EVENTS
from indelible.ledger.compact import OBSOLETE_US, compact_once, remove_obsolete
from indelible.ledger.incoming import Durable
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.reader import LedgerReader
from indelible.ledger.seal import Sealer, Segment, sweep_unnamed, take_segment
from indelible.ledger.seen import compact as compact_ids
from indelible.ledger.seen import sweep as sweep_ids
from indelible.ledger.seen import sweep_unsealed
from indelible.ledger.tail import Chunk, Tail
from indelible.ledger.tree_state import LogTree
from indelible.store.keyring import SEEN, Keyring
from indelible.store.manifest import ColumnsRow, Manifest, SegmentRow


def sealing_turn(paths: LedgerPaths) -> BinaryIO:
    """Be the only process that seals: until the file is closed or this process ends.

    To be taken before there is a `Keeper`; raises `FolderInUse`. The folder's lock is the writer's:
    a sealer whose writer was killed may be in the midst of a segment, and what the next one sweeps
    as nobody's would be what the first is about to name.
    """
    file = os.fdopen(os.open(paths.sealing, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise FolderInUse(f"an earlier sealer of {paths.data} has not ended yet") from error
    return file


class Keeper:
    """One ledger's follower and sealer. `seal` and `compact` may run in another thread."""

    def __init__(
        self, paths: LedgerPaths, origin: str, keyring: Keyring, manifest: Manifest,
        reader: LedgerReader,
    ) -> None:
        self.paths, self.origin, self.keyring, self.manifest = paths, origin, keyring, manifest
        sweep_unnamed(paths, manifest, keyring)
        sweep_unsealed(paths.ids, manifest.sealed_end())
        remove_obsolete(paths, keyring, manifest, grace_us=0)
        tree = LogTree(reader.tile_leaves)
        tree.load(paths.tiles, reader.sealed_end)
        self.tail = Tail(paths, origin, keyring, tree)
        self._sealer = Sealer(paths, origin, keyring, manifest)
        self._secret = keyring.newest(SEEN)
        self.sealed_end = reader.sealed_end
        self._small: int | None = None

    def follow(self, durable: Durable, limit: int = 8_192) -> bool:
        """Read on; True when everything durable was read back."""
        return self.tail.follow(durable, limit)

    def checked(self) -> tuple[int, bytes]:
        """Size and root of what was read back from disk."""
        return self.tail.end, self.tail.tree.root(self.tail.end)

    def chunks(self, *, partial: bool) -> list[Chunk]:
        """New columns of the tail."""
        return self.tail.build_chunks(partial=partial)

    def due(self) -> int | None:
        """Where the next segment ends, when a whole one is in the tail, by events or by bytes."""
        end = (self.tail.start // SEGMENT_EVENTS + 1) * SEGMENT_EVENTS
        if self.tail.bytes > SEGMENT_BYTES:
            return min(end, self.tail.cut(self.tail.start, SEGMENT_BYTES))
        return end if self.tail.end >= end else None

    def overdue(self, now_us: int, age_us: int) -> int | None:
        """The tail's end, when its first event was received `age_us` ago or earlier."""
        received = self.tail.received
        return self.tail.end if received and now_us - received[0] >= age_us else None

    def take(self, end: int) -> Segment:
        """The next segment, ready to be sealed."""
        return take_segment(self.tail, end)

    def seal(self, segment: Segment) -> SegmentRow:
        """Make a segment durable; the tail still holds it until `drop`."""
        row = self._sealer.seal(segment, self.tail)
        self._small = None
        compact_ids(self.paths.ids, self._secret)
        return row

    def drop(self, end: int) -> None:
        """The segment up to `end` is sealed and known to readers."""
        self.tail.drop_below(end)
        self.sealed_end = end

    def sweep_ids(self) -> None:
        """Remove replaced id runs; only after the writer has reloaded."""
        sweep_ids(self.paths.ids)

    def compact(self) -> ColumnsRow | None:
        """One step of compaction, if one is due."""
        self._small = None
        return compact_once(self.paths, self.origin, self.keyring, self.manifest)

    def small_files(self) -> int:
        """How many column files are smaller than a compacted one."""
        if self._small is None:
            rows = self.manifest.columns()
            self._small = sum(row.rows < COMPACT_EVENTS for row in rows)
        return self._small

    def remove_obsolete(self, grace_us: int = OBSOLETE_US) -> int:
        """Remove column files that were replaced long enough ago."""
        return remove_obsolete(self.paths, self.keyring, self.manifest, grace_us)
