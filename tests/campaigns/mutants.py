"""Mutants of the rooms on which every verdict rests: do their unit tests notice?

Each mutant is one change to one module (a comparison, a constant, a condition, an operator, a
`raise` or an early `return` taken out), loaded in place of the module in a process of its own that
runs the room's tests. A mutant that no test notices has survived: it stands in the result by file,
line and change, to be killed by a test, or explained in `EQUIVALENT` when it changes nothing.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib.abc
import importlib.util
import io
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SECONDS = 60.0
PROOF_TESTS = (
    "tests/unit/proof", "tests/property/test_tree.py", "tests/vectors/test_spec_vectors.py",
)
ROOMS: dict[str, tuple[str, ...]] = {
    **{
        f"indelible.proof.{name}": PROOF_TESTS
        for name in ("path", "multi", "tree", "commitment", "note", "checkpoint")
    },
    "indelible.access.decide": ("tests/unit/access",),
}
EQUIVALENT: dict[tuple[str, str], str] = {
    ("indelible.proof.path", "old & -old -> old | -old"):
        "x | -x is -(x & -x), and bit_length takes the absolute value",
}
"""Changes that no test can notice, with the reason: module and change."""

_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}
_OTHER: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.LShift: ast.RShift,
    ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}


class Mutant(NamedTuple):
    """One change: what it is called, and the module's code with it."""

    module: str
    line: int
    change: str
    code: CodeType

    @property
    def name(self) -> str:
        """Where and what."""
        return f"{self.module.removeprefix('indelible.')}:{self.line} {self.change}"

    @property
    def equivalent(self) -> bool:
        """Whether it stands in `EQUIVALENT`."""
        return (self.module, self.change) in EQUIVALENT


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    """Replacements of one node; None takes a statement out."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _OPPOSITE:
        new = copy.deepcopy(node)
        new.ops[0] = _OPPOSITE[type(node.ops[0])]()
        yield f"{ast.unparse(node)} -> {ast.unparse(new)}", new
    elif isinstance(node, ast.BinOp) and type(node.op) in _OTHER:
        new_op = copy.deepcopy(node)
        new_op.op = _OTHER[type(node.op)]()
        yield f"{ast.unparse(node)} -> {ast.unparse(new_op)}", new_op
    elif isinstance(node, ast.BoolOp):
        new_bool = copy.deepcopy(node)
        new_bool.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield f"{ast.unparse(node)} -> {ast.unparse(new_bool)}", new_bool
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield f"{ast.unparse(node)} -> {ast.unparse(node.operand)}", node.operand
    elif isinstance(node, ast.Constant) and type(node.value) in (int, bool):
        value = (not node.value) if isinstance(node.value, bool) else int(node.value) + 1
        yield f"{node.value} -> {value}", ast.Constant(value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, bytes) and node.value:
        yield f"{node.value!r} -> b''", ast.Constant(b"")
    elif isinstance(node, ast.Raise):
        yield "raise taken out", None


class _Apply(ast.NodeTransformer):
    """Puts change number `wanted` into a tree; remembers where that was."""

    def __init__(self, wanted: int) -> None:
        self.wanted, self.seen = wanted, 0
        self.line, self.change = 0, ""

    def visit(self, node: ast.AST) -> ast.AST:
        for change, new in _changes(node):
            if self.seen == self.wanted:
                self.seen += 1
                self.line, self.change = getattr(node, "lineno", 0), change
                return ast.copy_location(ast.Pass() if new is None else new, node)
            self.seen += 1
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            # types and options of a declaration decide nothing
            node.body = [self._statement(one) for one in node.body]
            return node
        if isinstance(node, ast.AnnAssign):
            if node.value is not None:
                value = self.visit(node.value)
                assert isinstance(value, ast.expr)
                node.value = value
            return node
        found: ast.AST = self.generic_visit(node)
        return found

    def _statement(self, node: ast.stmt) -> ast.stmt:
        found = self.visit(node)
        assert isinstance(found, ast.stmt)
        return found


def mutants_of(module: str) -> Iterator[Mutant]:
    """Every mutant of one module, always in the same order."""
    path = ROOT / "src" / (module.replace(".", "/") + ".py")
    source = path.read_text("utf-8")
    wanted = 0
    while True:
        change = _Apply(wanted)
        tree = change.visit(ast.parse(source))
        if not change.change:
            return
        code = compile(ast.fix_missing_locations(tree), str(path), "exec")
        yield Mutant(module, change.line, change.change, code)
        wanted += 1


@cache
def all_mutants() -> list[Mutant]:
    """Every mutant of every room, spread so that a part of the run sees all modules."""
    lists = [list(mutants_of(module)) for module in ROOMS]
    longest = max(map(len, lists))
    return [found[at] for at in range(longest) for found in lists if at < len(found)]


class _Loader(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the mutant's code for its module."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self._mutant.module:
            return None
        return importlib.util.spec_from_loader(name, self, origin=self._mutant.code.co_filename)

    def exec_module(self, module: ModuleType) -> None:
        exec(self._mutant.code, module.__dict__)  # noqa: S102 - our own code with one change


def _run_tests(mutant: Mutant) -> int:
    """In the child: the tests of the mutant's room; 0 when all of them pass."""
    import pytest

    sys.meta_path.insert(0, _Loader(mutant))
    os.chdir(ROOT)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return int(pytest.main([
            "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:timeout",
            "-o", "addopts=--import-mode=importlib", *ROOMS[mutant.module],
        ]))


def survives(mutant: Mutant) -> bool:
    """Whether the tests pass with it; one that hangs has been noticed."""
    import hypothesis  # noqa: F401 - loaded once, before the fork
    import msgspec  # noqa: F401
    import pytest  # noqa: F401

    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = _run_tests(mutant)
        finally:
            os._exit(1 if code else 0)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False
