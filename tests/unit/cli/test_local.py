"""HTTP without a network: streams, hang-ups, failures of the application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httpx2
import pytest

from indelible.base.errors import FolderInUse
from indelible.cli.local import LocalTransport

Message = MutableMapping[str, Any]


class Opened:
    """An application and what became of it."""

    def __init__(self, app: Callable[..., Awaitable[None]], fails: Exception | None = None) -> None:
        self.app, self.fails, self.left = app, fails, False

    async def __aenter__(self) -> tuple[Any, str]:
        if self.fails:
            raise self.fails
        return self.app, "token"

    async def __aexit__(self, *_: object) -> None:
        self.left = True


class Endless:
    """Streams until the client is gone."""

    def __init__(self) -> None:
        self.sent, self.noticed = 0, False

    async def __call__(self, _scope: Message, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.create_task(receive())
        while not gone.done():
            await send({"type": "http.response.body", "body": b"x" * 10, "more_body": True})
            self.sent += 1
            await asyncio.sleep(0)
        self.noticed = gone.result()["type"] == "http.disconnect"


def client(opened: Opened) -> httpx2.Client:
    return httpx2.Client(base_url="http://localhost", transport=LocalTransport(opened))


def test_an_application_notices_that_the_client_has_gone() -> None:
    app = Endless()
    opened = Opened(app)
    with client(opened) as http:
        with http.stream("GET", "/") as response:
            assert next(response.iter_raw()) == b"x" * 10
        assert app.noticed
    assert opened.left


def test_a_slow_reader_holds_the_application_back() -> None:
    app = Endless()
    with client(Opened(app)) as http, http.stream("GET", "/") as response:
        next(response.iter_raw())
        assert app.sent < 20


async def body_twice(_scope: Message, receive: Any, send: Any) -> None:
    message = await receive()
    await send({"type": "http.response.start", "status": 201,
                "headers": [(b"x-length", str(len(message["body"])).encode())]})
    await send({"type": "http.response.body", "body": message["body"] * 2})


def test_status_headers_and_body_cross_unchanged() -> None:
    with client(Opened(body_twice)) as http:
        response = http.post("/", content=b"ab\xff")
    assert (response.status_code, response.headers["x-length"]) == (201, "3")
    assert response.content == b"ab\xffab\xff"


def test_two_requests_share_the_application() -> None:
    with client(Opened(body_twice)) as http:
        assert [http.post("/", content=b"a").content for _ in range(3)] == [b"aa"] * 3


async def broken(_scope: Message, _receive: Any, _send: Any) -> None:
    raise ZeroDivisionError


async def breaks_later(_scope: Message, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"a", "more_body": True})
    raise ZeroDivisionError


async def silent(_scope: Message, _receive: Any, _send: Any) -> None:
    return


@pytest.mark.parametrize("app", [broken, breaks_later])
def test_a_failing_application_fails_the_command_and_is_closed(app: Any) -> None:
    opened = Opened(app)
    with pytest.raises(ZeroDivisionError), client(opened) as http:
        http.get("/")
    assert opened.left


def test_an_application_that_answers_nothing_is_an_error() -> None:
    with pytest.raises(httpx2.RemoteProtocolError), client(Opened(silent)) as http:
        http.get("/")


def test_a_folder_that_cannot_be_opened_says_why() -> None:
    with pytest.raises(FolderInUse):
        LocalTransport(Opened(silent, fails=FolderInUse("in use")))
