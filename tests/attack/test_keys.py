"""Attempts to have keys destroyed by somebody who can write the data folder, but not the keyring.

A start removes what a crash can leave, and with some of it a key. Nothing that stands in the data
folder may choose that key: what was lost could not be read from any backup either.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from attack.case import PROVEN, judge
from attack.conftest import Layout
from attack.lab import ORIGIN, copy_ledger, driven
from attack.tools import manifest, manifest_row
from indelible.app.place import Place
from indelible.base.errors import Damaged
from indelible.ledger.journal import FORMAT, file_name, journal_files
from indelible.store.evidence import EvidenceReader
from indelible.store.keyring import COLUMNS
from indelible.store.records import Header, read_header

Attack = Callable[[Place], object]
EVIDENCE_KEY = "(SELECT key FROM segments WHERE first=0)"


def obsolete(file: str) -> Attack:
    """A row that calls a file replaced, with the key of the first segment."""
    return lambda p: manifest(p, f"INSERT INTO obsolete VALUES ({file}, {EVIDENCE_KEY}, 1)")


def segment_file(place: Place) -> Path:
    return place.paths.evidence / str(manifest_row(place, 0)["file"])


def journal_header(place: Place) -> Header:
    """That of the newest journal file."""
    with journal_files(place.paths.journal)[-1].open("rb") as file:
        return read_header(file, FORMAT, ORIGIN)[0]


def salt_key(place: Place) -> str:
    """The key of the salts of sealed events."""
    row = manifest_row(place, 0)
    key = place.keyring(read_only=True).get(str(row["key"]))
    reader = EvidenceReader(segment_file(place), ORIGIN, key)
    reader.close()
    return reader.salt_key_of(0)


def header_only(first: int, **changed: Callable[[Place], str]) -> Attack:
    """A journal file without a record, whose header says what the attacker wants."""

    def attack(place: Place) -> None:
        said = {name: value(place) for name, value in changed.items()}
        header = msgspec.structs.replace(journal_header(place), first=first, **said)
        path = place.paths.journal / file_name(first, header.file)
        path.write_bytes(header.encode())

    return attack


def no_file(_place: Place) -> str:
    return "f" * 16


def evidence_key(place: Place) -> str:
    return str(manifest_row(place, 0)["key"])


def evidence_id(place: Place) -> str:
    return segment_file(place).stem.split("-")[1]


def file_of(folder: str, name: str) -> Attack:
    """An empty file whose name ends a crash's work, or so it seems; `ID` is the evidence's."""
    return lambda p: (p.paths.root / folder / name.replace("ID", evidence_id(p))).touch()


def last_row_away(place: Place) -> None:
    """The newest segment is called unsealed: its evidence looks like an interrupted seal's."""
    manifest(place, "DELETE FROM segments WHERE first=3000")
    manifest(place, "DELETE FROM columns WHERE first=3000")


def renamed_in_manifest(place: Place) -> None:
    """The evidence file is no longer named, and lies where an interrupted seal would leave it."""
    path = segment_file(place)
    shutil.copy(path, path.with_name(f"{'9' * 20}-{evidence_id(place)}.evidence"))
    manifest(place, f"UPDATE segments SET file='{'0' * 20}-{'f' * 16}.evidence' WHERE first=0")


ATTACKS: dict[str, Attack] = {
    "obsolete-file-in-use": obsolete("(SELECT file FROM columns WHERE first=0)"),
    "obsolete-unknown-file": obsolete(f"'{'0' * 20}-{'f' * 16}.columns'"),
    "obsolete-odd-name": obsolete("'x.columns'"),
    "obsolete-evidence-id": obsolete("replace((SELECT file FROM segments WHERE first=0),"
                                     " '.evidence', '.columns')"),
    "obsolete-other-folder": obsolete("'../evidence/' ||"
                                      " (SELECT file FROM segments WHERE first=0)"),
    "journal-names-evidence-key": header_only(6300, file=no_file, key=evidence_key),
    "journal-names-evidence-key-as-salt": header_only(6300, file=no_file, salt_key=evidence_key),
    "journal-names-evidence": header_only(6300, file=evidence_id, key=evidence_key),
    "journal-names-sealed-salt": header_only(6300, file=no_file, salt_key=salt_key),
    "journal-of-the-newests-id": header_only(6300),
    "journal-of-the-newests-id-at-head": header_only(0),
    "evidence-of-a-named-id": file_of("evidence", f"{'9' * 20}-ID.evidence"),
    "evidence-no-longer-named": renamed_in_manifest,
    "evidence-odd-name": file_of("evidence", "x.evidence"),
    "columns-of-an-evidence-id": file_of("columns", f"{'9' * 20}-ID.columns"),
    "columns-of-no-id": file_of("columns", f"{'9' * 20}-.columns"),
    "columns-odd-name": file_of("columns", "x.columns"),
    "last-row-away": last_row_away,
}


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_in_the_data_folder_has_a_key_destroyed(
    layout: Layout, tmp_path: Path, name: str
) -> None:
    place = copy_ledger(layout.now, tmp_path / "copy")
    keys = place.keyring(read_only=True).all_ids()
    evidence = {path.name: path.read_bytes() for path in place.paths.evidence.iterdir()}
    columns = {path.name for path in place.paths.columns.iterdir()}
    ATTACKS[name](place)
    with suppress(Damaged), driven(place):
        pass
    assert keys.items() <= place.keyring(read_only=True).all_ids().items()
    for file, content in evidence.items():
        assert (place.paths.evidence / file).read_bytes() == content
    assert columns <= {path.name for path in place.paths.columns.iterdir()}
    if name not in ("evidence-no-longer-named", "last-row-away"):
        assert judge(place).verify == PROVEN


def test_a_replaced_column_file_that_nobody_names_still_goes_with_its_key(
    layout: Layout, tmp_path: Path
) -> None:
    place = copy_ledger(layout.now, tmp_path / "copy")
    row = manifest_row(place, 3000, "columns")
    manifest(place, "INSERT INTO obsolete SELECT file, key, 1 FROM columns WHERE first=3000")
    manifest(place, "DELETE FROM columns WHERE first=3000")
    keys = place.keyring(read_only=True).all_ids()
    with driven(place):
        pass
    left = place.keyring(read_only=True).all_ids()
    assert keys.items() - left.items() == {(str(row["key"]), COLUMNS)}
    assert not (place.paths.columns / str(row["file"])).exists()
