"""Serving an application over TCP, in the event loop that is running.

Beyond the loopback the server speaks TLS 1.3 or refuses to start, unless the setting
`insecure_plaintext` says that a proxy in front does it. `serve` returns when it was asked to stop:
first the port is closed, then what is under way is finished, for DRAIN_SECONDS at most.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from indelible.base.errors import SettingsError, Unreachable
from indelible.base.limits import DRAIN_SECONDS, REQUEST_SECONDS
from indelible.base.settings import Settings
from indelible.server.application import Application

_BACKLOG = 1024


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


def free_port(host: str, port: int) -> int:
    """`port`, or any free one for 0; raises SettingsError when nobody could listen there.

    Asked before the server binds, because the server itself would share a port that is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {host} port {port}: {error.strerror}",
                field="port",
                remedy="Stop what listens there, or set another port.",
            ) from error
        found: int = probe.getsockname()[1]
        return found


def make_server(app: Application, settings: Settings, port: int) -> Server:
    """The Granian server for `app`; one runtime thread, requests in the running loop."""
    return Server(
        app,
        address="127.0.0.1" if settings.host == "localhost" else settings.host,
        port=port,
        interface=Interfaces.ASGI,
        runtime_threads=1,
        http=HTTPModes.auto if settings.tls_cert else HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=REQUEST_SECONDS * 1000),
        websockets=False,
        backlog=_BACKLOG,
        log_enabled=False,
        log_level=LogLevels.warning,
        ssl_cert=settings.tls_cert,
        ssl_key=settings.tls_key,
        ssl_ca=settings.tls_client_ca,
        ssl_client_verify=settings.tls_client_ca is not None,
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
    port = free_port(settings.host, settings.port)
    server = make_server(app, settings, port)
    loop = asyncio.get_running_loop()
    serving = loop.create_task(server.serve())
    stopping = loop.create_task(stop.wait())
    try:
        await _until_open(settings.host, port, serving)
        scheme = "https" if settings.tls_cert else "http"
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        started(f"{scheme}://{host}:{port}")
        await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
        app.context.draining.set()
        server.signal_handler_interrupt()  # type: ignore[no-untyped-call]
        await _drain(app, serving)
    if not serving.cancelled() and (error := serving.exception()) is not None:
        raise error


async def _until_open(host: str, port: int, serving: asyncio.Task[None]) -> None:
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.01)
            continue
        writer.close()
        return
    serving.result()
    raise Unreachable("the server ended before it listened")


async def _drain(app: Application, serving: asyncio.Task[None]) -> None:
    """Let what is under way finish, for DRAIN_SECONDS at most."""
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            await app.idle()
            await asyncio.wait((serving,))
    except TimeoutError:
        serving.cancel()
