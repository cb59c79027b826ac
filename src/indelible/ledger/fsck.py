"""Is a folder whole? Every file against what names it, and everything derived against evidence.

Reads only. A crash leaves things that the next start puts right (a file that nobody names yet, an
unfinished record at the end): those are said in `notes`, they are no problems.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec

from indelible.base.errors import EXIT_DAMAGED, EXIT_OK, KeyMissing
from indelible.base.files import TEMPORARY
from indelible.base.limits import FILE_CHUNK_BYTES, TILE_EVENTS
from indelible.ledger.bodies import Bodies, BodyCheck
from indelible.ledger.fsck_tables import strange_tables
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.scan import BROKEN, Finding, describe, key_of
from indelible.ledger.scan_tail import TORN
from indelible.ledger.seal import COLUMNS_SUFFIX
from indelible.ledger.segments import Segments
from indelible.ledger.tree_state import MAX_LEVEL
from indelible.store.evidence import SUFFIX as EVIDENCE_SUFFIX
from indelible.store.evidence import EvidenceReader
from indelible.store.keyring import Keyring
from indelible.store.manifest import ColumnsRow, Manifest, SegmentRow
from indelible.store.sqlite import connect

BACKUP = "Bring the file back from a backup; `indelible verify` tells which events it concerns."
REINDEX = "Run `indelible reindex --data DIR`: it is made again from evidence."
KEYS = "Restore the keyring from its backup; without its key the range stays unreadable."
START = "Stop, keep a copy of the folder, and bring the file back from a backup."
_NAMES = {
    "journal": re.compile(r"\d{20}-[0-9a-z]+\.journal"),
    "evidence": re.compile(rf"\d{{20}}-[0-9a-z]+\{EVIDENCE_SUFFIX}"),
    "columns": re.compile(rf"\d{{20}}-[0-9a-z]+\{COLUMNS_SUFFIX}"),
    "ids": re.compile(r"\d{20}-\d{20}\.ids"),
    "tiles": re.compile(rf"[1-{MAX_LEVEL}]"),
    "checkpoints": re.compile(r"\d{20}|cosigned-[0-9a-z-]+"),
    "quarantine": re.compile(r".*"),
}

_ROOT = re.compile(r"checkpoint|manifest\.sqlite(-journal)?")


class FsckProblem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is not whole: where, which events it concerns, and what to do."""

    area: str
    file: str
    message: str
    remedy: str
    first: int | None = None
    last: int | None = None


class FsckReport(msgspec.Struct, frozen=True, kw_only=True):
    """The account of one check; `verdict` is `whole` or `damaged`."""

    verdict: str
    exit: int
    problems: list[FsckProblem]
    lines: list[str]


class Problems:
    """What has been found so far."""

    def __init__(self) -> None:
        self.found: list[FsckProblem] = []
        self.notes: list[str] = []

    def add(
        self, area: str, file: str, message: str, remedy: str,
        first: int | None = None, last: int | None = None,
    ) -> None:
        """One problem."""
        self.found.append(
            FsckProblem(
                area=area, file=file, message=message, remedy=remedy, first=first, last=last
            )
        )

    def report(self) -> FsckReport:
        """The account."""
        lines = [f"{p.area}: {_placed(p)}" for p in self.found] + self.notes
        for remedy in dict.fromkeys(problem.remedy for problem in self.found):
            lines.append(f"remedy: {remedy}")
        return FsckReport(
            verdict="damaged" if self.found else "whole",
            exit=EXIT_DAMAGED if self.found else EXIT_OK, problems=self.found, lines=lines,
        )


def _placed(problem: FsckProblem) -> str:
    text = problem.message
    if problem.file and problem.file not in text:
        text = f"{problem.file}: {text}"
    if problem.first is None or f"{problem.first}" in text:
        return text
    last = problem.first if problem.last is None else problem.last
    where = f"index {problem.first}" if last == problem.first else f"{problem.first}..{last}"
    return f"{text} ({where})"


def database(problems: Problems, area: str, path: Path, remedy: str) -> bool:
    """SQLite's own check of one database, and its tables; False when it is not sound."""
    if not path.is_file():
        problems.add(area, path.name, "is missing", remedy)
        return False
    try:
        link = connect(path, read_only=True)
        try:
            rows = link.execute("PRAGMA integrity_check").fetchall()
            rows += [(text,) for text in strange_tables(link, area)]
        finally:
            link.close()
    except sqlite3.Error as error:
        rows = [(str(error),)]
    said = [str(row[0]) for row in rows if row[0] != "ok"]
    for text in said[:3]:
        problems.add(area, path.name, text.replace("\n", " "), remedy)
    return not said


