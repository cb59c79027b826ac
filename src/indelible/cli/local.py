"""The same HTTP, without a network: requests go to an application in this process.

The ledger's application lives on an event loop in a thread of its own; the command stays ordinary
sequential code. Answers stream with at most a few chunks in memory, so an export of a large ledger
needs no more memory than one over the network.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping
from typing import Protocol, TypeVar

import httpx2

from indelible.base.limits import FAREWELL_SECONDS, LOCAL_CHUNKS

Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

T = TypeVar("T")


class Opened(Protocol):
    """What `indelible.app.open_local` gives: entered on the loop, left on the loop."""

    async def __aenter__(self) -> tuple[App, str]: ...

    async def __aexit__(self, kind: None, error: None, trace: None) -> bool | None: ...


class LoopThread:
    """An event loop in a thread; `run` waits for a coroutine on it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="ledger", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """The coroutine's result, or its exception; Ctrl-C here cancels it there."""
        future = asyncio.run_coroutine_threadsafe(work, self.loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """End what still runs, stop the loop and wait for its thread."""
        self.run(_end_the_others())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(FAREWELL_SECONDS)
        if not self._thread.is_alive():
            self.loop.close()


async def _end_the_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others:
        await asyncio.wait(others, timeout=FAREWELL_SECONDS)


class _Exchange:
    """One request and its answer, on the loop."""

    def __init__(self, app: App, scope: Message, body: bytes) -> None:
        self._body: bytes | None = body
        self._hung_up = asyncio.Event()
        self._head: Message | None = None
        self._started = asyncio.Event()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(LOCAL_CHUNKS)
        self._task = asyncio.ensure_future(self._serve(app, scope))

    async def _serve(self, app: App, scope: Message) -> None:
        try:
            await app(scope, self._receive, self._send)
        finally:
            if not self._hung_up.is_set():
                await self._chunks.put(None)

    async def _receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._hung_up.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._hung_up.is_set():
            return
        if message["type"] == "http.response.start":
            self._head = message
            self._started.set()
            return
        body = message.get("body", b"")
        if body:
            assert isinstance(body, bytes)
            await self._chunks.put(body)

    async def head(self) -> Message:
        """The answer's first message; the application's exception if it ended without one."""
        self._task.add_done_callback(lambda _task: self._started.set())
        await self._started.wait()
        if self._head is None:
            self._task.result()
            raise httpx2.RemoteProtocolError("the application sent no answer")
        return self._head

    async def chunk(self) -> bytes | None:
        """The next piece of the body, None at its end."""
        piece = await self._chunks.get()
        if piece is None:
            await self._task
        return piece

    async def close(self) -> None:
        """Hang up and let the application notice."""
        self._hung_up.set()
        while not self._chunks.empty():
            self._chunks.get_nowait()
        _done, waiting = await asyncio.wait([self._task], timeout=FAREWELL_SECONDS)
        for task in waiting:
            task.cancel()


class _Body(httpx2.SyncByteStream):
    """The answer's body, pulled from the loop piece by piece."""

    def __init__(self, thread: LoopThread, exchange: _Exchange) -> None:
        self._thread, self._exchange = thread, exchange

    def __iter__(self) -> Iterator[bytes]:
        while (piece := self._thread.run(self._exchange.chunk())) is not None:
            yield piece

    def close(self) -> None:
        self._thread.run(self._exchange.close())


class LocalTransport(httpx2.BaseTransport):
    """Opens the folder, answers requests with its application, and closes it again."""

    def __init__(self, opened: Opened) -> None:
        self._thread = LoopThread()
        self._opened = opened
        try:
            self._app, self.token = self._thread.run(self._enter())
        except BaseException:
            self._thread.close()
            raise

    async def _enter(self) -> tuple[App, str]:
        return await self._opened.__aenter__()

    async def _leave(self) -> None:
        await self._opened.__aexit__(None, None, None)

    async def _start(self, scope: Message, body: bytes) -> _Exchange:
        return _Exchange(self._app, scope, body)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": "http",
            "path": request.url.path,
            "raw_path": request.url.raw_path.split(b"?")[0],
            "query_string": request.url.query,
            "server": ("localhost", None),
            "client": None,
            "root_path": "",
            "state": {},
        }
        exchange = self._thread.run(self._start(scope, request.read()))
        head = self._thread.run(exchange.head())
        status, headers = head["status"], head.get("headers", [])
        assert isinstance(status, int)
        assert isinstance(headers, list)
        return httpx2.Response(status, headers=headers, stream=_Body(self._thread, exchange))

    def close(self) -> None:
        try:
            self._thread.run(self._leave())
        finally:
            self._thread.close()
