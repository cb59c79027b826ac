"""The writer's link to the collector process: hands it the sources, takes what it received."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path

import msgspec
from starlette.types import ASGIApp

from indelible.app import wire
from indelible.app.collector import WORKS
from indelible.app.completeness import declare_lost
from indelible.app.core import Core
from indelible.app.listeners import LISTENED, addresses
from indelible.app.relaying import Answering
from indelible.app.rooms import LiveRooms
from indelible.base.errors import Busy, DiskFull, IndelibleError, LedgerStopped
from indelible.base.limits import NAME_CHARS
from indelible.base.recorder import Action, Doer, Recorder
from indelible.ingest.completeness.numbers import Span
from indelible.ingest.submission import Submission

_log = logging.getLogger(__name__)


class CollectorLink:
    """Answers a collector only when what it handed over is durable."""

    def __init__(
        self, run: Path, core: Core, rooms: LiveRooms, recorder: Recorder, serve: ASGIApp
    ) -> None:
        self._path = run / "collect.sock"
        self._core, self._rooms, self._recorder = core, rooms, recorder
        self._serve = serve
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._troubles: list[str] | None = None
        self._awaited = bool(addresses(core.place.settings))
        core.sourcing.on_change = self._tell_sources

    def not_ready(self) -> list[str]:
        """Why senders of configured listeners are not served, if they are not."""
        if self._troubles is None:
            return ["the collector process is starting"] if self._awaited else []
        return self._troubles

    async def listen(self) -> asyncio.Server:
        """Wait for the collector to connect."""
        self._path.unlink(missing_ok=True)
        return await asyncio.start_unix_server(self._talk, str(self._path))

    def _tell_sources(self) -> None:
        """All sources, to the collector that is connected; secrets only where it needs them."""
        sourcing = self._core.sourcing
        if self._writer is None:
            return
        told = [
            msgspec.structs.replace(
                one, positions=sourcing.positions(one.settings),
                secret=one.secret if one.settings.protocol in WORKS else b"",
            )
            for one in sourcing.all()
            if one.settings.protocol in (*WORKS, *LISTENED)
        ]
        _send(self._writer, wire.Sources(told))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One collector at a time; what it asked is answered to it and to no later one."""
        if self._writer is not None:
            _log.error("a second collector was refused")
            writer.close()
            return
        self._writer = writer
        self._tell_sources()
        relay = Answering(self._serve, partial(_send, writer), lambda: self._closing)
        try:
            while (message := await wire.receive(reader)) is not None:
                task = asyncio.get_running_loop().create_task(self._hear(message, writer, relay))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except asyncio.CancelledError:  # the loop is closing: there is nobody left to tell
            return
        finally:
            self._writer, self._troubles = None, None
            relay.gone()
            self._core.sourcing.figures.clear()
            writer.close()

    async def _hear(
        self, message: wire.Message, writer: asyncio.StreamWriter, relay: Answering
    ) -> None:
        match message:
            case wire.Deliver(number=number, submission=submission):
                _send(writer, await self._deliver(number, submission))
            case wire.Keep(number=number, source=source, tenant=tenant, positions=positions):
                _send(writer, await self._keep(number, source, tenant, positions))
            case wire.Gap():
                _send(writer, await self._gap(message))
            case wire.Figures(source=source, tenant=tenant, figures=figures):
                self._core.sourcing.figures[(source, tenant)] = figures
            case wire.Post():
                await relay.answer(message)
            case wire.BodyOf():
                relay.body(message)
            case wire.Stranger():
                await self._stranger(message)
            case wire.Listening(where=where, troubles=troubles):
                for name, at in where.items():
                    _log.info("%s listens on %s", name, at)
                for trouble in troubles:
                    if trouble not in (self._troubles or ()):
                        _log.error("%s", trouble)
                self._troubles = troubles
            case _:
                pass

    async def _deliver(self, number: int, submission: Submission) -> wire.Delivered:
        if self._closing:
            return wire.Delivered(number, error=b"{}", again=True)
        try:
            return wire.Delivered(number, await self._rooms.submit(submission))
        except (Busy, DiskFull) as error:
            return _failed(number, error, again=True)
        except IndelibleError as error:  # held or out of reach for a while: not stopped
            stopped = self._core.ledger.writer.stopped is not None
            return _failed(number, error, again=isinstance(error, LedgerStopped) and not stopped)
        except Exception as error:  # noqa: BLE001 - a sender that hears nothing waits for ever
            _log.exception("a delivery failed")
            return _failed(number, IndelibleError(f"the delivery failed: {error!r}"), again=True)

    async def _keep(
        self, number: int, source: str, tenant: str, positions: dict[str, bytes]
    ) -> wire.Delivered:
        try:
            keep = self._core.sourcing.keep
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._core.threads, keep, source, tenant, positions)
        except IndelibleError as error:
            return _failed(number, error, again=True)
        return wire.Delivered(number)

    async def _gap(self, said: wire.Gap) -> wire.Delivered:
        try:
            source = await self._core.source(said.source, said.tenant)
            await declare_lost(self._core, source, said.boot, Span(said.first, said.last))
        except IndelibleError as error:
            return _failed(said.number, error, again=True)
        return wire.Delivered(said.number)

    async def _stranger(self, said: wire.Stranger) -> None:
        named = {"protocol": said.protocol, "certificate": said.certificate[:NAME_CHARS]}
        try:
            await self._recorder.record(
                Action(
                    action="indelible.source.refuse",
                    operation="other",
                    doer=Doer(id=(said.certificate or said.peer or "many")[:NAME_CHARS]),
                    outcome="denied",
                    reason="no source names this sender",
                    peer=said.peer,
                    data={name: value for name, value in named.items() if value},
                    counted=True,
                    times=said.count,
                )
            )
        except IndelibleError as error:
            _log.warning("an unknown sender could not be recorded: %s", error)

    async def close(self) -> None:
        """Take nothing more, and finish what was taken."""
        self._closing = True
        if self._tasks:
            await asyncio.wait(self._tasks)


def _send(writer: asyncio.StreamWriter, message: wire.Message) -> None:
    """One message; a collector that has gone hears no more."""
    if not writer.is_closing():
        writer.write(wire.encode(message))


def _failed(number: int, error: IndelibleError, *, again: bool = False) -> wire.Delivered:
    return wire.Delivered(number, error=msgspec.json.encode(error.as_dict()), again=again)
