"""`indelible coverage`: which auditing is on at each source, and what its absence leaves unsaid."""

from __future__ import annotations

import click
import msgspec

from indelible.cli.options import Client, Output, talks
from indelible.cli.output import age_of
from indelible.cli.visible import visible
from indelible.ingest.completeness.coverage import Covered

_COLORS = {"on": "green", "off": "red", "unknown": "yellow"}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of GET /v1/coverage."""

    since: str
    capabilities: list[Covered]
    without_catalogue: list[str]


@click.command()
@click.option("--source", metavar="NAME", help="Only this source.")
@click.option("--tenant", metavar="T", help="Tenant that it is bound to.")
@click.option("--days", type=click.IntRange(1, 90), default=30, show_default=True,
              help="How far back to look.")
@click.option("--all", "show_all", is_flag=True, help="Settings and volumes also of what is on.")
@talks(reading=True)
def coverage(
    client: Client, out: Output, source: str | None, tenant: str | None, days: int, show_all: bool
) -> None:
    """Which auditing is on, off or unknown at each source, judged from the events it sent.

    For what is not on: the question that stays unanswered, the setting to paste, and the volume to
    expect. `off` is said only where a source that records this would have shown it by now.

    \b
    Examples:
      indelible coverage
      indelible coverage --source aws --days 7
    """

    def show(found: Answer) -> None:
        if not found.capabilities and not found.without_catalogue:
            out.say("No source has sent anything yet.")
        last = ("", "", "")
        for one in found.capabilities:
            head = (one.source, one.tenant, one.format)
            if head != last:
                tenant_of = f" of tenant {visible(one.tenant)}" if one.tenant else ""
                out.say(out.paint(f"{visible(one.source)}{tenant_of} ({one.format})", None,
                                  bold=True))
                last = head
            _one(out, one, show_all)
        for name in found.without_catalogue:
            out.say(f"{visible(name)}: there is no catalogue for what it sends")

    params = {"source": source, "tenant": tenant, "days": days}
    out.answer(client.get("/v1/coverage", params), Answer, show)


def _one(out: Output, one: Covered, show_all: bool) -> None:
    state = out.paint(f"{one.state:<8}", _COLORS.get(one.state), bold=True)
    seen = f", last {age_of(one.last)} ago" if one.last else ""
    out.say(f"  {state} {one.name}{seen}")
    if one.state == "on" and not show_all:
        return
    out.say(f"           unanswered: {one.question}" if one.state != "on" else
            f"           answers: {one.question}")
    lines = one.setting.strip().splitlines()
    out.say(f"           setting:    {lines[0]}")
    for line in lines[1:]:
        out.say(f"                       {line}")
    out.say(f"           volume:     {one.volume}")
