"""Winlogbeat's documents: where their members come from."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.ingest.parsers.table import parser_named, recognised
from support.parsing import GIVEN, parse_one


def event(document: dict[str, Any]) -> dict[str, Any]:
    """The event of a document that can be read."""
    parsed = parse_one("winlogbeat", json.dumps(document).encode())
    assert parsed.kind == "event", parsed.content
    found: dict[str, Any] = json.loads(parsed.content)
    return found


def logon(**members: Any) -> dict[str, Any]:
    """A document of a logon."""
    winlog = {"event_id": "4624", "provider_name": "Microsoft-Windows-Security-Auditing",
              "channel": "Security", "computer_name": "x", "record_id": 7,
              "event_data": {"TargetUserName": "ann"}}
    return {"@timestamp": "2026-03-03T09:14:07Z", "winlog": winlog, **members}


def test_what_the_security_module_moved_is_found() -> None:
    found = event(logon(source={"ip": "203.0.113.9", "port": 50000, "domain": "WS7"},
                        process={"executable": "C:\\x.exe", "pid": 8}))
    assert found["origin"] == {"ip": "203.0.113.9", "host": "x", "device": "WS7"}
    assert (found["data"]["process"], found["data"]["port"]) == ("C:\\x.exe", "50000")


def test_the_events_own_data_has_precedence_over_what_was_moved() -> None:
    document = logon(source={"ip": "198.51.100.1"})
    document["winlog"]["event_data"]["IpAddress"] = "203.0.113.9"
    assert event(document)["origin"]["ip"] == "203.0.113.9"


@pytest.mark.parametrize(
    ("keywords", "outcome", "wanted"),
    [(["Audit Failure"], "success", "failure"), (["Audit Success"], None, "success"),
     (["Überwachung erfolgreich"], "success", "success"), ([], None, None), (7, [], None)],
)
def test_the_outcome_is_that_of_the_keywords_or_of_the_event(
    keywords: object, outcome: object, wanted: str | None
) -> None:
    document = logon(event={"outcome": outcome})
    document["winlog"] |= {"event_id": "4738", "keywords": keywords}
    assert event(document).get("outcome") == wanted


def test_numbers_and_texts_are_the_same_id() -> None:
    document = logon()
    document["winlog"]["event_id"] = 4624
    assert event(document)["action"] == event(logon())["action"]


def test_a_code_stands_for_an_absent_event_id() -> None:
    document = logon(event={"code": "4624"})
    del document["winlog"]["event_id"]
    assert event(document)["labels"]["event_id"] == "4624"


def test_other_documents_are_not_claimed() -> None:
    parser = parser_named("winlogbeat")
    for document in ({}, {"winlog": None}, {"winlog": {}}, {"event_id": 1}, {"message": "x"},
                     {"agent": {"type": "filebeat"}, "log": {}}):
        assert parser.recognise(document, GIVEN) == ""


def test_a_document_is_recognised_before_that_of_other_beats() -> None:
    found = recognised(logon(agent={"type": "winlogbeat"}, message="x"), GIVEN)
    assert found is not None
    assert found[0].name == "winlogbeat"


def test_level_is_severity_but_not_of_an_audit() -> None:
    document = logon(log={"level": "error"})
    document["winlog"] |= {"event_id": 7, "provider_name": "disk", "channel": "System",
                           "user": {"name": "ann"}}
    assert event(document)["severity"] == "high"
    document["winlog"]["keywords"] = ["Audit Success"]
    assert "severity" not in event(document)
