"""Listings without an end, clocks that are wrong, answers that do not end: told, nothing missed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import msgspec
import pytest

from indelible.base.clock import MICROS, to_us
from indelible.base.errors import Unreachable
from indelible.base.limits import S3_TRIES
from indelible.ingest.protocols import s3_boto, s3_listing, s3_work
from indelible.ingest.protocols.s3_aws import BotoBucket
from indelible.ingest.protocols.s3_boto import Account
from indelible.ingest.protocols.s3_listing import Again
from indelible.ingest.protocols.s3_options import Login, options_of
from indelible.ingest.protocols.s3_store import Object, Opened, Page, Withheld
from support.buckets import MemoryBucket
from support.s3_house import House, story

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = 86_400 * MICROS


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_work, "S3_TRY_SECONDS", 0.0)


def _page(number: int, token: str) -> Page:
    return Page([Object(f"{number}.log", f"e{number}", 0)], token)


class Told(MemoryBucket):
    """Its pages are told one after the other."""

    def __init__(self, pages: Iterator[Page]) -> None:
        super().__init__()
        self._told = pages

    def page(self, prefix: str, after: str = "", token: str = "") -> Page:
        self.pages += 1
        return next(self._told)


def _told(pages: Iterator[Page]) -> House:
    one = House()
    one.bucket = Told(pages)
    one.restart()
    return one


# --- listings


_ENDLESS = {
    "two tokens": lambda: (_page(one, f"t{one % 2}") for one in count()),
    "three tokens": lambda: (_page(one, f"t{one % 3}") for one in count()),
    "one page": lambda: (_page(7, f"t{one}") for one in count()),
    "nothing": lambda: (Page([], f"t{one}") for one in count()),
}


@pytest.mark.parametrize("how", _ENDLESS)
@pytest.mark.parametrize("which", ["look", "sweep"])
def test_a_listing_that_has_no_end_is_given_up(how: str, which: str) -> None:
    @story
    async def told() -> None:
        one = _told(_ENDLESS[how]())
        with pytest.raises(Unreachable, match="lists"):
            await getattr(one, which)()
        assert one.bucket.pages <= 1_002

    told()


@pytest.mark.parametrize("which", ["look", "sweep"])
def test_an_absurdly_long_listing_is_told_and_read(
    which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_listing, "S3_PAGES", 3)

    @story
    async def told() -> None:
        shown: list[str] = []
        one = House()
        one.bucket.size = 1
        figures = one.hub.figures

        def figured(settings: Any, said: Any) -> None:
            shown.append(said.get("trouble", ""))
            figures(settings, said)

        one.hub.figures = figured  # type: ignore[method-assign]
        monkeypatch.setattr(s3_work, "S3_KEEP_SECONDS", 0.0)
        for number in range(6):
            one.bucket.put(f"{number}.log", b'{"n": 1}\n')
        await getattr(one, which)()
        assert "one listing has taken more than 3 pages" in shown
        assert one.hub.shown == {"objects": "6 read since the source was started"}
        assert len(one.found()) == 6

    told()


def test_public_keys_without_an_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3", reason="boto3 is absent")
    monkeypatch.setattr(s3_boto, "S3_KEY_PAGES", 5)
    account = Account(options_of({"bucket": "trail"}), Login("AKIA", "key"))
    asked: list[str] = []

    class Keys:
        def list_public_keys(self, **said: Any) -> dict[str, Any]:
            asked.append(said.get("NextToken", ""))
            return {"PublicKeyList": [], "NextToken": f"t{len(asked) % 2}"}

    monkeypatch.setattr(account, "client", lambda *_: Keys())
    with pytest.raises(Unreachable, match="more than 5 pages"):
        account.public_keys("eu-central-1", 0, 1)
    assert len(asked) == 5


# --- clocks


class Dated(MemoryBucket):
    """It tells the time, which is its own; so are the times of what is written."""

    def __init__(self, tells: bool = True) -> None:
        super().__init__()
        self.now, self._tells = NOW, tells

    def page(self, prefix: str, after: str = "", token: str = "") -> Page:
        found = super().page(prefix, after, token)
        return msgspec.structs.replace(found, now_us=to_us(self.now) if self._tells else 0)

    def write(self, key: str) -> None:
        self.put(key, f"{key}\n".encode(), self.now)


class Wrong:
    """A source whose clock goes `ahead` of the real time, which is the bucket's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tells: bool = True) -> None:
        self.house = House()
        self.bucket = self.house.bucket = Dated(tells)
        self.ahead = 0
        monkeypatch.setattr(s3_work, "wall_us", lambda: to_us(self.bucket.now) + self.ahead)
        self.house.restart()

    async def round(self, days: float = 0.0) -> None:
        """After so many days: one look, and the sweep if it is due."""
        self.bucket.now += timedelta(days=days)
        await self.house.look()
        for _ in range(20):
            if not await self.house.listing.sweep():
                break
        await self.house.work.settle(at_once=True)


