"""`indelible parser`: which formats are read, what a parser makes of a file, and drafts of mappings
for formats that nobody listed. No server and no ledger is needed."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from indelible.base.clock import wall_us
from indelible.base.errors import EXIT_OK, EXIT_REFUSED
from indelible.base.limits import IMPORT_BATCH_EVENTS
from indelible.cli.failures import Refused
from indelible.cli.options import FILE, FOLDER, Output, plain
from indelible.cli.output import count_text
from indelible.cli.progress import progress
from indelible.cli.visible import visible
from indelible.event.paths import escape_segment
from indelible.ingest.elements import Message
from indelible.ingest.parsers import mapping_draft
from indelible.ingest.parsers.contract import Given, NotUnderstood, Parser, Record
from indelible.ingest.parsers.finish import opened
from indelible.ingest.parsers.mapping_file import ENDING, read_file
from indelible.ingest.parsers.table import (
    AUTO,
    FORMATS,
    add_mappings,
    all_parsers,
    parser_named,
    resolve,
)
from indelible.ingest.parsers.trial import MEMBERS, NONE, Summary, Trial, tried
from indelible.ingest.sources import zone_of
from indelible.ingest.splitting import NATIVE, messages

GUESSING = ("", "json", "keyvalue")
"""Parsers that read what no other one recognises: a mapping is better."""

ledger_option = click.option(
    "--data", "data", type=FOLDER, metavar="DIR",
    help="A ledger's folder; the mappings in DIR/parsers are known too.",
)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """One parser, as `parser list --json` prints it."""

    name: str
    version: str
    reads: str
    about: str


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """What `parser test --json` prints."""

    file: str
    parser: str
    summary: Summary
    messages: list[Trial]


class Drafted(msgspec.Struct, frozen=True, kw_only=True):
    """What `parser new --json` prints; `mapping` is empty where it went to a file."""

    name: str
    messages: int
    members: dict[str, list[str]]
    mapping: str = ""
    file: str = ""


@click.group()
def parser() -> None:
    """List, try and draft parsers: what reads the events of other programs.

    \b
    Examples:
      indelible parser list
      indelible parser test access.log.gz
      indelible parser new acme.ndjson > acme.toml
    """


@parser.command("list")
@ledger_option
@plain
def list_(out: Output, data: Path | None) -> None:
    """List every parser: its name, what it reads, and from whom.

    \b
    Examples:
      indelible parser list
      indelible parser list --data ledger
    """
    _add(data)
    known = [
        Known(name=NATIVE, version="native/1", reads="objects",
              about="events in Indelible's own form (docs/reference/event.md)"),
        *(Known(name=one.name, version=one.version, reads=_reads(one), about=one.about)
          for one in (AUTO, *all_parsers())),
    ]
    if out.json:
        out.document(msgspec.json.encode({"parsers": known}))
        return
    out.table(("NAME", "READS", "ABOUT"), [(one.name, one.reads, one.about) for one in known],
              whole=(0, 1))


def _reads(one: Parser) -> str:
    if one is AUTO:
        return "anything"
    if one.unwrap is not None:
        return "envelopes"
    return "objects" if one.reads_records else "texts"


def _add(data: Path | None) -> None:
    """Know the mappings of a ledger too."""
    if data is not None:
        add_mappings(data / "parsers")


@parser.command("test")
@click.argument("file", type=click.Path(allow_dash=True), metavar="FILE")
@click.option("--parser", "named", default=AUTO.name, show_default=True, metavar="P",
              help="A parser's name, or the path of a mapping file (draft.toml).")
@click.option("--zone", default="UTC", show_default=True, metavar="ZONE",
              help="Time zone of times that name none.")
@click.option("--limit", type=click.IntRange(min=0), default=10, show_default=True, metavar="N",
              help="How many messages to show, and how many more of those not understood; "
              "all are read and counted.")
@ledger_option
@plain
def test(
    out: Output, file: str, named: str, zone: str, limit: int, data: Path | None
) -> None:
    """Show what a parser makes of a file, message by message and member by member, and what of a
    message no member of the event comes from. Nothing is stored.

    The file may be packed, hold lines or JSON documents; `-` reads standard input. The exit code is
    3 when a message was not understood.

    \b
    Examples:
      indelible parser test audit.ndjson
      indelible parser test --parser auto --zone Europe/Berlin /var/log/auth.log.1
      indelible parser test --parser acme.toml --limit 3 acme.ndjson.gz
      indelible parser test --limit 0 --json export.json
    """
    _add(data)
    chosen = _chosen(named)
    given = Given(now_us=wall_us(), zone=zone_of(zone))
    summary, more = Summary(), 0
    shown: list[Trial] = []
    with progress("messages") as advance:
        for message in _messages(file, named if chosen is None else _way(chosen)):
            first = len(shown) < limit
            one = tried(chosen, message, given, closely=first)
            summary.add(one)
            if first or (not one.understood and more < limit):
                more += not first
                shown.append(one)
            if not summary.read % IMPORT_BATCH_EVENTS:
                advance(summary.read, 0)
    tested = Tested(file=file, parser=named, summary=summary, messages=shown)
    out.result(tested, _lines(out, tested))
    failed = summary.understood < summary.read
    click.get_current_context().exit(EXIT_REFUSED if failed else EXIT_OK)


def _chosen(named: str) -> Parser | None:
    """The parser that a name or a mapping file's path means; None for the native format."""
    if named == NATIVE:
        return None
    if named.endswith(ENDING) or (named not in FORMATS and Path(named).is_file()):
        return read_file(Path(named))
    return parser_named(named)


