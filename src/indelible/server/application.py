"""The ASGI application of one ledger: the hot path, then the router, then nothing.

`build_app(rooms, settings)` is all that `app` needs. Lifespan messages start and end the small
task that writes counted reports; a caller without lifespan (a command in the same process) calls
`start` and `close` itself.
"""

from __future__ import annotations

import asyncio
import contextlib

from starlette.convertors import PathConvertor, register_url_convertor
from starlette.routing import Match
from starlette.routing import Route as PathRoute
from starlette.types import Receive, Scope, Send

from indelible.base.errors import IndelibleError
from indelible.base.limits import COUNTED_SECONDS, POLL_SECONDS
from indelible.base.settings import Settings
from indelible.selfaudit import SelfAudit
from indelible.server.context import Context
from indelible.server.door import Endpoint, endpoint, nowhere
from indelible.server.errors import logger
from indelible.server.events import PATH, PostEvents
from indelible.server.rooms import Rooms
from indelible.server.table import POST_EVENTS, ROUTES


class _Rest(PathConvertor):
    """The rest of a path, whatever characters a name has; line ends too."""

    regex = "(?s:.*)"


register_url_convertor("path", _Rest())


class Application:
    """An ASGI application. `context.tokens.local()` gives a folder's holder a credential."""

    def __init__(self, rooms: Rooms, settings: Settings) -> None:
        self.audit = SelfAudit(rooms.record)
        self.context = Context(rooms, settings, self.audit)
        self._post = PostEvents(self.context)
        self._flushing: asyncio.Task[None] | None = None
        self._active = 0
        self._routes = [
            PathRoute(
                route.path,
                _Endpoint(endpoint(self.context, route)),
                methods=[route.method],
                name=route.name,
            )
            for route in ROUTES
            if route is not POST_EVENTS
        ]
        for path_route in self._routes:
            methods = path_route.methods or set()
            if "GET" in methods:
                methods.discard("HEAD")  # a stream has no head to ask for
        self._nowhere = nowhere(self.context, self._methods)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection of any kind."""
        kind = scope["type"]
        if kind == "http":
            self._active += 1
            try:
                if scope["method"] == "POST" and scope["path"] == PATH:
                    await self._post(scope, receive, send)
                else:
                    await self._route(scope, receive, send)
            finally:
                self._active -= 1
        elif kind == "lifespan":
            await self._lifespan(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        for route in self._routes:
            found, child = route.matches(scope)
            if found is Match.FULL:
                scope.update(child)
                await route.handle(scope, receive, send)
                return
        await self._nowhere(scope, receive, send)

    def _methods(self, path: str) -> list[str]:
        """The methods that `path` is answered for, in the table's order."""
        methods: list[str] = ["POST"] if path == PATH else []
        for route in self._routes:
            if route.path_regex.match(path):
                methods.extend(sorted(route.methods or ()))
        return methods

    async def idle(self) -> None:
        """Return when no request is under way."""
        while self._active:
            await asyncio.sleep(POLL_SECONDS)

    async def start(self) -> None:
        """Begin to write counted reports by the minute."""
        self._flushing = asyncio.get_running_loop().create_task(self._flush())

    async def close(self) -> None:
        """End streams and runs, and write what is counted."""
        self.context.draining.set()
        for task in list(self.context.verifying.values()):
            task.cancel()
        if self._flushing is not None:
            self._flushing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._flushing
            self._flushing = None
        await self._flush_once(everything=True)

    async def _flush(self) -> None:
        while True:
            await asyncio.sleep(COUNTED_SECONDS)
            await self._flush_once(everything=False)

    async def _flush_once(self, *, everything: bool) -> None:
        try:
            await self.audit.flush(everything=everything)
        except IndelibleError as error:
            logger.warning("counted reports could not be written: %s", error)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


class _Endpoint:
    """Lets the router take an ASGI function as it is, instead of wrapping it once more."""

    def __init__(self, serve: Endpoint) -> None:
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send)


def build_app(rooms: Rooms, settings: Settings) -> Application:
    """The application that serves `rooms`."""
    return Application(rooms, settings)
