"""`indelible import`: events from files, once each, however often it is repeated."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import click
import msgspec

from indelible.base.clock import monotonic
from indelible.base.errors import EXIT_OK, EXIT_REFUSED, IndelibleError
from indelible.base.limits import BUSY_SECONDS, BUSY_TRIES, REJECTIONS_SHOWN
from indelible.cli.client import Client, Params
from indelible.cli.failures import Refused
from indelible.cli.options import Output, talks
from indelible.cli.output import count_text, decode
from indelible.cli.progress import progress
from indelible.cli.visible import visible
from indelible.ingest.importer import iter_batches
from indelible.ingest.splitting import NATIVE

_SHOWN = 20  # refusals that a person reads; --json has the first thousand


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """One message that was not stored: where it stands, and why."""

    line: int
    field: str = ""
    code: str = ""
    reason: str = ""
    file: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line that the answer says something of."""

    line: int
    index: int


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of POST /v1/import: `accepted` counts what need not be sent again."""

    accepted: int
    duplicates: list[Line] = []
    conflicts: list[Line] = []
    rejected: list[Refusal] = []
    rejected_count: int = 0
    summarised: list[tuple[int, int]] = []
    dropped_by_rule: list[tuple[int, int]] = []
    unparsed: int = 0


class Summary(msgspec.Struct, kw_only=True):
    """What an import did, as `--json` prints it."""

    files: int = 0
    read: int = 0
    stored: int = 0
    unparsed: int = 0
    already_there: int = 0
    conflicts: int = 0
    summarised: int = 0
    dropped_by_rule: int = 0
    refused: int = 0
    refusals: list[Refusal] = []
    seconds: float = 0.0

    def add(self, file: str, answer: Answer) -> None:
        """Count one batch's answer."""
        self.read += answer.accepted + answer.rejected_count
        summarised = sum(count for _, count in answer.summarised)
        dropped = sum(count for _, count in answer.dropped_by_rule)
        self.stored += answer.accepted - len(answer.duplicates) - summarised - dropped
        self.unparsed += answer.unparsed
        self.already_there += len(answer.duplicates)
        self.summarised += summarised
        self.dropped_by_rule += dropped
        self.conflicts += len(answer.conflicts)
        self.refused += answer.rejected_count
        for refusal in answer.rejected[: REJECTIONS_SHOWN - len(self.refusals)]:
            self.refusals.append(msgspec.structs.replace(refusal, file=file))


@click.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--parser", default="native", show_default=True, metavar="P",
              help="The format of the files; auto tells it message by message "
              "(`indelible parser list`).")
@click.option("--zone", default="UTC", show_default=True, metavar="ZONE",
              help="Time zone of times that name none.")
@click.option("--source", metavar="NAME",
              help="Their source.  [default: a writer token's own, else the parser's name]")
@talks()
def import_(
    client: Client, out: Output, files: tuple[str, ...], parser: str, zone: str,
    source: str | None,
) -> None:
    """Store the events of files: plain, gzip or zstd, one a line or one JSON document; `-` reads
    standard input.

    Repeat it as often as you like: what is there already is recognised, also when a file has grown
    or was packed differently. Interrupted, it is simply started again. A bad line never costs its
    neighbours; it is named with its reason, and the exit code is 3.

    A foreign message that its parser does not understand is stored, too, as unparsed: `indelible
    parser test` shows beforehand what is understood. The same file with another parser goes to
    another source, unless --source says otherwise, and is stored once more there.

    \b
    Examples:
      indelible import events.ndjson
      indelible import --parser cloudtrail CloudTrail/2026/03/*.json.gz
      indelible import --parser auto --zone Europe/Berlin /var/log/auth.log*
      zstd -dc archive.zst | indelible import - --source archive
      indelible import --data ledger events.ndjson.gz --json
    """
    for name in files:
        if name != "-" and not Path(name).is_file():
            raise Refused(f"there is no file {name}", remedy="Check the name; `-` reads stdin.")
    summary, began = Summary(files=len(files), refusals=[]), monotonic()
    try:
        _send(client, files, {"parser": parser, "zone": zone, "source": source}, summary)
    except (IndelibleError, KeyboardInterrupt):
        if summary.stored:
            out.note(
                f"{count_text(summary.stored, 'event')} stored before it ended; "
                "start it again, nothing is stored twice"
            )
        raise
    summary.seconds = round(monotonic() - began, 3)
    out.result(summary, _lines(summary))
    if parser == NATIVE and summary.refused and summary.refused == summary.read:
        out.note(
            "none of it is an event in Indelible's own form; other formats are read with --parser "
            f"auto, and `indelible parser test {visible(files[0])}` shows what is understood"
        )
    click.get_current_context().exit(EXIT_REFUSED if summary.refused else EXIT_OK)


def _send(
    client: Client, files: tuple[str, ...], how: dict[str, str | None], summary: Summary
) -> None:
    params: Params = {**how, "backfill": True}
    parser = str(how["parser"])
    with progress("importing") as advance:
        for batch in iter_batches(files, parser, sys.stdin.buffer):
            raw = _post(client, batch.body, params)
            summary.add(batch.file, decode(raw, Answer))
            advance(summary.read, 0)


def _post(client: Client, body: bytes, params: Params) -> bytes:
    """One batch; a busy ledger is asked again a second later."""
    headers = {"content-type": "application/x-ndjson"}
    for _ in range(BUSY_TRIES):
        try:
            return client.post("/v1/import", content=body, params=params, headers=headers)
        except IndelibleError as error:
            if error.code != "busy":
                raise
        threading.Event().wait(BUSY_SECONDS)
    return client.post("/v1/import", content=body, params=params, headers=headers)


def _lines(summary: Summary) -> list[str]:
    rate = summary.read / summary.seconds if summary.seconds > 0 else 0
    lines = [
        f"read           {summary.read:>12,}  in {summary.seconds:,.1f} s ({rate:,.0f}/s)",
        f"stored         {summary.stored:>12,}",
        f"already there  {summary.already_there:>12,}",
    ]
    if summary.unparsed:
        lines.append(
            f"unparsed       {summary.unparsed:>12,}  read, kept as they came, and not understood: "
            "`indelible parser test` says why"
        )
    if summary.conflicts:
        lines.append(f"id conflicts   {summary.conflicts:>12,}  stored, flagged id_conflict")
    if summary.summarised:
        lines.append(f"summarised     {summary.summarised:>12,}  by the audit policy")
    if summary.dropped_by_rule:
        lines.append(f"dropped        {summary.dropped_by_rule:>12,}  by the audit policy")
    if summary.refused:
        lines.append(f"refused        {summary.refused:>12,}")
    for refusal in summary.refusals[:_SHOWN]:
        field = f" {visible(refusal.field)}:" if refusal.field else ""
        lines.append(
            f"  {visible(refusal.file)}:{refusal.line}:{field} {visible(refusal.reason)} "
            f"({visible(refusal.code)})"
        )
    if summary.refused > _SHOWN:
        lines.append(f"  and {summary.refused - _SHOWN:,} more; --json lists the first 1,000")
    return lines
