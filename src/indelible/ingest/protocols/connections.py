"""Connections of syslog and RELP: bytes read, made durable, and answered where the protocol can.

One batch of a connection is under way at a time, and nothing more is read from it meanwhile: when
the ledger is slow, TCP itself holds the sender back. Every wait has an end: for the handshake, for
the rest of a message that has begun, for a sender that says nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from indelible.base.clock import monotonic
from indelible.base.limits import (
    COLLECT_BATCH_EVENTS,
    COLLECT_CONNECTIONS,
    COLLECT_DRAIN_SECONDS,
    COLLECT_FRAME_SECONDS,
    COLLECT_IDLE_SECONDS,
    COLLECT_LAST_SECONDS,
    COLLECT_READ_BYTES,
)
from indelible.ingest.parsers.table import parser_named
from indelible.ingest.protocols import relp, syslog
from indelible.ingest.protocols.hub import Hub
from indelible.ingest.sources import SourceSettings
from indelible.ingest.submission import Submission

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter, "Line"], Awaitable[None]]


class Line:
    """One accepted connection whose sender is known, as a way to the ledger."""

    def __init__(
        self, hub: Hub, source: SourceSettings, protocol: str, peer: str, tls: str,
        certificate: str = "",
    ) -> None:
        self.hub, self.protocol, self.peer, self.tls = hub, protocol, peer, tls
        self.certificate = certificate
        self.closing = asyncio.Event()
        self.heard = monotonic()
        self.counts = True
        self.read_as(source)

    def read_as(self, source: SourceSettings) -> None:
        """From the next message on, as the source is configured now."""
        self.source, self.parser = source, parser_named(source.parser)

    async def keep(self, frames: Sequence[syslog.Frame]) -> None:
        """Return when every message is durable."""
        given = self.hub.given(self.source)
        for first in range(0, len(frames), COLLECT_BATCH_EVENTS):
            part = frames[first : first + COLLECT_BATCH_EVENTS]
            events = [
                syslog.parsed(frame, self.parser, given, number)
                for number, frame in enumerate(part, 1)
            ]
            await self.hub.deliver(
                Submission(
                    source=self.source.id, tenant=self.source.tenant, events=events,
                    protocol=self.protocol, parser=self.parser.version, peer=self.peer,
                    tls=self.tls,
                )
            )

    async def more(self, reader: asyncio.StreamReader, begun: float | None) -> bytes:
        """The next bytes; nothing at the end, or when this end is going and none are waiting.

        `begun` is when a message began that is not whole yet. Raises TimeoutError when its rest,
        or anything at all, takes too long.
        """
        seconds: float = COLLECT_IDLE_SECONDS
        if begun is not None:
            seconds = max(0.0, begun + COLLECT_FRAME_SECONDS - monotonic())
        reading = asyncio.ensure_future(reader.read(COLLECT_READ_BYTES))
        going = asyncio.ensure_future(self.closing.wait())
        try:
            await asyncio.wait(
                (reading, going), timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if not reading.done() and self.closing.is_set():
                await asyncio.wait((reading,), timeout=COLLECT_LAST_SECONDS)
                return reading.result() if reading.done() else b""
            if not reading.done():
                raise TimeoutError
            self.heard = monotonic()
            return reading.result()
        finally:
            reading.cancel()
            going.cancel()


class Connections:
    """Everybody who is connected to one listener."""

    def __init__(self, hub: Hub, protocol: str, serve: Serve) -> None:
        self._hub, self._protocol, self._serve = hub, protocol, serve
        self._open: dict[asyncio.Task[None], Line] = {}
        self._held: Counter[tuple[str, str]] = Counter()
        self._greedy: set[tuple[str, str]] = set()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end; somebody whom no source names is hung up on."""
        task = asyncio.current_task()
        assert task is not None
        peer = _address(writer)
        try:
            source, name = self._who(writer, peer)
            if source is None:
                self._hub.unknown(self._protocol, peer, name)
                return
            if not self._room(source):
                self._hub.refused(source, 1)
                return
            tls = "" if writer.get_extra_info("ssl_object") is None else "server"
            tls = f"client {name}" if name else tls
            line = self._open[task] = Line(self._hub, source, self._protocol, peer, tls, name)
            self._held[_key(source)] += 1
            await self._serve(reader, writer, line)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return  # the sender has gone: what it was not answered it sends again
        except relp.BadSession:
            self._hub.refused(self._open[task].source, 1)
        except asyncio.CancelledError:
            return  # this end is going, and has told what it had to
        finally:
            self._gone(self._open.pop(task, None))
            writer.close()

    def _room(self, source: SourceSettings) -> bool:
        """Whether one more connection of a source is served.

        When all are taken, the source that holds the most of them gives the one that has been
        silent for the longest to a source that holds fewer: nobody shuts the others out.
        """
        if len(self._open) < COLLECT_CONNECTIONS:
            return True
        key, most = max(self._held.items(), key=lambda held: held[1])
        lines = (line for line in self._open.values() if _key(line.source) == key)
        silent = min(
            (line for line in lines if not line.closing.is_set()),
            key=lambda line: line.heard, default=None,
        )
        if silent is None:
            return False
        if key not in self._greedy:
            self._greedy.add(key)
            self._hub.figures(silent.source, {
                "trouble": f"it holds {most} of {COLLECT_CONNECTIONS} connections, which are all: "
                "its new ones are refused, and silent ones are closed when others need them",
            })
        if self._held[_key(source)] + 1 >= most:
            return False
        silent.closing.set()
        self._gone(silent)
        return True

    def _gone(self, line: Line | None) -> None:
        """A connection counts for its source no more; once, however often this is said."""
        if line is None or not line.counts:
            return
        line.counts = False
        key = _key(line.source)
        self._held[key] -= 1
        if key in self._greedy and 2 * self._held[key] < COLLECT_CONNECTIONS:
            self._greedy.discard(key)
            self._hub.figures(line.source, {})
        if not self._held[key]:
            del self._held[key]

    def _who(
        self, writer: asyncio.StreamWriter, peer: str
    ) -> tuple[SourceSettings | None, str]:
        """The source of a sender, and the name in its certificate."""
        senders = self._hub.senders(self._protocol)
        names = certificate_names(writer.get_extra_info("ssl_object"))
        for name in names:
            source = senders.of("", name)
            if source is not None:
                return source, name
        return senders.of(peer), names[0] if names else ""

    async def settle(self) -> None:
        """Let senders go that may not send any more; read the others as is configured now."""
        senders = self._hub.senders(self._protocol)
        for line in list(self._open.values()):
            now = senders.of("", line.certificate) or senders.of(line.peer)
            if now is None or (now.id, now.tenant) != (line.source.id, line.source.tenant):
                line.closing.set()
            elif now != line.source:
                line.read_as(now)

    async def close(self) -> None:
        """Read nothing more, make durable what was read, hang up."""
        for line in self._open.values():
            line.closing.set()
        if tasks := list(self._open):
            await asyncio.wait(tasks, timeout=COLLECT_DRAIN_SECONDS)
        for task in (left := list(self._open)):
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def _key(source: SourceSettings) -> tuple[str, str]:
    return source.id, source.tenant


