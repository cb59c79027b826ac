"""A real server that follows files and asks an API, and is killed: each event arrives once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from support.senders import eventually
from support.served import Place, Server
from support.vendors import GitHub, Service

LINES = 6_000
LOGIN = (
    "Mar  3 09:14:{:02d} web-1 sshd[7]: "
    "Accepted publickey for alice from 203.0.113.9 port {} ssh2\n"
)

WRITER = """
import sys, time
with open(sys.argv[1], "ab", buffering=0) as file:
    for number in range(int(sys.argv[2])):
        file.write(b"line %d of the log\\n" % number)
        if number % 100 == 0:
            time.sleep(0.02)
"""


def following(root: Path) -> Place:
    """A ledger that may follow files in `root`."""
    place = Place(root).init()
    with (place.data / "indelible.toml").open("a") as file:
        file.write(f'\nfollow_paths = ["{root}"]\n')
    return place


def source(place: Place, name: str, protocol: str, secret: str = "", **options: str) -> None:
    """Register a source on the stopped folder."""
    given = [f"--option={key}={value}" for key, value in options.items()]
    if secret:
        path = place.root / "secret"
        path.write_text(secret)
        given += ["--secret-file", str(path)]
    place.cli("source", "add", name, "--data", str(place.data), "--protocol", protocol, *given)


def events(server: Server, query: str) -> list[dict[str, Any]]:
    """The stored events of a search."""
    with server.client("reader") as client:
        answer = client.get("/v1/export", params={"q": query, "format": "ndjson"})
        assert answer.status_code == 200, answer.text
        found = [json.loads(line) for line in answer.text.splitlines()]
    return [one.get("event", one) for one in found]


def test_a_followed_file_loses_nothing_and_doubles_nothing_when_the_power_goes(
    tmp_path: Path,
) -> None:
    place = following(tmp_path)
    log = tmp_path / "app.log"
    source(place, "app", "file", path=str(log))
    with Server(place):
        pass  # the source has been followed
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(log), str(LINES)])
    for _ in range(3):
        with Server(place) as server:
            eventually(lambda: len(events(server, "source:app")) > 0)
            server.kill()
    writer.wait(60)
    with Server(place) as server:
        eventually(lambda: len(events(server, "source:app")) == LINES)
        found = events(server, "source:app")
        collector = server.pids("collector")
        for pid in collector:
            os.kill(pid, signal.SIGKILL)
        with log.open("ab") as file:
            file.write(b"after the collector's end\n")
        eventually(lambda: len(events(server, "source:app")) == LINES + 1)
    counted = Counter(event["raw"] for event in found)
    assert counted == {f"line {number} of the log": 1 for number in range(LINES)}
    assert len(collector) == 1
    one = found[0]
    assert one["via"]["protocol"] == "file"
    assert one["data"]["file"] == str(log)
    assert one["origin"]["host"]


def test_a_login_in_a_file_is_understood_with_its_host_and_zone(tmp_path: Path) -> None:
    place = following(tmp_path)
    log = tmp_path / "auth.log"
    log.write_text("".join(LOGIN.format(number, 50_000 + number) for number in range(10)))
    source(place, "auth", "file", path=str(log))
    with Server(place) as server:
        eventually(lambda: len(events(server, "source:auth actor:alice ip:203.0.113.9")) == 10)
        event = events(server, "source:auth")[0]
        assert event["via"]["backfill"] is True
        assert event["origin"]["host"] == "web-1"
        assert event["via"]["parser"].startswith("linux_auth/")


def test_an_api_is_asked_by_a_real_server_and_its_secret_is_nowhere(tmp_path: Path) -> None:
    place = Place(tmp_path).init()
    vendor = GitHub()
    vendor.happen(30, ago=60)
    with Service(vendor) as service:
        source(
            place, "github", "pull", vendor.secret, vendor="github", org="acme",
            url=vendor.url,
        )
        with Server(place) as server:
            eventually(lambda: len(events(server, "source:github")) == 30)
            server.kill()
        with Server(place) as server:
            eventually(lambda: len(events(server, "source:github")) == 30)
            found = events(server, "source:github")
    assert {event["raw"].encode() for event in found} == vendor.raws
    assert len(found) == 30
    assert {event["id"] for event in found} == {f"doc_{number}" for number in range(30)}
    assert all(event["via"]["peer"] == service_host(service) for event in found)
    (tmp_path / "secret").unlink()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert vendor.secret.encode() not in path.read_bytes(), path


def service_host(service: Service) -> str:
    return service.vendor.url.removeprefix("http://").partition(":")[0]
