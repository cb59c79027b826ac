"""Attacks on checkpoints, register, id index, metadata, keyring and column files."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from attack.case import PROVEN, Case, attacked, judge
from attack.conftest import Layout
from attack.lab import ORIGIN, copy_ledger
from attack.token_rows import TOKEN_ROWS
from attack.tools import cut, flip, manifest, manifest_row, run_sql
from indelible.app.place import Place
from indelible.ledger.journal import journal_files
from indelible.ledger.seal import column_file_of
from indelible.ledger.seen import open_runs, record, seal_run
from indelible.proof.checkpoint import Checkpoint, sign
from indelible.proof.keys import Ed25519Signer, MLDSA44Signer
from indelible.store.column_file import read_column_tables, write_column_tables
from indelible.store.keyring import SEEN
from indelible.store.manifest import Manifest
from indelible.store.records import read_header


def checkpoint(place: Place) -> Path:
    return place.paths.checkpoint


def without(line: int) -> Callable[[Place], None]:
    """One of the two signature lines removed."""

    def attack(place: Place) -> None:
        text, block = checkpoint(place).read_bytes().decode().split("\n\n")
        lines = block.splitlines()
        del lines[line]
        checkpoint(place).write_text(f"{text}\n\n" + "\n".join(lines) + "\n")

    return attack


def rewritten(old: str, new: str) -> Callable[[Place], None]:
    def attack(place: Place) -> None:
        path = checkpoint(place)
        path.write_text(path.read_text().replace(old, new, 1))

    return attack


def resigned(place: Place) -> None:
    """The same tree under somebody else's keys of the same name."""
    size, root = 6300, place.paths.checkpoint.read_text().splitlines()[2]
    head = Checkpoint(ORIGIN, size, base64.b64decode(root))
    keys = Ed25519Signer(ORIGIN, b"e" * 32), MLDSA44Signer(ORIGIN, b"m" * 32)
    checkpoint(place).write_bytes(sign(head, *keys, 1_800_000_000))


def older_one(place: Place) -> None:
    shutil.copy(place.paths.checkpoints / f"{3000:020d}", checkpoint(place))


def line(at: int, edit: Callable[[list[str], int], object]) -> Callable[[Place], None]:
    """One line of the newest checkpoint changed; -3 and -2 are the signature lines."""

    def attack(place: Place) -> None:
        lines = checkpoint(place).read_text().split("\n")
        edit(lines, at)
        checkpoint(place).write_text("\n".join(lines))

    return attack


def doubled(lines: list[str], at: int) -> None:
    lines.insert(at, lines[at])


def next_first(lines: list[str], at: int) -> None:
    lines[at], lines[at + 1] = lines[at + 1], lines[at]


def signatures_of_another(place: Place) -> None:
    """The text of an older checkpoint over the newest one's signature lines."""
    older = kept(place, 3000).read_text().split("\n\n")[0]
    newest = checkpoint(place).read_text().split("\n\n")[1]
    checkpoint(place).write_text(f"{older}\n\n{newest}")


def kept_exchanged(place: Place) -> None:
    content = kept(place, 3000).read_bytes()
    kept(place, 3000).write_bytes(kept(place, 5200).read_bytes())
    kept(place, 5200).write_bytes(content)


def kept(place: Place, size: int) -> Path:
    return place.paths.checkpoints / f"{size:020d}"


