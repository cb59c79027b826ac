"""`verify` and `fsck`: the verdict decides the exit code, on a folder and on a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.cli.conftest import Cli, FakeServer

import indelible.app


class FolderReport(msgspec.Struct):
    verdict: str
    exit: int
    first_index: int | None = None
    lines: list[str] = []


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the folder functions were called with, and what they answer."""
    kept: dict[str, Any] = {"report": FolderReport("proven", 0, None, ["1 event"])}

    def check(data: Path, **options: Any) -> FolderReport:
        kept.update(options, data=data)
        options["progress"](1, 2)
        report: FolderReport = kept["report"]
        return report

    for name in ("verify_folder", "fsck_folder", "reindex_folder"):
        monkeypatch.setattr(indelible.app, name, check, raising=False)
    return kept


def test_verify_data_hands_over_what_was_asked(
    run: Cli, folder: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "old.ckpt").write_text("x")
    result = run("verify", "--from", "3", "--to", "9", "--quick", "--against",
                 str(tmp_path / "old.ckpt"))
    assert (folder["from_index"], folder["to_index"], folder["quick"]) == (3, 9, True)
    assert folder["against"] == tmp_path / "old.ckpt"
    assert result.stdout == "PROVEN\n  1 event\n"
    assert result.exit_code == 0


@pytest.mark.parametrize("command", ["verify", "fsck"])
def test_damage_exits_4_and_is_whole_in_json(
    run: Cli, folder: dict[str, Any], command: str
) -> None:
    folder["report"] = FolderReport("tampered", 4, 4711, ["event 4711 \x1b[2J"])
    result = run(command, "--json")
    assert result.exit_code == 4
    assert json.loads(result.stdout)["first_index"] == 4711
    text = run(command)
    assert text.exit_code == 4
    assert text.stdout.startswith("TAMPERED\n  event 4711 \\u001b[2J")


def test_fsck_columns_is_handed_over(run: Cli, folder: dict[str, Any]) -> None:
    run("fsck", "--columns")
    assert folder["columns"] is True


def test_a_range_that_runs_backwards_is_a_usage_error(run: Cli, folder: dict[str, Any]) -> None:
    assert run("verify", "--from", "9", "--to", "3").exit_code == 2


@pytest.fixture
def remote(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """A server behind --url, its waits taken away."""
    import httpx2

    from indelible.cli import check, client
    from indelible.cli.local import LocalTransport

    def connected(_reach: object) -> httpx2.Client:
        transport = LocalTransport(indelible.app.open_local(Path(), recorded=True))  # type: ignore[arg-type]
        return httpx2.Client(base_url="http://localhost", transport=transport)

    monkeypatch.setattr(client, "_remote", connected)
    monkeypatch.setattr(check, "PROGRESS_SECONDS", 0.0)
    return server


def verification(state: str, **more: object) -> dict[str, object]:
    return {"id": "r1", "state": state, "cause": "request", "started": "", "finished": "",
            "done": 0, "total": 0, "verdict": "", "ok": None, "report": None, **more}


def test_verify_url_waits_for_the_end_and_tells_the_report(run: Cli, remote: FakeServer) -> None:
    report = {"verdict": "proven", "exit": 0, "lines": ["2 events"]}
    remote.answer("POST", "/v1/verify", verification("running"), 202)
    remote.answer("GET", "/v1/verify", verification("running", done=1, total=2))
    remote.answer("GET", "/v1/verify", verification("finished", ok=True, report=report))
    result = run.bare("verify", "--quick")
    assert result.stdout == "PROVEN\n  2 events\n"
    assert json.loads(remote.asked[0].body)["quick"] is True
    assert remote.last().params == {"run": "r1"}


def test_verify_url_of_damage_exits_4(run: Cli, remote: FakeServer) -> None:
    report = {"verdict": "truncated", "lines": []}
    remote.answer("POST", "/v1/verify", verification("finished", ok=False, report=report), 202)
    assert run.bare("verify", "--json").exit_code == 4


def test_verify_url_that_failed_has_the_errors_exit_code(run: Cli, remote: FakeServer) -> None:
    error = {"error": {"code": "disk_full", "message": "no room", "remedy": "free some"}}
    remote.answer("POST", "/v1/verify", verification("finished", ok=False, report=error), 202)
    result = run.bare("verify")
    assert result.exit_code == 1
    assert "no room" in result.stdout


def test_verify_url_that_was_cut_off_is_no_verdict(run: Cli, remote: FakeServer) -> None:
    remote.answer("POST", "/v1/verify", verification("cut off"), 202)
    assert run.bare("verify").exit_code == 1


def test_verify_url_sends_the_checkpoints_text(
    run: Cli, remote: FakeServer, tmp_path: Path
) -> None:
    (tmp_path / "c").write_text("origin\n1\n")
    report = {"verdict": "proven"}
    remote.answer("POST", "/v1/verify", verification("finished", ok=True, report=report), 202)
    run.bare("verify", "--against", str(tmp_path / "c"))
    assert json.loads(remote.last().body)["against"] == "origin\n1\n"
