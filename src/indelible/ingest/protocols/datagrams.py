"""Syslog over UDP: one datagram, one message; nothing is answered, and losses are counted.

A datagram is lost without a trace on the way, but here it is counted: what this process has no
room for, and what the kernel dropped because the socket's buffer was full, as far as the kernel
tells (`/proc/net/udp`, per socket and not per sender).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import traceback
from collections import deque
from pathlib import Path

from indelible.base.errors import IndelibleError
from indelible.base.limits import (
    COLLECT_BATCH_EVENTS,
    COLLECT_DRAIN_SECONDS,
    DATAGRAM_BUFFER_BYTES,
    DATAGRAM_SECONDS,
    DATAGRAMS,
    DATAGRAMS_BYTES,
    STRANGERS_SECONDS,
)
from indelible.ingest.protocols import syslog
from indelible.ingest.protocols.connections import Line
from indelible.ingest.protocols.hub import Hub
from indelible.ingest.sources import SourceSettings

_log = logging.getLogger(__name__)
_DATAGRAM_BYTES = 65_535
"""The largest that UDP carries (RFC 768: a length of 16 bits)."""


def open_socket(host: str, port: int) -> socket.socket:
    """A bound UDP socket with as large a buffer as the kernel gives; raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_DGRAM)
    try:
        found.setblocking(False)
        try:
            found.setsockopt(socket.SOL_SOCKET, _RCVBUFFORCE, DATAGRAM_BUFFER_BYTES)
        except OSError:  # only with CAP_NET_ADMIN; otherwise what the system allows everybody
            found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DATAGRAM_BUFFER_BYTES)
        found.bind((host, port))
    except BaseException:
        found.close()
        raise
    return found


_RCVBUFFORCE = 33  # SO_RCVBUFFORCE of Linux; Python does not name it


class Datagrams:
    """One UDP socket and everybody who sends to it."""

    def __init__(self, hub: Hub, bound: socket.socket) -> None:
        self._hub, self._socket = hub, bound
        self._queue: deque[tuple[str, bytes]] = deque()
        self._held = 0
        self._arrived = asyncio.Event()
        self._one_batch = asyncio.Lock()
        self._kernel = _kernel_drops(bound)
        loop = asyncio.get_running_loop()
        loop.add_reader(bound, self._read)
        self._tasks = [loop.create_task(self._keep()), loop.create_task(self._watch())]

    def _read(self) -> None:
        """Take what the kernel holds; the newest are dropped when there is no room."""
        for _ in range(COLLECT_BATCH_EVENTS):
            try:
                data, where = self._socket.recvfrom(_DATAGRAM_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # an ICMP answer to an earlier datagram: it concerns no sender here
                continue
            peer = str(where[0]).removeprefix("::ffff:").partition("%")[0]
            if self._hub.senders("syslog").of(peer) is None:
                self._hub.unknown("syslog", peer)
            elif len(self._queue) >= DATAGRAMS or self._held + len(data) > DATAGRAMS_BYTES:
                self._drop(peer, 1)
            else:
                self._queue.append((peer, data))
                self._held += len(data)
        self._arrived.set()

    def _drop(self, peer: str, count: int) -> None:
        source = self._hub.senders("syslog").of(peer) if peer else None
        if source is None:
            sources = [one.settings for one in self._hub.sources("syslog")]
            source = sources[0] if len(sources) == 1 else SourceSettings(
                id="syslog/udp", protocol="syslog"
            )
        self._hub.dropped(source, count)

    async def _keep(self) -> None:
        """Make durable what has arrived, the datagrams of each sender in their order."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(DATAGRAM_SECONDS)
            self._arrived.clear()
            async with self._one_batch:
                while self._queue:
                    await self._batch()

    async def _batch(self) -> None:
        """Make some datagrams durable; what the ledger does not take is counted as dropped."""
        senders = self._hub.senders("syslog")
        groups: dict[str, list[syslog.Frame]] = {}
        for _ in range(min(len(self._queue), COLLECT_BATCH_EVENTS)):
            peer, data = self._queue.popleft()
            self._held -= len(data)
            message = data.rstrip(b"\r\n\0")
            if message:
                groups.setdefault(peer, []).append(syslog.Frame(message))
        known = [(source, peer) for peer in groups if (source := senders.of(peer)) is not None]
        for peer in groups.keys() - {peer for _, peer in known}:  # disabled since they arrived
            self._hub.unknown("syslog", peer, count=len(groups[peer]))
        storing = [
            asyncio.ensure_future(Line(self._hub, source, "syslog", peer, "").keep(groups[peer]))
            for source, peer in known
        ]
        try:
            await asyncio.gather(*storing, return_exceptions=True)
        finally:
            for (source, peer), one in zip(known, storing, strict=True):
                if not _is_kept(one):
                    self._hub.dropped(source, len(groups[peer]))

    async def _watch(self) -> None:
        """Count what the kernel had no room for."""
        while True:
            await asyncio.sleep(STRANGERS_SECONDS)
            now = _kernel_drops(self._socket)
            if now > self._kernel:
                self._drop("", now - self._kernel)
                self._kernel = now

    async def close(self) -> None:
        """Take nothing more, make durable what was taken; what the ledger does not take in time is
        counted as dropped."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._read_rest()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(COLLECT_DRAIN_SECONDS), self._one_batch:
                while self._queue:
                    await self._batch()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._queue:
            self._drop(self._queue.popleft()[0], 1)
        self._socket.close()

    def _read_rest(self) -> None:
        with contextlib.suppress(OSError):
            self._read()


def _is_kept(one: asyncio.Future[None]) -> bool:
    """Whether a batch of one sender is durable; of a failure that is nobody's answer the log is
    told the kind and the place, and nothing of the messages."""
    if not one.done() or one.cancelled():
        return False
    error = one.exception()
    if error is not None and not isinstance(error, IndelibleError):
        last = traceback.extract_tb(error.__traceback__)[-1:]
        where = [f"{step.filename}:{step.lineno} in {step.name}" for step in last]
        _log.error("datagrams were not kept: %s at %s", type(error).__name__, *where or ["?"])
    return error is None


def _kernel_drops(bound: socket.socket) -> int:
    """Datagrams for this socket that the kernel dropped so far; 0 where it does not tell."""
    inode = str(os.fstat(bound.fileno()).st_ino)
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        with contextlib.suppress(OSError, ValueError):
            for row in Path(table).read_text("ascii").splitlines()[1:]:
                cells = row.split()
                if len(cells) > 12 and cells[9] == inode:
                    return int(cells[12])
    return 0
