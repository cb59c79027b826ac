"""Verification that nobody asked for: every new segment soon, all evidence on a beat.

The beat goes through the log in pieces, remembers where it is, and begins again when it is due; a
restart goes on where it stopped. Damage reaches `/readyz`, a metric, the status and the log itself.
"""

from __future__ import annotations

import logging

import msgspec

from indelible.app.administration import verify
from indelible.app.core import Core
from indelible.app.full import keep_full
from indelible.base.clock import MICROS, wall_us
from indelible.base.limits import (
    VERIFY_PIECE_EVENTS,
)
from indelible.ledger.incoming import own_record
from indelible.server.rooms import VerifyOutcome, VerifyRequest

_log = logging.getLogger(__name__)
_NEW = "verified_end"
_BEAT = "verification_beat"


class Beat(msgspec.Struct, frozen=True):
    """Where the beat stands: the next index, when this round began and the last one ended.

    `end` is where this round ends: what is sealed meanwhile is looked at by `verify_new` and by the
    next round, else a round would not end while more arrives than it can check.
    """

    at: int = 0
    began_us: int = 0
    ended_us: int = 0
    end: int = 0
    verdict: str = ""  # of the first piece of this round that was not as signed


class SpaceWatch:
    """Says in the server's log when the disk has no room for events any more, and when it has."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._full = ""

    async def look(self) -> None:
        """Say what has changed since the last look."""
        full = self._core.sequencer.full()
        if full and not self._full:
            _log.error("%s; no event is taken: free space or move the data folder", full)
        elif self._full and not full:
            _log.info("the disk has room again; events are taken")
        self._full = full


def _silent(_done: int, _total: int) -> None:
    return


async def _run(core: Core, cause: str, first: int, last: int) -> VerifyOutcome:
    run = core.meta.start_verification(cause, last - first + 1)
    request = VerifyRequest(from_index=first, to_index=last)
    outcome = await verify(core, request, _silent)
    core.meta.progress_verification(run, last - first + 1, last - first + 1)
    core.meta.finish_verification(
        run, ok=outcome.ok, verdict=outcome.verdict, report=bytes(outcome.report)
    )
    if not outcome.ok and core.ledger.writer.stopped is None:
        data: dict[str, object] = {
            "cause": cause, "verdict": outcome.verdict, "from": first, "to": last,
        }
        await core.own(own_record("event", "indelible.verification.damage", data))
    return outcome


async def verify_new(core: Core) -> None:
    """Verify the segments that were sealed since the last look."""
    at = int(core.meta.get(_NEW) or b"0")
    end = core.ledger.reader.sealed_end
    if end > at:
        await _run(core, "segment", at, end - 1)
        core.meta.put(_NEW, str(end).encode())


async def verify_on_beat(core: Core) -> None:
    """The next piece of the full verification, when a round is under way or due."""
    stored = core.meta.get(_BEAT)
    beat = msgspec.json.decode(stored, type=Beat) if stored else Beat(0, 0, core.started_us)
    end = core.ledger.reader.sealed_end
    if not beat.began_us:
        if not end or wall_us() - beat.ended_us < core.place.settings.verify_every * MICROS:
            if not stored:
                core.meta.put(_BEAT, msgspec.json.encode(beat))
            return
        beat = Beat(0, wall_us(), beat.ended_us, end)
    end = min(end, beat.end or end)
    last = min(beat.at + VERIFY_PIECE_EVENTS, end) - 1
    verdict = beat.verdict
    if last >= beat.at:
        outcome = await _run(core, "beat", beat.at, last)
        verdict = verdict or ("" if outcome.ok else outcome.verdict)
    if last + 1 >= end:
        beat = Beat(0, 0, wall_us())
        shown = verdict or "proven"
        keep_full(core.meta, verdict=shown, ok=not verdict, events=end, cause="beat")
    else:
        beat = Beat(last + 1, beat.began_us, beat.ended_us, end, verdict)
    core.meta.put(_BEAT, msgspec.json.encode(beat))
