"""`indelible serve`: the server of one ledger. Its flags are the settings' own table."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click

from indelible.base.settings import SETTINGS, check_listening, load
from indelible.cli.options import Output, data_required, plain

_FIXED = ("origin", "keys", "state")  # decided by `init`, not from one start to the next
PROCESSES = ("writer", "sealer", "collector", "query")


def _settings_flags(command: Callable[..., object]) -> Callable[..., object]:
    for setting in reversed(list(SETTINGS.values())):
        if setting.name in _FIXED:
            continue
        flag = f"--{setting.name.replace('_', '-')}"
        if setting.type == "boolean":
            option = click.option(f"{flag}/--no-{flag[2:]}", default=None, help=setting.about.help)
        else:
            option = click.option(flag, metavar=setting.type.upper().replace(" ", "_"),
                                  help=setting.about.help)
        command = option(command)
    return command


@click.command()
@data_required
@click.option("--only", type=click.Choice(PROCESSES),
              help="Run one process of the server alone, on the same machine.")
@_settings_flags
@plain
def serve(out: Output, data: Path, only: str | None, **flags: object) -> None:
    """Run the server of the ledger in DIR until SIGTERM or Ctrl-C, which drain it.

    Settings come from DIR/indelible.toml, then INDELIBLE_NAME in the environment, then the flags
    below. It refuses to start when the data contradict the register or themselves, says why, and
    changes nothing. With --json its log on stderr is one JSON object a line.

    \b
    Examples:
      indelible serve --data ledger
      indelible serve --data ledger --port 9000 --seal-age 12h
      indelible serve --data ledger --host 0.0.0.0 --tls-cert c.pem --tls-key k.pem
    """
    from indelible.app import run_serve

    settings = load(data, os.environ, flags)
    check_listening(settings)
    run_serve(data, settings, only=only, json_log=out.json)
