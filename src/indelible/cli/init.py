"""`indelible init`: a new ledger."""

from __future__ import annotations

import os
from pathlib import Path

import click
import msgspec

from indelible.base.errors import IndelibleError
from indelible.base.settings import check_origin, default_keys, default_state
from indelible.cli.failures import Refused
from indelible.cli.options import FOLDER, Output, plain
from indelible.cli.visible import visible


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What `init` made, as `--json` prints it."""

    origin: str
    data: str
    settings: str
    keys: str
    state: str
    recovery_file: str
    vkey: str
    vkey_mldsa44: str


@click.command()
@click.argument("data", type=FOLDER, metavar="DIR")
@click.option("--origin", required=True, metavar="NAME",
              help="The log's name for ever, such as audit.example.com/main.")
@click.option("--keys", type=FOLDER, metavar="DIR", help="Where the keyring goes.")
@click.option("--state", type=FOLDER, metavar="DIR", help="Where the register goes.")
@click.option("--insecure-single-folder", is_flag=True,
              help="Keys and register inside DIR: whoever copies DIR can read and rewrite it.")
@plain
def init(
    out: Output, data: Path, origin: str, keys: Path | None, state: Path | None,
    insecure_single_folder: bool,
) -> None:
    """Make a new, empty ledger in DIR.

    The keyring and the register go to folders of their own, so that a copy of DIR alone can
    neither be read nor be passed off as the newest state. A recovery file opens the keyring when
    its machine is lost: move it to a safe place.

    \b
    Examples:
      indelible init ledger --origin audit.example.com/main
      indelible init /srv/audit --origin audit.example.com/main --keys /etc/audit-keys
    """
    from indelible.app import init_ledger

    check_origin(origin)
    if insecure_single_folder and (keys or state):
        raise click.UsageError("--insecure-single-folder leaves nothing for --keys and --state.")
    if data.is_dir() and any(data.iterdir()):
        raise Refused(
            f"{data} is not empty", code="folder_not_empty",
            remedy="Name a new folder; a ledger never takes over what is there.",
        )
    try:
        made = init_ledger(data, origin, keys, state, insecure_single_folder)
    except IndelibleError as error:
        if error.code == "exists":
            error.remedy = _free_the_origin(origin, keys, state)
        raise
    result = Made(
        origin=origin, data=str(data.absolute()), settings=str(data.absolute() / "indelible.toml"),
        keys=str(made.keys), state=str(made.state), recovery_file=str(made.recovery_file),
        vkey=made.vkey, vkey_mldsa44=made.vkey_mldsa44,
    )
    if out.json:
        out.document(msgspec.json.encode(result))
        return
    out.say(out.paint(f"A new ledger is in {visible(str(data))}.", None, bold=True))
    out.facts([
        ("origin", visible(origin)),
        ("settings", visible(result.settings)),
        ("keyring", visible(result.keys)),
        ("register", visible(result.state)),
        ("recovery file", visible(result.recovery_file)),
        ("vkey", visible(result.vkey)),
    ], indent="  ")
    for line in _advice(data, result, insecure_single_folder):
        out.say(line)


def _free_the_origin(origin: str, keys: Path | None, state: Path | None) -> str:
    """What to do where a ledger of this origin was before: its folders by name."""
    keyring = keys or default_keys(origin, os.environ)
    register = state or default_state(origin, os.environ)
    return (
        "Choose another origin (or other --keys and --state folders): a register or keyring is "
        "never overwritten. If the ledger before was a trial, remove its three folders and the "
        f"recovery file: the data folder, the keyring {keyring}, the register {register} and "
        f"{keyring}.recovery."
    )


def _advice(data: Path, made: Made, single: bool) -> list[str]:
    name = visible(os.fspath(data))
    lines = [
        "",
        "Keep apart from this machine:",
        f"  the recovery file  move {visible(made.recovery_file)} to a safe place",
        "                     it opens the keyring when this machine is lost",
        "  the vkey           give it to whoever will verify; it is public",
        "  the keyring        its backup never lies beside one of the data (backup --keys-to)",
    ]
    if single:
        lines += [
            "",
            "Keys and register lie inside the data folder: whoever copies or restores that folder",
            "can read every event, sign another history, and roll it back. For trying out only.",
        ]
    return [
        *lines,
        "",
        "Next:",
        f"  indelible token create --data {name} --role admin --name you -o admin.token",
        f"  indelible serve --data {name}",
    ]