def _way(chosen: Parser) -> str:
    """Under which name a file is taken apart; a mapping of a user's is not listed."""
    if chosen is AUTO or chosen.name in FORMATS:
        return chosen.name
    return "json" if chosen.reads_records else "keyvalue"


def _messages(file: str, way: str) -> Iterator[Message]:
    if file != "-" and not Path(file).is_file():
        raise Refused(f"there is no file {file}", remedy="Check the name; `-` reads stdin.")
    source: Any = nullcontext(sys.stdin.buffer) if file == "-" else open(file, "rb")  # noqa: SIM115
    with source as opened_file:
        stream: BinaryIO = opened_file
        yield from messages(stream, file, way)


def _lines(out: Output, tested: Tested) -> Iterator[str]:
    for one in tested.messages:
        yield from _of_message(out, one)
        yield ""
    yield from _of_summary(out, tested)


def _of_message(out: Output, one: Trial) -> Iterator[str]:
    """One message: who read it and why, its members, and what is not used."""
    if one.understood:
        title = f"message {one.line}: {visible(one.parser)}"
    else:
        title = f"message {one.line}: not understood"
    notes = [f"within {visible(one.within)}" if one.within else "", visible(one.recognised)]
    note = ", ".join(note for note in notes if note)
    yield out.paint(title, None if one.understood else "red", bold=True) + (
        f" ({note})" if note else "")
    if not one.understood:
        by = f", says {visible(one.parser)}" if one.parser else ""
        yield f"  {visible(one.reason)} ({visible(one.code)}){by}"
    rows = [(visible(name), visible(value)) for name, value in _flat(one.event)]
    if one.flags:
        rows.append(("flags", ", ".join(one.flags)))
    wide = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        yield f"  {name:<{wide}}  {value}"
    if one.unused:
        yield f"  {out.paint('not used:', 'yellow')} {visible(', '.join(one.unused))}"


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The members of an event with their paths; what changed, and `data`, as JSON."""
    if isinstance(value, list) and not any(isinstance(one, (dict, list)) for one in value):
        yield path, ", ".join(_text(one) for one in value)
    elif not isinstance(value, (dict, list)) or path.count(".") > 1:
        yield path, _text(value)
    else:
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            step = escape_segment(str(name))
            yield from _flat(part, f"{path}.{step}" if path else step)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _of_summary(out: Output, tested: Tested) -> Iterator[str]:
    summary = tested.summary
    yield out.paint(
        f"{count_text(summary.read, 'message')}, {summary.understood:,} understood"
        + (f", of which {summary.guessed:,} by guesses" if summary.guessed else ""),
        None, bold=True,
    )
    rows = [(name, count, "read by this parser" if name != NONE else "recognised by no parser")
            for name, count in _most(summary.parsers)]
    rows += [(code, count, "not understood, for this reason")
             for code, count in _most(summary.unparsed)]
    rows += [(f"with {member}", summary.members.get(member, 0), "") for member in MEMBERS]
    for name, count, about in rows:
        share = f"{100 * count / summary.read:5.1f} %" if summary.read else ""
        yield f"  {visible(name):<20} {count:>12,}  {share:>7}  {about}".rstrip()
    if summary.unused:
        yield f"  members that no event uses, in {count_text(summary.looked_at, 'message')} shown:"
        for path, count in _most(summary.unused):
            yield f"    {count:>6,}  {visible(path)}"


def _most(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Names and counts, the most frequent first."""
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


