"""One event from evidence, its proof, and bundles of several.

Recorded as reads before they are answered; a body is shown from evidence only, never from the
query copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
from starlette.responses import Response, StreamingResponse

from indelible.access import Permission
from indelible.base.errors import BadRequest, NotFound, TooLarge
from indelible.base.limits import BUNDLE_EVENTS, BUNDLE_INDEXES, STREAM_PIECE_BYTES
from indelible.base.recorder import Touched
from indelible.event.model import StoredEvent, read_body
from indelible.event.sentence import sentence
from indelible.server.call import Call, json_answer
from indelible.server.rooms import BundleRequest, EventView
from indelible.server.route import Route


class ShownEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event with what proves it. `body` is the exact stored text, `event` the same as JSON.

    `leaf`, `entry` and `salt` are hexadecimal. When the body is gone, `event`, `body` and `salt`
    are absent and `why` names the order or the missing key.
    """

    index: int
    verdict: str
    leaf: str
    entry: str
    sentence: str = ""
    flags: list[str] = []
    why: str = ""
    salt: str = ""
    body: str = ""
    event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


def _gone(index: int) -> NotFound:
    return NotFound(f"there is no event {index}")


def event_target(index: int) -> Touched:
    """An index as the target of Indelible's own events."""
    return Touched(type="event", id=str(index))


async def show(call: Call) -> Response:
    """One event; outside the caller's scope it is not there."""
    index = call.path_index()
    view = await call.rooms.event(index, call.principal.scope)
    if view is None:
        raise _gone(index)
    await call.record("indelible.event.show", "read", targets=(event_target(index),))
    return json_answer(_shown(view))


def _shown(view: EventView) -> ShownEvent:
    receipt = view.receipt
    leaf, entry = receipt.leaf.hex(), receipt.entry.hex()
    if not receipt.body:
        return ShownEvent(
            index=receipt.index, verdict=view.verdict, leaf=leaf, entry=entry, why=view.why
        )
    event = _readable(receipt.body)
    return ShownEvent(
        index=receipt.index,
        verdict=view.verdict,
        leaf=leaf,
        entry=entry,
        why=view.why,
        salt=receipt.salt.hex(),
        body=receipt.body.decode("utf-8", "replace"),
        sentence="" if event is None else sentence(event),
        flags=[] if event is None else event.flags,
        event=msgspec.UNSET if event is None else msgspec.Raw(receipt.body),
    )


def _readable(body: bytes) -> StoredEvent | None:
    """The body as an event; a damaged one is shown as text only."""
    try:
        return read_body(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


async def prove(call: Call) -> Response:
    """The C2SP tlog-proof of one event."""
    index = call.path_index()
    proof = await call.rooms.proof(index, call.principal.scope)
    if proof is None:
        raise _gone(index)
    await call.record("indelible.event.prove", "read", targets=(event_target(index),))
    return Response(proof, media_type="text/plain")


def _checked(asked: BundleRequest) -> BundleRequest:
    start, end = asked.from_index, asked.to_index
    if (start is None) != (end is None):
        missing = "to" if end is None else "from"
        raise BadRequest("a range needs both `from` and `to`", field=missing)
    if (start is None) == (not asked.indexes):
        raise BadRequest("ask for `indexes` or for a range, one of them", field="indexes")
    if start is not None and end is not None:
        if not 0 <= start <= end:
            raise BadRequest("a range runs from a lower index to a higher one", field="from")
        count = end - start + 1
    else:
        count = len(asked.indexes)
        if any(index < 0 for index in asked.indexes):
            raise BadRequest("an index is not below 0", field="indexes")
    if count > BUNDLE_EVENTS:
        raise TooLarge(f"a bundle holds at most {BUNDLE_EVENTS} events, not {count}")
    if len(asked.indexes) > BUNDLE_INDEXES:
        raise TooLarge(
            f"{count} indexes are more than the {BUNDLE_INDEXES} that the record of a read names",
            remedy="Ask for a range, or for several bundles.",
        )
    return asked


async def bundle(call: Call) -> Response:
    """A bundle as a zip file, made first and then sent."""
    asked = _checked(await call.body(BundleRequest))
    path = await call.rooms.bundle(asked, call.principal.scope)
    try:
        if asked.indexes:
            shown = tuple(event_target(index) for index in asked.indexes[:100])
            await call.record(
                "indelible.bundle.create",
                "export",
                targets=shown,
                data={"count": len(asked.indexes), "indexes": asked.indexes},
            )
        else:
            await call.record(
                "indelible.bundle.create",
                "export",
                targets=(Touched(type="range", id=f"{asked.from_index}-{asked.to_index}"),),
                data={"from": asked.from_index, "to": asked.to_index},
            )
        size = path.stat().st_size
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return StreamingResponse(
        _send_and_remove(path),
        media_type="application/zip",
        headers={
            "Content-Length": str(size),
            "Content-Disposition": 'attachment; filename="bundle.zip"',
        },
    )


async def _send_and_remove(path: Path) -> AsyncIterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := await asyncio.to_thread(file.read, STREAM_PIECE_BYTES):
                yield chunk
    finally:
        path.unlink(missing_ok=True)


ROUTES = (
    Route(
        method="GET",
        path="/v1/events/{index}",
        permission=Permission.SHOW,
        name="showEvent",
        summary="One event from evidence, with its verdict",
        handler=show,
        answer=ShownEvent,
    ),
    Route(
        method="GET",
        path="/v1/events/{index}/proof",
        permission=Permission.PROVE,
        name="proveEvent",
        summary="The C2SP tlog-proof of one event",
        handler=prove,
        answer="text/plain",
    ),
    Route(
        method="POST",
        path="/v1/bundle",
        permission=Permission.PROVE,
        name="createBundle",
        summary="A bundle of some events, or of every entry of a range",
        handler=bundle,
        asks=BundleRequest,
        answer="application/zip",
    ),
)
