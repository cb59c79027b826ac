"""Verified without being asked: new segments soon, all evidence on a beat, damage said aloud."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import msgspec
import pytest

from indelible.app import init_ledger, watch
from indelible.app.administration import verify
from indelible.app.local import LocalLedger
from indelible.app.watch import verify_new, verify_on_beat
from indelible.base.clock import MICROS, wall_us
from indelible.event.model import Via, read_body
from indelible.ledger.incoming import Own, Source
from indelible.server.rooms import VerifyRequest

Body = Callable[[LocalLedger], Awaitable[None]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    init_ledger(
        tmp_path / "data", "test.example/watch", tmp_path / "keys" / "log", tmp_path / "state"
    )
    return tmp_path / "data"


def opened(data: Path, body: Body) -> None:
    """Run a test body with the ledger open."""

    async def main() -> None:
        async with LocalLedger(data) as ledger:
            await body(ledger)

    asyncio.run(main())


async def sealed(ledger: LocalLedger, count: int) -> int:
    """Write `count` events and seal everything; the sealed size."""
    events = [
        Own(content=b'{"action":"a.b","actor":{"type":"user","id":"u%d"}}' % n)
        for n in range(count)
    ]
    await ledger.core.write(Source(1, "app"), Via(protocol="http"), events)
    return await ledger.engine.seal(ledger.core.ledger.tree.size)


def flip(data: Path, number: int = 0) -> None:
    """Change one byte in the middle of an evidence file; twice mends it."""
    path = sorted(data.rglob("*.evidence"))[number]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


async def ask(ledger: LocalLedger, path: str) -> httpx2.Response:
    """The answer of the running application to the holder of the folder."""
    token = ledger.app.context.tokens.local()
    transport = httpx2.ASGITransport(app=ledger.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://log") as client:
        return await client.get(path, headers={"authorization": f"Bearer {token}"})


async def told(ledger: LocalLedger) -> list[dict[str, object]]:
    """What the log itself says of damage."""
    log = ledger.core.ledger
    unsealed = range(log.reader.sealed_end, log.tree.size)
    bodies = [read_body(one.body) for one in log.reader.many(unsealed)]
    return [
        msgspec.json.decode(bytes(body.data)) for body in bodies
        if body.action == "indelible.verification.damage"
    ]


async def is_said_aloud(ledger: LocalLedger, cause: str) -> None:
    """Readiness, metric, status and the log name the damage."""
    ready = await ask(ledger, "/readyz")
    assert ready.status_code == 503
    assert "indelible_damaged 1\n" in (await ask(ledger, "/metrics")).text
    [text] = (await ask(ledger, "/v1/status")).json()["damage"]
    assert "tampered" in text
    [event] = await told(ledger)
    assert event["cause"] == cause
    assert "tampered" in str(event["verdict"])


def test_damage_in_a_new_segment_is_found_at_the_next_look_and_said_aloud(data: Path) -> None:
    async def body(ledger: LocalLedger) -> None:
        end = await sealed(ledger, 300)
        flip(data)
        assert (await ask(ledger, "/readyz")).status_code == 200
        await verify_new(ledger.core)
        await is_said_aloud(ledger, "segment")
        [event] = await told(ledger)
        assert (event["from"], event["to"]) == (0, end - 1)

    opened(data, body)


def test_each_segment_is_looked_at_once(data: Path) -> None:
    async def body(ledger: LocalLedger) -> None:
        first = await sealed(ledger, 50)
        await verify_new(ledger.core)
        await verify_new(ledger.core)
        second = await sealed(ledger, 50)
        await verify_new(ledger.core)
        assert ranges(ledger) == [("segment", first), ("segment", second - first)]
        assert (await ask(ledger, "/readyz")).status_code == 200

    opened(data, body)


def ranges(ledger: LocalLedger) -> list[tuple[str, int]]:
    """Cause and number of events of the verifications so far, oldest first."""
    return [(run.cause, run.total) for run in reversed(ledger.core.meta.verifications())]


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """The beat's clock goes on."""
    monkeypatch.setattr(watch, "wall_us", lambda: wall_us() + int(seconds * MICROS))


