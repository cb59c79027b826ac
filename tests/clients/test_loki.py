"""python-logging-loki, pino-loki and curl against a served ledger's push API of Loki."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.unit.server.fake_rooms import House
from tests.unit.server.test_run import serving

from indelible.base.errors import Busy
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings
from indelible.ingest.submission import Submission, SubmitResult
from support.senders import block, eventually
from support.served import Server
from support.shipping import Ship, counts, events, filled

CURL, NODE = shutil.which("curl") or "", shutil.which("node") or ""
PINO = Path(os.environ.get("PINO_LOKI") or Path(__file__).parent / "pino_loki") / "node_modules"
"""Where `npm ci` put pino and pino-loki: docs/untested.md."""

needs_pino = pytest.mark.skipif(
    not NODE or not (PINO / "pino-loki").exists(),
    reason="pino-loki is not installed (`npm ci` in tests/clients/pino_loki, or PINO_LOKI)",
)
ENTRY = ["1772529247123456789", '{"action":"payslip.deleted","user":"jsmith"}']


def pushed(*values: Any, **labels: str) -> dict[str, Any]:
    return {"streams": [{"stream": labels or {"app": "payroll"}, "values": list(values)}]}


def push(server: Server, token: str, **more: Any) -> httpx2.Response:
    return httpx2.post(f"{server.url}/loki/api/v1/push", auth=("any", token), **more)


def node(tmp_path: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script with pino and pino-loki."""
    file = tmp_path / "app.js"
    file.write_text(script)
    return subprocess.run(
        [NODE, str(file)], capture_output=True, text=True, timeout=60,
        env={**os.environ, "NODE_PATH": str(PINO)},
    )


def test_the_script_of_the_page_sends_an_event(tmp_path: Path) -> None:
    pytest.importorskip("logging_loki", reason="python-logging-loki")
    ship = Ship(tmp_path, "loki")
    with Server(ship.place) as server:
        done = ship.python(ship.config("loki", "loki-python", server))
        assert (done.returncode, done.stderr) == (0, "")
        (event,) = events(server)
    assert (event["action"], event["actor"]["id"]) == ("payslip.delete", "jsmith")
    assert (event["labels"]["service"], event["origin"]["host"]) == ("payroll", "app-1")
    assert event["data"]["loki"]["labels"] == {
        "app": "payroll", "severity": "error", "logger": "audit", "host": "app-1"}
    assert (event["severity"], event["via"]["protocol"]) == ("high", "loki")
    assert "time" in event
    assert "payslip.deleted" in event["raw"]


def test_the_old_form_of_the_python_handler_is_told_and_not_lost_in_silence(
    tmp_path: Path
) -> None:
    pytest.importorskip("logging_loki", reason="python-logging-loki")
    ship = Ship(tmp_path, "loki")
    with Server(ship.place) as server:
        script = ship.config("loki", "loki-python", server).replace('version="1"', 'version="0"')
        done = ship.python(script)
        assert "status code: 400" in done.stderr
        assert counts(server)["refused"] == 1
        assert not events(server)


@pytest.mark.skipif(not CURL, reason="curl is not installed")
def test_the_command_of_the_page_sends_an_event(tmp_path: Path) -> None:
    ship = Ship(tmp_path, "loki")
    with Server(ship.place) as server:
        command = ship.config("loki", "loki-curl", server).rstrip() + " -w '%{http_code}'"
        done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=30, check=True)
        assert done.stdout == b"204"
        (event,) = events(server)
    assert (event["action"], event["targets"][0]["id"]) == ("payslip.delete", "ps_839")
    assert event["time"] == "2026-03-03T09:14:07.123456Z"
    assert event["origin"]["host"] == "app-1"


