"""kill -9 at random moments under load: what was acknowledged is there, once."""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from pathlib import Path

import httpx2
import msgspec
import pytest

from support.ledgers import ids_in_ledger, key_users
from support.served import Place, Server


class Load:
    """Posts events with ids until it is cut off; remembers what was asked and answered."""

    def __init__(self, url: str, token: str, name: str) -> None:
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self._url, self._token, self._name = url, token, name
        self._stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        rng = random.Random(self._name)
        number = 0
        headers = {"authorization": f"Bearer {self._token}"}
        with httpx2.Client(base_url=self._url, headers=headers, timeout=10) as client:
            while not self._stop.is_set():
                ids = [f"{self._name}-{number + at}" for at in range(rng.choice((1, 7, 400)))]
                number += len(ids)
                lines = [
                    b'{"action":"thing.update","actor":{"type":"user","id":"u%d"},"target":'
                    b'{"type":"thing","id":"t"},"id":"%s"}' % (len(ids), one.encode())
                    for one in ids
                ]
                self.sent.update(ids)
                try:
                    answer = client.post("/v1/events", content=b"\n".join(lines))
                except httpx2.HTTPError:
                    return
                if answer.status_code == 200:
                    self.acknowledged.update(ids)

    def stop(self) -> None:
        """No more requests."""
        self._stop.set()
        self.thread.join(15)


def one_life(place: Place, rng: random.Random, life: int, users: dict[str, set[str]]) -> Load:
    """Start, load, kill after a random while; the load's account."""
    with Server(place) as server:
        loads = [
            Load(server.url, place.tokens["writer"], f"life{life}-{n}") for n in range(2)
        ]
        if rng.random() < 0.5:
            with server.client("admin") as admin:
                with contextlib.suppress(httpx2.HTTPError):
                    admin.post("/v1/seal", content=b"{}", timeout=rng.uniform(0.01, 0.6))
        time.sleep(rng.uniform(0.05, 0.9))  # the random moment itself
        target = rng.choice(("all", "all", "writer", "sealer"))
        if target == "all":
            server.kill()
        else:
            for pid in server.pids(target):
                os.kill(pid, 9)
            time.sleep(rng.uniform(0.0, 0.3))
            server.kill()
        for load in loads:
            load.stop()
    for key, files in key_users(place).items():
        users.setdefault(key, set()).update(files)
    loads[0].sent |= loads[1].sent
    loads[0].acknowledged |= loads[1].acknowledged
    return loads[0]


def run_lives(root: Path, seed: int, lives: int) -> dict[str, int]:
    """Several lives of one ledger; checks everything after each and counts."""
    rng = random.Random(seed)
    place = Place(root).init()
    sent: set[str] = set()
    acknowledged: set[str] = set()
    users: dict[str, set[str]] = {}
    for life in range(lives):
        load = one_life(place, rng, life, users)
        sent |= load.sent
        acknowledged |= load.acknowledged
        verified, checked = place.report("verify"), place.report("fsck")
        assert verified["exit"] == 0, msgspec.json.encode(verified)
        assert checked["exit"] == 0, msgspec.json.encode(checked)
    stored = ids_in_ledger(place)
    twice = [one for one, count in stored.items() if count > 1]
    assert not twice, f"stored twice: {twice[:5]}"
    lost = acknowledged - stored.keys()
    assert not lost, f"acknowledged and lost: {sorted(lost)[:5]}"
    assert stored.keys() <= sent
    shared = {key: files for key, files in users.items() if len(files) > 1}
    assert not shared, f"a key served two files: {shared}"
    return {"lives": lives, "sent": len(sent), "acknowledged": len(acknowledged)}


@pytest.mark.timeout(280)
def test_every_acknowledged_event_survives_kill_9_and_stands_once(tmp_path: Path) -> None:
    counts = run_lives(tmp_path, seed=20261122, lives=4)
    assert counts["acknowledged"] > 0
