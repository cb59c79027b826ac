"""`POST /upload`: entries of a systemd journal, as systemd-journal-upload sends them.

A request is read as it comes, for as long as it lasts, and answered once: 200 when everything in
it is durable. The sender writes down how far it is only then, and begins again from there after
any other answer and after a broken connection; the id of an event is the entry's cursor, so that
what comes again adds nothing. What came whole before a connection broke is kept.

Any answer of 300 and more ends the sender, and systemd starts it again a few times only. So a
ledger that is busy is waited for, by reading no further, and not told.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from msgspec.structs import replace
from starlette.responses import Response
from starlette.types import Message, Receive, Scope

from indelible.access import Permission
from indelible.base.clock import monotonic
from indelible.base.errors import Busy, DiskFull, Forbidden, IndelibleError, Unauthenticated
from indelible.base.limits import (
    COLLECT_AGAIN_SECONDS,
    COLLECT_IDLE_SECONDS,
    HEADER_CHARS,
    JOURNALD_BATCH_BYTES,
    JOURNALD_BUSY_SECONDS,
    JOURNALD_SOURCE_UPLOADS,
    JOURNALD_UPLOADS,
    JOURNALD_WAIT_SECONDS,
)
from indelible.ingest.parsed import Parsed, Rejected
from indelible.ingest.protocols import journal_export
from indelible.ingest.sources import SourceSettings
from indelible.server.call import Call, HungUp
from indelible.server.credentials import as_bearer, header_of
from indelible.server.door import report_refusal
from indelible.server.errors import SlowSender, UnsupportedEncoding, error_answer
from indelible.server.receiving import given_of, kept, read, settings_of, store, submission
from indelible.server.route import Access, Manners, Route

PROTOCOL: Final = "journald"
T = TypeVar("T")


class Uploads:
    """A bound on how many journals are uploaded at once, of each source and of all.

    A source that has none open gets one whatever the others hold.
    """

    def __init__(self) -> None:
        self._open: Counter[tuple[str, str]] = Counter()

    async def taken(self, settings: SourceSettings) -> None:
        """Open one; raises Busy when there is none to be had. The taker calls `give` once."""
        source = settings.tenant, settings.id
        mine = self._open[source]
        if mine >= JOURNALD_SOURCE_UPLOADS or (mine and self._open.total() >= JOURNALD_UPLOADS):
            raise Busy(f"{mine} uploads of {settings.id} are open already")
        self._open[source] += 1

    def give(self, settings: SourceSettings) -> None:
        """Close one."""
        source = settings.tenant, settings.id
        self._open[source] -= 1
        if not self._open[source]:
            del self._open[source]


class Incoming:
    """The body of a request, a batch at a time. `whole` and `gone` say how it ended."""

    def __init__(self, receive: Receive, draining: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        self._receive = receive
        self._stopping = loop.create_task(draining.wait())
        self._next: asyncio.Task[Message] | None = None
        self.whole = self.gone = False

    async def batch(self) -> bytes:
        """What comes until it is enough, or until a moment after its first byte.

        Raises `SlowSender` when nothing comes for long, `Busy` when the server stops.
        """
        parts: list[bytes] = []
        size, until = 0, monotonic() + COLLECT_IDLE_SECONDS
        while size < JOURNALD_BATCH_BYTES and not (self.whole or self.gone):
            piece = await self._piece(until - monotonic())
            if piece is None:
                break
            if piece and not size:
                until = monotonic() + JOURNALD_WAIT_SECONDS
            parts.append(piece)
            size += len(piece)
        if not size and not (self.whole or self.gone):
            if self._stopping.done():
                raise Busy("the server is stopping")
            raise SlowSender(
                f"nothing came for {COLLECT_IDLE_SECONDS} seconds",
                remedy="Send again from the last cursor that was answered.",
            )
        return b"".join(parts)

    async def _piece(self, seconds: float) -> bytes | None:
        """The next bytes; None when there are none in time, or when the server stops."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(_once(self._receive))
        await asyncio.wait(
            (self._next, self._stopping), timeout=max(seconds, 0),
            return_when=asyncio.FIRST_COMPLETED,
        )
        if not self._next.done():
            return None
        message, self._next = self._next.result(), None
        if message["type"] != "http.request":
            self.gone = True
            return b""
        self.whole = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    def close(self) -> None:
        """Read nothing more."""
        self._stopping.cancel()
        if self._next is not None:
            self._next.cancel()


async def _once(receive: Receive) -> Message:
    return await receive()


