"""`init`, `serve`, `token`, `keys`, `witness`, `status`, and the commands that keep a ledger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.cli.conftest import Cli, FakeServer

import indelible.app
from indelible.base.errors import Damaged, IndelibleError


class Made(msgspec.Struct):
    keys: Path
    state: Path
    recovery_file: Path
    vkey: str = "audit+1+A"
    vkey_mldsa44: str = "audit+2+B"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Calls of the folder functions, by name."""
    called: dict[str, Any] = {}

    def keep(name: str, answer: object) -> None:
        def function(*arguments: Any, **options: Any) -> object:
            called[name] = (arguments, options)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(indelible.app, name, function, raising=False)

    keep("init_ledger", Made(Path("/k/a"), Path("/s/a"), Path("/k/a.recovery")))
    keep("run_serve", None)
    keep("restore", {"size": 5})
    keep("register_rebuild", {"size": 7, "root": "r"})
    keep("reindex_folder", {"rows": 5})
    called["keep"] = keep
    return called


def test_init_says_where_everything_lies_and_what_to_keep_apart(
    run: Cli, app: dict[str, Any], tmp_path: Path
) -> None:
    result = run.bare("init", str(tmp_path / "new"), "--origin", "audit.example/a")
    assert app["init_ledger"][0] == (tmp_path / "new", "audit.example/a", None, None, False)
    for part in ("/k/a", "/s/a", "/k/a.recovery", "audit+1+A", "indelible serve --data"):
        assert part in result.stdout


def test_init_json_names_the_same(run: Cli, app: dict[str, Any], tmp_path: Path) -> None:
    found = json.loads(run.bare("init", str(tmp_path / "n"), "--origin", "a", "--json").stdout)
    assert found["settings"] == str(tmp_path / "n" / "indelible.toml")
    assert found["recovery_file"] == "/k/a.recovery"


def test_init_warns_of_a_single_folder(run: Cli, app: dict[str, Any], tmp_path: Path) -> None:
    result = run.bare("init", str(tmp_path / "n"), "--origin", "a", "--insecure-single-folder")
    assert "roll it back" in result.stdout


def test_init_refuses_a_folder_with_something_in_it(
    run: Cli, app: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "x").write_text("")
    assert run.bare("init", str(tmp_path), "--origin", "a").exit_code == 3
    assert "init_ledger" not in app


def test_init_of_an_origin_that_was_there_before_names_its_folders(
    run: Cli, app: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/d")
    monkeypatch.setenv("XDG_STATE_HOME", "/s")
    app["keep"]("init_ledger", IndelibleError("there is a register", code="exists"))
    told = run.bare("init", str(tmp_path / "n"), "--origin", "a/b").stderr
    for folder in ("the keyring /d/indelible/keys/a%2Fb,", "the register /s/indelible/a%2Fb"):
        assert folder in told
    assert "/d/indelible/keys/a%2Fb.recovery" in told


def test_init_refuses_an_unfit_origin(run: Cli, app: dict[str, Any], tmp_path: Path) -> None:
    assert run.bare("init", str(tmp_path / "n"), "--origin", "a b").exit_code == 2


def test_serve_puts_flags_over_the_settings(
    run: Cli, app: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (run.folder / "indelible.toml").write_text('origin = "a"\nport = 1\npublish = true\n')
    monkeypatch.setenv("INDELIBLE_LOG_LEVEL", "error")
    result = run("serve", "--port", "0", "--seal-age", "12h", "--no-publish")
    assert result.exit_code == 0, result.stderr
    settings = app["run_serve"][0][1]
    assert (settings.port, settings.seal_age, settings.publish) == (0, 43200, False)
    assert settings.log_level == "error"


def test_serve_refuses_to_listen_in_clear_beyond_the_loopback(
    run: Cli, app: dict[str, Any]
) -> None:
    (run.folder / "indelible.toml").write_text('origin = "a"\n')
    result = run("serve", "--host", "0.0.0.0")
    assert result.exit_code == 2
    assert "insecure_plaintext" in result.stderr
    assert "run_serve" not in app


def test_serve_that_refuses_for_damage_exits_4(run: Cli, app: dict[str, Any]) -> None:
    (run.folder / "indelible.toml").write_text('origin = "a"\n')
    app["keep"]("run_serve", Damaged("rolled back: the register knows 9 events"))
    result = run("serve")
    assert result.exit_code == 4
    assert "rolled back" in result.stderr


NEW = {"id": "t1", "token": "ind_secret", "name": "b", "role": "writer", "source": "b",
       "tenant": ""}


def test_a_writer_token_is_bound_to_its_source(run: Cli, server: FakeServer) -> None:
    server.answer("POST", "/v1/tokens", NEW, 201)
    result = run("token", "create", "--role", "writer", "--name", "billing")
    assert json.loads(server.last().body) == {
        "role": "writer", "name": "billing", "source": "billing"}
    assert result.stdout == "ind_secret\n"
    assert "not shown again" in result.stderr


def test_a_token_file_is_private_and_hides_the_token(
    run: Cli, server: FakeServer, tmp_path: Path
) -> None:
    server.answer("POST", "/v1/tokens", NEW, 201)
    target = tmp_path / "t"
    result = run("token", "create", "--role", "reader", "--name", "b", "-o", str(target))
    assert target.read_text() == "ind_secret\n"
    assert target.stat().st_mode & 0o777 == 0o600
    assert "ind_secret" not in result.output
    asked = len(server.asked)
    assert run("token", "create", "--role", "reader", "--name", "b", "-o", str(target)
               ).exit_code == 3
    assert len(server.asked) == asked


def test_only_writers_have_a_source(run: Cli, server: FakeServer) -> None:
    result = run("token", "create", "--role", "reader", "--name", "b", "--source", "s")
    assert result.exit_code == 2


def test_tokens_are_listed_without_secrets(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/tokens", {"tokens": [
        {"id": "t1", "name": "b", "role": "writer", "source": "b", "tenant": "",
         "created": "2026-01-01T00:00:00Z", "revoked": ""}]})
    assert "t1  b     writer  b" in run("token", "list").stdout