def _address(writer: asyncio.StreamWriter) -> str:
    found = writer.get_extra_info("peername")
    address = str(found[0]) if isinstance(found, tuple) else ""
    return address.removeprefix("::ffff:") if "." in address else address.partition("%")[0]


def certificate_names(connection: ssl.SSLObject | None) -> list[str]:
    """Names that a client certificate bears: DNS names, the common name, its SHA-256.

    The last is written `sha256:HEX`; a source may name any of them. A name that is written so is
    left out: it would pass for the hash of somebody else's certificate.
    """
    said = connection.getpeercert() if connection is not None else None
    if connection is None or not said:
        return []
    told: dict[str, Any] = dict(said)
    names = [str(value) for kind, value in told.get("subjectAltName", ()) if kind == "DNS"]
    for part in told.get("subject", ()):
        names += [str(value) for name, value in part if name == "commonName"]
    binary = connection.getpeercert(binary_form=True) or b""
    plain = dict.fromkeys(name for name in names if not name.lower().startswith(_HASHED))
    return [*plain, f"{_HASHED}{hashlib.sha256(binary).hexdigest()}"]


_HASHED: Final = "sha256:"


async def serve_syslog(
    reader: asyncio.StreamReader, _writer: asyncio.StreamWriter, line: Line
) -> None:
    """One syslog connection to its end; what had begun and never became whole is kept, too."""
    framer = syslog.Framer()
    begun: float | None = None
    try:
        while data := await line.more(reader, begun):
            frames = framer.feed(data)
            begun = (monotonic() if frames or begun is None else begun) if framer.inside else None
            if frames:
                await line.keep(frames)
            if framer.broken:
                line.hub.refused(line.source, 1)
                return
    finally:
        if frames := framer.end():
            await line.keep(frames)


async def serve_relp(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: Line
) -> None:
    """One RELP session to its end: each message is answered when it is durable, in order."""
    session = relp.Session()
    begun: float | None = None
    try:
        while data := await line.more(reader, begun):
            found = session.feed(data)
            begun = (monotonic() if found or begun is None else begun) if session.inside else None
            messages = [one for one in found if isinstance(one, relp.Message)]
            if messages:
                await line.keep([syslog.Frame(one.message, one.whole) for one in messages])
            for one in found:
                writer.write(
                    relp.accepted(one.number) if isinstance(one, relp.Message) else one.data
                )
            async with asyncio.timeout(COLLECT_FRAME_SECONDS):
                await writer.drain()
            if any(isinstance(one, relp.Answer) and one.ends for one in found):
                return
    finally:
        if line.closing.is_set():
            writer.write(relp.SERVER_CLOSE)
