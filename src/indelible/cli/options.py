"""Options that commands share, and how a command reaches its ledger."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from indelible.cli.client import (
    DEFAULT_URL,
    TOKEN_VARIABLE,
    URL_VARIABLE,
    Client,
    Reach,
    connect,
    sends_in_clear,
)
from indelible.cli.output import Output

Command = TypeVar("Command", bound=Callable[..., object])
FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


class _Index(click.IntRange):
    """The place of an event in the log."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if not str(value).isdecimal():
            self.fail(f"{value!r} is no index: it is a number, which `indelible search` shows.",
                      param, ctx)
        return int(super().convert(value, param, ctx))


INDEX = _Index(0)

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document instead of text."
)
data_required = click.option(
    "--data", "data", type=FOLDER, required=True, metavar="DIR", help="The ledger's data folder."
)


def reach_options(command: Command) -> Command:
    """--url, --data, --token-file, --ca, --certificate: what `reach_of` takes."""
    options = [
        click.option("--url", metavar="URL", help="A running server.  "
                     f"[default: {URL_VARIABLE}, else {DEFAULT_URL}]"),
        click.option("--data", type=FOLDER, metavar="DIR",
                     help="The folder of a stopped ledger, instead of a server."),
        click.option("--token-file", type=FILE, metavar="FILE",
                     help=f"File that holds the token.  [default: {TOKEN_VARIABLE}]"),
        click.option("--ca", type=FILE, metavar="FILE",
                     help="Authorities to trust for https, PEM."),
        click.option("--certificate", type=FILE, metavar="FILE",
                     help="Client certificate and its key, PEM."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


unrecorded_option = click.option(
    "--unrecorded", is_flag=True,
    help="With --data on read-only media, a backup or a closed log: read without recording it.",
)


def reach_of(values: dict[str, object]) -> Reach:
    """Take the shared options out of a command's arguments."""
    url, data = values.pop("url"), values.pop("data")
    named = url is None and data is None
    unrecorded = bool(values.pop("unrecorded", False))
    if url is not None and data is not None:
        raise click.UsageError("--url and --data exclude each other.")
    if unrecorded and data is None:
        raise click.UsageError("--unrecorded goes with --data: a server records every read.")
    taken = {name: values.pop(name) for name in ("token_file", "ca", "certificate")}
    if data is not None and any(value is not None for value in taken.values()):
        raise click.UsageError("--token-file, --ca and --certificate go with --url, not --data.")
    paths = {name: value if isinstance(value, Path) else None for name, value in taken.items()}
    return Reach(
        url=os.environ.get(URL_VARIABLE) or None if named else str(url) if url else None,
        data=data if isinstance(data, Path) else None,
        recorded=not unrecorded,
        **paths,
    )


def talks(*, reading: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The command gets `client` and `out` first, and the options that say which ledger it means.

    `reading`: it shows events, so that with `--data` the read is recorded in the ledger.
    """

    def decorate(body: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(body)
        def command(*, as_json: bool, **values: object) -> None:
            reach = reach_of(values)
            out = Output(json=as_json)
            if reach.data is None and sends_in_clear(reach):
                out.note("this address is not encrypted: the token and the answers travel in clear")
            if not reach.recorded:
                out.recorded = False
                out.note("unrecorded: this read is not written into the ledger")
            with connect(reach) as client:
                body(client, out, **values)

        command = json_option(command)
        return reach_options(unrecorded_option(command) if reading else command)

    return decorate


def plain(body: Callable[..., None]) -> Callable[..., None]:
    """The command works on a folder itself: it gets `out` first, and `--json`."""

    @functools.wraps(body)
    def command(*, as_json: bool, **values: object) -> None:
        body(Output(json=as_json), **values)

    return json_option(command)


__all__ = [
    "FILE", "FOLDER", "Client", "Output", "data_required", "json_option", "plain", "reach_of",
    "reach_options", "talks",
]
