"""OTLP's logs over gRPC: the service `LogsService`, whose only call is `Export`.

A call is the same request as one of OTLP/HTTP and is answered by the same part of the server: its
metadata is the head, its message the body. What differs is said here: answers in gRPC's codes, and
when to come again in a `RetryInfo`. gRPC itself (HTTP/2, TLS, unpacking) is grpcio's, which comes
with the extra `grpc` and is imported when a listener is opened. It has no types of its own: what is
used of it stands at the end of this file.
Sources: the OTLP specification ("OTLP/gRPC"), google/rpc/status.proto and error_details.proto.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from types import ModuleType
from typing import Final, NamedTuple, NoReturn, Protocol
from urllib.parse import unquote

from cryptography.x509 import load_pem_x509_certificate

from indelible.base.limits import (
    COLLECT_HANDSHAKE_SECONDS,
    GRPC_AHEAD_BYTES,
    GRPC_CALLS,
    GRPC_CONNECTIONS,
    GRPC_DRAIN_SECONDS,
    GRPC_IDLE_SECONDS,
    GRPC_METADATA_BYTES,
    GRPC_PING_SECONDS,
    GRPC_PINGS_SECONDS,
    GRPC_PONG_SECONDS,
    GRPC_READS,
    GRPC_SMALL_BYTES,
    GRPC_STATUS_CHARS,
    GRPC_STREAMS,
    REQUEST_BYTES,
)
from indelible.ingest.extras import libraries
from indelible.ingest.protocols import otlp
from indelible.ingest.protocols import otlp_wire as wire
from indelible.ingest.protocols.hub import Answered, Head, Relay

METHOD: Final = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
_PASSED: Final = ("authorization", "user-agent", "x-forwarded-for")
_OK, _INVALID, _DEADLINE, _DENIED, _EXHAUSTED, _INTERNAL, _UNAVAILABLE, _UNKNOWN_WHO = (
    0, 3, 4, 7, 8, 13, 14, 16
)
_CODES: Final = {
    200: _OK, 0: _INVALID, 400: _INVALID, 413: _INVALID, 415: _INVALID, 401: _UNKNOWN_WHO,
    403: _DENIED, 408: _DEADLINE, 429: _EXHAUSTED, 503: _UNAVAILABLE, 507: _UNAVAILABLE,
}
"""gRPC's code by HTTP's status. A request that is too large is `INVALID_ARGUMENT`: some senders
repeat whatever is `RESOURCE_EXHAUSTED`, and this one will never do."""
_RETRY_INFO: Final = b"type.googleapis.com/google.rpc.RetryInfo"


_SILENT: Final = "the server failed on this request, or is stopping; its log says more"
_log = logging.getLogger(__name__)


class Said(NamedTuple):
    """An answer in gRPC's words: a code, the message or the error's text, trailing metadata."""

    code: int
    body: bytes
    text: str
    trailers: tuple[tuple[str, bytes], ...]


def said(answered: Answered) -> Said:
    """What OTLP/HTTP answered, as OTLP/gRPC does.

    An error bears a `google.rpc.Status`, and with it a `RetryInfo` exactly when the sender should
    come again. The latter stands in the trailer `google.rpc.retryinfo-bin`, too: some exporters
    look nowhere else.
    """
    code = _CODES.get(answered.status, _INTERNAL)
    if code == _OK:
        return Said(code, answered.body, "", ())
    text = _text(answered.body) if answered.status else "the call came without a message"
    text = text[:GRPC_STATUS_CHARS] or _SILENT
    status = wire.whole(1, code) + wire.message(2, text.encode())
    after = dict(answered.headers).get(b"retry-after", b"")
    if not after.isdigit():
        return Said(code, b"", text, (("grpc-status-details-bin", status),))
    retry = wire.message(1, wire.whole(1, int(after)))
    status += wire.message(3, wire.message(1, _RETRY_INFO) + wire.message(2, retry))
    return Said(
        code, b"", text,
        (("grpc-status-details-bin", status), ("google.rpc.retryinfo-bin", retry)),
    )


def _text(status: bytes) -> str:
    """The message of a `google.rpc.Status`."""
    try:
        found = [value for number, _, value in wire.fields(status) if number == 2]
    except wire.BadWire:
        return ""
    return wire.text(found[-1]) if found else ""


_FULL: Final = Answered(
    status=503, headers=[(b"retry-after", b"1")],
    body=otlp.failure(otlp.PROTOBUF, f"{GRPC_CALLS} calls are under way already [busy]"),
)


class Certificates(NamedTuple):
    """PEM: the server's key and certificate, and who signs clients' when they need one."""

    key: bytes
    chain: bytes
    clients: bytes | None


class Server:
    """The listener at one address."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._calls = 0
        self._reads = asyncio.Semaphore(GRPC_READS)
        self._server: _Server | None = None

    async def open(self, host: str, port: int, tls: Certificates | None) -> int:
        """Listen, and return the port.

        Raises OSError when the address cannot be had, and `BadRequest` with the remedy where
        grpcio is not installed.
        """
        self._grpc, aio = driver()
        server: _Server = aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers((self,))
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if tls is None:
                port = server.add_insecure_port(where)
            else:
                credentials = self._grpc.ssl_server_credentials(
                    [(tls.key, tls.chain)], root_certificates=tls.clients,
                    require_client_auth=tls.clients is not None,
                )
                port = server.add_secure_port(where, credentials)
            await server.start()
        except RuntimeError as error:
            raise OSError(f"the address is in use, or not of this machine: {error}") from error
        self._server = server
        return port

    async def close(self) -> None:
        """Take no new call and answer those under way, for GRPC_DRAIN_SECONDS at most."""
        if self._server is not None:
            await self._server.stop(GRPC_DRAIN_SECONDS)

    def service(self, details: _Details) -> object:
        """What serves a method; None, which is answered `UNIMPLEMENTED`, for all but one.

        To be handled as a stream leaves the message unread until its sender is known.
        """
        if details.method != METHOD:
            return None
        return self._grpc.stream_unary_rpc_method_handler(self._export)

    async def _export(self, _requests: object, context: _Context) -> bytes:
        if self._calls >= GRPC_CALLS:
            answer = said(_FULL)
        else:
            self._calls += 1
            place = _Place(self._reads)
            try:
                answer = said(await self._relay.post(_head(context), partial(place.body, context)))
            except Exception:  # noqa: BLE001 - grpcio would tell the sender what went wrong
                _log.exception("a call of OTLP over gRPC failed")
                answer = said(Answered(status=500))
            finally:
                self._calls -= 1
                place.give()
        if answer.code:
            code = next(one for one in self._grpc.StatusCode if one.value[0] == answer.code)
            await context.abort(code, answer.text, answer.trailers)
        return answer.body


