"""Reading evidence back for verification: segment by segment, in several processes.

A scan recomputes what the bodies imply (commitment, entry, leaf) and gives leaves and tile hashes;
what it cannot read it names as ranges. It decides nothing: `ledger.verify` compares with what was
signed. Nothing here trusts a stored length, offset or count: whoever holds the data keys can have
written them.
"""

from __future__ import annotations

import multiprocessing
import sqlite3
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from indelible.base.errors import Damaged, KeyMissing
from indelible.base.invariant import InvariantViolated
from indelible.base.limits import SCAN_PARALLEL_EVENTS, SCAN_PROCESSES, TILE_EVENTS
from indelible.ledger.kernel import SaltStream, head_of, leaves_of, received_of_head
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.tree_state import subtree_root
from indelible.store.evidence import FORMAT as EVIDENCE_FORMAT
from indelible.store.evidence import EvidenceReader, Footer, Frame
from indelible.store.keyring import Keyring
from indelible.store.manifest import SegmentRow
from indelible.store.records import read_header

H = 32
BROKEN = (
    Damaged, InvariantViolated, OSError, ValueError, LookupError, ArithmeticError, struct.error,
    sqlite3.Error, msgspec.MsgspecError,
)
"""What reading hostile bytes may raise."""


class Finding(NamedTuple):
    """Something that is not as it must be, for indexes first..last.

    `lost` says that the leaves of the range are not known; otherwise they are, and only their
    place or their times are wrong.
    """

    verdict: str
    first: int
    last: int
    message: str
    lost: bool = True


class Scanned(NamedTuple):
    """Consecutive events from `first`: leaves, then hashes of whole tiles, then leaves again.

    Leaves in a lost range are zero, and so are the hashes of tiles that touch one. `kept` has the
    leaves of the tiles that were asked for.
    """

    first: int
    leaves: bytes
    tiles: bytes
    rest: bytes
    kept: dict[int, bytes]
    received_min: int
    received_max: int
    findings: list[Finding]
    root: bytes = b""
    """The tree hash of a whole segment's leaves as a tree of their own; empty when not known."""

    @property
    def end(self) -> int:
        """The index after the last."""
        return self.first + (len(self.leaves) + len(self.tiles) * TILE_EVENTS + len(self.rest)) // H


class Want(NamedTuple):
    """What to scan of a segment: from which index, and the tiles whose leaves are needed."""

    row: SegmentRow
    start: int
    tiles: frozenset[int]


def describe(error: BaseException, name: str) -> str:
    """A message for people."""
    if isinstance(error, Damaged):
        return error.message if name in error.message else f"{name}: {error.message}"
    if isinstance(error, OSError) and error.strerror:
        return f"{name}: {error.strerror}"
    return f"{name}: not what was written ({error})"


def verdict_of(error: BaseException) -> str:
    """A range whose key is gone is unreadable; anything else is tampering."""
    return "unreadable" if isinstance(error, KeyMissing) else "tampered"


def key_of(keyring: Keyring, key_id: str) -> bytes:
    """A key; raises `KeyMissing` also when the keyring's row of it was altered."""
    try:
        return keyring.get(key_id)
    except KeyMissing:
        raise
    except (Damaged, sqlite3.Error, TypeError, ValueError) as error:
        text = f"the key {key_id} cannot be read: {describe(error, 'keyring')}"
        raise KeyMissing(text) from error


def lost(first: int, end: int, verdict: str, message: str) -> Scanned:
    """Events [first, end) of which no leaf is known."""
    found = Finding(verdict, first, end - 1, message)
    return Scanned(first, bytes(H * (end - first)), b"", b"", {}, 0, 0, [found])


