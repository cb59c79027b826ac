"""What is derived from evidence, compared with it: the id index, and column files row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa

from indelible.base.limits import FSCK_SHOWN, FSCK_STEP_EVENTS
from indelible.ledger.fsck import BACKUP, KEYS, REINDEX, Problems
from indelible.ledger.fsck_audit_policy import PolicyRecords
from indelible.ledger.fsck_sources import SourceRecords
from indelible.ledger.journal import MARK, journal_files
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.reader import LedgerReader
from indelible.ledger.reindex import id_record
from indelible.ledger.scan import BROKEN, describe
from indelible.ledger.scan_journal import JournalScan
from indelible.ledger.seal import column_file_of
from indelible.ledger.seen import Fingerprints, Seen, differences
from indelible.ledger.seen import problems as index_problems
from indelible.store.column_file import read_column_tables
from indelible.store.columns import table_of
from indelible.store.evidence import Frame
from indelible.store.keyring import SEEN, Keyring
from indelible.store.manifest import ColumnsRow, Manifest, SegmentRow


class DerivedFsck:
    """Checks column files and the id index of one ledger."""

    def __init__(
        self, paths: LedgerPaths, origin: str, keyring: Keyring, problems: Problems
    ) -> None:
        self._paths, self._origin, self._keyring, self.problems = paths, origin, keyring, problems
        self.records = SourceRecords()
        self.policies = PolicyRecords()

    def ids(self, rows: list[SegmentRow]) -> None:
        """The id index: sound in itself, and what evidence says it must hold."""
        sealed = rows[-1].end if rows else 0
        folder = self._paths.ids
        try:
            secret = self._keyring.newest(SEEN)
            found = list(index_problems(folder, secret, sealed))
        except BROKEN as error:
            self.problems.add("ids", "", describe(error, "ids"), KEYS)
            return
        for text in found:
            self.problems.add("ids", "", text, REINDEX)
        self.records.sealed_read = not rows
        if found or not rows:
            return
        seen = Seen(folder, secret)
        count = 0
        for text, index in self._wrong_ids(seen, rows):
            count += 1
            if count <= FSCK_SHOWN:
                self.problems.add("ids", "", text, REINDEX, index, index)
        if count > FSCK_SHOWN:
            self.problems.notes.append(f"ids: {count - FSCK_SHOWN} more events are told wrongly")
        extra = seen.stored - self._with_id
        if extra > 0 and not count and seen.sealed_end == sealed:  # beyond: of an interrupted seal
            self.problems.add("ids", "", f"it holds {extra} ids that no event bears", REINDEX)

    def _wrong_ids(self, seen: Seen, rows: list[SegmentRow]) -> Iterator[tuple[str, int]]:
        self._with_id = 0
        unread = False
        for first, bodies in self._spans(0, rows[-1].end):
            if bodies is None:
                unread = True
                continue
            self.records.look(first, bodies, sealed=True)
            self.policies.look(first, bodies)
            made_of = (id_record(seen, index, body) for index, body in enumerate(bodies, first))
            records = [made for made in made_of if made is not None]
            self._with_id += len(records)
            yield from differences(seen, records)
        if unread:
            self._with_id = seen.stored
        self.records.sealed_read = not unread

    def _spans(self, first: int, end: int) -> Iterator[tuple[int, list[bytes] | None]]:
        """Bodies of [first, end) frame by frame; None for a frame that does not read."""
        manifest = Manifest(self._paths.manifest, read_only=True)
        reader = LedgerReader(self._paths, self._origin, self._keyring, manifest)
        try:
            for row in [r for r in reader.segments if r.end > first and r.first < end]:
                try:
                    evidence = reader.evidence(row)
                except BROKEN:
                    yield row.first, None
                    continue
                for number, frame in enumerate(evidence.footer.frames):
                    if frame.first + frame.count <= first or frame.first >= end:
                        continue
                    try:
                        bodies = evidence.frame(number)
                    except BROKEN:
                        yield frame.first, None
                    else:
                        yield _cut(frame, bodies, first, end)
        finally:
            reader.close()
            manifest.close()

    def journal_ids(self) -> None:
        """The id marks that stand beside the bodies in journal records."""
        secret = self._keyring.newest(SEEN)
        prints = Fingerprints(secret)
        for path in journal_files(self._paths.journal):
            try:
                scan = JournalScan(path, self._origin, self._keyring)
            except BROKEN:
                self.records.journals_read = False
                continue  # named already
            try:
                for one in scan.records():
                    self.records.look(one.first, one.bodies, sealed=False)
                    self.policies.look(one.first, one.bodies)
                    for index, body in enumerate(one.bodies, one.first):
                        at = (index - one.first) * MARK
                        due = id_record(prints, index, body)
                        if one.marks[at : at + MARK] != (due[:MARK] if due else bytes(MARK)):
                            text = f"{path.name}: the id mark of event {index} is not its body's"
                            self.problems.add("journal", path.name, text, BACKUP, index, index)
            finally:
                scan.close()

    # --- columns

    def columns(self, rows: list[ColumnsRow], advance: Callable[[int, int], None]) -> None:
        """Every value of every column file against columns made again from bodies."""
        total, done = sum(row.end - row.first for row in rows), 0
        for row in rows:
            count = 0
            try:
                for wrong in self._differences(row):
                    count += 1
                    if count <= FSCK_SHOWN:
                        self.problems.add(
                            "columns", row.file, wrong.text, REINDEX, wrong.event, wrong.event
                        )
            except BROKEN as error:
                text, last = describe(error, row.file), row.end - 1
                self.problems.add("columns", row.file, text, REINDEX, row.first, last)
            if count > FSCK_SHOWN:
                text = f"{row.file}: {count - FSCK_SHOWN} more rows differ"
                self.problems.notes.append(text)
            done += row.end - row.first
            advance(done, total)

    def _differences(self, row: ColumnsRow) -> Iterator[Wrong]:
        file = column_file_of(self._paths, row, self._keyring)
        told = _Rows(read_column_tables(file))
        for first, bodies in self._spans(row.first, row.end):
            if bodies is None:
                continue
            for at in range(0, len(bodies), FSCK_STEP_EVENTS):
                part = bodies[at : at + FSCK_STEP_EVENTS]
                low = first + at
                due = table_of(zip(range(low, low + len(part)), part, strict=True))
                yield from compare(due, told.take(low, low + len(part)))
        extra = told.rest(row.first, row.end)
        if extra:
            yield Wrong(extra, f"the column file has a row {extra} that no event is behind")


class Wrong(NamedTuple):
    """A row of a column file that is not what evidence says."""

    event: int
    text: str


class _Rows:
    """The rows of a column file in index order, handed out by index range."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = tables
        self._held: pa.Table | None = None

    def take(self, first: int, end: int) -> pa.Table:
        """Rows with first <= index < end; rows below are passed over."""
        parts = []
        while True:
            if self._held is None or not self._held.num_rows:
                self._held = next(self._tables, None)
                if self._held is None:
                    break
            indexes = self._held.column("index").to_numpy()
            low = int((indexes < first).sum())
            high = int((indexes < end).sum())
            parts.append(self._held.slice(low, max(0, high - low)))
            self._held = self._held.slice(high)
            if self._held.num_rows:
                break
        kept = [part for part in parts if part.num_rows]
        if not kept:
            return (parts[0] if parts else table_of([])).slice(0, 0)
        return pa.concat_tables(kept)

    def rest(self, first: int, end: int) -> int | None:
        """The index of a row beyond everything that was taken."""
        left = self.take(end, 1 << 62)
        return int(left.column("index")[0].as_py()) if left.num_rows else None


