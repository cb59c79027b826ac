"""OpenTelemetry's own SDK against a served ledger."""

from __future__ import annotations

import base64
import json
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.unit.server.fake_rooms import House
from tests.unit.server.test_run import serving

from indelible.base import limits
from indelible.base.errors import Busy
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings
from indelible.ingest.submission import Submission, SubmitResult
from support.senders import Sender, block, eventually
from support.served import Server
from support.shipping import Ship, counts, events

pytest.importorskip(
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    reason="opentelemetry-exporter-otlp-proto-http",
)

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource

OTELCOL = os.environ.get("OTELCOL") or shutil.which("otelcol") or ""
"""OpenTelemetry's Collector, built from its Go modules: docs/untested.md."""

TRAIL = json.dumps({
    "eventVersion": "1.08", "eventSource": "iam.amazonaws.com", "eventName": "CreateUser",
    "eventTime": "2026-03-03T09:14:07Z", "userIdentity": {"type": "IAMUser", "userName": "ann"},
    "requestParameters": {"userName": "bob"}, "eventID": "e-1",
})


def logger(url: str, token: str, **more: Any) -> tuple[Any, LoggerProvider]:
    """A logger of the SDK that sends each record at once."""
    exporter = OTLPLogExporter(
        endpoint=f"{url}/v1/logs", compression=Compression.Gzip,
        headers={"authorization": f"Bearer {token}"}, **more,
    )
    resource = Resource.create({"service.name": "shop", "host.name": "web-1"})
    provider = LoggerProvider(resource=resource)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    return provider.get_logger("audit", "2"), provider


def deep() -> Any:
    """A body that nests deeper than any is taken."""
    found: Any = "x"
    for _ in range(limits.JSON_DEPTH + 1):
        found = [found]
    return found


def test_the_script_of_the_page_sends_an_event(tmp_path: Path) -> None:
    ship = Ship(tmp_path, "otlp")
    with Server(ship.place) as server:
        lines = ship.config("otlp", "otlp-env", server).splitlines()
        environment = dict(line.split("=", 1) for line in lines)
        done = ship.python(block("otlp", "otlp-python"), **environment)
        assert done.returncode == 0, done.stderr
        (event,) = events(server)
    assert event["id"] == "0195c7a0-6d1e-7c3a-9a55-1f0c7b1f2a11"
    assert (event["action"], event["actor"]["id"]) == ("payslip.delete", "jsmith")
    assert event["targets"] == [{"type": "payslip", "id": "ps_839"}]
    assert event["origin"] == {"ip": "203.0.113.9", "host": "app-1"}
    assert event["data"]["otel"]["resource"]["service.name"] == "payroll"
    kept = base64.b64decode(event["raw"])
    for said in (b"payslip.deleted", b"jsmith", b"payroll", b"203.0.113.9"):
        assert said in kept


def test_the_sdk_sends_what_parsers_read_and_the_ledger_keeps(tmp_path: Path) -> None:
    ship = Ship(tmp_path, "otlp")
    with Server(ship.place) as server:
        audit, provider = logger(server.url, ship.token)
        audit.emit(LogRecord(
            timestamp=time.time_ns(), observed_timestamp=time.time_ns(), body=TRAIL,
            severity_number=SeverityNumber.WARN, attributes={"user.id": "ann", "n": 3},
        ))
        audit.emit(LogRecord(body=deep()))
        audit.emit(LogRecord(body=json.loads(TRAIL) | {"eventID": "e-2"}))
        audit.emit(LogRecord(body=TRAIL.encode()))
        provider.shutdown()
        found = events(server)
        now = counts(server)
    assert [event["id"] for event in found[:2]] == ["e-1", "e-2"]
    assert [event["action"] for event in found[:2]] == ["iam.user.create"] * 2
    assert found[0]["labels"]["service"] == "shop"
    assert found[0]["data"]["otel"]["attributes"] == {"user.id": "ann", "n": 3}
    assert (now["stored"], now["refused"], now["conflicts"]) == (3, 1, 1)


def test_a_partial_success_is_told_and_not_repeated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ship = Ship(tmp_path, "otlp")
    with Server(ship.place) as server:
        exporter = OTLPLogExporter(
            endpoint=f"{server.url}/v1/logs", headers={"authorization": f"Bearer {ship.token}"}
        )
        sent = threading.Event()

        class Together(SimpleLogRecordProcessor):
            """Sends three records in one request."""

            def __init__(self) -> None:
                super().__init__(exporter)
                self.waiting: list[Any] = []

            def on_emit(self, log_record: Any) -> None:
                self.waiting.append(log_record)
                if len(self.waiting) == 3:
                    self.result = exporter.export(self.waiting)
                    sent.set()

        processor = Together()
        provider = LoggerProvider()
        provider.add_log_record_processor(processor)
        audit = provider.get_logger("audit")
        for body in ("first", deep(), "third"):
            audit.emit(LogRecord(body=body))
        assert sent.wait(30)
        assert processor.result.name == "SUCCESS"
        now = counts(server)
    assert (now["stored"], now["refused"], now["repeats"]) == (2, 1, 0)


def test_a_503_makes_the_sdk_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real application on a real port, over a ledger that is busy at first."""
    house = House(tmp_path)
    settings = SourceSettings(id="app", protocol="otlp")
    house.rooms.settings[("app", "")] = Configured(settings=settings)
    store, refused = house.rooms.submit, []

    async def busy_at_first(submission: Submission) -> SubmitResult:
        if len(refused) < 2:
            refused.append(submission)
            raise Busy("the ledger is busy")
        return await store(submission)

    monkeypatch.setattr(house.rooms, "submit", busy_at_first)
    try:
        with serving(house) as (port, _):
            audit, provider = logger(f"http://127.0.0.1:{port}", house.tokens["writer"])
            audit.emit(LogRecord(body=TRAIL))
            provider.shutdown()
    finally:
        house.close()
    assert len(refused) == 2
    assert [event.id for one in house.rooms.submissions for event in one.events] == ["e-1"]


@pytest.mark.component("otelcol")
@pytest.mark.skipif(not OTELCOL, reason="otelcol is not on the PATH, nor named by OTELCOL")
def test_the_collector_of_the_page_sends_a_file_and_outlives_both_ends(tmp_path: Path) -> None:
    """OpenTelemetry's Collector with filelog, file_storage and otlphttp."""
    ship = Ship(tmp_path, "otlp")
    log, state = tmp_path / "audit.log", tmp_path / "otelcol"
    state.mkdir()
    log.touch()
    with Server(ship.place) as server:
        text = ship.config("otlp", "otelcol", server, **{
            "/var/log/app/audit.log": str(log), "/var/lib/otelcol": str(state)})
        config = tmp_path / "otelcol.yaml"
        config.write_text(text + "  telemetry:\n    metrics:\n      level: none\n")
        command = [OTELCOL, "--config", f"file:{config}"]
        with Sender(tmp_path, command):
            time.sleep(1)
            append(log, 0, 50)
            eventually(lambda: counts(server)["stored"] == 50, 60)
            server.kill()
            append(log, 50, 100)
            with ship.again(server) as later:
                eventually(lambda: counts(later)["stored"] >= 100, 60)
                found = events(later)
    assert len({event["id"] for event in found}) == 100
    assert {event["action"] for event in found} == {"iam.user.create"}
    assert b"audit.log" in base64.b64decode(found[0]["raw"])


def append(log: Path, first: int, end: int) -> None:
    """Lines of a log, one for each number."""
    with log.open("a") as file:
        for number in range(first, end):
            file.write(TRAIL.replace("e-1", f"e-{number}") + "\n")
