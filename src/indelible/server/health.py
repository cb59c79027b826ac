"""Liveness, readiness, metrics, status."""

from __future__ import annotations

import contextlib

import msgspec
from starlette.responses import Response

from indelible.access import Permission
from indelible.base.errors import DiskFull, LedgerStopped
from indelible.server.call import Call, json_answer
from indelible.server.rooms import Readiness, Status
from indelible.server.route import Access, Route


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers."""

    alive: bool = True


async def healthz(call: Call) -> Response:
    """200 as long as the process answers at all."""
    return json_answer(Alive())


async def readyz(call: Call) -> Response:
    """200 when senders and readers are served and nothing is damaged, otherwise 503.

    Reasons are for those who may read the status: everybody else learns only yes or no.
    """
    state = call.rooms.readiness()
    if call.context.draining.is_set():
        state = Readiness(ready=False, reasons=("shutting down",))
    return json_answer(Readiness(ready=state.ready), 200 if state.ready else 503)


async def metrics(call: Call) -> Response:
    """The Prometheus text format."""
    text = call.context.metrics.render(call.rooms.status(), call.rooms.readiness())
    return Response(text, media_type="text/plain; version=0.0.4")


async def status(call: Call) -> Response:
    """The state of the ledger."""
    found = call.rooms.status()
    # A stopped ledger cannot record that its status was read; it must still say why it stopped.
    with contextlib.suppress(LedgerStopped, DiskFull):
        await call.record("indelible.status.read", "read", counted=True)
    return json_answer(found)


ROUTES = (
    Route(
        method="GET",
        path="/healthz",
        permission=Permission.DESCRIBE,
        name="healthz",
        summary="Whether the process answers",
        handler=healthz,
        answer=Alive,
        access=Access.OPEN,
    ),
    Route(
        method="GET",
        path="/readyz",
        permission=Permission.DESCRIBE,
        name="readyz",
        summary="Whether senders and readers are served and nothing is damaged",
        handler=readyz,
        answer=Readiness,
        access=Access.OPEN,
    ),
    Route(
        method="GET",
        path="/metrics",
        permission=Permission.STATUS,
        name="metrics",
        summary="Counts and states, in the Prometheus text format",
        handler=metrics,
        answer="text/plain",
    ),
    Route(
        method="GET",
        path="/v1/status",
        permission=Permission.STATUS,
        name="status",
        summary="Size, checkpoint, witnesses, backlog, disk, last verification, damage",
        handler=status,
        answer=Status,
    ),
)
