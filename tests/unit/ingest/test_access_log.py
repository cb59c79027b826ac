"""Access logs: lines within syslog, what is secret in them, what a client cannot make of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import AUTO, parser_named
from support.parsing import GIVEN

LINE = '203.0.113.9 - ann [03/Mar/2026:09:14:07 +0000] "GET {} HTTP/1.1" 200 612 "{}" "curl/8.5.0"'


@pytest.mark.parametrize("user", [
    "a [b", "a [b] c", "x [01/Jan/2020:00:00:00 +0000]", "x [01/Jan/2020:00:00:00 +0000] y", "[[",
])
def test_a_name_that_is_tried_costs_nothing_of_the_line(user: str) -> None:
    said = LINE.format("/", "-").replace(" ann ", f" {user} ").replace(" 200 ", " 401 ")
    found = event(said)
    assert (found["time"], found["outcome"]) == ("2026-03-03T09:14:07Z", "denied")
    assert found["origin"]["ip"] == "203.0.113.9"
    assert found["actor"]["id"] == user


def event(line: str, parser: str = "access_log") -> dict[str, Any]:
    found = parse_message(AUTO if parser == "auto" else parser_named(parser), line.encode(), GIVEN)
    return {**json.loads(found.content), "kind": found.kind, "parser": found.parser}


def test_a_line_that_nginx_sends_by_syslog_is_read_with_its_own_time() -> None:
    sent = f"<190>Mar  3 10:15:00 web1 nginx: {LINE.format('/a', '-')}"
    found = event(sent, "auto")
    assert (found["parser"], found["action"]) == ("access_log/1", "http.request.get")
    assert found["time"] == "2026-03-03T09:14:07Z"
    assert found["actor"]["id"] == "ann"
    assert found["origin"] == {"ip": "203.0.113.9", "host": "web1", "user_agent": "curl/8.5.0"}


def test_json_that_nginx_sends_by_syslog_is_read_too() -> None:
    record = {"remote_addr": "203.0.113.9", "status": "200", "request": "GET / HTTP/1.1"}
    found = event(f"<190>Mar  3 10:15:00 web1 nginx: {json.dumps(record)}", "auto")
    assert (found["parser"], found["action"]) == ("access_json/1", "http.request.get")


@pytest.mark.parametrize(
    "path",
    ["/a?token=s3cret", "/a?x=1?token=s3cret", "http://bob:s3cret@h/a", "https://s3cret@h/a?s3cret",
     "/a?next=http://bob:s3cret@h"],
)
def test_secrets_of_an_address_stand_in_raw_alone(path: str) -> None:
    found = event(LINE.format(path, f"https://h/x?s3cret#{path}"))
    assert "s3cret" in found.pop("raw")
    assert "s3cret" not in json.dumps(found)
    whole = {"remote_addr": "203.0.113.9", "status": 200, "request": f"GET {path} HTTP/1.1",
             "http_referer": f"https://h/x?{path}"}
    found = event(json.dumps(whole), "access_json")
    assert "s3cret" in found.pop("raw")
    assert "s3cret" not in json.dumps(found)


def test_an_at_sign_in_a_path_is_no_userinfo() -> None:
    assert event(LINE.format("/users/@me", "-"))["targets"][0]["id"] == "/users/@me"
    assert event(LINE.format("http://h/a@b", "-"))["targets"][0]["id"] == "http://h/a@b"


@pytest.mark.parametrize(
    "agent",
    [r"x\" 500 1 \"", r"x\x22 500 1 \x22", '- - [01/Jan/2000:00:00:00 +0000] \\"GET / HTTP/1.1'],
)
def test_an_agent_cannot_write_another_status_or_client(agent: str) -> None:
    line = LINE.replace("curl/8.5.0", agent).format("/", "-")
    found = event(line)
    assert (found["outcome"], found["origin"]["ip"], found["actor"]["id"]) == (
        "success", "203.0.113.9", "ann")
    assert found["time"] == "2026-03-03T09:14:07Z"


@pytest.mark.parametrize(
    "line",
    ["", "GET / HTTP/1.1", '203.0.113.9 - - [03/Mar/2026] "GET /" 200 1', "a" * 100_000,
     '203.0.113.9 - - [03/Mar/2026:09:14:07 +0000] "GET / HTTP/1.1" 200',
     'Mar  3 10:15:00 web1 nginx: 203.0.113.9 - - [03/Mar/2026:09:14:07 +0000] "-" 400 0'],
)
def test_what_is_no_line_of_an_access_log_is_not_recognised(line: str) -> None:
    assert parser_named("access_log").recognise(line, GIVEN) == ""
    assert event(line or "x")["kind"] == "unparsed"
