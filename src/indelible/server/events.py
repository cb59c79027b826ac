"""`POST /v1/events`: the hot path. A plain ASGI application below the router.

One look at each header, one hash for the token, one parse, one submission, two messages out. It
does by hand what `server.door` does for every other route; the tests hold the two to the same
behaviour.
"""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from indelible.access import Permission, Principal, decide
from indelible.base.clock import monotonic
from indelible.base.errors import BadRequest, Busy, Forbidden, IndelibleError, Unauthenticated
from indelible.base.limits import HEADER_CHARS
from indelible.ingest.parsed import Parsed, Rejected
from indelible.ingest.parsers.native import parse_native
from indelible.ingest.submission import Submission
from indelible.server.binding import bind, check_key, keyed
from indelible.server.bodies import read_body, unpack
from indelible.server.connection import HOLD
from indelible.server.context import Context
from indelible.server.credentials import peer_of
from indelible.server.door import (
    NO_STORE,
    SECURITY_HEADERS,
    STRICT_TRANSPORT,
    report_refusal,
)
from indelible.server.errors import RETRY_AFTER, error_body, unexpected
from indelible.server.submitting import submit

PATH = "/v1/events"
PARSER = "native/1"
_JSON = (b"content-type", b"application/json")


class PostEvents:
    """The ASGI application of `POST /v1/events`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        tls = context.settings.tls_cert is not None
        # What matters for JSON that no browser renders: each header costs every answer.
        strict = [STRICT_TRANSPORT] if tls else []
        self._headers = [_JSON, NO_STORE, *SECURITY_HEADERS[:2], *strict]
        self._mutual = context.settings.tls_client_ca is not None
        self._tls = "server" if tls else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens."""
        began = monotonic()
        extra: list[tuple[bytes, bytes]] = []
        try:
            answer = await self._answer(scope, receive)
        except IndelibleError as error:
            answer = error.status, error_body(error)
            extra = _error_headers(error)
        except Exception as error:  # noqa: BLE001 - the last line of defence answers, logged by id
            failure = unexpected(error)
            answer = failure.status, error_body(failure)
        if answer is None:
            return
        status, body = answer
        self._context.metrics.answered(PATH, status, monotonic() - began)
        length = (b"content-length", b"%d" % len(body))
        headers = [*self._headers, length, *extra]
        if (hold := scope.get(HOLD)) is not None:
            hold()
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes] | None:
        """Status and body; None when the sender hung up before its events were whole."""
        context = self._context
        authorization = encoding = length = key_header = b""
        for name, value in scope["headers"]:
            if name == b"authorization" and not authorization:
                authorization = value
            elif name == b"content-length":
                length = value
            elif name == b"content-encoding":
                encoding = value
            elif name == b"idempotency-key":
                key_header = value
        peer = peer_of(scope, context.trusted)
        principal = await self._admit(scope, authorization, peer)
        try:
            receipts = _wants_receipts(scope["query_string"])
            key = check_key(key_header.decode("latin-1")) if key_header else ""
            body = await read_body(
                receive, context.reading, context.patience, declared=length
            )
            if body is None:
                return None
            plain = unpack(body, encoding) if encoding else body
            events, refused = await context.parsed(_understood, plain, principal.tenant, key)
        except Busy:
            raise
        except IndelibleError:
            await self._count_refused(principal, peer)
            raise
        context.metrics.ingest_bytes += len(plain)
        del body, plain  # while the ledger waits, only the events are held
        submission = Submission(
            source=principal.source,
            tenant=principal.tenant,
            events=events,
            protocol="http",
            parser=PARSER,
            peer=peer,
            tls=tls_name(context, scope) if self._mutual else self._tls,
            rejected=len(refused),
        )
        return await submit(context, submission, refused, receipts)

    async def _admit(self, scope: Scope, authorization: bytes, peer: str) -> Principal:
        context = self._context
        try:
            principal = context.tokens.principal(authorization)
        except Unauthenticated as error:
            if authorization:
                await report_refusal(context, scope, None, peer, "credential", error.message)
            raise
        if principal.token in context.tokens.writers:
            return principal
        decision = decide(principal, Permission.WRITE)
        if not decision.allowed:
            await report_refusal(context, scope, principal, peer, "events", decision.why)
            raise Forbidden(decision.why)
        context.tokens.check_enabled(principal.source, principal.tenant)
        return principal

    async def _count_refused(self, principal: Principal, peer: str) -> None:
        """A request refused whole counts as one refusal of its source."""
        self._context.metrics.rejected += 1
        await self._context.rooms.submit(
            Submission(
                source=principal.source,
                tenant=principal.tenant,
                events=[],
                protocol="http",
                parser=PARSER,
                peer=peer,
                rejected=1,
            )
        )


def _understood(
    body: bytes, tenant: str, key: str
) -> tuple[list[Parsed], list[Rejected]]:
    """The events of a body, bound to the token's tenant and the request's key; what was refused."""
    events, refused = parse_native(body)
    if not (key or tenant):
        return events, refused
    events, others = bind(events, tenant, keyed(key) if key else None)
    return events, in_order(refused, others)


def tls_name(context: Context, scope: Scope) -> str:
    """What `via.tls` says: nothing in clear, `server`, or `client` and the certificate's name."""
    if context.settings.tls_cert is None:
        return ""
    name = scope.get("extensions", {}).get("tls", {}).get("client_cert_name", "")
    return f"client {name}"[:HEADER_CHARS] if name else "server"


def in_order(left: list[Rejected], right: list[Rejected]) -> list[Rejected]:
    """Refusals by line."""
    if not right:
        return left
    return sorted([*left, *right], key=lambda refusal: refusal.line)


def _wants_receipts(query: bytes) -> bool:
    if not query or query == b"receipts=0":
        return False
    if query == b"receipts=1":
        return True
    shown = query[:HEADER_CHARS].decode("latin-1")
    raise BadRequest(f"{shown!r} is not understood; the only parameter is receipts=1")


def _error_headers(error: IndelibleError) -> list[tuple[bytes, bytes]]:
    headers = []
    if error.status in RETRY_AFTER:
        headers.append((b"retry-after", RETRY_AFTER[error.status].encode()))
    if error.status == 401:
        headers.append((b"www-authenticate", b'Bearer realm="indelible"'))
    if error.status in (408, 413):
        headers.append((b"connection", b"close"))
    return headers


