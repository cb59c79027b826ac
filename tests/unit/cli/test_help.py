"""Every command teaches: help, an example that parses, `--json`, and a place in the reference."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tests.unit.cli.conftest import commands

from indelible.cli.main import COMMANDS, cli

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
ALL = list(commands())
NAMES = [" ".join(name) for name, _ in ALL]
EXAMPLE = re.compile(r"^ *(?:INDELIBLE_TOKEN_FILE=\S+ )?(indelible (?:.*\\\n)*.*)$", re.M)


@pytest.fixture(params=ALL, ids=NAMES)
def command(request: pytest.FixtureRequest) -> tuple[tuple[str, ...], click.Command]:
    """Every command in turn."""
    found: tuple[tuple[str, ...], click.Command] = request.param
    return found


def test_help_has_text_and_an_example(command: tuple[tuple[str, ...], click.Command]) -> None:
    name, _ = command
    result = CliRunner().invoke(cli, [*name, "--help"])
    assert result.exit_code == 0, result.output
    assert re.search(r"^  Examples?:\n    \S", result.stdout, re.M), result.stdout
    assert f"indelible {' '.join(name)}" in result.stdout


def test_every_example_of_the_program_parses(
    command: tuple[tuple[str, ...], click.Command]
) -> None:
    _, found = command
    for example in EXAMPLE.findall(found.help or ""):
        line = re.split(r" (?:\||>|&&) ", example.replace("\\\n", " "))[0]
        words = shlex.split(line)[1:]
        group: click.Command = cli
        while isinstance(group, click.Group):
            inner = group.get_command(click.Context(group), words.pop(0))
            assert inner is not None, example
            group = inner
        try:
            group.make_context("example", words, resilient_parsing=False)
        except click.exceptions.Exit:
            continue


def test_every_command_has_json(command: tuple[tuple[str, ...], click.Command]) -> None:
    _, found = command
    assert "--json" in [option for p in found.params for option in p.opts]


def test_every_option_has_help(command: tuple[tuple[str, ...], click.Command]) -> None:
    _, found = command
    for parameter in found.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_every_command_and_option_is_in_the_reference(
    command: tuple[tuple[str, ...], click.Command]
) -> None:
    name, found = command
    text = (REFERENCE / "cli.md").read_text()
    heading = f"### indelible {' '.join(name)}\n"
    assert text.count(heading) == 1
    section = re.split(r"^#{2,3} ", text.split(heading)[1], flags=re.M)[0]
    for parameter in found.params:
        for option in parameter.opts if isinstance(parameter, click.Option) else []:
            assert f"`{option}" in section, f"{name}: {option}"


def test_the_reference_has_no_command_that_is_not_there() -> None:
    headings = re.findall(r"^### indelible (.+)$", (REFERENCE / "cli.md").read_text(), re.M)
    assert sorted(headings) == sorted(NAMES)


def test_the_overview_lists_every_command_with_its_line() -> None:
    text = CliRunner().invoke(cli, ["--help"]).stdout
    for name, entry in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(entry.help)}$", text, re.M), name


def test_an_unknown_command_exits_2() -> None:
    assert CliRunner().invoke(cli, ["serch"]).exit_code == 2


def test_exit_codes_are_documented() -> None:
    text = (REFERENCE / "exit-codes.md").read_text()
    assert re.findall(r"^\| (\d) \|", text, re.M) == ["0", "1", "2", "3", "4", "5"]


HOUSE_WORDS = """event actor action target origin outcome change source protocol parser gap silence
ledger journal entry commitment leaf tile checkpoint register witness receipt bundle verdict
evidence segment column_file tail manifest query facet history case rule fact incident principal
role scope hold erasure outbox sink"""


@pytest.mark.parametrize("word", HOUSE_WORDS.split())
def test_every_house_word_has_one_entry_in_the_glossary(word: str) -> None:
    text = (REFERENCE.parent / "glossary.md").read_text()
    assert text.count(f"| **{word.replace('_', ' ')}** |") == 1


HEAVY = ("rich", "httpx2", "duckdb", "pyarrow", "numpy", "cryptography", "starlette", "msgspec")


def test_the_overview_imports_nothing_heavy() -> None:
    code = (
        "import sys; from indelible.cli.main import cli; cli(['--help'], standalone_mode=False);"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