@pytest.mark.parametrize("days", [10, 400])
@pytest.mark.parametrize("tells", [True, False])
def test_a_clock_that_was_far_ahead_keeps_nothing_from_being_read(
    days: int, tells: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else all that is written until the real time has caught up would be taken for old."""

    @story
    async def told() -> None:
        one = Wrong(monkeypatch, tells)
        one.bucket.write("1.log")
        one.ahead = days * DAY
        await one.round()
        one.bucket.write("2.log")
        one.bucket.now += timedelta(days=3)  # while nothing runs
        one.ahead = 0
        one.house.restart()
        for number in range(3, 6):
            one.bucket.write(f"{number}.log")
            await one.round(0.4)
        assert sorted(one.house.hub.raws) == [f"{number}.log" for number in range(1, 6)]

    told()


def test_a_clock_that_is_set_right_while_nothing_runs_keeps_nothing_from_being_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The mark of then is no longer in the future, and was not true all the same."""

    @story
    async def told() -> None:
        one = Wrong(monkeypatch)
        one.ahead = 5 * DAY
        await one.round()
        mark = one.house.listing._mark
        assert max(mark.looked_us, mark.ended_us, mark.swept_us) <= to_us(NOW)
        one.bucket.now += timedelta(days=1)
        one.bucket.write("meanwhile.log")
        one.bucket.now += timedelta(days=5)
        one.ahead = 0
        one.house.restart()
        await one.round()
        assert one.house.hub.raws == ["meanwhile.log"]

    told()


def test_a_sweep_beside_a_queue_begins_at_the_time_of_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """There it is the first to ask."""

    @story
    async def told() -> None:
        one = Wrong(monkeypatch)
        one.ahead = 5 * DAY
        await one.house.sweep()
        mark = one.house.listing._mark
        assert max(mark.ended_us, mark.swept_us) == to_us(NOW)

    told()


def test_a_clock_that_is_ahead_sweeps_no_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    @story
    async def told() -> None:
        one = Wrong(monkeypatch)
        one.ahead = 10 * DAY
        one.bucket.write("a.log")
        await one.round()
        before = one.bucket.pages
        for _ in range(5):
            await one.round(0.01)
        assert one.bucket.pages == before + 5

    told()


def test_what_waits_to_be_tried_again_waits_no_longer_than_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @story
    async def told() -> None:
        one = Wrong(monkeypatch, tells=False)
        one.ahead = 10 * DAY
        one.bucket.write("a.log")
        one.bucket.write("b.log")
        one.bucket.faults["a.log"] = [Withheld("AccessDenied", "no")]
        one.house.work.troubles.read()
        await one.house.sweep()
        assert [found["raw"] for found in one.house.found()] == ["b.log"]
        one.ahead = 0
        await one.house.listing.retry()
        assert [found["raw"] for found in one.house.found()] == ["b.log", "a.log"]

    told()


def test_a_listing_tells_the_time_of_the_store() -> None:
    pytest.importorskip("boto3", reason="boto3 is absent")
    from botocore.stub import Stubber

    options = options_of({"bucket": "trail", "region": "eu-central-1"})
    account = Account(options, Login("AKIA", "key"))
    with Stubber(account.client("s3", "eu-central-1")) as stub:
        for said, us in [("Mon, 01 Jun 2026 00:00:00 GMT", 1_780_272_000 * MICROS), ("x", 0)]:
            stub.add_response("list_objects_v2", {
                "ResponseMetadata": {"HTTPHeaders": {"date": said}}
            })
            assert BotoBucket(account, options).page("").now_us == us


# --- turns


def test_objects_that_fail_for_ever_keep_no_new_one_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The source begins anew when many fail in a row: what is new is read before they are tried."""

    @story
    async def told() -> None:
        one = House(every="1s")
        one.bucket.put("good.log", b"good\n")
        await one.look()
        for number in range(12):
            key = f"bad{number}.log"
            one.bucket.put(key, b"bad\n")
            one.bucket.faults[key] = [Unreachable("no")] * 1_000
            kept = Again(etag=one.bucket.objects[key][1].etag, modified_us=1)
            one.hub.positions["aws", ""][f"again/{key}"] = msgspec.json.encode(kept)
        one.bucket.put("new.log", b"new\n")
        one.restart()
        with pytest.raises(Unreachable):
            await one.listing.forever()
        assert "new" in one.hub.raws

    told()


# --- answers without an end


class Drops:
    """A body that gives a byte a while, as long as it is not let go of."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def read(self, size: int = -1, /) -> bytes:
        if self.closed.wait(0.01):
            raise Unreachable("the connection broke in the middle of an object")
        return b"x"


class Trickling(MemoryBucket):
    """The bodies of one of its objects do."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[Drops] = []

    def open(self, key: str, version: str = "") -> Opened:
        opened = super().open(key, version)
        if key != "slow.log":
            return opened
        self.bodies.append(Drops())
        body = self.bodies[-1]
        return msgspec.structs.replace(opened, body=body, close=body.closed.set)


def test_an_object_without_an_end_keeps_no_other_one_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(s3_work, "S3_CALL_SECONDS", 0.2)

    @story
    async def told() -> None:
        one = House()
        bucket = one.bucket = Trickling()
        one.restart()
        for number in range(8):
            one.bucket.put(f"good{number}.log", f"{number}\n".encode())
        one.bucket.put("slow.log", b"")
        async with asyncio.timeout(10):
            await one.look()
        assert sorted(found["raw"] for found in one.found()) == [str(one) for one in range(8)]
        assert one.codes("s3.object.read") == ["unreachable"]
        assert [body.closed.is_set() for body in bucket.bodies] == [True] * S3_TRIES

    told()


def test_a_question_to_the_store_without_an_answer_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(s3_work, "S3_CALL_SECONDS", 0.1)
    silent = threading.Event()

    @story
    async def told() -> None:
        one = House()
        async with asyncio.timeout(5):
            with pytest.raises(Unreachable, match="not answered to the end"):
                await one.work.run(silent.wait, 20.0)
        silent.set()

    told()


class Trickle(BaseHTTPRequestHandler):
    """A store whose object has no end."""

    stop = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        for name, value in [("content-length", "100000"), ("etag", "e"),
                            ("last-modified", "Mon, 01 Jun 2026 00:00:00 GMT")]:
            self.send_header(name, value)
        self.end_headers()
        try:
            while not self.stop.wait(0.05):
                self.wfile.write(b"x")
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:
        return


def test_a_connection_that_trickles_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """With boto3, whose `close` would wait for the thread that reads."""
    pytest.importorskip("boto3", reason="boto3 is absent")
    monkeypatch.setattr(s3_work, "S3_CALL_SECONDS", 0.5)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Trickle)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    options = options_of({
        "bucket": "trail", "region": "xx", "endpoint": f"http://127.0.0.1:{server.server_port}"
    })

    @story
    async def told() -> None:
        one = House()
        one.work.bucket = BotoBucket(Account(options, Login("AKIA", "key")), options)
        with pytest.raises(Unreachable, match="not answered to the end"):
            await one.work.read(Object("a.log", "e", 0))

    giving_up = threading.Timer(20.0, Trickle.stop.set)
    giving_up.start()
    told()
    assert not Trickle.stop.is_set()
    giving_up.cancel()
    server.shutdown()
    server.server_close()
