"""Attacks on the rows and the bytes of the small databases: manifest, register, meta, keyring."""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from attack.case import PROVEN, Case, attacked
from attack.conftest import Layout
from attack.lab import ORIGIN, copy_ledger, driven
from attack.tools import cut, manifest_row
from indelible.app.place import Place
from indelible.ledger.journal import journal_files
from indelible.ledger.register import Fenced
from indelible.store.records import read_header

Attack = Callable[[Place], object]
At = Callable[[Place], Path]


def manifest(place: Place) -> Path:
    return place.paths.manifest


def register(place: Place) -> Path:
    return place.settings.state / "register.sqlite"


def meta(place: Place) -> Path:
    return place.paths.meta


def keyring(place: Place) -> Path:
    return place.settings.keys / "keyring.sqlite"


def sql(at: At, text: str) -> Attack:
    """Several statements; `{name}` stands for what `NAMES` knows of the ledger."""

    def attack(place: Place) -> None:
        with closing(sqlite3.connect(at(place), isolation_level=None)) as link:
            link.executescript(text.format_map(_Names(place)))

    return attack


class _Names(dict[str, str]):
    """Keys and files of the ledger under attack, looked up when a statement names them."""

    def __init__(self, place: Place) -> None:
        super().__init__(origin=ORIGIN)
        self._place = place

    def __missing__(self, name: str) -> str:
        column, _, first = name.rpartition("_")
        table, _, column = column.partition("_")
        if table == "journal":
            path = journal_files(self._place.paths.journal)[int(first)]
            with path.open("rb") as file:
                return str(getattr(read_header(file, "indelible-journal/1", ORIGIN)[0], column))
        return str(manifest_row(self._place, int(first), table)[column])


def shorter(at: At, count: int) -> Attack:
    return lambda place: cut(at(place), count)


def doubled(at: At, table: str, where: str) -> Attack:
    """A row stands twice: in a table made again without the constraints that would refuse it."""
    return sql(at, f"CREATE TABLE twice AS SELECT * FROM {table}; DROP TABLE {table};"
                   f" INSERT INTO twice SELECT * FROM twice WHERE {where};"
                   f" ALTER TABLE twice RENAME TO {table};")


def segment(first: int, end: int) -> Attack:
    """A row of the manifest for evidence that is not there."""
    return sql(manifest, f"INSERT INTO segments SELECT {first}, {end}, 'x.evidence', key, bytes,"
                         " sha256, received_min, received_max, leaves_root, tier, holds"
                         " FROM segments WHERE first=3000")


def column_row(first: int, end: int) -> Attack:
    """The same for a column file."""
    return sql(manifest, f"INSERT INTO columns SELECT {first}, {end}, 'x-y.columns', key, bytes,"
                         " sha256, rows, time_min, time_max FROM columns WHERE first=3000")


def loose(table: str, change: str, at: At = manifest) -> Attack:
    """A change that the table's own constraints would refuse: it is made again without them."""
    return sql(at, f"CREATE TABLE loose AS SELECT * FROM {table}; DROP TABLE {table};"
                   f" ALTER TABLE loose RENAME TO {table}; UPDATE {table} SET {change};")