def test_damage_in_old_evidence_is_found_on_the_beat(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(ledger: LocalLedger) -> None:
        await sealed(ledger, 300)
        await verify_new(ledger.core)
        await verify_on_beat(ledger.core)
        flip(data)
        later(monkeypatch, ledger.place.settings.verify_every - 60)
        await verify_on_beat(ledger.core)
        assert (await ask(ledger, "/readyz")).status_code == 200
        later(monkeypatch, ledger.place.settings.verify_every + 60)
        await verify_on_beat(ledger.core)
        await is_said_aloud(ledger, "beat")

    opened(data, body)


def test_the_beat_goes_in_pieces_over_restarts_and_rests_until_it_is_due_again(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "VERIFY_PIECE_EVENTS", 100)

    async def begin(ledger: LocalLedger) -> None:
        assert await sealed(ledger, 240) < 300
        await verify_on_beat(ledger.core)
        later(monkeypatch, ledger.place.settings.verify_every + 60)
        await verify_on_beat(ledger.core)
        assert ranges(ledger) == [("beat", 100)]

    async def go_on(ledger: LocalLedger) -> None:
        end = ledger.core.ledger.reader.sealed_end
        for _ in range(4):
            await verify_on_beat(ledger.core)
        assert ranges(ledger) == [("beat", 100), ("beat", 100), ("beat", end - 200)]
        later(monkeypatch, 2 * ledger.place.settings.verify_every + 120)
        await verify_on_beat(ledger.core)
        assert ranges(ledger)[3:] == [("beat", 100)]

    opened(data, begin)
    opened(data, go_on)


def test_a_round_ends_while_more_arrives_than_a_piece_holds(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "VERIFY_PIECE_EVENTS", 50)

    async def body(ledger: LocalLedger) -> None:
        end = await sealed(ledger, 120)
        await verify_on_beat(ledger.core)
        later(monkeypatch, ledger.place.settings.verify_every + 60)
        for _ in range(4):
            await verify_on_beat(ledger.core)
            await sealed(ledger, 60)
        assert ranges(ledger) == [("beat", 50), ("beat", 50), ("beat", end - 100)]

    opened(data, body)


def test_damage_stands_over_a_restart_until_a_verification_of_it_is_clean(data: Path) -> None:
    async def find(ledger: LocalLedger) -> None:
        await sealed(ledger, 600)  # whole tiles: a start does not read this segment again
        await sealed(ledger, 600)
        flip(data, 0)
        await verify_new(ledger.core)
        assert (await ask(ledger, "/readyz")).status_code == 503

    async def mend(ledger: LocalLedger) -> None:
        assert (await ask(ledger, "/readyz")).status_code == 503
        flip(data, 0)
        second = ledger.core.ledger.reader.segments[1]
        part = VerifyRequest(from_index=second.first, to_index=second.end - 1)
        assert (await verify(ledger.core, part, lambda *_: None)).ok
        assert (await ask(ledger, "/readyz")).status_code == 503  # that was not all of it
        quick = VerifyRequest(quick=True)
        assert (await verify(ledger.core, quick, lambda *_: None)).ok
        assert (await ask(ledger, "/readyz")).status_code == 503
        assert (await verify(ledger.core, VerifyRequest(), lambda *_: None)).ok
        assert (await ask(ledger, "/readyz")).status_code == 200

    async def stays_mended(ledger: LocalLedger) -> None:
        assert (await ask(ledger, "/readyz")).status_code == 200

    opened(data, find)
    opened(data, mend)
    opened(data, stays_mended)


def test_a_callers_own_verification_policy_is_no_damage_of_the_log(data: Path) -> None:
    async def body(ledger: LocalLedger) -> None:
        await sealed(ledger, 10)
        asking = VerifyRequest(verification_policy="witness nobody\nquorum nobody\n")
        outcome = await verify(ledger.core, asking, lambda *_: None)
        assert not outcome.ok
        assert (await ask(ledger, "/readyz")).status_code == 200

    opened(data, body)
