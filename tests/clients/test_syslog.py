"""Syslog and RELP from the programs that people run: rsyslog, syslog-ng, logger."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support.authority import Authority
from support.relay import RelpRelay
from support.senders import (
    LOGGER,
    Rsyslog,
    block,
    eventually,
    needs_logger,
    needs_rsyslog,
    syslog_ng,
)
from support.served import Place, Server, free_port

FAILED = "Failed password for root from 203.0.113.7 port 4711 ssh2"


class House:
    """A ledger with listeners, and what it has taken."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "house").mkdir()
        self.place = Place(root / "house").init()
        self.ports: dict[str, int] = {}

    def listen(self, *names: str, **more: str) -> None:
        """Set listeners at free ports, and other settings."""
        lines = []
        for name in names:
            self.ports[name] = free_port()
            lines.append(f'{name} = "127.0.0.1:{self.ports[name]}"')
        lines += [f'{name} = "{value}"' for name, value in more.items()]
        with (self.place.data / "indelible.toml").open("a") as file:
            file.write("\n".join(["", *lines, ""]))

    def source(self, name: str, protocol: str, *flags: str) -> None:
        """Register a source on the stopped folder."""
        self.place.cli(
            "source", "add", name, "--data", str(self.place.data), "--protocol", protocol, *flags
        )

    def config(self, page: str, name: str, **places: str) -> str:
        """A block of the documentation with this house's ports and files in it."""
        text = block(page, name)
        for old, new in places.items():
            assert old in text, f"{name} has no {old}"
            text = text.replace(old, new)
        return text


def events(server: Server, query: str) -> list[dict[str, Any]]:
    """The stored events of a search, in the order of the log."""
    with server.client("reader") as client:
        answer = client.get("/v1/export", params={"q": query, "format": "ndjson"})
        assert answer.status_code == 200, answer.text
        found = [json.loads(line) for line in answer.text.splitlines()]
    return [one.get("event", one) for one in found]


def said(event: dict[str, Any]) -> str:
    """The message behind the header of a line `message N`."""
    return event["raw"][event["raw"].rindex("message ") :]


def count(server: Server, source: str) -> int:
    """How many events of a source are stored."""
    with server.client("auditor") as client:
        found = client.get("/v1/sources").json()["sources"]
    return next((int(one["stored"]) for one in found if one["id"] == source), 0)


def listed(server: Server, source: str) -> dict[str, Any]:
    """A source as the list shows it."""
    with server.client("auditor") as client:
        found: dict[str, Any] = client.get(f"/v1/sources/{source}").json()["now"]
    return found


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@needs_rsyslog
@needs_logger
def test_rsyslog_over_tcp_as_the_page_says(house: House) -> None:
    house.listen("syslog_tcp")
    house.source("web", "syslog")
    port = str(house.ports["syslog_tcp"])
    action = house.config("syslog", "rsyslog-tcp", **{"5514": port})
    with Server(house.place) as server, Rsyslog(house.root / "rs", action) as rsyslog:
        rsyslog.log(FAILED, tag="sshd")
        eventually(lambda: count(server, "web") == 1)
        [event] = events(server, "source:web")
    assert event["via"]["protocol"] == "syslog"
    assert event["via"]["peer"] == "127.0.0.1"
    assert event["raw"].endswith(FAILED)
    assert event["actor"]["id"] == "root"
    assert event["origin"]["ip"] == "203.0.113.7"
    assert event["outcome"] == "failure"


@needs_rsyslog
@needs_logger
def test_rsyslog_over_tls_is_known_by_its_certificate(house: House) -> None:
    authority = Authority(house.root)
    for name in ("server", "db1.example.org", "stranger"):
        authority.issue(name)
    house.listen(
        "syslog_tls", tls_cert=str(house.root / "server.pem"),
        tls_key=str(house.root / "server.key"), tls_client_ca=str(authority.path),
        insecure_plaintext="true",
    )
    house.source("db", "syslog", "--certificate-name", "db1.example.org")
    port = str(house.ports["syslog_tls"])

    def action(name: str) -> str:
        files = {"client.pem": f"{house.root}/{name}.pem", "client.key": f"{house.root}/{name}.key"}
        return house.config(
            "syslog", "rsyslog-tls", **{"6514": port, "server-ca.pem": str(authority.path), **files}
        )

    with TlsHouse(house, authority) as server:
        with Rsyslog(house.root / "one", action("db1.example.org")) as rsyslog:
            rsyslog.log(FAILED, tag="sshd")
            eventually(lambda: count(server, "db") == 1)
        with Rsyslog(house.root / "two", action("stranger")) as rsyslog:
            rsyslog.log("let me in", tag="sshd")
            eventually(lambda: bool(events(server, "action:indelible.source.refuse")))
        [event] = events(server, "source:db")
        assert count(server, "db") == 1
    assert event["via"]["tls"] == "client db1.example.org"


@needs_logger
def test_logger_in_every_form(house: House) -> None:
    house.listen("syslog_tcp", "syslog_udp")
    house.source("app", "syslog")
    tcp, udp = str(house.ports["syslog_tcp"]), str(house.ports["syslog_udp"])
    forms = [
        ["--tcp", "--port", tcp, "--rfc5424"],
        ["--tcp", "--port", tcp, "--rfc3164"],
        ["--tcp", "--port", tcp, "--octet-count"],
        ["--udp", "--port", udp, "--rfc5424"],
        ["--udp", "--port", udp, "--rfc3164"],
    ]
    with Server(house.place) as server:
        for form in forms:
            command = [LOGGER, "--server", "127.0.0.1", *form, "-t", "sshd", FAILED]
            subprocess.run(command, check=True, timeout=20)
        eventually(lambda: count(server, "app") == len(forms))
        found = events(server, "source:app")
    assert {event["actor"]["id"] for event in found} == {"root"}
    assumed = ["time_assumed" in event.get("flags", []) for event in found]
    assert sum(assumed) == 2, "RFC 3164 names neither year nor zone"


