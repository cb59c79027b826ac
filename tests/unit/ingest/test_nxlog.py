"""NXLog's flat JSON: times, keywords, and what older versions leave out."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import parser_named
from support.parsing import GIVEN, parse_one

PLAIN = {"EventID": 4634, "SourceName": "Microsoft-Windows-Security-Auditing", "Hostname": "x",
         "Channel": "Security", "EventTime": "2026-07-01 12:00:00", "RecordNumber": 7,
         "EventType": "AUDIT_SUCCESS", "TargetUserName": "ann",
         "SourceModuleType": "im_msvistalog"}


def parsed(given: Given = GIVEN, **members: Any) -> Parsed:
    """What the parser makes of a plain object with these members."""
    record = {name: value for name, value in {**PLAIN, **members}.items() if value is not None}
    return parse_one("nxlog", json.dumps(record).encode(), given=given)


def event(given: Given = GIVEN, **members: Any) -> dict[str, Any]:
    """The event of an object that can be read."""
    found = parsed(given, **members)
    assert found.kind == "event", found.content
    content: dict[str, Any] = json.loads(found.content)
    return {**content, "flags": list(found.flags)}


@pytest.mark.parametrize(
    ("written", "time", "flags"),
    [
        ("2026-07-01 12:00:00", "2026-07-01T10:00:00Z", ["time_assumed"]),
        ("2026-07-01T12:00:00.5+02:00", "2026-07-01T10:00:00.500000Z", []),
        ("2026-07-01T10:00:00Z", "2026-07-01T10:00:00Z", []),
        (1_782_900_000, "2026-07-01T10:00:00Z", []),
        (1_782_900_000_250_000, "2026-07-01T10:00:00.250000Z", []),
        ("yesterday", None, []),
        (None, None, []),
    ],
)
def test_a_time_without_offset_is_in_the_zone_of_the_source(
    written: object, time: str | None, flags: list[str]
) -> None:
    berlin = Given(now_us=GIVEN.now_us, zone=ZoneInfo("Europe/Berlin"))
    found = event(berlin, EventTime=written)
    assert (found.get("time"), found["flags"]) == (time, flags)


@pytest.mark.parametrize(
    ("keywords", "outcome"),
    [(-9214364837600034816, "success"), ("-9218868437227405312", "failure"),
     ("9232379236109516800", "success"), (0x8010000000000000, "failure"),
     ("0x8020000000000000", "success"), ("x", None), (None, None)],
)
def test_signed_keywords_tell_the_outcome(keywords: object, outcome: str | None) -> None:
    found = event(EventType="INFO", Keywords=keywords)
    assert found.get("outcome") == outcome


@pytest.mark.parametrize("between", ["\r\n\t", " ", "\t\t"])
def test_who_cleared_the_log_is_read_out_of_the_message(between: str) -> None:
    message = between.join(["The audit log was cleared.", "Subject:", "Security ID:", "S-1-5-21-1",
                            "Account Name:", "Ann Smith", "Domain Name:", "CORP", "Logon ID:",
                            "0x33"])
    cleared = {"EventID": 1102, "SourceName": "Microsoft-Windows-Eventlog"}
    found = event(**cleared, Message=message, TargetUserName=None)
    assert (found["actor"]["id"], found["actor"]["session"]) == ("Ann Smith", "0x33")
    nested = event(**cleared, **{"LogFileCleared.SubjectUserName": "bob"})
    assert nested["actor"]["id"] == "bob"
    assert "guessed" in event(**cleared, TargetUserName=None)["flags"]


def test_the_account_of_a_service_is_not_who_installed_it() -> None:
    found = event(EventID=7045, SourceName="Service Control Manager", Channel="System",
                  EventType="INFO", ServiceName="s", AccountName="LocalSystem",
                  UserID="S-1-5-21-1-2-3-500", AccountType="User")
    assert found["actor"]["id"] == "S-1-5-21-1-2-3-500"


def test_an_audit_has_no_severity_and_another_event_its_own() -> None:
    assert "severity" not in event(Severity="ERROR")
    found = event(EventID=9, SourceName="disk", Channel="System", EventType="WARNING",
                  Severity="WARNING", AccountName="ann", AccountType="User")
    assert found["severity"] == "medium"


def test_other_objects_are_not_claimed() -> None:
    parser = parser_named("nxlog")
    for record in ({}, {"EventID": 1}, {"EventID": 1, "SourceName": "x"}, {"eventID": "e"},
                   {"SourceModuleType": "im_file", "Hostname": "x", "EventTime": "t"}):
        assert parser.recognise(record, GIVEN) == ""
    assert parser.recognise(dict(PLAIN), GIVEN)


@pytest.mark.parametrize("bad", [None, [], {}, "x", 1.5, True, 2**70])
def test_an_event_id_of_another_type_is_another_format(bad: object) -> None:
    found = parsed(EventID=bad)
    assert found.kind in ("unparsed", "event")
    if not isinstance(bad, int):
        assert json.loads(found.content)["reason"]["code"] == "not_this_format"
