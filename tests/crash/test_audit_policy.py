"""kill -9 while the audit policy takes events apart: what was answered is counted, exactly once."""

from __future__ import annotations

import json
import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.ledgers import all_bodies
from support.served import Place, Server

RULES = """
[[rule]]
when = "target:/healthz"
then = "drop"
[[rule]]
when = "operation:read"
then = "summarise"
[[rule]]
when = "operation:update"
then = "strip"
"""
KINDS = (
    ("thing.read", "t1"), ("thing.read", "t2"), ("thing.read", "/healthz"), ("thing.update", "t1"),
)


class Retrying:
    """Sends numbered batches, each again and again until it is answered, over all lives."""

    def __init__(self, token: str) -> None:
        self.batch = 0
        self.sent = dict.fromkeys(range(len(KINDS)), 0)
        self._headers = {"authorization": f"Bearer {token}"}
        self._rng = random.Random("sizes")
        self._lines: list[bytes] = []

    def _next(self) -> None:
        self.batch += 1
        self._lines = []
        for at in range(self._rng.choice((1, 9, 120))):
            kind = at % len(KINDS)
            action, target = KINDS[kind]
            self.sent[kind] += 1
            self._lines.append(json.dumps({
                "action": action, "actor": {"type": "user", "id": f"u{at % 3}"},
                "target": {"type": "thing", "id": target}, "id": f"b{self.batch}-{at}",
                "data": {"request": at},
            }).encode())

    def run(self, url: str, stop: threading.Event) -> None:
        """Until it is cut off or told to stop."""
        with httpx2.Client(base_url=url, headers=self._headers, timeout=10) as client:
            while not stop.is_set():
                if not self._lines:
                    self._next()
                try:
                    answer = client.post("/v1/events", content=b"\n".join(self._lines))
                except httpx2.HTTPError:
                    return
                if answer.status_code == 200:
                    self._lines = []

    def summaries(self, auditor: httpx2.Client) -> list[object]:
        """The summaries that can be found."""
        found = auditor.get("/v1/search", params={"q": "flag:summary", "limit": 1000}).json()
        rows: list[object] = found["events"]
        return rows

    def counted(self, auditor: httpx2.Client) -> dict[str, Any]:
        """The source's counts, when what the crash left out of them is made up for."""
        until = time.monotonic() + 60
        while True:
            (view,) = auditor.get("/v1/sources").json()["sources"]
            if not view["counting"] or time.monotonic() > until:
                found: dict[str, Any] = view
                return found
            time.sleep(0.05)

    def finish(self, url: str) -> None:
        """What was not answered yet is answered now."""
        with httpx2.Client(base_url=url, headers=self._headers, timeout=30) as client:
            if self._lines:
                assert client.post(
                    "/v1/events", content=b"\n".join(self._lines)
                ).status_code == 200
                self._lines = []


@pytest.mark.timeout(280)
def test_what_was_answered_before_kill_9_is_counted_once(tmp_path: Path) -> None:
    place = Place(tmp_path).init()
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    place.cli("audit-policy", "set", str(rules), "--data", str(place.data), "--reason", "test")
    rng, sender = random.Random(20261128), Retrying(place.tokens["writer"])
    for _ in range(4):
        with Server(place) as server:
            stop = threading.Event()
            load = threading.Thread(target=sender.run, args=(server.url, stop), daemon=True)
            load.start()
            time.sleep(rng.uniform(0.3, 1.2))  # the random moment itself
            server.kill()
            stop.set()
            load.join(15)
    with Server(place) as server:
        sender.finish(server.url)
        with server.client("auditor") as auditor:
            view = sender.counted(auditor)
            tried = auditor.post("/v1/audit-policy/preview", json={"rules": RULES})
            assert tried.status_code == 200
            assert tried.json()["looked_at"] == view["stored"] + len(sender.summaries(auditor))
        server.stop()
    assert place.report("verify")["exit"] == 0
    assert place.report("fsck")["exit"] == 0
    bodies = [json.loads(body) for body in all_bodies(place)]
    mine = [body for body in bodies if body["source"]["id"] == "app"]
    stored = [body for body in mine if "summary" not in body.get("flags", ())]
    rolled = sum(
        body["data"]["summary"]["count"] for body in mine if "summary" in body.get("flags", ())
    )
    dropped = sum(
        one["events"] for body in bodies if body["action"] == "ledger.audit_policy.state"
        for one in body["data"]["rules"]
    )
    assert sender.batch > 4
    assert rolled == sender.sent[0] + sender.sent[1]
    assert len({body["id"] for body in stored}) == len(stored) == sender.sent[3]
    assert all(body["stripped"]["members"] == ["data.request"] for body in stored)
    assert dropped >= sender.sent[2]  # what comes again is dropped again, and counted again
    assert (view["stored"], view["summarised"], view["dropped_by_rule"]) == (
        len(stored), rolled, dropped)
