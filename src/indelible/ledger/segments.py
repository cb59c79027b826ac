"""Which evidence segments there are: by the manifest, and where it does not say, by the files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from indelible.base.errors import Damaged
from indelible.base.limits import SEGMENT_EVENTS
from indelible.ledger.journal import journal_files
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.scan import BROKEN, key_of
from indelible.store.evidence import FORMAT, SUFFIX, EvidenceReader
from indelible.store.keyring import Keyring
from indelible.store.manifest import Manifest, SegmentRow
from indelible.store.records import read_header


class Segments:
    """Finds the segments of a ledger for verification; writes nothing.

    `trouble` says why the manifest could not be used, `unnamed` which files were found without it,
    `astray` what single rows say of files and these do not bear out, `found` the files whose rows
    here are made from what the files say.
    """

    def __init__(self, paths: LedgerPaths, origin: str, keyring: Keyring) -> None:
        self._paths, self._origin, self._keyring = paths, origin, keyring
        self.trouble = ""
        self.astray: list[str] = []
        self.found: set[str] = set()
        self.unnamed: list[SegmentRow] = []
        self.rows: list[SegmentRow] = []
        try:
            self.rows = self._borne_out(self._named())
        except BROKEN as error:
            self.trouble = str(error)
            self.rows = self._by_files()

    def _named(self) -> list[SegmentRow]:
        if not self._paths.manifest.is_file():
            raise Damaged("there is no manifest")
        manifest = Manifest(self._paths.manifest, read_only=True)
        try:
            rows = manifest.segments()
        finally:
            manifest.close()
        for row in rows:
            if row.end - row.first > SEGMENT_EVENTS or Path(row.file).name != row.file:
                raise Damaged(f"the manifest's row of index {row.first} cannot be one of ours")
        return rows

    def _borne_out(self, rows: list[SegmentRow]) -> list[SegmentRow]:
        """The rows with the files that hold their events; those at the end go whose events are
        still in the journal. A row whose file is gone or broken stays: its events are lost."""
        found: list[SegmentRow] = []
        journals = [path.name for path in journal_files(self._paths.journal)[:1]]
        for row in rows:
            said = self._row_of(self._paths.evidence / row.file)
            if said is not None and (said.first, said.end) == (row.first, row.end):
                found.append(row)
                continue
            text = f"the manifest names {row.file} for {row.first}..{row.end - 1}"
            other = self._file_at(row.first)
            if other is not None and other.end == row.end:
                self.astray.append(f"{text}, {other.file} holds them")
                found.append(other)
            elif other is not None:
                raise Damaged(f"{text}, {other.file} holds {other.first}..{other.end - 1}")
            elif row is rows[-1] and journals and journals[0][:20] <= f"{row.first:020d}":
                self.astray.append(f"{text}, which the journal holds")
            else:
                found.append(row)
        return found

    def more(self, at: int) -> SegmentRow | None:
        """The segment that holds `at`, now; a file without a row only where it begins there."""
        if not self.trouble:
            try:
                named = self._named()
            except BROKEN:
                named = []
            for row in named:
                if row.first <= at < row.end and row not in self.rows:
                    return row
        found = self._file_at(at)
        if found is not None and not self.trouble:
            self.unnamed.append(found)
        return found

    def _by_files(self) -> list[SegmentRow]:
        found: list[SegmentRow] = []
        while (row := self._file_at(found[-1].end if found else 0)) is not None:
            found.append(row)
        return found

    def _file_at(self, first: int) -> SegmentRow | None:
        """A readable evidence file that begins at `first` and is not among the known rows."""
        known: Sequence[str] = [row.file for row in self.rows]
        for path in sorted(self._paths.evidence.glob(f"{first:020d}-*{SUFFIX}")):
            if path.name in known:
                continue
            row = self._row_of(path)
            if row is not None and row.first == first:
                self.found.add(path.name)
                return row
        return None

    def _row_of(self, path: Path) -> SegmentRow | None:
        """What a file says of itself; None when it does not read."""
        try:
            with path.open("rb") as file:
                header = read_header(file, FORMAT, self._origin)[0]
            reader = EvidenceReader(path, self._origin, key_of(self._keyring, header.key))
        except BROKEN:
            return None
        footer = reader.footer
        reader.close()
        if not 0 < footer.end - footer.first <= SEGMENT_EVENTS:
            return None
        return SegmentRow(
            first=footer.first, end=footer.end, file=path.name, key=header.key,
            bytes=path.stat().st_size, sha256="", received_min=footer.received_min,
            received_max=footer.received_max, leaves_root=footer.leaves_root,
        )
