"""`indelible source check`: what is wrong with a foreign server, and what to paste."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Cli, FakeServer

from indelible.base.errors import EXIT_OK, EXIT_REFUSED, EXIT_UNREACHABLE, Unreachable
from indelible.cli import source_check
from indelible.ingest.protocols import kafka_settings, nats_settings
from indelible.ingest.protocols.findings import Finding
from indelible.ingest.protocols.postgres_capture_settings import Options

DSN = "host=db dbname=shop user=indelible"
FINE = Finding(level="fine", about="role", text="the role may read")
WARNING = Finding(level="warning", about="identity", text="no full rows",
                  remedy="ALTER TABLE a ...;\nALTER TABLE b ...;")
ERROR = Finding(level="error", about="wal_level", text="wal_level is replica",
                remedy="ALTER SYSTEM SET wal_level = 'logical';")


def serve(server: FakeServer, protocol: str = "postgres") -> None:
    options = {"dsn": DSN, "publication": "indelible"} if protocol == "postgres" else {}
    server.answer(
        "GET", "/v1/sources/shop",
        {"settings": {"id": "shop", "protocol": protocol, "options": options}, "now": {}},
    )


class Foreign:
    """A foreign server: what it is asked, and what there is to say of it."""

    def __init__(self) -> None:
        self.calls: list[tuple[Options, bytes]] = []
        self.findings: list[Finding] = []

    async def ask(self, options: Options, secret: bytes) -> list[Finding]:
        self.calls.append((options, secret))
        return self.findings


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> Foreign:
    found = Foreign()
    monkeypatch.setattr(source_check, "ask", found.ask)
    return found


def test_findings_are_shown_with_what_to_paste(
    run: Cli, server: FakeServer, foreign: Foreign, tmp_path: Path
) -> None:
    serve(server)
    foreign.findings = [WARNING, FINE]
    (tmp_path / "password").write_text("let me in\n")
    result = run("source", "check", "shop", "--secret-file", str(tmp_path / "password"))
    assert result.exit_code == EXIT_OK, result.output
    assert result.stdout.splitlines() == [
        "warning: no full rows", "    ALTER TABLE a ...;", "    ALTER TABLE b ...;",
        "fine: the role may read",
    ]
    [(options, secret)] = foreign.calls
    assert (options.dsn, options.slot, secret) == (DSN, "indelible", b"let me in")


def test_where_nothing_can_be_captured_the_exit_code_says_so(
    run: Cli, server: FakeServer, foreign: Foreign
) -> None:
    serve(server)
    foreign.findings = [ERROR, FINE]
    result = run("source", "check", "shop", "--json")
    assert result.exit_code == EXIT_REFUSED
    document = json.loads(result.stdout)
    assert document["ready"] is False
    assert document["findings"][0] == {
        "level": "error", "about": "wal_level", "text": "wal_level is replica",
        "remedy": "ALTER SYSTEM SET wal_level = 'logical';",
    }


def test_a_source_of_another_protocol_is_not_checked(run: Cli, server: FakeServer) -> None:
    serve(server, "syslog")
    result = run("source", "check", "shop")
    assert result.exit_code == EXIT_REFUSED
    assert "nothing to check" in result.stderr


def test_a_server_out_of_reach_is_an_error(
    run: Cli, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(options: Options, secret: bytes) -> list[Finding]:
        raise Unreachable("PostgreSQL does not let Indelible in: no route")

    monkeypatch.setattr(source_check, "ask", ask)
    serve(server)
    result = run("source", "check", "shop")
    assert result.exit_code == EXIT_UNREACHABLE
    assert "no route" in result.stderr


def test_adding_a_source_shows_what_is_to_be_mended_and_not_what_is_fine(
    run: Cli, server: FakeServer, foreign: Foreign
) -> None:
    foreign.findings = [ERROR, FINE]
    settings = {"id": "shop", "protocol": "postgres"}
    server.answer("POST", "/v1/sources", {"settings": settings, "now": _view()}, 201)
    result = run(
        "source", "add", "shop", "--protocol", "postgres", "--option", f"dsn={DSN}",
        "--option", "publication=indelible",
    )
    assert result.exit_code == EXIT_OK, result.output
    assert "error: wal_level is replica" in result.stdout
    assert "may read" not in result.stdout


def _view() -> dict[str, object]:
    return {
        "id": "shop", "tenant": "", "number": 1, "protocol": "postgres", "parser": "auto",
        "owner": "", "about": "", "criticality": "", "disabled": False, "configured": True,
        "per_minute": 0.0, "lag_seconds": None, "last": "", "last_event": "", "received": 0,
        "stored": 0, "duplicates": 0, "conflicts": 0, "repeats": 0, "unparsed": 0, "refused": 0,
        "dropped": 0,
    }


def test_a_source_of_kafka_is_checked_with_its_own_options(
    run: Cli, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"brokers": "a.example.org:9092", "topics": "audit"}
    server.answer(
        "GET", "/v1/sources/log",
        {"settings": {"id": "log", "protocol": "kafka", "options": said}, "now": {}},
    )
    asked: list[tuple[tuple[str, ...], bytes]] = []

    def check(options: kafka_settings.Options, secret: bytes) -> list[Finding]:
        asked.append((options.topics, secret))
        return [FINE]

    monkeypatch.setattr(source_check.kafka_check, "check", check)
    (tmp_path / "password").write_text("let me in\n")
    result = run("source", "check", "log", "--secret-file", str(tmp_path / "password"))
    assert (result.exit_code, result.stdout) == (EXIT_OK, "fine: the role may read\n")
    assert asked == [(("audit",), b"let me in")]


def test_a_source_of_nats_is_checked_with_its_own_options(
    run: Cli, server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"servers": "a.example.org:4222", "stream": "AUDIT"}
    server.answer(
        "GET", "/v1/sources/log",
        {"settings": {"id": "log", "protocol": "nats", "options": said}, "now": {}},
    )
    asked: list[tuple[str, bytes]] = []

    async def check(options: nats_settings.Options, secret: bytes) -> list[Finding]:
        asked.append((options.stream, secret))
        return [FINE]

    monkeypatch.setattr(source_check.nats_check, "check", check)
    (tmp_path / "creds").write_text("let me in\n")
    result = run("source", "check", "log", "--secret-file", str(tmp_path / "creds"))
    assert (result.exit_code, result.stdout) == (EXIT_OK, "fine: the role may read\n")
    assert asked == [("AUDIT", b"let me in")]
