"""The demo's steps, each by itself, and once the whole of it with a real server."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from tests.unit.cli.conftest import Cli, FakeServer, _Opened

from indelible.base.errors import IndelibleError
from indelible.cli import demo_steps
from indelible.cli.client import Client
from indelible.cli.demo import _interruptible
from indelible.cli.demo_server import DemoServer, free_port
from indelible.cli.local import LocalTransport


def client(server: FakeServer) -> Client:
    transport = LocalTransport(_Opened(server))
    return Client(httpx2.Client(base_url="http://localhost", transport=transport), "here")


def accepted(count: int, rejected: int = 0) -> dict[str, object]:
    refusal = {"line": 1, "field": "action", "code": "invalid_event", "reason": "no"}
    return {"accepted": count, "ranges": [], "duplicates": [], "conflicts": [],
            "rejected": [refusal] * rejected, "rejected_count": rejected}


def any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_a_history_is_loaded_as_backfill_in_batches(server: FakeServer) -> None:
    server.answer("POST", "/v1/import", accepted(1000))
    loaded = demo_steps.load(client(server), [b'{"n":%d}' % n for n in range(3000)])
    assert loaded.events == 3000
    assert len(server.asked) == 3
    assert server.last().params == {"parser": "native", "backfill": "1"}


def test_a_refused_simulated_event_stops_the_demo(server: FakeServer) -> None:
    server.answer("POST", "/v1/import", accepted(999, 1), 207)
    with pytest.raises(IndelibleError, match="1 simulated events were refused"):
        demo_steps.load(client(server), [b"{}"] * 1000)


def test_tokens_are_made_for_each_role_in_private_files(
    server: FakeServer, tmp_path: Path
) -> None:
    server.answer("POST", "/v1/tokens", {"id": "t", "token": "secret"}, 201)
    files = demo_steps.make_tokens(tmp_path, tmp_path)
    assert set(files) == {"admin", "writer", "reader", "auditor"}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files.values())
    writer = next(json.loads(a.body) for a in server.asked if b"writer" in a.body)
    assert writer["source"] == demo_steps.SOURCE


def test_verify_waits_for_the_end(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_steps, "POLL_SECONDS", 0.0)
    server.answer("POST", "/v1/verify", {"id": "r", "state": "running"}, 202)
    server.answer("GET", "/v1/verify", {"id": "r", "state": "running"})
    server.answer("GET", "/v1/verify", {"id": "r", "state": "finished", "verdict": "proven"})
    assert demo_steps.verify(client(server)).verdict == "proven"


def test_a_bundle_that_is_not_one_is_not_proven(tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(b"not a zip")
    (tmp_path / "k").write_text("x+1+y\n")
    with pytest.raises(IndelibleError, match="refuses the bundle"):
        demo_steps.verify_offline(tmp_path / "b.zip", [tmp_path / "k"])


def test_a_taken_port_is_not_chosen() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert free_port(taken.getsockname()[1]) == taken.getsockname()[1]
        assert free_port(None) != taken.getsockname()[1]


def test_a_server_that_does_not_start_shows_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(IndelibleError, match="no ledger in"):
        with DemoServer(tmp_path, free_port(None), tmp_path / "log"):
            pass


def test_demo_refuses_a_folder_with_something_in_it(run: Cli, tmp_path: Path) -> None:
    assert run.bare("demo", "--dir", str(tmp_path)).exit_code == 3


def test_demo_in_the_folder_of_another_says_how_to_go_on(run: Cli, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "indelible.toml").write_text("")
    told = run.bare("demo", "--dir", str(tmp_path)).stderr
    assert f"`indelible serve --data {tmp_path / 'data'}`" in told


def test_sigint_ends_the_demo_also_where_it_was_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(KeyboardInterrupt), _interruptible():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_demo_once_ends_with_one_line_that_says_proven(tmp_path: Path) -> None:
    arguments = ["demo", "--once", "--events", "2000", "--dir", str(tmp_path / "demo"),
                 "--port", str(any_port())]
    done = subprocess.run(
        [sys.executable, "-m", "indelible.cli.main", *arguments],
        capture_output=True, text=True, check=False, timeout=120,
    )
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["events"], last["verdict"], last["proof"]) == (2000, "proven", "proven")
    assert last["size"] > 2000
    assert last["bytes_per_event"] > 0
    assert (tmp_path / "demo" / "data" / "indelible.toml").exists()
