"""`backup`: whole, apart from the ledger, and never half."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from indelible.app import backing, fsck_folder
from indelible.app.local import LocalLedger
from indelible.app.place import Place
from indelible.base.errors import BadRequest, Damaged, DiskFull, IndelibleError, KeyMissing
from indelible.ledger.journal import JournalReader, journal_files
from indelible.ledger.publish import Publisher
from indelible.ledger.rekey import BACKUP
from indelible.ledger.seal import file_id_of
from indelible.ledger.standing import Standing
from indelible.proof.checkpoint import parse_head
from indelible.proof.note import parse
from indelible.store.keyring import COLUMNS, Keyring, recover_master
from indelible.store.manifest import Manifest
from indelible.store.meta import Meta
from support.kept import ORIGIN, Kept, post, verdict


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "house").filled()


def back_up(
    kept: Kept, to: Path, keys_to: Path | None = None, note: bytes | None = None
) -> backing.Backup:
    """A backup of the stopped ledger, without a record of it; `note` in place of the newest."""
    ledger = kept.bare()
    try:
        publisher = ledger.publisher
        if note is not None:
            publisher = SimpleNamespace(note=note)  # type: ignore[assignment]
        return backing.backup(ledger, kept.place, to, keys_to, publisher)
    finally:
        ledger.close()


def beside(kept: Kept) -> set[str]:
    """What lies beside the ledger's own folders."""
    own = {"data", "keys", "state", "keys.recovery"}
    return {path.name for path in kept.root.iterdir()} - own


def test_a_backup_of_a_running_ledger_verifies_by_itself(kept: Kept) -> None:
    made: list[backing.Backup] = []

    async def steps(ledger: LocalLedger) -> None:
        made.append(await run_backup(ledger, kept.root / "copy"))

    kept.run(steps)
    assert made[0].size > 1800
    assert verdict(kept.root / "copy") == ("proven", 0)
    standing = Standing(Place.at(kept.root / "copy").paths, ORIGIN, kept.place.keyring())
    assert standing.size >= made[0].size
    assert standing.holds(made[0].size, bytes.fromhex(made[0].root))
    standing.close()


async def run_backup(
    ledger: LocalLedger, to: Path, keys_to: Path | None = None
) -> backing.Backup:
    core = ledger.core
    return await asyncio.to_thread(
        backing.backup, core.ledger, core.place, to, keys_to, core.publisher
    )


def test_backups_made_while_events_seals_and_checkpoints_go_on_are_whole(kept: Kept) -> None:
    async def write(ledger: LocalLedger) -> None:
        for number in range(12):
            await post(ledger, 2000 + 200 * number, 2200 + 200 * number)
            await ledger.rooms.seal()
            await ledger.engine.publish()

    async def steps(ledger: LocalLedger) -> None:
        writing = asyncio.create_task(write(ledger))
        number = 0
        while not writing.done():
            await run_backup(ledger, kept.root / f"copy{number}")
            number += 1
        await writing
        assert number > 1

    kept.run(steps)
    copies = sorted(path for path in kept.root.glob("copy*"))
    assert [verdict(path) for path in copies] == [("proven", 0)] * len(copies)


def test_the_journal_in_a_backup_outlives_the_seal_that_destroys_its_key(kept: Kept) -> None:
    back_up(kept, kept.root / "copy")
    originals = journal_files(kept.place.paths.journal)

    async def seal(ledger: LocalLedger) -> None:
        await ledger.rooms.seal()

    header = JournalReader(originals[-1], ORIGIN, kept.place.keyring()).header
    kept.run(seal)
    with pytest.raises(KeyMissing):
        kept.place.keyring().get(header.key)
    assert verdict(kept.root / "copy") == ("proven", 0)


def test_a_row_that_names_a_place_outside_writes_nothing_there(kept: Kept) -> None:
    async def seal(ledger: LocalLedger) -> None:
        await ledger.rooms.seal()

    kept.run(seal)
    content = b"mine"
    (kept.data / "planted").write_bytes(content)
    with closing(sqlite3.connect(kept.place.paths.manifest)) as link:
        link.execute(
            "UPDATE columns SET file='../../planted', sha256=? WHERE first=0",
            (hashlib.sha256(content).hexdigest(),),
        )
        link.commit()
    with pytest.raises(Damaged, match="planted"):
        back_up(kept, kept.root / "copy")
    assert list(kept.root.rglob("planted")) == [kept.data / "planted"]
    assert not (kept.root / "copy").exists()


