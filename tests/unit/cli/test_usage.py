"""A command line that cannot be understood: exit 2, and with `--json` one document all the same."""

from __future__ import annotations

import json

import pytest
from tests.unit.cli.conftest import Cli

WRONG = (
    ("search", "--bogus"),
    ("prove", "-o", "x"),
    ("verify", "--from", "9", "--to", "1"),
    ("verify", "--from", "nine"),
    ("export", "events"),
    ("export", "nosuch"),
    ("export",),
    ("nosuch",),
    ("--bogus",),
    ("init",),
    ("search", "--url", "http://127.0.0.1:1", "--data", "d"),
    ("token", "create", "--role", "king", "--name", "n"),
)


@pytest.mark.parametrize("words", WRONG, ids=" ".join)
def test_a_usage_error_is_one_json_document_with_json(run: Cli, words: tuple[str, ...]) -> None:
    result = run.bare(*words, "--json")
    assert result.exit_code == 2
    assert result.stdout.count("\n") == 1
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "usage"
    assert error["message"]
    assert error["remedy"].startswith("`indelible")
    assert error["doc"] == "docs/reference/errors.md#usage"


@pytest.mark.parametrize("words", [("search", "--bogus"), ("nosuch",)], ids=" ".join)
def test_without_json_usage_is_explained_on_stderr(run: Cli, words: tuple[str, ...]) -> None:
    result = run.bare(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage: " in result.stderr


def test_json_behind_two_dashes_is_no_option(run: Cli) -> None:
    result = run.bare("nosuch", "--", "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
