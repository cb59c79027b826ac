"""Real witnesses over HTTP: ours, and a foreign one (aics-witness) where it is installed."""

from __future__ import annotations

import asyncio
import importlib.util
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import msgspec
import pytest

from indelible.app.local import LocalLedger
from indelible.app.setup import init_ledger
from indelible.app.witnessing import ask_witnesses, cosigned_path
from indelible.ledger.cosign import cosigner_key
from indelible.ledger.incoming import own_record
from indelible.proof.note import check
from support.served import Place, Server, free_port

ORIGIN = "test.example/witnessed"


class Running:
    """A witness in a process of its own, following one log."""

    def __init__(self, root: Path, log_vkeys: list[str]) -> None:
        self.root, self.log_vkeys = root, log_vkeys
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.vkey = ""

    def commands(self) -> tuple[list[list[str]], list[str]]:
        """What sets it up (the first prints its vkey), and what serves it."""
        raise AssertionError

    @contextmanager
    def serving(self) -> Iterator[Running]:
        """Set it up where that was not done, serve, wait until it answers."""
        setup, serve = self.commands()
        if not self.vkey:
            for number, command in enumerate(setup):
                done = subprocess.run(command, capture_output=True, text=True, timeout=60)
                assert done.returncode == 0, done.stderr
                if number == 0:
                    self.vkey = next(
                        word for word in done.stdout.split() if word.count("+") >= 2
                    )
        with (self.root / "witness.log").open("ab") as log:
            process = subprocess.Popen(serve, stdout=log, stderr=log)
            try:
                self._wait(process)
                yield self
            finally:
                process.terminate()
                process.wait(30)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until and process.poll() is None:
            try:
                if httpx2.get(f"{self.url}/healthz", timeout=2).status_code == 200:
                    return
            except httpx2.HTTPError:
                time.sleep(0.02)
        raise AssertionError((self.root / "witness.log").read_text()[-2000:])


class Ours(Running):
    """indelible-witness."""

    def commands(self) -> tuple[list[list[str]], list[str]]:
        """See `Running.commands`."""
        base, folder = [sys.executable, "-m", "indelible_witness"], str(self.root / "witness")
        keys = [part for vkey in self.log_vkeys for part in ("--vkey", vkey)]
        return (
            [
                [*base, "init", folder, "--name", "witness.example/ours"],
                [*base, "add-log", folder, *keys],
            ],
            [*base, "serve", folder, "--port", str(self.port)],
        )


class Foreign(Running):
    """aics-witness 0.1, written by others against tlog-witness v1.1."""

    def commands(self) -> tuple[list[list[str]], list[str]]:
        """See `Running.commands`."""
        program = shutil.which("aics-witness") or ""
        base = [program, "--config", str(self.root / "witness.json")]
        first = self.log_vkeys[0]  # it knows Ed25519 keys only
        return (
            [
                [program, "init", *base[1:], "--name", "witness.example/foreign"],
                [program, "add-log", *base[1:], "--origin", ORIGIN, "--vkey", first],
            ],
            [program, "serve", *base[1:], "--listen", f"127.0.0.1:{self.port}"],
        )


@pytest.fixture(
    params=[
        pytest.param(
            Ours, id="indelible-witness",
            marks=pytest.mark.skipif(
                importlib.util.find_spec("indelible_witness") is None,
                reason="indelible-witness is not installed (packages/witness)",
            ),
        ),
        pytest.param(
            Foreign, id="aics-witness",
            marks=[
                pytest.mark.component("aics-witness"),
                pytest.mark.skipif(
                    shutil.which("aics-witness") is None,
                    reason="aics-witness is not on the PATH (PyPI, asks for Python 3.12)",
                ),
            ],
        ),
    ]
)
def kind(request: pytest.FixtureRequest) -> type[Running]:
    chosen: type[Running] = request.param
    return chosen


class Unready(Server):
    """A server that is not expected to become ready, only to answer."""

    def wait_ready(self, seconds: float = 30.0) -> float:
        """Until `/readyz` answers, whatever it says; how long it took."""
        began = time.monotonic()
        while time.monotonic() - began < seconds and self.process.poll() is None:
            try:
                httpx2.get(f"{self.url}/readyz", timeout=2)
            except httpx2.HTTPError:
                time.sleep(0.02)
            else:
                return time.monotonic() - began
        raise AssertionError((self.place.root / "serve.log").read_text()[-4000:])


