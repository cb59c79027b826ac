"""The built wheels in a bare virtual environment: a newcomer who has no checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = (".", "packages/verify", "packages/witness")
_NO_PYPI = re.compile(
    "NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError"
)

pytestmark = [pytest.mark.component("PyPI"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the locked dependencies by hash, and the three wheels."""
    root = tmp_path_factory.mktemp("wheels")
    for package in PACKAGES:
        _pip(sys.executable, "wheel", "--no-build-isolation", "--no-deps", "-w", str(root / "dist"),
             str(ROOT / package))
    venv.create(root / "venv", with_pip=True)
    python = str(root / "venv/bin/python")
    _pip(python, "install", "--require-hashes", "-r", str(ROOT / "requirements/run.txt"))
    _pip(python, "install", "--no-deps", "--no-index", *map(str, (root / "dist").glob("*.whl")))
    return root / "venv/bin"


def _pip(python: str, *words: str) -> None:
    done = subprocess.run(
        [python, "-m", "pip", "-q", "--disable-pip-version-check", "--retries", "1", *words],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )
    if done.returncode and _NO_PYPI.search(done.stdout + done.stderr):
        pytest.skip("PyPI cannot be reached from here")
    assert done.returncode == 0, done.stderr[-3000:]


class Shell:
    """Programs of the bare environment, in an empty folder, without anything of the checkout."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self.folder = programs, folder
        keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self._environment = {**keep, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}

    def __call__(self, program: str, *words: str) -> str:
        done = subprocess.run(
            [self._programs / program, *words], cwd=self.folder, env=self._environment,
            capture_output=True, text=True, check=False, timeout=120,
        )
        assert done.returncode == 0, (words, done.stdout[-1000:], done.stderr[-3000:])
        return done.stdout


@pytest.fixture
def shell(bare: Path, tmp_path: Path) -> Shell:
    """The programs, in a folder of this test."""
    return Shell(bare, tmp_path)


def test_wheels_install_and_prove_an_event_from_import_to_verdict(shell: Shell) -> None:
    event = {
        "action": "payroll.record.delete", "actor": {"type": "user", "id": "jsmith"},
        "target": {"type": "payroll_record", "id": "pr_839"}, "id": "e1",
    }
    (shell.folder / "events.ndjson").write_text(json.dumps(event) + "\n")
    shell("indelible", "init", "ledger", "--origin", "wheel.example/log")
    shell("indelible", "import", "--data", "ledger", "events.ndjson", "--json")
    found = json.loads(shell("indelible", "search", "actor:jsmith", "--data", "ledger", "--json"))
    index = str(found["events"][0]["index"])
    shell("indelible", "keys", "show", "--data", "ledger", "-o", "keys")
    shell("indelible", "prove", index, "--data", "ledger", "-o", "bundle.zip")
    report = json.loads(shell(
        "indelible-verify", "bundle.zip", "--json",
        "--key", "keys/log.vkey", "--key", "keys/log.vkey.mldsa44",
    ))
    assert report["verdict"] == "proven"
    assert json.loads(shell("indelible", "verify", "--data", "ledger", "--json"))["exit"] == 0


def test_every_program_of_the_wheels_starts_and_comes_from_them(shell: Shell, bare: Path) -> None:
    for program in ("indelible", "indelible-verify", "indelible-witness"):
        assert program in shell(program, "--help")
    where = shell("python", "-c", "import indelible; print(indelible.__file__)")
    assert where.startswith(str(bare.parent))


def test_a_server_of_the_wheels_answers(shell: Shell, bare: Path) -> None:
    line = shell("indelible", "demo", "--once", "--events", "2000", "--json").splitlines()[-1]
    assert json.loads(line)["verdict"] == "proven"
