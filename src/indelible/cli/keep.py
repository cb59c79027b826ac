"""`seal`, `reindex`, `backup`, `restore`, `register`, `clock`: keeping a ledger."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec

from indelible.cli.options import FILE, FOLDER, Client, Output, data_required, plain, talks
from indelible.cli.output import age_text, size_text
from indelible.cli.progress import followed, progress
from indelible.cli.visible import visible


def _account(out: Output, raw: bytes, headline: str) -> None:
    """An account of what was done, as the server or the ledger gave it."""

    def tell(account: dict[str, object]) -> None:
        out.say(headline)
        out.facts(
            [(name.replace("_", " "), visible(str(value))) for name, value in account.items()],
            indent="  ",
        )

    out.answer(raw, dict[str, object], tell)


@click.command()
@talks()
def seal(client: Client, out: Output) -> None:
    """Seal what is in the journal into evidence and columns now; returns once it is re-read.

    \b
    Examples:
      indelible seal
      indelible seal --data ledger
    """
    with followed(client, "seal", "sealing"):
        raw = client.post("/v1/seal", endless=True)
    _account(out, raw, "Sealed.")


@click.command()
@data_required
@plain
def reindex(out: Output, data: Path) -> None:
    """Rebuild column files and the id index of a stopped ledger from its evidence.

    Evidence, tiles and checkpoints are not touched: what is rebuilt can always be rebuilt.

    \b
    Examples:
      indelible reindex --data ledger
    """
    from indelible.app import reindex_folder

    with progress("reindexing") as advance:
        report = reindex_folder(data, progress=advance)
    _account(out, msgspec.json.encode(report), "Columns and id index are rebuilt from evidence.")


class BackupAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of POST /v1/backup."""

    path: str
    size: int
    root: str
    bytes: int
    keys_path: str = ""


def _on_server(client: Client, path: Path) -> str:
    """A path as the server understands it; relative ones mean this machine's current folder."""
    host = urlsplit(client.place).hostname
    if not path.is_absolute() and host not in (None, "127.0.0.1", "::1", "localhost"):
        raise click.UsageError(f"{path} is written on the server {host}: give it absolutely.")
    return os.path.abspath(path)


@click.command()
@click.argument("to", type=FOLDER, metavar="DIR")
@click.option("--keys-to", type=FOLDER, metavar="DIR",
              help="Copy the sealed keyring to a place of its own, never inside the other.")
@talks()
def backup(client: Client, out: Output, to: Path, keys_to: Path | None) -> None:
    """Copy a ledger, running or stopped, to DIR: consistent, and verifiable by itself.

    DIR is a folder of the server's machine. A backup of the data without one of the keys cannot be
    read; one of both in one place can be read by whoever takes it.

    \b
    Examples:
      indelible backup /backup/audit-2026-03-03 --keys-to /vault/audit-keys
      indelible verify --data /backup/audit-2026-03-03 --quick
    """
    asked = {"to": _on_server(client, to)}
    if keys_to is not None:
        asked["keys_to"] = _on_server(client, keys_to)
    with followed(client, "backup", "backing up", "bytes"):
        raw = client.post("/v1/backup", asked, endless=True)

    def show(made: BackupAnswer) -> None:
        out.say(f"A backup of {made.size:,} events is in {visible(made.path)}.")
        out.facts([
            ("root", visible(made.root)),
            ("bytes", size_text(made.bytes)),
            ("keyring", visible(made.keys_path)),
        ], indent="  ")
        if not made.keys_path:
            out.note("the keyring is not in it: without --keys-to, back it up yourself")

    out.answer(raw, BackupAnswer, show)


@click.command()
@data_required
@click.option("--from", "copy", type=FOLDER, required=True, metavar="DIR", help="The backup.")
@click.option("--keys-from", type=FOLDER, metavar="DIR",
              help="The keyring's copy; left out where the keyring is still in its place.")
@click.option("--recovery", type=FILE, metavar="FILE",
              help="The recovery file of `init`: opens a keyring whose master key is lost.")
@click.option("--accept-size", type=click.IntRange(0), metavar="M",
              help="Accept that only the first M events came back.")
@click.option("--reason", metavar="TEXT", help="Why events are given up; stands in the log.")
@click.option("--by", multiple=True, metavar="NAME", help="Who decided it; once for each person.")
@plain
def restore(
    out: Output, data: Path, copy: Path, keys_from: Path | None, recovery: Path | None,
    accept_size: int | None, reason: str | None, by: tuple[str, ...],
) -> None:
    """Bring a ledger back from a backup into the folder of --data.

    When the register knows more events than came back, nothing is done without --accept-size: then
    the origin is closed for good and a new ledger NAME/2 begins with a record that says what was
    lost, why, and who decided it. A closed log gets one such ledger, never a second; where there is
    no register, no loss can be accepted.

    \b
    Examples:
      indelible restore --data ledger --from /backup/audit-2026-03-03
      indelible restore --data ledger --from /backup/old --accept-size 120000 \\
        --reason "disk lost with its newest day" --by ann --by bob
    """
    from indelible.app import restore as restore_folder

    if accept_size is not None and not (reason and by):
        raise click.UsageError("--accept-size gives events up: it needs --reason and --by.")
    with progress("restoring") as advance:
        report = restore_folder(
            data, copy, keys_from=keys_from, recovery=recovery, accept_size=accept_size,
            reason=reason or "", by=by, progress=advance,
        )
    _account(out, msgspec.json.encode(report), f"{visible(str(data))} is restored.")


@click.group()
def register() -> None:
    """Mend a register that was lost or cannot be read.

    \b
    Examples:
      indelible register rebuild --data ledger --from newest.ckpt
    """


@register.command()
@data_required
@click.option("--from", "source", required=True, metavar="CHECKPOINT|WITNESS",
              help="A checkpoint file, or the address of a witness.")
@plain
def rebuild(out: Output, data: Path, source: str) -> None:
    """Write the register again from a checkpoint file or from what a witness remembers.

    The newer the source, the more a rollback shows: a register rebuilt from an old checkpoint
    knows no more than it. The rebuilding is an event in the log. Where the checkpoint knows more
    than the data, the register does too, and the ledger refuses: find the newer copy, or restore
    with --accept-size.

    \b
    Examples:
      indelible register rebuild --data ledger --from newest.ckpt
      indelible register rebuild --data ledger --from https://witness.example
    """
    from indelible.app import register_rebuild

    with progress("reading the data") as advance:
        report = register_rebuild(data, source, progress=advance)
    _account(out, msgspec.json.encode(report), "The register is rebuilt.")


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of POST /v1/clock/accept."""

    step_seconds: float


@click.group()
def clock() -> None:
    """Confirm the clock after a step that stopped the ledger.

    \b
    Examples:
      indelible clock accept
    """


@clock.command()
@talks()
def accept(client: Client, out: Output) -> None:
    """Say that the machine's clock is right now, after a forward step of more than 24 hours.

    Received times never go back: look at the clock before you confirm it.

    \b
    Examples:
      date -u && indelible clock accept
    """

    def tell(accepted: Accepted) -> None:
        out.say("The clock is accepted.")
        out.facts([("step", _step_text(accepted.step_seconds))], indent="  ")

    out.answer(client.post("/v1/clock/accept"), Accepted, tell)


def _step_text(seconds: float) -> str:
    size = abs(seconds)
    if size < 0.001:
        return "none (under 1 ms)"
    text = f"{size * 1000:.0f} ms" if size < 1 else age_text(size)
    return f"{text} {'ahead' if seconds > 0 else 'back'}"
