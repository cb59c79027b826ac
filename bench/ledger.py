"""A ledger under measure: made in a work folder, served, loaded, watched, killed."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from indelible.base.limits import COMPACT_SECONDS
from indelible.simulate.company import events
from indelible.simulate.profile import BENCH

BATCH = 1_000
ORIGIN = "bench.example/log"
SOURCE = "bench"
ROLES = ("writer", "reader", "auditor", "admin")


def command() -> list[str]:
    """How `indelible` is started from this environment."""
    script = Path(sys.executable).with_name("indelible")
    return [str(script)] if script.exists() else [sys.executable, "-m", "indelible.cli.main"]


class Ledger:
    """One ledger with its tokens and, while it runs, its server."""

    def __init__(self, work: Path, port: int = 8471) -> None:
        self.work, self.port = work, port
        self.data = work / "data"
        self.server: subprocess.Popen[bytes] | None = None
        self.preload = ""
        self.tokens: dict[str, str] = {}
        work.mkdir(parents=True, exist_ok=True)
        if not self.data.exists():
            self.run(
                "init", str(self.data), "--origin", ORIGIN, "--keys", str(work / "keys"),
                "--state", str(work / "state"),
            )
        for role in ROLES:
            path = work / f"{role}.token"
            if not path.exists():
                more = ["--source", SOURCE] if role == "writer" else []
                self.run(
                    "token", "create", "--data", str(self.data), "--role", role,
                    "--name", f"bench-{role}", "-o", str(path), *more,
                )
            self.tokens[role] = path.read_text().strip()

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """One `indelible` command, waited for."""
        return subprocess.run([*command(), *arguments], check=check, capture_output=True)

    def start(self) -> float:
        """Serve; returns the seconds until `/readyz` said yes."""
        env = dict(os.environ)
        if self.preload:
            env["LD_PRELOAD"] = self.preload
        began = time.monotonic()
        with (self.work / "server.log").open("ab") as log:
            self.server = subprocess.Popen(
                [*command(), "serve", "--data", str(self.data), "--port", str(self.port)],
                env=env, stdout=log, stderr=log, start_new_session=True,
            )
        while True:
            if self.server.poll() is not None:
                raise RuntimeError(f"the server ended: see {self.work / 'server.log'}")
            try:
                if self.ask("GET", "/readyz", "reader", timeout=5)[0] == 200:
                    return time.monotonic() - began
            except OSError:
                pass
            time.sleep(0.005)

    def stop(self) -> None:
        """SIGTERM, and wait until it has drained."""
        if self.server is not None:
            self.server.terminate()
            self.server.wait(120)
            self.server = None

    def kill(self) -> None:
        """SIGKILL to every process of the server at once."""
        assert self.server is not None
        for process in self.processes():
            os.kill(process, signal.SIGKILL)
        self.server.wait(30)
        self.server = None

    def processes(self) -> list[int]:
        """Ids of the server's processes."""
        assert self.server is not None
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if int(fields[3]) == self.server.pid:  # its session is the server's own
                    found.append(int(entry.name))
        return found

    def memory_mb(self) -> float:
        """Proportional set size of all processes together: shared pages count once."""
        total = 0
        for process in self.processes():
            try:
                text = Path(f"/proc/{process}/smaps_rollup").read_text()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in text.splitlines() if "Pss:" in line[:4])
        return total / 1024

    def ask(
        self, method: str, path: str, role: str, body: bytes | None = None, timeout: float = 300
    ) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = {"Authorization": f"Bearer {self.tokens[role]}"}
            if body is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path: str, role: str = "reader", **query: object) -> Any:
        """The JSON answer of a GET; raises on anything but 200."""
        full = f"{path}?{urlencode(query)}" if query else path
        status, body = self.ask("GET", full, role)
        if status != 200:
            raise RuntimeError(f"{full}: {status} {body[:300]!r}")
        return json.loads(body)

    def status(self) -> dict[str, Any]:
        """The ledger's own account."""
        return dict(self.get("/v1/status", "auditor"))

    def seal(self) -> None:
        """Seal what is unsealed."""
        status, body = self.ask("POST", "/v1/seal", "admin", b"{}")
        if status != 200:
            raise RuntimeError(f"seal: {status} {body[:300]!r}")

    def settle(self, tail: int = 65_536) -> float:
        """Wait until whole segments are sealed; returns the seconds."""
        began = time.monotonic()
        while self.status()["unsealed"] > tail:
            time.sleep(0.1)
        return time.monotonic() - began

    def calm(self) -> None:
        """Wait until compaction has nothing left to do: the column files stop changing."""
        before: set[str] = set()
        while True:
            now = {path.name for path in (self.data / "ledger" / "columns").iterdir()}
            if now == before:
                return
            before = now
            time.sleep(2 * COMPACT_SECONDS)

    def folder_bytes(self) -> dict[str, int]:
        """Bytes of each folder inside `data/ledger`."""
        root = self.data / "ledger"
        return {
            folder.name: sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
            for folder in root.iterdir()
            if folder.is_dir()
        }