@parser.command("new")
@click.argument("file", type=click.Path(allow_dash=True), metavar="FILE")
@click.option("--name", metavar="N", help="The parser's name.  [default: from the file's name]")
@click.option("--zone", default="UTC", show_default=True, metavar="ZONE",
              help="Time zone of times that name none.")
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, metavar="N",
              help="How many messages to look at.")
@click.option("-o", "--output", type=FILE, metavar="FILE",
              help="Write the mapping to a new file instead of showing it.")
@plain
def new(
    out: Output, file: str, name: str | None, zone: str, limit: int, output: Path | None
) -> None:
    """Draft a mapping from samples: JSON objects, or lines of key=value. What each member of the
    event may come from is guessed; read every line of it before you use it.

    A mapping is a parser without code: put it into the folder `parsers` of the ledger.

    \b
    Examples:
      indelible parser new acme.ndjson > acme.toml
      indelible parser new acme.ndjson.gz --name acme-portal -o acme.toml
      indelible parser test --parser acme.toml acme.ndjson.gz
    """
    if output is not None and output.exists():
        raise Refused(f"{output} is there already", remedy="Name a new file.")
    called = mapping_draft.name_of(name, file, (NATIVE, AUTO.name, *FORMATS))
    given = Given(now_us=wall_us(), zone=zone_of(zone))
    samples, readers = [], Counter[str]()
    for one in islice(_messages(file, "json"), limit):
        if not one.code:
            reader, sample = _out_of_envelopes(one.raw, given)
            samples.append(sample)
            readers[reader] += 1
    for reader, count in readers.items():
        if reader not in GUESSING and 2 * count > len(samples):
            out.note(f"{reader} recognises {count:,} of {len(samples):,} messages: "
                     "see first what `indelible parser test` says of them")
    drafted = mapping_draft.draft(samples, called, given)
    if drafted is None:
        raise Refused(
            f"{file} holds neither JSON objects nor lines of key=value",
            remedy="Other lines of a fixed form are read by a mapping that you write yourself: "
            "docs/howto/add-a-source.md#texts-of-a-fixed-form.",
        )
    if output is not None:
        with output.open("x", encoding="utf-8", newline="\n") as target:
            target.write(drafted.text)
    result = Drafted(
        name=called, messages=drafted.samples, members=drafted.members,
        mapping="" if output else drafted.text, file=str(output or ""),
    )
    where = [f"A draft from {count_text(drafted.samples, 'message')} is in {visible(str(output))}.",
             f"Try it: indelible parser test --parser {visible(str(output))} {visible(file)}"]
    out.result(result, where if output else visible_lines(drafted.text))


def _out_of_envelopes(raw: bytes, given: Given) -> tuple[str, str | Record]:
    """A message as its parser will be handed it, without syslog header or shipper's document, and
    the name of that parser."""
    message = opened(raw)
    try:
        found = resolve(AUTO, message, given)
    except NotUnderstood:
        return "", message
    return found.parser.name, found.message


def visible_lines(text: str) -> Iterator[str]:
    """A text line by line; the draft itself holds nothing that could drive a terminal."""
    return (visible(line) for line in text.splitlines())
