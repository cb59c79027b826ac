"""The keyring: every key readable after any crash, unreadable once destroyed."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from indelible.base.errors import Damaged, IndelibleError, KeyMissing
from indelible.base.invariant import InvariantViolated
from indelible.store import keyring as module
from indelible.store.keyring import (
    COLUMNS,
    ED25519,
    EVIDENCE,
    MLDSA44,
    SEEN,
    Keyring,
    recover_master,
)
from indelible.store.sqlite import StoreFailed, StoreFull

ORIGIN = "test.example/log"


class Died(BaseException):
    """The process ended here."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def rotated(ring: Keyring) -> bytes:
    """Rotate the master key; the new recovery secret."""
    kept: list[bytes] = []
    ring.rotate_master(kept.append)
    return kept[0]



def made(folder: Path) -> tuple[Keyring, bytes, dict[str, bytes]]:
    """A keyring with some keys; the ring, the recovery secret and every key."""
    ring, secret = Keyring.create(folder, ORIGIN)
    ring.new_keys(((EVIDENCE, "f1"), (COLUMNS, "f1"), (EVIDENCE, "f2")))
    return ring, secret, {key: ring.get(key) for key in ring.all_ids()}


def keys_in(folder: Path) -> dict[str, bytes]:
    """Every key, as a new process reads them."""
    ring = Keyring(folder, ORIGIN)
    found = {key: ring.get(key) for key in ring.all_ids()}
    ring.close()
    return found


def test_a_new_keyring_has_signing_keys_and_lies_in_private(folder: Path) -> None:
    ring, _, keys = made(folder)
    assert [len(ring.ids(purpose)) for purpose in (ED25519, MLDSA44, SEEN)] == [1, 1, 1]
    assert len(set(keys.values())) == 6
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 or path.stat().st_size == 0, path


def test_a_keyring_is_never_overwritten(folder: Path) -> None:
    made(folder)
    before = keys_in(folder)
    with pytest.raises(IndelibleError, match="already"):
        Keyring.create(folder, ORIGIN)
    assert keys_in(folder) == before


def test_keys_do_not_stand_in_the_file_in_clear(folder: Path) -> None:
    _, _, keys = made(folder)
    content = (folder / "keyring.sqlite").read_bytes()
    assert not any(key in content for key in keys.values())


def test_another_logs_keyring_is_refused(folder: Path) -> None:
    made(folder)
    with pytest.raises(Damaged, match="another log") as refused:
        Keyring(folder, "test.example/other")
    assert refused.value.remedy.startswith("Put this log's own keyring there")


def test_no_keyring_is_said_so(folder: Path) -> None:
    with pytest.raises(KeyMissing, match="no keyring"):
        Keyring(folder, ORIGIN)


@pytest.mark.parametrize("master", [None, b"\1" * 32, b"short"])
def test_without_its_master_key_it_does_not_open(folder: Path, master: bytes | None) -> None:
    made(folder)
    if master is None:
        (folder / "master.key").unlink()
    else:
        (folder / "master.key").write_bytes(master)
    with pytest.raises(KeyMissing, match="master key"):
        Keyring(folder, ORIGIN)


def test_an_altered_row_is_damage_and_not_another_key(folder: Path) -> None:
    ring, _, keys = made(folder)
    first, second = [key for key, purpose in ring.all_ids().items() if purpose == EVIDENCE]
    ring._db.execute(
        "UPDATE keys SET wrapped=(SELECT wrapped FROM keys WHERE id=?) WHERE id=?", (first, second)
    )
    fresh = Keyring(folder, ORIGIN)
    with pytest.raises(Damaged, match="altered"):
        fresh.get(second)
    assert fresh.get(first) == keys[first]


def test_a_destroyed_key_is_gone_everywhere_and_from_the_file(folder: Path) -> None:
    ring, _, keys = made(folder)
    other = Keyring(folder, ORIGIN)
    key_id = ring.ids(EVIDENCE)[0]
    row = ring._db.execute("SELECT wrapped FROM keys WHERE id=?", (key_id,)).fetchone()[0]
    ring.destroy(EVIDENCE, ["f1", "unknown"])
    for each in (ring, other, Keyring(folder, ORIGIN)):
        with pytest.raises(KeyMissing, match="destroyed"):
            each.get(key_id)
        assert key_id not in each.ids(EVIDENCE)
        assert key_id not in each.all_ids()
    assert bytes(row) not in (folder / "keyring.sqlite").read_bytes()
    assert len(keys_in(folder)) == len(keys) - 1


def test_a_replaced_key_retires_after_its_overlap_and_stays_readable(folder: Path) -> None:
    ring, _, keys = made(folder)
    old = ring.ids(ED25519)[0]
    fresh, _ = ring.new_key(ED25519, "")
    assert ring.retire_replaced(ED25519, 0) == []
    assert ring.retire_replaced(ED25519, 1 << 62) == [old]
    assert ring.get(old) == keys[old]
    assert (ring.ids(ED25519), ring.ids(ED25519, retired=True)) == ([fresh], [old])