def test_a_backup_shares_no_file_with_the_ledger_and_is_private(kept: Kept) -> None:
    back_up(kept, kept.root / "copy", kept.root / "vault")
    own = {path.stat().st_ino for path in kept.data.rglob("*")}
    for top in (kept.root / "copy", kept.root / "vault"):
        for path in [top, *top.rglob("*")]:
            found = path.stat()
            assert found.st_ino not in own
            assert stat.S_IMODE(found.st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_backup_holds_neither_keys_nor_clear_text(kept: Kept) -> None:
    back_up(kept, kept.root / "copy")
    keyring = kept.place.keyring()
    secrets = [keyring.get(key) for key in keyring.all_ids()]
    secrets += [(kept.keys / "master.key").read_bytes(), b"never in clear"]
    for path in (kept.root / "copy").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path


def test_nothing_goes_on_writing_in_a_backup(kept: Kept) -> None:
    back_up(kept, kept.root / "copy")
    with pytest.raises(Damaged, match="this is a backup"):
        Place.at(kept.root / "copy").open()


def test_a_backup_that_moved_to_another_place_still_verifies(kept: Kept) -> None:
    back_up(kept, kept.root / "copy")
    (kept.root / "copy").rename(kept.root / "moved")
    assert verdict(kept.root / "moved") == ("proven", 0)


@pytest.mark.parametrize(
    ("to", "keys_to"),
    [("data/copy", None), ("keys/copy", None), (".", None), ("copy", "copy"), ("copy", "copy/k"),
     ("copy/data", "copy"), ("copy", "data/k"), ("copy", "keys")],
)
def test_places_that_overlap_are_refused(kept: Kept, to: str, keys_to: str | None) -> None:
    with pytest.raises(IndelibleError) as refused:
        back_up(kept, kept.root / to, kept.root / keys_to if keys_to else None)
    assert isinstance(refused.value, BadRequest) or refused.value.code == "exists"
    assert beside(kept) == set()


def test_a_folder_that_is_not_empty_is_left_alone(kept: Kept) -> None:
    (kept.root / "copy").mkdir()
    (kept.root / "copy" / "mine").write_text("x")
    with pytest.raises(IndelibleError, match="not empty"):
        back_up(kept, kept.root / "copy")
    assert [path.name for path in (kept.root / "copy").iterdir()] == ["mine"]


def test_an_empty_folder_is_taken(kept: Kept) -> None:
    (kept.root / "copy").mkdir()
    back_up(kept, kept.root / "copy")
    assert verdict(kept.root / "copy") == ("proven", 0)


def test_a_full_disk_at_any_file_leaves_nothing_behind(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, calls, stop = backing.copy_file, 0, 0
    keys = kept.place.keyring().all_ids()

    def fails(source: Path, to: Path) -> str:
        nonlocal calls
        calls += 1
        if calls == stop:
            to.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device", str(to))
        return copy(source, to)

    monkeypatch.setattr(backing, "copy_file", fails)
    back_up(kept, kept.root / "whole")
    whole = calls
    assert whole > 5
    while stop < whole:
        stop, calls = stop + 1, 0
        with pytest.raises(DiskFull):
            back_up(kept, kept.root / "copy")
        assert beside(kept) == {"whole"}
    fresh = kept.place.keyring().all_ids().items() - keys.items()
    assert {purpose for _, purpose in fresh} == {BACKUP}
    assert len(fresh) == len(journal_files(kept.root / "whole" / "ledger" / "journal"))


def test_a_crash_leaves_nothing_under_the_backups_name(kept: Kept) -> None:
    script = (
        "import os, sys; from pathlib import Path; from indelible.app import backing;"
        "from indelible.app.place import Place;"
        "backing.read_level = backing.open_runs = lambda *a: os._exit(9);"
        "place = Place.at(Path(sys.argv[1])); ledger = place.open();"
        "backing.backup(ledger, place, Path(sys.argv[2]), None, ledger.publisher)"
    )
    ended = subprocess.run([sys.executable, "-c", script, kept.data, kept.root / "copy"])
    assert ended.returncode == 9
    assert not (kept.root / "copy").exists()
    assert all(name.startswith(".copy.unfinished-") for name in beside(kept))
    back_up(kept, kept.root / "copy")
    assert verdict(kept.root / "copy") == ("proven", 0)


def test_files_that_vanish_while_they_are_copied_are_sought_again(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, gone = backing.copy_file, set()

    def moves(source: Path, to: Path) -> str:
        if source.parent.name not in gone:
            gone.add(source.parent.name)
            raise FileNotFoundError(source)
        return copy(source, to)

    monkeypatch.setattr(backing, "copy_file", moves)
    kept.data.joinpath("vkey").unlink()
    kept.data.joinpath("vkey.mldsa44").unlink()
    back_up(kept, kept.root / "copy")
    assert gone == {"ids", "evidence", "columns"}
    assert verdict(kept.root / "copy") == ("proven", 0)


@pytest.mark.parametrize("folder", ["evidence", "columns"])
def test_damage_is_named_and_not_copied(kept: Kept, folder: str) -> None:
    path = sorted((kept.data / "ledger" / folder).iterdir())[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged, match=path.name):
        back_up(kept, kept.root / "copy")
    assert beside(kept) == set()


def test_a_backup_ends_at_its_checkpoint_and_knows_nothing_later(kept: Kept) -> None:
    """Sources, notes of witnesses and kept checkpoints from after it would contradict it."""
    note = kept.place.paths.checkpoint.read_bytes()
    size = parse_head(parse(note).text)[0].size

    async def steps(ledger: LocalLedger) -> None:
        await post(ledger, 3000, 3100, source="later")
        await ledger.engine.publish()
        paths = ledger.core.ledger.paths
        (paths.checkpoints / "cosigned-abc").write_bytes(paths.checkpoint.read_bytes())

    kept.run(steps)
    made = back_up(kept, kept.root / "copy", note=note)
    assert made.size == size
    standing = Standing(Place.at(kept.root / "copy").paths, ORIGIN, kept.place.keyring())
    assert standing.size == size
    standing.close()
    assert verdict(kept.root / "copy") == ("proven", 0)
    meta = Meta(kept.root / "copy" / "meta.sqlite")
    assert [source.id for source in meta.sources()] == ["hr"]
    meta.close()


def test_a_source_whose_record_is_copied_is_in_the_copys_metadata(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even when the metadata were copied before it was remembered there."""
    unaware = kept.root / "unaware.sqlite"
    meta = Meta(kept.place.paths.meta)
    meta.backup(unaware)
    meta.close()

    async def steps(ledger: LocalLedger) -> None:
        await post(ledger, 3000, 3100, source="later")

    kept.run(steps)
    monkeypatch.setattr(
        backing.Meta, "backup", lambda _meta, to: to.write_bytes(unaware.read_bytes())
    )
    back_up(kept, kept.root / "copy")
    monkeypatch.undo()
    copied = Meta(kept.root / "copy" / "meta.sqlite")
    assert [source.id for source in copied.sources()] == ["hr", "later"]
    copied.close()


def test_the_keyrings_copy_is_opened_by_the_recovery_file_and_replaced_whole(kept: Kept) -> None:
    vault = kept.root / "vault"
    back_up(kept, kept.root / "one", vault)
    first = {path.name: path.read_bytes() for path in vault.iterdir()}
    assert set(first) == {"keyring.sqlite", "master.sealed"}
    back_up(kept, kept.root / "two", vault)
    assert {path.name for path in vault.iterdir()} == set(first)
    assert beside(kept) == {"one", "two", "vault"}
    secret = (kept.root / "keys.recovery").read_text().split("secret: ")[1].strip()
    recover_master(vault, ORIGIN, bytes.fromhex(secret))
    ring = Keyring(vault, ORIGIN)
    for copy in ("one", "two"):
        standing = Standing(Place.at(kept.root / copy).paths, ORIGIN, ring)
        assert standing.size > 1800
        standing.close()


def test_a_keyrings_copy_never_replaces_anything_else(kept: Kept) -> None:
    (kept.root / "vault").mkdir()
    (kept.root / "vault" / "diary").write_text("x")
    with pytest.raises(IndelibleError, match="something else"):
        back_up(kept, kept.root / "copy", kept.root / "vault")
    assert (kept.root / "vault" / "diary").read_text() == "x"
    assert beside(kept) == {"vault"}


def test_settings_other_than_the_places_come_along(kept: Kept) -> None:
    toml = kept.data / "indelible.toml"
    toml.write_text(toml.read_text() + '\npublish = true\n# a remark\n')
    back_up(kept, kept.root / "copy")
    settings = Place.at(kept.root / "copy").settings
    assert settings.publish
    assert settings.keys == kept.keys
    assert settings.state == kept.root / "copy" / "state"
    assert "# a remark" in (kept.root / "copy" / "indelible.toml").read_text()


def test_before_the_first_checkpoint_there_is_nothing_to_back_up(kept: Kept) -> None:
    with pytest.raises(IndelibleError, match="nothing is signed"):
        back_up(kept, kept.root / "copy", note=b"")
    assert beside(kept) == set()


def test_the_publisher_is_asked_for_its_note_once(kept: Kept) -> None:
    """Size, root and note must be of one moment."""
    reads = 0

    class Watched(Publisher):
        @property
        def note(self) -> bytes:
            nonlocal reads
            reads += 1
            return kept.place.paths.checkpoint.read_bytes()

        @note.setter
        def note(self, _value: bytes) -> None:
            return

    ledger = kept.bare()
    publisher = Watched(ledger.paths, ledger.origin, ledger.keys, ledger.register, ledger.fence)
    reads = 0
    backing.backup(ledger, kept.place, kept.root / "copy", None, publisher)
    ledger.close()
    assert reads == 1
    assert os.path.isdir(kept.root / "copy")


def test_status_says_how_far_a_backup_and_a_seal_are(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int, int]] = []

    async def steps(ledger: LocalLedger) -> None:
        def look() -> None:
            for one in ledger.rooms.status().working:
                seen.append((one.name, one.done, one.total))

        copied, sealed = backing._Copy._copied, ledger.core.sealed

        def copy(self: backing._Copy, file: Path) -> None:
            copied(self, file)
            look()

        async def seal(end: int) -> None:
            await sealed(end)
            look()

        monkeypatch.setattr(backing._Copy, "_copied", copy)
        monkeypatch.setattr(ledger.core, "sealed", seal)
        await ledger.rooms.backup(kept.root / "watched", None)
        await ledger.rooms.seal()
        assert ledger.rooms.status().working == ()

    kept.run(steps)
    backups = [(done, total) for name, done, total in seen if name == "backup"]
    assert len(backups) > 4
    assert backups == sorted(backups)
    assert 0 < backups[0][0] < backups[-1][0] <= backups[-1][1]
    assert [done == total > 0 for name, done, total in seen if name == "seal"] == [True]


def test_a_source_sealed_before_its_checkpoint_stays_in_the_backup(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "house")

    async def life(ledger: LocalLedger) -> None:
        before = ledger.core.publisher.size
        await post(ledger, 0, 40)
        await ledger.rooms.seal()
        assert ledger.core.publisher.size == before, "the checkpoint is behind what is sealed"
        await ledger.rooms.backup(tmp_path / "copy", None)

    kept.run(life)
    assert fsck_folder(tmp_path / "copy", columns=True).problems == []


def test_an_old_backup_lacks_keys_of_columns_that_were_compacted(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "house").filled()
    copy = tmp_path / "copy"

    async def life(ledger: LocalLedger) -> None:
        await ledger.rooms.backup(copy, None)

    kept.run(life)
    keyring = kept.place.keyring()
    for row in Manifest(Place.at(copy).paths.manifest, read_only=True).columns():
        keyring.destroy(COLUMNS, [file_id_of(row.file)])
    keyring.close()
    checked = fsck_folder(copy, columns=False)
    assert (checked.exit, checked.problems) == (0, [])
    assert sum("a restore makes it again" in line for line in checked.lines) == 2
    assert fsck_folder(kept.data, columns=False).exit == 4, "the ledger itself needs its keys"
