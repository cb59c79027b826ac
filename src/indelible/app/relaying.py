"""Requests that the collector receives and the writer answers, as if they had come over HTTP.

A transport whose senders carry tokens (OTLP over gRPC) parses its own framing in the collector;
who the sender is, what it may, and what its request holds is decided in the writer, by the same
application that serves HTTP. A body crosses only after its head was admitted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from starlette.types import ASGIApp, Message, Scope

from indelible.app import wire
from indelible.base.errors import IndelibleError
from indelible.ingest.protocols.hub import Answered, Body, Head
from indelible.server.errors import RETRY_AFTER, unexpected

_BUSY = Answered(status=503, headers=[(b"retry-after", RETRY_AFTER[503].encode())])
"""The writer is going: what comes now has to come again."""


class Asking:
    """The collector's side: fulfils `ingest.protocols.hub.Relay`. Lives in one event loop."""

    def __init__(
        self,
        tell: Callable[[wire.Message], Awaitable[None]],
        room: Callable[[int], AbstractAsyncContextManager[None]],
    ) -> None:
        self._tell, self._room = tell, room
        self._number = 0
        self._open: dict[int, asyncio.Queue[Answered | None]] = {}

    def hear(self, said: wire.Posted) -> None:
        """Take what the writer says to a request; nobody waits any more for one that was left."""
        waiting = self._open.get(said.number)
        if waiting is not None:
            waiting.put_nowait(said.answer)

    async def post(self, head: Head, body: Body) -> Answered:
        """See `Relay.post`."""
        self._number += 1
        number = self._number
        said = self._open[number] = asyncio.Queue()
        try:
            await self._tell(wire.Post(number, head))
            answer = await said.get()
            if answer is None:
                answer = await self._with_body(number, body, said)
            assert answer is not None
            return answer
        finally:
            del self._open[number]

    async def _with_body(
        self, number: int, body: Body, said: asyncio.Queue[Answered | None]
    ) -> Answered | None:
        """Hand the body over; the answer may come before it, when it takes too long.

        A body that cannot be received is told as a sender who has gone, and raises what it raised.
        """
        ending = asyncio.ensure_future(said.get())
        sending = asyncio.ensure_future(self._hand_over(number, body, ending))
        try:
            answer = await ending
        finally:
            for task in (ending, sending):
                task.cancel()
            _, failed = await asyncio.gather(ending, sending, return_exceptions=True)
        if isinstance(failed, Exception):
            raise failed
        return answer

    async def _hand_over(
        self, number: int, body: Body, ending: asyncio.Future[Answered | None]
    ) -> None:
        """Send the body, and hold its room until it is answered for."""
        told = False
        try:
            content = await body()
            async with self._room(len(content or b"")):
                told = True
                await self._tell(wire.BodyOf(number, content))
                await asyncio.wait((ending,))
        finally:
            if not told:
                await self._tell(wire.BodyOf(number, None))


class Answering:
    """The writer's side, for one collector: asks the application, and says what it answers."""

    def __init__(
        self, serve: ASGIApp, say: Callable[[wire.Message], None], closing: Callable[[], bool]
    ) -> None:
        self._serve, self._say, self._closing = serve, say, closing
        self._bodies: dict[int, asyncio.Future[bytes | None]] = {}

    def body(self, said: wire.BodyOf) -> None:
        """Take a body that was asked for."""
        waiting = self._bodies.get(said.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(said.body)

    def gone(self) -> None:
        """The collector has gone: no body comes any more."""
        for waiting in self._bodies.values():
            if not waiting.done():
                waiting.set_result(None)

    async def answer(self, post: wire.Post) -> None:
        """Answer one request; whatever happens, its sender hears something."""
        number = post.number
        answer = _BUSY
        try:
            if not self._closing():
                answer = await self._asked(number, post.head)
        except Exception as error:  # noqa: BLE001 - a sender that hears nothing waits for ever
            failed: IndelibleError = unexpected(error)
            answer = Answered(status=failed.status)
        finally:
            self._bodies.pop(number, None)
            self._say(wire.Posted(number, answer))

    async def _asked(self, number: int, head: Head) -> Answered:
        status, headers = 0, list[tuple[bytes, bytes]]()
        parts: list[bytes] = []

        async def receive() -> Message:
            if number in self._bodies:
                return {"type": "http.disconnect"}
            waiting = self._bodies[number] = asyncio.get_running_loop().create_future()
            self._say(wire.Posted(number))
            content = await waiting
            if content is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], list(message.get("headers", ()))
            else:
                parts.append(message.get("body", b""))

        await self._serve(_scope(head), receive, send)
        return Answered(status=status, headers=headers, body=b"".join(parts))


def _scope(head: Head) -> Scope:
    names = {"client_cert_name": head.certificate, "client_cert_names": []}
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "2", "method": "POST",
        "scheme": "http", "path": head.path, "raw_path": head.path.encode(), "root_path": "",
        "query_string": b"", "headers": head.headers, "client": head.peer, "server": None,
        "extensions": {"tls": names} if head.certificate else {},
    }
