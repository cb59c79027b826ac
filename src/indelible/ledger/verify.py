"""Verification: is what is stored what was signed? Reads only; runs on any folder.

Everything is recomputed from bodies and salts; nothing stored is believed but the signed
checkpoints. Where a part cannot be read, the stored tile hashes stand in for it: if the signed root
then still follows, exactly that part is damaged and everything else is proven.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import msgspec

from indelible.base.clock import monotonic
from indelible.base.errors import EXIT_DAMAGED, EXIT_OK, Damaged
from indelible.base.limits import TILE_EVENTS
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.scan import Finding, Scanned, scan_journals, scan_segments
from indelible.ledger.tree_state import LogTree, subtree_root
from indelible.store.keyring import Keyring
from indelible.store.manifest import Manifest, SegmentRow

_H = 32
BAD = ("tampered", "truncated", "rolled back", "forked", "signature stripped",
       "not signed by the given key", "stale", "unreadable")


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One finding: a verdict of `spec/log.md` section 10 for indexes first..last."""

    verdict: str
    message: str
    first: int | None = None
    last: int | None = None


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """The account of one verification. `exit` as in `docs/reference/exit-codes.md`."""

    verdict: str
    exit: int
    origin: str
    size: int
    root: str
    checkpoint_size: int
    first_index: int | None
    problems: list[Problem]
    lines: list[str]
    events: int
    seconds: float
    unwitnessed: int | None = None


class Bodies(msgspec.Struct, kw_only=True):
    """What recomputing the bodies gave: two trees and the findings."""

    computed: LogTree
    stored: LogTree
    size: int
    findings: list[Finding]
    mismatched: list[int]
    events: int


