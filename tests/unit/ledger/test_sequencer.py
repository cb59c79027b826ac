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
from indelible.ledger import sequencer as module
from indelible.ledger.incoming import Durable
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
        sequencer.sealed_end = 3
        await sequencer.submit(work(3, 1))

    run(ledger, body)
