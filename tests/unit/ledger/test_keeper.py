"""The keeper: reads back what is durable, seals it, and compacts columns without losing a row."""

from __future__ import annotations

from pathlib import Path

import pytest

from indelible.base.errors import Damaged
from indelible.ledger import compact as compact_module
from indelible.ledger.keeper import Keeper
from indelible.ledger.open import Ledger, drop_sealed_journals
from indelible.ledger.seal import column_file_of
from indelible.store.column_file import read_column_tables
from support.opened import create, open_ledger, work


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    create(tmp_path)
    return open_ledger(tmp_path)


def keeper_of(ledger: Ledger) -> Keeper:
    """A keeper over an open ledger, as the sealer process has one."""
    ledger.reader.refresh()
    return Keeper(ledger.paths, ledger.origin, ledger.keyring, ledger.manifest, ledger.reader)


def seal_all(ledger: Ledger, keeper: Keeper) -> None:
    """Seal everything durable."""
    keeper.follow(ledger.writer.where(), 1 << 62)
    keeper.seal(keeper.take(keeper.tail.end))
    keeper.drop(keeper.tail.end)
    ledger.reader.refresh()


def test_what_is_read_back_has_the_writers_root(ledger: Ledger) -> None:
    ledger.writer.append([work(0, 700)])
    keeper = keeper_of(ledger)
    assert keeper.follow(ledger.writer.where())
    assert keeper.checked() == (700, ledger.tree.root(700))
    ledger.close()


def test_a_byte_that_changed_on_disk_is_not_vouched_for(ledger: Ledger) -> None:
    ledger.writer.append([work(0, 50)])
    path = next(ledger.paths.journal.iterdir())
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(Damaged):
        keeper_of(ledger).follow(ledger.writer.where())
    ledger.close()


def test_a_sealed_segment_gives_the_same_bodies_salts_and_leaves(ledger: Ledger) -> None:
    ledger.writer.append([work(0, 3_000)])
    before = ledger.reader.many(range(0, 3_000, 37))
    leaves = [ledger.tree.leaves(i, i + 1) for i in range(0, 3_000, 37)]
    seal_all(ledger, keeper_of(ledger))
    assert ledger.reader.sealed_end == 3_000
    assert ledger.reader.many(range(0, 3_000, 37)) == before
    ledger.tree.drop_below(3_000)
    assert [ledger.tree.leaves(i, i + 1) for i in range(0, 3_000, 37)] == leaves
    ledger.close()


def test_a_journal_file_goes_only_when_all_of_it_is_sealed(ledger: Ledger) -> None:
    ledger.writer.append([work(0, 10)])
    keeper = keeper_of(ledger)
    seal_all(ledger, keeper)
    ledger.writer.append([work(10, 10)])
    dropped = drop_sealed_journals(
        ledger.paths, ledger.origin, ledger.keyring, ledger.reader.sealed_end, None
    )
    assert dropped == []
    seal_all(ledger, keeper)
    ledger.writer.roll()
    dropped = drop_sealed_journals(
        ledger.paths, ledger.origin, ledger.keyring, ledger.reader.sealed_end, None
    )
    assert len(dropped) == 1
    assert not list(ledger.paths.journal.iterdir())
    ledger.close()


def test_a_tail_is_overdue_by_the_age_of_its_first_event(ledger: Ledger) -> None:
    ledger.writer.append([work(0, 5)])
    keeper = keeper_of(ledger)
    keeper.follow(ledger.writer.where())
    first = keeper.tail.received[0]
    assert keeper.overdue(first + 999, 1_000) is None
    assert keeper.overdue(first + 1_000, 1_000) == 5
    ledger.close()


def test_compaction_keeps_every_row_and_the_old_files_for_a_while(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compact_module, "COMPACT_EVENTS", 90)
    keeper = keeper_of(ledger)
    for first in range(0, 120, 30):
        ledger.writer.append([work(first, 30)])
        seal_all(ledger, keeper)
    old = {row.file for row in ledger.manifest.columns()}
    merged = keeper.compact()
    assert merged is not None
    assert (merged.first, merged.end, merged.rows) == (0, 90, 90)
    assert keeper.compact() is None
    rows = [
        index
        for row in ledger.manifest.columns()
        for table in read_column_tables(column_file_of(ledger.paths, row, ledger.keyring))
        for index in table["index"].to_pylist()
    ]
    assert rows == list(range(120))
    there = {path.name for path in ledger.paths.columns.iterdir()}
    assert old <= there
    assert keeper.remove_obsolete(grace_us=0) == 3
    assert len(list(ledger.paths.columns.iterdir())) == 2
    ledger.close()


def test_files_of_an_interrupted_seal_are_swept_and_their_keys_destroyed(ledger: Ledger) -> None:
    ledger.writer.append([work(0, 10)])
    keeper = keeper_of(ledger)
    keeper.follow(ledger.writer.where())
    segment = keeper.take(10)

    def refuse(*_rows: object) -> None:
        raise OSError("the power went")

    keeper.manifest.add = refuse  # type: ignore[method-assign]
    with pytest.raises(OSError, match="power"):
        keeper.seal(segment)
    del keeper.manifest.add  # type: ignore[method-assign]
    assert list(ledger.paths.evidence.iterdir())
    before = ledger.keyring.all_ids()
    keeper_of(ledger)
    assert not list(ledger.paths.evidence.iterdir())
    assert len(ledger.keyring.all_ids()) == len(before) - 2
    ledger.close()