CHECKPOINT = [
    Case("flip-size", rewritten("\n6300\n", "\n6301\n"), "tampered", None, "checkpoint",
         "bad_note"),
    Case("flip-signature", lambda p: flip(checkpoint(p), -20, 0x02), "tampered", None,
         "checkpoint", "bad_note"),
    Case("other-origin", rewritten(ORIGIN, "other.example/log"), "tampered", None, "checkpoint",
         "damaged"),
    Case("strip-ed25519", without(0), "signature stripped", None, "checkpoint", "damaged"),
    Case("strip-ml-dsa-44", without(1), "signature stripped", None, "checkpoint", "damaged"),
    Case("signed-by-another-key", resigned, "not signed by the given key", None, "checkpoint",
         "damaged"),
    Case("replaced-by-an-older-one", older_one, "rolled back", None, "", ""),
    Case("cut-1-byte", lambda p: cut(checkpoint(p), 1), "tampered", None, "checkpoint",
         "bad_note"),
    Case("cut-255-bytes", lambda p: cut(checkpoint(p), 255), "tampered", None, "checkpoint",
         "bad_note"),
    Case("cut-256-bytes", lambda p: cut(checkpoint(p), 256), "tampered", None, "checkpoint",
         "bad_note"),
    Case("cut-all", lambda p: cut(checkpoint(p), None), "tampered", None, "checkpoint",
         "bad_note"),
    Case("insert-line", line(3, lambda text, at: text.insert(at, "more")), "tampered", None,
         "checkpoint", "bad_note"),
    Case("duplicate-line", line(1, doubled), "tampered", None, "checkpoint", "bad_note"),
    Case("reorder-lines", line(0, next_first), "tampered", None, "checkpoint", "bad_note"),
    Case("duplicate-file", lambda p: checkpoint(p).write_bytes(checkpoint(p).read_bytes() * 2),
         "tampered", None, "checkpoint", "bad_note"),
    Case("signatures-of-another", signatures_of_another, "tampered", None, "checkpoint",
         "bad_note"),
    # Without meaning: which signature line stands first, and lines of unknown signers.
    Case("reorder-signatures", line(-3, next_first), PROVEN, None, "", ""),
    Case("duplicate-signature", line(-2, doubled), PROVEN, None, "", ""),
    Case("insert-signature", line(-2, lambda text, at: text.insert(at, "\u2014 x AAAAAAAA")),
         PROVEN, None, "", ""),
    Case("remove", lambda p: checkpoint(p).unlink(), "tampered", None, "checkpoint", ""),
    Case("flip-kept", lambda p: flip(kept(p, 3000), 30), "tampered", None, "checkpoint", ""),
    Case("rename-kept", lambda p: kept(p, 3000).rename(kept(p, 2999)), "tampered", None,
         "checkpoint", ""),
    Case("cut-kept-1-byte", lambda p: cut(kept(p, 3000), 1), "tampered", None, "checkpoint", ""),
    Case("cut-kept-255-bytes", lambda p: cut(kept(p, 3000), 255), "tampered", None, "checkpoint",
         ""),
    Case("cut-kept-256-bytes", lambda p: cut(kept(p, 3000), 256), "tampered", None, "checkpoint",
         ""),
    Case("cut-kept-all", lambda p: cut(kept(p, 3000), None), "tampered", None, "checkpoint", ""),
    Case("exchange-kept", kept_exchanged, "tampered", None, "checkpoint", ""),
    # Without meaning for the newest state: one that was kept only narrows later damage.
    Case("remove-kept", lambda p: kept(p, 3000).unlink(), PROVEN, None, "", ""),
]


def register(place: Place) -> Path:
    return place.settings.state / "register.sqlite"


def registered(text: str) -> Callable[[Place], None]:
    return lambda place: run_sql(register(place), text)


REGISTER = [
    Case("size-raised", registered("UPDATE register SET size=6301"), "rolled back", None, "",
         "rolled_back"),
    Case("size-huge", registered("UPDATE register SET size=1152921504606846976"), "rolled back",
         None, "", "rolled_back"),
    Case("size-lowered", registered("UPDATE register SET size=6299"), "forked", None, "",
         "forked"),
    Case("root-changed", registered("UPDATE register SET root='" + "00" * 32 + "'"), "forked",
         None, "", "forked"),
    Case("root-cut", registered("UPDATE register SET root='00'"), "tampered", None, "register",
         "register_missing"),
    Case("origin-changed", registered("UPDATE register SET origin='x'"), "tampered", None,
         "register", "register_missing"),
    Case("flip-header", lambda p: flip(register(p), 5), "tampered", None, "register",
         "register_missing"),
    Case("cut-all", lambda p: cut(register(p), None), "tampered", None, "register",
         "register_missing"),
    Case("remove", lambda p: register(p).unlink(), "tampered", None, "register",
         "register_missing"),
]


