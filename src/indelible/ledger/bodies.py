"""What recomputing all bodies gives: the hash of every whole tile, and what could not be read.

Where events are lost the stored tile hash stands in: if a signed root then still follows, exactly
those events are damaged and everything else is as it was signed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from hashlib import sha256

import msgspec

from indelible.base.errors import Damaged
from indelible.base.limits import TILE_EVENTS
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.scan import (
    Finding,
    H,
    Scanned,
    Want,
    lost_tiles,
    scan_segment,
    scan_segments,
)
from indelible.ledger.scan_tail import JournalsScan
from indelible.ledger.tree_state import MAX_LEVEL, LogTree, subtree_root
from indelible.store.keyring import Keyring
from indelible.store.manifest import SegmentRow


class Bodies(msgspec.Struct, kw_only=True):
    """The outcome of a `BodyCheck`."""

    hashes: list[bytes] = []  # of whole tiles as computed, the stored one where events are lost
    level1: bytes = b""  # tiles/1 as stored
    edge: bytes = b""  # leaves above the last whole tile
    kept: dict[int, bytes] = {}
    size: int = 0
    sealed: int = 0
    unknown_from: int = 1 << 63  # the first index for which neither events nor tile hash are there
    findings: list[Finding] = []
    mismatched: list[int] = []
    events: int = 0
    roots: dict[int, bytes] = {}  # of each whole segment that was recomputed, by first index

    def stored(self, tile: int) -> bytes:
        """The stored hash of a tile; empty where none is stored."""
        if (tile + 1) * TILE_EVENTS > self.sealed:
            return b""
        found = self.level1[tile * H : tile * H + H]
        return found if len(found) == H else b""

    def tree(self, as_stored: Collection[int] = ()) -> LogTree:
        """The tree, with the stored hash instead of the computed one for these tiles."""
        tree = LogTree(self._leaves)
        for number, computed in enumerate(self.hashes):
            tree.push_tile(self.stored(number) if number in as_stored else computed)
        tree.append(self.edge)
        return tree

    def _leaves(self, tile: int) -> bytes:
        found = self.kept.get(tile)
        if found is None:
            raise Damaged(f"the leaves of tile {tile} are not known")
        return found

    def root(self, tree: LogTree, size: int) -> bytes | None:
        """The root of a size, or None where lost events leave it open."""
        if size == 0:
            return sha256(b"").digest()
        if size > min(self.size, self.unknown_from):
            return None
        try:
            return tree.root(size)
        except Damaged:
            return None


class BodyCheck:
    """Recomputes leaves of a ledger's evidence and journals.

    Roots will be asked for at `sizes`, and at those in `needed` whatever is left out; `top` is the
    largest size that anybody signed. `more(at)` looks again for the segment that holds an index (of
    a running ledger, or a file that the manifest does not name).
    """

    def __init__(
        self, paths: LedgerPaths, origin: str, keyring: Keyring, rows: list[SegmentRow], *,
        sizes: Iterable[int], needed: Iterable[int], top: int,
        more: Callable[[int], SegmentRow | None],
    ) -> None:
        self._paths, self._origin, self._keyring, self._rows = paths, origin, keyring, rows
        self._needed = [size for size in needed if size % TILE_EVENTS]
        odd = (size for size in (*sizes, *self._needed) if size % TILE_EVENTS)
        self._tiles = frozenset(size // TILE_EVENTS for size in odd)
        self._top, self._more = top, more
        self._edge = bytearray()
        self._filled = 0
        self._hollow = False
        self._lost: set[int] = set()
        self._received = 0
        self._out = Bodies(hashes=[], kept={}, findings=[], mismatched=[], roots={})
        self._out.sealed = rows[-1].end if rows else 0

    def run(
        self, first: int, end: int | None, quick: bool, advance: Callable[[int], None]
    ) -> Bodies:
        """Recompute the segments that touch [first, end); take the others' tile hashes as stored.

        With `quick` only the newest segment is recomputed. The journals are, always.
        """
        out = self._out
        self._read_level1()
        chosen = self._chosen(first, end, quick)
        wants = [Want(row, row.first, self._tiles) for row in self._rows if row.first in chosen]
        scans = scan_segments(self._paths, self._origin, self._keyring, wants, advance)
        for row in self._rows:
            if row.first in chosen:
                self._take(next(scans))
            else:
                self._trust(row.end)
        journals = JournalsScan(
            self._paths, self._origin, self._keyring, first=out.sealed, top=self._top,
            rescue=self._rescue,
        )
        for scanned in journals.run():
            self._take(scanned)
            advance(scanned.end - scanned.first)
        self._finish()
        return out

    def _chosen(self, first: int, end: int | None, quick: bool) -> set[int]:
        """Segments to recompute, by first index."""
        chosen: set[int] = set()
        needed = {size // TILE_EVENTS * TILE_EVENTS for size in (*self._needed, self._out.sealed)}
        for row in self._rows:
            touched = row.end > first and (end is None or row.first < end) and not quick
            asked = any(at < row.end and row.first < at + TILE_EVENTS for at in needed)
            if touched or asked or row is self._rows[-1]:
                chosen.add(row.first)
        return chosen

    def _read_level1(self) -> None:
        full = self._out.sealed // TILE_EVENTS
        try:
            with (self._paths.tiles / "1").open("rb") as file:
                self._out.level1 = file.read(full * H)
        except OSError as error:
            if full:
                self._about_tiles(0, full, TILE_EVENTS, f"tiles/1: {error.strerror}")
            return
        have = len(self._out.level1) // H
        if have < full:
            text = f"tiles/1 holds {have} hashes, {full} are due"
            self._about_tiles(have, full, TILE_EVENTS, text)

    def _about_tiles(self, low: int, high: int, width: int, message: str) -> None:
        """A finding about the stored hashes [low, high) of subtrees of `width` events."""
        first, last = low * width, min(high * width, max(self._out.sealed, low * width + 1)) - 1
        self._out.findings.append(Finding("tampered", first, last, message, False))

    def _rescue(self, at: int) -> Scanned | None:
        """Events from `at` on out of a segment that is not among those known at the beginning."""
        row = self._more(at)
        if row is None:
            return None
        want = Want(row, at, self._tiles)
        return scan_segment(self._paths, self._origin, self._keyring, want)

    # --- putting the pieces together

    def _take(self, scanned: Scanned) -> None:
        out = self._out
        out.findings += scanned.findings
        if scanned.received_min and scanned.received_min < self._received:
            text = f"received times go back at {scanned.first}"
            out.findings.append(Finding("tampered", scanned.first, scanned.first, text, False))
        self._received = max(self._received, scanned.received_max)
        out.events += scanned.end - scanned.first
        out.kept.update(scanned.kept)
        if scanned.root:
            out.roots[scanned.first] = scanned.root
        self._lost |= lost_tiles(scanned.findings)
        self._leaves(scanned.leaves)
        for at in range(0, len(scanned.tiles), H):
            self._tile(scanned.tiles[at : at + H])
        self._leaves(scanned.rest)

    def _leaves(self, leaves: bytes) -> None:
        at = 0
        while at < len(leaves):
            part = leaves[at : at + (TILE_EVENTS - self._filled) * H]
            at += len(part)
            self._edge += part
            self._filled += len(part) // H
            self._close_tile()

    def _trust(self, end: int) -> None:
        """Events up to `end` are not recomputed: their tiles are as stored."""
        at = len(self._out.hashes) * TILE_EVENTS + self._filled
        while at < end:
            step = min(end - at, TILE_EVENTS - self._filled)
            at += step
            self._filled += step
            self._hollow = True
            self._close_tile()

    def _close_tile(self) -> None:
        """The tile being filled is complete: its hash, the stored one if leaves were left out."""
        if self._filled < TILE_EVENTS:
            return
        number, leaves = len(self._out.hashes), bytes(self._edge)
        hollow, self._hollow, self._filled = self._hollow, False, 0
        self._edge.clear()
        if hollow:
            self._push(self._out.stored(number))
            return
        if number in self._tiles and number not in self._lost:
            self._out.kept[number] = leaves
        self._tile(subtree_root(leaves))

    def _tile(self, computed: bytes) -> None:
        number = len(self._out.hashes)
        stored = self._out.stored(number)
        if number in self._lost:
            self._push(stored)
            return
        if stored and stored != computed:
            self._out.mismatched.append(number)
        self._push(computed)

    def _push(self, value: bytes) -> None:
        out = self._out
        if not value:
            out.unknown_from = min(out.unknown_from, len(out.hashes) * TILE_EVENTS)
        out.hashes.append(value or bytes(H))

    def _finish(self) -> None:
        out = self._out
        begin = len(out.hashes) * TILE_EVENTS
        out.edge, out.size = bytes(self._edge), begin + len(self._edge) // H
        for finding in out.findings:
            if finding.lost and finding.last >= begin:
                out.unknown_from = min(out.unknown_from, max(finding.first, begin))
        self._check_levels()

    def _check_levels(self) -> None:
        """Stored tile hashes above level 1 must follow from those of level 1.

        From those stored there or from those of the events: where level 1 itself is damaged, what
        lies above it is not blamed for that.
        """
        full = self._out.sealed // TILE_EVENTS
        views = {b"".join(self._out.hashes[:full]), self._out.level1}
        views = {view for view in views if len(view) == full * H}
        width = TILE_EVENTS
        for level in range(2, MAX_LEVEL + 1):
            width *= TILE_EVENTS
            views = {_above(view) for view in views}
            count = full // (width // TILE_EVENTS)
            if not count:
                return
            try:
                with (self._paths.tiles / str(level)).open("rb") as file:
                    stored = file.read(count * H)
            except OSError:
                stored = b""
            have = len(stored) // H
            if have < count:
                text = f"tiles/{level} holds {have} hashes, {count} are due"
                self._about_tiles(have, count, width, text)
            for at in range(have):
                due = {view[at * H : at * H + H] for view in views} - {bytes(H)}
                if due and stored[at * H : at * H + H] not in due:
                    text = f"tiles/{level} does not follow from tiles/1 at {at}: no event is blamed"
                    self._about_tiles(at, at + 1, width, text)


def _above(hashes: bytes) -> bytes:
    """The hashes one level up; zeros for one of which a hash below is not known (zeros too)."""
    out = []
    for at in range(0, len(hashes) - TILE_EVENTS * H + 1, TILE_EVENTS * H):
        part = hashes[at : at + TILE_EVENTS * H]
        unknown = any(part[low : low + H] == bytes(H) for low in range(0, len(part), H))
        out.append(bytes(H) if unknown else subtree_root(part))
    return b"".join(out)
