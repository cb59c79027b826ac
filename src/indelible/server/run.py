"""Serving an application over TCP, in the event loop that is running.

Beyond the loopback the server speaks TLS 1.3 or refuses to start, unless the setting
`insecure_plaintext` says that a proxy in front does it. `serve` returns when it was asked to stop:
first the port is closed, then what is under way is finished, for DRAIN_SECONDS at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator

import uvicorn

from indelible.base.clock import monotonic
from indelible.base.errors import SettingsError
from indelible.base.limits import (
    CONNECTIONS,
    DRAIN_SECONDS,
    KEEP_ALIVE_SECONDS,
    OVERDUE_LOOK_SECONDS,
    WAITING_CONNECTIONS,
)
from indelible.base.settings import Settings
from indelible.server.application import Application
from indelible.server.connection import Connection, hang_up_on_the_silent

_LOOK_TICKS = round(OVERDUE_LOOK_SECONDS / 0.1)  # a tick lasts a tenth of a second


def check_exposure(settings: Settings) -> None:
    """Refuse to listen beyond the loopback in clear; raises SettingsError."""
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise SettingsError("tls_cert and tls_key belong together", field="tls_key")
    if settings.tls_client_ca is not None and settings.tls_cert is None:
        raise SettingsError("tls_client_ca needs tls_cert and tls_key", field="tls_client_ca")
    if settings.tls_cert is not None or settings.insecure_plaintext or _loopback(settings.host):
        return
    raise SettingsError(
        f"{settings.host} is not the loopback, and without TLS tokens and events would cross the "
        "network in clear",
        field="host",
        remedy="Set tls_cert and tls_key, or insecure_plaintext behind a proxy that speaks TLS.",
    )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at `port`, or at any free one for 0; raises SettingsError."""
    host = "127.0.0.1" if host == "localhost" else host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(WAITING_CONNECTIONS)
    except OSError as error:
        found.close()
        raise SettingsError(
            f"cannot listen on {host} port {port}: {error.strerror}",
            field="port",
            remedy="Stop what listens there, or set another port.",
        ) from error
    found.setblocking(False)
    return found


def tls_context(settings: Settings, optional: bool = False) -> ssl.SSLContext | None:
    """TLS 1.3 with the server's certificate, and the clients' where an authority is set.

    `optional` lets clients without a certificate in; a wrong one is refused all the same.
    Raises SettingsError when a file cannot be read as what it should be.
    """
    if settings.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"tls_cert and tls_key cannot be used: {error}", field="tls_cert",
            remedy="Both are PEM: the certificate with its chain, and its key without password.",
        ) from error
    if settings.tls_client_ca is not None:
        try:
            context.load_verify_locations(settings.tls_client_ca)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"tls_client_ca cannot be used: {error}", field="tls_client_ca",
                remedy="Give a PEM file with the certificates of the authorities.",
            ) from error
        context.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED
    return context


class _Server(uvicorn.Server):
    """uvicorn's server in a loop and a process that are not its own."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.open = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self.open.set()

    async def on_tick(self, counter: int) -> bool:
        """Once a second hang up on clients whose requests do not begin."""
        if counter % _LOOK_TICKS == 0:
            now = monotonic()
            ours = [c for c in self.server_state.connections if isinstance(c, Connection)]
            for connection in ours:
                connection.close_overdue(now)
            hang_up_on_the_silent(ours, now)
        return await super().on_tick(counter)


def make_server(app: Application, settings: Settings) -> _Server:
    """The uvicorn server for `app`; requests run in the running loop."""
    context = tls_context(settings, settings.tls_client_optional)
    return _Server(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            loop="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="error",
            proxy_headers=False,
            server_header=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            ssl_context_factory=(lambda _config, _default: context) if context else None,
        )
    )


def _no_report(url: str) -> None:
    return None


async def serve(
    app: Application,
    settings: Settings,
    stop: asyncio.Event,
    started: Callable[[str], None] = _no_report,
) -> None:
    """Serve `app` until `stop` is set, then drain. `started` is told the URL once it answers.

    Raises SettingsError before anything is opened.
    """
    check_exposure(settings)
    server = make_server(app, settings)
    listener = listen(settings.host, settings.port)
    loop = asyncio.get_running_loop()
    serving = loop.create_task(server.serve(sockets=[listener]))
    stopping = loop.create_task(stop.wait())
    opening = loop.create_task(server.open.wait())
    try:
        await asyncio.wait((serving, opening), return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            scheme = "https" if settings.tls_cert else "http"
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            started(f"{scheme}://{host}:{listener.getsockname()[1]}")
            await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        opening.cancel()
        app.context.draining.set()
        server.should_exit = True
        await _drain(app, serving)
    if not serving.cancelled() and (error := serving.exception()) is not None:
        raise error


async def _drain(app: Application, serving: asyncio.Task[None]) -> None:
    """Let what is under way finish, for DRAIN_SECONDS at most."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS + 1):
            await app.idle()
            await asyncio.wait((serving,))
    except TimeoutError:
        serving.cancel()