class BodyCheck:
    """Recomputes leaves of a ledger's evidence and journals and builds both trees."""

    def __init__(
        self, paths: LedgerPaths, origin: str, keyring: Keyring, rows: list[SegmentRow],
        fetch: Callable[[int], bytes],
    ) -> None:
        self._paths, self._origin, self._keyring, self._rows = paths, origin, keyring, rows
        self._computed, self._stored = LogTree(fetch), LogTree(fetch)
        self._level1 = b""
        self._edge = bytearray()
        self._bad: list[Finding] = []
        self._mismatched: list[int] = []
        self._sealed = rows[-1].end if rows else 0
        self._received = 0
        self._events = 0

    def run(
        self, first: int, end: int | None, quick: bool, advance: Callable[[int], None]
    ) -> Bodies:
        """Recompute the segments that touch [first, end); take the others' tile hashes as stored.

        With `quick` only the tail and the newest segment are recomputed.
        """
        sealed = self._rows[-1].end if self._rows else 0
        try:
            self._level1 = (self._paths.tiles / "1").read_bytes() if sealed >= TILE_EVENTS else b""
        except OSError as error:
            self._bad.append(Finding("tampered", 0, sealed - 1, f"tiles/1: {error.strerror}"))
        chosen = [row for row in self._rows if self._touches(row, first, end)]
        if quick:
            chosen = chosen[-1:]
        wanted = {row.first for row in chosen}
        scans = scan_segments(self._paths, self._origin, self._keyring, chosen, advance)
        for row in self._rows:
            if row.first in wanted or row.first % TILE_EVENTS or row.end % TILE_EVENTS:
                if row.first not in wanted:
                    scanned = next(
                        scan_segments(self._paths, self._origin, self._keyring, [row], advance)
                    )
                else:
                    scanned = next(scans)
                self._take(scanned)
            else:
                self._trust(row)
        for scanned in scan_journals(self._paths, self._origin, self._keyring, sealed):
            self._take(scanned)
            advance(len(scanned.leaves) // _H)
        return self._finish()

    @staticmethod
    def _touches(row: SegmentRow, first: int, end: int | None) -> bool:
        return row.end > first and (end is None or row.first < end)

    def _trust(self, row: SegmentRow) -> None:
        for tile in range(row.first // TILE_EVENTS, row.end // TILE_EVENTS):
            known = self._level1[tile * _H : tile * _H + _H]
            if len(known) != _H:
                known = bytes(_H)
                last = tile * TILE_EVENTS + TILE_EVENTS - 1
                self._bad.append(
                    Finding("tampered", tile * TILE_EVENTS, last, "tiles/1 is too short")
                )
            self._computed.push_tile(known)
            self._stored.push_tile(known)

    def _take(self, scanned: Scanned) -> None:
        self._bad += scanned.findings
        if scanned.received_min and scanned.received_min < self._received:
            self._bad.append(
                Finding("tampered", scanned.first, scanned.first, "received times go back")
            )
        self._received = max(self._received, scanned.received_max)
        self._events += len(scanned.leaves) // _H
        self._edge += scanned.leaves
        while len(self._edge) >= TILE_EVENTS * _H:
            self._tile(bytes(self._edge[: TILE_EVENTS * _H]))
            del self._edge[: TILE_EVENTS * _H]

    def _tile(self, leaves: bytes) -> None:
        number = self._computed.size // TILE_EVENTS
        first, last = number * TILE_EVENTS, number * TILE_EVENTS + TILE_EVENTS - 1
        value = subtree_root(leaves)
        known = self._level1[number * _H : number * _H + _H]
        damaged = any(f.first <= last and first <= f.last for f in self._bad)
        if len(known) == _H and known != value and not damaged:
            self._mismatched.append(number)
        if last >= self._sealed:  # no evidence gives these leaves again: the trees keep them
            self._computed.append(leaves)
            self._stored.append(leaves)
            return
        usable = known if damaged and len(known) == _H else value
        self._computed.push_tile(usable)
        self._stored.push_tile(known if len(known) == _H else value)

    def _finish(self) -> Bodies:
        self._computed.append(bytes(self._edge))
        self._stored.append(bytes(self._edge))
        return Bodies(
            computed=self._computed, stored=self._stored, size=self._computed.size,
            findings=self._bad, mismatched=self._mismatched, events=self._events,
        )


def judge_bodies(
    bodies: Bodies, size: int, root: bytes, kept: list[tuple[int, bytes]]
) -> list[Problem]:
    """Compare the trees with a signed (size, root); `kept` are earlier signed ones."""
    problems = [
        Problem(verdict=f.verdict, first=f.first, last=f.last, message=f.message)
        for f in bodies.findings if f.verdict != "torn" and f.first < size
    ]
    computed = _root(bodies.computed, size)
    if computed == root:
        problems += [
            Problem(
                verdict="tampered", first=tile * TILE_EVENTS,
                last=tile * TILE_EVENTS + TILE_EVENTS - 1,
                message="the stored tile hash is not that of the events, which are as signed",
            )
            for tile in bodies.mismatched
        ]
    elif bodies.mismatched and _root(bodies.stored, size) == root:
        problems += [
            Problem(
                verdict="tampered", first=tile * TILE_EVENTS,
                last=tile * TILE_EVENTS + TILE_EVENTS - 1,
                message="the events are not those that were signed",
            )
            for tile in bodies.mismatched
        ]
    elif not problems or computed is not None:
        problems.append(_narrowed(bodies, size, kept))
    return problems


def _root(tree: LogTree, size: int) -> bytes | None:
    if size == 0:
        return sha256(b"").digest()
    try:
        return tree.root(size) if size <= tree.size else None
    except Damaged:
        return None


def _narrowed(bodies: Bodies, size: int, kept: list[tuple[int, bytes]]) -> Problem:
    good, bad = 0, size
    for at, root in sorted(kept):
        if at > size:
            break
        if _root(bodies.computed, at) == root:
            good = at
        else:
            bad = at
            break
    return Problem(
        verdict="tampered", first=good, last=bad - 1,
        message=f"the events {good}..{bad - 1} do not give the signed root",
    )


def segments_of(manifest: Manifest | None) -> list[SegmentRow]:
    """The manifest's segments; raises `Damaged`."""
    return manifest.segments() if manifest is not None else []


def report(
    origin: str, size: int, root: bytes, checkpoint_size: int, problems: list[Problem],
    lines: list[str], events: int, began: float, unwitnessed: int | None, pending: int,
) -> VerifyReport:
    """Put the account together: the gravest verdict first."""
    order = {verdict: place for place, verdict in enumerate(BAD)}
    bad = sorted(
        (p for p in problems if p.verdict in order),
        key=lambda p: (p.first is None, p.first or 0, order[p.verdict]),
    )
    if bad:
        forks = [p for p in bad if p.verdict in ("rolled back", "forked", "truncated")]
        verdict = forks[0].verdict if forks and bad[0].first is None else bad[0].verdict
    else:
        verdict = "proven" if checkpoint_size else "pending"
    first = next((p.first for p in bad if p.first is not None), None)
    said = [f"{p.verdict}: {p.message}" for p in problems] + lines
    if pending and not bad:
        said.append(f"{pending} events are pending: stored, not yet under a checkpoint")
    return VerifyReport(
        verdict=verdict, exit=EXIT_DAMAGED if bad else EXIT_OK, origin=origin, size=size,
        root=root.hex(), checkpoint_size=checkpoint_size, first_index=first, problems=problems,
        lines=said, events=events, seconds=round(monotonic() - began, 3), unwitnessed=unwitnessed,
    )
