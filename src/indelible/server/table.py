"""Every route there is. A route that is not in this table does not exist."""

from __future__ import annotations

from indelible.access import Permission
from indelible.server import (
    admin,
    audit_policy,
    coverage,
    elasticsearch,
    event,
    export,
    health,
    hec,
    importing,
    journald,
    kubernetes,
    log,
    loki,
    openapi,
    otlp,
    search,
    sources,
    tail,
    tokens,
    verification,
    webhooks,
)
from indelible.server.call import Call
from indelible.server.events import PATH
from indelible.server.route import Parameter, Route
from indelible.server.submitting import SubmitAnswer


async def _below_the_router(call: Call) -> None:
    raise AssertionError(f"{call.route.path} is answered by server.events")


POST_EVENTS = Route(
    method="POST",
    path=PATH,
    permission=Permission.WRITE,
    name="postEvents",
    summary="Store events: one object, an array, or NDJSON; answered when they are durable",
    handler=_below_the_router,  # type: ignore[arg-type]  # never called: server.events answers
    asks="application/x-ndjson",
    answer=SubmitAnswer,
    parameters=(Parameter("receipts", "1: a receipt for every line", "flag"),),
)

ROUTES: tuple[Route, ...] = (
    POST_EVENTS,
    *importing.ROUTES,
    *search.ROUTES,
    *event.ROUTES,
    *tail.ROUTES,
    *export.ROUTES,
    *log.ROUTES,
    *health.ROUTES,
    *verification.ROUTES,
    *tokens.ROUTES,
    *sources.ROUTES,
    *coverage.ROUTES,
    *audit_policy.ROUTES,
    *admin.ROUTES,
    *openapi.ROUTES,
    *journald.ROUTES,
    *kubernetes.ROUTES,
    *otlp.ROUTES,
    *elasticsearch.ROUTES,
    *hec.ROUTES,
    *loki.ROUTES,
    *webhooks.ROUTES,
)