def test_only_keys_of_both_the_purpose_and_the_file_are_destroyed(folder: Path) -> None:
    ring, _, keys = made(folder)
    ring.destroy(COLUMNS, ["f2", "f3", ring.ids(EVIDENCE)[0]])
    assert keys_in(folder) == keys
    [column_key] = ring.ids(COLUMNS)
    ring.destroy(COLUMNS, ["f1"])
    assert keys.keys() - keys_in(folder).keys() == {column_key}


def test_keys_of_no_file_are_never_destroyed(folder: Path) -> None:
    ring, _, keys = made(folder)
    with pytest.raises(InvariantViolated):
        ring.destroy(ED25519, [""])
    assert keys_in(folder) == keys


def test_a_rotation_keeps_every_key_under_a_new_master(folder: Path) -> None:
    ring, old_secret, keys = made(folder)
    before = (folder / "master.key").read_bytes()
    secret = rotated(ring)
    assert secret != old_secret
    assert (folder / "master.key").read_bytes() != before
    assert keys_in(folder) == keys
    assert {path.name for path in folder.iterdir()} <= {
        "keyring.sqlite", "keyring.sqlite-journal", "master.key", "master.sealed"
    }


def test_another_process_notices_a_rotation(folder: Path) -> None:
    ring, _, keys = made(folder)
    reader, writer = Keyring(folder, ORIGIN), Keyring(folder, ORIGIN)
    rotated(ring)
    assert {key: reader.get(key) for key in keys} == keys
    fresh, value = writer.new_key(EVIDENCE, "f9")
    assert ring.get(fresh) == value
    assert keys_in(folder) == keys | {fresh: value}


def test_a_key_destroyed_before_a_rotation_stays_destroyed(folder: Path) -> None:
    ring, _, _ = made(folder)
    key_id = ring.ids(EVIDENCE)[0]
    ring.destroy(EVIDENCE, ["f1"])
    rotated(ring)
    with pytest.raises(KeyMissing):
        Keyring(folder, ORIGIN).get(key_id)


def rotation_steps(folder: Path) -> int:
    """How many durable steps a rotation has (files written, rows committed, names moved)."""
    return len(list(_steps(folder, None)))


def _nobody(_secret: bytes) -> None:
    return


def _steps(
    folder: Path, stop: int | None, keep: Callable[[bytes], None] = _nobody
) -> list[str]:
    """Rotate, dying before step `stop`; the steps that were taken. `keep` gets the new secret."""
    taken: list[str] = []

    def guard(name: str) -> None:
        if stop is not None and len(taken) == stop:
            raise Died
        taken.append(name)

    write, replace, wrap = module.write_durably, os.replace, Keyring._wrap_all
    patch = pytest.MonkeyPatch()

    def written(path: Path, content: bytes, mode: int = 0o600) -> None:
        guard(f"write {path.name}")
        write(path, content, mode)

    def moved(source: Path, to: Path) -> None:
        guard(f"move {Path(source).name}")
        replace(source, to)

    def wrapped(self: Keyring, fresh: object) -> None:
        guard("wrap")
        wrap(self, fresh)  # type: ignore[arg-type]

    patch.setattr(module, "write_durably", written)
    patch.setattr(module.os, "replace", moved)
    patch.setattr(Keyring, "_wrap_all", wrapped)
    try:
        Keyring(folder, ORIGIN).rotate_master(keep)
    except Died:
        pass
    finally:
        patch.undo()
    return taken


@pytest.mark.parametrize("stop", range(5))
def test_a_crash_at_any_step_of_a_rotation_loses_no_key(folder: Path, stop: int) -> None:
    _, _, keys = made(folder)
    taken = _steps(folder, stop)
    assert len(taken) == stop
    assert keys_in(folder) == keys


def test_the_crash_test_stops_at_every_step(folder: Path) -> None:
    made(folder)
    assert rotation_steps(folder) == 5


@pytest.mark.parametrize(
    ("first", "second"),
    [(first, second) for first in range(5) for second in range(6)],
)
def test_a_crash_in_the_rotation_after_a_crashed_one_loses_no_key(
    folder: Path, first: int, second: int
) -> None:
    _, _, keys = made(folder)
    _steps(folder, first)
    _steps(folder, second)
    assert keys_in(folder) == keys


def test_a_sealed_copy_opens_with_the_recovery_secret_alone(folder: Path, tmp_path: Path) -> None:
    ring, secret, keys = made(folder)
    ring.copy_sealed(tmp_path / "copy")
    shutil.rmtree(folder)
    with pytest.raises(KeyMissing):
        Keyring(tmp_path / "copy", ORIGIN)
    recover_master(tmp_path / "copy", ORIGIN, secret)
    assert keys_in(tmp_path / "copy") == keys


