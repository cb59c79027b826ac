"""The demo's server: `indelible serve` as a process of its own, started, waited for, drained."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType

import httpx2

from indelible.base.clock import monotonic
from indelible.base.errors import IndelibleError, Unreachable
from indelible.base.limits import CLIENT_CONNECT_SECONDS, DEMO_SECONDS, POLL_SECONDS

_LOG_LINES = 3


def free_port(wanted: int | None) -> int:
    """`wanted`, or 8440 if it is free, or any free port."""
    if wanted is not None:
        return wanted
    for port in (8440, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            number: int = probe.getsockname()[1]
            return number
    raise Unreachable("no port is free on 127.0.0.1")


class DemoServer:
    """`indelible serve --data DATA --port PORT`, ready when the block begins, drained at its end.

    Its log goes to the file `log`; when it does not come up, the error shows the log's last lines.
    """

    def __init__(self, data: Path, port: int, log: Path) -> None:
        self._arguments = [
            sys.executable, "-m", "indelible.cli.main", "serve",
            "--data", str(data), "--host", "127.0.0.1", "--port", str(port),
        ]
        self._log = log
        self.url = f"http://127.0.0.1:{port}"

    def __enter__(self) -> DemoServer:
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C at the terminal is for the demo, which drains the server.
            self._process = subprocess.Popen(
                self._arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _wait(self) -> None:
        began = monotonic()
        pause = threading.Event()
        with httpx2.Client(
            base_url=self.url, trust_env=False, timeout=CLIENT_CONNECT_SECONDS
        ) as http:
            while True:
                self.check()
                try:
                    if http.get("/readyz").status_code == 200:
                        return
                except httpx2.TransportError:
                    pass
                if monotonic() - began > DEMO_SECONDS:
                    raise Unreachable(f"the server is not ready after {DEMO_SECONDS:.0f} s"
                                      f"\n{self._last_lines()}")
                pause.wait(POLL_SECONDS)

    def check(self) -> None:
        """Raise when the server has ended."""
        code = self._process.poll()
        if code is not None:
            raise IndelibleError(
                f"the server ended with {code}: {self._last_lines()}", code="server_ended",
                remedy=f"Read its log: {self._log}",
            )

    def _last_lines(self) -> str:
        lines = self._log.read_text("utf-8", "replace").splitlines()
        return " / ".join(lines[-_LOG_LINES:])

    def _stop(self) -> None:
        if self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(DEMO_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
