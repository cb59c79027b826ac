"""`serve`: the parent of the writer, the sealer, the collector and the query workers.

The writer holds the lock and decides: when it ends, the others end. A sealer, a collector or a
worker that ends is started again, a little later each time it happens.
"""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import msgspec

from indelible.base.clock import monotonic
from indelible.base.errors import EXIT_ERROR, FolderInUse, IndelibleError
from indelible.base.files import FolderLock
from indelible.base.limits import (
    COLLECT_DRAIN_SECONDS,
    POLL_SECONDS,
    PROCESS_DRAIN_SECONDS,
    RESTART_CALM_SECONDS,
    RESTART_MOST_SECONDS,
    RESTART_SECONDS,
    SOCKET_FOLDER_BYTES,
)
from indelible.base.settings import Settings

SETTINGS = "_INDELIBLE_SETTINGS"


class Child:
    """One process, started again when it may be."""

    def __init__(self, arguments: list[str]) -> None:
        self._arguments = arguments
        self._delay = RESTART_SECONDS
        self._due = 0.0
        self._began = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it now."""
        self._began = monotonic()
        self.process = subprocess.Popen(self._arguments)

    def revive(self) -> None:
        """Start it again when it has ended and its delay is over."""
        if self.process is not None:
            if self.process.poll() is None:
                return
            lived = monotonic() - self._began
            calm = lived > RESTART_CALM_SECONDS
            self._delay = RESTART_SECONDS if calm else min(self._delay * 2, RESTART_MOST_SECONDS)
            self._due = monotonic() + self._delay
            self.process = None
        if monotonic() >= self._due:
            self.start()

    def end(self, seconds: float) -> None:
        """Ask it to end, then make it."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def run_folder(data: Path) -> Path:
    """The private folder of this ledger's sockets, the same for every process of it."""
    base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    name = hashlib.sha256(os.fsencode(data.resolve())).hexdigest()[:16]
    folder = base / f"indelible-{os.getuid()}-{name}"
    if len(os.fsencode(folder)) > SOCKET_FOLDER_BYTES:
        folder = Path("/tmp") / folder.name
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise IndelibleError(
            f"{folder} is not a private folder of this user", code="unsafe_run_folder",
            remedy="Remove it; it is made again with the right owner and mode.",
        )
    return folder


def run_served(data: Path, settings: Settings, only: str | None, json_log: bool) -> None:
    """Run the server (or one process of it) until it is told to stop; exits with its code."""
    os.environ[SETTINGS] = msgspec.json.encode([settings, json_log], enc_hook=str).decode()
    run = run_folder(data)
    if only is not None:
        base = [sys.executable, "-m", "indelible.app.process", only, str(data)]
        os.execv(sys.executable, base)
    try:
        FolderLock(run / "serving.lock")  # until the end: sockets here may be a running server's
    except FolderInUse as error:
        raise FolderInUse(error.message.replace(str(run), str(data))) from error
    for stale in run.glob("*.sock"):
        stale.unlink(missing_ok=True)
    code = run_parent(data, settings.query_workers, run)
    if code:
        sys.exit(code)


def run_parent(data: Path, query_workers: int, run: Path) -> int:
    """Run all processes until SIGTERM or until the writer ends; the writer's exit code."""
    base = [sys.executable, "-m", "indelible.app.process"]
    writer = Child([*base, "writer", str(data)])
    sealer = Child([*base, "sealer", str(data)])
    collector = Child([*base, "collector", str(data)])
    workers = [Child([*base, "query", str(data), str(n)]) for n in range(query_workers)]
    stopping = False

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        writer.start()
        assert writer.process is not None
        while not stopping and writer.process.poll() is None:
            sealer.revive()
            collector.revive()
            for worker in workers:
                worker.revive()
            time.sleep(POLL_SECONDS)
        if writer.process.poll() is None:
            collector.end(2 * COLLECT_DRAIN_SECONDS)  # it hands over what it has read
        writer.end(PROCESS_DRAIN_SECONDS)
        code = writer.process.returncode
        return code if code >= 0 else EXIT_ERROR
    finally:
        for one in (writer, collector, sealer, *workers):
            one.end(5.0)
