"""Live events as server-sent events: `id` is the index, `data` is {"index", "sentence", "event"}.

Resumable: `from=INDEX`, or the header Last-Event-ID that browsers send again by themselves. Only
committed events are sent. Recorded when it opens, with its query, and counted once a minute while
it stays open. It ends when its token is revoked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
from starlette.responses import Response

from indelible.access import Permission
from indelible.base.clock import monotonic, wall_us
from indelible.base.errors import BadRequest
from indelible.base.limits import COUNTED_SECONDS
from indelible.base.recorder import Fact
from indelible.event.model import read_body
from indelible.event.predicate import both
from indelible.event.sentence import sentence
from indelible.language.parser import parse
from indelible.server.call import Call
from indelible.server.route import Parameter, Route
from indelible.server.search import Q
from indelible.server.streams import Stream

_INDEX_MAX = (1 << 63) - 1


class TailEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One live event."""

    index: int
    sentence: str
    event: msgspec.Raw


def _start(call: Call) -> int:
    start = call.integer("from", 0, _INDEX_MAX)
    if start is not None:
        return start
    last = call.header("last-event-id")
    if not last:
        return call.rooms.status().size
    if not (last.isascii() and last.isdigit() and len(last) < 20):
        raise BadRequest(f"{last!r} is not an index", field="Last-Event-ID")
    return int(last) + 1


async def tail(call: Call) -> Response:
    """Follow the log from an index on."""
    start = _start(call)
    wanted = both(call.principal.scope, parse(call.text("q"), wall_us()).bounded())
    slots = call.context.tails
    slots.take()
    try:
        await _report(call, start, 0, counted=False)
        batches = call.rooms.tail(start, wanted)
    except BaseException:
        slots.give()
        raise
    return Stream(_lines(call, start, batches), "text/event-stream", slots.give)


async def _report(call: Call, start: int, sent: int, *, counted: bool) -> None:
    data: dict[str, Fact] = {"q": call.text("q"), "from": start, "sent": sent}
    await call.record("indelible.tail", "read", data=data, counted=counted)


async def _lines(
    call: Call, start: int, batches: AsyncIterator[list[tuple[int, bytes]]]
) -> AsyncIterator[bytes]:
    draining = call.context.draining
    sent = 0
    reported = monotonic()
    yield b": indelible\n\n"
    while not draining.is_set():
        batch = await _next_unless(batches, draining)
        if batch is None or call.revoked:
            return
        sent += len(batch)
        if batch and monotonic() - reported >= COUNTED_SECONDS:
            reported = monotonic()
            await _report(call, start, sent, counted=True)
        yield b"".join(_line(index, body) for index, body in batch) or b": \n\n"


async def _next_unless(
    batches: AsyncIterator[list[tuple[int, bytes]]], draining: asyncio.Event
) -> list[tuple[int, bytes]] | None:
    """The next batch, or None when there is none or the server shuts down."""

    async def following() -> list[tuple[int, bytes]] | None:
        return await anext(batches, None)

    loop = asyncio.get_running_loop()
    batch = loop.create_task(following())
    stop = loop.create_task(draining.wait())
    try:
        await asyncio.wait((batch, stop), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
        if not batch.done():
            batch.cancel()
            await asyncio.gather(batch, return_exceptions=True)
    return None if batch.cancelled() else batch.result()


def _line(index: int, body: bytes) -> bytes:
    event = TailEvent(
        index=index, sentence=sentence(read_body(body)), event=msgspec.Raw(body)
    )
    return b"id: %d\ndata: %s\n\n" % (index, msgspec.json.encode(event))


ROUTES = (
    Route(
        method="GET",
        path="/v1/tail",
        permission=Permission.TAIL,
        name="tail",
        summary="Live events (server-sent), resumable by index",
        handler=tail,
        answer="text/event-stream",
        parameters=(
            Q,
            Parameter("from", "index to begin with; absent: what comes next", "integer"),
        ),
    ),
)
