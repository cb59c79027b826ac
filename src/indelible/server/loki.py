"""Loki's push API: `POST /loki/api/v1/push` in JSON, and `/ready`.

204 when every entry is durable. Errors are texts, as Loki's are; of a request with bad entries the
good ones are stored and the answer is 400, as Loki does it. Senders try again after 429 and 5xx. A
client carries its token as Basic password or as bearer token. `X-Scope-OrgID` is kept with the
events and decides nothing: whose they are is the token's.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response
from starlette.types import Scope

from indelible.access import Permission
from indelible.base.errors import BadRequest, Busy, DiskFull, IndelibleError
from indelible.base.limits import NAME_CHARS
from indelible.ingest.parsers.contract import Given
from indelible.ingest.protocols import loki
from indelible.ingest.protocols.message import Taken
from indelible.server.call import Call
from indelible.server.credentials import as_bearer, header_of
from indelible.server.errors import RETRY_AFTER, UnsupportedEncoding
from indelible.server.receiving import receive
from indelible.server.route import Access, Manners, Route

PROTOCOL: Final = "loki"
_TEXT: Final = "text/plain"
_REMEDY: Final = (
    "Send JSON with `Content-Type: application/json`, plain or with `Content-Encoding: gzip` or "
    "`zstd`. docs/sources/loki.md names the setting of each sender, and the way for those that "
    "have none: OpenTelemetry logs."
)


async def push(call: Call) -> Response:
    """Store every entry of a push."""
    org = _org(call)

    def take(body: bytes, given: Given) -> Taken:
        _check_type(call.request.scope, body)
        return loki.take(body, given, org)

    received = await receive(call, PROTOCOL, take)
    if received.refused:
        return _answer(loki.partly(len(received.events), received.refused), BadRequest.status)
    return Response(status_code=204)


async def ready(call: Call) -> Response:
    """Whether entries are taken now."""
    if call.rooms.readiness().ready and not call.context.draining.is_set():
        return _answer("ready", 200)
    return _answer("not ready", Busy.status)


def _org(call: Call) -> str:
    """The tenant that a sender names, as far as it can be kept."""
    found = header_of(call.request.scope, b"x-scope-orgid").decode("latin-1")
    return found if len(found) <= NAME_CHARS and found.isprintable() else ""


def _check_type(scope: Scope, body: bytes) -> None:
    """Raise `UnsupportedEncoding` for what is not said to be JSON, nor looks like it unsaid."""
    kind = header_of(scope, b"content-type").partition(b";")[0].strip().lower().decode("latin-1")
    if kind == loki.JSON or (not kind and body.lstrip().startswith(b"{")):
        return
    if kind in ("", "application/x-protobuf"):
        raise UnsupportedEncoding("Protocol Buffers packed with snappy are not spoken here")
    raise UnsupportedEncoding(f"the Content-Type {kind[:NAME_CHARS]!r} is not understood")


def refused(error: IndelibleError, scope: Scope) -> Response:
    """An error as a text; a full disk is asked again later, like a busy ledger."""
    remedy = _REMEDY if isinstance(error, UnsupportedEncoding) else error.remedy
    status = Busy.status if error.status == DiskFull.status else error.status
    answer = _answer(f"{error.message} [{error.code}]. {remedy}", status)
    if error.status in RETRY_AFTER:
        answer.headers["Retry-After"] = RETRY_AFTER[error.status]
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="indelible"'
    return answer


def _answer(text: str, status: int) -> Response:
    return Response(f"{text}\n", status_code=status, media_type=_TEXT)


def _authorization(scope: Scope) -> bytes:
    return as_bearer(header_of(scope, b"authorization"))


_MANNERS: Final = Manners(_authorization, refused)

ROUTES = (
    Route(
        method="POST", path="/loki/api/v1/push", permission=Permission.WRITE, name="lokiPush",
        summary="Store entries as Loki's push API takes them (JSON)", handler=push,
        asks=loki.JSON, answer=_TEXT, status=204, any_parameter=True, manners=_MANNERS,
    ),
    Route(
        method="GET", path="/ready", permission=Permission.DESCRIBE, name="lokiReady",
        summary="Whether Loki's clients may send", handler=ready, answer=_TEXT,
        access=Access.OPEN, any_parameter=True, manners=_MANNERS,
    ),
)
