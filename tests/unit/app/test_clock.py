"""A stepped clock is an event, never a step in the log; a jump over a day waits for a yes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import pytest

from indelible.app import init_ledger
from indelible.app.local import LocalLedger
from indelible.base import clock as clock_module
from indelible.base.clock import MICROS, wall_us
from indelible.base.errors import LedgerStopped
from indelible.event.model import Via, read_body
from indelible.ledger.incoming import Own, Source


@pytest.fixture
def data(tmp_path: Path) -> Path:
    init_ledger(
        tmp_path / "data", "test.example/clock", tmp_path / "keys" / "log", tmp_path / "state"
    )
    return tmp_path / "data"


def step(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """The wall clock jumps."""
    monkeypatch.setattr(clock_module, "wall_us", lambda: wall_us() + int(seconds * MICROS))


def opened(data: Path, body: Callable[[LocalLedger], Awaitable[None]]) -> None:
    """Run a test body with the ledger open."""

    async def main() -> None:
        async with LocalLedger(data) as ledger:
            await body(ledger)

    asyncio.run(main())


EVENT = Own(content=b'{"action":"a.b","actor":{"type":"user","id":"u"}}')


async def steps(ledger: LocalLedger) -> list[dict[str, object]]:
    """What the log says of clock steps."""
    size = ledger.core.ledger.tree.size
    bodies = [read_body(one.body) for one in ledger.core.ledger.reader.many(range(size))]
    return [
        httpx2.Response(200, content=bytes(body.data)).json()
        for body in bodies if body.action == "indelible.clock.step"
    ]


def test_a_step_back_is_an_event_and_received_times_stay(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(ledger: LocalLedger) -> None:
        before = ledger.core.ledger.clock.now_us()
        step(monkeypatch, -7200)
        await ledger.core.watch_clock()
        assert ledger.core.ledger.clock.now_us() >= before
        assert [s["answer"] for s in await steps(ledger)] == ["waited for"]

    opened(data, body)


def test_a_jump_of_more_than_a_day_holds_writing_until_it_is_accepted(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(ledger: LocalLedger) -> None:
        step(monkeypatch, 73 * 365 * 86400)
        await ledger.core.watch_clock()
        with pytest.raises(LedgerStopped, match="clock accept"):
            await ledger.core.write(Source(1, "x"), Via(), [EVENT])
        assert not ledger.rooms.readiness().ready
        monkeypatch.undo()
        await ledger.core.accept_clock()
        written = await ledger.core.write(Source(1, "x"), Via(), [EVENT])
        assert written.indexes
        assert [s["answer"] for s in await steps(ledger)] == ["held", "accepted"]

    opened(data, body)


def test_a_small_drift_is_followed_without_a_word(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(ledger: LocalLedger) -> None:
        step(monkeypatch, 5)
        await ledger.core.watch_clock()
        assert await steps(ledger) == []
        assert ledger.core.ledger.clock.step_us() < MICROS

    opened(data, body)