class _Place:
    """One call's place among those whose messages are held: they bound what memory is needed."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._taken = False

    async def body(self, context: _Context) -> bytes | None:
        """Receive the message; of a small one the place is free for another at once.

        What grpcio hands to a handler, an iterator, keeps each message until it is collected as
        garbage; a context does not.
        """
        await self._places.acquire()
        self._taken = True
        request = await context.read()
        if not isinstance(request, bytes):
            return None
        if len(request) <= GRPC_SMALL_BYTES:
            self.give()
        return request

    def give(self) -> None:
        """Leave it to the next, if it was taken."""
        if self._taken:
            self._taken = False
            self._places.release()


def _head(context: _Context) -> Head:
    headers = [
        (name.encode(), value if isinstance(value, bytes) else value.encode("latin-1", "replace"))
        for name, value in context.invocation_metadata() or ()
        if name in _PASSED
    ]
    headers.append((b"content-type", otlp.PROTOBUF.encode()))
    certificate = next(iter(context.auth_context().get("x509_pem_cert", ())), b"")
    name = ""
    if certificate:
        name = load_pem_x509_certificate(certificate).subject.rfc4514_string()
    return Head(path="/v1/logs", headers=headers, peer=_peer(context.peer()), certificate=name)


def _peer(said: str) -> tuple[str, int]:
    """Address and port of `ipv4:HOST:PORT` or `ipv6:[HOST]:PORT`, which may be escaped."""
    host, _, port = unquote(said).partition(":")[2].rpartition(":")
    return host.strip("[]").partition("%")[0], int(port) if port.isdecimal() else 0


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


_OPTIONS: Final = (
    ("grpc.max_receive_message_length", REQUEST_BYTES),  # before unpacking, and while it lasts
    ("grpc.max_allowed_incoming_connections", GRPC_CONNECTIONS),
    ("grpc.max_concurrent_streams", GRPC_STREAMS),
    ("grpc.http2.bdp_probe", 0),  # or megabytes of a message are fetched before it is asked for
    ("grpc.http2.lookahead_bytes", GRPC_AHEAD_BYTES),
    ("grpc.max_metadata_size", GRPC_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", GRPC_METADATA_BYTES),
    ("grpc.server_handshake_timeout_ms", _ms(COLLECT_HANDSHAKE_SECONDS)),
    ("grpc.max_connection_idle_ms", _ms(GRPC_IDLE_SECONDS)),
    ("grpc.keepalive_time_ms", _ms(GRPC_PING_SECONDS)),
    ("grpc.keepalive_timeout_ms", _ms(GRPC_PONG_SECONDS)),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", _ms(GRPC_PINGS_SECONDS)),
    ("grpc.so_reuseport", 0),  # two listeners at one address would share its senders unseen
)


def driver() -> tuple[ModuleType, ModuleType]:
    """grpcio; raises `BadRequest` with the remedy where it is not installed."""
    grpc, aio = libraries(
        "OpenTelemetry's logs over gRPC are", "grpc", "grpcio", "grpc", "grpc.aio",
        field="otlp_grpc",
    )
    return grpc, aio


# --- what is used of grpcio


class _Details(Protocol):
    """A call before it is served."""

    method: str


class _Context(Protocol):
    """A call while it is served."""

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...] | None: ...
    def auth_context(self) -> dict[str, list[bytes]]: ...
    def peer(self) -> str: ...
    async def read(self) -> object: ...
    abort: Callable[[object, str, tuple[tuple[str, bytes], ...]], Awaitable[NoReturn]]


class _Server(Protocol):
    """A server of `grpc.aio`."""

    def add_generic_rpc_handlers(self, handlers: tuple[object, ...]) -> None: ...
    def add_insecure_port(self, address: str) -> int: ...
    def add_secure_port(self, address: str, credentials: object) -> int: ...
    async def start(self) -> None: ...
    async def stop(self, grace: float | None) -> None: ...
