"""`indelible audit-policy`: which of what arrives is kept, stripped, rolled up, dropped."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
import msgspec

from indelible.base.limits import AUDIT_POLICY_BYTES, PREVIEW_DAYS
from indelible.cli.client import path_of
from indelible.cli.failures import Refused
from indelible.cli.options import Client, Output, talks
from indelible.cli.output import count_text, decode, moment_text, size_text
from indelible.cli.visible import visible
from indelible.ingest.audit_policy.preview import PreviewAnswer, RulePreview
from indelible.server.rooms import AuditPolicyVersion, AuditPolicyView, Author

_FILE = click.Path(allow_dash=True)
_NONE = "No audit policy is set: everything that arrives is kept."


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of GET /v1/audit-policy/versions."""

    versions: list[AuditPolicyVersion]


@click.group("audit-policy")
def audit_policy() -> None:
    """Decide what is kept of what arrives: ordered rules, each with keep, strip, summarise or drop.

    Failures, denials, and whatever grants, revokes or configures is always kept.

    \b
    Examples:
      indelible audit-policy preview rules.toml --since 30d --price 0.023
      indelible audit-policy set rules.toml --reason "health checks fill the log, CHG-82"
      indelible audit-policy show
    """


@audit_policy.command()
@click.option("--version", type=click.IntRange(1), metavar="N", help="An earlier version.")
@talks()
def show(client: Client, out: Output, version: int | None) -> None:
    """Show the rules in force with what each did since, or the rules of one version.

    \b
    Examples:
      indelible audit-policy show
      indelible audit-policy show --version 3
    """
    if version is not None:
        raw = client.get(path_of("v1", "audit-policy", "versions", version))
        out.answer(raw, AuditPolicyVersion, lambda found: _version(out, found))
        return

    def shown(found: AuditPolicyView) -> None:
        if found.trouble:
            out.say(out.paint(visible(found.trouble), "red", bold=True))
        if found.newest is None:
            out.say(_NONE)
            return
        out.facts(_facts(found.newest))
        out.say()
        if not found.rules:
            out.say("It has no rules: everything is kept.")
            return
        out.table(
            ("RULE", "THEN", "EVENTS", "BYTES", "NAME", "WHEN"),
            [
                (str(one.rule), one.then, f"{one.events:,}", size_text(one.bytes), one.name,
                 one.when)
                for one in found.rules
            ],
            right=(0, 2, 3), first=(5,),
        )
        out.say("What no rule matches is kept. Counted since this server put it in force.")

    out.answer(client.get("/v1/audit-policy"), AuditPolicyView, shown)


def _version(out: Output, found: AuditPolicyVersion) -> None:
    out.facts(_facts(found))
    out.say()
    for line in found.rules.strip("\n").splitlines():
        out.say(visible(line))


def _facts(found: AuditPolicyVersion) -> list[tuple[str, str]]:
    return [
        ("version", str(found.version)),
        ("set", moment_text(found.set)),
        ("by", ", ".join(_who(one) for one in found.by)),
        ("reason", visible(found.reason)),
        ("event", "" if found.index is None else str(found.index)),
    ]


def _who(author: Author) -> str:
    return visible(author.name or author.id)


@audit_policy.command("set")
@click.argument("file", type=_FILE, metavar="FILE")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stands in the log.")
@talks()
def set_(client: Client, out: Output, file: str, reason: str) -> None:
    """Put the rules in FILE (TOML or JSON; `-` reads standard input) in force, as a new version.

    The log says who set which rules and why before they have any effect. A file without rules
    keeps everything again.

    \b
    Examples:
      indelible audit-policy set rules.toml --reason "health checks fill the log, CHG-82"
    """
    raw = client.post("/v1/audit-policy", {"rules": _read(file), "reason": reason})
    made = decode(raw, AuditPolicyVersion)
    if out.json:
        out.document(raw)
        return
    out.say(f"Version {made.version} is in force; event {made.index} says so.")


@audit_policy.command()
@talks()
def history(client: Client, out: Output) -> None:
    """List who set which version when and why, the newest first.

    \b
    Examples:
      indelible audit-policy history
      indelible audit-policy show --version 3
    """

    def shown(found: Versions) -> None:
        if not found.versions:
            out.say(_NONE)
            return
        out.table(
            ("VERSION", "SET", "BY", "EVENT", "REASON"),
            [
                (str(one.version), moment_text(one.set), ", ".join(map(_who, one.by)),
                 "" if one.index is None else str(one.index), one.reason)
                for one in found.versions
            ],
            right=(0, 3), first=(4,),
        )

    out.answer(client.get("/v1/audit-policy/versions"), Versions, shown)


