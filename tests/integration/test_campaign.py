"""The campaign's own command: it runs steps, goes on where it was, and tells what it did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def campaign(out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`python -m tests.campaign` with its state in `out`."""
    return subprocess.run(
        [sys.executable, "-m", "tests.campaign", "--out", str(out), *words],
        cwd=ROOT, capture_output=True, text=True, timeout=240,
    )


def test_a_campaign_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    for done in (2, 4):
        ran = campaign(tmp_path, "--only", "fuzz", "--steps", "2", "--seed", "7")
        assert ran.returncode == 0, ran.stderr
        account = json.loads(ran.stdout)
        assert (account["steps"], account["failures"]) == (done, 0)
        assert account["counts"]["inputs"] == done * 5_000
    assert f"fuzz     4 of {account['of']}" in campaign(tmp_path, "--list").stdout
    assert "| fuzz | 20" in campaign(tmp_path, "--report").stdout


def test_mutants_of_the_proof_room_are_noticed(tmp_path: Path) -> None:
    ran = campaign(tmp_path, "--only", "mutants", "--steps", "2")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["counts"] == {"mutants": 2, "killed": 2, "survived": 0}


def test_a_failed_step_is_kept_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "faults.json").write_text('[["no-such-call", 1, "EIO"]]')
    ran = campaign(tmp_path, "--only", "faults", "--steps", "1")
    assert ran.returncode == 1
    assert json.loads(ran.stdout)["failures"] == 1
    kept = json.loads((tmp_path / "state.json").read_text())["faults"]["failures"]
    assert [one["step"] for one in kept] == [0]
