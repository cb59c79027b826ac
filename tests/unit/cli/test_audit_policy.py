"""`indelible audit-policy`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Cli, FakeServer

RULES = '[[rule]]\nname = "health"\nwhen = "target:/healthz"\nthen = "drop"\n'
VERSION = {
    "version": 3, "set": "2026-03-03T09:14:07.000000Z", "reason": "noise, CHG-7",
    "by": [{"type": "api_key", "id": "00aa", "name": "ann"}], "rules": RULES, "index": 812,
}
VIEW = {
    "in_force": 3, "trouble": "", "newest": VERSION,
    "rules": [{"rule": 1, "name": "health", "when": "target:/healthz", "then": "drop",
               "events": 12_345, "bytes": 2_000_000}],
}
PREVIEW = {
    "looked_at": 1000, "events": 5000, "first": "2026-02-01T00:00:00.000000Z",
    "last": "2026-03-01T00:00:00.000000Z", "days": 28.0, "short": False, "price": 0.023,
    "now": {"events": 65_000, "bytes": 12_000_000, "money": 3.5},
    "then": {"events": 5_000, "bytes": 2_000_000, "money": 0.5},
    "rules": [{
        "rule": 1, "name": "health", "when": "target:/healthz", "then": "drop", "events": 900,
        "spared": 4, "summaries": 0, "events_a_year": 60_000, "bytes_a_year": 10_000_000,
        "money_a_year": 3.0,
        "unanswered": ["Who read which path, when, and from where? (http.get: 900 events)"],
    }],
}


@pytest.fixture
def rules(tmp_path: Path) -> str:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return str(path)


def test_rules_are_set_with_a_reason(run: Cli, server: FakeServer, rules: str) -> None:
    server.answer("POST", "/v1/audit-policy", VERSION, 201)
    result = run("audit-policy", "set", rules, "--reason", "noise, CHG-7")
    assert json.loads(server.last().body) == {"rules": RULES, "reason": "noise, CHG-7"}
    assert result.stdout == "Version 3 is in force; event 812 says so.\n"
    assert run("audit-policy", "set", rules).exit_code == 2


def test_rules_may_come_from_standard_input(run: Cli, server: FakeServer) -> None:
    server.answer("POST", "/v1/audit-policy", VERSION, 201)
    run("audit-policy", "set", "-", "--reason", "r", input=RULES)
    assert json.loads(server.last().body)["rules"] == RULES


def test_what_is_in_force_is_shown_with_what_it_did(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/audit-policy", VIEW)
    text = run("audit-policy", "show").stdout
    for part in ("noise, CHG-7", "ann", "812", "12,345", "2.0 MB", "target:/healthz"):
        assert part in text
    assert json.loads(run("audit-policy", "show", "--json").stdout) == VIEW


def test_trouble_is_said_first(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/audit-policy", {**VIEW, "in_force": 0, "trouble": "event 4 lies"})
    assert run("audit-policy", "show").stdout.startswith("event 4 lies")


def test_an_earlier_version_is_shown_whole(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/audit-policy/versions/3", VERSION)
    assert RULES in run("audit-policy", "show", "--version", "3").stdout


def test_nothing_set_is_said(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/audit-policy", {"in_force": 0})
    server.answer("GET", "/v1/audit-policy/versions", {"versions": []})
    assert "everything that arrives is kept" in run("audit-policy", "show").stdout
    assert "everything that arrives is kept" in run("audit-policy", "history").stdout


def test_history_tells_who_when_and_why(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/audit-policy/versions", {"versions": [VERSION]})
    (line,) = run("audit-policy", "history").stdout.splitlines()[1:]
    assert line.split() == ["3", "2026-03-03T09:14:07Z", "ann", "812", "noise,", "CHG-7"]


def test_a_preview_tells_savings_and_lost_questions(
    run: Cli, server: FakeServer, rules: str
) -> None:
    server.answer("POST", "/v1/audit-policy/preview", PREVIEW)
    text = run("audit-policy", "preview", rules, "--since", "28d", "--price", "0.05").stdout
    assert json.loads(server.last().body) == {
        "rules": RULES, "since": "28d", "until": "", "price": 0.05}
    for part in ("1,000 events of 5,000, evenly chosen", "60,000", "10.0 MB", "3.00",
                 "Spared:", "Nobody could answer any more", "rule 1 (health), drop",
                 "Who read which path"):
        assert part in text


def test_a_preview_names_the_rules_that_matched_nothing(
    run: Cli, server: FakeServer, rules: str
) -> None:
    [rule] = PREVIEW["rules"]
    idle = {**rule, "rule": 2, "events": 0, "spared": 0}
    server.answer("POST", "/v1/audit-policy/preview", {**PREVIEW, "rules": [rule, idle]})
    server.answer("POST", "/v1/audit-policy/preview", PREVIEW)
    assert "Matched nothing: 2. " in run("audit-policy", "preview", rules).stdout
    assert "Matched nothing" not in run("audit-policy", "preview", rules).stdout


def test_a_preview_of_nothing_or_of_an_hour_says_so(
    run: Cli, server: FakeServer, rules: str
) -> None:
    server.answer("POST", "/v1/audit-policy/preview", {**PREVIEW, "looked_at": 0})
    server.answer("POST", "/v1/audit-policy/preview", {**PREVIEW, "short": True})
    assert "No event lies in this time" in run("audit-policy", "preview", rules).stdout
    assert "a wild guess" in run("audit-policy", "preview", rules).stderr


def test_a_file_that_is_no_text_is_refused(run: Cli, server: FakeServer, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xff\xfe")
    result = run("audit-policy", "set", str(path), "--reason", "r")
    assert result.exit_code == 3
    assert "no text" in result.stderr
