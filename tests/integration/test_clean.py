"""A fixed sample of the clean campaign: ordinary work raises no alarm."""

from __future__ import annotations

from pathlib import Path

from campaigns.clean import run_clean


def test_twenty_clean_rounds_raise_no_alarm(tmp_path: Path) -> None:
    counts = run_clean(tmp_path, seed=20261122, rounds=20)
    assert counts["verified"] >= 20
    assert min(counts[name] for name in ("seals", "compactions", "backups", "rotations")) > 0