class SegmentScan:
    """Recomputes one evidence segment."""

    def __init__(self, paths: LedgerPaths, origin: str, keyring: Keyring, want: Want) -> None:
        self._paths, self._origin, self._keyring = paths, origin, keyring
        self._row, self._start, self._wanted = want
        self._salts: dict[str, SaltStream] = {}
        self._findings: list[Finding] = []
        self._times: list[int] = []

    def run(self) -> Scanned:
        """See `scan_segment`."""
        row = self._row
        try:
            path = self._paths.evidence / row.file
            evidence = EvidenceReader(path, self._origin, self._key(path), cached_frames=1)
        except BROKEN as error:
            return lost(self._start, row.end, verdict_of(error), describe(error, row.file))
        try:
            return self._scan(evidence)
        finally:
            evidence.close()

    def _key(self, path: Path) -> bytes:
        """The key that the file's header names, else the one that the manifest names."""
        try:
            with path.open("rb") as file:
                named = read_header(file, EVIDENCE_FORMAT, self._origin)[0].key
            return key_of(self._keyring, named)
        except Damaged:
            return key_of(self._keyring, self._row.key)

    def _scan(self, evidence: EvidenceReader) -> Scanned:
        row, footer = self._row, evidence.footer
        if (footer.first, footer.end) != (row.first, row.end):
            message = f"{row.file} holds {footer.first}..{footer.end - 1}, not what names it"
            return lost(self._start, row.end, "tampered", message)
        if not _covers(footer):
            message = f"{row.file}: its frames do not cover {row.first}..{row.end - 1}"
            return lost(self._start, row.end, "tampered", message)
        leaves = b"".join(
            self._frame(evidence, number, frame) for number, frame in enumerate(footer.frames)
        )
        return self._pack(leaves[(self._start - row.first) * H :])

    def _frame(self, evidence: EvidenceReader, number: int, frame: Frame) -> bytes:
        end = frame.first + frame.count
        try:
            bodies = evidence.frame(number)
            heads = [head_of(body) for body in bodies]
            leaves = leaves_of(bodies, heads, self._salt(evidence.footer, frame.first, end))
        except BROKEN as error:
            message = describe(error, self._row.file)
            self._findings.append(Finding(verdict_of(error), frame.first, end - 1, message))
            return bytes(H * frame.count)
        times = [head[16:24] for head in heads]
        first = received_of_head(heads[0])
        if times != sorted(times) or (self._times and first < self._times[-1]):
            message = f"{self._row.file}: received times go back in {frame.first}..{end - 1}"
            self._findings.append(Finding("tampered", frame.first, end - 1, message, False))
        self._times += (first, received_of_head(heads[-1]))
        return leaves

    def _salt(self, footer: Footer, first: int, end: int) -> bytes:
        out = []
        spans = footer.salts
        for position, span in enumerate(spans):
            stop = spans[position + 1].first if position + 1 < len(spans) else end
            low, high = max(first, span.first), min(end, stop)
            if low < high:
                if span.key not in self._salts:
                    self._salts[span.key] = SaltStream(key_of(self._keyring, span.key))
                out.append(self._salts[span.key].salts(low, high - low))
        salts = b"".join(out)
        if len(salts) != H * (end - first):
            raise Damaged(f"{self._row.file}: no salt key for all of {first}..{end - 1}")
        return salts

    def _pack(self, leaves: bytes) -> Scanned:
        start, end = self._start, self._row.end
        low = -(-start // TILE_EVENTS)
        high = max(low, end // TILE_EVENTS)
        bad = lost_tiles(self._findings)
        if low * TILE_EVENTS >= end:
            root = b"" if bad or start != self._row.first else subtree_root(leaves)
            return Scanned(start, leaves, b"", b"", {}, *self._span(), self._findings, root)
        tiles, kept = [], {}
        for tile in range(low, high):
            at = (tile * TILE_EVENTS - start) * H
            part = leaves[at : at + TILE_EVENTS * H]
            tiles.append(bytes(H) if tile in bad else subtree_root(part))
            if tile in self._wanted and tile not in bad:
                kept[tile] = part
        head = leaves[: (low * TILE_EVENTS - start) * H]
        rest = leaves[(high * TILE_EVENTS - start) * H :]
        root = b""
        if not bad and start == self._row.first:
            aligned = not head and tiles
            root = subtree_root(
                b"".join([*tiles, subtree_root(rest)] if rest else tiles) if aligned else leaves
            )
        return Scanned(
            start, head, b"".join(tiles), rest, kept, *self._span(), self._findings, root
        )

    def _span(self) -> tuple[int, int]:
        return (self._times[0], self._times[-1]) if self._times else (0, 0)


def _covers(footer: Footer) -> bool:
    at = footer.first
    for frame in footer.frames:
        if frame.first != at or frame.count < 1:
            return False
        at += frame.count
    return at == footer.end and all(a.first < b.first for a, b in pairwise(footer.salts))


def lost_tiles(findings: list[Finding]) -> set[int]:
    """Tiles that touch a lost range."""
    found: set[int] = set()
    for one in findings:
        if one.lost:
            found.update(range(one.first // TILE_EVENTS, one.last // TILE_EVENTS + 1))
    return found


def scan_segment(paths: LedgerPaths, origin: str, keyring: Keyring, want: Want) -> Scanned:
    """Recompute the leaves of one evidence segment; never raises for what the files hold."""
    return SegmentScan(paths, origin, keyring, want).run()


def scan_segments(
    paths: LedgerPaths, origin: str, keyring: Keyring, wants: list[Want],
    advance: Callable[[int], None],
) -> Iterator[Scanned]:
    """Scan segments in order, in `SCAN_PROCESSES` processes when there are many."""
    if sum(want.row.end - want.start for want in wants) < SCAN_PARALLEL_EVENTS:
        for want in wants:
            yield scan_segment(paths, origin, keyring, want)
            advance(want.row.end - want.start)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        SCAN_PROCESSES, mp_context=context, initializer=_prepare,
        initargs=(paths.data, origin, keyring.folder),
    ) as pool:
        ahead = 2 * SCAN_PROCESSES
        waiting = [pool.submit(_scan, want) for want in wants[:ahead]]
        for position, want in enumerate(wants):
            scanned = waiting.pop(0).result()
            if position + ahead < len(wants):
                waiting.append(pool.submit(_scan, wants[position + ahead]))
            yield scanned
            advance(want.row.end - want.start)


_place: list[tuple[LedgerPaths, str, Keyring]] = []


def _prepare(data: Path, origin: str, keys: Path) -> None:
    _place.append((LedgerPaths(data), origin, Keyring(keys, origin, read_only=True)))


def _scan(want: Want) -> Scanned:
    return scan_segment(*_place[0], want)