class Upload:
    """One request: what came is parsed, made durable and counted, batch by batch."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._stream = journal_export.Stream()
        self.stored = self.known = self.refused = 0

    async def take(self, data: bytes, *, last: bool) -> None:
        """Return when what `data` completes is durable; raises what the ledger raises."""
        settings = source_of(self._call)  # again: it may be disabled meanwhile, or revoked
        context = self._call.context

        def understood(data: bytes) -> tuple[list[Parsed], list[Rejected]]:
            entries, refused = self._stream.feed(data)
            if last:
                more, others = self._stream.end()
                entries, refused = entries + more, refused + others
            found = journal_export.taken(entries, refused, given_of(context, settings))
            return read(found, replace(settings, parser="journald"))

        events, refused = await patiently(self._call, lambda: context.parsed(understood, data))
        empty = submission(self._call, settings)
        received = await patiently(
            self._call, lambda: store(self._call, empty, events, refused)
        )
        context.metrics.ingest_bytes += len(data)
        self.known += len(received.result.duplicates)
        self.stored += len(events) - len(received.result.duplicates)
        self.refused += len(refused)


def source_of(call: Call) -> SourceSettings:
    """The caller's source: its token's, else the one that names its certificate.

    Raises `Unauthenticated` and `Forbidden`.
    """
    if call.known is not None:
        if call.revoked:
            raise Unauthenticated("the token was revoked")
        return settings_of(call, PROTOCOL)
    names = certificate_names(call.request.scope)
    if not names:
        raise Unauthenticated(
            "the request has neither a token nor a client certificate",
            remedy="Give journal-upload a certificate that a source names, or a token; "
            "docs/sources/journald.md.",
        )
    senders = call.rooms.senders(PROTOCOL)
    found = next((one for name in names if (one := senders.of("", name))), None)
    if found is None:
        raise Forbidden(
            f"no source takes a journal from the certificate of {', '.join(names)[:HEADER_CHARS]}",
            code="unknown_certificate",
            remedy="`indelible source add NAME --protocol journald --certificate-name CN`.",
        )
    return found


def certificate_names(scope: Scope) -> list[str]:
    """The names in the client certificate of a connection, none without one."""
    found: list[str] = scope.get("extensions", {}).get("tls", {}).get("client_cert_names", [])
    return found


async def patiently(call: Call, ask: Callable[[], Awaitable[T]]) -> T:
    """What `ask` gives, asked again while the ledger is busy or the disk is full.

    Raises what it raises when that lasts for JOURNALD_BUSY_SECONDS, or the server stops.
    """
    until = monotonic() + JOURNALD_BUSY_SECONDS
    while True:
        try:
            return await ask()
        except (Busy, DiskFull):
            if monotonic() >= until or call.context.draining.is_set():
                raise
        await asyncio.sleep(COLLECT_AGAIN_SECONDS)


async def post(call: Call) -> Response:
    """Store what is uploaded, to its end."""
    try:
        settings = source_of(call)
    except (Forbidden, Unauthenticated) as error:
        if call.known is not None or certificate_names(call.request.scope):
            await report_refusal(
                call.context, call.request.scope, call.known, call.peer, PROTOCOL, error.message
            )
        raise
    if call.header("content-encoding").strip().lower() not in ("", "identity"):
        call.context.metrics.rejected += 1
        await call.rooms.submit(replace(submission(call, settings), rejected=1))
        raise UnsupportedEncoding(
            "an upload is read as it comes, and taken unpacked only",
            remedy="Leave ForceCompression= out of journal-upload.conf.",
        )
    uploads = kept(call.context, Uploads)
    await patiently(call, lambda: uploads.taken(settings))
    incoming = Incoming(call.request.receive, call.context.draining)
    try:
        return await _read(incoming, Upload(call))
    finally:
        incoming.close()
        uploads.give(settings)


async def _read(incoming: Incoming, upload: Upload) -> Response:
    while not incoming.whole:
        data = await incoming.batch()
        await upload.take(data, last=incoming.whole)
        if incoming.gone:
            raise HungUp
    return Response(
        f"{upload.stored} entries stored, {upload.known} known, {upload.refused} refused\n",
        media_type="text/plain",
    )


def _authorization(scope: Scope) -> bytes:
    return as_bearer(header_of(scope, b"authorization"))


def _refused(error: IndelibleError, _scope: Scope) -> Response:
    """An error, behind which the rest of the upload is not read."""
    answer = error_answer(error)
    if error.status == DiskFull.status:
        answer.status_code = Busy.status
    answer.headers["Connection"] = "close"
    return answer


ROUTES = (
    Route(
        method="POST",
        path="/upload",
        permission=Permission.WRITE,
        name="uploadJournal",
        summary="Store entries of a systemd journal, as systemd-journal-upload sends them",
        handler=post,
        asks=journal_export.MEDIA_TYPE,
        answer="text/plain",
        access=Access.CERTIFICATE,
        manners=Manners(_authorization, _refused),
    ),
)
