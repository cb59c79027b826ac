"""One HTTP/1.1 connection: uvicorn's, with bounds on the head of a request and the client's name.

uvicorn waits for ever for a head that does not end; here it ends after REQUEST_SECONDS, HEAD_BYTES
or HEADERS. It takes what follows a chunked body (trailers) for headers, without a bound; here that
is read over, within HEAD_BYTES. It keeps an answer that nobody takes for ever; here
`hang_up_on_the_silent` drops it. It sends the head of an answer and its body apart; here an
application may join them (`HeadWithBody`): it finds `hold` in the scope as HOLD.

What a client certificate says of its holder stands in the scope as the TLS extension of ASGI gives
it: `extensions.tls.client_cert_name`, an RFC 4514 name; beside it, in `client_cert_names`, the
names by which sources know their senders.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from cryptography.x509 import load_der_x509_certificate
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from indelible.base.clock import monotonic
from indelible.base.errors import BadRequest, IndelibleError
from indelible.base.limits import (
    HEAD_BYTES,
    HEADERS,
    LINGER_BYTES,
    LINGER_SECONDS,
    REQUEST_SECONDS,
    UNREAD_BYTES,
    UNREAD_SECONDS,
)
from indelible.ingest.protocols.connections import certificate_names
from indelible.server.errors import HeadTooLarge, error_body

HOLD = "connection.hold"
_PHRASES = {400: b"Bad Request", 431: b"Request Header Fields Too Large"}


class HeadWithBody:
    """A transport that can send the head of an answer with its body: one system call instead of
    two, which a single event feels.

    Whoever calls `hold` sends a head at once, and its body right behind, without waiting between.
    Behind the end nothing is sent: an answer that comes too late for a refused client is dropped.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._holding = self._ended = False
        self._head = b""

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def hold(self) -> None:
        """What is written next leaves with what is written after it."""
        self._holding = True

    def write(self, data: bytes) -> None:
        """Send `data`, behind what is held."""
        if self._holding:
            self._holding, self._head = False, data
            return
        if self._head:
            data, self._head = self._head + data, b""
        if not self._ended:
            self._transport.write(data)

    def _flush(self) -> None:
        head, self._head, self._holding = self._head, b"", False
        if head and not self._ended:
            self._transport.write(head)

    def write_eof(self) -> None:
        """Send what is held, and then the end."""
        self._flush()
        self._ended = True
        self._transport.write_eof()

    def close(self) -> None:
        """Send what is held, and close."""
        with contextlib.suppress(RuntimeError):  # a transport that is gone takes nothing more
            self._flush()
        self._transport.close()


class Connection(HttpToolsProtocol):
    """A connection whose unfinished heads are bounded; see `close_overdue`."""

    _head_until: float | None = None
    _head_bytes = 0
    _wrong: IndelibleError | None = None
    _tls: dict[str, object] | None = None
    _unread = 0
    _unread_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a first request."""
        super().connection_made(transport)
        self.transport = self._joined = HeadWithBody(transport)  # type: ignore[assignment]
        self._head_until = monotonic() + REQUEST_SECONDS
        secured = transport.get_extra_info("ssl_object")
        certificate = secured.getpeercert(True) if secured is not None else None
        if certificate:
            name = load_der_x509_certificate(certificate).subject.rfc4514_string()
            names = certificate_names(secured)
            self._tls = {"tls": {"client_cert_name": name, "client_cert_names": names}}

    def data_received(self, data: bytes) -> None:
        """Feed the parser; what comes in pieces and is neither head nor body yet is counted."""
        self._head_bytes += len(data)
        if self._wrong is not None:
            if self._head_bytes > LINGER_BYTES:
                self.transport.abort()
            return
        super().data_received(data)
        if self._head_bytes > HEAD_BYTES and not self._wrong:
            part = "trailers" if self._head_until is None else "head"
            self._refuse(HeadTooLarge(f"the request's {part} takes more than {HEAD_BYTES} bytes"))

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self.scope[HOLD] = self._joined.hold  # type: ignore[literal-required]
        if self._head_until is None:
            self._head_until = monotonic() + REQUEST_SECONDS
        if self._tls is not None:
            self.scope["extensions"] = self._tls  # type: ignore[typeddict-item]

    def on_headers_complete(self) -> None:
        """The head is whole; raises `HeadTooLarge` through the parser, which then stops."""
        if len(self.headers) > HEADERS:
            self._wrong = HeadTooLarge(f"the request has more than {HEADERS} headers")
            raise self._wrong
        self._head_until, self._head_bytes = None, 0
        super().on_headers_complete()
        self.headers = []  # the request keeps its own: trailers would be headers of it

    def on_body(self, body: bytes) -> None:
        """A piece of the body is whole."""
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._head_bytes = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """The parser stopped: answer in the one shape of errors."""
        self._refuse(self._wrong or BadRequest("what came is not a well-formed HTTP request"))

    def _refuse(self, error: IndelibleError) -> None:
        """Answer, read no further, and close once the answer can have arrived.

        What came before and has not begun yet is not begun: nobody would hear of it.
        """
        self._wrong = error
        self.pipeline.clear()
        self._head_until = self._head_until or monotonic()
        body = error_body(error)
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
        self.transport.write(
            head % (error.status, _PHRASES[error.status], len(body))
            + b"connection: close\r\n\r\n" + body
        )
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.loop.call_later(LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()

    def close_overdue(self, now: float) -> None:
        """Hang up on a client that has not sent a whole head in time."""
        if self._head_until is not None and now > self._head_until:
            self.transport.close()

    def unread(self, now: float) -> tuple[float, int]:
        """For how long the client has taken nothing of what waits for it, and how much that is."""
        size = self.transport.get_write_buffer_size()
        if not size or not self._unread or size < self._unread:
            self._unread_since = now
        self._unread = size
        return now - self._unread_since, size


def hang_up_on_the_silent(connections: Iterable[Connection], now: float) -> None:
    """Drop answers that nobody takes: each after UNREAD_SECONDS; the longest waiting before that,
    when all together are more than UNREAD_BYTES."""
    waiting = sorted(((*one.unread(now), one) for one in connections), key=lambda one: one[:2])
    held = sum(size for _, size, _ in waiting)
    while waiting:
        seconds, size, connection = waiting.pop()
        if seconds < UNREAD_SECONDS and (held <= UNREAD_BYTES or not seconds):
            return
        connection.transport.abort()
        held -= size
