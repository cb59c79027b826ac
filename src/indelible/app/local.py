"""A stopped ledger opened in one process: what `--data DIR` talks to.

The same core, rooms and application as the server's; the keeper and the query engine run here,
called when they are needed. Leaving it publishes a checkpoint over everything that was written.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import TracebackType

from indelible.app.audit_preview import OPERATION as PREVIEW
from indelible.app.audit_preview import preview
from indelible.app.core import Core
from indelible.app.corpus import LiveCorpus, service_over
from indelible.app.place import Place
from indelible.app.rooms import LiveRooms
from indelible.base.limits import CHECKPOINT_SECONDS
from indelible.ledger.incoming import Durable
from indelible.ledger.keeper import Keeper, sealing_turn
from indelible.query.service import Service, raise_if_error
from indelible.server.application import Application, build_app


class EmbeddedEngine:
    """`app.rooms.Engine` in this process; `_catch_up` gives a corpus that knows everything."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._settings = core.place.settings
        self._corpus: LiveCorpus | None = None
        self._service: Service | None = None
        self._turn = asyncio.Lock()

    def _catch_up(self) -> LiveCorpus:
        raise AssertionError("a kind of engine says where its corpus comes from")

    def _ready(self) -> Service:
        corpus = self._catch_up()
        if self._service is None:
            self._service = service_over(corpus, self._settings)
        return self._service

    async def ask(self, op: str, payload: bytes, size: int) -> bytes:
        """See `Engine.ask`."""
        if op == PREVIEW:
            ledger = self._core.ledger
            return await asyncio.to_thread(preview, ledger.reader, ledger.manifest, size, payload)
        async with self._turn:
            service = await asyncio.to_thread(self._ready)
            return raise_if_error(await asyncio.to_thread(service.dispatch, op, payload))

    async def stream(self, op: str, payload: bytes, size: int) -> AsyncIterator[bytes]:
        """See `Engine.stream`."""
        async with self._turn:
            service = await asyncio.to_thread(self._ready)
            pieces: Iterator[bytes] = service.export(payload)
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                yield piece

    async def seal(self, end: int) -> int:
        """See `Engine.seal`."""
        raise AssertionError("a kind of engine says how it seals")


class LocalEngine(EmbeddedEngine):
    """Keeper and queries over a folder that this process writes to."""

    def __init__(self, core: Core) -> None:
        super().__init__(core)
        ledger = core.ledger
        self._sealing = sealing_turn(ledger.paths)
        try:
            self._keeper = Keeper(
                ledger.paths, ledger.origin, ledger.keyring, ledger.manifest, ledger.reader
            )
        except BaseException:
            self._sealing.close()
            raise

    def close(self) -> None:
        """Others may seal."""
        self._sealing.close()

    def _catch_up(self) -> LiveCorpus:
        """Read back what is durable and make columns of it."""
        ledger = self._core.ledger
        self._keeper.follow(ledger.writer.where(), limit=1 << 62)
        if self._corpus is None:
            self._corpus = LiveCorpus(ledger.paths, ledger.keyring, ledger.manifest, ledger.reader)
        self._keeper.chunks(partial=True)
        for chunk in self._keeper.tail.chunks:
            self._corpus.put(chunk)
        return self._corpus

    def _seal_whole(self, end: int | None) -> bool:
        """Seal one segment that is due, or up to `end`; True when one was sealed."""
        due = self._keeper.due()
        if due is None and end is not None and self._keeper.tail.start < end:
            due = min(end, self._keeper.tail.end)
        if due is None or due == self._keeper.tail.start:
            return False
        self._keeper.seal(self._keeper.take(due))
        self._keeper.drop(due)
        return True

    async def seal(self, end: int) -> int:
        """See `Engine.seal`."""
        async with self._turn:
            await asyncio.to_thread(self._keeper.follow, self._core.ledger.writer.where(), 1 << 62)
            while await asyncio.to_thread(self._seal_whole, end):
                await self._sealed()
            while await asyncio.to_thread(self._keeper.compact):
                self._reload()
            return self._core.ledger.reader.sealed_end

    async def _sealed(self) -> None:
        await self._core.sealed(self._keeper.sealed_end)
        self._keeper.sweep_ids()
        self._reload()

    def _reload(self) -> None:
        if self._corpus is not None:
            self._corpus.reload()

    async def publish(self) -> None:
        """Seal whole segments, read everything back and sign it."""
        async with self._turn:
            where = self._core.ledger.writer.where()
            await asyncio.to_thread(self._keeper.follow, where, 1 << 62)
            checked = self._keeper.checked()
            while await asyncio.to_thread(self._seal_whole, None):
                await self._sealed()
        await self._core.checked(*checked)


class LocalLedger:
    """An open ledger in this process, as an async context."""

    def __init__(self, data: Path, flags: dict[str, object] | None = None) -> None:
        self.place = Place.at(data, flags)

    async def __aenter__(self) -> LocalLedger:
        self.place.know_parsers()
        self.core = Core(self.place, self.place.open(), _ignore)
        try:
            self.engine = LocalEngine(self.core)
            try:
                self.rooms = LiveRooms(self.core, self.engine)
                self.app: Application = build_app(self.rooms, self.place.settings)
                await self.core.begin()
                await self.engine.publish()
            except BaseException:
                self.engine.close()
                raise
        except BaseException:
            self.core.close()
            raise
        self._leaving = asyncio.Event()
        self._beat = asyncio.create_task(self._publish())
        return self

    async def _publish(self) -> None:
        while not self._leaving.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECKPOINT_SECONDS / 2):
                    await self._leaving.wait()
            if self.core.publisher.size < self.core.ledger.tree.size:
                await self.engine.publish()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self.app.close()
            self._leaving.set()
            await self._beat
            await self.core.end()
            if self.core.ledger.writer.stopped is None:
                await self.engine.publish()
        finally:
            self.engine.close()
            self.core.close()


class OpenedFolder:
    """What the command line enters: an application and a credential for the folder's holder."""

    def __init__(self, data: Path) -> None:
        self._local = LocalLedger(data)

    async def __aenter__(self) -> tuple[Application, str]:
        ledger = await self._local.__aenter__()
        return ledger.app, ledger.app.context.tokens.local()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._local.__aexit__(kind, error, trace)


def _ignore(_durable: Durable) -> None:
    return