def run(place: Place, which: int = 0) -> Path:
    return sorted(place.paths.ids.glob("*.ids"))[which]


def forged_ids(place: Place) -> None:
    """With the index's own secret: the ids of the first segment all told one index too high."""
    keyring = place.keyring(read_only=True)
    secret = keyring.newest(SEEN)
    found = open_runs(place.paths.ids, secret)[0]
    records = b"".join(
        record(int(h).to_bytes(8, "big") + int(low).to_bytes(8, "big"), int(d).to_bytes(8, "big"),
               int(i) - (1 if int(i) == 2000 else 0))
        for h, low, d, i in zip(*found.columns.all(), strict=True)
    )
    seal_run(place.paths.ids, secret, found.header.first, found.header.end, records)


IDS = [
    Case("flip-bloom", lambda p: flip(run(p), 300), PROVEN, None, "ids", ""),
    Case("flip-column", lambda p: flip(run(p), -4000), PROVEN, None, "ids", ""),
    Case("flip-trailer", lambda p: flip(run(p), -1), PROVEN, None, "ids", "damaged"),
    Case("cut-1-byte", lambda p: cut(run(p), 1), PROVEN, None, "ids", "damaged"),
    Case("cut-all", lambda p: cut(run(p), None), PROVEN, None, "ids", "damaged"),
    Case("remove-first", lambda p: run(p).unlink(), PROVEN, None, "ids", "damaged"),
    Case("remove-last", lambda p: run(p, -1).unlink(), PROVEN, None, "ids", "damaged"),
    Case("forged-with-the-secret", forged_ids, PROVEN, None, "ids", ""),
]

META = [
    Case("flip-header", lambda p: flip(p.paths.meta, 2), PROVEN, None, "meta", "damaged"),
    Case("cut-all", lambda p: cut(p.paths.meta, None), PROVEN, None, "meta", ""),
    Case("remove", lambda p: p.paths.meta.unlink(), PROVEN, None, "meta", ""),
    *(Case(name, attack, PROVEN, None, "meta", "") for name, attack in TOKEN_ROWS.items()),
]


def keyring(place: Place) -> Path:
    return place.settings.keys / "keyring.sqlite"


def key_of_evidence(place: Place) -> str:
    return manifest_row(place, 0)["key"]


def altered_key(place: Place) -> None:
    key = key_of_evidence(place)
    run_sql(keyring(place), f"UPDATE keys SET wrapped=zeroblob(60) WHERE id='{key}'")


def lost_key(place: Place) -> None:
    run_sql(keyring(place), f"DELETE FROM keys WHERE id='{key_of_evidence(place)}'")


def lost_salt(place: Place) -> None:
    with journal_files(place.paths.journal)[1].open("rb") as file:
        header = read_header(file, "indelible-journal/1", ORIGIN)[0]
    run_sql(keyring(place), f"DELETE FROM keys WHERE id='{header.salt_key}'")


def lost_signer(place: Place) -> None:
    run_sql(keyring(place), "DELETE FROM keys WHERE purpose='ed25519'")


KEYRING = [
    Case("data-key-altered", altered_key, "unreadable", (0, 2999), "keyring", ""),
    Case("data-key-deleted", lost_key, "unreadable", (0, 2999), "keyring", ""),
    Case("salt-key-deleted", lost_salt, "unreadable", (5900, 6299), "keyring", "key_missing"),
    Case("signing-key-deleted", lost_signer, "damaged", None, "keyring", "damaged"),
    Case("master-key-changed", lambda p: flip(p.settings.keys / "master.key", 0), "key_missing",
         None, "keyring", "key_missing"),
    Case("master-key-removed", lambda p: (p.settings.keys / "master.key").unlink(), "key_missing",
         None, "keyring", "key_missing"),
    Case("remove", lambda p: keyring(p).unlink(), "key_missing", None, "keyring", "key_missing"),
    Case("flip-header", lambda p: flip(keyring(p), 3), "damaged", None, "keyring", "damaged"),
    Case("cut-all", lambda p: cut(keyring(p), None), "damaged", None, "keyring", "damaged"),
]


