"""The keeper: reads back what is durable, seals it, and compacts columns without losing a row."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from indelible.base.errors import Damaged, FolderInUse
from indelible.ledger import compact as compact_module
from indelible.ledger import keeper as keeper_module
from indelible.ledger import tail as tail_module
from indelible.ledger import writer as writer_module
from indelible.ledger.incoming import Work
from indelible.ledger.keeper import Keeper, sealing_turn
from indelible.ledger.open import Ledger, drop_sealed_journals
from indelible.ledger.seal import column_file_of
from indelible.ledger.seen import seal_run
from indelible.store import column_file as column_module
from indelible.store import evidence as evidence_module
from indelible.store.column_file import merge_column_files, read_column_tables
from indelible.store.columns import ColumnBuilder, table_of
from indelible.store.keyring import COLUMNS, SEEN
from support.opened import APP, VIA, create, incoming, open_ledger, work


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
        ledger.paths, ledger.origin, ledger.keyring, ledger.reader.sealed_end
    )
    assert dropped == []
    seal_all(ledger, keeper)
    ledger.writer.roll()
    dropped = drop_sealed_journals(
        ledger.paths, ledger.origin, ledger.keyring, ledger.reader.sealed_end
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


def test_files_of_an_interrupted_seal_are_swept_and_no_evidence_key_destroyed(
    ledger: Ledger,
) -> None:
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
    gone = before.items() - ledger.keyring.all_ids().items()
    assert [purpose for _, purpose in gone] == [COLUMNS]
    ledger.close()


def cut_off(ledger: Ledger, end: int) -> None:
    """A seal that ends before its segment is named."""
    keeper = keeper_of(ledger)
    keeper.follow(ledger.writer.where(), 1 << 62)

    def refuse(*_rows: object) -> None:
        raise OSError("the power went")

    keeper.manifest.add = refuse  # type: ignore[method-assign]
    with pytest.raises(OSError, match="power"):
        keeper.seal(keeper.take(end))
    del keeper.manifest.add  # type: ignore[method-assign]


def test_a_seal_after_an_interrupted_one_may_end_elsewhere(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.writer.append([work(0, 30, ids=True)])
    cut_off(ledger, 20)
    keeper = keeper_of(ledger)
    keeper.follow(ledger.writer.where(), 1 << 62)
    for end in (10, 30):
        keeper.seal(keeper.take(end))
        keeper.drop(end)
    ledger.close()
    again = open_ledger(tmp_path)
    assert again.writer.append([work(0, 30, ids=True)])[0][0].duplicates == list(range(30))
    again.close()


def test_ids_beyond_the_data_answer_for_nothing(ledger: Ledger, tmp_path: Path) -> None:
    """In a copy that is not of one moment the id index may know more than the journal holds."""
    ledger.writer.append([work(0, 5, ids=True)])
    ledger.writer.roll()
    ledger.writer.append([work(5, 5, ids=True)])
    cut_off(ledger, 10)
    ledger.close()
    sorted(ledger.paths.journal.iterdir())[-1].unlink()
    again = open_ledger(tmp_path)
    [written], _ = again.writer.append([work(4, 3, ids=True)])
    assert (written.indexes, written.duplicates) == ([4, 5, 6], [0])
    assert again.tree.size == 7
    again.close()


def test_an_id_index_that_crosses_the_end_of_evidence_is_refused(
    ledger: Ledger, tmp_path: Path
) -> None:
    ledger.writer.append([work(0, 20, ids=True)])
    keeper = keeper_of(ledger)
    seal_all(ledger, keeper)
    ledger.close()
    [run] = ledger.paths.ids.iterdir()
    seal_run(ledger.paths.ids, ledger.keyring.newest(SEEN), 0, 25, b"")
    run.unlink()
    with pytest.raises(Damaged, match="beyond the evidence"):
        open_ledger(tmp_path)
    assert list(ledger.paths.ids.iterdir())


def test_a_second_sealer_waits_for_the_first_to_end(ledger: Ledger) -> None:
    """What one has not named yet, the other would sweep: its events would be gone."""
    hold = (
        "import sys; from pathlib import Path; from indelible.ledger.keeper import sealing_turn;"
        "from indelible.ledger.paths import LedgerPaths;"
        "turn = sealing_turn(LedgerPaths(Path(sys.argv[1]))); print(flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", hold, str(ledger.paths.data)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    assert first.stdout is not None
    assert first.stdout.readline() == b"\n"
    with pytest.raises(FolderInUse):
        sealing_turn(ledger.paths)
    first.communicate(timeout=60)
    sealing_turn(ledger.paths).close()
    ledger.close()


# --- heavy events: every bound in events has one in bytes


def heavy(first: int, count: int, size: int) -> Work:
    """Events whose bodies take about `size` bytes."""
    made = [b'{"action":"t.read","data":"%0*d"}' % (size, n) for n in range(first, first + count)]
    return Work(APP, VIA, [incoming(n, content=one) for n, one in enumerate(made, first)])


def test_a_segment_ends_at_its_bytes(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "SEGMENT_BYTES", 100_000)
    ledger.writer.append([heavy(0, 25, 10_000)])
    keeper = keeper_of(ledger)
    keeper.follow(ledger.writer.where(), 1 << 62)
    ends = []
    while (due := keeper.due()) is not None:
        keeper.seal(keeper.take(due))
        keeper.drop(due)
        ends.append(due)
    assert ends == [9, 18]  # ten bodies take a little more than the bound
    assert keeper.tail.bytes == sum(map(len, keeper.tail.bodies)) < 100_000
    ledger.reader.refresh()
    assert [one.body for one in ledger.reader.many(range(25))] == [
        one for _, bodies, _ in ledger.reader.spans(0, 25) for one in bodies
    ]
    ledger.close()


def test_a_frame_ends_at_its_bytes_and_every_event_is_found(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_module, "FRAME_BYTES", 25_000)
    ledger.writer.append([heavy(0, 9, 10_000), work(9, 1_100), heavy(1_109, 1, 90_000)])
    seal_all(ledger, keeper_of(ledger))
    [row] = ledger.manifest.segments()
    frames = ledger.reader.evidence(row).footer.frames
    assert all(frame.plain <= 25_000 + frame.count for frame in frames if frame.count > 1)
    assert max(frame.plain for frame in frames) > 90_000  # one body always fits
    bodies = [one.body for one in ledger.reader.many(range(1_110))]
    assert bodies == [b for _, found, _ in ledger.reader.spans(0, 1_110) for b in found]
    assert bodies[1_109].startswith(b'{"action":"t.read","data":"0000')
    ledger.close()


def test_columns_of_the_tail_are_made_in_pieces_bounded_in_bytes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail_module, "CHUNK_BYTES", 35_000)
    keeper = keeper_of(ledger)
    ledger.writer.append([heavy(0, 5, 10_000)])
    keeper.follow(ledger.writer.where(), 1 << 62)
    assert [(c.first, c.end) for c in keeper.chunks(partial=False)] == [(0, 3)]
    assert [(c.first, c.end) for c in keeper.chunks(partial=True)] == [(3, 5)]
    assert keeper.chunks(partial=True) == []
    ledger.writer.append([heavy(5, 2, 10_000)])
    keeper.follow(ledger.writer.where(), 1 << 62)
    assert [(c.first, c.end) for c in keeper.chunks(partial=False)] == [(3, 6)]
    assert [(c.first, c.end) for c in keeper.chunks(partial=True)] == [(6, 7)]
    assert keeper.tail.columns(1, 7).column("index").to_pylist() == [1, 2, 3, 4, 5, 6]
    ledger.close()


def test_columns_of_an_event_are_made_once_however_often_the_tail_is_asked(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    class Counting(ColumnBuilder):
        def add(self, index: int, body: bytes) -> None:
            made.append(index)
            super().add(index, body)

    keeper = keeper_of(ledger)
    monkeypatch.setattr(tail_module, "ColumnBuilder", Counting)
    for first in range(0, 60, 20):
        ledger.writer.append([work(first, 20)])
        keeper.follow(ledger.writer.where(), 1 << 62)
        [chunk] = keeper.chunks(partial=True)
        assert (chunk.first, chunk.end, chunk.table.num_rows) == (0, first + 20, first + 20)
    assert made == list(range(60))
    bodies = [(index, ledger.reader.one(index).body) for index in range(60)]
    assert keeper.tail.columns(0, 60).equals(table_of(bodies))
    ledger.close()


def test_a_file_counts_as_small_until_it_is_compacted(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compact_module, "COMPACT_EVENTS", 90)
    monkeypatch.setattr(keeper_module, "COMPACT_EVENTS", 90)
    keeper = keeper_of(ledger)
    counted = []
    for first in range(0, 90, 30):
        ledger.writer.append([work(first, 30)])
        seal_all(ledger, keeper)
        counted.append(keeper.small_files())
    keeper.compact()
    assert (counted, keeper.small_files()) == ([1, 2, 3], 0)
    ledger.close()


def test_a_journal_file_that_is_full_is_followed_by_another(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "SEGMENT_BYTES", 50_000)
    for first in range(0, 20, 2):
        ledger.writer.append([heavy(first, 2, 10_000)])
    assert len(list(ledger.paths.journal.iterdir())) == 4
    keeper = keeper_of(ledger)
    assert keeper.follow(ledger.writer.where(), 1 << 62)
    assert keeper.checked() == (20, ledger.tree.root(20))
    ledger.close()


def test_row_groups_of_a_column_file_are_bounded_in_bytes(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(column_module, "ROW_GROUP_BYTES", 300_000)
    keeper = keeper_of(ledger)
    for first in (0, 20, 40):
        ledger.writer.append([heavy(first, 20, 10_000)])
        seal_all(ledger, keeper)
    files = [
        column_file_of(ledger.paths, row, ledger.keyring) for row in ledger.manifest.columns()
    ]
    merged = merge_column_files(
        files, ledger.paths.columns / "m", key=bytes(32), file_id="m", origin="o"
    )
    assert [table.num_rows for table in read_column_tables(merged)] == [20, 20, 20]
    ledger.close()
