"""Real senders of others: how they are found, configured from the documentation, and run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import pytest

DOCS = Path(__file__).parents[2] / "docs" / "sources"
RSYSLOG = shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin") or ""
LOGGER = shutil.which("logger") or ""
SYSLOG_NG_ROOT = os.environ.get("SYSLOG_NG_ROOT", "/opt/syslog-ng")
"""Where Debian's package is unpacked: it cannot be installed beside rsyslog."""

needs_rsyslog = pytest.mark.skipif(not RSYSLOG, reason="rsyslog is not installed")
needs_logger = pytest.mark.skipif(not LOGGER, reason="logger (util-linux) is not installed")


def block(page: str, name: str) -> str:
    """The configuration block called `name` in `docs/sources/PAGE.md`."""
    text = (DOCS / f"{page}.md").read_text("utf-8")
    found = re.search(rf"```{re.escape(name)}\n(.*?)```", text, re.DOTALL)
    assert found is not None, f"docs/sources/{page}.md has no block {name}"
    return found[1]


def eventually(what: Callable[[], bool], seconds: float = 30.0, why: str = "") -> None:
    """Wait until `what` holds."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, why or "it did not come about"
        time.sleep(0.05)


class Sender:
    """A program in a process of its own, as a context."""

    def __init__(
        self, root: Path, command: list[str], environment: dict[str, str] | None = None
    ) -> None:
        self._root, self._command = root, command
        self._environment = {**os.environ, **(environment or {})}

    def start(self) -> None:
        """Start it, or start it again."""
        with (self._root / "sender.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._environment
            )

    def end(self, how: int = signal.SIGTERM) -> None:
        """End it with a signal."""
        self.process.send_signal(how)
        self.process.wait(30)

    def __enter__(self) -> Sender:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGKILL)
        if kind is not None:
            print((self._root / "sender.log").read_text("utf-8", "replace")[-3000:])


class Rsyslog(Sender):
    """A real rsyslogd with a socket of its own, to which `log` writes."""

    def __init__(self, root: Path, actions: str, before: str = "") -> None:
        root.mkdir(exist_ok=True)
        self.socket = root / "log.sock"
        work = root / "work"
        work.mkdir(exist_ok=True)
        text = (
            f'global(workDirectory="{work}" net.enableDNS="off")\n{before}\n'
            'module(load="imuxsock" SysSock.Use="off")\n'
            f'input(type="imuxsock" Socket="{self.socket}" CreatePath="on" '
            'RateLimit.Interval="0" ParseTrusted="off")\n'
            f"{actions}\n"
        )
        (root / "rsyslog.conf").write_text(text)
        command = [
            RSYSLOG, "-n", "-f", str(root / "rsyslog.conf"), "-i", str(root / "rsyslog.pid"),
        ]
        super().__init__(root, command)

    def start(self) -> None:
        """Start it and wait until it takes messages."""
        self.socket.unlink(missing_ok=True)
        super().start()
        eventually(self.socket.exists, why="rsyslogd did not start")

    def log(self, *lines: str, tag: str = "app") -> None:
        """Log lines through it."""
        written = "".join(f"{line}\n" for line in lines).encode()
        subprocess.run(
            [LOGGER, "-u", str(self.socket), "-t", tag, "--socket-errors=on"],
            input=written, check=True, timeout=60,
        )


def syslog_ng(root: Path, destination: str) -> Sender:
    """A real syslog-ng that follows the file `root/in.log`; skips where it is not unpacked."""
    base = Path(SYSLOG_NG_ROOT)
    program = base / "usr/sbin/syslog-ng"
    installed = shutil.which("syslog-ng", path="/usr/sbin:/usr/bin")
    if not program.exists() and not installed:
        pytest.skip("syslog-ng is not installed")
    root.mkdir(exist_ok=True)
    (root / "in.log").touch()
    (root / "syslog-ng.conf").write_text(
        "@version: 3.35\n"
        f'source s_in {{ file("{root}/in.log" follow-freq(0.2) flags(no-parse)); }};\n'
        f"{destination}\n"
        "log { source(s_in); destination(d_indelible); };\n"
    )
    command = [
        installed or str(program), "-F", "--no-caps", "-f", str(root / "syslog-ng.conf"),
        "-R", str(root / "persist"), "-p", str(root / "pid"), "-c", str(root / "control"),
    ]
    if installed:
        return Sender(root, command)
    libraries = sorted({str(p.parent) for p in base.rglob("*.so*")})
    modules = next(str(p.parent) for p in base.rglob("libaffile.so"))
    environment = {"LD_LIBRARY_PATH": ":".join(libraries)}
    return Sender(root, [*command, f"--module-path={modules}"], environment)
