"""`import`: what is sent, what is counted, and what a bad line costs."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Cli, FakeServer


def answer(accepted: int, duplicates: int = 0, rejected: int = 0) -> dict[str, object]:
    return {
        "accepted": accepted, "ranges": [],
        "duplicates": [{"line": i, "index": i} for i in range(duplicates)], "conflicts": [],
        "rejected": [{"line": i + 1, "field": "action", "code": "invalid_event",
                      "reason": "missing\x1b"} for i in range(min(rejected, 1000))],
        "rejected_count": rejected,
    }


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "e.ndjson.gz"
    path.write_bytes(gzip.compress(b'{"a":1}\n{"a":1}\n'))
    return path


def test_import_sends_every_line_with_its_own_id(
    run: Cli, server: FakeServer, events: Path
) -> None:
    server.answer("POST", "/v1/import", answer(2))
    result = run("import", str(events), "--parser", "cloudtrail", "--source", "aws")
    assert result.exit_code == 0, result.output
    assert server.last().params == {
        "parser": "cloudtrail", "zone": "UTC", "backfill": "1", "source": "aws"
    }
    lines = [json.loads(line) for line in server.last().body.splitlines()]
    assert [line["raw"] for line in lines] == ['{"a":1}', '{"a":1}']
    assert lines[0]["id"] != lines[1]["id"]


def test_import_says_how_much_its_parser_did_not_understand(
    run: Cli, server: FakeServer, events: Path
) -> None:
    server.answer("POST", "/v1/import", {**answer(2), "unparsed": 2})
    told = run("import", str(events), "--parser", "linux_auth").stdout
    assert "unparsed                  2" in told
    assert "indelible parser test" in told
    assert json.loads(run("import", str(events), "--json").stdout)["unparsed"] == 2


def test_import_counts_what_was_there_already(run: Cli, server: FakeServer, events: Path) -> None:
    server.answer("POST", "/v1/import", answer(2, duplicates=1))
    found = json.loads(run("import", str(events), "--json").stdout)
    assert (found["read"], found["stored"], found["already_there"]) == (2, 1, 1)


def test_a_refused_line_is_named_and_exits_3(run: Cli, server: FakeServer, events: Path) -> None:
    server.answer("POST", "/v1/import", answer(1, rejected=1), 207)
    result = run("import", str(events))
    assert result.exit_code == 3
    assert f"{events}:1: action: missing\\u001b (invalid_event)" in result.stdout


def test_a_batch_with_nothing_good_in_it_is_counted_too(
    run: Cli, server: FakeServer, events: Path
) -> None:
    server.answer("POST", "/v1/import", answer(0, rejected=5000), 422)
    result = run("import", str(events), "--json")
    found = json.loads(result.stdout)
    assert (found["refused"], len(found["refusals"]), result.exit_code) == (5000, 1000, 3)


@pytest.mark.parametrize(
    ("parser", "stored", "refused", "told"),
    [("native", 0, 2, True), ("native", 1, 1, False), ("syslog", 0, 2, False)],
)
def test_a_file_of_another_form_is_told_of_other_parsers(
    run: Cli, server: FakeServer, events: Path, parser: str, stored: int, refused: int, told: bool
) -> None:
    server.answer("POST", "/v1/import", answer(stored, rejected=refused), 207)
    result = run("import", "--parser", parser, str(events))
    assert ("--parser auto" in result.stderr) is told


def test_refusals_are_kept_bounded_over_many_batches(
    run: Cli, server: FakeServer, tmp_path: Path
) -> None:
    path = tmp_path / "many"
    path.write_bytes(b"{}\n" * 2500)
    server.answer("POST", "/v1/import", answer(0, rejected=900), 422)
    found = json.loads(run("import", str(path), "--json").stdout)
    assert len(server.asked) == 3
    assert (found["refused"], len(found["refusals"])) == (2700, 1000)


def test_standard_input_is_a_file(run: Cli, server: FakeServer) -> None:
    server.answer("POST", "/v1/import", answer(1))
    result = run("import", "-", input=b'{"a":1}\n')
    assert result.exit_code == 0, result.output
    assert json.loads(server.last().body)["raw"] == '{"a":1}'


def test_a_busy_ledger_is_asked_again(
    run: Cli, server: FakeServer, events: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indelible.cli.import_.BUSY_SECONDS", 0.0)
    server.refuse("POST", "/v1/import", 503, code="busy")
    server.answer("POST", "/v1/import", answer(2))
    assert run("import", str(events)).exit_code == 0
    assert len(server.asked) == 2


def test_an_import_that_ends_says_that_it_can_be_repeated(
    run: Cli, server: FakeServer, tmp_path: Path
) -> None:
    path = tmp_path / "many"
    path.write_bytes(b"{}\n" * 2500)
    server.answer("POST", "/v1/import", answer(1000))
    server.refuse("POST", "/v1/import", 507, code="disk_full")
    result = run("import", str(path))
    assert result.exit_code == 1
    assert "1,000 events stored before it ended; start it again, nothing is stored twice" in (
        result.stderr)


def test_an_import_that_stored_nothing_says_only_why(
    run: Cli, server: FakeServer, events: Path
) -> None:
    server.refuse("POST", "/v1/import", 403, code="forbidden")
    result = run("import", str(events))
    assert result.exit_code == 3
    assert "start it again" not in result.stderr


def test_a_file_that_is_not_there_is_refused_before_anything_is_sent(
    run: Cli, server: FakeServer, events: Path
) -> None:
    assert run("import", str(events), "/nowhere/x").exit_code == 3
    assert not server.asked
