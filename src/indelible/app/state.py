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
from indelible.base.errors import LedgerStopped
from indelible.base.limits import RESERVED_BYTES
from indelible.ledger.incoming import SELF
from indelible.proof.keys import VerifierKey
from indelible.proof.note import check, parse
from indelible.server.rooms import Readiness, SourceView, Status, WitnessView
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
    if core.sequencer.full():
        return 0.0
    if not core.ledger.reader.segments:
        return None
    first = core.ledger.reader.segments[0].received_min
    days = (wall_us() - first) / (86_400 * MICROS)
    if days <= 0 or used <= 0:
        return None
    return round(max(0, free - RESERVED_BYTES) / (used / max(days, 1 / 24)), 1)


def sources(core: Core) -> list[SourceView]:
    """Every source that is configured or was seen, by name."""
    now = wall_us()
    numbers = {(row.id, row.tenant): row.number for row in core.meta.sources()}
    settings = {(c.settings.id, c.settings.tenant): c.settings for c in core.sourcing.all()}
    views = []
    for key in sorted({*numbers, *settings} - {(SELF.id, "")}):
        said = settings.get(key)
        tally = core.sourcing.peek(numbers.get(key, -1))
        lag, unstated = tally.lag_us, core.unstated.of(*key)
        views.append(
            SourceView(
                id=key[0], tenant=key[1], number=numbers.get(key, 0),
                protocol=said.protocol if said else "", parser=said.parser if said else "",
                owner=said.owner if said else "", about=said.about if said else "",
                criticality=said.criticality if said else "",
                disabled=said is not None and said.disabled, configured=said is not None,
                per_minute=round(tally.per_minute(now), 1),
                lag_seconds=None if lag is None else round(lag / MICROS, 3),
                last=rfc3339(tally.last_us) if tally.last_us else "",
                last_event=rfc3339(tally.event_us) if tally.event_us is not None else "",
                received=tally.received + sum(unstated), stored=tally.stored,
                duplicates=tally.duplicates,
                conflicts=tally.conflicts, repeats=tally.repeats, unparsed=tally.unparsed,
                stripped=tally.stripped, summarised=tally.summarised + unstated.summarised,
                dropped_by_rule=tally.dropped_by_rule + unstated.dropped,
                refused=tally.refused, dropped=tally.dropped, gaps=tally.gaps,
                stretches=tally.stretches,
                remarks=tuple(tally.rhythm.told), parsers=tally.parsers,
                figures=core.sourcing.figures.get(key, {}),
                counting=core.sourcing.behind,
                paused_until=rfc3339(paused) if (paused := tally.rhythm.paused_until_us) > now
                else "",
            )
        )
    return views


def readiness(core: Core) -> Readiness:
    """Ready while senders are served and nothing is known to be damaged."""
    reasons = [*core.known_damage()]
    stopped = core.ledger.writer.stopped or core.sequencer.held
    if stopped and stopped not in reasons:
        reasons.append(stopped)
    reasons += core.not_ready()
    try:
        reasons += filter(None, (core.sequencer.full(),))
    except LedgerStopped as error:
        reasons.append(error.message)
    return Readiness(ready=not reasons, reasons=tuple(reasons))