def test_syslog_ng_as_the_page_says(house: House) -> None:
    house.listen("syslog_tcp")
    house.source("ng", "syslog")
    destination = house.config("syslog", "syslog-ng", **{"5514": str(house.ports["syslog_tcp"])})
    sender = syslog_ng(house.root / "ng", destination)
    with Server(house.place) as server, sender:
        with (house.root / "ng" / "in.log").open("a") as file:
            file.write(f"{FAILED}\nsecond line\n")
        eventually(lambda: count(server, "ng") == 2)
        found = events(server, "source:ng")
    assert [event["raw"].rpartition("- - ")[2][-11:] for event in found][1] == "second line"


def test_who_is_not_in_the_register_is_hung_up_on_and_on_record(house: House) -> None:
    house.listen("syslog_tcp", "syslog_udp")
    house.source("elsewhere", "syslog", "--peer", "192.0.2.0/24")
    with Server(house.place) as server:
        with socket.create_connection(("127.0.0.1", house.ports["syslog_tcp"])) as link:
            link.sendall(b"<13>1 - - - - - - hello\n")
            assert link.recv(1) == b""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.sendto(b"<13>1 - - - - - - hello", ("127.0.0.1", house.ports["syslog_udp"]))
        eventually(lambda: len(events(server, "action:indelible.source.refuse")) >= 1)
        [refused, *_] = events(server, "action:indelible.source.refuse")
        assert count(server, "elsewhere") == 0
    assert refused["origin"]["ip"] == "127.0.0.1"
    assert refused["outcome"] == "denied"


@needs_rsyslog
@needs_logger
def test_relp_loses_nothing_that_was_answered_when_either_side_is_killed(house: House) -> None:
    house.listen("relp")
    house.source("web", "relp")
    server = Server(house.place)
    lines = [f"message {number}" for number in range(6_000)]
    parts = [lines[n : n + 1_000] for n in range(0, len(lines), 1_000)]
    with RelpRelay(house.ports["relp"]) as relay:
        action = house.config("relp", "rsyslog-relp", **{"2514": str(relay.port)})
        with Rsyslog(house.root / "rs", action) as rsyslog:
            with server:
                rsyslog.log(*parts[0])
                eventually(lambda: count(server, "web") > 0)
                rsyslog.log(*parts[1])
                server.kill()
            rsyslog.log(*parts[2])
            with server:
                rsyslog.log(*parts[3])
                eventually(lambda: count(server, "web") > 0)
                server.kill()
            rsyslog.end(signal.SIGKILL)
            rsyslog.start()
            with server:
                rsyslog.log(*parts[4])
                before = count(server, "web")
                eventually(lambda: count(server, "web") > before)
                rsyslog.end(signal.SIGTERM)
                rsyslog.start()
                rsyslog.log(*parts[5])
                eventually(lambda: lines[-1] in {said(e) for e in events(server, "source:web")})
                found = events(server, "source:web")
    stored = Counter(event["raw"].encode() for event in found)
    answered = Counter(message.rstrip(b"\n") for message in relay.acknowledged)
    assert sum(answered.values()) > 1_000
    assert not answered - stored, "a message was answered and is not there"
    first: dict[str, int] = {}
    for position, event in enumerate(found):
        seen = first.setdefault(event["raw"], position)
        assert ("probable_repeat" in event.get("flags", [])) == (seen != position)


@needs_rsyslog
@needs_logger
def test_relp_brings_every_message_over_while_the_server_is_away(house: House) -> None:
    house.listen("relp")
    house.source("web", "relp")
    action = house.config("relp", "rsyslog-relp", **{"2514": str(house.ports["relp"])})
    lines = [f"message {number}" for number in range(3_000)]
    server = Server(house.place)
    with Rsyslog(house.root / "rs", action) as rsyslog:
        with server:
            rsyslog.log(*lines[:1_000])
            eventually(lambda: count(server, "web") == 1_000)
        rsyslog.log(*lines[1_000:])
        with server:
            eventually(lambda: count(server, "web") >= len(lines), 90)
            assert {said(event) for event in events(server, "source:web")} == set(lines)


class TlsHouse(Server):
    """A server whose HTTP speaks TLS with client certificates, too."""

    def __init__(self, house: House, authority: Authority) -> None:
        import ssl

        super().__init__(house.place)
        self.url = f"https://127.0.0.1:{self.port}"
        self._context = ssl.create_default_context(cafile=str(authority.path))
        name = str(house.root / "db1.example.org")
        self._context.load_cert_chain(f"{name}.pem", f"{name}.key")

    def wait_ready(self, seconds: float = 30.0) -> float:
        import httpx2

        def answers() -> bool:
            try:
                with httpx2.Client(verify=self._context) as client:
                    return client.get(f"{self.url}/readyz").status_code == 200
            except httpx2.HTTPError:
                return False

        eventually(answers, seconds)
        return 0.0

    def client(self, role: str):  # type: ignore[no-untyped-def]
        import httpx2

        return httpx2.Client(
            base_url=self.url, timeout=60, verify=self._context,
            headers={"authorization": f"Bearer {self.place.tokens[role]}"},
        )
