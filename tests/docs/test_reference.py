"""What has no test of its own beside its code: limits, fields, links, and commands in documents.

Settings are checked in `unit/base/test_settings.py`, commands in `unit/cli/test_help.py`, routes,
parameters, roles, metrics and error codes in `contract/test_api.py`, the event's members in
`unit/ingest/test_event_reference.py`, names of the search language in
`unit/language/test_reference.py`.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import indelible
from indelible.base import limits
from indelible.base.errors import IndelibleError
from indelible.base.settings import SETTINGS
from indelible.cli.main import cli
from indelible.event.fields import FIELDS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
DOCUMENTS = sorted(
    path
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("spec/*.md"),
                 *ROOT.glob("packages/*/README.md")]
)
LIMITS = {name: value for name, value in vars(limits).items() if name.isupper()}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def rows(name: str) -> list[list[str]]:
    lines = (REFERENCE / name).read_text("utf-8").splitlines()
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "| `" in line]


# --- limits


def test_every_limit_is_documented_with_its_value_and_unit() -> None:
    documented = {row[0].strip("`"): row[1] for row in rows("limits.md")}
    assert set(documented) == set(LIMITS)
    for name, value in LIMITS.items():
        unit = re.search(r"_(BYTES|SECONDS|CHARS|DAYS)$", name)
        words = {"BYTES": " bytes", "SECONDS": " s", "CHARS": " characters", "DAYS": " days"}
        number = f"{value:,}" if isinstance(value, int) else f"{value:,g}"
        assert documented[name] == f"{number}{words[unit[1]] if unit else ''}", name


def test_every_limit_says_what_it_bounds() -> None:
    assert all(len(row) == 3 and row[2] for row in rows("limits.md"))


def _source(without: str) -> str:
    paths = (ROOT / "src" / "indelible").rglob("*.py")
    return "\n".join(p.read_text("utf-8") for p in paths if named(p) != without)


def test_every_limit_bounds_something() -> None:
    source = _source("src/indelible/base/limits.py")
    assert [name for name in LIMITS if not re.search(rf"\b{name}\b", source)] == []


def test_every_setting_is_read_somewhere() -> None:
    source = _source("src/indelible/base/settings.py")
    assert [name for name in SETTINGS if not re.search(rf"settings\.{name}\b", source)] == []


# --- fields, errors


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_has_a_row_in_the_search_reference(name: str) -> None:
    text = (REFERENCE / "search.md").read_text("utf-8")
    assert re.search(rf"^\| `{re.escape(name)}`", text, re.M)


def _errors() -> Iterator[type[IndelibleError]]:
    for module in pkgutil.walk_packages(indelible.__path__, "indelible."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    waiting = [IndelibleError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith("indelible"):
            yield kind


def test_every_error_class_has_a_documented_code_a_remedy_and_its_status() -> None:
    text = (REFERENCE / "errors.md").read_text("utf-8")
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", text, re.M | re.S))
    for kind in _errors():
        assert kind.code in sections, kind
        assert kind.remedy.strip().endswith((".", ")")), kind
        status = re.match(r"(\d{3})\. ", sections[kind.code])
        assert status is None or kind.code == "error" or int(status[1]) == kind.status, kind


# --- the ledger's own events

_WRITES = {"own_record": 1, "record_in": 1, "record": 0, "_done": 2}
"""Functions that write an own event, and the place of the action among their arguments."""


def _own_events() -> Iterator[tuple[str, list[str]]]:
    """Every action that the code writes, with the members of `data` given beside it."""
    for path in (ROOT / "src" / "indelible").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            function = node.func
            called = function.attr if isinstance(function, ast.Attribute) else ""
            called = function.id if isinstance(function, ast.Name) else called
            named = [word.value for word in node.keywords if word.arg == "action"]
            place = _WRITES.get(called, len(node.args))
            for value in [*node.args[place : place + 1], *named]:
                said = value.value if isinstance(value, ast.Constant) else None
                if isinstance(said, str) and re.match(r"(indelible|ledger)\.", said):
                    given = [*node.args, *(word.value for word in node.keywords)]
                    dicts = [found for found in given if isinstance(found, ast.Dict)]
                    keys = [key.value for found in dicts for key in found.keys
                            if isinstance(key, ast.Constant)]
                    yield said, keys


def test_every_own_event_is_documented_with_its_members() -> None:
    documented: dict[str, str] = {}
    for row in rows("own-events.md"):
        name = row[0].strip("`")
        documented[name] = documented.get(name, "") + row[-1]
    written = list(_own_events())
    assert {action for action, _ in written} == set(documented)
    for action, keys in written:
        assert [key for key in keys if f"`{key}`" not in documented[action]] == [], action


def test_every_kind_of_own_record_has_a_row_in_the_specification() -> None:
    text = (ROOT / "spec" / "log.md").read_text("utf-8")
    section = text.partition("## 9.")[2].partition("\n## ")[0]
    kinds = {row[1].strip("`") for row in rows("own-events.md") if len(row) == 4} - {"event"}
    assert [kind for kind in kinds if f"\n| `{kind}` |" not in section] == []


# --- links


def anchors(text: str) -> set[str]:
    """What a heading is called as a target of a link."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.M):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(words.strip().replace(" ", "-"))
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_link_leads_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text("utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        path = (document.parent / place).resolve() if place else document
        assert path.exists(), f"{named(document)} points to {target}"
        if anchor:
            assert anchor in anchors(path.read_text("utf-8")), f"{named(document)}: {target}"


def test_every_document_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        document = waiting.pop()
        if document in reached:
            continue
        reached.add(document)
        for target in re.findall(r"\]\(([^)\s#]+)", document.read_text("utf-8")):
            path = (document.parent / target).resolve()
            if path.is_dir():
                waiting += path.glob("*.md")
            elif path.suffix == ".md" and path.is_file():
                waiting.append(path)
    own = [path for path in DOCUMENTS if path.parts[-2] != "bench" and "packages" not in path.parts]
    assert {named(path) for path in own} - {named(path) for path in reached} == set()


# --- commands


def commands(text: str) -> Iterator[str]:
    """The `indelible` commands in the shell blocks of a document."""
    for language, block in re.findall(r"```(sh|console)\n(.*?)```", text, re.S):
        joined = block.replace("\\\n", " ")
        for line in joined.splitlines():
            if language == "console" and not line.startswith("$ "):
                continue
            for part in re.split(r"\||;|&&|\$\(|\)", line.removeprefix("$ ")):
                found = re.match(r"\s*(?:\w+=\S+ )*(indelible (?!-).+)", part)
                if found:
                    yield re.split(r"\s(?:#|>|2>|&)", found[1])[0]


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_command_in_a_document_exists_with_its_options(document: Path) -> None:
    for line in commands(document.read_text("utf-8")):
        words = shlex.split(line)[1:]
        command: click.Command = cli
        context = click.Context(cli)
        while isinstance(command, click.Group):
            name = words.pop(0)
            found = command.get_command(context, name)
            assert found is not None, f"{named(document)}: there is no command in {line!r}"
            command = found
        options = {o for p in command.params if isinstance(p, click.Option)
                   for o in (*p.opts, *p.secondary_opts)} | {"--help"}
        given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert given <= options, f"{named(document)}: {line!r}: {given - options}"


def test_commands_are_found_in_shell_blocks() -> None:
    text = "```sh\nindelible search 'a b' --limit 5 | head\nX=1 indelible seal  # now\n```\n"
    assert list(commands(text)) == ["indelible search 'a b' --limit 5 ", "indelible seal "]
