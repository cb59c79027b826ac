"""`indelible source`: who may send what, in which way, and how it goes."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlencode

import click
import msgspec

from indelible.base.clock import MICROS, parse_duration
from indelible.base.limits import SECRET_BYTES
from indelible.cli.client import path_of
from indelible.cli.failures import Refused
from indelible.cli.options import FILE, Client, Output, talks
from indelible.cli.output import age_of, age_text, count_text, decode
from indelible.cli.source_check import CHECKED, check, explained
from indelible.cli.token import write_secret
from indelible.cli.visible import visible
from indelible.ingest.sources import CRITICALITIES, PROTOCOLS, SourceSettings
from indelible.server.rooms import SourceView


class SourceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of POST and GET /v1/sources."""

    settings: SourceSettings | None
    now: SourceView
    token: str = ""


class SourceList(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of GET /v1/sources."""

    sources: list[SourceView]


tenant_option = click.option("--tenant", default="", metavar="T", help="Tenant it is bound to.")


@click.group()
def source() -> None:
    """Add, list, show and disable sources: who sends events, in which way, and how they are read.

    \b
    Examples:
      indelible source add web --protocol syslog --peer 10.1.0.0/16 --zone Europe/Berlin
      indelible source add billing --protocol native -o billing.token
      indelible source list
    """


@source.command()
@click.argument("name")
@click.option("--protocol", type=click.Choice(tuple(PROTOCOLS)), default="native",
              show_default=True, help="How its events arrive.")
@click.option("--parser", metavar="P",
              help="How they are read (`indelible parser list`).  [default: auto; native: native]")
@click.option("--zone", default="UTC", show_default=True, metavar="ZONE",
              help="Time zone of times that name none.")
@click.option("--peer", "peers", multiple=True, metavar="NET",
              help="Address or block it sends from; several times.  [default: the loopback]")
@click.option("--certificate-name", "certificates", multiple=True, metavar="CN",
              help="Name in its client certificate; several times.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE",
              help="An option of the protocol; several times.")
@click.option("--secret-file", type=click.Path(allow_dash=True), metavar="FILE",
              help="The secret its protocol checks or sends; `-` reads standard input.")
@click.option("--owner", default="", metavar="WHO", help="Who answers for it.")
@click.option("--criticality", type=click.Choice(CRITICALITIES), help="How much its loss matters.")
@click.option("--silence", metavar="DURATION", help="Silence that is remarkable, such as 15m.")
@click.option("--about", default="", metavar="TEXT", help="What it is, in your words.")
@tenant_option
@click.option("--replace", is_flag=True, help="Change the source that has this name.")
@click.option("-o", "--output", type=FILE, metavar="FILE",
              help="Write its token to a new file, mode 0600, instead of showing it.")
@talks()
def add(
    client: Client, out: Output, name: str, protocol: str, parser: str | None, zone: str,
    peers: tuple[str, ...], certificates: tuple[str, ...], options: tuple[str, ...],
    secret_file: str | None, owner: str, criticality: str | None, silence: str | None, about: str,
    tenant: str, replace: bool, output: Path | None,
) -> None:
    """Add a source, or with --replace change it. It may send from now on.

    Senders over HTTP prove themselves by a token, which is made and shown this once; senders of
    syslog and RELP by the name in their client certificate, or by their address; uploads of a
    journal by either. What is read from here (files, APIs, buckets, databases, Kafka, NATS) is
    named by options; docs/sources has a page for each.

    \b
    Examples:
      indelible source add web --protocol syslog --peer 10.1.0.0/16 --zone Europe/Berlin
      indelible source add db --protocol relp --certificate-name db1.example.org
      indelible source add billing --protocol native -o billing.token
    """
    if output is not None and output.exists():
        raise Refused(f"{output} is there already", remedy="Name a new file.")
    settings = SourceSettings(
        id=name, tenant=tenant, protocol=protocol,
        parser=parser or ("native" if protocol == "native" else "auto"), zone=zone,
        peers=peers, certificates=certificates, options=_options(options), owner=owner,
        criticality=criticality or "", about=about,
        silence=parse_duration(silence) // MICROS if silence else 0,
    )
    asked = {
        "settings": msgspec.to_builtins(settings), "replace": replace,
        "secret": read_secret(secret_file) if secret_file else "",
    }
    raw = client.post("/v1/sources", asked)
    made = decode(raw, SourceAnswer)
    verb = "changed" if replace else "added"
    about = PROTOCOLS[protocol].about
    if protocol == "webhook":
        whose = f"?{urlencode({'tenant': tenant})}" if tenant else ""
        about = about.replace("/NAME", path_of(name) + whose)
    lines = [f"Source {visible(name)} is {verb}: {visible(about)}."]
    if protocol in CHECKED and not out.json:
        lines += explained(out, settings, str(asked["secret"]))
    if made.token and output is not None:
        write_secret(output, made.token)
        lines.append(f"Its token is in {visible(str(output))}.")
        out.result({"added": name, "protocol": protocol, "file": str(output)}, lines)
        return
    if out.json:
        out.document(raw)
        return
    for line in lines:
        out.say(line)
    if made.token:
        out.say(visible(made.token))
        out.note("this is its token; it is not shown again")


def _options(given: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise click.UsageError(f"--option takes NAME=VALUE, not {one!r}.")
        found[name] = value
    return found


def read_secret(name: str) -> str:
    """The secret in a file or on standard input, without the line end behind it."""
    if name == "-":
        read = sys.stdin.buffer.read(SECRET_BYTES + 1)
    else:
        with open(name, "rb") as file:
            read = file.read(SECRET_BYTES + 1)
    try:
        return read.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        remedy = "Give the file as its vendor does."
        raise Refused("the secret is not text", remedy=remedy) from error


@source.command("list")
@talks()
def list_(client: Client, out: Output) -> None:
    """List every source that is configured or was seen: rate, lag, last event, repeats, refusals.

    \b
    Examples:
      indelible source list
      indelible source list --json
    """

    def show(found: SourceList) -> None:
        if not found.sources:
            out.say("No source is configured, and none has sent anything yet.")
            return
        out.table(
            ("SOURCE", "TENANT", "PROTOCOL", "STATE", "PER MIN", "LAG", "LAST", "STORED",
             "UNPARSED", "REPEATS", "BY RULE", "REFUSED", "DROPPED", "GAPS"),
            [_row(one) for one in found.sources],
            right=(4, 5, 7, 8, 9, 10, 11, 12, 13),
        )

    out.answer(client.get("/v1/sources"), SourceList, show)


def _row(view: SourceView) -> tuple[str, ...]:
    return (
        view.id, view.tenant, view.protocol or "-", _state(view),
        f"{view.per_minute:,.1f}",
        "" if view.lag_seconds is None else age_text(view.lag_seconds),
        age_of(view.last) if view.last else "never",
        f"{view.stored:,}", _number(view.unparsed), _number(view.repeats + view.duplicates),
        _number(view.summarised + view.dropped_by_rule),
        _number(view.refused), _number(view.dropped), _gaps(view),
    )


def _number(count: int) -> str:
    return f"{count:,}" if count else "-"


def _gaps(view: SourceView) -> str:
    """Numbers that are missing, and stretches that will never come."""
    lost = f"{view.stretches:,} lost" if view.stretches else ""
    return " + ".join(filter(None, (f"{view.gaps:,}" if view.gaps else "", lost))) or "-"


_REMARKS = {
    "silence": "silent", "volume": "half volume", "clock": "clock is off",
    "shape": "format changed",
}


def _state(view: SourceView) -> str:
    if view.disabled:
        return "disabled"
    if view.paused_until:
        return "paused"
    if view.counting:
        return "counting"
    if view.remarks:
        return ", ".join(_REMARKS.get(one, one) for one in view.remarks)
    if "trouble" in view.figures:
        return "trouble"
    if not view.configured:
        return "by token"
    return "on" if view.last else "waiting"


@source.command()
@click.argument("name")
@tenant_option
@talks()
def show(client: Client, out: Output, name: str, tenant: str) -> None:
    """Show one source: what is configured, and what became of everything it sent.

    \b
    Examples:
      indelible source show web
    """
    raw = client.get(path_of("v1", "sources", name), {"tenant": tenant or None})

    def shown(answer: SourceAnswer) -> None:
        out.facts(_facts(answer))

    out.answer(raw, SourceAnswer, shown)


def _facts(answer: SourceAnswer) -> list[tuple[str, str]]:
    view, settings = answer.now, answer.settings
    said = settings or SourceSettings(id=view.id)
    lag = "" if view.lag_seconds is None else age_text(view.lag_seconds)
    return [
        ("source", visible(view.id)),
        ("number", str(view.number) if view.number else ""),
        ("tenant", visible(view.tenant)),
        ("about", visible(said.about)),
        ("state", _state(view)),
        ("protocol", said.protocol if settings else "whatever its token may use"),
        ("parser", said.parser if settings else ""),
        ("zone", said.zone if settings else ""),
        ("peers", ", ".join(said.peers)),
        ("certificates", visible(", ".join(said.certificates))),
        *((f"option {visible(name)}", visible(value)) for name, value in said.options.items()),
        ("owner", visible(said.owner)),
        ("criticality", said.criticality),
        ("last event", f"{view.last} ({age_of(view.last)} ago)" if view.last else "never"),
        ("rate", f"{view.per_minute:,.1f} events a minute"),
        ("lag", lag),
        ("received", f"{count_text(view.received, 'message')} = {view.stored:,} stored + "
         f"{view.duplicates:,} there already + {_by_rule(view)}{view.refused:,} refused + "
         f"{view.dropped:,} dropped"),
        ("of the stored", f"{view.unparsed:,} unparsed, {view.repeats:,} probable repeats, "
         f"{view.conflicts:,} id conflicts"
         + (f", {view.stripped:,} stripped by rule" if view.stripped else "")),
        ("read by", ", ".join(f"{visible(name)} ({count:,})" for name, count in
                              sorted(view.parsers.items(), key=lambda pair: -pair[1]))),
        ("missing", f"{view.gaps:,} of its own numbers: "
         f"indelible search 'action:ledger.gap.declare data.source:{view.number}'"
         if view.gaps else ""),
        ("lost for good", f"{count_text(view.stretches, 'stretch', 'stretches')} of what it keeps"
         if view.stretches else ""),
        ("paused until", view.paused_until),
        *((visible(name), visible(value)) for name, value in view.figures.items()),
    ]


def _by_rule(view: SourceView) -> str:
    """What the audit policy took apart, as a part of the sum."""
    if not view.summarised and not view.dropped_by_rule:
        return ""
    return f"{view.summarised:,} summarised + {view.dropped_by_rule:,} dropped by rule + "


@source.command()
@click.argument("name")
@click.option("--for", "duration", metavar="DURATION", help="How long, such as 2h; at most 90d.")
@click.option("--over", is_flag=True, help="End the pause: it is expected again.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it stands in the log.")
@tenant_option
@talks()
def pause(
    client: Client, out: Output, name: str, duration: str | None, over: bool, reason: str,
    tenant: str,
) -> None:
    """Expect nothing from a source for a while. Its silence is no finding then, and what comes all
    the same is taken.

    \b
    Examples:
      indelible source pause web --for 2h --reason "new disks, CHG-81"
      indelible source pause web --over --reason "done early"
    """
    if (duration is None) == (not over):
        raise click.UsageError("Give --for DURATION or --over.")
    seconds = parse_duration(duration) // MICROS if duration else 0
    asked = {"source": name, "tenant": tenant, "seconds": seconds, "reason": reason}
    until = decode(client.post("/v1/sources/pause", asked), SourceAnswer).now.paused_until
    text = f"is expected again from {until} on" if until else "is expected again"
    out.result({"paused": name, "until": until}, [f"Source {visible(name)} {text}."])


@source.command()
@click.argument("name")
@tenant_option
@talks()
def disable(client: Client, out: Output, name: str, tenant: str) -> None:
    """Take nothing more from a source. What it sent stays; its tokens are refused.

    \b
    Examples:
      indelible source disable web
    """
    client.delete(path_of("v1", "sources", name), {"tenant": tenant or None})
    out.result({"disabled": name}, [f"Source {visible(name)} is disabled."])


@source.command()
@click.argument("name")
@tenant_option
@talks()
def enable(client: Client, out: Output, name: str, tenant: str) -> None:
    """Take events from a disabled source again.

    \b
    Examples:
      indelible source enable web
    """
    raw = client.get(path_of("v1", "sources", name), {"tenant": tenant or None})
    settings = decode(raw, SourceAnswer).settings or SourceSettings(id=name, tenant=tenant)
    again = msgspec.structs.replace(settings, disabled=False)
    client.post(
        "/v1/sources",
        {"settings": msgspec.to_builtins(again), "replace": True, "token": False},
    )
    out.result({"enabled": name}, [f"Source {visible(name)} may send again."])


source.add_command(check)
