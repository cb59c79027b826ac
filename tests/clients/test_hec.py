"""splunk-handler and curl against a served ledger's HTTP Event Collector."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.senders import eventually
from support.served import Server
from support.shipping import Ship, counts, events

CURL = shutil.which("curl") or ""


def test_the_script_of_the_page_sends_an_event(tmp_path: Path) -> None:
    pytest.importorskip("splunk_handler", reason="splunk-handler")
    ship = Ship(tmp_path, "hec")
    with Server(ship.place) as server:
        done = ship.python(ship.config("hec", "splunk-handler", server))
        assert done.returncode == 0, done.stderr
        eventually(lambda: counts(server)["stored"] == 1, why=done.stderr)
        (event,) = events(server)
    assert event["labels"]["sourcetype"] == "payroll"
    assert event["via"]["protocol"] == "hec"
    assert (event["action"], event["actor"]["id"]) == ("payslip.delete", "jsmith")
    assert "payslip.deleted" in event["raw"]
    assert "time" in event


def test_splunk_handler_keeps_what_was_not_answered(tmp_path: Path) -> None:
    pytest.importorskip("splunk_handler", reason="splunk-handler")
    ship = Ship(tmp_path, "hec")
    with Server(ship.place) as first:
        pass
    script = ship.config("hec", "splunk-handler", first) + """
for number in range(50):
    logging.getLogger("audit").error("message %d", number)
handler.force_flush()
"""
    script = script.replace("logging.shutdown()\n", "")
    with ship.again(first) as server:
        done = ship.python(script)
        assert done.returncode == 0, done.stderr
        eventually(lambda: counts(server)["stored"] == 51, why=done.stderr)
        found = events(server)
    assert sum("message " in event["raw"] for event in found) == 50


@pytest.mark.skipif(not CURL, reason="curl is not installed")
def test_the_command_of_the_page_sends_an_event(tmp_path: Path) -> None:
    ship = Ship(tmp_path, "hec")
    with Server(ship.place) as server:
        command = ship.config("hec", "hec-curl", server)
        done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=30, check=True)
        assert json.loads(done.stdout) == {"text": "Success", "code": 0}
        (event,) = events(server)
    assert event["origin"]["host"] == "app-1"
    assert event["time"] == "2026-03-03T09:14:07.123000Z"
    assert (event["action"], event["targets"][0]["id"]) == ("payslip.delete", "ps_839")


def test_what_is_acknowledged_survives_a_crash(tmp_path: Path) -> None:
    ship = Ship(tmp_path, "hec")
    channel = str(uuid.uuid4())
    headers = {"Authorization": f"Splunk {ship.token}", "X-Splunk-Request-Channel": channel}

    def acks(server: Server) -> Any:
        asked = httpx2.post(f"{server.url}/services/collector/ack", params={"channel": channel},
                            headers=headers, json={"acks": [0]})
        return asked.json()["acks"]["0"]

    with Server(ship.place) as server:
        sent = httpx2.post(f"{server.url}/services/collector/event", headers=headers,
                           content=b'{"event":"a"}{"event":"b"}')
        assert sent.json() == {"text": "Success", "code": 0, "ackId": 0}
        assert acks(server) is True
        server.kill()
        with ship.again(server) as later:
            assert len(events(later)) == 2
            assert acks(later) is False, "a channel of before the restart"


def test_dockers_requests_are_taken(tmp_path: Path) -> None:
    """As moby's daemon/logger/splunk sends: OPTIONS, then objects without separators, packed."""
    ship = Ship(tmp_path, "hec")
    with Server(ship.place) as server:
        url = f"{server.url}/services/collector/event/1.0"
        assert httpx2.request("OPTIONS", url).status_code == 200
        body = b"".join(
            json.dumps({"event": {"line": f"line {n}", "source": "stdout", "tag": "c0ffee"},
                        "time": "1772529247.123000", "host": "docker-1"}).encode()
            for n in range(3)
        )
        sent = httpx2.post(url, content=gzip.compress(body), headers={
            "Authorization": f"Splunk {ship.token}", "Content-Type": "application/json",
            "Content-Encoding": "gzip"})
        assert sent.status_code == 200
        found = events(server)
    assert [json.loads(event["raw"])["event"]["line"] for event in found] == [
        "line 0", "line 1", "line 2"]
