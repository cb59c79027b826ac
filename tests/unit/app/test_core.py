"""What a running ledger says of itself, and what it does no more once it has stopped."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from indelible.app import core as core_module
from indelible.app.local import LocalLedger
from indelible.app.state import folder_bytes
from indelible.ledger.quarantine import unreported
from support.kept import Kept, bodies, post


def test_a_reason_to_stop_is_said_once_however_often_it_is_met(tmp_path: Path) -> None:
    async def life(ledger: LocalLedger) -> None:
        for _ in range(3):
            ledger.core.stop("the checkpoint cannot be written")
        assert ledger.core.damage == ["the checkpoint cannot be written"]

    Kept(tmp_path / "house").run(life)


def test_a_stopped_ledger_gives_no_sign_of_life(tmp_path: Path) -> None:
    async def life(ledger: LocalLedger) -> None:
        await ledger.engine.publish()
        before = ledger.core.publisher.note
        await ledger.core.renew()
        renewed = ledger.core.publisher.note
        assert renewed != before
        ledger.core.stop("what was read back differs")
        await ledger.core.renew()
        assert ledger.core.publisher.note == renewed

    Kept(tmp_path / "house").run(life)


def test_the_status_is_told_while_files_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"12345")
    real = os.scandir

    def listed(folder: Path) -> object:
        entries = list(real(folder))
        (folder / "a").unlink()
        return nullcontext(entries)

    monkeypatch.setattr(os, "scandir", listed)
    assert folder_bytes(tmp_path) == 5


def test_a_torn_end_is_reported_once_also_after_a_crash_before_the_report(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "house").filled()
    newest = sorted(kept.place.paths.journal.iterdir())[-1]
    with newest.open("ab") as file:
        file.truncate(newest.stat().st_size - 36)  # its closing record
        file.write(b"\0\0\1\0torn")
    crashed = kept.bare()  # it sets the torn end aside and is gone before it could say so
    size = crashed.tree.size
    crashed.close()
    assert [torn.at for torn in unreported(kept.place.paths, size)] == [size]

    async def life(ledger: LocalLedger) -> None:
        return None

    for _ in range(2):
        kept.run(life)
        reports = [body for body in bodies(kept.data) if b"indelible.journal.quarantine" in body]
        assert len(reports) == 1
        assert b'"index":%d' % size in reports[0]
        assert unreported(kept.place.paths, size) == []
    (file,) = kept.place.paths.quarantine.iterdir()
    assert file.name.encode() in reports[0]
    assert file.read_bytes() == b"\0\0\1\0torn"


def test_only_what_can_be_a_torn_end_is_reported(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "house").filled()
    folder = kept.place.paths.quarantine
    begin = "00000000000000000005-aaaaaaaaaaaaaaaa.journal"
    for name in (f"{begin}.1.9999999999999999999.torn", f"{begin}.1.5.torn", "x.1.5.torn"):
        (folder / f"{name}.unreported").write_bytes(b"")
    (folder / f"{begin}.1.5.torn").mkdir()  # nothing can take this name
    for number in range(20):
        (folder / f"{begin}.2.{number}.torn.unreported").write_bytes(b"")

    async def life(ledger: LocalLedger) -> None:
        return None

    kept.run(life)
    reports = [body for body in bodies(kept.data) if b"indelible.journal.quarantine" in body]
    assert len(reports) == 16
    assert all(b".journal.2." in body for body in reports)


def test_events_are_taken_while_sealed_journals_are_read_once_more_and_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That takes long for large files: nobody's answer waits for it."""
    begun, may_end = threading.Event(), threading.Event()
    real = core_module.drop_sealed_journals

    def slow(*args: Any, **more: Any) -> list[str]:
        begun.set()
        assert may_end.wait(30)
        return real(*args, **more)

    monkeypatch.setattr(core_module, "drop_sealed_journals", slow)
    kept = Kept(tmp_path / "house")

    async def life(ledger: LocalLedger) -> None:
        await post(ledger, 0, 10)
        sealing = asyncio.create_task(ledger.rooms.seal())
        await asyncio.to_thread(begun.wait, 30)
        try:
            async with asyncio.timeout(20):
                written = await post(ledger, 10, 20)
        finally:
            may_end.set()
        await sealing
        assert len(list(ledger.core.ledger.paths.journal.iterdir())) == 1
        assert ledger.core.ledger.reader.sealed_end <= written.indexes[0]

    kept.run(life)
    assert sum(b'"id":"e' in body for body in bodies(kept.data)) == 20


def test_a_segment_that_falls_due_while_it_ends_is_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(tmp_path / "house")
    real = core_module.Core.end

    async def life(ledger: LocalLedger) -> None:
        await post(ledger, 0, 10)
        keeper = ledger.engine._keeper

        async def end(core: core_module.Core) -> None:
            await real(core)
            monkeypatch.setattr(
                keeper, "due", lambda: keeper.tail.end if keeper.tail.end > keeper.tail.start
                else None,
            )

        monkeypatch.setattr(core_module.Core, "end", end)

    kept.run(life)
    monkeypatch.undo()

    async def sealed(ledger: LocalLedger) -> None:
        assert ledger.core.ledger.reader.sealed_end > 10

    kept.run(sealed)
