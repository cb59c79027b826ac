"""Requests that cross from the collector to the writer: the very answers of HTTP, or an end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.server.fake_rooms import House

from indelible.app import wire
from indelible.app.relaying import Answering, Asking
from indelible.base.errors import Busy, DiskFull
from indelible.ingest.protocols import otlp
from indelible.ingest.protocols.hub import Answered, Configured, Head
from indelible.ingest.sources import SourceSettings
from indelible.server.patience import Patience

RECORD = b"\x0a\x0b\x12\x09\x12\x07\x2a\x05\x0a\x03one"
"""An ExportLogsServiceRequest with one record whose body is `one`."""


class Link:
    """Both sides, joined by messages that are encoded and decoded on their way."""

    def __init__(self, serve: Any) -> None:
        self.held = 0
        self.most = 0
        self.closing = False
        self.crossed: list[wire.Message] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.asking = Asking(self.tell, self.room)
        self.answering = Answering(serve, self.say, lambda: self.closing)

    async def tell(self, message: wire.Message) -> None:
        """What the collector says."""
        self.crossed.append(message)
        if isinstance(message, wire.Post):
            task = asyncio.get_running_loop().create_task(self.answering.answer(message))
            self.tasks.add(task)
        elif isinstance(message, wire.BodyOf):
            self.answering.body(message)

    def say(self, message: wire.Message) -> None:
        """What the writer says."""
        self.crossed.append(message)
        assert isinstance(message, wire.Posted)
        self.asking.hear(message)

    @contextlib.asynccontextmanager
    async def room(self, size: int) -> AsyncIterator[None]:
        """Counts what waits."""
        self.held += size
        self.most = max(self.most, self.held)
        try:
            yield
        finally:
            self.held -= size

    async def idle(self) -> None:
        """Nothing is under way on either side."""
        async with asyncio.timeout(10):
            await asyncio.gather(*self.tasks)
        assert not self.asking._open
        assert not self.answering._bodies
        assert self.held == 0


@pytest.fixture
def house(tmp_path: Path) -> Any:
    found = House(tmp_path)
    found.rooms.settings[("app", "")] = Configured(
        settings=SourceSettings(id="app", protocol="otlp")
    )
    yield found
    found.close()


def head(token: str = "", **more: Any) -> Head:
    bearer = [(b"authorization", b"Bearer " + token.encode())] if token else []
    return Head(
        path="/v1/logs", headers=[*bearer, (b"content-type", otlp.PROTOBUF.encode())],
        peer=("192.0.2.9", 1), **more,
    )


def run(house: House, body: Callable[[Link], Awaitable[None]]) -> None:
    async def main() -> None:
        link = Link(house.app)
        async with asyncio.timeout(20):
            await body(link)
            await link.idle()

    house.run(main())


def gives(content: bytes | None) -> Callable[[], Awaitable[bytes | None]]:
    async def body() -> bytes | None:
        return content

    return body


async def never() -> bytes | None:
    await asyncio.Event().wait()
    return b""


def test_a_request_is_stored_as_if_it_had_come_over_http(house: House) -> None:
    async def body(link: Link) -> None:
        answer = await link.asking.post(head(house.tokens["writer"]), gives(RECORD))
        assert (answer.status, answer.body) == (200, b"")
        assert link.most == len(RECORD)

    run(house, body)
    (submission,) = house.rooms.submissions
    assert (submission.source, submission.protocol, submission.peer) == ("app", "otlp", "192.0.2.9")
    assert len(submission.events) == 1


@pytest.mark.parametrize("role", ["", "reader", "nobody"])
def test_a_body_does_not_cross_before_its_head_is_admitted(house: House, role: str) -> None:
    async def body(link: Link) -> None:
        answer = await link.asking.post(head(house.tokens.get(role, role)), never)
        assert answer.status == (403 if role == "reader" else 401)
        assert not any(isinstance(one, wire.BodyOf) for one in link.crossed)

    run(house, body)
    assert not house.rooms.submissions


def test_a_body_that_takes_too_long_is_answered_and_left(house: House) -> None:
    house.app.context.patience = Patience(0.1, 0.05)

    async def body(link: Link) -> None:
        answer = await link.asking.post(head(house.tokens["writer"]), never)
        assert answer.status == 408

    run(house, body)


def test_a_sender_who_goes_before_the_body_leaves_nothing_behind(house: House) -> None:
    async def body(link: Link) -> None:
        answer = await link.asking.post(head(house.tokens["writer"]), gives(None))
        assert answer == Answered(status=0)
        post = asyncio.ensure_future(link.asking.post(head(house.tokens["writer"]), never))
        while len(link.crossed) < 6:
            await asyncio.sleep(0.01)
        post.cancel()
        await asyncio.wait((post,))

    run(house, body)
    assert not [one for one in house.rooms.submissions if one.events]


def test_a_body_that_cannot_be_received_is_the_senders_trouble(house: House) -> None:
    async def broken() -> bytes | None:
        raise ValueError("broken")

    async def body(link: Link) -> None:
        with pytest.raises(ValueError, match="broken"):
            await link.asking.post(head(house.tokens["writer"]), broken)

    run(house, body)


@pytest.mark.parametrize(("error", "after"), [(Busy("busy"), b"1"), (DiskFull("full"), b"30")])
def test_back_pressure_says_when_to_come_again(
    house: House, error: Exception, after: bytes
) -> None:
    house.rooms.fail = error

    async def body(link: Link) -> None:
        answer = await link.asking.post(head(house.tokens["writer"]), gives(RECORD))
        assert (answer.status, dict(answer.headers)[b"retry-after"]) == (503, after)

    run(house, body)


def test_a_writer_that_is_going_asks_to_come_again(house: House) -> None:
    async def body(link: Link) -> None:
        link.closing = True
        answer = await link.asking.post(head(house.tokens["writer"]), never)
        assert (answer.status, dict(answer.headers)[b"retry-after"]) == (503, b"1")

    run(house, body)


def test_a_collector_that_has_gone_keeps_no_request_waiting(house: House) -> None:
    async def body(link: Link) -> None:
        post = asyncio.ensure_future(link.asking.post(head(house.tokens["writer"]), never))
        while len(link.crossed) < 2:
            await asyncio.sleep(0.01)
        link.answering.gone()
        assert (await post).status == 0

    run(house, body)


def test_an_application_that_fails_is_answered_for(tmp_path: Path) -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("unforeseen")

    async def main() -> None:
        link = Link(fails)
        assert (await link.asking.post(head("x"), never)).status == 500
        await link.idle()

    asyncio.run(main())


def test_a_name_in_a_certificate_goes_along() -> None:
    seen: list[Any] = []

    async def looks(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["extensions"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    async def main() -> None:
        link = Link(looks)
        assert (await link.asking.post(head("x", certificate="CN=a"), never)).body == b"ab"
        await link.asking.post(head("x"), never)

    asyncio.run(main())
    assert [one.get("tls", {}).get("client_cert_name") for one in seen] == ["CN=a", None]
