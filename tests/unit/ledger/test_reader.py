"""Reading beside a seal, a dropped journal file and many segments: every event, in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from indelible.base.errors import KeyMissing, NotFound
from indelible.ledger import reader as module
from indelible.ledger.journal import journal_files
from indelible.ledger.keeper import Keeper
from indelible.ledger.open import Ledger, drop_sealed_journals
from indelible.store.keyring import JOURNAL
from support.opened import create, open_ledger, work


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    create(tmp_path)
    return open_ledger(tmp_path)


def seal_to(ledger: Ledger, end: int) -> None:
    """A sealer and the writer do their part; the ledger's own reader has not heard of it yet."""
    keeper = Keeper(
        ledger.paths, ledger.origin, ledger.keyring, ledger.manifest,
        module.LedgerReader(ledger.paths, ledger.origin, ledger.keyring, ledger.manifest),
    )
    keeper.follow(ledger.writer.where(), 1 << 62)
    keeper.seal(keeper.take(end))
    drop_sealed_journals(
        ledger.paths, ledger.origin, ledger.keyring, end, before=ledger.writer.writing_from
    )


def two_files(ledger: Ledger) -> None:
    """Ten events in each of two journal files."""
    ledger.writer.append([work(0, 10)])
    ledger.writer.roll()
    ledger.writer.append([work(10, 10)])


def test_a_range_read_beside_a_seal_has_every_event(ledger: Ledger) -> None:
    two_files(ledger)
    pieces = ledger.reader.spans(0, 20)
    seal_to(ledger, 10)
    assert len(journal_files(ledger.paths.journal)) == 1
    assert [(first, len(bodies)) for first, bodies, _ in pieces] == [(0, 10), (10, 10)]
    ledger.close()


def test_a_range_whose_reading_has_begun_goes_on_in_the_segment(ledger: Ledger) -> None:
    two_files(ledger)
    pieces = ledger.reader.spans(0, 20)
    assert next(pieces)[0] == 0
    seal_to(ledger, 20)
    ledger.writer.roll()
    drop_sealed_journals(ledger.paths, ledger.origin, ledger.keyring, 20)
    assert [(first, len(bodies)) for first, bodies, _ in pieces] == [(10, 10)]
    ledger.close()


def test_events_whose_journal_key_goes_while_they_are_read_are_found_in_evidence(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_files(ledger)
    real = module.JournalReader

    def opens(path: Path, *rest: object) -> object:
        """The file is open when the writer unlinks it, and its key is asked for afterwards."""
        if path.exists():
            seal_to(ledger, 10)
            raise KeyMissing("the key is destroyed")
        return real(path, *rest)  # type: ignore[arg-type]

    for read in (
        lambda: [ledger.reader.one(3).index, ledger.reader.one(4).index],
        lambda: [one.index for one in ledger.reader.many([3, 4])],
        lambda: [first for first, _, _ in ledger.reader.spans(3, 5)] + [4],
    ):
        with monkeypatch.context() as patched:
            if ledger.manifest.sealed_end() == 0:
                patched.setattr(module, "JournalReader", opens)
            assert read() == [3, 4]
    ledger.close()


def test_a_key_that_is_missing_under_a_file_that_is_there_is_said(ledger: Ledger) -> None:
    two_files(ledger)
    path = journal_files(ledger.paths.journal)[0]
    ledger.keyring.destroy(JOURNAL, [path.stem.split("-")[1]])
    fresh = module.LedgerReader(ledger.paths, ledger.origin, ledger.keyring, ledger.manifest)
    with pytest.raises(KeyMissing):
        fresh.one(3)
    with pytest.raises(KeyMissing):
        list(fresh.spans(0, 20))
    with pytest.raises(NotFound):
        fresh.one(99)
    ledger.close()


def test_a_segment_is_not_closed_under_whoever_reads_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OPEN_SEGMENTS", 2)
    at = 0
    for count in (2_100, 5, 5, 5):
        ledger.writer.append([work(at, count)])
        at += count
        seal_to(ledger, at)
    ledger.reader.refresh()
    pieces = ledger.reader.spans(0, 2_100)
    next(pieces)
    for index in (2_101, 2_106, 2_111):
        ledger.reader.one(index)
    assert sum(len(bodies) for _, bodies, _ in pieces) == 2_100 - 1_024
    ledger.close()
