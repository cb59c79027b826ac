"""`verify` (is it true?) and `fsck` (is it whole?): both only read, and show no bodies."""

from __future__ import annotations

import threading
from pathlib import Path

import click
import msgspec

from indelible.base.errors import EXIT_DAMAGED, EXIT_ERROR, EXIT_OK, IndelibleError
from indelible.base.limits import PROGRESS_SECONDS
from indelible.cli.client import connect
from indelible.cli.failures import ErrorAnswer, exit_code_of
from indelible.cli.options import (
    FILE,
    Client,
    Output,
    data_required,
    json_option,
    plain,
    reach_of,
    reach_options,
)
from indelible.cli.output import decode
from indelible.cli.progress import progress
from indelible.cli.visible import visible


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What every account of a check holds: the verdict, its exit code, and what to read."""

    verdict: str
    exit: int | None = None
    lines: list[str] = []


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One verification on a server: `state` is running, finished or cut off."""

    id: str
    state: str
    done: int = 0
    total: int = 0
    verdict: str = ""
    ok: bool | None = None
    report: msgspec.Raw = msgspec.Raw()


def _tell(out: Output, report: Report, raw: bytes) -> None:
    """Print an account and leave with its exit code."""
    if out.json:
        out.document(raw)
    else:
        out.say(out.verdict(report.verdict.upper()))
        for line in report.lines:
            out.say(f"  {visible(line)}")
    code = report.exit
    if code is None:
        code = EXIT_OK
    click.get_current_context().exit(code)


@click.command()
@click.option("--from", "from_index", type=click.IntRange(0), metavar="A", help="First index.")
@click.option("--to", "to_index", type=click.IntRange(0), metavar="B", help="Last index.")
@click.option("--quick", is_flag=True,
              help="Signatures, sizes and hashes of files only; bodies are not recomputed.")
@click.option("--against", type=FILE, metavar="OLD.ckpt",
              help="A checkpoint kept elsewhere: shows rollback and fork.")
@click.option("--policy", "verification_policy", type=FILE, metavar="FILE",
              help="Verification policy: keys, witnesses and ages that you demand.")
@reach_options
@json_option
def verify(
    from_index: int | None, to_index: int | None, quick: bool, against: Path | None,
    verification_policy: Path | None, as_json: bool, **values: object,
) -> None:
    """Is it true? Recompute every commitment, leaf and root from the stored bodies, and check
    every signature, the register and the witnesses' lines.

    It only reads, and names the first damaged index where the surviving data determine it. With
    --data it runs on a stopped folder, also on one that `serve` refuses. Exits with 0 when all is
    proven (what is pending, erased, pruned or unwitnessed is said), with 4 when not.

    \b
    Examples:
      indelible verify
      indelible verify --data ledger --against last-month.ckpt
      indelible verify --from 1000000 --to 1065535
      indelible verify --data ledger --policy audit.toml --json
    """
    out, reach = Output(json=as_json), reach_of(values)
    if from_index is not None and to_index is not None and to_index < from_index:
        raise click.UsageError("--to lies before --from.")
    if reach.data is not None:
        _verify_folder(
            out, reach.data, from_index, to_index, quick, against, verification_policy
        )
        return
    asked = {
        "from": from_index, "to": to_index, "quick": quick,
        "against": _text(against),
        "verification_policy": _text(verification_policy),
    }
    with connect(reach) as client:
        run = _follow(client, decode(client.post("/v1/verify", asked), Run))
    _tell_run(out, run)


def _text(path: Path | None) -> str:
    return "" if path is None else path.read_text("utf-8")


def _verify_folder(
    out: Output, data: Path, from_index: int | None, to_index: int | None, quick: bool,
    against: Path | None, verification_policy: Path | None,
) -> None:
    from indelible.app import verify_folder

    with progress("verifying") as advance:
        report = verify_folder(
            data, from_index=from_index, to_index=to_index, quick=quick, against=against,
            verification_policy=verification_policy, progress=advance,
        )
    raw = msgspec.json.encode(report)
    _tell(out, decode(raw, Report), raw)


def _follow(client: Client, run: Run) -> Run:
    """Wait until a verification has ended, showing how far it is."""
    with progress("verifying") as advance:
        while run.state == "running":
            advance(run.done, run.total)
            threading.Event().wait(PROGRESS_SECONDS)
            run = decode(client.get("/v1/verify", {"run": run.id}), Run)
    return run


def _tell_run(out: Output, run: Run) -> None:
    if run.state != "finished":
        raise IndelibleError(
            f"verification {run.id} was cut off before its end", code="cut_off",
            remedy="Ask again; a verification changes nothing.",
        )
    raw = bytes(run.report)
    try:
        failed = msgspec.json.decode(raw, type=ErrorAnswer).error
    except msgspec.DecodeError:
        report = decode(raw, Report) if b'"verdict"' in raw else Report(verdict=run.verdict)
        if report.exit is None:
            report = msgspec.structs.replace(report, exit=EXIT_OK if run.ok else EXIT_DAMAGED)
    else:
        code = exit_code_of(failed.code, 500)
        lines = [failed.message, failed.remedy]
        report = Report(verdict=failed.code, exit=code or EXIT_ERROR, lines=lines)
    _tell(out, report, raw)


@click.command()
@data_required
@click.option("--columns", is_flag=True,
              help="Also compare every value of the column files with evidence.")
@plain
def fsck(out: Output, data: Path, columns: bool) -> None:
    """Is it whole? Check every file of a folder: journal, evidence, manifest, id index, tiles,
    keyring; with --columns the column files against evidence, value by value.

    It only reads and runs also on a folder that `serve` refuses. What it finds broken in columns
    or the id index, `reindex` rebuilds; the rest comes back from a backup.

    \b
    Examples:
      indelible fsck --data ledger
      indelible fsck --data ledger --columns --json
    """
    from indelible.app import fsck_folder

    with progress("checking") as advance:
        report = fsck_folder(data, columns=columns, progress=advance)
    raw = msgspec.json.encode(report)
    _tell(out, decode(raw, Report), raw)
