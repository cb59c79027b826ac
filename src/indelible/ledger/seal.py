"""Sealing: a piece of the tail becomes an evidence segment and a column file.

Write order, each step durable before the next: keys; evidence; columns; both read back; the id
index run; tile hashes; the manifest row. Only then may the journal file go. A crash anywhere
before the manifest row leaves files nobody names, which `sweep_unnamed` removes at the next start,
and the journal from which the same segment is sealed again.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from indelible.base.errors import Damaged
from indelible.base.invariant import invariant
from indelible.base.random import random_id
from indelible.ledger.journal import MARK
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.seen import record, seal_run
from indelible.ledger.tail import Tail
from indelible.ledger.tree_state import subtree_root
from indelible.store.column_file import ColumnFile, read_indexes, write_column_file
from indelible.store.evidence import FORMAT as EVIDENCE_FORMAT
from indelible.store.evidence import SUFFIX as EVIDENCE_SUFFIX
from indelible.store.evidence import (
    EvidenceReader,
    EvidenceWriter,
    Footer,
    SaltSpan,
    frames_of,
)
from indelible.store.keyring import COLUMNS, EVIDENCE, SEEN, Keyring
from indelible.store.manifest import ColumnsRow, Manifest, SegmentRow
from indelible.store.records import Header

_NO_MARK = bytes(16)
COLUMNS_SUFFIX = ".columns"
_NAME = re.compile(
    r"(?P<first>[0-9]{20})-(?P<id>[0-9a-f]{16})\.(?:columns|evidence)", re.ASCII
)


class Segment(NamedTuple):
    """What is about to be sealed: a copy of the tail's lists, so that the tail may grow."""

    first: int
    end: int
    bodies: list[bytes]
    received: list[int]
    marks: bytes
    salts: list[SaltSpan]
    table: pa.Table
    leaves: bytes


def take_segment(tail: Tail, end: int) -> Segment:
    """The tail's events [start, end) with their columns."""
    first, count = tail.start, end - tail.start
    tail.build_chunks(partial=True)
    return Segment(
        first, end, tail.bodies[:count], tail.received[:count], bytes(tail.marks[: count * MARK]),
        list(tail.salt_spans(first, end)), tail.columns(first, end), tail.tree.leaves(first, end),
    )


class Sealer:
    """Seals segments of one ledger. One caller at a time."""

    def __init__(
        self, paths: LedgerPaths, origin: str, keyring: Keyring, manifest: Manifest
    ) -> None:
        self._paths, self._origin = paths, origin
        self._keyring, self._manifest = keyring, manifest

    def seal(self, segment: Segment, tail: Tail) -> SegmentRow:
        """Make one segment durable and name it in the manifest."""
        evidence_id, columns_id = random_id(), random_id()
        (key_id, key), (columns_key_id, columns_key) = self._keyring.new_keys(
            ((EVIDENCE, evidence_id), (COLUMNS, columns_id))
        )
        header = Header(
            format=EVIDENCE_FORMAT, origin=self._origin, file=evidence_id, first=segment.first,
            key=key_id,
        )
        path = self._paths.evidence / f"{segment.first:020d}-{evidence_id}{EVIDENCE_SUFFIX}"
        root = subtree_root(segment.leaves).hex()
        size, digest = self._write_evidence(segment, root, header, key, path)
        self._check_evidence(segment, key, path)
        made = write_column_file(
            segment.table, column_path(self._paths, segment.first, columns_id),
            key=columns_key, file_id=columns_id, origin=self._origin,
        )
        columns = columns_row(made, columns_key_id)
        self._write_ids(segment)
        tail.tree.store(self._paths.tiles, segment.end)
        row = SegmentRow(
            first=segment.first, end=segment.end, file=path.name, key=key_id, bytes=size,
            sha256=digest, received_min=segment.received[0], received_max=segment.received[-1],
            leaves_root=root,
        )
        self._manifest.add(row, columns)
        return row

    def _write_evidence(
        self, segment: Segment, root: str, header: Header, key: bytes, path: Path
    ) -> tuple[int, str]:
        writer = EvidenceWriter(header, key)
        for low, high in frames_of(segment.first, segment.bodies):
            writer.add_frame(segment.bodies[low - segment.first : high - segment.first])
        footer = Footer(
            first=segment.first, end=segment.end, frames=writer.frames,
            salts=segment.salts,
            received_min=segment.received[0], received_max=segment.received[-1],
            leaves_root=root,
        )
        size = writer.finish(path, footer)
        with path.open("rb") as written:
            return size, hashlib.file_digest(written, "sha256").hexdigest()

    def _check_evidence(self, segment: Segment, key: bytes, path: Path) -> None:
        reader = EvidenceReader(path, self._origin, key, cached_frames=1)
        try:
            at = 0
            for number in range(len(reader.footer.frames)):
                bodies = reader.frame(number)
                if bodies != segment.bodies[at : at + len(bodies)]:
                    raise Damaged(f"{path.name}: read back otherwise than written")
                at += len(bodies)
            invariant(at == len(segment.bodies), "evidence read back with another count")
        finally:
            reader.close()

    def _write_ids(self, segment: Segment) -> None:
        records = []
        for position in range(segment.end - segment.first):
            mark = segment.marks[position * MARK : (position + 1) * MARK]
            if mark[:16] != _NO_MARK:
                records.append(record(mark[:16], mark[16:], segment.first + position))
        secret = self._keyring.newest(SEEN)
        seal_run(self._paths.ids, secret, segment.first, segment.end, b"".join(records))


