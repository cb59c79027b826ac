"""`indelible status`: how the ledger is."""

from __future__ import annotations

import click

from indelible.cli.options import Client, Output, talks
from indelible.cli.output import age_text, count_text, moment_text, size_text
from indelible.cli.visible import visible
from indelible.cli.witness import witness_table
from indelible.server.rooms import Status


@click.command()
@talks(reading=True)
def status(client: Client, out: Output) -> None:
    """How the ledger is: size, root, last checkpoint, witnesses, last verification, bytes, disk.

    Exits with 4 when damage was found or the ledger stopped for it, else with 0.

    \b
    Examples:
      indelible status
      indelible status --json | jq .size
      indelible status --data ledger
      indelible status --data /media/cdrom/ledger --unrecorded
    """
    found = out.answer(client.get("/v1/status"), Status, lambda s: _show(out, s))
    if found.damage:
        click.get_current_context().exit(4)


def _show(out: Output, s: Status) -> None:
    out.facts([
        ("origin", visible(s.origin)),
        ("size", count_text(s.size, "event")),
        ("under a checkpoint", f"{s.published_size:,}"),
        ("root", visible(s.root)),
        ("last checkpoint", moment_text(s.checkpoint_time) or "none yet"),
        ("sealed", f"{s.sealed_size:,}"),
        ("unsealed", f"{s.unsealed:,}"),
        ("unwitnessed", _unwitnessed(s)),
        ("last full verification", _verification(s.last_full_verification)),
        ("last verification", _verification(s.last_verification)),
        ("disk", _disk(s)),
        ("running since", moment_text(s.started)),
        ("version", visible(s.version)),
        ("stopped", out.paint(visible(s.stopped), "red", bold=True) if s.stopped else ""),
    ])
    for damage in s.damage:
        out.say(f"{out.paint('damage', 'red', bold=True)}  {visible(damage)}")
    if s.bytes_by_kind:
        out.say("")
        total = sum(s.bytes_by_kind.values())
        rows = sorted(s.bytes_by_kind.items(), key=lambda row: -row[1])
        per_event = max(s.size, 1)
        out.table(
            ("KIND", "BYTES", "AN EVENT"),
            [(kind, size_text(count), f"{count / per_event:.1f} B") for kind, count in rows]
            + [("total", size_text(total), f"{total / per_event:.1f} B")],
            right=(1, 2),
        )
    if s.witnesses:
        out.say("")
        witness_table(out, s.witnesses)


def _unwitnessed(s: Status) -> str:
    if not s.witnesses:
        return "everything: no witness is configured"
    events, age = count_text(s.unwitnessed_events, "event"), age_text(s.unwitnessed_seconds)
    return f"the last {events}, {age}"


def _verification(run: dict[str, str | int | float | bool | None] | None) -> str:
    if not run:
        return "none yet"
    verdict, cause = visible(str(run.get("verdict"))), visible(str(run.get("cause")))
    events, of = int(run.get("events") or 0), int(run.get("of") or 0)
    age = age_text(float(run.get("age_seconds") or 0))
    return f"{verdict}, {events:,} of {of:,} events, {age} ago ({cause})"


def _disk(s: Status) -> str:
    free = f"{size_text(s.disk_free_bytes)} free"
    if s.disk_full_in_days is None:
        return free
    if not s.disk_full_in_days:
        return f"{free}, the reserve for the ledger's own records: full, no event is taken"
    return f"{free}, full in {s.disk_full_in_days:,.0f} days at this rate"
