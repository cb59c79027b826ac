"""Reading evidence back for verification: segment by segment, in several processes.

A scan recomputes what the bodies imply (commitment, entry, leaf) and gives the leaves; what it
cannot read it names as ranges. It decides nothing: `ledger.verify` compares with the signed log.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from indelible.base.errors import Damaged, KeyMissing
from indelible.ledger.journal import JournalReader, TornTail, journal_files
from indelible.ledger.kernel import SaltStream, head_of, leaves_of, received_of_head
from indelible.ledger.paths import LedgerPaths
from indelible.store.evidence import DamagedFrame, EvidenceReader
from indelible.store.keyring import Keyring
from indelible.store.manifest import SegmentRow

PARALLEL_FROM = 4  # segments; below it starting processes costs more than it saves
WORKERS = 2


class Finding(NamedTuple):
    """Something that is not as it must be, for indexes first..last."""

    verdict: str
    first: int
    last: int
    message: str


class Scanned(NamedTuple):
    """Leaves of [first, first + len(leaves) / 32); those in a finding's range are zero."""

    first: int
    leaves: bytes
    received_min: int
    received_max: int
    findings: list[Finding]


def scan_segment(
    paths: LedgerPaths, origin: str, keyring: Keyring, row: SegmentRow
) -> Scanned:
    """Recompute the leaves of one evidence segment."""
    count = row.end - row.first
    try:
        evidence = EvidenceReader(
            paths.evidence / row.file, origin, keyring.get(row.key), cached_frames=1
        )
    except (Damaged, OSError) as error:
        verdict = "unreadable" if isinstance(error, KeyMissing) else "tampered"
        message = error.message if isinstance(error, Damaged) else f"{row.file}: {error.strerror}"
        found = Finding(verdict, row.first, row.end - 1, message)
        return Scanned(row.first, bytes(32 * count), 0, 0, [found])
    try:
        return _scan_frames(evidence, row, keyring)
    finally:
        evidence.close()


def _scan_frames(evidence: EvidenceReader, row: SegmentRow, keyring: Keyring) -> Scanned:
    footer = evidence.footer
    findings: list[Finding] = []
    if (footer.first, footer.end) != (row.first, row.end):
        message = f"{row.file} holds {footer.first}..{footer.end - 1}, the manifest says otherwise"
        findings.append(Finding("tampered", row.first, row.end - 1, message))
        return Scanned(row.first, bytes(32 * (row.end - row.first)), 0, 0, findings)
    leaves, at, low, high = [], row.first, 0, 0
    streams: dict[str, SaltStream] = {}
    for number, frame in enumerate(footer.frames):
        last = frame.first + frame.count - 1
        try:
            if frame.first != at:
                raise Damaged(f"{row.file}: the frame table has a hole at index {at}")
            bodies = evidence.frame(number)
            heads = [head_of(body) for body in bodies]
            salts = _salts(evidence, frame.first, last + 1, keyring, streams)
            leaves.append(leaves_of(bodies, heads, salts))
        except (Damaged, DamagedFrame) as error:
            verdict = "unreadable" if isinstance(error, KeyMissing) else "tampered"
            findings.append(Finding(verdict, frame.first, last, error.message))
            leaves.append(bytes(32 * frame.count))
        else:
            times = [received_of_head(head) for head in (heads[0], heads[-1])]
            if times[0] < high or any(
                a[16:24] > b[16:24] for a, b in zip(heads, heads[1:], strict=False)
            ):
                message = f"received times go back in {frame.first}..{last}"
                findings.append(Finding("tampered", frame.first, last, message))
            low, high = low or times[0], times[1]
        at = last + 1
    joined = b"".join(leaves)
    if len(joined) != 32 * (row.end - row.first):
        message = f"{row.file}: frames do not cover the segment"
        findings.append(Finding("tampered", row.first, row.end - 1, message))
        joined = joined[: 32 * (row.end - row.first)].ljust(32 * (row.end - row.first), b"\0")
    return Scanned(row.first, joined, low, high, findings)