def test_revoke_names_the_token(run: Cli, server: FakeServer) -> None:
    server.answer("DELETE", "/v1/tokens/t%2F1", NEW)
    assert json.loads(run("token", "revoke", "t/1", "--json").stdout) == {"revoked": "t/1"}


def test_keys_are_shown_and_written(run: Cli, server: FakeServer, tmp_path: Path) -> None:
    server.answer("GET", "/v1/keys", {"vkey": "o+1+k", "vkey.mldsa44": "o+2+m"})
    assert run("keys", "show").stdout == "o+1+k\no+2+m\n"
    shown = run("keys", "show", "-o", str(tmp_path / "k"))
    assert shown.stdout == "o+1+k\n"
    assert "log.vkey.mldsa44" in shown.stderr
    assert (tmp_path / "k" / "log.vkey").read_text() == "o+1+k\n"
    assert (tmp_path / "k" / "log.vkey.mldsa44").read_text() == "o+2+m\n"


def test_keys_rotate_says_which(run: Cli, server: FakeServer) -> None:
    server.answer("POST", "/v1/keys/rotate", {"what": "signing", "message": "both sign"})
    result = run("keys", "rotate", "signing")
    assert json.loads(server.last().body) == {"what": "signing"}
    assert "both sign" in result.stdout


def test_rotated_signing_keys_are_told_by_id_and_whole_in_json(
    run: Cli, server: FakeServer
) -> None:
    new = {"vkey": "o.example/a+11aa22bb+AX+/=", "vkey.mldsa44": "o.example/a+33cc+" + "B" * 1800}
    answer = {"what": "signing", **new, "replaces": ["o.example/a+44dd+AQ", "o.example/a+55ee+C"]}
    server.answer("POST", "/v1/keys/rotate", answer)
    lines = run("keys", "rotate", "signing").stdout.splitlines()
    assert [line.split("  ")[-1] for line in lines[1:-1]] == [
        "signing", "o.example/a+11aa22bb", "o.example/a+33cc",
        "o.example/a+44dd, o.example/a+55ee",
    ]
    assert "log.vkey and log.vkey.mldsa44" in lines[-1]
    assert json.loads(run("keys", "rotate", "signing", "--json").stdout) == answer


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(4e-06, "none (under 1 ms)"), (0.25, "250 ms ahead"), (90_000.0, "25 h ahead"),
     (-5.0, "5 s back")],
)
def test_an_accepted_step_of_the_clock_is_readable(
    run: Cli, server: FakeServer, seconds: float, told: str
) -> None:
    server.answer("POST", "/v1/clock/accept", {"step_seconds": seconds})
    assert run("clock", "accept").stdout.splitlines()[1] == f"  step  {told}"
    assert json.loads(run("clock", "accept", "--json").stdout) == {"step_seconds": seconds}


WITNESS = {"name": "w1", "url": "https://w", "vkey": "w+1+k", "size": 1200, "age_seconds": 3.2,
           "error": ""}


def test_witnesses_are_added_listed_and_removed(run: Cli, server: FakeServer) -> None:
    server.answer("POST", "/v1/witnesses", {"witnesses": [WITNESS]}, 201)
    run("witness", "add", "w1", "https://w", "w+1+k")
    assert json.loads(server.last().body) == {"name": "w1", "url": "https://w", "vkey": "w+1+k"}
    server.answer("GET", "/v1/witnesses", {"witnesses": [WITNESS]})
    assert "w1       1,200  3 s  https://w" in run("witness", "list").stdout
    server.answer("DELETE", "/v1/witnesses/w1", {"witnesses": []})
    assert run("witness", "remove", "w1").exit_code == 0


