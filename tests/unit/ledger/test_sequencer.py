"""Group commit: nobody is answered before the disk has it, and too much is refused."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from indelible.base import limits
from indelible.base.errors import Busy, DiskFull, LedgerStopped
from indelible.base.invariant import InvariantViolated
from indelible.ledger import sequencer as module
from indelible.ledger.incoming import Durable
from indelible.ledger.journal import journal_files, journal_spans
from indelible.ledger.open import Ledger
from indelible.ledger.sequencer import Sequencer
from support.opened import create, open_ledger, work


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    create(tmp_path)
    return open_ledger(tmp_path)


def run(ledger: Ledger, body: Callable[[Sequencer, list[Durable]], object]) -> None:
    """Run an async test body with a started sequencer."""

    async def main() -> None:
        told: list[Durable] = []
        sequencer = Sequencer(ledger.writer, on_durable=told.append, data=ledger.paths.data)
        sequencer.start()
        try:
            await body(sequencer, told)  # type: ignore[misc]
        finally:
            await sequencer.close()
            ledger.close()

    asyncio.run(main())


def test_an_answer_is_not_given_before_fdatasync(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, release = threading.Event(), threading.Event()
    real = os.fdatasync

    def slow(handle: int) -> None:
        entered.set()
        release.wait(10)
        real(handle)

    async def body(sequencer: Sequencer, told: list[Durable]) -> None:
        await sequencer.submit(work(0, 1))
        monkeypatch.setattr(os, "fdatasync", slow)
        answer = asyncio.ensure_future(sequencer.submit(work(1, 1)))
        await asyncio.to_thread(entered.wait, 10)
        assert not answer.done()
        assert len(told) == 1
        release.set()
        assert (await answer).indexes == [1]

    run(ledger, body)


def test_what_arrives_during_a_sync_is_one_batch(ledger: Ledger) -> None:
    async def body(sequencer: Sequencer, told: list[Durable]) -> None:
        answers = await asyncio.gather(*(sequencer.submit(work(n, 1)) for n in range(200)))
        assert sorted(a.indexes[0] for a in answers) == list(range(200))
        assert sequencer.batches < 20

    run(ledger, body)


def test_a_failed_write_answers_every_waiting_sender(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(sequencer: Sequencer, told: list[Durable]) -> None:
        await sequencer.submit(work(0, 1))

        def fail(_handle: int) -> None:
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(os, "fdatasync", fail)
        answers = await asyncio.gather(
            *(sequencer.submit(work(n, 1)) for n in range(1, 30)), return_exceptions=True
        )
        assert all(isinstance(a, LedgerStopped) for a in answers)
        with pytest.raises(LedgerStopped):
            await sequencer.submit(work(40, 1))

    run(ledger, body)


def test_a_batch_that_is_durable_but_not_in_the_tree_is_the_last(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one would be answered with indexes that the journal has given already."""

    async def body(sequencer: Sequencer, told: list[Durable]) -> None:
        await sequencer.submit(work(0, 1))

        def contradicts(_prepared: object) -> bytes:
            raise InvariantViolated("leaves of a batch that was not stored")

        with monkeypatch.context() as patched:
            patched.setattr(ledger.writer, "compute_leaves", contradicts)
            with pytest.raises(InvariantViolated):
                await sequencer.submit(work(1, 2))
        with pytest.raises(LedgerStopped):
            await sequencer.submit(work(3, 1))
        assert len(told) == 1

    run(ledger, body)


def test_too_much_waiting_is_busy_and_a_full_disk_is_507(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(sequencer: Sequencer, told: list[Durable]) -> None:
        sequencer.queued_events = limits.QUEUE_EVENTS
        with pytest.raises(Busy):
            await sequencer.submit(work(0, 1))
        sequencer.queued_events = 0
        monkeypatch.setattr(module, "RESERVED_BYTES", 1 << 62)
        with pytest.raises(DiskFull):
            await sequencer.submit(work(0, 1))
        assert (await sequencer.submit(work(0, 1), own=True)).indexes == [0]

    run(ledger, body)


def test_a_backlog_that_is_not_sealed_makes_senders_wait(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(sequencer: Sequencer, told: list[Durable]) -> None:
        monkeypatch.setattr(module, "UNSEALED_EVENTS", 3)
        await sequencer.submit(work(0, 3))
        with pytest.raises(Busy, match="sealed"):
            await sequencer.submit(work(3, 1))
        sequencer.sealed(3)
        await sequencer.submit(work(3, 1))

    run(ledger, body)


def test_a_backlog_is_bounded_in_bytes_and_shrinks_by_what_is_sealed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(sequencer: Sequencer, told: list[Durable]) -> None:
        await sequencer.submit(work(0, 3))
        first = sequencer.unsealed_bytes
        assert first == sum(len(one.body) for one in ledger.reader.many(range(3)))
        await sequencer.submit(work(3, 1))
        monkeypatch.setattr(module, "UNSEALED_BYTES", sequencer.unsealed_bytes)
        with pytest.raises(Busy, match="bytes of events"):
            await sequencer.submit(work(4, 1))
        sequencer.sealed(3)
        assert sequencer.unsealed_bytes < first
        await sequencer.submit(work(4, 1))

    run(ledger, body)


def test_what_an_earlier_run_left_unsealed_counts_until_it_is_sealed(tmp_path: Path) -> None:
    create(tmp_path)
    ledger = open_ledger(tmp_path)
    for first in (0, 50):
        ledger.writer.append([work(first, 50)])
        ledger.writer.roll()
    spans = journal_spans(ledger.paths.journal, ledger.tree.size)
    assert [end for end, _ in spans] == [50, 100]
    sequencer = Sequencer(
        ledger.writer, on_durable=lambda _: None, data=ledger.paths.data, unsealed=spans
    )
    sizes = [path.stat().st_size for path in journal_files(ledger.paths.journal)]
    assert sequencer.unsealed_bytes == sum(sizes)
    sequencer.sealed(50)
    assert sequencer.unsealed_bytes == sizes[1]
    ledger.close()


def test_one_batch_holds_no_more_than_its_bytes_and_one_submission(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(sequencer: Sequencer, told: list[Durable]) -> None:
        monkeypatch.setattr(module, "BATCH_BYTES", 100)
        await asyncio.gather(*(sequencer.submit(work(n, 1)) for n in range(12)))
        assert sequencer.batches >= 6
        assert sequencer.queued_bytes == sequencer.queued_events == 0

    run(ledger, body)
