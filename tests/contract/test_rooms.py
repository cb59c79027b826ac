"""The rooms in memory that the server's tests stand on keep the same contract as the real ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from indelible.app.local import LocalLedger
from indelible.base.errors import NotFound
from indelible.event.model import read_body
from indelible.event.predicate import EVERYTHING, NOTHING, Op, Predicate, Term
from indelible.ingest.parsers.native import parse_native
from indelible.ingest.submission import Submission, SubmitResult
from indelible.proof.keys import Ed25519Cosigner
from indelible.query.model import ExportRequest
from indelible.server.rooms import BundleRequest, Rooms, VerifyRequest
from indelible.store.meta import Meta
from support.kept import Kept
from support.token_keys import token_keyring
from unit.server.fake_rooms import FakeRooms

Opened = Callable[[], AbstractAsyncContextManager[Rooms]]
BY_ANA = Term(field="actor", op=Op.EQ, values=("ana",))


@pytest.fixture(params=["in memory", "real"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Rooms over a new log."""

    house = Kept(tmp_path / "house")

    @asynccontextmanager
    async def in_memory() -> AsyncIterator[Rooms]:
        meta = Meta(tmp_path / "meta.sqlite", keyring=token_keyring())
        try:
            yield FakeRooms(meta)
        finally:
            meta.close()

    @asynccontextmanager
    async def real() -> AsyncIterator[Rooms]:
        async with LocalLedger(house.data) as ledger:
            yield ledger.rooms

    return real if request.param == "real" else in_memory


def event(actor: str, event_id: str = "", note: str = "") -> bytes:
    said: dict[str, object] = {"action": "user.login", "actor": {"type": "user", "id": actor}}
    if event_id:
        said["id"] = event_id
    if note:
        said["data"] = {"note": note}
    return json.dumps(said).encode()


async def submit(rooms: Rooms, *lines: bytes, source: str = "hr") -> SubmitResult:
    parsed, refused = parse_native(b"\n".join(lines))
    assert not refused
    return await rooms.submit(
        Submission(
            source=source, tenant="", events=parsed, protocol="http", parser="native/1",
            peer="192.0.2.1",
        )
    )


def check(opened: Opened, steps: Callable[[Rooms], Awaitable[None]]) -> None:
    async def life() -> None:
        async with opened() as rooms:
            await steps(rooms)

    asyncio.run(life())


def test_what_is_submitted_has_rising_indexes_and_receipts_in_the_order_asked(
    opened: Opened,
) -> None:
    async def steps(rooms: Rooms) -> None:
        result = await submit(rooms, event("ana"), event("bob"), event("eve"))
        first, second, third = result.indexes
        assert first < second < third
        assert (list(result.duplicates), result.conflicts) == ([], {})
        receipts = await rooms.receipts([third, first])
        assert [receipt.index for receipt in receipts] == [third, first]
        assert [read_body(receipt.body).actor.id for receipt in receipts] == ["eve", "ana"]
        assert {len(receipt.leaf) for receipt in receipts} == {32}
        assert {len(receipt.entry) for receipt in receipts} == {60}

    check(opened, steps)


def test_an_id_again_is_a_duplicate_or_a_conflict_and_each_source_has_its_own(
    opened: Opened,
) -> None:
    async def steps(rooms: Rooms) -> None:
        one = await submit(rooms, event("ana", "e1"), event("ana", "e1"), event("bob", "e1"))
        first, same, other = one.indexes
        assert (same, list(one.duplicates), one.conflicts) == (first, [1], {2: first})
        assert other > first
        again = await submit(rooms, event("ana", "e1"))
        assert (list(again.indexes), list(again.duplicates)) == ([first], [0])
        elsewhere = await submit(rooms, event("ana", "e1"), source="crm")
        assert not elsewhere.duplicates
        assert not elsewhere.conflicts

    check(opened, steps)


def test_a_submission_of_refusals_alone_is_answered_with_nothing(opened: Opened) -> None:
    async def steps(rooms: Rooms) -> None:
        size = rooms.status().size
        result = await rooms.submit(
            Submission(
                source="hr", tenant="", events=[], protocol="http", parser="native/1", peer="",
                rejected=3,
            )
        )
        assert list(result.indexes) == []
        assert rooms.status().size - size <= 1  # the record of a source that is seen first

    check(opened, steps)


def test_what_is_out_of_scope_is_as_if_it_were_not_there(opened: Opened) -> None:
    async def steps(rooms: Rooms) -> None:
        ana, bob = (await submit(rooms, event("ana"), event("bob"))).indexes
        seen = await rooms.event(ana, BY_ANA)
        assert seen is not None
        assert read_body(seen.receipt.body).actor.id == "ana"
        assert seen.verdict in ("proven", "pending")
        hidden = ((bob, BY_ANA), (ana, NOTHING), (bob + 9, EVERYTHING))
        for index, scope in hidden:
            assert await rooms.event(index, scope) is None
            assert await rooms.proof(index, scope) is None
            with pytest.raises(NotFound):
                await rooms.bundle(BundleRequest(indexes=(index,)), scope)
        with pytest.raises(NotFound):
            await rooms.bundle(BundleRequest(indexes=(ana, bob)), BY_ANA)
        with pytest.raises(NotFound):
            await rooms.bundle(BundleRequest(from_index=ana, to_index=bob), BY_ANA)

    check(opened, steps)


