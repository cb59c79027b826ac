"""What the foreign protocols over HTTP share: whose source it is, reading, storing, counting.

A token writes over the protocol that its source is registered for and over no other, so that
nobody's events are read by rules that nobody chose. What a request holds is made durable before
`receive` returns; what could not be kept is counted as refused by its source.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from indelible.access import Principal
from indelible.base.clock import wall_us
from indelible.base.errors import Busy, Forbidden, IndelibleError
from indelible.base.limits import REQUEST_BYTES
from indelible.ingest.parsed import Parsed, Rejected
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import parser_named
from indelible.ingest.protocols.message import Taken, understood
from indelible.ingest.sources import SourceSettings
from indelible.ingest.submission import Submission, SubmitResult
from indelible.server.binding import bind
from indelible.server.call import Call
from indelible.server.context import Context
from indelible.server.door import report_refusal
from indelible.server.events import in_order, tls_name

T = TypeVar("T")


class Received(NamedTuple):
    """What became of a request: its events, durable; what was refused; and where they are."""

    events: list[Parsed]
    refused: list[Rejected]
    result: SubmitResult


NOTHING = SubmitResult(indexes=())


def settings_of(call: Call, protocol: str) -> SourceSettings:
    """The caller's source as it is configured; raises Forbidden unless it is for `protocol`."""
    principal: Principal = call.principal
    call.context.tokens.check_enabled(principal.source, principal.tenant)
    configured = call.rooms.configured(principal.source, principal.tenant)
    if configured is None or configured.settings.protocol != protocol:
        known = configured.settings.protocol if configured is not None else "native"
        raise Forbidden(
            f"the source {principal.source!r} is registered for {known}, not for {protocol}",
            code="wrong_protocol",
            remedy=f"`indelible source add NAME --protocol {protocol}` registers one and makes its "
            "token.",
        )
    return configured.settings


def given_of(context: Context, settings: SourceSettings) -> Given:
    """What is known of every message that a source sends now."""
    return Given(now_us=wall_us(), zone=ZoneInfo(settings.zone), proxies=context.trusted)


async def receive(call: Call, protocol: str, take: Callable[[bytes, Given], Taken]) -> Received:
    """Read the body, take it apart, parse, store; return when all of it is durable.

    `take` runs beside other requests when the body is large. Raises what the body, `take` and the
    ledger raise; a request that is refused whole counts as one refusal.
    """
    try:
        settings = settings_of(call, protocol)
    except Forbidden as error:
        await report_refusal(
            call.context, call.request.scope, call.principal, call.peer, protocol, error.message
        )
        raise
    empty = submission(call, settings)
    given = given_of(call.context, settings)
    try:
        body = await call.raw(REQUEST_BYTES)
        events, refused = await call.context.parsed(
            lambda text: read(take(text, given), settings), body
        )
    except Busy:
        raise
    except IndelibleError:
        call.context.metrics.rejected += 1
        await call.rooms.submit(replace(empty, rejected=1))
        raise
    call.context.metrics.ingest_bytes += len(body)
    return await store(call, empty, events, refused)


def submission(call: Call, settings: SourceSettings) -> Submission:
    """A submission of a source, still without events."""
    return Submission(
        source=settings.id, tenant=settings.tenant, events=[], protocol=settings.protocol,
        parser=parser_named(settings.parser).version, peer=call.peer,
        tls=tls_name(call.context, call.request.scope),
    )


def read(taken: Taken, settings: SourceSettings) -> tuple[list[Parsed], list[Rejected]]:
    """What a request held as events of its source and tenant, and what was refused, by line."""
    events, refused = understood(taken, parser_named(settings.parser))
    events, others = bind(events, settings.tenant, None)
    return events, in_order(refused, others)


async def store(
    call: Call, empty: Submission, events: list[Parsed], refused: list[Rejected]
) -> Received:
    """Hand events to the ledger, and count; return when they are durable."""
    if not events and not refused:
        return Received(events, refused, NOTHING)
    result = await call.rooms.submit(replace(empty, events=events, rejected=len(refused)))
    metrics = call.context.metrics
    metrics.taken(len(events), result)
    metrics.rejected += len(refused)
    return Received(events, refused, result)


_kept: WeakKeyDictionary[Context, dict[type, object]] = WeakKeyDictionary()


def kept(context: Context, kind: type[T]) -> T:
    """The one object of a kind that a protocol keeps in memory while a ledger is served."""
    mine = _kept.setdefault(context, {})
    found = mine.get(kind)
    if found is None:
        found = mine[kind] = kind()
    assert isinstance(found, kind)
    return found