def compare(due: pa.Table, told: pa.Table) -> Iterator[Wrong]:
    """Rows that are told otherwise than due: omitted, strange, or with another value."""
    if told.equals(due):
        return
    ours = due.column("index").to_pylist()
    theirs = told.column("index").to_pylist()
    places = {index: place for place, index in enumerate(theirs)}
    for index in sorted(set(theirs) - set(ours)):
        yield Wrong(index, f"the column file has a row {index} that no event is behind")
    if len(places) != len(theirs):
        twice = next(index for index in theirs if theirs.count(index) > 1)
        yield Wrong(twice, f"the row of event {twice} stands twice in the column file")
    for index in ours:
        if index not in places:
            yield Wrong(index, f"the row of event {index} is missing from the column file")
    common = [place for place, index in enumerate(ours) if index in places]
    mine = due.take(common)
    other = told.take([places[ours[place]] for place in common])
    differing: dict[int, list[str]] = {}
    for name in due.schema.names:
        left, right = mine.column(name), other.column(name)
        if left.equals(right):
            continue
        for place, (a, b) in enumerate(zip(left.to_pylist(), right.to_pylist(), strict=True)):
            if a != b:
                differing.setdefault(place, []).append(name)
    for place, names in sorted(differing.items()):
        index = ours[common[place]]
        text = f"the column file tells event {index} otherwise than evidence: {', '.join(names)}"
        yield Wrong(index, text)


def _cut(
    frame: Frame, bodies: list[bytes], first: int, end: int
) -> tuple[int, list[bytes]]:
    low, high = max(first, frame.first), min(end, frame.first + frame.count)
    return low, bodies[low - frame.first : high - frame.first]