STATUS = {
    "origin": "audit.example/a", "size": 1234567, "published_size": 1234560, "root": "ab12",
    "checkpoint_time": "2026-03-03T09:14:07Z", "sealed_size": 1200000, "unsealed": 34567,
    "bytes_by_kind": {"evidence": 150_000_000, "columns": 100_000_000},
    "disk_free_bytes": 5_000_000_000, "disk_full_in_days": 40.2, "witnesses": [WITNESS],
    "unwitnessed_events": 7, "unwitnessed_seconds": 3.0,
    "last_verification": {"verdict": "proven", "events": 9, "of": 10, "age_seconds": 5,
                          "cause": "segment"},
    "last_full_verification": {"verdict": "tampered", "events": 1_200_000, "of": 1_234_567,
                               "age_seconds": 7200, "cause": "beat"},
}


def test_status_is_readable(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/status", STATUS)
    result = run("status")
    for part in ("1,234,567 events", "ab12", "the last 7 events, 3 s",
                 "proven, 9 of 10 events, 5 s ago (segment)",
                 "tampered, 1,200,000 of 1,234,567 events, 2 h ago (beat)",
                 "5.0 GB free, full in 40 days", "evidence  150.0 MB   121.5 B", "w1"):
        assert part in result.stdout, part
    assert result.exit_code == 0


def test_status_tells_that_the_disk_takes_no_event_any_more(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/status", {**STATUS, "disk_full_in_days": 0.0})
    assert "5.0 GB free, the reserve for the ledger's own records: full" in run("status").stdout


def test_status_tells_moments_to_the_second(run: Cli, server: FakeServer) -> None:
    moment = "2026-03-03T09:14:07.000000Z"
    server.answer("GET", "/v1/status", {**STATUS, "checkpoint_time": moment, "started": moment})
    assert run("status").stdout.count("2026-03-03T09:14:07Z\n") == 2


def test_status_of_damage_exits_4(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/status", {**STATUS, "damage": ["segment 4: unreadable"]})
    result = run("status", "--json")
    assert result.exit_code == 4
    assert json.loads(result.stdout)["damage"] == ["segment 4: unreadable"]
    assert "damage  segment 4" in run("status").stdout


def test_backup_sends_absolute_paths(
    run: Cli, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    server.answer("POST", "/v1/backup", {
        "path": "/b", "keys_path": "/k", "size": 9, "root": "r", "bytes": 2_000_000})
    result = run("backup", "x/../b", "--keys-to", "k")
    assert json.loads(server.last().body) == {
        "to": str(tmp_path / "b"), "keys_to": str(tmp_path / "k")}
    assert "9 events" in result.stdout
    assert "2.0 MB" in result.stdout


def test_backup_to_a_far_server_needs_an_absolute_path(run: Cli) -> None:
    assert run.bare("backup", "b", "--url", "https://audit.example").exit_code == 2


def test_backup_without_keys_says_so(run: Cli, server: FakeServer) -> None:
    server.answer("POST", "/v1/backup", {
        "path": "/b", "keys_path": "", "size": 9, "root": "r", "bytes": 1})
    assert "keyring is not in it" in run("backup", "/b").stderr


def test_restore_that_gives_events_up_needs_reason_and_person(
    run: Cli, app: dict[str, Any]
) -> None:
    assert run("restore", "--from", "/b", "--accept-size", "5").exit_code == 2
    result = run("restore", "--from", "/b", "--accept-size", "5", "--reason", "disk", "--by",
                 "ann", "--by", "bob")
    assert result.exit_code == 0, result.stderr
    arguments, options = app["restore"]
    assert arguments == (run.folder, Path("/b"))
    assert (options["accept_size"], options["reason"], options["by"]) == (5, "disk", ("ann", "bob"))


def test_register_rebuild_hands_over_its_source(run: Cli, app: dict[str, Any]) -> None:
    assert run("register", "rebuild", "--from", "https://w").exit_code == 0
    assert app["register_rebuild"][0] == (run.folder, "https://w")


@pytest.mark.parametrize(
    ("arguments", "path", "answer"),
    [
        (("seal",), "/v1/seal", {"segments": 1, "sealed_size": 9}),
    ],
)
def test_accounts_are_told_and_are_whole_in_json(
    run: Cli, server: FakeServer, arguments: tuple[str, ...], path: str, answer: dict[str, object]
) -> None:
    server.answer("POST", path, answer)
    assert json.loads(run(*arguments, "--json").stdout) == answer
    text = run(*arguments).stdout
    assert all(str(value) in text for value in answer.values())


def test_reindex_tells_its_account(run: Cli, app: dict[str, Any]) -> None:
    assert "rows  5" in run("reindex").stdout
