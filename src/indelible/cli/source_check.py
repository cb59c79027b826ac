"""`indelible source check`: whether a foreign server is set up for being read, seen from here."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click
import msgspec

from indelible.base.errors import EXIT_REFUSED, IndelibleError
from indelible.cli.client import path_of
from indelible.cli.failures import Refused
from indelible.cli.options import Client, Output, talks
from indelible.cli.output import decode
from indelible.cli.visible import visible
from indelible.ingest.protocols import (
    kafka_check,
    kafka_settings,
    nats_check,
    nats_settings,
    postgres_capture_settings,
)
from indelible.ingest.protocols.findings import ERROR, FINE, Finding
from indelible.ingest.protocols.postgres_capture_facts import check as ask
from indelible.ingest.sources import SourceSettings

CHECKED = ("kafka", "nats", "postgres")
"""Protocols whose servers can be asked whether they are set up for being read."""

_COLORS = {"error": "red", "warning": "yellow", "fine": "green"}


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed of the answer of GET /v1/sources/NAME."""

    settings: SourceSettings | None


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """The document of `source check --json`."""

    source: str
    ready: bool
    findings: Sequence[Finding]


@click.command("check")
@click.argument("name")
@click.option("--tenant", default="", metavar="T", help="Tenant it is bound to.")
@click.option("--secret-file", type=click.Path(allow_dash=True), metavar="FILE",
              help="The password; `-` reads standard input.  "
                   "[default: of PostgreSQL PGPASSWORD or ~/.pgpass]")
@talks()
def check(
    client: Client, out: Output, name: str, tenant: str, secret_file: str | None
) -> None:
    """Check the server of a postgres, kafka or nats source, from here.

    Of PostgreSQL every setting that change capture needs, each with the statement to paste where it
    is not as it should be, and how far behind its slot is; of Kafka and NATS whether they let us
    in, and for how long they keep what is not read. Exits with 3 where nothing can be read.

    \b
    Examples:
      indelible source check orders --secret-file orders.password
    """
    from indelible.cli.source import read_secret

    raw = client.get(path_of("v1", "sources", name), {"tenant": tenant or None})
    settings = decode(raw, _Answer).settings
    if settings is None or settings.protocol not in CHECKED:
        raise Refused(
            f"the source {name!r} has nothing to check",
            remedy=f"Sources of the protocols {', '.join(CHECKED)} are checked.",
        )
    found = findings_of(settings, read_secret(secret_file) if secret_file else "")
    ready = not any(one.level == ERROR for one in found)
    document = Checked(source=name, ready=ready, findings=found)
    out.result(document, lines_of(out, found))
    if not ready:
        click.get_current_context().exit(EXIT_REFUSED)


def findings_of(settings: SourceSettings, secret: str) -> list[Finding]:
    """What there is to say of a source's server; raises `IndelibleError` out of its reach."""
    if settings.protocol == "kafka":
        return kafka_check.check(kafka_settings.options_of(settings.options), secret.encode())
    if settings.protocol == "nats":
        said = nats_settings.options_of(settings.options)
        return asyncio.run(nats_check.check(said, secret.encode()))
    options = postgres_capture_settings.options_of(settings.options)
    return asyncio.run(ask(options, secret.encode()))


def lines_of(out: Output, found: Sequence[Finding], least: str = FINE) -> list[str]:
    """Findings for a person, with what to paste; without the fine ones when `least` is not FINE."""
    lines = []
    for one in found:
        if one.level == FINE and least != FINE:
            continue
        lines.append(f"{out.paint(one.level, _COLORS[one.level])}: {visible(one.text)}")
        lines += [f"    {visible(line)}" for line in one.remedy.splitlines()]
    return lines


def explained(out: Output, settings: SourceSettings, secret: str) -> list[str]:
    """What `source add` says of the server of a new source, as far as it is seen from here."""
    try:
        found = findings_of(settings, secret)
    except IndelibleError as error:
        return [f"Its server could not be checked from here: {visible(error.message)}"]
    return lines_of(out, found, ERROR) or ["Its server is set up as it should be."]
