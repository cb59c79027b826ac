"""Linux messages on a real auth.log of 24 days: who, what, where, with which outcome.

The data lie outside the project (`../shared/data`); without them these tests are skipped.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from indelible.base.clock import to_us
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import parser_named

DATA = Path(__file__).parents[4] / "shared" / "data" / "sshd-auth" / "auth.log.gz"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"no recorded data: {DATA}")
NOW = to_us(datetime(2017, 5, 1, tzinfo=UTC))
HOST = "ip-10-77-20-248"


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    parser, given = parser_named("syslog"), Given(now_us=NOW)
    found = []
    for line in gzip.decompress(DATA.read_bytes()).splitlines():
        parsed = parse_message(parser, line, given)
        assert parsed.kind == "event", line
        assert parsed.flags == ("time_assumed",)
        assert parsed.parser == "linux_auth/1"
        found.append(json.loads(parsed.content))
    return found


def test_every_line_is_understood(events: list[dict[str, Any]]) -> None:
    assert Counter(event["data"]["syslog"]["program"] for event in events) == {
        "sshd": 4095, "CRON": 1264, "sudo": 557, "systemd-logind": 452, "chpasswd": 417,
        "systemd": 238, "useradd": 50, "su": 45, "groupadd": 3,
    }


def test_the_counts_are_those_of_the_data(events: list[dict[str, Any]]) -> None:
    assert Counter((event["action"], event.get("outcome")) for event in events) == {
        ("ssh.session.login", "success"): 226, ("ssh.session.login", "failure"): 906,
        ("ssh.account.check", "failure"): 356, ("ssh.connection.close", None): 1114,
        ("ssh.connection.negotiate", "failure"): 36, ("ssh.connection.open", None): 17,
        ("ssh.server.start", None): 10, ("ssh.server.stop", None): 4,
        ("ssh.server.fork", None): 11, ("ssh.session.start", None): 11,
        ("ssh.session.close", None): 2, ("pam.user.authenticate", "failure"): 951,
        ("pam.session.open", "success"): 1268, ("pam.session.close", "success"): 1074,
        ("pam.module.report", "failure"): 9, ("sudo.command.execute", "success"): 186,
        ("su.user.assume", "success"): 9, ("su.session.open", "success"): 9,
        ("account.user.create", "success"): 10, ("account.user.create", "failure"): 30,
        ("account.group.create", "success"): 13, ("account.password.change", "success"): 10,
        ("account.password.change", "failure"): 407, ("logind.session.create", "success"): 226,
        ("logind.session.remove", "success"): 223, ("logind.seat.observe", None): 3,
    }
    assert Counter(event["operation"] for event in events) == {
        "other": 3076, "login": 2683, "update": 417, "create": 277, "logout": 234, "delete": 223,
        "execute": 211,
    }
    assert Counter(event["actor"]["type"] for event in events) == {
        "system": 2862, "user": 2791, "anonymous": 1468,
    }
    assert Counter(event["data"].get("repeated") for event in events) == {
        None: 7036, 5: 77, 4: 4, 2: 3, 3: 1,
    }


def test_times_run_from_the_first_line_to_the_last(events: list[dict[str, Any]]) -> None:
    times = [event["time"] for event in events]
    assert (times[0], times[-1]) == ("2017-03-27T13:06:56Z", "2017-04-20T14:14:29Z")
    assert times == sorted(times)


def test_every_address_of_a_client_is_told(events: list[dict[str, Any]]) -> None:
    for event in events:
        message = event["raw"].partition(f" {HOST} ")[2]
        named = re.findall(r"\b(?:\d{1,3}\.){3}\d{1,3}\b", message)
        if named and "Server listening" not in message:
            assert event["origin"]["ip"] == named[0], message
        else:
            assert "ip" not in event["origin"], message


def test_no_name_is_invented(events: list[dict[str, Any]]) -> None:
    programs = {"cron", "sshd", "systemd", "systemd-logind", "su", "root", "anonymous"}
    for event in events:
        actor = event["actor"]
        for one in (actor, *actor.get("on_behalf_of", [])):
            assert one["id"] in event["raw"] or one["id"] in programs, event
        for target in event["targets"]:
            assert target["id"] in event["raw"], event
            assert target["type"] != "host" or target["id"] == HOST


def test_who_worked_as_root(events: list[dict[str, Any]]) -> None:
    commands = [event for event in events if event["action"] == "sudo.command.execute"]
    assert Counter(event["actor"]["id"] for event in commands) == {"ubuntu": 181, "root": 5}
    for event in commands:
        command, account = event["targets"]
        assert event["data"]["command"].split(" ")[0] == command["id"]
        assert (account["type"], account["id"], account["parent"]) == ("user", "root", HOST)


def test_how_accounts_signed_in(events: list[dict[str, Any]]) -> None:
    accepted = [event for event in events
                if (event["action"], event.get("outcome")) == ("ssh.session.login", "success")]
    assert Counter(event["actor"]["auth"]["method"] for event in accepted) == {
        "password": 190, "publickey": 36,
    }
    assert all("key_fingerprint" in event["data"] for event in accepted
               if event["actor"]["auth"]["method"] == "publickey")
