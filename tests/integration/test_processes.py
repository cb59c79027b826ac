"""The processes of a server are killed, stopped and doubled; senders do not notice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from support.ledgers import all_bodies, decoded
from support.served import Place, Server


def event(number: int, **more: object) -> dict[str, object]:
    """A native event with an id."""
    return {
        "action": "record.read", "actor": {"type": "user", "id": f"u{number % 7}"},
        "target": {"type": "record", "id": f"r{number}"}, "id": f"e{number}", **more,
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(Place(tmp_path_factory.mktemp("processes")).init()) as running:
        yield running


def until(happened: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something; fails when it does not happen."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def send(server: Server, first: int, count: int) -> float:
    """Send events one by one, each acknowledged; the longest wait."""
    longest = 0.0
    with server.client("writer") as writer:
        for number in range(first, first + count):
            began = time.monotonic()
            assert writer.post("/v1/events", json=event(number)).status_code == 200
            longest = max(longest, time.monotonic() - began)
    return longest


def status(server: Server) -> dict[str, object]:
    """The status of the ledger."""
    with server.client("auditor") as auditor:
        found: dict[str, object] = auditor.get("/v1/status").json()
        return found


def pid(server: Server, role: str) -> int:
    """The process of a role; one that was killed is started again after a moment."""
    until(lambda: bool(server.pids(role)))
    return server.pids(role)[0]


def signed(server: Server) -> Callable[[], bool]:
    """Whether a checkpoint covers everything that is there now."""
    size = int(str(status(server)["size"]))
    return lambda: int(str(status(server)["published_size"])) >= size


def finds(server: Server, number: int) -> bool:
    """Whether a search answers with the event."""
    with server.client("reader") as reader:
        answer = reader.get("/v1/search", params={"q": f"id:e{number}"})
    return answer.status_code == 200 and len(answer.json()["events"]) == 1


def test_search_comes_back_after_its_process_was_killed(server: Server) -> None:
    send(server, 0, 20)
    until(lambda: finds(server, 3))
    os.kill(pid(server, "query"), signal.SIGKILL)
    assert send(server, 100, 50) < 2
    until(lambda: finds(server, 149))


def test_checkpoints_go_on_after_the_sealer_was_killed(server: Server) -> None:
    os.kill(pid(server, "sealer"), signal.SIGKILL)
    assert send(server, 200, 50) < 2
    until(signed(server))
    until(lambda: finds(server, 249))


def test_a_seal_asked_of_a_sealer_that_dies_is_done_by_the_next(server: Server) -> None:
    send(server, 300, 50)
    sealer = pid(server, "sealer")
    os.kill(sealer, signal.SIGSTOP)
    answers: list[httpx2.Response] = []

    def ask() -> None:
        with server.client("admin") as admin:
            answers.append(admin.post("/v1/seal", json={}))

    asking = threading.Thread(target=ask)
    asking.start()
    send(server, 350, 5)
    os.kill(sealer, signal.SIGKILL)
    asking.join(40)
    assert [answer.status_code for answer in answers] == [200]
    assert answers[0].json()["segments"] >= 1
    assert finds(server, 320)


def test_senders_do_not_wait_for_a_sealer_or_a_search_that_hangs(server: Server) -> None:
    for role in ("sealer", "query"):
        process = pid(server, role)
        os.kill(process, signal.SIGSTOP)
        try:
            assert send(server, 400 if role == "query" else 500, 30) < 2
        finally:
            os.kill(process, signal.SIGCONT)
    until(signed(server))


def test_a_second_server_leaves_the_first_whole(server: Server) -> None:
    place = server.place
    done = place.cli("serve", "--data", str(place.data), "--port", "0", check=False)
    assert (done.returncode, b"in use" in done.stderr) == (3, True)
    os.kill(pid(server, "query"), signal.SIGKILL)
    os.kill(pid(server, "sealer"), signal.SIGKILL)
    send(server, 600, 10)
    until(lambda: finds(server, 609))
    until(signed(server))


class Load:
    """Senders in threads; what was acknowledged."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.acknowledged: list[str] = []
        self._threads = [threading.Thread(target=self._send, args=(n,)) for n in range(4)]

    def _send(self, sender: int) -> None:
        number = sender * 1_000_000
        with self._server.client("writer") as writer:
            while True:
                events = [event(number + n) for n in range(3)]
                try:
                    if writer.post("/v1/events", json=events).status_code != 200:
                        return
                except httpx2.HTTPError:
                    return
                self.acknowledged += [str(one["id"]) for one in events]
                number += 3

    def start(self) -> None:
        """Send until something has been acknowledged to everybody."""
        for thread in self._threads:
            thread.start()
        until(lambda: len(self.acknowledged) > 500)

    def join(self) -> list[str]:
        """Wait for the senders to be refused; what was acknowledged."""
        for thread in self._threads:
            thread.join(30)
        return self.acknowledged


def alone(server: Server) -> None:
    """SIGTERM to the server's own process, as a person sends it."""
    server.process.terminate()


def together(server: Server) -> None:
    """SIGTERM to all processes at once, as systemd sends it."""
    os.killpg(server.process.pid, signal.SIGTERM)


def orphaned(server: Server) -> None:
    """The parent is killed: the others are left behind."""
    server.process.kill()


@pytest.mark.parametrize("end", [alone, together, orphaned])
def test_what_was_acknowledged_before_the_end_is_there_once_and_signed(
    tmp_path: Path, end: Callable[[Server], None]
) -> None:
    place = Place(tmp_path).init()
    with Server(place) as server:
        processes = [pid for role in ("writer", "sealer", "query") for pid in server.pids(role)]
        load = Load(server)
        load.start()
        end(server)
        code = server.process.wait(60)
        acknowledged = load.join()
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes))
    assert code == (-signal.SIGKILL if end is orphaned else 0)
    stored = Counter(decoded(body).get("id") for body in all_bodies(place))
    assert [one for one in acknowledged if stored[one] != 1] == []
    report = place.report("verify")
    assert report["verdict"] == "proven"
    assert report["checkpoint_size"] == report["size"]
