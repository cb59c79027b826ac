"""Answers without an end: the first chunk before the status, a close on hang-up or shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from indelible.base.limits import STREAM_PIECE_BYTES


class Stream(Response):
    """Streams `chunks`; `done` is called once when it ends, however it ends.

    A client that goes away ends it at once, also while there is nothing to send.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        media_type: str,
        done: Callable[[], None],
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(media_type=media_type, headers=headers)
        del self.headers["content-length"]
        self._chunks = chunks
        self._done = done

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the end of the chunks or of the client."""
        try:
            await self._race(receive, send)
        finally:
            self._done()

    async def _race(self, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        sending = loop.create_task(self._send(send))
        gone = loop.create_task(_hang_up(receive))
        try:
            await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not sending.done():
                sending.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)
        if not sending.cancelled() and (error := sending.exception()) is not None:
            raise error

    async def _send(self, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        async for chunk in self._chunks:
            for at in range(0, len(chunk), STREAM_PIECE_BYTES):
                piece = chunk[at : at + STREAM_PIECE_BYTES]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