RANGES_EXCHANGED = """
UPDATE segments SET first=9000 WHERE first=0;
UPDATE segments SET first=0, end=2200 WHERE first=3000;
UPDATE segments SET first=2200, end=5200 WHERE first=9000;
"""
COLUMN_FILES_EXCHANGED = """
UPDATE columns SET file='x' WHERE first=0;
UPDATE columns SET file='{columns_file_0}' WHERE first=3000;
UPDATE columns SET file='{columns_file_3000}' WHERE first=0;
"""
MANIFEST = [
    # The journal holds the events that such a row claims: none of them is blamed.
    Case("insert-row-at-end", segment(5200, 6300), "tampered", None, "manifest", "damaged"),
    Case("insert-row-beyond-end", segment(5200, 9000), "tampered", None, "manifest", "damaged"),
    Case("insert-row-behind-hole", segment(6300, 6400), "tampered", None, "manifest", "damaged"),
    Case("insert-row-in-middle", segment(2000, 3000), "tampered", None, "manifest", "damaged"),
    Case("insert-row-before-head", segment(-5, 0), "tampered", None, "manifest", "damaged"),
    Case("duplicate-row", doubled(manifest, "segments", "first=0"), "tampered", None, "manifest",
         "damaged"),
    Case("ranges-exchanged", sql(manifest, RANGES_EXCHANGED), "tampered", None, "manifest",
         "damaged"),
    Case("cut-a-page", shorter(manifest, 4096), "tampered", None, "manifest", "damaged"),
    Case("columns-row-inserted", column_row(5200, 6300), PROVEN, None, "manifest", ""),
    Case("columns-row-inserted-in-middle", column_row(2000, 3000), PROVEN, None, "manifest", ""),
    Case("columns-row-doubled", doubled(manifest, "columns", "first=0"), PROVEN, None, "manifest",
         ""),
    Case("columns-rows-deleted", sql(manifest, "DELETE FROM columns"), PROVEN, None, "manifest",
         ""),
    Case("columns-files-exchanged", sql(manifest, COLUMN_FILES_EXCHANGED), PROVEN, None,
         "columns", ""),
    Case("columns-rows-no-number", loose("columns", "rows='x'"), PROVEN, None, "manifest", ""),
    Case("row-without-a-number", loose("segments", "bytes='x'"), "tampered", None, "manifest",
         "damaged"),
    Case("end-no-number", loose("segments", "end='x'"), "tampered", None, "manifest", "damaged"),
    Case("segments-table-dropped", sql(manifest, "DROP TABLE segments"), "tampered", None,
         "manifest", "damaged"),
    Case("columns-table-dropped", sql(manifest, "DROP TABLE columns"), PROVEN, None, "manifest",
         "damaged"),
    Case("about-table-dropped", sql(manifest, "DROP TABLE about"), PROVEN, None, "manifest",
         "damaged"),
    Case("obsolete-table-dropped", sql(manifest, "DROP TABLE obsolete"), PROVEN, None, "manifest",
         "damaged"),
    Case("trigger-inserted",
         sql(manifest, "CREATE TRIGGER t AFTER INSERT ON segments BEGIN DELETE FROM columns; END"),
         PROVEN, None, "manifest", ""),
    Case("obsolete-row-inserted",
         sql(manifest, "INSERT INTO obsolete VALUES ('{columns_file_0}', '{segments_key_0}', 1)"),
         PROVEN, None, "manifest", ""),
    # Without meaning: the last page is of an index that holds nothing.
    Case("cut-1-byte", shorter(manifest, 1), PROVEN, None, "", ""),
    Case("cut-255-bytes", shorter(manifest, 255), PROVEN, None, "", ""),
    Case("cut-256-bytes", shorter(manifest, 256), PROVEN, None, "", ""),
]

OTHER_LOG = "INSERT INTO register VALUES ('other.example/log', 1, '" + "00" * 32 + "', 1, 0);"
ORIGINS_EXCHANGED = OTHER_LOG + """
UPDATE register SET origin='x' WHERE origin='{origin}';
UPDATE register SET origin='{origin}' WHERE origin='other.example/log';
"""


def older_register(place: Place) -> None:
    """What the register held when 5,200 events were signed."""
    note = (place.paths.checkpoints / f"{5200:020d}").read_text()
    root = base64.b64decode(note.splitlines()[2]).hex()
    sql(register, f"UPDATE register SET size=5200, root='{root}'")(place)


REGISTER = [
    Case("row-deleted", sql(register, "DELETE FROM register"), "tampered", None, "register",
         "register_missing"),
    Case("table-dropped", sql(register, "DROP TABLE register"), "tampered", None, "register",
         "register_missing"),
    Case("row-doubled", doubled(register, "register", "1"), PROVEN, None, "register", ""),
    Case("trigger-inserted",
         sql(register, "CREATE TRIGGER t AFTER UPDATE ON register BEGIN"
                       " UPDATE register SET size=0; END"), PROVEN, None, "register", ""),
    Case("rows-exchanged", sql(register, ORIGINS_EXCHANGED), "forked", None, "", "forked"),
    Case("size-negative", sql(register, "UPDATE register SET size=-1"), "tampered", None,
         "register", "register_missing"),
    Case("size-no-number", loose("register", "size='x'", register), "tampered", None, "register",
         "register_missing"),
    Case("fence-no-number", loose("register", "fence='x'", register), "tampered", None,
         "register", "register_missing"),
    Case("size-zero", sql(register, "UPDATE register SET size=0"), "forked", None, "", "forked"),
    Case("older-state", older_register, "rolled back", None, "", ""),
    Case("closed", sql(register, "UPDATE register SET closed=1"), PROVEN, None, "", "damaged"),
    Case("cut-1-byte", shorter(register, 1), "tampered", None, "register", "register_missing"),
    Case("cut-255-bytes", shorter(register, 255), "tampered", None, "register",
         "register_missing"),
    Case("cut-256-bytes", shorter(register, 256), "tampered", None, "register",
         "register_missing"),
    Case("cut-a-page", shorter(register, 4096), "tampered", None, "register", "register_missing"),
    # Without meaning: a row of another log, and a fence that the next start raises anyway.
    Case("row-inserted", sql(register, OTHER_LOG), PROVEN, None, "", ""),
    Case("fence-changed", sql(register, "UPDATE register SET fence=99"), PROVEN, None, "", ""),
]

