"""CEF: the header, the extension's pairs, and what they mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.ingest.parsers import cef
from indelible.ingest.parsers.cef_fields import by_label, read_cef, read_pairs
from support.parsing import GIVEN, parse_one

HEAD = "CEF:0|Acme|Portal|1.0|100|"


def event(text: str) -> dict[str, Any]:
    """The event of a message, with its flags."""
    parsed = parse_one("cef", text.encode())
    assert parsed.kind == "event", parsed.content
    found: dict[str, Any] = json.loads(parsed.content)
    return {**found, "flags": parsed.flags}


def test_pipes_and_backslashes_of_the_header_are_escaped() -> None:
    found = read_cef(r"CEF:1|a\|b|c\\|1|id|x \| y|3|k=v")
    assert found is not None
    assert (found.vendor, found.product, found.name) == ("a|b", "c\\", "x | y")
    assert found.pairs == {"k": "v"}


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a=1 b=two words c=3", {"a": "1", "b": "two words", "c": "3"}),
        (r"a=x\=y b=c:\\dir c=one\ntwo", {"a": "x=y", "b": "c:\\dir", "c": "one\ntwo"}),
        ("request=https://x/?q=1&r=2 act=get", {"request": "https://x/?q=1&r=2", "act": "get"}),
        ("a= b=2", {"b": "2"}),
        ("a=1 a=2", {"a": "1"}),
        ("ad.field[0]=x", {"ad.field[0]": "x"}),
        ("no pairs at all", {}),
    ],
)
def test_a_value_runs_to_the_next_key(text: str, pairs: dict[str, str]) -> None:
    assert read_pairs(text)[0] == pairs


def test_custom_fields_are_told_by_their_labels() -> None:
    pairs = {"cs1": "blue", "cs1Label": "Team", "cn1": "7", "c6a2": "::1", "c6a2Label": "Peer"}
    assert by_label(pairs) == {"Team": "blue", "Peer": "::1"}


@pytest.mark.parametrize(
    "text",
    [
        "CEF:0|Acme|Portal|1.0|100|login", "CEF:0|a|b", "CEF:7|a|b|c|d|e|1|", "",
        "we speak CEF:0 here", "x" * 2000 + HEAD + "login|5|",
    ],
)
def test_what_has_no_whole_header_is_no_cef(text: str) -> None:
    assert read_cef(text) is None
    assert parse_one("cef", text.encode()).kind == "unparsed"


def test_a_header_without_its_last_pipe_is_whole() -> None:
    assert event("CEF:0|Acme|Portal|1.0|100|Port scan|5")["action"] == "portal.port.scan"


def test_it_is_recognised_behind_a_syslog_header_and_not_in_a_sentence() -> None:
    assert cef.PARSER.recognise(f"<13>Mar  3 09:14:07 fw1 {HEAD}login|5|", GIVEN)
    assert not cef.PARSER.recognise("sent as CEF:0 to the collector", GIVEN)


def test_who_acted_is_the_source_user_and_the_other_user_is_a_target() -> None:
    found = event(HEAD + "User deleted|5|suser=ann duser=bob src=203.0.113.9 spt=4")
    assert found["actor"] == {"type": "user", "id": "ann"}
    assert (found["action"], found["operation"]) == ("portal.user.delete", "delete")
    assert found["targets"] == [{"type": "user", "id": "bob"}]
    assert found["origin"] == {"ip": "203.0.113.9"}
    assert found["data"]["spt"] == "4"
    assert "guessed" not in found["flags"]


def test_the_destination_user_acts_where_no_other_is_named() -> None:
    found = event(HEAD + "Logon failure|7|duser=bob outcome=failure reason=Wrong password")
    assert found["actor"]["id"] == "bob"
    assert (found["operation"], found["outcome"]) == ("login", "failure")
    assert found["reason"] == {"text": "Wrong password"}


@pytest.mark.parametrize(("said", "operation"), [
    ("A user account was deleted|5|duser=bob dhost=dc1", "delete"),
    ("Password reset|5|destinationUserName=bob", "update"),
    ("Role granted|5|duser=bob src=192.0.2.7", "grant"),
])
def test_what_is_done_to_the_destination_user_is_not_done_by_it(said: str, operation: str) -> None:
    found = event(HEAD + said)
    assert found["operation"] == operation
    assert found["actor"]["id"] != "bob"
    assert found["targets"][0] == {"type": "user", "id": "bob"}
    assert "actor" in found["data"]["guessed"]


def test_a_key_that_stands_twice_names_nobody() -> None:
    found = event(HEAD + "Page opened|5|request=http://x/?a suser=root src=9.9.9.9 suser=ann "
                  "src=192.0.2.7")
    assert found["actor"]["id"] not in ("root", "ann")
    assert "ip" not in found.get("origin", {})
    found = event(HEAD + "Page opened|5|suser=ann src=192.0.2.7 suser=ann")
    assert (found["actor"]["id"], found["origin"]["ip"]) == ("ann", "192.0.2.7")


def test_the_source_users_id_goes_before_the_destinations_name() -> None:
    found = event(HEAD + "Role granted|5|suid=u-1 duser=bob")
    assert found["actor"]["id"] == "u-1"
    assert found["targets"] == [{"type": "user", "id": "bob"}]


def test_the_sources_machine_is_no_host_and_may_be_told_by_its_address() -> None:
    assert event(HEAD + "Login|5|suser=ann shost=ws7")["origin"] == {"device": "ws7"}
    assert event(HEAD + "Login|5|suser=ann shost=10.1.1.7")["origin"] == {"ip": "10.1.1.7"}


def test_values_in_quotes_are_taken_out_of_them() -> None:
    pairs = {"act": "update", "result": "success"}
    assert read_pairs('act="update" result="success"')[0] == pairs
    assert read_pairs('act="a" and "b"')[0] == {"act": '"a" and "b"'}
    assert event(HEAD + 'Changed|5|suser="ann" result="success"')["outcome"] == "success"


@pytest.mark.parametrize(
    ("pairs", "actor"),
    [
        ("src=203.0.113.9", {"type": "anonymous", "id": "anonymous"}),
        ("dvchost=fw1", {"type": "system", "id": "fw1"}),
        ("suser=- dvchost=fw1", {"type": "system", "id": "fw1"}),
        ("", {"type": "system", "id": "Portal"}),
    ],
)
def test_whoever_is_not_named_is_inferred_and_flagged(pairs: str, actor: dict[str, str]) -> None:
    found = event(HEAD + "Port scan detected|9|" + pairs)
    assert found["actor"] == actor
    assert "guessed" in found["flags"]
    assert found["data"]["guessed"] == ["actor"]


def test_the_observing_device_is_no_origin() -> None:
    found = event(HEAD + "login|3|suser=ann dvc=10.0.0.1 dvchost=fw1")
    assert "origin" not in found
    assert found["labels"] == {"observer": "fw1"}


@pytest.mark.parametrize(
    ("pairs", "time", "assumed"),
    [
        ("rt=1772529247000", "2026-03-03T09:14:07Z", False),
        ("rt=Mar 03 2026 09:14:07.123 UTC", "2026-03-03T09:14:07.123000Z", False),
        ("start=Mar 03 2026 09:14:07", "2026-03-03T09:14:07Z", True),
        ("rt=Mar 03 09:14:07", "2026-03-03T09:14:07Z", True),
        ("rt=Mar 03 2026 10:14:07 dtz=Europe/Berlin", "2026-03-03T09:14:07Z", False),
        ("rt=soon end=1772529247000", "2026-03-03T09:14:07Z", False),
    ],
)
def test_times_in_the_forms_of_the_standard(pairs: str, time: str, assumed: bool) -> None:
    found = event(HEAD + "login|3|suser=ann " + pairs)
    assert found["time"] == time
    assert ("time_assumed" in found["flags"]) == assumed


@pytest.mark.parametrize(
    ("said", "severity"),
    [("0", "low"), ("3", "low"), ("4", "medium"), ("7", "high"), ("10", "critical"),
     ("Very-High", "critical"), ("Unknown", None), ("11", None)],
)
def test_severity_is_a_number_to_ten_or_a_word(said: str, severity: str | None) -> None:
    assert event(HEAD + f"login|{said}|suser=ann").get("severity") == severity


def test_a_renamed_file_is_a_change() -> None:
    found = event(HEAD + "File renamed|3|suser=ann oldFileName=a.txt fname=b.txt filePath=/b.txt")
    assert found["changes"] == [
        {"path": "name", "op": "replace", "before": "a.txt", "after": "b.txt"}
    ]
    assert found["targets"][0] == {"type": "file", "id": "/b.txt", "name": "b.txt"}


def test_what_a_device_lets_through_is_nobodys_right() -> None:
    found = event(HEAD + "Connection allowed|3|suser=ann act=allow")
    assert (found["operation"], found["outcome"]) == ("other", "success")


@pytest.mark.parametrize(
    "tail",
    ["=" * 50_000, "a=" * 50_000, "\\" * 50_000, "k=v " * 30_000, "\ud800", "\x00=\x1b[2J",
     "suser=" + "x" * 5000, "rt=" + "9" * 500, "src=999.1.1.1 suser=a|b\\"],
)
def test_nothing_in_a_message_makes_the_parser_fail(tail: str) -> None:
    parsed = parse_one("cef", (HEAD + "login|3|" + tail).encode("utf-8", "replace"))
    assert b"parser_failed" not in parsed.content


@pytest.mark.parametrize(("said", "outcome"), [
    ("outcome=true", "success"), ("outcome=false", "failure"), ("act=REQ_BLOCKED", "denied"),
    ("act=Authentication failed", "failure"), ("act=true", None),
])
def test_outcomes_are_said_in_many_ways(said: str, outcome: str | None) -> None:
    assert event(HEAD + f"Page opened|5|suser=ann {said}").get("outcome") == outcome


def test_an_authentication_that_failed_is_a_sign_in() -> None:
    found = event(HEAD + "Authentication failed|5|suser=ann")
    assert (found["operation"], found["outcome"]) == ("login", "failure")
