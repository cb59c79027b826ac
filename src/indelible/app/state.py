"""Status and readiness of a running ledger, cheap enough for every scrape."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from indelible import __version__
from indelible.app.core import Core
from indelible.app.full import last_full
from indelible.base.clock import MICROS, rfc3339, wall_us
from indelible.base.limits import RESERVED_BYTES
from indelible.proof.keys import VerifierKey
from indelible.proof.note import check, parse
from indelible.server.rooms import Readiness, Status, WitnessView
from indelible.store.meta import VerificationRow


class _Account(msgspec.Struct):
    events: int


def folder_bytes(folder: Path) -> int:
    """Bytes of the files directly in a folder."""
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # sealed away or merged since it was listed
                if entry.is_file(follow_symlinks=False):
                    total += entry.stat(follow_symlinks=False).st_size
    return total


def witnesses(core: Core) -> tuple[WitnessView, ...]:
    """The configured witnesses and what each last cosigned."""
    found: list[WitnessView] = []
    for row in core.meta.witnesses():
        seen = core.witnessed.get(row.name)
        found.append(
            WitnessView(
                name=row.name, url=row.url, vkey=row.vkey,
                size=seen.size if seen else None,
                age_seconds=(wall_us() // MICROS - seen.at) if seen and seen.at else None,
                error=seen.error if seen else "",
            )
        )
    return tuple(found)


def status(core: Core) -> Status:
    """See `server.rooms.Status`."""
    ledger, publisher, data = core.ledger, core.publisher, core.place.data
    views = witnesses(core)
    size = ledger.tree.size
    covered = max((view.size or 0 for view in views), default=0)
    space = os.statvfs(data)
    free = space.f_bavail * space.f_frsize
    kinds = {
        "journal": folder_bytes(ledger.paths.journal),
        "evidence": folder_bytes(ledger.paths.evidence),
        "columns": folder_bytes(ledger.paths.columns),
        "tiles": folder_bytes(ledger.paths.tiles),
        "ids": folder_bytes(ledger.paths.ids),
        "metadata": folder_bytes(data) + folder_bytes(ledger.paths.root),
        "checkpoints": folder_bytes(ledger.paths.checkpoints),
    }
    return Status(
        origin=ledger.origin, size=size, published_size=publisher.size,
        root=publisher.head.root.hex(), checkpoint_time=_checkpoint_time(core),
        sealed_size=ledger.reader.sealed_end, unsealed=size - ledger.reader.sealed_end,
        queued=core.sequencer.queued_events, witnesses=views,
        unwitnessed_events=size - covered if views else size,
        unwitnessed_seconds=core.unwitnessed_seconds(),
        last_verification=_last_verification(core),
        last_full_verification=last_full(core.meta, size), bytes_by_kind=kinds,
        disk_free_bytes=free,
        disk_full_in_days=_full_in_days(core, free, sum(kinds.values())),
        stopped=ledger.writer.stopped or core.sequencer.held or "", damage=core.known_damage(),
        started=rfc3339(core.started_us), version=__version__,
    )


def _checkpoint_time(core: Core) -> str:
    """When the newest checkpoint was signed: the ML-DSA-44 line's own time."""
    if not core.publisher.note:
        return ""
    key = VerifierKey.parse(core.ledger.keys.vkeys()["vkey.mldsa44"])
    for result in check(parse(core.publisher.note), [key]):
        if result.timestamp is not None:
            return rfc3339(result.timestamp * MICROS)
    return ""


def _last_verification(core: Core) -> dict[str, str | int | float | bool | None] | None:
    for run in core.meta.verifications():
        if run.finished_us is not None:
            return {
                "verdict": run.verdict, "ok": run.ok, "events": _events(run),
                "of": core.ledger.tree.size, "finished": rfc3339(run.finished_us),
                "age_seconds": (wall_us() - run.finished_us) // MICROS, "cause": run.cause,
            }
    return None


def _events(run: VerificationRow) -> int:
    """How many events the run looked at: its account says; of one without, what it reached."""
    try:
        return msgspec.json.decode(run.report, type=_Account).events
    except msgspec.MsgspecError:
        return run.done


def _full_in_days(core: Core, free: int, used: int) -> float | None:
    """At the pace since the start of this server, or of the log; None when nothing grows."""
    if not core.ledger.reader.segments:
        return None
    first = core.ledger.reader.segments[0].received_min
    days = (wall_us() - first) / (86_400 * MICROS)
    if days <= 0 or used <= 0:
        return None
    return round(max(0, free - RESERVED_BYTES) / (used / max(days, 1 / 24)), 1)


def readiness(core: Core) -> Readiness:
    """Ready while senders are served and nothing is known to be damaged."""
    reasons = [*core.known_damage()]
    stopped = core.ledger.writer.stopped or core.sequencer.held
    if stopped and stopped not in reasons:
        reasons.append(stopped)
    reasons += core.not_ready()
    try:
        os.statvfs(core.place.data)
    except OSError as error:
        reasons.append(f"the data folder cannot be reached: {error.strerror}")
    return Readiness(ready=not reasons, reasons=tuple(reasons))
