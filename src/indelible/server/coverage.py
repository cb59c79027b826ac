"""Which auditing is on at each source, judged from the events that it sent."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from indelible.access import Permission
from indelible.base.clock import MICROS, rfc3339, wall_us
from indelible.base.errors import NotFound
from indelible.base.limits import COVERAGE_DAYS, PAUSE_MOST_DAYS
from indelible.event.predicate import All, Not, Op, Predicate, Term
from indelible.ingest.completeness.coverage import (
    Capability,
    Covered,
    catalogue,
    formats_of,
    judged,
    read_by,
)
from indelible.language import parse
from indelible.query.model import SearchPage, SearchRequest
from indelible.server.call import Call, json_answer
from indelible.server.rooms import SourceView
from indelible.server.route import Parameter, Route


class CoverageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Every capability of every source whose format has a catalogue; and sources without one."""

    since: str
    capabilities: list[Covered]
    without_catalogue: list[str]


_page = msgspec.json.Decoder(SearchPage)


async def coverage(call: Call) -> Response:
    """Ask one small search for each capability."""
    name, tenant = call.text("source"), call.text("tenant")
    days = call.integer("days", 1, PAUSE_MOST_DAYS) or COVERAGE_DAYS
    since = wall_us() - days * 86_400 * MICROS
    await call.record("indelible.coverage.read", "read", data={"source": name, "days": days})
    views = [
        view for view in call.rooms.sources()
        if view.stored and (not call.principal.tenant or view.tenant == call.principal.tenant)
        and (not name or (view.id, view.tenant) == (name, tenant))
    ]
    if name and not views:
        raise NotFound(f"there is no source {name!r} that sent something")
    found: list[Covered] = []
    without: list[str] = []
    for view in views:
        formats = formats_of(read_by(view.parsers))
        if not formats:
            without.append(view.id)
        for one in formats:
            for capability in catalogue(one):
                found.append(await _covered(call, view, one, capability, since))
    answer = CoverageAnswer(since=rfc3339(since), capabilities=found, without_catalogue=without)
    return json_answer(answer)


async def _covered(
    call: Call, view: SourceView, name: str, capability: Capability, since: int
) -> Covered:
    wanted: list[Predicate] = [
        Term(field="source", op=Op.EQ, values=(view.id,)),
        Term(field="tenant", op=Op.EQ, values=(view.tenant,)) if view.tenant
        else Not(child=Term(field="tenant", op=Op.PRESENT)),
        Term(field="received", op=Op.GE, values=(since,)),
        parse(capability.seen, since).predicate,
    ]
    request = SearchRequest(
        scope=call.principal.scope, predicate=All(children=tuple(wanted)), sort="index", limit=1
    )
    rows = _page.decode(await call.query("search", request)).events
    return Covered(
        source=view.id, tenant=view.tenant, format=name, name=capability.name,
        state=judged(capability, bool(rows), view.stored - view.unparsed),
        question=capability.question, setting=capability.setting, volume=capability.volume,
        last=rows[0].received if rows else "",
    )


ROUTES = (
    Route(
        method="GET",
        path="/v1/coverage",
        permission=Permission.VERIFY,
        name="coverage",
        summary="Which auditing is on, off or unknown at each source, and how to switch it on",
        handler=coverage,
        answer=CoverageAnswer,
        parameters=(
            Parameter("source", "only this source"),
            Parameter("tenant", "the tenant that it is bound to"),
            Parameter("days", "how far back to look, 1 to 90", "integer", str(COVERAGE_DAYS)),
        ),
    ),
)
