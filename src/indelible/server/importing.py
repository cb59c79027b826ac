"""`POST /v1/import`: messages of a file, read by a named parser, usually marked as backfill.

The sender (`indelible import`) unpacks and splits the file; the body is the wire form of
`ingest.importer`, NDJSON of `ImportLine`: each message with its number and an id made from the
file's content, so that a repeated, grown or recompressed file adds nothing twice.
"""

from __future__ import annotations

from msgspec.structs import replace
from starlette.responses import Response

from indelible.access import Permission, Principal, Resource, Role, decide
from indelible.base.clock import wall_us
from indelible.base.errors import BadRequest, Busy, Forbidden, IndelibleError
from indelible.base.limits import NAME_CHARS, REQUEST_BYTES
from indelible.ingest.importer import parse_import, version_of
from indelible.ingest.parsed import Parsed, Rejected
from indelible.ingest.parsers.contract import Given
from indelible.ingest.sources import zone_of
from indelible.ingest.submission import Submission
from indelible.server.binding import bind
from indelible.server.call import Call, encoded
from indelible.server.events import in_order, tls_name
from indelible.server.route import Parameter, Route
from indelible.server.submitting import SubmitAnswer, submit


async def post(call: Call) -> Response:
    """Store the messages; the answer is that of `POST /v1/events`."""
    name = call.text("parser")
    version = version_of(name)
    given = Given(now_us=wall_us(), zone=zone_of(call.text("zone")), proxies=call.context.trusted)
    source = _source(call, call.principal, name)
    receipts, backfill = call.flag("receipts"), call.flag("backfill")
    submission = Submission(
        source=source,
        tenant=call.principal.tenant,
        events=[],
        protocol="import",
        parser=version,
        peer=call.peer,
        tls=tls_name(call.context, call.request.scope),
        backfill=backfill,
    )
    try:
        body = await call.raw(REQUEST_BYTES)
        tenant = call.principal.tenant
        events, refused = await call.context.parsed(
            lambda text: _understood(text, name, given, tenant), body
        )
    except Busy:
        raise
    except IndelibleError:
        call.context.metrics.rejected += 1
        await call.rooms.submit(replace(submission, rejected=1))
        raise
    call.context.metrics.ingest_bytes += len(body)
    whole = replace(submission, events=events, rejected=len(refused))
    status, answer = await submit(call.context, whole, refused, receipts)
    return encoded(answer, status)


def _understood(
    body: bytes, parser: str, given: Given, tenant: str
) -> tuple[list[Parsed], list[Rejected]]:
    """The events of a batch, bound to the token's tenant, and what was refused."""
    events, refused = parse_import(body, parser, given)
    events, others = bind(events, tenant, None)
    return events, in_order(refused, others)


def _source(call: Call, principal: Principal, parser: str) -> str:
    """A writer's own source; an admin names one, or the parser's name stands for it."""
    asked = call.text("source")
    writer = principal.role is Role.WRITER
    source = asked or (principal.source if writer else parser)
    decision = decide(
        principal, Permission.IMPORT, Resource(source=source, tenant=principal.tenant)
    )
    if not decision.allowed:
        raise Forbidden(
            decision.why, field="source",
            remedy="Leave the source out, or take a token of that source, or an admin's.",
        )
    call.context.tokens.check_enabled(source, principal.tenant)
    if len(source) > NAME_CHARS or not source.isprintable() or source != source.strip():
        raise BadRequest(f"a source has 1 to {NAME_CHARS} printable characters", field="source")
    return source


ROUTES = (
    Route(
        method="POST",
        path="/v1/import",
        permission=Permission.IMPORT,
        name="importEvents",
        summary="Store messages of a file with a named parser (NDJSON of line, id, raw)",
        handler=post,
        asks="application/x-ndjson",
        answer=SubmitAnswer,
        parameters=(
            Parameter("parser", "the format: native, auto, cloudtrail, ...", default="native"),
            Parameter("zone", "time zone of times that name none", default="UTC"),
            Parameter("source", "an admin's choice; absent: the parser's name"),
            Parameter("backfill", "1: these are old events, not late ones", "flag"),
            Parameter("receipts", "1: a receipt for every line", "flag"),
        ),
    ),
)