class Log:
    """A ledger's folders, opened in this process for one act at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        made = init_ledger(root / "data", ORIGIN, root / "keys", root / "state")
        self.vkeys = [made.vkey, made.vkey_mldsa44]

    def do(self, act: Callable[[LocalLedger], Awaitable[None]]) -> None:
        """Open, act, close."""

        async def run() -> None:
            async with LocalLedger(self.root / "data") as ledger:
                await act(ledger)

        asyncio.run(run())

    def keep(self, name: str) -> None:
        """Copy data and register aside."""
        for part in ("data", "state"):
            shutil.copytree(self.root / part, self.root / name / part)

    def bring_back(self, name: str) -> None:
        """The copy in the place of what is there, as someone who holds everything would."""
        for part in ("data", "state"):
            shutil.rmtree(self.root / part)
            shutil.copytree(self.root / name / part, self.root / part)


async def _grow(ledger: LocalLedger, count: int) -> None:
    for number in range(count):
        await ledger.core.own(own_record("event", "indelible.test.grow", {"number": number}))
    await ledger.engine.publish()


def _following(witness: Running, *more: int) -> Callable[[LocalLedger], Awaitable[None]]:
    async def act(ledger: LocalLedger) -> None:
        core = ledger.core
        if not core.meta.witnesses():
            core.meta.add_witness("w", witness.url, witness.vkey)
        key = cosigner_key(witness.vkey)
        for count in (0, *more):
            await _grow(ledger, count)
            await ask_witnesses(core)
            seen = core.witnessed["w"]
            assert (seen.size, seen.error) == (core.publisher.size, "")
            stored = core.ledger.paths.checkpoint.read_bytes()
            assert check(stored, [*core.ledger.keys.verifier_keys(), key])[-1].timestamp
        assert not core.damage

    return act


def _alarmed(verdict: str, more: int) -> Callable[[LocalLedger], Awaitable[None]]:
    async def act(ledger: LocalLedger) -> None:
        core = ledger.core
        await _grow(ledger, more)
        await ask_witnesses(core)
        assert [text.partition(":")[0] for text in core.damage] == [verdict], core.witnessed
        key = cosigner_key(core.meta.witnesses()[0].vkey)
        path = cosigned_path(core, key)
        assert path.with_name(f"{path.name}-contradicts").exists()
        assert not check(core.publisher.note, [key])[0].valid

    return act


def test_a_growing_log_is_cosigned_again_and_again(kind: type[Running], tmp_path: Path) -> None:
    log = Log(tmp_path)
    with kind(tmp_path, log.vkeys).serving() as witness:
        log.do(_following(witness, 1, 0, 2, 260, 3))
        log.do(_following(witness, 5))


def test_a_log_that_lost_count_of_its_witness_finds_back(
    kind: type[Running], tmp_path: Path
) -> None:
    log = Log(tmp_path)
    with kind(tmp_path, log.vkeys).serving() as witness:
        log.do(_following(witness, 3))
        for path in (tmp_path / "data/ledger/checkpoints").glob("cosigned*"):
            path.unlink()
        log.do(_following(witness, 4))


def test_everything_restored_to_an_older_state_is_seen_by_the_witness_alone(
    kind: type[Running], tmp_path: Path
) -> None:
    log = Log(tmp_path)
    with kind(tmp_path, log.vkeys).serving() as witness:
        log.do(_following(witness))
        log.keep("older")
        log.do(_following(witness, 20))
        log.bring_back("older")
        log.do(_alarmed("rolled back", 0))


def test_a_rewritten_history_is_seen_once_it_has_outgrown_the_witness(
    kind: type[Running], tmp_path: Path
) -> None:
    log = Log(tmp_path)
    with kind(tmp_path, log.vkeys).serving() as witness:
        log.do(_following(witness))
        log.keep("older")
        log.do(_following(witness, 4))
        log.bring_back("older")
        log.do(_alarmed("forked", 30))


def test_a_witness_that_does_not_follow_the_log_is_an_error_and_no_alarm(
    kind: type[Running], tmp_path: Path
) -> None:
    log, other = Log(tmp_path), Log(tmp_path / "other")
    with kind(tmp_path, other.vkeys).serving() as witness:

        async def act(ledger: LocalLedger) -> None:
            core = ledger.core
            core.meta.add_witness("w", witness.url, witness.vkey)
            await ask_witnesses(core)
            assert "40" in core.witnessed["w"].error
            assert not core.damage

        log.do(act)


def test_a_served_ledger_asks_on_its_own_beat_and_a_rollback_makes_it_unready(
    tmp_path: Path,
) -> None:
    pytest.importorskip("indelible_witness", reason="packages/witness is not installed")
    place = Place(tmp_path, ORIGIN).init()
    vkeys = [(place.data / name).read_text().strip() for name in ("vkey", "vkey.mldsa44")]

    def status(server: Server) -> dict[str, object]:
        with server.client("auditor") as client:
            found: dict[str, object] = msgspec.json.decode(client.get("/v1/status").content)
            return found

    def until(server: Server, claim: Callable[[dict[str, object]], object]) -> dict[str, object]:
        last: dict[str, object] = {}
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            last = status(server)
            if claim(last):
                return last
            time.sleep(0.1)
        raise AssertionError(last)

    with Ours(tmp_path, vkeys).serving() as witness:
        with Server(place, "--witness-every", "1s") as server:
            with server.client("admin") as client:
                asked = {"name": "w", "url": witness.url, "vkey": witness.vkey}
                client.post("/v1/witnesses", json=asked).raise_for_status()
            until(server, lambda s: s["unwitnessed_events"] == 0)
        for part in ("data", "state"):
            shutil.copytree(tmp_path / part, tmp_path / "older" / part)
        with Server(place, "--witness-every", "1s") as server:
            with server.client("writer") as client:
                events = b'{"action":"user.login","actor":{"type":"user","id":"u"}}\n' * 50
                sent = client.post(
                    "/v1/events", content=events,
                    headers={"content-type": "application/x-ndjson"},
                )
                sent.raise_for_status()
            until(server, lambda s: int(str(s["size"])) > 50 and s["unwitnessed_events"] == 0)
        for part in ("data", "state"):
            shutil.rmtree(tmp_path / part)
            shutil.copytree(tmp_path / "older" / part, tmp_path / part)
        with Unready(place, "--witness-every", "1s") as server:
            found = until(server, lambda s: s["damage"])
            assert "rolled back: the witness w" in str(found["damage"])
            assert httpx2.get(f"{server.url}/readyz").status_code == 503
    account = place.report("verify")
    assert (account["verdict"], account["exit"]) == ("rolled back", 4)