class LedgerFsck:
    """Checks the files of one ledger against each other.

    A `backup` may lack keys of column files: the ledger that it is of has compacted them since.
    """

    def __init__(
        self, paths: LedgerPaths, origin: str, keyring: Keyring, problems: Problems, *,
        backup: bool = False,
    ) -> None:
        self._backup = backup
        self._paths, self._origin, self._keyring = paths, origin, keyring
        self.problems = problems
        self.rows: list[SegmentRow] = []
        self.columns: list[ColumnsRow] = []
        self._obsolete: set[str] = set()
        self._found: set[str] = set()
        self.bodies = Bodies()

    def run(self, top: int, advance: Callable[[int, int], None]) -> None:
        """Manifest, names, files, evidence, journals and tiles; `top` is the signed size."""
        sound = database(self.problems, "manifest", self._paths.manifest, START)
        self._read_manifest(sound)
        self._names()
        for row in self.rows:
            self._segment(row)
        for column in self.columns:
            if self._file("columns", self._paths.columns / column.file, column, REINDEX):
                self._column_key(column)
        self._recompute(top, advance)

    # --- manifest and names

    def _read_manifest(self, sound: bool) -> None:
        segments = Segments(self._paths, self._origin, self._keyring)
        self.rows, self._found = segments.rows, segments.found
        if segments.trouble and sound:
            self.problems.add("manifest", "manifest.sqlite", segments.trouble, START)
        for text in segments.astray:
            self.problems.add("manifest", "manifest.sqlite", text, START)
        if segments.trouble:
            return
        try:
            manifest = Manifest(self._paths.manifest, read_only=True)
            try:
                self.columns = manifest.columns()
                obsolete = manifest.obsolete(1 << 62)
            finally:
                manifest.close()
        except BROKEN as error:
            self.problems.add("manifest", "manifest.sqlite", str(error), REINDEX)
            return
        self._obsolete = {file for file, _ in obsolete}
        used = {part for row in self.columns for part in (row.file, row.key)}
        used |= {row.key for row in self.rows}
        for file, key in obsolete:
            if used & {file, key} or Path(file).name != file:
                text = f"it calls {file} replaced: that file, or the key named there, is in use"
                self.problems.add("manifest", "manifest.sqlite", text, START)
        sealed = self.rows[-1].end if self.rows else 0
        end = self.columns[-1].end if self.columns else 0
        if end != sealed:
            text = f"column files end at {end}, evidence at {sealed}"
            first, last = min(end, sealed), max(end, sealed) - 1
            self.problems.add("manifest", "manifest.sqlite", text, REINDEX, first, last)

    def _names(self) -> None:
        """Files that nobody names."""
        sealed = self.rows[-1].end if self.rows else 0
        evidence = {row.file for row in self.rows}
        columns = {row.file for row in self.columns} | self._obsolete
        for path in sorted(self._paths.root.glob("*")):
            if path.name.startswith(TEMPORARY) or path.name.endswith(".new"):
                self.problems.notes.append(f"{path.name}: left by a crash")
            elif path.name not in _NAMES and not _ROOT.fullmatch(path.name):
                self.problems.add("folder", path.name, "is not a file of this ledger", START)
        for folder, form in _NAMES.items():
            for path in sorted((self._paths.root / folder).glob("*")):
                name = path.name
                if name.startswith(TEMPORARY):
                    self.problems.notes.append(f"{folder}/{name}: left by a crash")
                elif not form.fullmatch(name) or not path.is_file():
                    self.problems.add(folder, name, "is not a file of this ledger", START)
                elif folder == "quarantine":
                    self.problems.notes.append(f"quarantine/{name}: {path.stat().st_size} bytes")
                elif folder == "evidence" and name not in evidence:
                    self._unnamed(path, int(name.split("-")[0]) >= sealed)
                elif folder == "columns" and name not in columns and self.columns:
                    self.problems.notes.append(f"columns/{name}: nobody names it; to be removed")

    def _unnamed(self, path: Path, above: bool) -> None:
        if above:
            text = "not in the manifest: of an interrupted seal, the next start removes it"
            self.problems.notes.append(f"evidence/{path.name}: {text}")
        else:
            text = "is not in the manifest, which names another file for these events"
            self.problems.add("evidence", path.name, text, START, int(path.name.split("-")[0]))

    # --- files

    def _segment(self, row: SegmentRow) -> None:
        path = self._paths.evidence / row.file
        if row.file in self._found or not self._file("evidence", path, row, BACKUP):
            return
        try:
            reader = EvidenceReader(path, self._origin, key_of(self._keyring, row.key), 1)
        except BROKEN as error:
            text, last = describe(error, row.file), row.end - 1
            self.problems.add("evidence", row.file, text, BACKUP, row.first, last)
            return
        footer, header = reader.footer, reader.header
        reader.close()
        said = {
            "key": (header.key, row.key), "first": (footer.first, row.first),
            "end": (footer.end, row.end), "leaves_root": (footer.leaves_root, row.leaves_root),
            "received_min": (footer.received_min, row.received_min),
            "received_max": (footer.received_max, row.received_max),
        }
        for name, (theirs, ours) in said.items():
            if theirs != ours:
                text = f"{row.file}: {name} is {theirs} in its footer, {ours} in the manifest"
                area, last = "manifest", row.end - 1
                self.problems.add(area, row.file, text, START, row.first, last)

    def _file(
        self, area: str, path: Path, row: SegmentRow | ColumnsRow, remedy: str
    ) -> bool:
        """Is the file there, with the size and hash that the manifest names?"""
        first, last = row.first, row.end - 1
        try:
            size, digest = path.stat().st_size, _sha256(path)
        except OSError as error:
            text = "is missing" if isinstance(error, FileNotFoundError) else str(error)
            self.problems.add(area, row.file, text, remedy, first, last)
            return False
        if size != row.bytes:
            text = f"has {size} bytes, the manifest says {row.bytes}"
            self.problems.add(area, row.file, text, remedy, first, last)
        elif digest != row.sha256:
            text = "its SHA-256 is not the manifest's"
            self.problems.add(area, row.file, text, remedy, first, last)
        return True

    def _column_key(self, row: ColumnsRow) -> None:
        try:
            key_of(self._keyring, row.key)
        except BROKEN as error:
            if self._backup and isinstance(error, KeyMissing):
                self.problems.notes.append(
                    f"columns/{row.file}: the ledger compacted it since, and its key went;"
                    " a restore makes it again from evidence"
                )
                return
            text, last = describe(error, row.file), row.end - 1
            self.problems.add("keyring", row.file, text, KEYS, row.first, last)

    # --- evidence, journals, tiles

    def _recompute(self, top: int, advance: Callable[[int, int], None]) -> None:
        total, done = (self.rows[-1].end if self.rows else 0), 0

        def step(count: int) -> None:
            nonlocal done
            done += count
            advance(done, max(total, done))

        self.bodies = BodyCheck(
            self._paths, self._origin, self._keyring, self.rows, sizes=(), needed=(), top=top,
            more=lambda _at: None,
        ).run(0, None, False, step)
        for finding in self.bodies.findings:
            self._finding(finding)
        if top > self.bodies.size and not any(f.last >= top - 1 for f in self.bodies.findings):
            text = f"the data end at {self.bodies.size}, a checkpoint is of {top} entries"
            self.problems.add("journal", "", text, BACKUP, self.bodies.size, top - 1)
        for low, high in _runs(self.bodies.mismatched):
            text = "the stored tile hash is not that of the events"
            first, last = low * TILE_EVENTS, (high + 1) * TILE_EVENTS - 1
            self.problems.add("tiles", "tiles/1", text, REINDEX, first, last)
        self._roots()

    def _finding(self, finding: Finding) -> None:
        if finding.verdict == TORN:
            self.problems.notes.append(
                f"{finding.message}: unfinished, the next start moves it to quarantine"
            )
            return
        area = next(
            (area for area, mark in (("tiles", "tiles/"), ("evidence", EVIDENCE_SUFFIX))
             if mark in finding.message),
            "journal",
        )
        remedy = REINDEX if area == "tiles" else BACKUP
        if finding.verdict == "unreadable":
            area, remedy = "keyring", KEYS
        self.problems.add(area, "", finding.message, remedy, finding.first, finding.last)

    def _roots(self) -> None:
        for row in self.rows:
            root = self.bodies.roots.get(row.first)
            if root is not None and root.hex() != row.leaves_root:
                text = f"{row.file}: its events do not give the leaves_root of the manifest"
                area, last = "evidence", row.end - 1
                self.problems.add(area, row.file, text, BACKUP, row.first, last)


def _runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Ascending numbers as runs of neighbours, both ends included."""
    out: list[tuple[int, int]] = []
    for number in numbers:
        low = out.pop()[0] if out and out[-1][1] == number - 1 else number
        out.append((low, number))
    return out


def _sha256(path: Path) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(FILE_CHUNK_BYTES):
            hasher.update(chunk)
    return hasher.hexdigest()