class Watch:
    """Samples memory and the unsealed backlog of a ledger while something runs."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._stop = ledger, threading.Event()
        self.memory_mb = 0.0
        self.unsealed = 0
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._stop.wait(1.0):
            self.memory_mb = max(self.memory_mb, self._ledger.memory_mb())
            try:
                self.unsealed = max(self.unsealed, int(self._ledger.status()["unsealed"]))
            except (OSError, RuntimeError):
                continue

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def groups(lines: Iterator[bytes], size: int = BATCH) -> Iterator[bytes]:
    """NDJSON requests of `size` lines."""
    while some := list(islice(lines, size)):
        yield b"\n".join(some) + b"\n"


def post_all(
    ledger: Ledger, bodies: Iterator[bytes], *, per_second: float = 0.0,
    stop: threading.Event | None = None,
) -> int:
    """Post bodies one after the other over one connection; returns the events accepted.

    `per_second` paces in events; `stop` ends early. A 503 is tried again.
    """
    connection = http.client.HTTPConnection("127.0.0.1", ledger.port, timeout=120)
    headers = {
        "Authorization": f"Bearer {ledger.tokens['writer']}",
        "Content-Type": "application/x-ndjson",
    }
    accepted, began = 0, time.monotonic()
    for body in bodies:
        while True:
            connection.request("POST", "/v1/events", body, headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 503:
                break
            time.sleep(0.2)
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} {content[:300]!r}")
        accepted += int(json.loads(content)["accepted"])
        if stop is not None and stop.is_set():
            break
        if per_second:
            time.sleep(max(0.0, began + accepted / per_second - time.monotonic()))
    connection.close()
    return accepted


@contextmanager
def background(ledger: Ledger, bodies: Iterator[bytes], per_second: float) -> Iterator[None]:
    """Ingest beside the body of the `with`, at a steady pace."""
    stop = threading.Event()
    thread = threading.Thread(
        target=post_all, args=(ledger, bodies),
        kwargs={"per_second": per_second, "stop": stop},
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def wrk(
    script: Path, port: int, *, connections: int, seconds: int, arguments: list[str],
    threads: int = 1,
) -> Mapping[str, Any]:
    """One run of wrk; the numbers that its script reports."""
    done = subprocess.run(
        ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s",
         "-s", str(script), f"http://127.0.0.1:{port}", "--", *arguments],
        check=True, capture_output=True, text=True,
    )
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return dict(json.loads(line.removeprefix("RESULT ")))
    raise RuntimeError(f"wrk reported nothing: {done.stdout} {done.stderr}")


def corpus(ledger: Ledger, count: int, until_us: int, seed: int = 1) -> tuple[Path, float]:
    """Load `count` bench events of 30 days, and keep them beside as NDJSON under zstd -3.

    They are older than a sender's should be, so they carry the flag `late`.
    Returns the file and the seconds. A work folder that already holds the corpus is used again.
    """
    packed = ledger.work / f"corpus-{count}.ndjson.zst"
    if packed.exists():
        return packed, 0.0
    began = time.monotonic()
    partial = packed.with_suffix(".part")
    with partial.open("wb") as out:
        packer = subprocess.Popen(["zstd", "-3", "-q", "-c"], stdin=subprocess.PIPE, stdout=out)
        assert packer.stdin is not None
        sink = packer.stdin

        def both() -> Iterator[bytes]:
            for body in groups(events(BENCH, seed, count, until_us)):
                sink.write(body)
                yield body

        accepted = post_all(ledger, both())
        sink.close()
        packer.wait()
    if accepted != count:
        raise RuntimeError(f"{accepted} of {count} events were accepted")
    partial.rename(packed)
    return packed, time.monotonic() - began
