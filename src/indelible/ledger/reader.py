"""Reads bodies, salts, entries and leaves back: from evidence when sealed, else from the journal.

Used by every process that reads; sees new segments after `refresh`. Safe between threads.
"""

from __future__ import annotations

import bisect
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator

import msgspec

from indelible.base.errors import Damaged, KeyMissing, NotFound
from indelible.base.limits import FRAME_EVENTS, OPEN_SEGMENTS, TILE_EVENTS, TILES_KEPT
from indelible.ledger.journal import Batch, JournalReader, TornTail, first_of, journal_files
from indelible.ledger.kernel import SaltStream, entry_of, head_of, heads_of, leaves_of
from indelible.ledger.paths import LedgerPaths
from indelible.store.evidence import EvidenceReader
from indelible.store.keyring import Keyring
from indelible.store.manifest import Manifest, SegmentRow


class Stored(msgspec.Struct, frozen=True):
    """One event as it stands on disk."""

    index: int
    body: bytes
    salt: bytes

    @property
    def entry(self) -> bytes:
        """The 60 bytes that body and salt imply."""
        return entry_of(self.body, head_of(self.body), self.salt)


class LedgerReader:
    """Everything a reader needs of one ledger's files."""

    def __init__(
        self, paths: LedgerPaths, origin: str, keyring: Keyring, manifest: Manifest
    ) -> None:
        self._paths, self.origin, self._keyring, self._manifest = paths, origin, keyring, manifest
        self._lock = threading.RLock()
        self._open: OrderedDict[str, EvidenceReader] = OrderedDict()
        self._salts: OrderedDict[str, SaltStream] = OrderedDict()
        self._tiles: OrderedDict[int, bytes] = OrderedDict()
        self.segments: list[SegmentRow] = []
        self._ends: list[int] = []
        self.refresh()

    def refresh(self) -> None:
        """Look at the manifest again."""
        with self._lock:
            self.segments = self._manifest.segments()
            self._ends = [row.end for row in self.segments]

    @property
    def sealed_end(self) -> int:
        """The first index that is not in a segment this reader knows."""
        return self._ends[-1] if self._ends else 0

    def segment_of(self, index: int) -> SegmentRow:
        """The segment that holds a sealed index."""
        return self.segments[bisect.bisect_right(self._ends, index)]

    def evidence(self, row: SegmentRow) -> EvidenceReader:
        """The open reader of a segment."""
        with self._lock:
            found = self._open.get(row.file)
            if found is None:
                path = self._paths.evidence / row.file
                try:
                    found = EvidenceReader(path, self.origin, self._keyring.get(row.key))
                except FileNotFoundError as error:
                    raise Damaged(
                        f"indexes {row.first}..{row.end - 1}: the evidence file {row.file} is gone"
                    ) from error
                self._open[row.file] = found
                while len(self._open) > OPEN_SEGMENTS:
                    self._open.popitem(last=False)  # it closes with the last thread that reads it
            self._open.move_to_end(row.file)
            return found

    def salt_stream(self, key_id: str) -> SaltStream:
        """Salts under one salt key."""
        with self._lock:
            found = self._salts.get(key_id)
            if found is None:
                found = self._salts[key_id] = SaltStream(self._keyring.get(key_id))
                while len(self._salts) > 256:
                    self._salts.popitem(last=False)
            return found

    def one(self, index: int, *, alone: bool = False) -> Stored:
        """Body and salt of one event; raises `NotFound` beyond what is durable.

        `alone`: nobody asks for another of its frame, so the frame is not kept.
        """
        if index < self.sealed_end:
            evidence = self.evidence(self.segment_of(index))
            salt = self.salt_stream(evidence.salt_key_of(index)).salt(index)
            return Stored(index, evidence.body(index, alone=alone), salt)
        found = self._from_journal([index]).get(index)
        if found is not None:
            return found
        self.refresh()
        if index < self.sealed_end:
            return self.one(index)
        raise NotFound(f"there is no event {index}")

    def many(self, indexes: Iterable[int]) -> list[Stored]:
        """Several events, in the order asked for."""
        wanted = list(indexes)
        each = dict.fromkeys(wanted)
        alone = _alone(sorted(each))
        found = self._from_journal(sorted(i for i in each if i >= self.sealed_end))
        for index in each:
            if index not in found:
                found[index] = self.one(index, alone=index in alone)
        return [found[index] for index in wanted]

    def _from_journal(self, indexes: list[int]) -> dict[int, Stored]:
        """Unsealed events by ascending index, each journal file opened once."""
        found: dict[int, Stored] = {}
        files = journal_files(self._paths.journal) if indexes else []
        starts = [first_of(path) for path in files]
        for at, path in enumerate(files):
            stop = starts[at + 1] if at + 1 < len(files) else 1 << 63
            here = [index for index in indexes if starts[at] <= index < stop]
            if not here:
                continue
            try:
                reader = JournalReader(path, self.origin, self._keyring)
            except FileNotFoundError:
                continue
            except KeyMissing:
                if path.exists():
                    raise
                continue  # sealed away: the file goes, then its key
            try:
                stream = self.salt_stream(reader.header.salt_key)
                for index in here:
                    batch = reader.batch_of(index)
                    if batch is not None:
                        body = batch.bodies[index - batch.first]
                        found[index] = Stored(index, body, stream.salt(index))
            except TornTail:
                pass  # being written: what is asked for and durable lies before it
            finally:
                reader.close()
        return found

    def spans(self, first: int, end: int) -> Iterator[tuple[int, list[bytes], bytes]]:
        """(first index, bodies, salts) of consecutive pieces that cover [first, end).

        A seal beside it only changes where the next piece is read.
        """
        while first < end:
            low = first
            sealed = first < self.sealed_end
            pieces = self._sealed(first, end) if sealed else self._unsealed(first, end)
            for start, bodies, salts in pieces:
                yield start, bodies, salts
                first = start + len(bodies)
            if first == low:
                self.refresh()
                if first >= self.sealed_end:
                    raise NotFound(f"there is no event {first}")

    def _sealed(self, first: int, end: int) -> Iterator[tuple[int, list[bytes], bytes]]:
        while first < end and first < self.sealed_end:
            row = self.segment_of(first)
            evidence = self.evidence(row)
            for number in range(evidence.frame_of(first), len(evidence.footer.frames)):
                frame = evidence.footer.frames[number]
                bodies = evidence.frame(number)
                low, high = max(first, frame.first), min(end, frame.first + frame.count)
                if low >= high:
                    break
                salts = b"".join(
                    self.salt_stream(key).salts(a, b - a)
                    for key, a, b in _salt_pieces(evidence, low, high)
                )
                yield low, bodies[low - frame.first : high - frame.first], salts
                first = high
            if first < row.end and first < end:
                raise Damaged(f"{row.file}: no frame holds index {first}")

    def _unsealed(self, first: int, end: int) -> Iterator[tuple[int, list[bytes], bytes]]:
        """As `spans`, from the journal; ends early where a file was sealed away meanwhile."""
        for batch, stream in self._journal(first):
            if batch.first > first:
                return
            stop = min(end, batch.end)
            if first < stop:
                bodies = batch.bodies[first - batch.first : stop - batch.first]
                yield first, bodies, stream.salts(first, stop - first)
                first = stop
            if first >= end:
                return

    def tile_leaves(self, tile: int) -> bytes:
        """The leaves of level-0 tile `tile`, as far as events are stored."""
        with self._lock:
            found = self._tiles.get(tile)
        if found is None or len(found) < TILE_EVENTS * 32:
            first = tile * TILE_EVENTS
            found = b"".join(
                leaves_of(bodies, heads_of(bodies), salts)
                for _, bodies, salts in self.spans(first, min(first + TILE_EVENTS, self.sealed_end))
            )
            with self._lock:
                self._tiles[tile] = found
                while len(self._tiles) > TILES_KEPT:
                    self._tiles.popitem(last=False)
        return found

    def _journal(self, index: int) -> Iterator[tuple[Batch, SaltStream]]:
        """Batches from the one that holds `index` on, from the journal files."""
        files = journal_files(self._paths.journal)
        starts = [first_of(path) for path in files]
        at = max(0, bisect.bisect_right(starts, index) - 1)
        for path in files[at:]:
            try:
                reader = JournalReader(path, self.origin, self._keyring)
            except FileNotFoundError:
                return
            except KeyMissing:
                if path.exists():
                    raise
                return
            try:
                stream = self.salt_stream(reader.header.salt_key)
                first = reader.batch_of(max(index, reader.header.first))
                if first is not None:
                    yield first, stream
                for batch in reader.read():
                    yield batch, stream
            except TornTail:
                if path != files[-1]:
                    raise
            finally:
                reader.close()

    def close(self) -> None:
        """Close every file."""
        for evidence in self._open.values():
            evidence.close()
        self._open.clear()


def _alone(indexes: list[int]) -> set[int]:
    """Those of ascending indexes that are a frame's length and more from the next."""
    around = [-FRAME_EVENTS, *indexes, max(indexes, default=0) + FRAME_EVENTS]
    return {
        index for before, index, after in zip(around, around[1:], around[2:], strict=False)
        if index - before >= FRAME_EVENTS <= after - index
    }


def _salt_pieces(evidence: EvidenceReader, low: int, high: int) -> Iterator[tuple[str, int, int]]:
    spans = evidence.footer.salts
    for position, span in enumerate(spans):
        after = spans[position + 1].first if position + 1 < len(spans) else high
        a, b = max(low, span.first), min(high, after)
        if a < b:
            yield span.key, a, b
