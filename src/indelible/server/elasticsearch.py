"""Elasticsearch's bulk API, as far as shippers need it: `_bulk`, `_doc`, `_create`, and what they
ask before.

Nothing here searches, and nothing is ever changed or deleted. Back-pressure is 429 with
`es_rejected_execution_exception`, for which every shipper waits. A client may carry its token as
Basic password, as API key or as bearer token. Every answer names the product, without which
Elastic's own clients refuse to go on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.responses import Response
from starlette.types import Scope

from indelible.access import Permission
from indelible.base.clock import monotonic
from indelible.base.errors import BadRequest, Forbidden, IndelibleError, NotFound
from indelible.ingest.parsers.contract import Given
from indelible.ingest.protocols import elasticsearch as es
from indelible.ingest.protocols.message import Taken
from indelible.server.call import Call
from indelible.server.credentials import as_bearer, header_of
from indelible.server.errors import RETRY_AFTER, UnsupportedEncoding, error_answer
from indelible.server.receiving import receive, settings_of
from indelible.server.route import Handler, Manners, Route

PROTOCOL: Final = "elasticsearch"
_JSON: Final = "application/json"
_TYPES: Final = (
    b"application/json", b"application/x-ndjson", b"application/vnd.elasticsearch+json",
    b"application/vnd.elasticsearch+x-ndjson",
)
_PRODUCT: Final = {"X-Elastic-Product": "Elasticsearch"}


def _media(scope: Scope) -> str:
    """The type of an answer: as Elasticsearch does, the version that the client asked for."""
    for kind in header_of(scope, b"accept").decode("latin-1").split(","):
        name, _, rest = kind.strip().partition(";")
        version = rest.strip().removeprefix("compatible-with=")
        if name.strip().startswith("application/vnd.elasticsearch+") and version in ("8", "9"):
            return f"application/vnd.elasticsearch+json;compatible-with={version}"
    return _JSON


def _answer(call: Call, content: bytes, status: int = 200) -> Response:
    return Response(
        content, status_code=status, headers=_PRODUCT, media_type=_media(call.request.scope)
    )


def refused(error: IndelibleError, scope: Scope) -> Response:
    """An error as Elasticsearch words it; a full queue is 429, a full disk 503."""
    status = {507: 503}.get(error.status, 429 if error.code == "busy" else error.status)
    headers = dict(_PRODUCT)
    if error.status in RETRY_AFTER:
        headers["Retry-After"] = RETRY_AFTER[error.status]
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="indelible" charset="UTF-8"'
    return Response(
        es.failure(error, status), status_code=status, headers=headers, media_type=_media(scope)
    )


def _authorization(scope: Scope) -> bytes:
    return as_bearer(header_of(scope, b"authorization"))


def _check_type(call: Call) -> None:
    found = header_of(call.request.scope, b"content-type").partition(b";")[0].strip().lower()
    if found and found not in _TYPES:
        raise UnsupportedEncoding(
            f"the Content-Type {found.decode('latin-1')!r} is not understood",
            remedy="Send application/x-ndjson or application/json.",
        )


async def bulk(call: Call) -> Response:
    """Store every document of a bulk request; the answer has an item for each action."""
    _check_type(call)
    began = monotonic()
    index = call.path_text("index") if "index" in call.request.path_params else ""
    holder: list[es.Bulk] = []

    def take(body: bytes, given: Given) -> Taken:
        holder.append(es.take_bulk(body, index, given))
        if not holder[0].items:
            raise BadRequest("the request body is required: it holds no action", code="empty")
        return holder[0].taken

    received = await receive(call, PROTOCOL, take)
    took = round((monotonic() - began) * 1000)
    return _answer(
        call,
        es.bulk_answer(holder[0], received.events, received.refused, received.result, took),
    )


async def index_document(call: Call) -> Response:
    """Store one document, whatever there is under its id."""
    wants = call.request.query_params.get("op_type")
    return await _document(call, es.CREATE if wants == es.CREATE else es.INDEX)


async def create_document(call: Call) -> Response:
    """Store one document that is to be the first of its id."""
    return await _document(call, es.CREATE)


async def _document(call: Call, action: str) -> Response:
    _check_type(call)
    parts = call.request.path_params
    item = es.Item(action, str(parts["index"]), str(parts.get("id", "")))

    def take(body: bytes, given: Given) -> Taken:
        return es.take_one(body, item, given)

    received = await receive(call, PROTOCOL, take)
    if received.refused:
        status, content = es.refused(item, received.refused[0])
        return _answer(call, content, status)
    index, duplicate = received.result.indexes[0], bool(received.result.duplicates)
    status, content = es.one_answer(item, index, duplicate)
    return _answer(call, content, status)


def _asked(about: Callable[[Call], Response]) -> Handler:
    """A handler of what shippers ask before they send: for sources of this protocol only."""

    async def handler(call: Call) -> Response:
        try:
            settings_of(call, PROTOCOL)
        except Forbidden as error:  # nobody else is to think that this is Elasticsearch
            raise NotFound(f"there is nothing at {call.request.url.path}") from error
        return about(call)

    return handler


def _info(call: Call) -> Response:
    name = call.context.settings.origin
    return _answer(call, es.info(name, name))


def _license(call: Call) -> Response:
    return _answer(call, es.LICENSE)


def _xpack(call: Call) -> Response:
    return _answer(call, es.XPACK)


def _health(call: Call) -> Response:
    return _answer(call, es.health(call.context.settings.origin))


def _cat_health(call: Call) -> Response:
    line = f"{call.context.settings.origin} green 1 1\n"
    return Response(line, headers=_PRODUCT, media_type="text/plain")


_DOCUMENTS: Final = "application/x-ndjson"
_MANNERS: Final = Manners(_authorization, refused)
_ASKING: Final = Manners(_authorization, lambda error, scope: error_answer(error))


def _bulk_route(method: str, path: str, name: str) -> Route:
    return Route(
        method=method, path=path, permission=Permission.WRITE, name=name,
        summary="Store documents as Elasticsearch's bulk API takes them", handler=bulk,
        asks=_DOCUMENTS, answer=_JSON, any_parameter=True, manners=_MANNERS,
    )


def _one_route(method: str, path: str, name: str, handler: Handler) -> Route:
    return Route(
        method=method, path=path, permission=Permission.WRITE, name=name,
        summary="Store one document as Elasticsearch takes it",
        handler=handler, asks=_JSON, answer=_JSON, status=201,
        any_parameter=True, manners=_MANNERS,
    )


def _asked_route(
    method: str, path: str, name: str, about: Callable[[Call], Response]
) -> Route:
    return Route(
        method=method, path=path, permission=Permission.DESCRIBE, name=name,
        summary="What shippers of Elasticsearch documents ask before they send",
        handler=_asked(about), answer=_JSON, any_parameter=True, manners=_ASKING,
    )


ROUTES = (
    _bulk_route("POST", "/_bulk", "bulk"),
    _bulk_route("PUT", "/_bulk", "putBulk"),
    _bulk_route("POST", "/{index}/_bulk", "bulkInto"),
    _bulk_route("PUT", "/{index}/_bulk", "putBulkInto"),
    _one_route("POST", "/{index}/_doc", "indexDocument", index_document),
    _one_route("POST", "/{index}/_doc/{id:path}", "indexDocumentAs", index_document),
    _one_route("PUT", "/{index}/_doc/{id:path}", "putDocumentAs", index_document),
    _one_route("POST", "/{index}/_create/{id:path}", "createDocument", create_document),
    _one_route("PUT", "/{index}/_create/{id:path}", "putCreateDocument", create_document),
    _asked_route("GET", "/", "elasticsearch", _info),
    _asked_route("HEAD", "/", "pingElasticsearch", _info),
    _asked_route("GET", "/_license", "elasticsearchLicense", _license),
    _asked_route("GET", "/_xpack", "elasticsearchFeatures", _xpack),
    _asked_route("GET", "/_cluster/health", "elasticsearchHealth", _health),
    _asked_route("GET", "/_cat/health", "elasticsearchHealthLine", _cat_health),
)
