"""The last full verification is the last one that looked at everything, and nothing else."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from indelible.app import administration
from indelible.app.full import keep_full, last_full
from indelible.base.errors import EXIT_DAMAGED, EXIT_OK
from indelible.server.rooms import VerifyRequest
from indelible.store.meta import Meta


class _Core:
    """What `administration.outcome` needs of a core."""

    def __init__(self, meta: Meta) -> None:
        self.meta = meta
        self.damage: list[str] = []


@pytest.fixture
def core(tmp_path: Path) -> _Core:
    return _Core(Meta(tmp_path / "meta.sqlite"))


def ended(core: _Core, request: VerifyRequest, events: int, *, ok: bool = True) -> None:
    report = {"verdict": "proven" if ok else "tampered", "exit": EXIT_OK if ok else EXIT_DAMAGED,
              "events": events}
    administration.outcome(core, request, msgspec.json.encode(report))  # type: ignore[arg-type]


def test_a_range_a_quick_look_and_a_policy_of_the_callers_never_stand_for_everything(
    core: _Core
) -> None:
    ended(core, VerifyRequest(), 3_018)
    for other in (
        VerifyRequest(from_index=0, to_index=9), VerifyRequest(from_index=5),
        VerifyRequest(quick=True), VerifyRequest(verification_policy="quorum = 1\n"),
    ):
        ended(core, other, 1)
    shown = last_full(core.meta, 3_020)
    assert shown is not None
    assert (shown["verdict"], shown["events"], shown["of"]) == ("proven", 3_018, 3_020)
    assert shown["cause"] == "request"


def test_damage_is_told_too(core: _Core) -> None:
    ended(core, VerifyRequest(), 3_018)
    ended(core, VerifyRequest(from_index=0), 3_100, ok=False)
    shown = last_full(core.meta, 3_100)
    assert shown is not None
    assert (shown["verdict"], shown["ok"], shown["events"]) == ("tampered", False, 3_100)


def test_nothing_is_claimed_before_the_first(core: _Core) -> None:
    assert last_full(core.meta, 7) is None
    keep_full(core.meta, verdict="proven", ok=True, events=7, cause="beat")
    assert last_full(core.meta, 8) is not None
