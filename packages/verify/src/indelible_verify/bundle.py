"""Verifying a bundle (spec section 7): archive, description, tree, bodies, view."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from indelible_verify import entry as entries
from indelible_verify import limits, strict_json, view
from indelible_verify.archive import Archive, MemberStream
from indelible_verify.checkpoint import Checkpoint, authenticate
from indelible_verify.errors import Damaged, NoteInvalid
from indelible_verify.orders import Orders, settle
from indelible_verify.tree import MultiproofWalk, increasing, leaf_hash
from indelible_verify.trust import Trust, judge_signatures
from indelible_verify.verdict import EventResult, Report, Verdict, ranges, spell

FORMAT: Final = "indelible-bundle/1"
SIZES: Final = {
    "bundle.json": limits.DESCRIPTION_BYTES,
    "checkpoint": limits.NOTE_BYTES,
    "entries.bin": entries.ENTRY_BYTES * limits.BUNDLE_INDEXES,
    "salts.bin": entries.SALT_BYTES * limits.BUNDLE_INDEXES,
    "bodies.ndjson": limits.ARCHIVE_BYTES,
    "proof.bin": 32 * limits.PROOF_HASHES,
    "view.html": 8 * limits.ARCHIVE_BYTES,
}
_MEMBERS: Final = {"format", "origin", "size", "indexes", "range"}


@dataclass(frozen=True, slots=True)
class Description:
    """What `bundle.json` says; nothing in it is signed, so all of it is compared."""

    origin: str
    size: int
    indexes: list[int]
    whole_range: bool


def parse_description(data: bytes) -> Description:
    """Read `bundle.json`; raises Damaged."""
    found = strict_json.parse_object(data, "bundle.json")
    strange = sorted(set(found) - _MEMBERS)
    if strange:
        raise Damaged(f"bundle.json has the member {strange[0]!r}, which is not specified")
    if found.get("format") != FORMAT:
        raise Damaged(f"bundle.json: format is not {FORMAT!r}")
    size = strict_json.integer(found.get("size"), entries.U64)
    origin, indexes = strict_json.text(found, "origin"), found.get("indexes")
    if size is None or not origin or type(indexes) is not list or not indexes:
        raise Damaged("bundle.json lacks origin, size or indexes")
    if len(indexes) > limits.BUNDLE_INDEXES:
        raise Damaged(f"bundle.json lists more than {limits.BUNDLE_INDEXES} indexes")
    if any(type(index) is not int for index in indexes) or not increasing(indexes, size):
        raise Damaged("bundle.json: the indexes do not strictly increase below the size")
    if "range" in found:
        bounds = found["range"]
        if type(bounds) is not list or len(bounds) != 2 or any(type(b) is not int for b in bounds):
            raise Damaged("bundle.json: range is not two indexes")
        ends = (indexes[0], indexes[-1])
        if tuple(bounds) != ends or ends[1] - ends[0] + 1 != len(indexes):
            raise Damaged("bundle.json: the indexes are not exactly those of the range")
    return Description(origin, size, indexes, "range" in found)


@dataclass
class _Run:
    """State of one verification."""

    report: Report
    description: Description
    entry_bytes: bytes
    salts: bytes
    damaged: set[int] = field(default_factory=set)
    orders: Orders = field(default_factory=Orders)
    rendered: list[bytes] = field(default_factory=list)

    def raw_entry(self, at: int) -> bytes:
        return self.entry_bytes[at * entries.ENTRY_BYTES : (at + 1) * entries.ENTRY_BYTES]

    def salt(self, at: int) -> bytes:
        return self.salts[at * entries.SALT_BYTES : (at + 1) * entries.SALT_BYTES]

    def damage(self, error: Damaged) -> None:
        self.report.add(Verdict.TAMPERED, str(error), error.index)
        if error.index is not None:
            self.damaged.add(error.index)

    @property
    def exhausted(self) -> bool:
        return len(self.report.problems) >= limits.PROBLEMS


def verify_bundle(path: Path, trust: Trust, *, view_out: Path | None = None) -> Report:
    """Verify a bundle against the verifier's own keys and verification policy.

    Raises Refused when the file is no archive or beyond a limit; everything else that is wrong is
    in the report. `view_out` gets the view rendered from verified data, only if nothing is wrong
    with the evidence.
    """
    report = Report(subject="bundle")
    try:
        with Archive(path, SIZES) as archive:
            _verify(archive, trust, report, view_out)
    except Damaged as error:
        report.add(Verdict.TAMPERED, str(error), error.index)
    return report.finish()


def _verify(archive: Archive, trust: Trust, report: Report, view_out: Path | None) -> None:
    description = parse_description(archive.read("bundle.json"))
    report.origin, report.size = description.origin, description.size
    checkpoint = _checkpoint(archive, trust, report, description)
    count = len(description.indexes)
    run = _Run(report, description, archive.read("entries.bin"), archive.read("salts.bin"))
    if len(run.entry_bytes) != count * entries.ENTRY_BYTES:
        raise Damaged(f"entries.bin does not hold {count} entries of 60 bytes")
    if len(run.salts) != count * entries.SALT_BYTES:
        raise Damaged(f"salts.bin does not hold {count} salts of 32 bytes")
    with archive.stream("bodies.ndjson") as bodies, archive.stream("view.html") as page:
        _check_events(run, bodies, _ViewCheck(page), keep=view_out is not None)
    leaves = [leaf_hash(run.raw_entry(at)) for at in range(count)]
    if checkpoint is not None:
        _check_tree(archive, run, leaves, checkpoint, trust)
    settle(report, run.orders, dict(zip(description.indexes, leaves, strict=True)), trust.accept)
    _summarise(run)
    if view_out is not None and not report.exit:
        view_out.write_bytes(b"".join(run.rendered))


def _checkpoint(
    archive: Archive, trust: Trust, report: Report, description: Description
) -> Checkpoint | None:
    try:
        found = authenticate(archive.read("checkpoint"), trust.keys, trust.witness_keys)
    except NoteInvalid as error:
        report.add(Verdict.TAMPERED, f"checkpoint: {error}")
        return None
    judge_signatures(report, found, trust)
    checkpoint = found.checkpoint
    report.root = checkpoint.root
    if (checkpoint.origin, checkpoint.size) != (description.origin, description.size):
        raise Damaged("bundle.json and the checkpoint disagree about origin or size")
    return checkpoint


class _ViewCheck:
    """Compares `view.html` with what is rendered, piece by piece."""

    def __init__(self, page: MemberStream) -> None:
        self._page = page
        self.same = True

    def expect(self, piece: bytes) -> None:
        if self.same and self._page.read(len(piece)) != piece:
            self.same = False

    def end(self) -> None:
        if self.same and self._page.read(1):
            self.same = False


def _check_events(run: _Run, bodies: MemberStream, page: _ViewCheck, *, keep: bool) -> None:
    description = run.description

    def show(piece: bytes) -> None:
        page.expect(piece)
        if keep:
            run.rendered.append(piece)

    show(view.head(description.origin, len(description.indexes), description.size))
    received = 0
    for at, index in enumerate(description.indexes):
        line = bodies.line(limits.BODY_BYTES + 2)
        if not line.endswith(b"\n"):
            raise Damaged("bodies.ndjson: the line is cut off or too long", index)
        try:
            entry = entries.parse_entry(run.raw_entry(at), index)
            if entry.received < received:
                raise Damaged("received decreases against the entry before", index)
            received = entry.received
            show(_check_event(run, at, entry, line[:-1]))
        except Damaged as error:
            run.damage(error)
            run.report.events.append(EventResult(index, Verdict.TAMPERED))
            page.same = False
            if run.exhausted:
                raise Damaged("too many problems: the check gave up here", index) from None
    if bodies.read(1):
        raise Damaged("bodies.ndjson holds more lines than there are indexes")
    show(view.FOOT)
    page.end()
    if not page.same and not run.damaged:
        run.report.add(Verdict.TAMPERED, "view.html is not the view of this evidence")


def _check_event(run: _Run, at: int, entry: entries.Entry, body: bytes) -> bytes:
    index = run.description.indexes[at]
    kind = entries.KIND_NAMES[entry.kind]
    if not body:
        if run.salt(at) != entries.NO_SALT:
            raise Damaged("a salt is given where no body is shown", index)
        entries.check_own(entry, index)
        run.orders.missing[index] = (len(run.report.events), entry.commitment)
        run.report.events.append(EventResult(index, Verdict.WITHHELD, kind))
        return view.not_shown(index)
    found = entries.check_body(body, run.salt(at), entry, index)
    row = view.row_of(found)
    piece = view.shown(index, row, body)
    run.orders.take(kind, found, index)
    cells = [view.visible(v) for v in (row.time, row.actor, row.action, row.target, row.outcome)]
    run.report.events.append(EventResult(index, Verdict.PROVEN, kind, *cells))
    return piece


def _check_tree(
    archive: Archive, run: _Run, leaves: list[bytes], checkpoint: Checkpoint, trust: Trust
) -> None:
    indexes, report = run.description.indexes, run.report
    raw = archive.read("proof.bin")
    if len(raw) % 32:
        raise Damaged("proof.bin is not a sequence of 32-byte hashes")
    proof = [raw[at : at + 32] for at in range(0, len(raw), 32)]
    walk = MultiproofWalk(indexes, leaves, proof, keep=trust.against is not None)
    try:
        root = walk.root(checkpoint.size)
    except Damaged as error:
        report.add(Verdict.TAMPERED, str(error), indexes[0], indexes[-1])
        return
    if root != checkpoint.root:
        text = "entries and multiproof do not give the root of the checkpoint"
        where = run.damaged or {indexes[0], indexes[-1]}
        report.add(Verdict.TAMPERED, text, min(where), max(where))
        return
    report.tied = trust.signed(report)
    _check_against(report, checkpoint, walk, trust)


def _check_against(
    report: Report, checkpoint: Checkpoint, walk: MultiproofWalk, trust: Trust
) -> None:
    old = trust.against
    if old is None:
        return
    if old.size > checkpoint.size:
        text = (
            f"the bundle ends at size {checkpoint.size}, the checkpoint held has size {old.size}:"
            " an older bundle, or the log was rolled back"
        )
        report.add(Verdict.ROLLED_BACK, text)
        return
    root = checkpoint.root if old.size == checkpoint.size else walk.older_root(old.size)
    if root is None:
        report.not_proved.append(
            f"that this tree continues the checkpoint held (size {old.size}): a bundle does not"
            " carry that; verify the exported log with --against"
        )
    elif root != old.root:
        text = f"two roots of size {old.size} are signed: this log forked"
        report.add(Verdict.FORKED, text)
    else:
        report.proved.append(f"the tree continues the checkpoint held, of size {old.size}")


def _summarise(run: _Run) -> None:
    report, indexes = run.report, run.description.indexes
    proven = sum(event.status is Verdict.PROVEN for event in report.events)
    report.proved.append(
        f"{proven} of {len(indexes)} bodies, with the entries of all {len(indexes)},"
        f" stand in the log {report.origin!r} of size {report.size} as shown"
    )
    if run.description.whole_range:
        report.proved.append(
            f"the range is complete: every entry of {spell(indexes[0], indexes[-1])} is here"
        )
    else:
        spans = ", ".join(spell(*span) for span in ranges(indexes)[:20])
        report.not_proved.append(f"anything about entries other than {spans}")
