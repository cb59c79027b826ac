"""`search`, `show`, `history`, `timeline`, `tail`: finding and reading events."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import TypeVar

import click
import msgspec

from indelible.cli import rows
from indelible.cli.client import Params, path_of
from indelible.cli.options import INDEX, Client, Output, talks
from indelible.cli.output import OUTCOME_COLORS, count_text, decode
from indelible.cli.pages import Pages, merged, read_pages
from indelible.cli.progress import is_watched
from indelible.cli.visible import visible, visible_json
from indelible.event.model import StoredEvent
from indelible.query.model import HistoryAnswer, SearchPage, TimelineAnswer

Command = TypeVar("Command", bound=Callable[..., object])
_FIELD = re.compile(r'[^\s():"]+:(?:"[^"]*"|[^\s()])*')
_COLUMN = re.compile(r"[\w.\-/@ ]{1,256}")


def _range_options(command: Command) -> Command:
    for option in (
        click.option("--cursor", metavar="C", help="Go on where a page with this cursor ended."),
        click.option("--limit", type=click.IntRange(1), default=50, show_default=True,
                     metavar="N", help="At most this many events."),
        click.option("--until", metavar="TIME", help="Before: as --since."),
        click.option("--since", metavar="TIME",
                     help="Not before: 2026-03-03, 2026-03-03T09:00Z, or an age such as 7d."),
    ):
        command = option(command)
    return command


def _end(out: Output, shown: int, last: Pages, took_ms: float) -> None:
    """The line under a listing: how many, of which tree, how fast, and how to see more."""
    cursor = last.cursor
    text = f"{count_text(shown, 'event')}, tree size {last.tree_size:,}, {took_ms:,.0f} ms"
    out.say(out.paint(text, "bright_black"))
    if last.behind:
        newest = count_text(last.behind, "newer event")
        out.note(f"{newest} cannot be found yet: the server lags. Ask again in a few seconds.")
    if cursor:
        out.say(out.paint(f"more: --cursor {visible(cursor)}", "bright_black"))


@click.command()
@click.argument("query", default="")
@_range_options
@click.option("--columns", metavar="A,B,...", help="Fields to show.  "
              f"[default: {','.join(rows.DEFAULT_COLUMNS)}]")
@click.option("--sort", type=click.Choice(("time", "index", "time:asc", "index:desc")),
              help="Event time, newest first, or the log's own order.  [default: time]")
@talks(reading=True)
def search(
    client: Client, out: Output, query: str, since: str | None, until: str | None, limit: int,
    cursor: str | None, columns: str | None, sort: str | None,
) -> None:
    """Find events. One box: field:value, -field:value, field:a,b, field:pre*, (a or b), bare
    words, "phrases", since: and until:.

    \b
    Examples:
      indelible search 'actor:jsmith action:payroll.* outcome:denied since:7d'
      indelible search 'operation:delete -ip:10.0.0.0/8' --since 2026-03-01 --until 2026-04-01
      indelible search 'target:pr_839 change:salary' --columns time,actor,ip,change
      indelible search 'outcome:failure' --limit 5000 --json | jq -r '.events[].actor'
    """
    names = tuple(part.strip() for part in (columns or "").split(",") if part.strip())
    names = names or rows.DEFAULT_COLUMNS
    for name in names:
        if not _COLUMN.fullmatch(name):
            raise click.UsageError(f"--columns: {name!r} is not a field.")
    asked = ",".join(name for name in names if name not in rows.IN_ROW)
    params: Params = {"q": query, "since": since, "until": until, "cursor": cursor,
                      "sort": sort, "columns": asked or None}
    pages = list(read_pages(client, "/v1/search", params, limit, SearchPage))
    if out.json:
        out.document(merged([raw for raw, _ in pages], "events"))
        return
    found = [row for _, page in pages for row in page.events]
    last = pages[-1][1]
    if found:
        rows.table(out, found, names)
    took = sum(page.took_ms for _, page in pages)
    _end(out, len(found), last, took)
    if not found and _has_bare_words(query) and is_watched():
        out.note("bare words are looked for as they stand; name a field to search by it, "
                 "e.g. operation:delete or actor:NAME, raw:~word to look into original messages")


def _has_bare_words(query: str) -> bool:
    words = _FIELD.sub(" ", query).replace("(", " ").replace(")", " ").split()
    return any(word.lower() not in ("or", "and", "not") for word in words)


@click.command()
@click.argument("index", type=INDEX)
@click.option("--body", "body_only", is_flag=True,
              help="Print the exact stored bytes alone, as they were hashed.")
@talks(reading=True)
def show(client: Client, out: Output, index: int, body_only: bool) -> None:
    """Show one event from evidence: its sentence, verdict, facts, changes and hashes.

    \b
    Examples:
      indelible show 4711
      indelible show 4711 --body > event.json
      indelible show 4711 --json | jq .event
    """
    from indelible.cli.shown import ShownEvent, show_event

    raw = client.get(path_of("v1", "events", index))
    if body_only and not out.json:
        body = decode(raw, ShownEvent).body.encode()
        if sys.stdout.isatty():  # exact for files and pipes; nothing may act on a terminal
            click.echo(visible_json(body))
        else:
            sys.stdout.buffer.write(body)
        return
    out.answer(raw, ShownEvent, lambda shown: show_event(out, shown))


@click.command()
@click.argument("kind", metavar="TYPE")
@click.argument("target", metavar="ID")
@click.argument("query", default="")
@_range_options
@click.option("--at", metavar="TIME", help="Also what the changes amount to at this moment.")
@talks(reading=True)
def history(
    client: Client, out: Output, kind: str, target: str, query: str, since: str | None,
    until: str | None, limit: int, cursor: str | None, at: str | None,
) -> None:
    """What happened to one thing, oldest first, each change with its value before and after.

    \b
    Examples:
      indelible history payroll_record pr_839
      indelible history iam_user alice 'operation:grant,revoke' --since 90d
      indelible history payroll_record pr_839 --at 2026-03-03
    """
    path = path_of("v1", "targets", kind, target, "history")
    params: Params = {"q": query, "since": since, "until": until, "cursor": cursor, "at": at}
    pages = list(read_pages(client, path, params, limit, HistoryAnswer))
    if out.json:
        out.document(merged([raw for raw, _ in pages], "entries"))
        return
    entries = [entry for _, page in pages for entry in page.entries]
    last = pages[-1][1]
    out.say(out.paint(f"{visible(kind)} {visible(target)}", None, bold=True))
    rows.history(out, entries)
    if last.state is not None:
        out.say()
        out.say(out.paint(f"as recorded at {visible(at or '')}", None, bold=True))
        out.facts(
            [(visible(name), rows.json_text(value) or "(removed)")
             for name, value in last.state.items()],
            indent="  ",
        )
        if not last.state:
            out.say("  nothing is known: no change of it was recorded up to then")
    _end(out, len(entries), last, sum(p.took_ms for _, p in pages))


@click.command()
@click.argument("actor")
@click.argument("query", default="")
@_range_options
@talks(reading=True)
def timeline(
    client: Client, out: Output, actor: str, query: str, since: str | None, until: str | None,
    limit: int, cursor: str | None,
) -> None:
    """What one actor did, or others did on their behalf, day by day, newest first.

    \b
    Examples:
      indelible timeline jsmith
      indelible timeline jsmith 'operation:delete' --since 2026-03-03 --until 2026-03-04
    """
    path = path_of("v1", "actors", actor, "timeline")
    params: Params = {"q": query, "since": since, "until": until, "cursor": cursor}
    pages = list(read_pages(client, path, params, limit, TimelineAnswer))
    if out.json:
        out.document(merged([raw for raw, _ in pages], "entries"))
        return
    entries = [entry for _, page in pages for entry in page.entries]
    last = pages[-1][1]
    rows.timeline(out, entries)
    _end(out, len(entries), last, sum(p.took_ms for _, p in pages))


class TailEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One live event."""

    index: int
    sentence: str
    event: StoredEvent