def columns(place: Place) -> Path:
    return sorted(place.paths.columns.glob("*.columns"))[0]


COLUMNS = [
    Case("flip", lambda p: flip(columns(p), 5000), PROVEN, None, "columns", ""),
    Case("cut-1-byte", lambda p: cut(columns(p), 1), PROVEN, None, "columns", ""),
    Case("cut-all", lambda p: cut(columns(p), None), PROVEN, None, "columns", ""),
    Case("remove", lambda p: columns(p).unlink(), PROVEN, None, "columns", ""),
]
ALL = {
    "checkpoint": CHECKPOINT, "register": REGISTER, "ids": IDS, "meta": META, "keyring": KEYRING,
    "columns": COLUMNS,
}


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=f"{area}-{c.name}") for area, cases in ALL.items() for c in cases]
)
def test_attack_on_a_small_file_is_named(layout: Layout, tmp_path: Path, case: Case) -> None:
    attacked(layout.now, tmp_path / "copy", case)


# --- column files, by somebody who holds their keys and writes the manifest to fit


def tell(place: Place, change: Callable[[pa.Table], pa.Table]) -> None:
    """Rewrite the first column file so that nothing but evidence contradicts it."""
    store = Manifest(place.paths.manifest)
    row = store.columns()[0]
    store.close()
    file = column_file_of(place.paths, row, place.keyring(read_only=True))
    table = change(pa.concat_tables(read_column_tables(file)))
    path = Path(file.path)
    write_column_tables(
        [table], path, first=row.first, end=row.end, key=file.key, file_id=file.file_id,
        origin=ORIGIN,
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest(place, f"UPDATE columns SET sha256='{digest}', bytes={path.stat().st_size},"
                    f" rows={table.num_rows} WHERE first=0")


def with_value(index: int, name: str, value: object) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        told = table.column(name).to_pylist()
        told[table.column("index").to_pylist().index(index)] = value
        at = table.schema.get_field_index(name)
        return table.set_column(at, table.field(at), pa.array(told, table.field(at).type))

    return change


def without_rows(*indexes: int) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.filter(pc.invert(pc.is_in(table["index"], pa.array(indexes))))


@pytest.mark.parametrize(
    ("change", "index", "said"),
    [
        (with_value(1234, "actor_id", "somebody"), 1234, "actor_id"),
        (with_value(10, "ip", None), 10, "ip"),
        (with_value(2999, "received", 5), 2999, "received"),
        (with_value(7, "backfill", True), 7, "backfill"),
        (without_rows(0), 0, "missing"),
        (without_rows(1500), 1500, "missing"),
        (without_rows(2999), 2999, "missing"),
        (lambda t: pa.concat_tables([t.slice(0, 100), t.slice(99)]), 99, "twice"),
    ],
    ids=["lie-text", "lie-null", "lie-time", "lie-truth", "omit-head", "omit-middle", "omit-last",
         "duplicate"],
)
def test_lie_or_omission_in_a_column_file_is_named_by_index(
    layout: Layout, tmp_path: Path, change: Callable[[pa.Table], pa.Table], index: int, said: str
) -> None:
    place = copy_ledger(layout.now, tmp_path / "copy")
    tell(place, change)
    found = judge(place, columns=True)
    assert (found.verify, found.opens) == (PROVEN, "")
    assert [(p.area, p.first, p.last) for p in found.checked.problems] == [
        ("columns", index, index)
    ]
    assert said in found.checked.problems[0].message
    assert judge(place).checked.verdict == "whole"  # without --columns nobody looks inside
