"""Okta, GitHub and Kubernetes events of a public rule set's tests, all of them.

The data lie outside the project (`../shared/data`); without them these tests are skipped.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from indelible.event.model import read_body
from indelible.event.sentence import sentence
from indelible.event.strict import compact
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.table import parser_named, recognised
from support.parsing import GIVEN, parse_one

DATA = Path(__file__).parents[4] / "shared" / "data" / "panther-tests" / "tests.ndjson.gz"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"no recorded data in {DATA}")
OWN = (b',"kind":"event","received":"2026-01-01T00:00:00.000000Z",'
       b'"source":{"id":"x","number":1},"via":{}}')
LOGS = {"okta": "Okta.SystemLog", "github": "GitHub.Audit", "kubernetes": "Amazon.EKS.Audit"}


def messages(name: str) -> list[dict[str, Any]]:
    """Every message of the log that the parser recognises; tests of other clouds lie among them."""
    found = (json.loads(line) for line in gzip.decompress(DATA.read_bytes()).splitlines())
    parser = parser_named(name)
    return [one["event"] for one in found
            if one["log_type"] == LOGS[name] and parser.recognise(one["event"], GIVEN)]


def understood(name: str) -> list[tuple[dict[str, Any], Parsed]]:
    raw = [(one, json.dumps(one).encode()) for one in messages(name)]
    return [(one, parsed) for one, text in raw
            if (parsed := parse_one(name, text)).kind == "event"]


@pytest.mark.parametrize(
    ("name", "known", "read"), [("okta", 65, 63), ("github", 100, 100), ("kubernetes", 219, 179)]
)
def test_what_names_somebody_and_something_is_understood(name: str, known: int, read: int) -> None:
    assert (len(messages(name)), len(understood(name))) == (known, read)


def test_kubernetes_events_that_are_not_read_lack_the_user_or_the_verb() -> None:
    for message in messages("kubernetes"):
        parsed = parse_one("kubernetes", json.dumps(message).encode())
        if parsed.kind == "unparsed":
            code = json.loads(parsed.content)["reason"]["code"]
            assert code in ("missing_actor", "missing_field", "bad_json")
            assert not (message.get("user", {}).get("username") and message.get("verb"))


@pytest.mark.parametrize("name", LOGS)
def test_an_event_is_whole_and_readable(name: str) -> None:
    for message, parsed in understood(name):
        assert compact(parsed.content, "") == parsed.content
        said = sentence(read_body(parsed.content[:-1] + OWN))
        assert said.isprintable()
        found = recognised(message, GIVEN)
        assert found is not None
        assert found[0].name == name


def test_okta_says_who_when_and_how_it_ended_as_the_message_does() -> None:
    for message, parsed in understood("okta"):
        event = json.loads(parsed.content)
        result = message.get("outcome", {}).get("result")
        if result in ("SUCCESS", "ALLOW"):
            assert event["outcome"] == "success"
        if result == "FAILURE":
            assert event["outcome"] in ("failure", "denied")
        address = message.get("client", {}).get("ipAddress")
        assert event.get("origin", {}).get("ip") == address
        assert ("time" in event) == (message.get("published", "redacted") != "redacted")
        assert event["actor"]["id"] in (*message["actor"].values(), "anonymous")


def test_github_names_the_actor_and_the_repository_of_the_entry() -> None:
    for message, parsed in understood("github"):
        event = json.loads(parsed.content)
        if isinstance(message.get("actor"), str) and message["actor"]:
            assert event["actor"]["id"] == message["actor"]
        if isinstance(message.get("repo"), str) and message["repo"]:
            assert message["repo"] in [one["id"] for one in event["targets"]]


def test_kubernetes_outcomes_follow_the_codes() -> None:
    for message, parsed in understood("kubernetes"):
        event = json.loads(parsed.content)
        code = message.get("responseStatus", {}).get("code")
        if code in (401, 403):
            assert event["outcome"] == "denied"
        elif code is not None and code < 400 and message.get("stage") in (None, "ResponseComplete"):
            assert event["outcome"] == "success"