def column_path(paths: LedgerPaths, first: int, file_id: str) -> Path:
    """Where a column file lies."""
    return paths.columns / f"{first:020d}-{file_id}{COLUMNS_SUFFIX}"


def columns_row(file: ColumnFile, key_id: str) -> ColumnsRow:
    """The manifest row of a column file, which is read back whole first."""
    path = Path(file.path)
    rows, at = 0, file.first
    for group in read_indexes(file):
        indexes = pc.min_max(group).as_py()
        if indexes["min"] < at:
            raise Damaged(f"{path.name}: read back otherwise than written")
        at = indexes["max"] + 1
        rows += len(group)
    if rows != file.rows or at > file.end:
        raise Damaged(f"{path.name}: read back otherwise than written")
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return ColumnsRow(
        first=file.first, end=file.end, file=path.name, key=key_id, bytes=path.stat().st_size,
        sha256=digest, rows=rows, time_min=file.time_min, time_max=file.time_max,
    )


def column_file_of(paths: LedgerPaths, row: ColumnsRow, keyring: Keyring) -> ColumnFile:
    """The file that a manifest row describes, with its key."""
    return ColumnFile(
        path=str(paths.columns / row.file), first=row.first, end=row.end, rows=row.rows,
        time_min=row.time_min, time_max=row.time_max,
        file_id=row.file.split("-")[1].removesuffix(COLUMNS_SUFFIX), key=keyring.get(row.key),
    )


def file_id_of(name: str) -> str:
    """The id in the name of an evidence or column file; empty when it is not such a name."""
    found = _NAME.fullmatch(name)
    return found["id"] if found else ""


def sweep_unnamed(paths: LedgerPaths, manifest: Manifest, keyring: Keyring) -> list[str]:
    """Remove evidence and column files that no manifest row names (an interrupted seal's).

    Evidence is removed only at or above the sealed size: below it, a file without a row is a
    finding for `fsck`, never rubbish, and so is a file of another form of name. Keys of evidence
    stay: who can write only this folder must not be able to have one destroyed, by a row taken
    away or a name made up, that a backup still needs. Column files can be made again.
    """
    end = manifest.sealed_end()
    named = {row.file for row in manifest.segments()} | {row.file for row in manifest.columns()}
    named |= {file for file, _ in manifest.obsolete(1 << 62)}
    used = {file_id_of(name) for name in named}
    gone: list[str] = []
    for path in paths.evidence.glob(f"[!.]*{EVIDENCE_SUFFIX}"):
        form = _NAME.fullmatch(path.name)
        if path.name not in named and form and int(form["first"]) >= end:
            path.unlink()
            gone.append(path.name)
    orphans: list[str] = []
    for path in paths.columns.glob(f"[!.]*{COLUMNS_SUFFIX}"):
        file_id = file_id_of(path.name)
        if path.name not in named and file_id:
            path.unlink()
            gone.append(path.name)
            orphans += [] if file_id in used else [file_id]
    keyring.destroy(COLUMNS, orphans)
    return gone
