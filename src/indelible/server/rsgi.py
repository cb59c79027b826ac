"""Granian's own interface (RSGI) in front of the application.

It gives a body in one step and takes an answer in one step, where ASGI needs four messages: with
single events that is a third of the time of a request. The hot path is called directly; every
other route sees ordinary ASGI messages, made here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol
from urllib.parse import unquote

from granian.rsgi import ProtocolClosed
from starlette.types import Message, Scope

Headers = list[tuple[str, str]]
_WHOLE_BYTES = 1 << 16  # a body announced to be at most this is taken in one step
_GONE_SECONDS = 0.005  # how soon a hang-up shows after the last piece of a body without a length


class Transport(Protocol):
    """An answer that is sent in pieces."""

    async def send_bytes(self, data: bytes) -> None:
        """Send one piece."""


class Exchange(Protocol):
    """One request and its answer, as Granian gives it."""

    async def __call__(self) -> bytes:
        """The whole body. Raises ProtocolClosed after a hang-up."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body in pieces. Ends without a word after a hang-up."""

    async def client_disconnect(self) -> None:
        """Return when the client is gone."""

    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None:
        """Answer at once."""

    def response_stream(self, status: int, headers: Headers) -> Transport:
        """Answer in pieces."""


class RequestHeaders(Protocol):
    """The request's headers, names in lower case."""

    def items(self) -> list[tuple[str, str]]:
        """All of them, in order."""


class Request(Protocol):
    """What Granian says about a request."""

    proto: str
    http_version: str
    client: str
    server: str
    scheme: str
    method: str
    path: str
    query_string: str
    headers: RequestHeaders


def asgi_scope(request: Request) -> Scope:
    """The same request as ASGI describes it."""
    host, _, port = request.client.rpartition(":")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request.http_version,
        "method": request.method,
        "scheme": request.scheme,
        "path": unquote(request.path),
        "raw_path": request.path.encode("latin-1"),
        "query_string": request.query_string.encode("latin-1"),
        "root_path": "",
        "headers": [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in request.headers.items()
        ],
        "client": (host.strip("[]"), int(port)) if port.isdigit() else None,
        "server": None,
        "state": {},
    }


class Inlet:
    """The request's body as ASGI messages, and then the client's end."""

    def __init__(self, exchange: Exchange, length: int) -> None:
        """`length` is the announced one, -1 when there is none."""
        self._exchange = exchange
        self._length = length
        self._pieces: AsyncIterator[bytes] | None = None
        self._size = 0
        self._whole = False

    async def receive(self) -> Message:
        """The next message."""
        if self._whole:
            await self._exchange.client_disconnect()
            return {"type": "http.disconnect"}
        if self._pieces is None:
            if 0 <= self._length <= _WHOLE_BYTES:
                return await self._at_once()
            self._pieces = _pieces(self._exchange)
        async for piece in self._pieces:
            self._size += len(piece)
            return {"type": "http.request", "body": piece, "more_body": True}
        self._whole = True
        if await self._cut_off():
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _at_once(self) -> Message:
        self._whole = True
        try:
            body = await self._exchange()
        except ProtocolClosed:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def _cut_off(self) -> bool:
        """Whether the pieces ended because the client went away."""
        if self._length >= 0:
            return self._size < self._length
        if self._size == 0:
            return False
        try:
            await asyncio.wait_for(self._exchange.client_disconnect(), _GONE_SECONDS)
        except TimeoutError:
            return False
        return True


class Outlet:
    """ASGI messages as an answer: in one step where it is whole, otherwise in pieces."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._status = 500
        self._headers: Headers = []
        self._transport: Transport | None = None

    async def send(self, message: Message) -> None:
        """Take one message. What is sent to a client that is gone is dropped."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in message["headers"]
            ]
            return
        body: bytes = message.get("body", b"")
        if self._transport is None:
            if not message.get("more_body", False):
                self._exchange.response_bytes(self._status, self._headers, body)
                return
            self._transport = self._exchange.response_stream(self._status, self._headers)
        if body:
            try:
                await self._transport.send_bytes(body)
            except ProtocolClosed as error:
                raise OSError("the client is gone") from error


async def _pieces(exchange: Exchange) -> AsyncIterator[bytes]:
    """The body's pieces; Granian's own iterator can be asked for only once."""
    async for piece in exchange:
        if piece:
            yield piece


def length_of(scope: Scope) -> int:
    """The announced length of a body: 0 without a body, -1 when it comes without a length."""
    chunked = False
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 20 else -1
        chunked = chunked or name == b"transfer-encoding"
    http1 = not scope["http_version"].startswith("2")
    return -1 if chunked or not http1 else 0