@pytest.mark.component("pino-loki")
@needs_pino
def test_the_program_of_the_page_sends_an_event(tmp_path: Path) -> None:
    ship = Ship(tmp_path, "loki")
    with Server(ship.place) as server:
        done = node(tmp_path, ship.config("loki", "loki-pino", server))
        assert (done.returncode, done.stderr) == (0, "")
        eventually(lambda: counts(server)["stored"] == 1, why=done.stderr)
        (event,) = events(server)
    assert (event["action"], event["actor"]["id"]) == ("payslip.delete", "jsmith")
    assert event["origin"]["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert event["labels"]["service"] == "payroll"
    assert event["data"]["loki"]["metadata"] == {"trace_id": "0af7651916cd43dd8448eb211c80319c"}
    assert event["origin"]["host"], "pino's hostname is a label"
    assert abs(datetime.now(UTC) - datetime.fromisoformat(event["time"])) < timedelta(minutes=2)


@pytest.mark.component("pino-loki")
@needs_pino
def test_half_a_character_in_a_batch_of_pinos_costs_no_neighbour(tmp_path: Path) -> None:
    ship = Ship(tmp_path, "loki")
    with Server(ship.place) as server:
        script = ship.config("loki", "loki-pino", server)
        many = """
for (let n = 0; n < 20; n++) audit.warn({ action: "login", user: n == 7 ? "eve\\ud83d" : `u${n}` })
transport.end()"""
        done = node(tmp_path, script.replace("\ntransport.end()", many))
        assert (done.returncode, done.stderr) == (0, "")
        eventually(lambda: counts(server)["stored"] == 21, why=done.stderr)
        found = events(server)
    assert {"u0", "u19", "eve\ufffd"} <= {event["actor"]["id"] for event in found}
    assert [event["severity"] for event in found].count("medium") == 20


def test_what_was_answered_survives_a_crash_and_a_repeat_is_flagged(tmp_path: Path) -> None:
    ship = Ship(tmp_path, "loki")
    with Server(ship.place) as server:
        packed = gzip.compress(json.dumps(pushed(ENTRY, [ENTRY[0], "x"])).encode())
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        assert push(server, ship.token, content=packed, headers=headers).status_code == 204
        server.kill()
        with ship.again(server) as later:
            assert len(events(later)) == 2
            assert push(later, ship.token, content=packed, headers=headers).status_code == 204
            other = json.dumps(pushed(ENTRY, app="other"))
            headers = {"content-type": "application/json"}
            assert push(later, ship.token, content=other, headers=headers).status_code == 204
            assert len(events(later)) == 5
            now = counts(later)
    assert (now["stored"], now["repeats"]) == (5, 2)


def test_bad_entries_tenants_and_what_is_asked_before(tmp_path: Path) -> None:
    ship = Ship(tmp_path, "loki")
    with Server(ship.place) as server:
        asked = httpx2.get(f"{server.url}/ready", auth=("any", ship.token))  # as Vector does
        assert (asked.status_code, asked.text) == (200, "ready\n")
        answer = push(server, ship.token, json=pushed(ENTRY, ["1"], [ENTRY[0], "last"]),
                      headers={"X-Scope-OrgID": "acme"})
        assert answer.status_code == 400
        assert "streams[0].values[1]" in answer.text
        snappy = {"content-type": "application/x-protobuf"}
        answer = push(server, ship.token, content=b"\x04\x0c\x0a\x02\x08\x01", headers=snappy)
        assert (answer.status_code, "OpenTelemetry" in answer.text) == (415, True)
        now, (first, last) = counts(server), events(server)
    assert (now["stored"], now["refused"]) == (2, 2)
    assert json.loads(last["raw"]) == pushed([ENTRY[0], "last"])
    assert "tenant" not in first
    assert first["data"]["loki"]["org_id"] == "acme"


def test_a_busy_ledger_is_told_to_the_python_handler_and_nothing_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real application on a real port, over a ledger that is busy at first."""
    pytest.importorskip("logging_loki", reason="python-logging-loki")
    house = House(tmp_path)
    settings = SourceSettings(id="app", protocol="loki")
    house.rooms.settings[("app", "")] = Configured(settings=settings)
    store, refused = house.rooms.submit, []

    async def busy_at_first(submission: Submission) -> SubmitResult:
        if not refused:
            refused.append(submission)
            raise Busy("the ledger is busy")
        return await store(submission)

    monkeypatch.setattr(house.rooms, "submit", busy_at_first)
    try:
        with serving(house) as (port, _):
            script = filled(block("loki", "loki-python"), str(port), house.tokens["writer"])
            script += 'logging.getLogger("audit").error("again")\n'
            done = Ship.python(Ship.__new__(Ship), script)
    finally:
        house.close()
    assert done.stderr.count("status code: 503") == 1
    (event,) = [event for one in house.rooms.submissions for event in one.events]
    assert b"again" in event.content
