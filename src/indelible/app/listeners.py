"""What the collector listens to: one listener for each setting that names an address."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import NamedTuple, Protocol

from indelible.base.errors import BadRequest, IndelibleError, SettingsError
from indelible.base.limits import COLLECT_HANDSHAKE_SECONDS, COLLECT_READ_BYTES, WAITING_CONNECTIONS
from indelible.base.settings import Settings
from indelible.ingest.protocols import otlp_grpc
from indelible.ingest.protocols.connections import Connections, Serve, serve_relp, serve_syslog
from indelible.ingest.protocols.datagrams import Datagrams, open_socket
from indelible.ingest.protocols.hub import Hub, Relay
from indelible.server.run import tls_context


class Listener(Protocol):
    """One address that is listened to; `where` it is open, or the `trouble` why it is not."""

    name: str
    where: str
    trouble: str

    async def settle(self) -> None:
        """Open it if it is not, and let go of senders who may not send any more."""

    async def close(self) -> None:
        """Take nothing more; what was read is made durable first."""


class _Reader(asyncio.StreamReader):
    """A reader that gives what it holds before it tells of a connection that broke."""

    def set_exception(self, exc: Exception) -> None:
        """The end, as far as what was received goes."""
        self.feed_eof()


class _Streams:
    """A TCP listener, with or without TLS."""

    def __init__(
        self, hub: Hub, name: str, protocol: str, at: str, serve: Serve,
        tls: Callable[[], ssl.SSLContext | None],
    ) -> None:
        self.name, self.where, self.trouble = name, "", ""
        self._at, self._tls = at, tls
        self._connections = Connections(hub, protocol, serve)
        self._server: asyncio.Server | None = None

    async def settle(self) -> None:
        """See `Listener.settle`."""
        await self._connections.settle()
        if self._server is not None:
            return
        host, port = split(self._at)
        try:
            context = self._tls()
            if context is not None:  # a sender that never reads would close upon unread tickets
                context.num_tickets = 0
            bound = socket.create_server(
                (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                backlog=WAITING_CONNECTIONS, dualstack_ipv6=host == "::",
            )
            self._server = await asyncio.get_running_loop().create_server(
                self._protocol, sock=bound, ssl=context, backlog=WAITING_CONNECTIONS,
                ssl_handshake_timeout=COLLECT_HANDSHAKE_SECONDS if context else None,
            )
        except (OSError, SettingsError) as error:
            self.trouble = f"{self.name}: cannot listen on {self._at}: {error}"
            return
        self.trouble = ""
        self.where = _where(self._server.sockets[0].getsockname())

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        reader = _Reader(limit=COLLECT_READ_BYTES)
        return asyncio.StreamReaderProtocol(reader, self._connections.accept)

    async def close(self) -> None:
        """See `Listener.close`."""
        if self._server is not None:
            self._server.close()
        await self._connections.close()


class _Udp:
    """A UDP listener."""

    def __init__(self, hub: Hub, name: str, at: str) -> None:
        self.name, self.where, self.trouble = name, "", ""
        self._hub, self._at = hub, at
        self._datagrams: Datagrams | None = None

    async def settle(self) -> None:
        """See `Listener.settle`."""
        if self._datagrams is not None:
            return
        try:
            bound = open_socket(*split(self._at))
        except OSError as error:
            self.trouble = f"{self.name}: cannot listen on {self._at}: {error.strerror}"
            return
        self.trouble, self.where = "", _where(bound.getsockname())
        self._datagrams = Datagrams(self._hub, bound)

    async def close(self) -> None:
        """See `Listener.close`."""
        if self._datagrams is not None:
            await self._datagrams.close()


class _Grpc:
    """The listener of OTLP over gRPC, with TLS where the server has a certificate."""

    name = "otlp_grpc"

    def __init__(self, relay: Relay, at: str, settings: Settings) -> None:
        self.where, self.trouble = "", ""
        self._at, self._settings = at, settings
        self._server = otlp_grpc.Server(relay)

    async def settle(self) -> None:
        """See `Listener.settle`; who may send is asked at every call."""
        if self.where:
            return
        host, port = split(self._at)
        try:
            port = await self._server.open(host, port, _certificates(self._settings))
        except (OSError, SettingsError, BadRequest) as error:
            remedy = f". {error.remedy}" if isinstance(error, IndelibleError) else ""
            self.trouble = f"{self.name}: cannot listen on {self._at}: {error}{remedy}"
            return
        self.trouble, self.where = "", _where((host, port))

    async def close(self) -> None:
        """See `Listener.close`."""
        await self._server.close()


def _certificates(settings: Settings) -> otlp_grpc.Certificates | None:
    """What `tls_context` would load, for a library that speaks TLS itself; raises as it does."""
    if tls_context(settings) is None:
        return None
    assert settings.tls_key is not None
    assert settings.tls_cert is not None
    asked = settings.tls_client_ca
    return otlp_grpc.Certificates(
        settings.tls_key.read_bytes(), settings.tls_cert.read_bytes(),
        asked.read_bytes() if asked is not None else None,
    )


class _Way(NamedTuple):
    """A stream listener's setting, its protocol, and whether it speaks TLS."""

    setting: str
    protocol: str
    serve: Serve
    tls: bool


_STREAMS = (
    _Way("syslog_tcp", "syslog", serve_syslog, False),
    _Way("syslog_tls", "syslog", serve_syslog, True),
    _Way("relp", "relp", serve_relp, False),
    _Way("relp_tls", "relp", serve_relp, True),
)


LISTENED = ("syslog", "relp")
"""Protocols whose senders connect to the collector."""


def addresses(settings: Settings) -> dict[str, str]:
    """The addresses that the settings name, by setting."""
    named = {
        "syslog_udp": settings.syslog_udp, "syslog_tcp": settings.syslog_tcp,
        "syslog_tls": settings.syslog_tls, "relp": settings.relp, "relp_tls": settings.relp_tls,
        "otlp_grpc": settings.otlp_grpc,
    }
    return {name: at for name, at in named.items() if at is not None}


def listeners_of(settings: Settings, hub: Hub, relay: Relay) -> list[Listener]:
    """A listener for every address that the settings name."""
    named = addresses(settings)
    found: list[Listener] = []
    if "syslog_udp" in named:
        found.append(_Udp(hub, "syslog_udp", named["syslog_udp"]))
    for way in _STREAMS:
        if way.setting in named:
            def context(speaks: bool = way.tls) -> ssl.SSLContext | None:
                return tls_context(settings) if speaks else None

            found.append(
                _Streams(hub, way.setting, way.protocol, named[way.setting], way.serve, context)
            )
    if "otlp_grpc" in named:
        found.append(_Grpc(relay, named["otlp_grpc"], settings))
    return found


def split(at: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `[HOST]:PORT`, as the settings checked it."""
    host, _, port = at.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    return "127.0.0.1" if host == "localhost" else host, int(port)


def _where(name: tuple[str, int]) -> str:
    host, port = name[0], name[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