@click.command()
@click.argument("query", default="")
@click.option("--from", "start", type=click.IntRange(0), metavar="INDEX",
              help="Begin with this event.  [default: what comes next]")
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after N events.")
@talks(reading=True)
def tail(client: Client, out: Output, query: str, start: int | None, count: int | None) -> None:
    """Follow events as they arrive, until Ctrl-C. With --json, one document a line.

    \b
    Examples:
      indelible tail
      indelible tail 'outcome:denied'
      indelible tail --from 100000 --json | jq -r .sentence
    """
    seen, told = 0, False
    try:
        for line in client.lines("/v1/tail", {"q": query or None, "from": start}):
            if not told and is_watched():
                out.note("following what arrives from now on; Ctrl-C ends it")
            told = True
            if not line.startswith("data:"):
                continue
            raw = line[5:].strip().encode()
            out.answer(raw, TailEvent, lambda event: _tell_live(out, event))
            seen += 1
            if count is not None and seen >= count:
                return
    except KeyboardInterrupt:
        return


def _tell_live(out: Output, live: TailEvent) -> None:
    event = live.event
    when = event.received if event.time is None else event.time.isoformat()
    line = f"{visible(rows.time_text(when))}  {visible(live.sentence)}"
    if event.outcome not in ("success", ""):
        line += "  " + out.paint(visible(event.outcome), OUTCOME_COLORS.get(event.outcome))
    if event.flags:
        line += out.paint(f"  [{', '.join(map(visible, event.flags))}]", "yellow")
    out.say(f"{line}  #{live.index}")
