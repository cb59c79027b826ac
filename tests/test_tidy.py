"""How this house is kept, held by a machine: sizes, clocks, words, and docs that cannot rot."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [ROOT / "src", ROOT / "packages/verify/src", ROOT / "packages/witness/src"]
MODULE_LINES = 500
FUNCTION_LINES = 70
COLUMNS = 100

LONG_FUNCTIONS: dict[str, str] = {}
"""`module:function` with the reason why it may be longer."""

LONG_MODULES: dict[str, str] = {}
"""Path with the reason why it may be longer."""

CLOCK_ALLOWED = {
    "src/indelible/base/clock.py": "it is the clock",
    "src/indelible/base/random.py": "it is the source of randomness",
    "src/indelible/app/serve.py": "the parent only waits",
}


def modules() -> Iterator[Path]:
    """Every Python module of the product."""
    for source in SOURCES:
        yield from sorted(source.rglob("*.py"))


def named(path: Path) -> str:
    """The path from the project's root."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", list(modules()), ids=named)
def test_a_module_reads_in_one_sitting(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= MODULE_LINES or named(path) in LONG_MODULES
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            name = f"{named(path)}:{node.name}"
            assert length <= FUNCTION_LINES or name in LONG_FUNCTIONS, (name, length)
    wide = [number for number, line in enumerate(lines, 1) if len(line) > COLUMNS]
    assert not wide or "simulate" in named(path) or "catalogue" in named(path), wide


_BANNED_CALLS = re.compile(
    r"\b(time\.time|time\.time_ns|time\.sleep|datetime\.now|datetime\.utcnow|date\.today"
    r"|random\.random|random\.randint|os\.urandom|secrets\.|uuid\.)"
)


@pytest.mark.parametrize(
    "path", [p for p in modules() if "src/indelible/" in named(p)], ids=named
)
def test_time_and_chance_come_in_through_base_only(path: Path) -> None:
    if named(path) in CLOCK_ALLOWED:
        return
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        found = _BANNED_CALLS.search(line)
        assert found is None, f"{named(path)}:{number} calls {found and found[0]}"


@pytest.mark.parametrize("path", list(modules()), ids=named)
def test_every_public_name_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree) or path.name == "__main__.py"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            assert node.name.startswith("_") or ast.get_docstring(node), (named(path), node.name)


_KINDS_OF = ("verification", "retention", "audit", "security", "bucket", "resource", "password")


@pytest.mark.parametrize("path", list(modules()), ids=named)
def test_prose_says_which_kind_of_policy_it_means(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            for found in re.finditer(r"(\w+) policy\b", ast.get_docstring(node) or ""):
                assert (found[1] or "").lower() in _KINDS_OF, (named(path), found[0])


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name]


def test_no_machine_path_is_committed() -> None:
    words = re.compile("/" + "work/|/tmp/" + "bash|/root" + "/")
    for path in _tracked():
        if path.suffix in (".zip", ".png", ".gz") or not path.is_file():
            continue
        found = words.search(path.read_text("utf-8", "replace"))
        assert found is None, f"{named(path)} names {found and found[0]}"


def test_the_lock_holds_names_versions_and_hashes_only() -> None:
    for name in ("run.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text


def test_every_module_of_the_product_is_imported_by_another_or_is_an_entry() -> None:
    product = [path for path in modules() if "src/indelible/" in named(path)]
    text = "\n".join(path.read_text("utf-8") for path in product)
    tests = "\n".join(
        path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")
    )
    for path in product:
        if path.name in ("__init__.py", "__main__.py"):
            continue
        dotted = named(path).removeprefix("src/").removesuffix(".py").replace("/", ".")
        parent, _, leaf = dotted.rpartition(".")
        listed = rf"from {re.escape(parent)} import (\([^)]*|[^\n]*)\b{leaf}\b"
        used = dotted in text or f'"{leaf}"' in text or re.search(listed, text)
        assert used or dotted in tests, f"nothing imports {dotted}"