def test_after_a_rotation_the_new_secret_opens_the_copy_and_the_old_one_does_not(
    folder: Path, tmp_path: Path
) -> None:
    ring, old, keys = made(folder)
    new = rotated(ring)
    ring.copy_sealed(tmp_path / "copy")
    with pytest.raises(IndelibleError) as refused:
        recover_master(tmp_path / "copy", ORIGIN, old)
    assert refused.value.code == "wrong_recovery_file"
    recover_master(tmp_path / "copy", ORIGIN, new)
    assert keys_in(tmp_path / "copy") == keys


@pytest.mark.parametrize("stop", range(5))
def test_a_sealed_copy_made_after_a_crash_in_a_rotation_opens(
    folder: Path, tmp_path: Path, stop: int
) -> None:
    ring, secret, keys = made(folder)
    ring.close()
    secrets = [secret]
    _steps(folder, stop, secrets.append)
    Keyring(folder, ORIGIN).copy_sealed(tmp_path / "copy")
    opened = 0
    for one in secrets:
        with suppress(IndelibleError):
            recover_master(tmp_path / "copy", ORIGIN, one)
            opened += 1
    assert opened == 1
    assert keys_in(tmp_path / "copy") == keys


@pytest.mark.parametrize("origin", ["test.example/other", ""])
def test_a_recovery_secret_opens_the_copy_of_its_own_log_only(
    folder: Path, tmp_path: Path, origin: str
) -> None:
    ring, secret, _ = made(folder)
    ring.copy_sealed(tmp_path / "copy")
    with pytest.raises(IndelibleError) as refused:
        recover_master(tmp_path / "copy", origin, secret)
    assert refused.value.code == "wrong_recovery_file"
    assert not (tmp_path / "copy" / "master.key").exists()


def test_the_recovery_secret_of_another_keyring_opens_nothing(
    folder: Path, tmp_path: Path
) -> None:
    ring, _, _ = made(folder)
    _, other = Keyring.create(tmp_path / "other", ORIGIN)
    ring.copy_sealed(tmp_path / "copy")
    with pytest.raises(IndelibleError, match="does not open"):
        recover_master(tmp_path / "copy", ORIGIN, other)


def test_the_newest_key_is_the_one_made_last_whatever_the_clock_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring, _ = Keyring.create(folder, ORIGIN)
    [old] = ring.ids(ED25519)
    monkeypatch.setattr(module, "wall_us", lambda: 1)
    new, value = ring.new_key(ED25519, "")
    monkeypatch.undo()
    assert ring.newest(ED25519) == value
    assert ring.ids(ED25519) == [old, new]
    ring.retire_replaced(ED25519, 1 << 62)
    assert ring.ids(ED25519) == [new]
    ring.close()


@pytest.mark.parametrize("change", ["new", "destroy", "rotate"])
def test_a_change_that_could_not_be_committed_does_not_bar_the_next(
    folder: Path, change: str
) -> None:
    ring, _ = Keyring.create(folder, ORIGIN)
    ring.new_key(COLUMNS, "a")
    ring._db.execute("PRAGMA busy_timeout = 10")
    changes: dict[str, Callable[[], object]] = {
        "new": lambda: ring.new_key(COLUMNS, "b"), "destroy": lambda: ring.destroy(COLUMNS, ["a"]),
        "rotate": lambda: rotated(ring),
    }
    with sqlite3.connect(folder / "keyring.sqlite", isolation_level=None) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT * FROM keys").fetchone()
        with pytest.raises(StoreFailed):
            changes[change]()
        reading.execute("COMMIT")
    reading.close()
    ring.new_key(COLUMNS, "c")
    ring.destroy(COLUMNS, ["a"])
    ring.close()
    assert len(Keyring(folder, ORIGIN).all_ids()) == 4


def test_a_full_disk_is_said_as_one_and_not_as_what_it_led_to(folder: Path) -> None:
    ring, _ = Keyring.create(folder, ORIGIN)
    pages = ring._db.execute("PRAGMA page_count").fetchone()[0]
    ring._db.execute(f"PRAGMA max_page_count = {pages}")
    many = tuple((COLUMNS, f"f{number}") for number in range(200))
    with pytest.raises(StoreFull):
        ring.new_keys(many)
    ring.close()


@pytest.mark.parametrize("table", ["keys", "about"])
def test_a_keyring_without_a_table_is_damaged(folder: Path, table: str) -> None:
    ring, _ = Keyring.create(folder, ORIGIN)
    ring._db.execute(f"DROP TABLE {table}")
    ring.close()
    with pytest.raises(Damaged, match=f"no such table: {table}"):
        Keyring(folder, ORIGIN)