NUMBERS_EXCHANGED = """
INSERT INTO source VALUES (2, 'payroll', '');
UPDATE source SET number=3 WHERE number=1;
UPDATE source SET number=1 WHERE number=2;
UPDATE source SET number=2 WHERE number=3;
"""
META = [
    Case("cut-1-byte", shorter(meta, 1), PROVEN, None, "meta", ""),
    Case("cut-255-bytes", shorter(meta, 255), PROVEN, None, "meta", ""),
    Case("cut-256-bytes", shorter(meta, 256), PROVEN, None, "meta", ""),
    Case("cut-a-page", shorter(meta, 4096), PROVEN, None, "meta", "damaged"),
    Case("source-deleted", sql(meta, "DELETE FROM source WHERE number=1"), PROVEN, None, "meta",
         ""),
    Case("source-inserted", sql(meta, "INSERT INTO source VALUES (7, 'payroll', '')"), PROVEN,
         None, "meta", ""),
    Case("source-renamed", sql(meta, "UPDATE source SET id='payroll' WHERE number=1"), PROVEN,
         None, "meta", ""),
    Case("source-doubled", sql(meta, "INSERT INTO source SELECT 2, id, 'other' FROM source"
                                     " WHERE number=1"), PROVEN, None, "meta", ""),
    Case("sources-exchanged", sql(meta, NUMBERS_EXCHANGED), PROVEN, None, "meta", ""),
    Case("trigger-inserted",
         sql(meta, "CREATE TRIGGER t AFTER INSERT ON source BEGIN DELETE FROM source; END"),
         PROVEN, None, "meta", ""),
    Case("migration-deleted", sql(meta, "DELETE FROM migration WHERE number=2"), PROVEN, None,
         "meta", "damaged"),
    Case("migration-inserted", sql(meta, "INSERT INTO migration VALUES (99, 'x')"), PROVEN, None,
         "meta", "damaged"),
    Case("migrations-exchanged", sql(meta, "UPDATE migration SET number=-number"), PROVEN, None,
         "meta", "damaged"),
    Case("migrations-deleted", sql(meta, "DELETE FROM migration"), PROVEN, None, "meta",
         "damaged"),
    Case("migration-table-dropped", sql(meta, "DROP TABLE migration"), PROVEN, None, "meta",
         "damaged"),
    Case("source-table-dropped", sql(meta, "DROP TABLE source"), PROVEN, None, "meta", "damaged"),
    Case("token-table-dropped", sql(meta, "DROP TABLE token"), PROVEN, None, "meta", "damaged"),
    Case("value-table-dropped", sql(meta, "DROP TABLE value"), PROVEN, None, "meta", "damaged"),
    Case("findings-unreadable", sql(meta, "INSERT INTO value VALUES ('damage', x'7b')"), PROVEN,
         None, "meta", ""),
    # Not proved: what only this database knows (a verification policy pins witnesses).
    Case("token-deleted", sql(meta, "DELETE FROM token"), PROVEN, None, "", ""),
    Case("witness-inserted", sql(meta, "INSERT INTO witness VALUES ('w', 'http://w', 'w+1+x', 1)"),
         PROVEN, None, "", ""),
    Case("findings-deleted", sql(meta, "DELETE FROM value; DELETE FROM verification"), PROVEN,
         None, "", ""),
]

WRAPS_EXCHANGED = """
CREATE TEMP TABLE was AS SELECT id, wrapped FROM keys;
UPDATE keys SET wrapped=(SELECT wrapped FROM was WHERE id='{segments_key_3000}')
  WHERE id='{segments_key_0}';
UPDATE keys SET wrapped=(SELECT wrapped FROM was WHERE id='{segments_key_0}')
  WHERE id='{segments_key_3000}';
"""
IDS_EXCHANGED = """
UPDATE keys SET id='x' WHERE id='{segments_key_0}';
UPDATE keys SET id='{segments_key_0}' WHERE id='{segments_key_3000}';
UPDATE keys SET id='{segments_key_3000}' WHERE id='x';
"""


def of_first(change: str) -> Attack:
    """A change to the row of the first segment's key."""
    return sql(keyring, change + " WHERE id='{segments_key_0}'")


def new_key(purpose: str) -> Attack:
    """A row by somebody without the master key."""
    return sql(keyring, "INSERT INTO keys VALUES"
                        f" ('aaaa', '{purpose}', '', 9999999999999999, zeroblob(60), NULL, NULL)")


def master(name: str) -> At:
    return lambda place: place.settings.keys / name


