"""`prove` and `export`: what leaves the ledger so that others can check it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from indelible.base.files import write_with
from indelible.base.limits import BUNDLE_INDEXES
from indelible.cli.client import Params, path_of
from indelible.cli.failures import Refused
from indelible.cli.keys import KeysAnswer
from indelible.cli.options import FILE, FOLDER, INDEX, Client, Output, talks
from indelible.cli.output import count_text, decode, size_text
from indelible.cli.pages import read_pages
from indelible.cli.progress import Advance, progress
from indelible.cli.visible import visible, visible_json
from indelible.proof.checkpoint import parse_head
from indelible.proof.tile import TILE_WIDTH, entries_path, tile_path, tiles_for
from indelible.query.model import SearchPage

_NO_OVERWRITE = "Name a new file, or give --force."


@click.command()
@click.argument("indexes", nargs=-1, type=INDEX, metavar="[INDEX]...")
@click.option("--from", "from_index", type=click.IntRange(0), metavar="A",
              help="First index of a range.")
@click.option("--to", "to_index", type=click.IntRange(0), metavar="B",
              help="Last index of a range: every entry between, none left out.")
@click.option("--query", metavar="QUERY",
              help=f"The events of a search, {BUNDLE_INDEXES:,} at most.")
@click.option("--since", metavar="TIME", help="With --query: not before, as in `search`.")
@click.option("--until", metavar="TIME", help="With --query: before.")
@click.option("-o", "--output", type=FILE, required=True, metavar="FILE",
              help="Where the bundle goes.")
@click.option("--tlog-proof", "single", is_flag=True,
              help="Write a C2SP tlog-proof of one event instead of a bundle.")
@click.option("--force", is_flag=True, help="Replace FILE.")
@talks(reading=True)
def prove(
    client: Client, out: Output, indexes: tuple[int, ...], from_index: int | None,
    to_index: int | None, query: str | None, since: str | None, until: str | None, output: Path,
    single: bool, force: bool,
) -> None:
    """Write a bundle that proves events to somebody who trusts neither you nor this server.

    It holds the events, their proofs, the checkpoint and a readable view. The receiver needs
    `indelible-verify` and the log's keys, which you give them beforehand (`indelible keys show`).
    A range proves that nothing between its ends was left out; a query proves the events it finds.

    \b
    Examples:
      indelible prove 4711 -o bundle.zip
      indelible prove 12 940 941 -o bundle.zip
      indelible prove --from 4000 --to 4999 -o march.zip
      indelible prove --query 'target:pr_839 operation:delete' --since 30d -o deletions.zip
      indelible-verify bundle.zip --key log.vkey --key log.vkey.mldsa44
    """
    if query is None and (since or until):
        raise click.UsageError("--since and --until belong to --query.")
    if query is not None and (indexes or single or from_index is not None or to_index is not None):
        raise click.UsageError("--query stands alone: it says which events.")
    asked = {} if query is not None else _asked(indexes, from_index, to_index)
    if output.exists() and not force:
        raise Refused(f"{output} is there already", remedy=_NO_OVERWRITE)
    if query is not None:
        indexes = _found(client, {"q": query, "since": since, "until": until})
        asked = {"indexes": list(indexes)}
    if single:
        if len(indexes) != 1:
            raise click.UsageError("--tlog-proof proves one INDEX.")
        proof = client.get(path_of("v1", "events", indexes[0], "proof"))
        size = _save(output, iter((proof,)))
    else:
        with progress("proving", "bytes") as advance:
            with client.stream("POST", "/v1/bundle", value=asked) as chunks:
                size = _save(output, _counted(chunks, advance))
    count = len(indexes) or (to_index or 0) - (from_index or 0) + 1
    form = " proof" if single else ""
    out.result(
        {"path": str(output), "events": count, "bytes": size},
        [
            f"{count_text(count, 'event')} proved in {visible(str(output))} ({size_text(size)}).",
            f"Check it: indelible-verify{form} {visible(str(output))} --key log.vkey"
            + (" --body BODY" if single else " --key log.vkey.mldsa44"),
        ],
    )


def _asked(
    indexes: tuple[int, ...], from_index: int | None, to_index: int | None
) -> dict[str, object]:
    if (from_index is None) != (to_index is None):
        raise click.UsageError("A range needs both --from and --to.")
    if (from_index is None) == (not indexes):
        raise click.UsageError("Give INDEX..., --from A --to B, or --query QUERY.")
    if from_index is None or to_index is None:
        return {"indexes": sorted(set(indexes))}
    if to_index < from_index:
        raise click.UsageError("--to lies before --from.")
    return {"from": from_index, "to": to_index}


def _found(client: Client, params: Params) -> tuple[int, ...]:
    """The indexes of a search, all of one tree size."""
    indexes: list[int] = []
    pages = read_pages(
        client, "/v1/search", {**params, "sort": "index"}, BUNDLE_INDEXES + 1, SearchPage
    )
    for _, page in pages:
        indexes += [row.index for row in page.events]
    if not indexes:
        raise Refused("no event matches the query", remedy="Try it with `indelible search` first.")
    if len(indexes) > BUNDLE_INDEXES:
        raise Refused(
            f"more than {BUNDLE_INDEXES:,} events match the query",
            remedy="Narrow it, by --since and --until for example, or prove a range of indexes.",
        )
    return tuple(indexes)


def _counted(chunks: Iterator[bytes], advance: Advance) -> Iterator[bytes]:
    done = 0
    for chunk in chunks:
        done += len(chunk)
        advance(done, 0)
        yield chunk


def _save(path: Path, chunks: Iterator[bytes]) -> int:
    """Write all chunks durably under the final name, or nothing; the number of bytes."""
    size = 0

    def fill(file: BinaryIO) -> None:
        nonlocal size
        for chunk in chunks:
            file.write(chunk)
            size += len(chunk)

    write_with(path.absolute(), fill, mode=0o644)
    return size


@click.group()
def export() -> None:
    """Write out the log itself, or the events of a search.

    \b
    Examples:
      indelible export tlog log
      indelible export events 'action:payroll.*' --format csv -o payroll.csv
    """


@export.command()
@click.argument("directory", type=FOLDER, metavar="DIR")
@talks(reading=True)
def tlog(client: Client, out: Output, directory: Path) -> None:
    """Write the log as static files in the C2SP tlog-tiles layout: checkpoint, tile/...,
    tile/entries/..., vkey and vkey.mldsa44. It holds no event and may be published.

    Run it again to bring DIR up to date: whole tiles that are there are not fetched again, and the
    checkpoint is replaced last. Where witnesses cosign the log it ends at the newest checkpoint
    that one of them cosigned, which is seconds old.

    \b
    Examples:
      indelible export tlog log
      indelible-verify log log --key log/vkey --key log/vkey.mldsa44
    """
    checkpoint = client.get("/v1/checkpoint", {"cosigned": "1"})
    head, _ = parse_head(checkpoint.split(b"\n\n")[0].decode("utf-8", "replace") + "\n")
    keys = decode(client.get("/v1/keys"), KeysAnswer)
    directory.mkdir(parents=True, exist_ok=True)
    paths = list(_paths(head.size))
    fetched = 0
    with progress("exporting", "files") as advance:
        for done, (path, whole) in enumerate(paths):
            advance(done, len(paths))
            target = directory / path
            if whole and target.exists():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            _save(target, iter((client.get(f"/{path}"),)))
            fetched += 1
    for name, content in (
        ("vkey", keys.vkey.strip().encode() + b"\n"),
        ("vkey.mldsa44", keys.mldsa44.strip().encode() + b"\n"),
        ("checkpoint", checkpoint),
    ):
        _save(directory / name, iter((content,)))
    shown = visible(str(directory))
    out.result(
        {"path": str(directory), "origin": head.origin, "size": head.size,
         "root": head.root.hex(), "files": len(paths) + 3, "fetched": fetched},
        [
            f"The log of {visible(head.origin)}, {head.size:,} entries, is in {shown}.",
            f"Check it: indelible-verify log {shown} --key log.vkey --key log.vkey.mldsa44",
        ],
    )


def _paths(size: int) -> Iterator[tuple[str, bool]]:
    """Every file of a tree of this size, and whether it can never change again."""
    for level, n, width in tiles_for(size):
        yield tile_path(level, n, width), width == TILE_WIDTH
        if level == 0:
            yield entries_path(n, width), width == TILE_WIDTH


@export.command()
@click.argument("query", default="")
@click.option("--format", "form", type=click.Choice(("ndjson", "csv", "parquet")),
              default="ndjson", show_default=True,
              help="Exact bodies, one a line (ndjson), or rows of the columns.")
@click.option("--since", metavar="TIME", help="Not before: 2026-03-03, or an age such as 7d.")
@click.option("--until", metavar="TIME", help="Before: as --since.")
@click.option("-o", "--output", type=FILE, metavar="FILE", help="Where to.  [default: stdout]")
@click.option("--force", is_flag=True, help="Replace FILE.")
@talks(reading=True)
def events(
    client: Client, out: Output, query: str, form: str, since: str | None, until: str | None,
    output: Path | None, force: bool,
) -> None:
    """Write all events that match QUERY (all of them without one), in the log's order.

    With --json the events go to FILE and a summary to stdout.

    \b
    Examples:
      indelible export events > everything.ndjson
      indelible export events 'actor:jsmith' --since 30d --format csv -o jsmith.csv
      indelible export events 'outcome:denied' --format parquet -o denied.parquet
    """
    params = {"q": query or None, "format": form, "since": since, "until": until}
    if output is None:
        if out.json:
            raise click.UsageError("--json prints a summary: name the file with -o FILE.")
        if form == "parquet" and sys.stdout.isatty():
            raise click.UsageError("parquet is not for a terminal: name the file with -o FILE.")
        if sys.stdout.isatty():
            with client.stream("GET", "/v1/export", params) as chunks:
                _to_terminal(chunks)
            return
        with progress("exporting", "bytes") as advance:
            with client.stream("GET", "/v1/export", params) as chunks:
                for chunk in _counted(chunks, advance):
                    sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
        return
    if output.exists() and not force:
        raise Refused(f"{output} is there already", remedy=_NO_OVERWRITE)
    with progress("exporting", "bytes") as advance:
        with client.stream("GET", "/v1/export", params) as chunks:
            size = _save(output, _counted(chunks, advance))
    out.result(
        {"path": str(output), "format": form, "bytes": size},
        [f"Written to {visible(str(output))} ({size_text(size)})."],
    )


def _to_terminal(chunks: Iterator[bytes]) -> None:
    """Lines made harmless; a bar between them would only tear them apart."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            click.echo(visible_json(line))
    if rest:
        click.echo(visible_json(rest))
