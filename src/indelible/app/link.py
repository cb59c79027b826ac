"""The writer's link to the sealer process, and with the query workers the server's `Engine`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

from indelible.app import wire
from indelible.app.core import Core
from indelible.app.questions import Questions
from indelible.base.errors import Busy, IndelibleError
from indelible.base.limits import SEAL_SECONDS
from indelible.ledger.incoming import Durable

_log = logging.getLogger(__name__)


class SealerLink:
    """Tells the sealer what is durable; hears what it checked and sealed."""

    def __init__(self, run: Path) -> None:
        self._path = run / "ledger.sock"
        self._writer: asyncio.StreamWriter | None = None
        self._core: Core | None = None
        self._sealed = asyncio.Condition()
        self._latest: Durable | None = None
        self._checked: tuple[int, bytes] | None = None
        self._news = asyncio.Event()
        self._seal_to = 0

    @property
    def connected(self) -> bool:
        """Whether a sealer is there."""
        return self._writer is not None

    async def listen(self, core: Core) -> asyncio.Server:
        """Wait for the sealer to connect."""
        self._core = core
        self._latest = core.ledger.writer.where()
        self._path.unlink(missing_ok=True)
        return await asyncio.start_unix_server(self._talk, str(self._path))

    def durable(self, durable: Durable) -> None:
        """Everything up to here may be read."""
        self._latest = durable
        self._tell(wire.Progress(*durable))

    def _tell(self, message: wire.Message) -> None:
        """A sealer that is going hears no more of it; the next one is told when it connects."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(wire.encode(message))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        core = self._core
        assert core is not None
        self._writer = writer
        if self._latest is not None:
            self.durable(self._latest)
        if self._seal_to > core.ledger.reader.sealed_end:  # asked of a sealer that has ended
            self._tell(wire.SealNow(self._seal_to))
        try:
            while (message := await wire.receive(reader)) is not None:
                await self._hear(core, message)
        except IndelibleError as error:
            _log.error("%s: %s", error.code, error.message)
        except asyncio.CancelledError:  # the loop is closing: there is nobody left to tell
            return
        finally:
            if self._writer is writer:
                self._writer = None
            writer.close()

    async def _hear(self, core: Core, message: wire.Message) -> None:
        match message:
            case wire.Checked(size=size, root=root):
                self._checked = (size, root)
                self._news.set()
            case wire.Sealed(end=end):
                await core.sealed(end)
                self._tell(wire.Reloaded(end))
                async with self._sealed:
                    self._sealed.notify_all()
            case wire.Trouble(code=code, message=text, stops=stops):
                _log.error("%s: %s", code, text)
                if stops:
                    core.stop(text)
                elif text not in core.damage:
                    core.damage.append(text)
            case _:
                pass

    async def publish_next(self) -> bool:
        """Publish what was checked last; False when there is nothing new."""
        checked, self._checked = self._checked, None
        if checked is None or self._core is None:
            return False
        await self._core.checked(*checked)
        return True

    async def wait_for_news(self, seconds: float) -> None:
        """Until something was checked, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    async def seal(self, end: int) -> int:
        """Ask for a seal up to `end` and wait for it; the sealed size.

        A sealer that is only starting hears of it when it connects.
        """
        core = self._core
        assert core is not None
        self._seal_to = max(end, self._seal_to)
        self._tell(wire.SealNow(end))
        try:
            async with asyncio.timeout(SEAL_SECONDS), self._sealed:
                await self._sealed.wait_for(lambda: core.ledger.reader.sealed_end >= end)
        except TimeoutError as error:
            raise Busy("sealing takes longer than is waited for; it goes on") from error
        return core.ledger.reader.sealed_end


class ProcessEngine:
    """`app.rooms.Engine` over the sealer and the query workers."""

    def __init__(self, link: SealerLink, questions: Questions) -> None:
        self._link, self._questions = link, questions

    async def ask(self, op: str, payload: bytes, size: int) -> bytes:
        """See `Engine.ask`."""
        return await self._questions.ask(op, payload, size)

    def stream(self, op: str, payload: bytes, size: int) -> AsyncIterator[bytes]:
        """See `Engine.stream`."""
        return self._questions.stream(op, payload, size)

    async def seal(self, end: int) -> int:
        """See `Engine.seal`."""
        return await self._link.seal(end)
