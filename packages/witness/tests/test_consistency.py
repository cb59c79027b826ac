"""What a witness is for: never two histories, whatever happens at the same time or in between."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indelible_verify import Key
from indelible_witness import State, Witness, WitnessError
from indelible_witness import state as state_module
from indelible_witness.cosigner import load_cosigner
from indelible_witness.main import main


def race(targets: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Climber:
    """Pushes one branch upwards as hard as it can, learning the size from 409 answers."""

    def __init__(self, server: Any, log: Any, sizes: range) -> None:
        self.server, self.log, self.sizes = server, log, sizes
        self.granted: list[int] = []

    def __call__(self) -> None:
        old = 0
        for size in self.sizes:
            status, _, body = self.server.post(self.log.request(min(old, size), size))
            if status == 409:
                old = int(body)
                if old > size:
                    continue
                status = self.server.post(self.log.request(old, size))[0]
            if status == 200:
                self.granted.append(size)
                old = size


@pytest.mark.parametrize("processes", [1, 2])
def test_two_histories_pushed_at_once_never_both_get_cosigned(
    serve: Callable[..., Any], small: Any, processes: int
) -> None:
    servers = [serve() for _ in range(processes)]
    other = small.branch(10, 40, b"other")
    assert servers[0].post(small.request(0, 10))[0] == 200
    mine = [Climber(servers[n % processes], small, range(11, 40)) for n in range(3)]
    theirs = [Climber(servers[n % processes], other, range(11, 40)) for n in range(3)]
    race([*mine, *theirs])
    granted = [any(c.granted for c in mine), any(c.granted for c in theirs)]
    assert sorted(granted) == [False, True]


def test_one_request_wins_when_many_ask_for_the_same_step(
    serve: Callable[..., Any], small: Any
) -> None:
    servers = [serve(), serve()]
    assert servers[0].post(small.request(0, 5))[0] == 200
    branches = [small.branch(5, 6, str(n).encode()) for n in range(8)]
    found: list[int] = []

    def push(n: int) -> Callable[[], None]:
        return lambda: found.append(servers[n % 2].post(branches[n].request(5, 6))[0])

    race([push(n) for n in range(8)])
    assert sorted(found) == [200] + [409] * 7


def test_answered_checkpoint_survives_kill_and_the_fork_stays_refused(
    serve: Callable[..., Any], small: Any
) -> None:
    served = serve()
    other = small.branch(3, 40, b"other")
    old = 0
    for size in (4, 9, 17, 33):
        assert served.post(small.request(old, size))[0] == 200
        served.kill()
        served.start()
        assert served.post(other.request(size, size)) == (
            409,
            "text/x.tlog.size",
            f"{size}\n".encode(),
        )
        assert served.post(other.request(size, size + 1))[0] == 422
        old = size


def test_nothing_granted_is_forgotten_when_killed_under_load(
    serve: Callable[..., Any], small: Any, folder: Path
) -> None:
    served = serve()
    granted: list[int] = []
    enough = threading.Event()

    def climb() -> None:
        old = 0
        for size in range(1, 41):
            try:
                if served.post(small.request(old, size))[0] == 200:
                    granted.append(size)
                    old = size
            except OSError:
                return
            if size == 15:
                enough.set()

    thread = threading.Thread(target=climb)
    thread.start()
    assert enough.wait(60)
    served.kill()
    thread.join()
    served.start()
    head = State(folder).head(small.origin)
    assert head is not None
    assert max(granted) <= head.size <= max(granted) + 1


def test_commit_that_fails_grants_nothing(
    folder: Path, small: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = State(folder)
    witness = Witness(load_cosigner(folder), state, lambda: 1_790_000_000)
    assert witness.add_checkpoint(small.request(0, 5)).status == 200

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("disk is full")

    monkeypatch.setattr("indelible_witness.witness.write_head", full)
    with pytest.raises(sqlite3.OperationalError):
        witness.add_checkpoint(small.request(5, 6))
    head = state.head(small.origin)
    assert head is not None
    assert head.size == 5


def test_time_of_cosignatures_does_not_run_backwards(folder: Path, small: Any) -> None:
    state, now = State(folder), [1_790_000_000]
    witness = Witness(load_cosigner(folder), state, lambda: now[0])
    times = []
    for at, size in [(1_790_000_000, 1), (1_789_999_990, 2), (1_790_000_005, 3)]:
        now[0] = at
        assert witness.add_checkpoint(small.request(size - 1, size)).status == 200
        head = state.head(small.origin)
        times.append(head.time if head else 0)
    assert times == [1_790_000_000, 1_790_000_000, 1_790_000_005]


def test_evidence_is_bounded_and_a_fork_is_never_crowded_out(
    folder: Path, small: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_module, "EVIDENCE_PER_LOG", 3)
    state = State(folder)
    witness = Witness(load_cosigner(folder), state, lambda: 1_790_000_000)
    assert witness.add_checkpoint(small.request(0, 5)).status == 200
    for n in range(5):
        other = small.branch(4, 9, str(n).encode())
        assert witness.add_checkpoint(other.request(5, 8)).status == 422
    assert [one.reason for one in state.evidence()] == ["unproven"] * 3
    fork = small.branch(4, 9, b"fork")
    assert witness.add_checkpoint(fork.request(5, 5)).status == 409
    assert sorted(one.reason for one in state.evidence()) == ["fork", "unproven", "unproven"]


def test_lost_or_foreign_state_is_never_replaced_by_an_empty_one(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", str(tmp_path / "second"), "--name", "w2.test"]) == 0
    state = folder / "state.sqlite"
    kept = state.read_bytes()
    state.unlink()
    assert main(["serve", str(folder)]) == 3
    assert not state.exists()
    state.write_bytes((tmp_path / "second" / "state.sqlite").read_bytes())
    assert main(["show", str(folder)]) == 3
    state.write_bytes(kept)
    assert main(["show", str(folder)]) == 0
    assert main(["init", str(folder), "--name", "again"]) == 3
    capsys.readouterr()


def test_keys_are_private_to_their_owner(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (folder / "cosigner.ed25519.key").chmod(0o644)
    with pytest.raises(WitnessError, match="chmod 600"):
        load_cosigner(folder)


def test_printed_keys_are_those_on_disk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "w"), "--name", "w.test"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [Key.parse(line).type for line in printed] == [4, 6]
    files = [tmp_path / "w" / name for name in ("witness.vkey", "witness.vkey.mldsa44")]
    assert [path.read_text().strip() for path in files] == printed


def test_bad_arguments_are_usage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["add-log", str(folder), "--vkey", "nonsense"]) == 2
    assert main(["serve", str(folder), "--tls-cert", "a.pem"]) == 2
    assert main(["init", str(folder / "x"), "--name", "has space"]) == 3
    capsys.readouterr()


def test_log_can_have_more_keys_and_another_origin(
    folder: Path, make_small: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = make_small("key.a").grow(2), make_small("key.b")
    for log in (one, two):
        assert main(["add-log", str(folder), "--vkey", log.vkey, "--origin", "shared"]) == 0
    assert len(State(folder).keys_of("shared")) == 2
    capsys.readouterr()
    main(["show", str(folder), "--json"])
    assert json.loads(capsys.readouterr().out)["logs"]["shared"] is None


def test_stop_is_clean(served: Any, small: Any) -> None:
    assert served.post(small.request(0, 5))[0] == 200
    assert served.stop() in (0, -15)
    assert not os.path.exists(f"/proc/{served.process.pid}/fd")