def _salts(
    evidence: EvidenceReader, first: int, end: int, keyring: Keyring,
    streams: dict[str, SaltStream],
) -> bytes:
    out = []
    while first < end:
        key = evidence.salt_key_of(first)
        if key not in streams:
            streams[key] = SaltStream(keyring.get(key))
        stop = min([span.first for span in evidence.footer.salts if span.first > first] + [end])
        stop = min(stop, end)
        out.append(streams[key].salts(first, stop - first))
        first = stop
    return b"".join(out)


def scan_segments(
    paths: LedgerPaths, origin: str, keyring: Keyring, rows: list[SegmentRow],
    advance: Callable[[int], None],
) -> Iterator[Scanned]:
    """Scan segments in order, in `WORKERS` processes when there are many."""
    if len(rows) < PARALLEL_FROM:
        for row in rows:
            yield scan_segment(paths, origin, keyring, row)
            advance(row.end - row.first)
        return
    context = multiprocessing.get_context("spawn")
    arguments = (paths, origin, keyring.folder)
    with ProcessPoolExecutor(
        WORKERS, mp_context=context, initializer=_prepare, initargs=arguments
    ) as pool:
        ahead = 2 * WORKERS
        waiting = [pool.submit(_scan, row) for row in rows[:ahead]]
        for position, row in enumerate(rows):
            scanned = waiting.pop(0).result()
            if position + ahead < len(rows):
                waiting.append(pool.submit(_scan, rows[position + ahead]))
            yield scanned
            advance(row.end - row.first)


_place: dict[str, tuple[LedgerPaths, str, Keyring]] = {}


def _prepare(paths: LedgerPaths, origin: str, keys: object) -> None:
    from pathlib import Path

    _place["here"] = (paths, origin, Keyring(Path(str(keys)), origin, read_only=True))


def _scan(row: SegmentRow) -> Scanned:
    return scan_segment(*_place["here"], row)


def scan_journals(
    paths: LedgerPaths, origin: str, keyring: Keyring, first: int
) -> Iterator[Scanned]:
    """Leaves of the journal files from index `first` on; ends at the first thing unreadable."""
    at = first
    files = journal_files(paths.journal)
    for position, path in enumerate(files):
        newest = position == len(files) - 1
        try:
            reader = JournalReader(path, origin, keyring)
        except (Damaged, OSError) as error:
            verdict = "unreadable" if isinstance(error, KeyMissing) else "tampered"
            last = int(files[position + 1].name.split("-")[0]) - 1 if not newest else at
            if last >= at and not (newest and _empty(path)):
                yield Scanned(at, b"", 0, 0, [Finding(verdict, at, last, f"{path.name}: {error}")])
                return
            continue
        try:
            salts = SaltStream(keyring.get(reader.header.salt_key))
            for batch in reader.read():
                skip = max(0, at - batch.first)
                bodies = batch.bodies[skip:]
                if not bodies:
                    continue
                if batch.first > at:
                    message = f"no journal file holds {at}..{batch.first - 1}"
                    yield Scanned(at, b"", 0, 0, [Finding("tampered", at, batch.first - 1, message)])
                    return
                heads = [head_of(body) for body in bodies]
                leaves = leaves_of(bodies, heads, salts.salts(at, len(bodies)))
                yield Scanned(
                    at, leaves, received_of_head(heads[0]), received_of_head(heads[-1]), []
                )
                at += len(bodies)
        except TornTail as torn:
            torn_only = newest and not reader.whole_record_after(torn.offset)
            verdict = "torn" if torn_only else "tampered"
            yield Scanned(at, b"", 0, 0, [Finding(verdict, at, at, torn.message)])
            return
        except Damaged as error:
            verdict = "unreadable" if isinstance(error, KeyMissing) else "tampered"
            yield Scanned(at, b"", 0, 0, [Finding(verdict, at, at, error.message)])
            return
        finally:
            reader.close()


def _empty(path: object) -> bool:
    from pathlib import Path

    return Path(str(path)).stat().st_size < 64
