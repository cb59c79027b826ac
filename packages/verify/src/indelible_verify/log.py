"""Verifying an exported log: every bundle, every tile, the root, and an older checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from indelible_verify import limits
from indelible_verify.archive import read_small
from indelible_verify.checkpoint import Checkpoint, authenticate
from indelible_verify.entry import KIND_NAMES, KINDS
from indelible_verify.errors import NoteInvalid, Refused
from indelible_verify.locate import Located, locate
from indelible_verify.scan import Scan, older_root, scan_log
from indelible_verify.tiles import ENTRIES, SLOT_BYTES, TILE_WIDTH, TileStore
from indelible_verify.trust import Trust, judge_signatures
from indelible_verify.verdict import EventResult, Report, Said, Verdict, spell

_RANGES_NAMED: Final = 100


def verify_log(
    path: Path, trust: Trust, *, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Report:
    """Verify a static tlog-tiles tree against the verifier's own keys and verification policy.

    `progress` hears how many entries of how many are read. Key files inside the tree are not
    looked at. Raises Refused when there is no log at `path`.
    """
    if not path.is_dir():
        raise Refused(f"{path} is not a folder")
    data = read_small(path / "checkpoint", limits.NOTE_BYTES)
    report = Report(subject="log")
    try:
        found = authenticate(data, trust.keys, trust.witness_keys)
    except NoteInvalid as error:
        report.add(Verdict.TAMPERED, f"checkpoint: {error}")
        return report.finish()
    checkpoint = found.checkpoint
    report.origin, report.size, report.root = checkpoint.origin, checkpoint.size, checkpoint.root
    judge_signatures(report, found, trust)
    store = TileStore(path)
    scan = scan_log(store, checkpoint.size, progress)
    report.tied = scan.root() == checkpoint.root and trust.signed(report)
    if scan.root() != checkpoint.root or scan.suspects or scan.absent:
        _report_damage(report, store, scan, checkpoint)
    _report_odd(report, scan)
    _check_against(report, store, scan, checkpoint, trust)
    _say(report, store, scan, trust)
    return report.finish()


def _report_damage(report: Report, store: TileStore, scan: Scan, checkpoint: Checkpoint) -> None:
    located = locate(store, scan, checkpoint.root)
    last = checkpoint.size - 1
    short = bool(scan.absent) and scan.absent[-1][1] == last
    if not located.tied:
        _report_untied(report, scan, located, checkpoint)
    elif short and located.ranges == [scan.absent[-1]]:
        _truncated(report, scan.absent[-1][0], checkpoint)
    for first, end in located.ranges[:_RANGES_NAMED]:
        if report.problems and report.problems[-1].verdict is Verdict.TRUNCATED:
            break
        gone = any(a <= first and end <= b for a, b in scan.absent)
        why = "have no entry data" if gone else "do not give the leaves of the signed tree"
        report.add(Verdict.TAMPERED, f"the entries of {spell(first, end)} {why}", first, end)
        marked = range(first, min(end + 1, first + _RANGES_NAMED - len(report.events)))
        report.events.extend(EventResult(index, Verdict.TAMPERED) for index in marked)
    for path, why, first, end in located.tiles[:_RANGES_NAMED]:
        end = min(end, last)
        text = f"{path} {why} ({spell(first, end)}); entries elsewhere are not touched by this"
        report.add(Verdict.TAMPERED, text, first, end)
    for name, why in sorted(store.unreadable.items())[:_RANGES_NAMED]:
        report.add(Verdict.UNREADABLE, f"{name}: {why}; no key is missing", *_span(name, scan))


def _report_untied(report: Report, scan: Scan, located: Located, checkpoint: Checkpoint) -> None:
    last = checkpoint.size - 1
    short = bool(scan.absent) and scan.absent[-1][1] == last and len(scan.absent) == 1
    touched = [key for key, why in scan.suspects.items() if why != "is missing"]
    start = scan.absent[0][0] if scan.absent else 0
    if short and all(_end(level, number) > start for level, number in touched):
        _truncated(report, start, checkpoint)
        report.not_proved.append(
            f"the entries before index {start}: too little is left to tie them to the checkpoint"
        )
        located.tiles.clear()
        return
    text = f"entries and tiles do not give the signed root; {spell(0, last)} cannot be told apart"
    report.add(Verdict.TAMPERED, text, 0, last)


def _end(level: int, number: int) -> int:
    return int((number + 1) * TILE_WIDTH ** (level + 1))


def _truncated(report: Report, start: int, checkpoint: Checkpoint) -> None:
    text = f"the checkpoint says {checkpoint.size} entries, the data end at {start}"
    report.add(Verdict.TRUNCATED, text, start, checkpoint.size - 1)


def _span(name: str, scan: Scan) -> tuple[int, int]:
    """Indexes that a tile path below `tile/` speaks about."""
    _, level, *parts = name.split("/")
    if len(parts) > 1 and parts[-2].endswith(".p"):
        parts = [*parts[:-2], parts[-2][:-2]]
    number = int("".join(part[-3:] for part in parts))
    span = TILE_WIDTH ** (1 if level == ENTRIES else int(level) + 1)
    return number * span, min((number + 1) * span, scan.size) - 1


def _report_odd(report: Report, scan: Scan) -> None:
    damaged = [(p.first, p.last) for p in report.problems if p.first is not None]
    for index, why in sorted(scan.odd.items())[: limits.PROBLEMS]:
        if not any(a <= index <= (a if b is None else b) for a, b in damaged if a is not None):
            report.add(Verdict.TAMPERED, f"index {index}: {why}", index)


def _check_against(
    report: Report, store: TileStore, scan: Scan, checkpoint: Checkpoint, trust: Trust
) -> None:
    old = trust.against
    if old is None:
        report.not_proved.append(
            "that nothing was taken back: no older checkpoint was given (--against)"
        )
        return
    if old.size > checkpoint.size:
        text = (
            f"this log ends at size {checkpoint.size}, but the checkpoint held proves that it had"
            f" {old.size} entries"
        )
        report.add(Verdict.ROLLED_BACK, text)
        return
    same = old.size == checkpoint.size
    root = checkpoint.root if same else older_root(store, scan, old.size)
    if root == old.root:
        report.proved.append(f"the log continues the checkpoint held, of size {old.size}")
    elif root is None or (report.first_damage() or (old.size, 0))[0] < old.size:
        report.not_proved.append(f"consistency with the checkpoint held, of size {old.size}")
    else:
        text = f"two trees are signed whose first {old.size} entries differ: this log forked"
        report.add(Verdict.FORKED, text)


def _say(report: Report, store: TileStore, scan: Scan, trust: Trust) -> None:
    kinds = sorted(scan.kinds.items())
    names = ", ".join(f"{count} {KIND_NAMES.get(kind, str(kind))}" for kind, count in kinds)
    report.proved.append(
        f"all {scan.size} entries, re-derived from the bundles, give every tile and the signed root"
        + (f" ({names})" if names else "")
    )
    report.not_proved.append("what the bodies say: an exported log holds entries, no bodies")
    gaps = scan.kinds.get(KINDS["gap"], 0)
    if gaps:
        text = f"{gaps} gap records declare sequences that a source never delivered"
        report.said.append(Said(Verdict.GAP_DECLARED, text))
        if not trust.accept.gap:
            report.add(Verdict.GAP_DECLARED, f"{text}, which is not accepted")
    pending = 0 if scan.absent else _pending(store, scan.size)
    if pending:
        text = f"{pending} entries stand after the checkpoint; no signature speaks about them"
        report.said.append(Said(Verdict.PENDING, text, scan.size, scan.size + pending - 1))
        if not trust.accept.pending:
            report.add(
                Verdict.PENDING,
                f"{text}, which is not accepted",
                scan.size,
                scan.size + pending - 1,
            )


def _pending(store: TileStore, size: int) -> int:
    """Count whole entries in bundles beyond the tree of `size`."""
    number, end = size // TILE_WIDTH, size
    while True:
        widths = store.partials(ENTRIES, number)
        data = store.load(ENTRIES, number, TILE_WIDTH)
        count = (len(data) // SLOT_BYTES if data else 0) or max(widths, default=0)
        end = max(end, number * TILE_WIDTH + count)
        if count < TILE_WIDTH:
            return end - size
        number += 1
