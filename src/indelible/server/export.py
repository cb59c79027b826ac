"""Taking events away in bulk, as a stream. Recorded before the first byte leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal, cast

from starlette.responses import Response

from indelible.access import Permission
from indelible.base.errors import BadRequest, Unauthenticated
from indelible.base.limits import EXPORT_ROWS
from indelible.base.recorder import Fact
from indelible.query.model import ExportRequest
from indelible.server.call import Call
from indelible.server.route import Parameter, Route
from indelible.server.search import SINCE, UNTIL, Q, asked
from indelible.server.streams import Stream

_TYPES = {
    "ndjson": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}


async def export(call: Call) -> Response:
    """All matching events in index order."""
    name = call.text("format")
    if name not in _TYPES:
        raise BadRequest(f"format is {', '.join(_TYPES)}, not {name!r}", field="format")
    found = asked(call)
    request = ExportRequest(
        scope=call.principal.scope,
        predicate=found.query.predicate,
        since_us=found.since_us,
        until_us=found.until_us,
        size=found.size,
        format=cast(Literal["ndjson", "csv", "parquet"], name),
        limit=call.integer("limit", 1, EXPORT_ROWS),
    )
    slots = call.context.exports
    slots.take()
    try:
        chunks = call.rooms.export(request)
        first = await anext(chunks, b"")
        facts: dict[str, Fact] = dict(call.request.query_params.items())
        await call.record("indelible.export", "export", data={**facts, "format": name})
    except BaseException:
        slots.give()
        raise
    return Stream(
        _from(call, first, chunks),
        _TYPES[name],
        slots.give,
        {"Content-Disposition": f'attachment; filename="events.{name}"'},
    )


async def _from(
    call: Call, first: bytes, chunks: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    """All chunks; breaks off when the token is revoked, so that nobody takes it for whole."""
    yield first
    async for chunk in chunks:
        if call.revoked:
            raise Unauthenticated("the token was revoked while events were exported")
        yield chunk


ROUTES = (
    Route(
        method="GET",
        path="/v1/export",
        permission=Permission.EXPORT,
        name="export",
        summary="All matching events in the log's order, as NDJSON, CSV or Parquet",
        handler=export,
        answer="application/x-ndjson",
        parameters=(
            Q,
            SINCE,
            UNTIL,
            Parameter("format", "ndjson, csv or parquet", default="ndjson"),
            Parameter("limit", "at most this many events", "integer"),
            Parameter("size", "for this tree size; absent: the newest", "integer"),
        ),
    ),
)
