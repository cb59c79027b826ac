"""`POST /v1/logs`: OpenTelemetry's log records over HTTP (OTLP/HTTP 1.x).

Answered in the encoding of the request, when all records are durable: success, or partial success
with the number refused and the first reason. Errors are a `google.rpc.Status`; 429 and 503 ask the
sender to come again, everything else tells it that the same request will not do.
"""

from __future__ import annotations

from typing import Final

from starlette.responses import Response
from starlette.types import Scope

from indelible.access import Permission
from indelible.base.errors import IndelibleError
from indelible.ingest.parsers.contract import Given
from indelible.ingest.protocols import otlp
from indelible.ingest.protocols.message import Taken
from indelible.server.call import Call
from indelible.server.credentials import header_of
from indelible.server.errors import RETRY_AFTER, UnsupportedEncoding
from indelible.server.receiving import receive
from indelible.server.route import Manners, Route

PROTOCOL: Final = "otlp"


async def post(call: Call) -> Response:
    """Store every record of an export."""
    media = _media(call.request.scope)
    if media is None:
        raise UnsupportedEncoding(
            f"logs come as {otlp.PROTOBUF} or {otlp.JSON}",
            remedy=f"Send `Content-Type: {otlp.PROTOBUF}`, which exporters call http/protobuf.",
        )

    def take(body: bytes, given: Given) -> Taken:
        return otlp.take(body, media, given)

    received = await receive(call, PROTOCOL, take)
    return Response(otlp.success(media, received.refused), media_type=media)


def _media(scope: Scope) -> str | None:
    kind = header_of(scope, b"content-type").partition(b";")[0].strip().lower()
    if kind == otlp.PROTOBUF.encode():
        return otlp.PROTOBUF
    return otlp.JSON if kind == otlp.JSON.encode() else None


def refused(error: IndelibleError, scope: Scope) -> Response:
    """An error as clients of OTLP read it: only 429, 502, 503 and 504 are tried again."""
    media = _media(scope) or otlp.JSON
    status = 503 if error.status == 507 else error.status
    headers = {"Retry-After": RETRY_AFTER[error.status]} if error.status in RETRY_AFTER else {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="indelible"'
    message = f"{error.message} [{error.code}]. {error.remedy}"
    return Response(
        otlp.failure(media, message), status_code=status, media_type=media, headers=headers
    )


def _authorization(scope: Scope) -> bytes:
    return header_of(scope, b"authorization")


ROUTES = (
    Route(
        method="POST",
        path="/v1/logs",
        permission=Permission.WRITE,
        name="exportLogs",
        summary="Store OpenTelemetry log records (OTLP/HTTP, protobuf or JSON)",
        handler=post,
        asks=otlp.PROTOBUF,
        answer=otlp.PROTOBUF,
        any_parameter=True,
        manners=Manners(_authorization, refused),
    ),
)