KEYRING = [
    Case("row-inserted", new_key("evidence"), PROVEN, None, "keyring", ""),
    Case("row-doubled", sql(keyring, "INSERT INTO keys SELECT 'aaaa', purpose, file, created,"
                                     " wrapped, destroyed, retired FROM keys"
                                     " WHERE id='{segments_key_0}'"), PROVEN, None, "keyring", ""),
    Case("row-doubled-under-its-id", doubled(keyring, "keys", "id='{segments_key_0}'"), PROVEN,
         None, "keyring", ""),
    Case("trigger-inserted",
         sql(keyring, "CREATE TRIGGER t AFTER INSERT ON keys BEGIN DELETE FROM keys; END"),
         PROVEN, None, "keyring", ""),
    Case("column-keys-deleted", sql(keyring, "DELETE FROM keys WHERE purpose='columns'"), PROVEN,
         None, "keyring", ""),
    Case("sealed-master-cut", shorter(master("master.sealed"), 1), PROVEN, None, "keyring", ""),
    Case("sealed-master-removed", lambda p: master("master.sealed")(p).unlink(), PROVEN, None,
         "keyring", ""),
    Case("id-key-deleted", sql(keyring, "DELETE FROM keys WHERE purpose='seen'"), PROVEN, None,
         "ids", "key_missing"),
    Case("id-key-inserted", new_key("seen"), PROVEN, None, "keyring", "damaged"),
    Case("data-key-cut", of_first("UPDATE keys SET wrapped=x'00'"), "unreadable", (0, 2999),
         "keyring", ""),
    Case("data-key-overwritten", of_first("UPDATE keys SET wrapped=NULL"), "unreadable",
         (0, 2999), "keyring", ""),
    Case("data-key-of-another-purpose", of_first("UPDATE keys SET purpose='salt'"), "unreadable",
         (0, 2999), "keyring", ""),
    Case("keys-exchanged", sql(keyring, WRAPS_EXCHANGED), "unreadable", (0, 2999), "keyring",
         "damaged"),
    Case("ids-exchanged", sql(keyring, IDS_EXCHANGED), "unreadable", (0, 2999), "keyring",
         "damaged"),
    Case("journal-key-deleted", sql(keyring, "DELETE FROM keys WHERE id='{journal_key_1}'"),
         "unreadable", (5900, 6299), "keyring", "key_missing"),
    Case("all-keys-deleted", sql(keyring, "DELETE FROM keys"), "damaged", None, "keyring",
         "key_missing"),
    Case("ml-dsa-key-deleted", sql(keyring, "DELETE FROM keys WHERE purpose='mldsa44'"),
         "damaged", None, "keyring", "damaged"),
    Case("signing-key-retired", sql(keyring, "UPDATE keys SET retired=1 WHERE purpose='ed25519'"),
         "damaged", None, "keyring", "damaged"),
    Case("signing-key-inserted", new_key("ed25519"), "key_missing", None, "keyring", "damaged"),
    Case("origin-changed", sql(keyring, "UPDATE about SET value='x' WHERE name='origin'"),
         "damaged", None, "keyring", "damaged"),
    Case("master-mark-deleted", sql(keyring, "DELETE FROM about WHERE name='master'"),
         "key_missing", None, "keyring", "key_missing"),
    Case("master-key-cut", shorter(master("master.key"), 1), "key_missing", None, "keyring",
         "key_missing"),
    Case("keys-table-dropped", sql(keyring, "DROP TABLE keys"), "damaged", None, "keyring",
         "damaged"),
    Case("about-table-dropped", sql(keyring, "DROP TABLE about"), "damaged", None, "keyring",
         "damaged"),
    Case("cut-1-byte", shorter(keyring, 1), PROVEN, None, "keyring", ""),
    Case("cut-255-bytes", shorter(keyring, 255), "key_missing", None, "keyring", "key_missing"),
    Case("cut-256-bytes", shorter(keyring, 256), "key_missing", None, "keyring", "key_missing"),
    Case("cut-a-page", shorter(keyring, 4096), "damaged", None, "keyring", "damaged"),
]
ALL = {"manifest": MANIFEST, "register": REGISTER, "meta": META, "keyring": KEYRING}


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=f"{area}-{c.name}") for area, cases in ALL.items() for c in cases]
)
def test_attack_on_a_database_is_named(layout: Layout, tmp_path: Path, case: Case) -> None:
    attacked(layout.now, tmp_path / "copy", case)


def test_nothing_is_signed_under_a_doubled_register(layout: Layout, tmp_path: Path) -> None:
    place = copy_ledger(layout.now, tmp_path / "copy")
    doubled(register, "register", "1")(place)
    before = place.paths.checkpoint.read_bytes()
    with driven(place) as ledger:
        ledger.append(10)
        with pytest.raises(Fenced):
            ledger.publish()
    assert place.paths.checkpoint.read_bytes() == before