def test_a_proof_and_a_bundle_come_once_there_is_a_checkpoint(opened: Opened) -> None:
    async def steps(rooms: Rooms) -> None:
        ana, bob = (await submit(rooms, event("ana"), event("bob"))).indexes
        if rooms.status().published_size <= bob:
            await rooms.seal()
        proof = await rooms.proof(ana, BY_ANA)
        assert proof is not None
        assert proof.startswith("c2sp.org/tlog-proof@v1\n")
        for request in (
            BundleRequest(indexes=(bob, ana)), BundleRequest(from_index=ana, to_index=bob)
        ):
            path = await rooms.bundle(request, EVERYTHING)
            assert path.read_bytes().startswith(b"PK")
            path.unlink()

    check(opened, steps)


def test_a_tail_gives_what_matches_in_order_and_waits_for_more(opened: Opened) -> None:
    async def steps(rooms: Rooms) -> None:
        indexes = list((await submit(rooms, event("ana", note="1"), event("bob"))).indexes)
        found: list[tuple[int, bytes]] = []

        async def follow(scope: Predicate) -> None:
            async for some in rooms.tail(indexes[0], scope):
                found.extend(some)

        following = asyncio.create_task(follow(BY_ANA))
        try:
            async with asyncio.timeout(20):
                while not found:
                    await asyncio.sleep(0.01)
                indexes += (await submit(rooms, event("bob"), event("ana", note="2"))).indexes
                while len(found) < 2:
                    await asyncio.sleep(0.01)
        finally:
            following.cancel()
        assert [index for index, _ in found] == [indexes[0], indexes[3]]
        receipts = await rooms.receipts([indexes[0], indexes[3]])
        assert [body for _, body in found] == [receipt.body for receipt in receipts]

    check(opened, steps)


def test_an_export_streams_the_bodies(opened: Opened) -> None:
    async def steps(rooms: Rooms) -> None:
        index = (await submit(rooms, event("ana"))).indexes[0]
        (receipt,) = await rooms.receipts([index])
        request = ExportRequest(scope=EVERYTHING, format="ndjson")
        lines = b"".join([part async for part in rooms.export(request)]).splitlines()
        assert receipt.body in lines

    check(opened, steps)


def test_the_ledgers_own_records_are_of_source_number_0(opened: Opened) -> None:
    async def steps(rooms: Rooms) -> None:
        own = b'{"action":"indelible.test","actor":{"type":"system","id":"indelible"}}'
        index = await rooms.record(own)
        view = await rooms.event(index, EVERYTHING)
        assert view is not None
        body = read_body(view.receipt.body)
        assert (body.source.number, body.action) == (0, "indelible.test")

    check(opened, steps)


def test_the_logs_own_face_has_its_shapes(opened: Opened) -> None:
    async def steps(rooms: Rooms) -> None:
        await submit(rooms, event("ana"))
        await rooms.seal()
        assert set(rooms.keys()) == {"vkey", "vkey.mldsa44"}
        for note in (rooms.checkpoint(), await rooms.cosigned()):
            origin, size, *_ = note.split(b"\n")
            assert origin.decode() == rooms.status().origin
            assert size.isdigit()
        for beyond in ("tile/0/x001/067.p/8", "tile/7/000", "tile/entries/x001/000"):
            assert await rooms.tile(beyond) is None
        assert rooms.readiness().ready

    check(opened, steps)


def test_sealing_and_verifying_say_how_far(opened: Opened) -> None:
    async def steps(rooms: Rooms) -> None:
        await submit(rooms, event("ana"), event("bob"))
        sealed = json.loads(await rooms.seal())
        assert set(sealed) == {"segments", "sealed_size"}
        told: list[tuple[int, int]] = []
        outcome = await rooms.verify(VerifyRequest(), lambda *figures: told.append(figures))
        assert outcome.ok
        assert json.loads(bytes(outcome.report))
        assert all(0 <= done <= total for done, total in told)
        assert set(json.loads(await rooms.clock_accept())) == {"step_seconds"}

    check(opened, steps)


def test_witnesses_are_known_until_they_are_removed(opened: Opened) -> None:
    async def steps(rooms: Rooms) -> None:
        assert list(rooms.witnesses()) == []
        vkey = Ed25519Cosigner("witness.example/w", b"\x07" * 32).vkey
        await rooms.witness_add("w", "http://127.0.0.1:9/", vkey)
        (one,) = rooms.witnesses()
        assert (one.name, one.url, one.vkey) == ("w", "http://127.0.0.1:9/", vkey)
        await rooms.witness_remove("w")
        assert list(rooms.witnesses()) == []
        with pytest.raises(NotFound):
            await rooms.witness_remove("w")

    check(opened, steps)
