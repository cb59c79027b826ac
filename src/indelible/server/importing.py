"""`POST /v1/import`: lines of a file, read by a named parser, usually marked as backfill.

The sender reads and splits the file (`indelible import`). Lines without an id of their own get
one from the header `Idempotency-Key: K` (line n becomes `K/n`), or with `line_ids=1` one each:
then every line of the body is its id, a tab, and the text.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from starlette.responses import Response

from indelible.access import Permission, Principal, Resource, Role, decide
from indelible.base.errors import BadRequest, Forbidden, IndelibleError
from indelible.base.limits import NAME_CHARS, REQUEST_COMPRESSED_BYTES
from indelible.ingest.parsed import Parsed, Rejected
from indelible.ingest.parsers.native import parse_native
from indelible.server.binding import IdOf, bind, check_key, keyed
from indelible.server.call import Call, encoded
from indelible.server.events import in_order, tls_name
from indelible.server.rooms import Submission
from indelible.server.route import Parameter, Route
from indelible.server.submitting import SubmitAnswer, submit

Parser = Callable[[bytes], tuple[list[Parsed], list[Rejected]]]
PARSERS: MappingProxyType[str, tuple[Parser, str]] = MappingProxyType(
    {"native": (parse_native, "native/1")}
)
"""Parsers by name, and what `via.parser` says: name and version."""


async def post(call: Call) -> Response:
    """Store the lines; the answer is that of `POST /v1/events`."""
    name = call.text("parser")
    if name not in PARSERS:
        raise BadRequest(f"parser is {', '.join(PARSERS)}, not {name!r}", field="parser")
    parser, version = PARSERS[name]
    source = _source(call, call.principal, name)
    body = await call.raw(REQUEST_COMPRESSED_BYTES)
    backfill = call.flag("backfill")
    submission = Submission(
        source=source,
        tenant=call.principal.tenant,
        events=[],
        protocol="import",
        parser=version,
        peer=call.peer,
        tls=tls_name(call.context),
        backfill=backfill,
    )
    try:
        id_of, text = _ids(call, body)
        events, refused = parser(text)
    except IndelibleError:
        call.context.metrics.rejected += 1
        await call.rooms.submit(_with(submission, [], 1))
        raise
    call.context.metrics.ingest_bytes += len(text)
    events, others = bind(events, call.principal.tenant, id_of)
    refused = in_order(refused, others)
    status, answer = await submit(
        call.context,
        _with(submission, events, len(refused)),
        refused,
        call.flag("receipts"),
    )
    return encoded(answer, status)


def _with(submission: Submission, events: list[Parsed], rejected: int) -> Submission:
    return Submission(
        source=submission.source,
        tenant=submission.tenant,
        events=events,
        protocol=submission.protocol,
        parser=submission.parser,
        peer=submission.peer,
        tls=submission.tls,
        backfill=submission.backfill,
        rejected=rejected,
    )


def _source(call: Call, principal: Principal, parser: str) -> str:
    """A writer's own source; an admin names one, or the parser's name stands for it."""
    asked = call.text("source")
    writer = principal.role is Role.WRITER
    source = asked or (principal.source if writer else parser)
    decision = decide(
        principal, Permission.IMPORT, Resource(source=source, tenant=principal.tenant)
    )
    if not decision.allowed:
        raise Forbidden(decision.why, field="source")
    if len(source) > NAME_CHARS or not source.isprintable() or source != source.strip():
        raise BadRequest(f"a source has 1 to {NAME_CHARS} printable characters", field="source")
    return source


def _ids(call: Call, body: bytes) -> tuple[IdOf | None, bytes]:
    """Where ids come from, and the lines without them."""
    key = call.header("idempotency-key")
    if not call.flag("line_ids"):
        return (keyed(check_key(key)) if key else None), body
    if key:
        raise BadRequest("line_ids=1 and Idempotency-Key exclude each other", field="line_ids")
    ids: list[str] = []
    lines: list[bytes] = []
    for number, line in enumerate(body.removesuffix(b"\n").split(b"\n"), start=1):
        event_id, tab, text = line.partition(b"\t")
        if not tab or not event_id or len(event_id) > NAME_CHARS or not event_id.isascii():
            raise BadRequest(
                f"line {number} does not begin with an id (ASCII, at most {NAME_CHARS} "
                "characters) and a tab",
                field="line_ids",
            )
        ids.append(event_id.decode())
        lines.append(text)
    return (lambda line: ids[line - 1]), b"\n".join(lines)


ROUTES = (
    Route(
        method="POST",
        path="/v1/import",
        permission=Permission.IMPORT,
        name="importEvents",
        summary="Store the lines of a file with a named parser",
        handler=post,
        asks="application/x-ndjson",
        answer=SubmitAnswer,
        parameters=(
            Parameter("parser", "native or cloudtrail", default="native"),
            Parameter("source", "an admin's choice; absent: the parser's name"),
            Parameter("backfill", "1: these are old events, not late ones", "flag"),
            Parameter("line_ids", "1: each line is an id, a tab, the text", "flag"),
            Parameter("receipts", "1: a receipt for every line", "flag"),
        ),
    ),
)
