"""The last verification that looked at everything: asked for, or a whole round of the beat.

Segment checks, ranges and quick looks are verifications too, and far more frequent; they never
stand in its place.
"""

from __future__ import annotations

import msgspec

from indelible.base.clock import MICROS, rfc3339, wall_us
from indelible.store.meta import Meta

_KEY = "full_verification"


class Full(msgspec.Struct, frozen=True):
    """Verdict and coverage: `events` from index 0 on; `cause` is `request` or `beat`."""

    verdict: str
    ok: bool
    events: int
    ended_us: int
    cause: str


def keep_full(meta: Meta, *, verdict: str, ok: bool, events: int, cause: str) -> None:
    """A full verification has ended now."""
    full = Full(verdict, ok, events, wall_us(), cause)
    meta.put(_KEY, msgspec.json.encode(full))


def last_full(meta: Meta, size: int) -> dict[str, str | int | float | bool | None] | None:
    """What is shown of it beside a log of `size` entries; None before the first."""
    stored = meta.get(_KEY)
    if stored is None:
        return None
    full = msgspec.json.decode(stored, type=Full)
    return {
        "verdict": full.verdict, "ok": full.ok, "events": full.events, "of": size,
        "finished": rfc3339(full.ended_us),
        "age_seconds": (wall_us() - full.ended_us) // MICROS, "cause": full.cause,
    }
