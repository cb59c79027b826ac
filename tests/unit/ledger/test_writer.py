"""The writer: indexes, bodies, ids, and what a restart makes of them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
import pytest

from indelible.base.errors import Damaged, DiskFull, FolderInUse, LedgerStopped
from indelible.event.model import read_body
from indelible.ledger.incoming import SELF, Own, Work, own_record
from indelible.ledger.journal import (
    FORMAT,
    JournalWriter,
    NewJournal,
    file_name,
    first_of,
    journal_files,
)
from indelible.ledger.open import Forked, RolledBack, drop_sealed_journals
from indelible.store.records import read_header
from support.opened import APP, VIA, create, incoming, open_ledger, work


@pytest.fixture
def root(tmp_path: Path) -> Path:
    create(tmp_path)
    return tmp_path


def test_indexes_are_dense_and_bodies_end_in_the_ledgers_members(root: Path) -> None:
    ledger = open_ledger(root)
    written, _ = ledger.writer.append([work(0, 3), work(3, 2)])
    assert [w.indexes for w in written] == [[0, 1, 2], [3, 4]]
    body = ledger.reader.one(4).body
    assert list(msgspec.json.decode(body))[-5:] == ["kind", "received", "source", "via", "flags"]
    assert read_body(body).flags == ["time_absent"]
    ledger.close()


def test_the_ledgers_own_events_happen_when_they_are_received(root: Path) -> None:
    ledger = open_ledger(root)
    own = own_record("event", "indelible.start", {})
    ledger.writer.append([Work(SELF, VIA, [own])])
    assert read_body(ledger.reader.one(0).body).flags == []
    ledger.close()


def test_received_times_never_decrease(root: Path) -> None:
    ledger = open_ledger(root)
    for first in range(0, 50, 5):
        ledger.writer.append([work(first, 5)])
    times = [read_body(one.body).received for one in ledger.reader.many(range(50))]
    assert times == sorted(times)
    ledger.close()


def test_a_known_id_answers_the_first_index_also_in_one_batch_and_after_restart(
    root: Path,
) -> None:
    ledger = open_ledger(root)
    one = incoming(1, event_id="x")
    [first], _ = ledger.writer.append([Work(APP, VIA, [one, one, incoming(2)])])
    assert (first.indexes, first.duplicates) == ([0, 0, 1], [1])
    ledger.close()
    ledger = open_ledger(root)
    [again], _ = ledger.writer.append([Work(APP, VIA, [one])])
    assert (again.indexes, again.duplicates, ledger.writer.size) == ([0], [0], 2)
    ledger.close()


def test_another_content_under_a_known_id_is_kept_once_and_names_the_first(root: Path) -> None:
    ledger = open_ledger(root)
    ledger.writer.append([Work(APP, VIA, [incoming(1, event_id="x")])])
    other = incoming(2, event_id="x")
    [kept], _ = ledger.writer.append([Work(APP, VIA, [other])])
    assert kept.conflicts == {0: 0}
    stored = read_body(ledger.reader.one(1).body)
    assert ("id_conflict" in stored.flags, stored.conflict) == (True, 0)
    [retried], _ = ledger.writer.append([Work(APP, VIA, [other])])
    assert (retried.indexes, retried.duplicates) == ([1], [0])
    ledger.close()


def test_the_tree_is_the_same_after_a_restart(root: Path) -> None:
    ledger = open_ledger(root)
    for first in range(0, 700, 70):
        ledger.writer.append([work(first, 70)])
    before = ledger.tree.root(700)
    ledger.close()
    ledger = open_ledger(root)
    assert ledger.tree.root(700) == before
    ledger.close()


def test_no_file_is_appended_to_after_a_restart(root: Path) -> None:
    ledger = open_ledger(root)
    ledger.writer.append([work(0, 1)])
    ledger.close()
    files = {p: p.stat().st_size for p in (root / "data/ledger/journal").iterdir()}
    ledger = open_ledger(root)
    ledger.writer.append([work(1, 1)])
    ledger.close()
    assert len(list((root / "data/ledger/journal").iterdir())) == 2
    for path, size in files.items():
        assert path.stat().st_size == size


@pytest.mark.parametrize("file_id", ["0" * 16, "f" * 16])
@pytest.mark.parametrize("torn", [b"", b"\0\0"])
def test_a_file_that_got_no_event_goes_at_the_next_start(
    root: Path, file_id: str, torn: bytes
) -> None:
    ledger = open_ledger(root)
    ledger.writer.append([work(0, 3)])
    ledger.writer.roll()
    keys = NewJournal.prepare(ledger.keyring)._replace(file_id=file_id)
    empty = JournalWriter(ledger.paths.journal, ledger.origin, 3, keys)
    ledger.close()
    with empty.path.open("ab") as file:
        file.write(torn)
    for first in range(3, 9, 3):
        ledger = open_ledger(root)
        assert not empty.path.exists()
        assert {keys.key_id, keys.salt_key_id} <= ledger.keyring.all_ids().keys()
        ledger.writer.append([work(first, 3)])
        ledger.close()
    assert [first_of(path) for path in journal_files(ledger.paths.journal)] == [0, 3, 6]


def test_of_two_files_of_one_first_index_none_goes_before_its_events_are_sealed(
    root: Path,
) -> None:
    ledger = open_ledger(root)
    ledger.writer.append([work(0, 3)])
    first = journal_files(ledger.paths.journal)[0]
    keys = NewJournal.prepare(ledger.keyring)._replace(file_id="f" * 16)
    JournalWriter(ledger.paths.journal, ledger.origin, 0, keys)
    assert drop_sealed_journals(ledger.paths, ledger.origin, ledger.keyring, 0) == [
        file_name(0, "f" * 16)
    ]
    assert first.exists()
    ledger.close()


def test_a_file_that_only_claims_to_be_another_takes_no_key_with_it(root: Path) -> None:
    ledger = open_ledger(root)
    ledger.writer.append([work(0, 3)])
    ledger.writer.roll()
    ledger.writer.append([work(3, 3)])
    newest = journal_files(ledger.paths.journal)[1]
    with newest.open("rb") as file:
        header, _ = read_header(file, FORMAT, ledger.origin)
    fake = newest.with_name(file_name(0, header.file))
    fake.write_bytes(msgspec.structs.replace(header, first=0).encode())
    keys = ledger.keyring.all_ids()
    dropped = drop_sealed_journals(
        ledger.paths, ledger.origin, ledger.keyring, 3, before=ledger.writer.writing_from
    )
    assert fake.name in dropped
    assert {header.key, header.salt_key} <= ledger.keyring.all_ids().keys()
    assert len(keys) - len(ledger.keyring.all_ids()) == 1
    ledger.close()


def test_a_file_made_while_sealed_ones_are_dropped_stays(root: Path) -> None:
    """The writer makes one between the look at its place and the look into the folder."""
    ledger = open_ledger(root)
    ledger.writer.append([work(0, 3)])
    ledger.writer.roll()
    before = ledger.writer.writing_from
    made = JournalWriter(
        ledger.paths.journal, ledger.origin, 3, NewJournal.prepare(ledger.keyring)
    )
    dropped = drop_sealed_journals(ledger.paths, ledger.origin, ledger.keyring, 3, before=before)
    assert [first_of(Path(name)) for name in dropped] == [0]
    assert made.path.exists()
    made.close()
    ledger.close()


def test_a_journal_file_with_unsealed_events_stays_whatever_name_follows_it(root: Path) -> None:
    ledger = open_ledger(root)
    ledger.writer.append([work(0, 6)])
    ledger.writer.roll()
    path = journal_files(ledger.paths.journal)[0]
    path.with_name(file_name(1, "f" * 16)).touch()
    with pytest.raises(Damaged):
        drop_sealed_journals(ledger.paths, ledger.origin, ledger.keyring, 3)
    assert path.exists()
    ledger.close()


def test_a_second_writer_on_the_folder_is_refused(root: Path) -> None:
    ledger = open_ledger(root)
    with pytest.raises(FolderInUse):
        open_ledger(root)
    ledger.close()


def test_a_failed_sync_stops_the_ledger_and_is_not_tried_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(root)
    ledger.writer.append([work(0, 1)])
    calls: list[int] = []

    def fail(_handle: int) -> None:
        calls.append(1)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(LedgerStopped):
        ledger.writer.append([work(1, 1)])
    with pytest.raises(LedgerStopped):
        ledger.writer.append([work(1, 1)])
    assert len(calls) == 1
    monkeypatch.undo()
    ledger.close()


def test_a_full_disk_is_told_apart(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = open_ledger(root)
    ledger.writer.append([work(0, 1)])

    def fail(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", fail)
    with pytest.raises(DiskFull):
        ledger.writer.append([work(1, 1)])
    monkeypatch.undo()
    ledger.close()


def test_data_older_than_the_register_are_refused(root: Path) -> None:
    ledger = open_ledger(root)
    ledger.writer.append([work(0, 5)])
    ledger.publisher.publish(5, ledger.tree.root(5), ledger.clock.now_us())
    ledger.close()
    for path in (root / "data/ledger/journal").iterdir():
        path.unlink()
    (root / "data/ledger/checkpoint").unlink()
    with pytest.raises(RolledBack, match="register knows size 5"):
        open_ledger(root)


def test_another_history_of_the_registers_size_is_refused(root: Path) -> None:
    ledger = open_ledger(root)
    ledger.writer.append([work(0, 5)])
    ledger.publisher.publish(5, ledger.tree.root(5), ledger.clock.now_us())
    ledger.close()
    import sqlite3

    link = sqlite3.connect(root / "state/register.sqlite")
    link.execute("UPDATE register SET root=?", ("00" * 32,))
    link.commit()
    link.close()
    with pytest.raises(Forked):
        open_ledger(root)


def test_two_writers_under_one_register_fence_each_other(root: Path, tmp_path: Path) -> None:
    import shutil

    ledger = open_ledger(root)
    ledger.writer.append([work(0, 5)])
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copytree(root / "data", copy / "data")
    for name in ("keys", "state"):
        (copy / name).symlink_to(root / name)
    other = open_ledger(copy)
    other.writer.append([work(5, 1)])
    other.publisher.publish(6, other.tree.root(6), other.clock.now_us())
    ledger.writer.append([work(6, 2)])
    with pytest.raises(Damaged, match="fence"):
        ledger.publisher.publish(7, ledger.tree.root(7), ledger.clock.now_us())
    other.close()
    ledger.close()


def test_a_body_never_holds_a_line_feed(root: Path) -> None:
    ledger = open_ledger(root)
    bad = Own(content=b'{"action":"a.b",\n"actor":{}}')
    with pytest.raises(Damaged):
        ledger.writer.append([Work(APP, VIA, [bad])])
    ledger.close()
