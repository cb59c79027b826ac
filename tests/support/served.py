"""A real server of a new ledger, as a newcomer would start it."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import httpx2
import msgspec

ORIGIN = "test.example/log"


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Place:
    """Folders of a ledger under `root`, and the environment that names them."""

    def __init__(self, root: Path, origin: str = ORIGIN) -> None:
        self.root, self.origin = root, origin
        self.data = root / "data"
        self.keys = root / "keys" / "log"
        self.state = root / "state"
        self.tokens: dict[str, str] = {}
        self.environment = {
            **os.environ,
            "XDG_DATA_HOME": str(root / "xdg-data"), "XDG_STATE_HOME": str(root / "xdg-state"),
            "XDG_RUNTIME_DIR": str(root / "run"),
        }
        (root / "run").mkdir(mode=0o700, exist_ok=True)

    def cli(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run the command line; its output is captured."""
        return subprocess.run(
            [sys.executable, "-m", "indelible.cli.main", *arguments],
            env=self.environment, capture_output=True, check=check, timeout=240,
        )

    def init(self) -> Place:
        """A ledger just made by `indelible init`, with a token of every role.

        The commands run once a process and origin; further places are copies of that ledger, with
        its keys: a test that compares two ledgers gives them two origins.
        """
        made = _MADE.get(self.origin)
        if made is None:
            home = Path(tempfile.mkdtemp(prefix="indelible-made-"))
            atexit.register(shutil.rmtree, home, ignore_errors=True)
            made = _MADE[self.origin] = Place(home, self.origin)._commands()
        text = (made.data / "indelible.toml").read_text()
        for old, new in (
            (made.data, self.data), (made.keys.parent, self.keys.parent), (made.state, self.state),
        ):
            shutil.copytree(old, new, dirs_exist_ok=True)
            text = text.replace(str(old), str(new))
        (self.data / "indelible.toml").write_text(text)
        self.tokens = dict(made.tokens)
        return self

    def _commands(self) -> Place:
        self.cli(
            "init", str(self.data), "--origin", self.origin, "--keys", str(self.keys),
            "--state", str(self.state),
        )
        for role in ("admin", "writer", "reader", "auditor"):
            self.token(role)
        return self

    def token(self, role: str, name: str = "", source: str = "app") -> str:
        """A token, made on the stopped folder."""
        bound = ["--source", source] if role == "writer" else []
        made = self.cli(
            "token", "create", "--data", str(self.data), "--role", role, "--name", name or role,
            *bound, "--json",
        )
        secret: str = msgspec.json.decode(made.stdout)["token"]
        self.tokens[name or role] = secret
        return secret

    def report(self, *arguments: str) -> dict[str, object]:
        """A check of the stopped folder as its JSON document, whatever its exit code."""
        done = self.cli(*arguments, "--data", str(self.data), "--json", check=False)
        try:
            document: dict[str, object] = msgspec.json.decode(done.stdout)
        except msgspec.DecodeError as error:
            raise AssertionError((done.stdout[-500:], done.stderr[-3000:])) from error
        return document


_MADE: dict[str, Place] = {}
"""The first ledger of each origin in this process; never served."""


class Server:
    """A running server, as a context."""

    def __init__(self, place: Place, *flags: str, prefix: tuple[str, ...] = ()) -> None:
        self.place = place
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._flags, self._prefix = flags, prefix

    def __enter__(self) -> Server:
        self.log = (self.place.root / "serve.log").open("ab")
        self.process = subprocess.Popen(
            [
                *self._prefix, sys.executable, "-m", "indelible.cli.main", "serve",
                "--data", str(self.place.data), "--port", str(self.port), *self._flags,
            ],
            env=self.place.environment, stdout=self.log, stderr=self.log, start_new_session=True,
        )
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def wait_ready(self, seconds: float = 30.0) -> float:
        """Until `/readyz` says yes; how long it took."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            try:
                if httpx2.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return time.monotonic() - began
            except httpx2.HTTPError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError((self.place.root / "serve.log").read_text()[-4000:])

    def client(self, role: str) -> httpx2.Client:
        """An HTTP client with the token of a role."""
        return httpx2.Client(
            base_url=self.url, timeout=60,
            headers={"authorization": f"Bearer {self.place.tokens[role]}"},
        )

    def pids(self, role: str) -> list[int]:
        """Process ids of one role of this server."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                if b"indelible.app.process" in words and role.encode() in words and (
                    str(self.place.data).encode() in words
                ):
                    found.append(int(entry.name))
        return found

    def kill(self) -> None:
        """kill -9 of everything at once, as a power cut would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        while any(self.pids(role) for role in ("writer", "sealer", "query")):
            time.sleep(0.01)

    def stop(self) -> int:
        """SIGTERM, and wait."""
        self.process.terminate()
        return self.process.wait(60)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        self.log.close()
