"""Reading the journals back for verification: every unsealed event, file after file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from indelible.base.limits import HOLE_EVENTS
from indelible.ledger.journal import journal_files
from indelible.ledger.kernel import head_of, leaves_of, received_of_head
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.scan import BROKEN, Finding, Scanned, describe, lost, verdict_of
from indelible.ledger.scan_journal import JournalScan, Opened
from indelible.store.keyring import Keyring

TORN = "torn"
"""Of a finding: an unfinished record at the very end, which nobody was answered for."""


class JournalsScan:
    """Leaves of all journal files from one index on.

    `top` is the largest size that anybody has signed; `rescue(at)` gives events from `at` on out of
    a segment that was sealed meanwhile, or that nobody names.
    """

    def __init__(
        self, paths: LedgerPaths, origin: str, keyring: Keyring, *, first: int, top: int,
        rescue: Callable[[int], Scanned | None],
    ) -> None:
        self._paths, self._origin, self._keyring = paths, origin, keyring
        self._at, self._top, self._rescue = first, top, rescue

    def run(self) -> Iterator[Scanned]:
        """Piece by piece; never raises for what the files hold."""
        files = journal_files(self._paths.journal)
        for position, path in enumerate(files):
            follows = _first_of(files[position + 1]) if position + 1 < len(files) else None
            try:
                scan = JournalScan(path, self._origin, self._keyring)
            except BROKEN as error:
                yield from self._unopened(path, follows, error)
                continue
            try:
                yield from self._file(scan, follows)
            except BROKEN as error:
                yield from self._gone(follows, "tampered", describe(error, path.name))
            finally:
                scan.close()
        while self._at < self._top and (saved := self._saved()) is not None:
            yield saved

    def _saved(self) -> Scanned | None:
        saved = self._rescue(self._at)
        if saved is not None:
            self._at = saved.end
        return saved

    def _unopened(
        self, path: Path, follows: int | None, error: BaseException
    ) -> Iterator[Scanned]:
        """A file whose header or keys do not read."""
        saved = self._saved()
        if saved is not None:
            yield saved
        elif follows is not None or not _headless(path):
            yield from self._gone(follows, verdict_of(error), describe(error, path.name))

    def _gone(self, follows: int | None, verdict: str, message: str) -> Iterator[Scanned]:
        """Everything up to the next file is lost; a finding without events where that is none."""
        end = self._top if follows is None else follows
        if self._at < end <= self._at + HOLE_EVENTS:
            yield lost(self._at, end, verdict, message)
            self._at = end
        else:
            found = Finding(verdict, self._at, self._at, message, False)
            yield _without_events(self._at, [found])

    def _file(self, scan: JournalScan, follows: int | None) -> Iterator[Scanned]:
        began = self._at
        for one in scan.records():
            if one.first > self._at:
                yield from self._hole(one.first, scan)
            if one.end > self._at:
                yield _leaves(one, self._at, scan)
                self._at = one.end
        asides = [f for f in scan.findings if not f.lost and f.last >= began]
        if asides:
            yield _without_events(self._at, asides)
        if scan.torn is None:
            return
        if follows is None and (scan.torn.verdict == "torn" or self._at >= self._top):
            yield _without_events(self._at, [scan.torn._replace(verdict=TORN, lost=False)])
        else:
            yield from self._gone(follows, "tampered", scan.torn.message)

    def _hole(self, end: int, scan: JournalScan) -> Iterator[Scanned]:
        while self._at < end and (saved := self._saved()) is not None:
            yield saved
        at = self._at
        if at >= end:
            return
        known = [f.message for f in scan.findings if f.lost and f.first <= at <= f.last]
        message = known[0] if known else f"no journal file holds {at}..{end - 1}"
        yield from self._gone(end, "tampered", message)


def _leaves(one: Opened, at: int, scan: JournalScan) -> Scanned:
    bodies = one.bodies[max(0, at - one.first) :]
    at = max(at, one.first)
    try:
        heads = [head_of(body) for body in bodies]
        leaves = leaves_of(bodies, heads, scan.salts.salts(at, len(bodies)))
    except BROKEN as error:
        return lost(at, one.end, "tampered", describe(error, scan.name))
    times = [received_of_head(head) for head in heads]
    findings = []
    if times != sorted(times):
        text = f"received times go back in {at}..{one.end - 1}"
        findings.append(Finding("tampered", at, one.end - 1, text, False))
    return Scanned(at, leaves, b"", b"", {}, times[0], times[-1], findings)


def _without_events(at: int, findings: list[Finding]) -> Scanned:
    return Scanned(at, b"", b"", b"", {}, 0, 0, findings)


def _first_of(path: Path) -> int:
    number = path.name.split("-")[0]
    return int(number) if number.isdigit() else 0


def _headless(path: Path) -> bool:
    """A crash between creating a journal file and its header leaves no whole header."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return len(content) < 2 or len(content) < 2 + int.from_bytes(content[:2], "big")
