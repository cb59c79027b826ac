"""LEEF: header, delimiter, and what the attributes mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.ingest.parsers import leef
from indelible.ingest.parsers.leef import read_leef
from support.parsing import GIVEN, parse_one

ONE = "LEEF:1.0|Acme|Portal|2.1|"


def event(text: str) -> dict[str, Any]:
    """The event of a message, with its flags."""
    parsed = parse_one("leef", text.encode())
    assert parsed.kind == "event", parsed.content
    found: dict[str, Any] = json.loads(parsed.content)
    return {**found, "flags": parsed.flags}


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("LEEF:1.0|V|P|1|login|src=::1\tusrName=Jane D", {"src": "::1", "usrName": "Jane D"}),
        ("LEEF:2.0|V|P|1|login|^|src=::1^usrName=ann", {"src": "::1", "usrName": "ann"}),
        ("LEEF:2.0|V|P|1|login|x5E|src=::1^usrName=ann", {"src": "::1", "usrName": "ann"}),
        ("LEEF:2.0|V|P|1|login|0x7c|src=::1|usrName=ann", {"src": "::1", "usrName": "ann"}),
        ("LEEF:2.0|V|P|1|login|x09|src=::1\tusrName=ann", {"src": "::1", "usrName": "ann"}),
        ("LEEF:2.0|V|P|1|login||src=::1\tusrName=ann", {"src": "::1", "usrName": "ann"}),
        ("LEEF:2.0|V|P|1|login|src=::1\tusrName=ann", {"src": "::1", "usrName": "ann"}),
        ("LEEF:1.0|V|P|1|login|src=::1 usrName=Jane D cat=x",
         {"src": "::1", "usrName": "Jane D", "cat": "x"}),
        ("LEEF:1.0|V|P|1|login|url=http://x/?a=b\tsev=3", {"url": "http://x/?a=b", "sev": "3"}),
        ("LEEF:1.0|V|P|1|login|", {}),
    ],
)
def test_attributes_are_parted_as_the_header_says(text: str, pairs: dict[str, str]) -> None:
    found = read_leef(text)
    assert found is not None
    assert (found.vendor, found.event, found.pairs) == ("V", "login", pairs)


@pytest.mark.parametrize("text", ["", "LEEF:1.0|a|b", "LEEF:3.0|a|b|c|d|", "the LEEF:1.0 form"])
def test_what_has_no_whole_header_is_no_leef(text: str) -> None:
    assert read_leef(text) is None
    assert not leef.PARSER.recognise(text, GIVEN)
    assert parse_one("leef", text.encode()).kind == "unparsed"


def test_an_event_has_who_what_when_and_where() -> None:
    found = event(ONE + "user_deleted|usrName=ann\tidentSrc=203.0.113.9\tsrc=10.0.0.1\tsev=8"
                  "\tresource=bob\tdevTime=Mar 03 2026 09:14:07.000 UTC\trole=admin")
    assert found["actor"] == {"type": "user", "id": "ann"}
    assert (found["action"], found["operation"]) == ("portal.user.delete", "delete")
    assert found["origin"] == {"ip": "203.0.113.9"}
    assert found["time"] == "2026-03-03T09:14:07Z"
    assert found["targets"] == [{"type": "resource", "id": "bob"}]
    assert found["severity"] == "high"
    assert (found["data"]["role"], found["data"]["src"]) == ("admin", "10.0.0.1")
    assert found["flags"] == ()


@pytest.mark.parametrize(
    ("marked", "operation"), [("isLoginEvent", "login"), ("isLogoutEvent", "logout")]
)
def test_a_mark_says_that_it_is_a_sign_in(marked: str, operation: str) -> None:
    found = event(ONE + f"4711|usrName=ann\t{marked}=true")
    assert found["operation"] == operation


@pytest.mark.parametrize(
    ("pairs", "time", "assumed"),
    [
        ("devTime=1772529247000", "2026-03-03T09:14:07Z", False),
        ("devTime=03/03/2026 10:14:07 +0100\tdevTimeFormat=dd/MM/yyyy HH:mm:ss Z",
         "2026-03-03T09:14:07Z", False),
        ("devTime=04.03.26 09:14\tdevTimeFormat=dd.MM.yy HH:mm", "2026-03-04T09:14:00Z", True),
        ("devTime=2026-03-03 09:14:07\tdevTimeFormat=nonsense[", "2026-03-03T09:14:07Z", True),
    ],
)
def test_the_time_is_read_by_its_format(pairs: str, time: str, assumed: bool) -> None:
    found = event(ONE + "login|usrName=ann\t" + pairs)
    assert found["time"] == time
    assert ("time_assumed" in found["flags"]) == assumed


def test_without_a_user_the_actor_is_inferred_and_flagged() -> None:
    found = event(ONE + "web_request|src=203.0.113.9\taction=blocked")
    assert found["actor"] == {"type": "anonymous", "id": "anonymous"}
    assert found["outcome"] == "denied"
    assert found["flags"] == ("guessed",)


@pytest.mark.parametrize(
    "tail",
    ["=" * 50_000, "\t" * 50_000, "a=b\t" * 30_000, "devTime=1\tdevTimeFormat=" + "y" * 500,
     "devTime=" + "9" * 400, "usrName=" + "x" * 5000, "\x00\ud800=\x1b"],
)
def test_nothing_in_a_message_makes_the_parser_fail(tail: str) -> None:
    for head in (ONE + "login|", "LEEF:2.0|a|b|c|d|xFFFF|", "LEEF:2.0|a|b|c|d|xD800|"):
        parsed = parse_one("leef", (head + tail).encode("utf-8", "replace"))
        assert b"parser_failed" not in parsed.content


def test_a_number_for_an_event_is_read_by_its_name() -> None:
    found = event("LEEF:2.0|Acme|Manager|20|600|cat=System\tname=User Signed In\tusrName=ann")
    assert found["operation"] == "login"
