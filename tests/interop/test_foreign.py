"""The campaign's audit by programs of others, at a size for every run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("metamorphic_log", reason="metamorphic-log is not installed")

pytestmark = [pytest.mark.component("go"), pytest.mark.component("metamorphic-log")]


@pytest.mark.skipif(shutil.which("go") is None, reason="the Go tool chain is not installed")
def test_a_served_log_is_accepted_by_programs_of_others(tmp_path: Path) -> None:
    from interop.million import PROOFS, audited

    counts = audited(tmp_path, 5, 2_000)
    assert counts["entries accepted by Go sumdb"] >= 2_000
    assert counts["proofs accepted by metamorphic-log"] == PROOFS
