"""Runs the ```console blocks of a document as its reader would, and says what they printed.

A line that begins with `$ ` is a command, lines that begin with `> ` continue it, and what follows
is what it prints (stdout and stderr together). In the expected text `...` stands for anything
within a line, and a line of `...` alone for any lines, or none. What differs at every run may be
shown as it once was: one moment, hash, duration or size is as good as another (`_VARYING`). A
command that ends in ` &` runs beside the others; what it prints is waited for.

All blocks of a document run in order in one shell that begins in an empty folder. The ledger
listens on a free port there instead of 8440: the programs on the path are wrappers that say so.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

PORT = "8440"
PROGRAMS = ("indelible", "indelible-verify", "indelible-witness", "python3")
SECONDS = 240
BESIDE_SECONDS = 60
_MARK = "\x01mark"
_VARYING = {
    r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?": "MOMENT",
    r"\b[0-9a-f]{8,}\b": "HASH",
    r"\b\d[\d.,]* (ms|kB|B)\b": "SOME",
    r"\bsize [\d,]+": "size N",
}
_WRAPPER = """#!/bin/bash
case " $* " in
  *' --help '*|*' --version '*|*' --url '*|*' init '*|*' demo '*) ;;
  *' serve '*) set -- "$@" --port {port} ;;
  *' --data '*) ;;
  *) set -- "$@" --url http://127.0.0.1:{port} ;;
esac
exec {real} "$@"
"""


class Step(NamedTuple):
    """One command with what it should print, and the line it stands on."""

    command: str
    expected: str
    line: int


class Ran(NamedTuple):
    """What became of one command."""

    step: Step
    code: int
    printed: str


def steps_of(text: str) -> list[Step]:
    """The commands of every ```console block, in order."""
    steps: list[Step] = []
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            inside = line == "```console"
        elif inside and line.startswith("$ "):
            steps.append(Step(line[2:], "", number))
        elif inside and (line == ">" or line.startswith("> ")) and not steps[-1].expected:
            steps[-1] = steps[-1]._replace(command=f"{steps[-1].command}\n{line[2:]}")
        elif inside:
            steps[-1] = steps[-1]._replace(expected=f"{steps[-1].expected}{line}\n")
    return steps


def _settled(text: str) -> str:
    """`text` without what differs at every run."""
    for varying, word in _VARYING.items():
        text = re.sub(varying, word, text)
    return text.strip()


def matches(expected: str, printed: str) -> bool:
    """Whether `printed` is what `expected` says; white space at the ends does not count."""
    expected, printed = _settled(expected), _settled(printed)
    parts = []
    for line in expected.splitlines():
        if line.strip() == "...":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            words = (re.escape(part) for part in line.rstrip().split("..."))
            parts.append("[^\n]*?".join(words) + "[ ]*\n")
    text = f"{printed}\n" if printed else ""
    return re.fullmatch("".join(parts), text) is not None


def run(text: str, folder: Path, port: int) -> list[Ran]:
    """Run every command of a document below `folder`, with the ledger on `port`."""
    with tempfile.TemporaryDirectory(prefix="run") as sockets:  # their paths must be short
        return _run(text, folder, port, sockets)


def _run(text: str, folder: Path, port: int, sockets: str) -> list[Ran]:
    for name in ("here", "home", "bin"):
        (folder / name).mkdir(mode=0o700)
    for program in PROGRAMS:
        real = shlex.quote(str(Path(sys.executable).with_name(program)))
        wrapper = _WRAPPER if program == "indelible" else '#!/bin/bash\nexec {real} "$@"\n'
        path = folder / "bin" / program
        path.write_text(wrapper.format(port=port, real=real), "utf-8")
        path.chmod(0o755)
    environment = {
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "HOME": str(folder / "home"),
        "XDG_RUNTIME_DIR": sockets, "LC_ALL": "C.UTF-8", "TZ": "UTC",
    }
    steps = steps_of(text)
    script = folder / "script.sh"
    script.write_text(_script(steps, folder, port), "utf-8")
    with (folder / "printed").open("wb") as out:
        shell = subprocess.Popen(
            ["bash", str(script)], cwd=folder / "here", env=environment, stdout=out, stderr=out,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )
        try:
            shell.wait(SECONDS)
        finally:
            _end(shell)
    return _account(steps, (folder / "printed").read_text("utf-8", "replace"), port)


def _end(shell: subprocess.Popen[bytes]) -> None:
    """End the shell and whatever the document left running beside it."""
    try:
        os.killpg(shell.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    shell.wait(60)


def _script(steps: list[Step], folder: Path, port: int) -> str:
    """The commands with marks between them; `$?` is kept over the marks."""
    lines = ["code=0"]
    for number, step in enumerate(steps):
        command = step.command.replace(f"127.0.0.1:{PORT}", f"127.0.0.1:{port}")
        lines.append(f"printf '\\n{_MARK} begin {number}\\n'")
        if command.endswith(" &"):
            beside, wanted = folder / f"beside-{number}", folder / f"wanted-{number}"
            wanted.write_text(step.expected.replace(PORT, str(port)), "utf-8")
            wait = shlex.join([sys.executable, __file__, str(beside), str(wanted)])
            shown = shlex.quote(str(beside))
            lines += [f"{command[:-2]} > {shown} 2>&1 &", wait, "code=$?", f"cat {shown}"]
        else:
            lines += ["(exit $code)", command, "code=$?"]
        lines.append(f"printf '\\n{_MARK} end {number} %s\\n' $code")
    return "\n".join([*lines, ""])


def _account(steps: list[Step], printed: str, port: int) -> list[Ran]:
    ran = []
    for number, step in enumerate(steps):
        ends = rf"\n{_MARK} begin {number}\n(.*?)\n{_MARK} end {number} (\d+)\n"
        found = re.search(ends, printed, re.S)
        assert found is not None, f"line {step.line} did not end: {step.command}\n{printed[-3000:]}"
        ran.append(Ran(step, int(found[2]), found[1].replace(f":{port}", f":{PORT}")))
    return ran


def _await(beside: Path, wanted: Path) -> int:
    """Wait until a program that runs beside has printed what is wanted; 1 when it does not."""
    until = time.monotonic() + BESIDE_SECONDS
    while time.monotonic() < until:
        if matches(wanted.read_text("utf-8"), beside.read_text("utf-8", "replace")):
            return 0
        time.sleep(0.05)
    return 1


if __name__ == "__main__":
    sys.exit(_await(Path(sys.argv[1]), Path(sys.argv[2])))