@audit_policy.command()
@click.argument("file", type=_FILE, metavar="FILE")
@click.option("--since", metavar="TIME",
              help=f"Not before: a date, a time, or an age.  [default: {PREVIEW_DAYS}d]")
@click.option("--until", metavar="TIME", help="Before: as --since.  [default: now]")
@click.option("--price", type=click.FloatRange(0), default=0.023, show_default=True, metavar="P",
              help="What a GB costs for a month, in any currency.")
@talks(reading=True)
def preview(
    client: Client, out: Output, file: str, since: str | None, until: str | None, price: float
) -> None:
    """Try the rules in FILE on stored events: what a year of them would save in events, bytes and
    money, and which questions nobody could answer any more. Nothing changes.

    Money is what it costs to hold a year's events for a year. Events that an earlier audit policy
    dropped are not there to be tried.

    \b
    Examples:
      indelible audit-policy preview rules.toml
      indelible audit-policy preview rules.toml --since 2026-01-01 --until 2026-04-01 --price 0.10
    """
    asked = {"rules": _read(file), "since": since or "", "until": until or "", "price": price}
    raw = client.post("/v1/audit-policy/preview", asked)
    out.answer(raw, PreviewAnswer, lambda found: _preview(out, found))


def _preview(out: Output, found: PreviewAnswer) -> None:
    if not found.looked_at:
        out.say("No event lies in this time; choose an earlier --since.")
        return
    of = "" if found.looked_at == found.events else f" of {found.events:,}, evenly chosen"
    out.say(
        f"Tried on {count_text(found.looked_at, 'event')}{of}, {moment_text(found.first)} to "
        f"{moment_text(found.last)}."
    )
    if found.short:
        out.note("these events span less than an hour: figures of a year are a wild guess")
    out.say()
    now, then = found.now, found.then
    out.table(
        ("A YEAR OF IT", "EVENTS", "ON DISK", f"MONEY AT {found.price:g}"),
        [
            ("as it is now", f"{now.events:,}", size_text(now.bytes), f"{now.money:,.2f}"),
            ("with these rules", f"{then.events:,}", size_text(then.bytes), f"{then.money:,.2f}"),
            ("saved", f"{now.events - then.events:,}", _saved(now.bytes - then.bytes),
             f"{now.money - then.money:,.2f}"),
        ],
        right=(1, 2, 3),
    )
    if not found.rules:
        return
    out.say()
    out.table(
        ("RULE", "THEN", "MATCHED", "SPARED", "FEWER A YEAR", "LESS ON DISK", "MONEY", "NAME"),
        [_row(one) for one in found.rules], right=(0, 2, 3, 4, 5, 6), first=(7,),
    )
    if any(one.spared for one in found.rules):
        out.say("Spared: always kept (failures, denials, grant, revoke, configure).")
    idle = [str(one.rule) for one in found.rules if not one.events and not one.spared]
    if idle and found.looked_at:
        out.say(f"Matched nothing: {', '.join(idle)}. An earlier rule decides, or no event that "
                "was looked at is meant: search for what `when` says.")
    for line in _questions(out, found.rules):
        out.say(line)


def _row(one: RulePreview) -> tuple[str, ...]:
    matched = f"{one.events:,}"
    if one.summaries:
        matched += f" in {one.summaries:,}"
    return (
        str(one.rule), one.then, matched, f"{one.spared:,}" if one.spared else "-",
        f"{one.events_a_year:,}", _saved(one.bytes_a_year), f"{one.money_a_year:,.2f}",
        one.name or one.when,
    )


def _saved(size: int) -> str:
    """Bytes that are saved, with a minus where it takes more than before."""
    return f"{'-' if size < 0 else ''}{size_text(abs(size))}"


def _questions(out: Output, rules: list[RulePreview]) -> Iterator[str]:
    asked = [one for one in rules if one.unanswered]
    if not asked:
        return
    yield ""
    yield out.paint("Nobody could answer any more:", None, bold=True)
    for one in asked:
        yield f"  rule {one.rule}{f' ({visible(one.name)})' if one.name else ''}, {one.then}:"
        for question in one.unanswered:
            yield f"    - {visible(question)}"


def _read(name: str) -> str:
    """The text of a file or of standard input."""
    if name == "-":
        content = sys.stdin.buffer.read(AUDIT_POLICY_BYTES + 1)
    else:
        with open(name, "rb") as file:
            content = file.read(AUDIT_POLICY_BYTES + 1)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Refused(f"{name} is no text", remedy="Write the rules in UTF-8.") from error
