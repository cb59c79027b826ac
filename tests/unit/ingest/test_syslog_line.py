"""Syslog headers: what of a line is header, what is message, and what a time without a year is."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec import UNSET

from indelible.base.clock import to_us
from indelible.event.model import Severity
from indelible.ingest.parsers.contract import Given, NotUnderstood
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.syslog_line import PARSER, SEVERITIES, unwrap
from indelible.ingest.parsers.table import AUTO

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def given(now: datetime = NOW, **members: Any) -> Given:
    return Given(now_us=to_us(now), **members)


def header(line: str, **members: Any) -> tuple[str, str, str, str]:
    """Host, program, process and message of a line."""
    message, said = unwrap(line, given(**members))
    assert isinstance(message, str)
    return said.host, said.program, said.process, message


@pytest.mark.parametrize(("line", "expected"), [
    ("May 11 22:14:15 web1 sshd[12]: x y", ("web1", "sshd", "12", "x y")),
    ("<38>May 11 22:14:15 web1 sshd[12]: x", ("web1", "sshd", "12", "x")),
    ("<38>May 11 22:14:15 sshd[12]: x", ("", "sshd", "12", "x")),
    ("<38>sshd[12]: x", ("", "sshd", "12", "x")),
    ("<38>only words", ("", "", "", "only words")),
    ("May  1 22:14:15 web1 su: (to root) ann", ("web1", "su", "", "(to root) ann")),
    ("May 1 22:14:15 web1 sudo:   ann : x", ("web1", "sudo", "", "  ann : x")),
    ("May 11 22:14:15 web1 postfix/smtpd[1]: x", ("web1", "postfix/smtpd", "1", "x")),
    ("May 11 22:14:15 web1 sshd(pam_unix)[1]: x", ("web1", "sshd(pam_unix)", "1", "x")),
    ("May 11 22:14:15 web1 systemd-logind[1]: x", ("web1", "systemd-logind", "1", "x")),
    ("May 11 22:14:15 web1 run-parts(/etc/cron.daily)[1]: x",
     ("web1", "run-parts(/etc/cron.daily)", "1", "x")),
    ("May 11 22:14:15 web1 gdm-password]: x", ("web1", "gdm-password]", "", "x")),
    ("May 11 22:14:15 web1 kernel: [ 1.5] x", ("web1", "kernel", "", "[ 1.5] x")),
    ("May 11 22:14:15 [sshd]: x", ("", "sshd", "", "x")),
    ("May 11 22:14:15  daemon[1]: x", ("", "daemon", "1", "x")),
    ("May 11 22:14:15 web1 words without a program", ("web1", "", "", "words without a program")),
    ("May 11 22:14:15 web1 last message repeated 3 times",
     ("web1", "", "", "last message repeated 3 times")),
    ("May 11 22:14:15 web1 CEF:0|a|b|", ("web1", "", "", "CEF:0|a|b|")),
    ("May 11 22:14:15 fe80::1 sshd[1]: x", ("fe80::1", "sshd", "1", "x")),
    ("2026-05-11T22:14:15.123456+02:00 web1 sshd[1]: x", ("web1", "sshd", "1", "x")),
    ("2026-05-11 22:14:15,123 web1 sshd[1]: x", ("web1", "sshd", "1", "x")),
    ("Oct 10 2018 12:34:56 fw1 : %ASA-6-302013: Built", ("fw1", "", "", "%ASA-6-302013: Built")),
    ("<189>123: *Mar  1 18:46:11.123 UTC: %SYS-5-CONFIG_I: Configured",
     ("", "", "", "%SYS-5-CONFIG_I: Configured")),
    ("<189>: 2021 Mar  3 09:27:05 UTC: %ETHPORT-5-IF_UP: up",
     ("", "", "", "%ETHPORT-5-IF_UP: up")),
    ("<38>1 2026-05-11T22:14:15Z web1 sshd 12 - - x", ("web1", "sshd", "12", "x")),
    ("<38>1 2026-05-11T22:14:15Z web1 sshd 12 - -", ("web1", "sshd", "12", "")),
    ("<38>1 2026-05-11T22:14:15Z web1 sshd 12 - [not closed x", ("web1", "sshd", "12",
                                                                "[not closed x")),
    ("<38>1 not-a-time web1 sshd 12 - - x", ("", "", "", "1 not-a-time web1 sshd 12 - - x")),
    ("May 11 22:14:15 web1 sshd[1]: x\r\n", ("web1", "sshd", "1", "x")),
])
def test_a_header_is_told_from_the_message(
    line: str, expected: tuple[str, str, str, str]
) -> None:
    assert header(line) == expected


def test_what_begins_with_neither_a_priority_nor_a_time_is_no_syslog_line() -> None:
    for line in ("", "hello", "Foo 12 10:00:00 web1 sshd[1]: x", "<>x", "<1234>x", "{}"):
        with pytest.raises(NotUnderstood) as no:
            unwrap(line, given())
        assert no.value.code == "not_this_format"
        assert not PARSER.recognise(line, given())
    with pytest.raises(NotUnderstood):
        unwrap({"message": "x"}, given())


def test_the_priority_gives_severity_and_facility() -> None:
    for number, expected in enumerate(SEVERITIES):
        said = unwrap(f"<{10 * 8 + number}>x", given())[1]
        assert (said.severity, said.labels) == (expected, {"facility": "authpriv"})
    assert SEVERITIES[0] is SEVERITIES[2] is Severity.CRITICAL
    assert [one.value for one in SEVERITIES[3:]] == ["high", "medium", "low", "info", "debug"]
    beyond = unwrap("<999>x", given())[1]
    assert (beyond.severity, dict(beyond.labels)) == (UNSET, {})


def test_without_a_priority_nothing_is_said_of_severity() -> None:
    said = unwrap("May 11 22:14:15 web1 sshd[1]: x", given())[1]
    assert (said.severity, dict(said.labels)) == (UNSET, {})


@pytest.mark.parametrize(("now", "stamp", "expected"), [
    ("2026-06-01T00:00:00", "May 31 23:59:59", "2026-05-31T23:59:59"),
    ("2026-06-01T00:00:00", "Jun  1 23:59:59", "2026-06-01T23:59:59"),  # a day ahead: skewed
    ("2026-06-01T00:00:00", "Jun  2 00:00:01", "2025-06-02T00:00:01"),  # more: last year
    ("2025-12-31T23:59:00", "Jan  1 00:10:00", "2026-01-01T00:10:00"),
    ("2026-01-01T00:00:30", "Dec 31 23:59:59", "2025-12-31T23:59:59"),
    ("2026-06-01T00:00:00", "Feb 29 12:00:00", "2024-02-29T12:00:00"),
    ("2024-02-28T18:00:00", "Feb 29 12:00:00", "2024-02-29T12:00:00"),
    ("2024-02-28T06:00:00", "Feb 29 12:00:00", "2020-02-29T12:00:00"),
    ("1903-06-01T00:00:00", "Feb 29 12:00:00", None),  # before 1970 there is no time
    ("2026-06-01T00:00:00", "Feb 30 12:00:00", None),
    ("2026-06-01T00:00:00", "May 11 25:00:00", None),
])
def test_a_missing_year_is_that_of_the_nearest_past(
    now: str, stamp: str, expected: str | None
) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    time = unwrap(f"{stamp} web1 sshd[1]: x", given(moment))[1].time
    if expected is None:
        assert time is UNSET
    else:
        assert time == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_time_without_zone_is_of_the_source_and_flagged() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for line in ("May 11 22:14:15 web1 sshd[1]: x", "2026-05-11T22:14:15 web1 sshd[1]: x",
                 "May 11 2026 22:14:15 web1 sshd[1]: x", "2026 May 11 22:14:15 web1 sshd[1]: x"):
        said = unwrap(line, given(zone=berlin))[1]
        assert said.time == datetime(2026, 5, 11, 20, 14, 15, tzinfo=UTC), line
        assert said.flags == ("time_assumed",), line
    tokyo = given(zone=ZoneInfo("Asia/Tokyo"))
    said = unwrap("2026-05-11T22:14:15+02:00 web1 sshd[1]: x", tokyo)[1]
    assert (said.time, said.flags) == (datetime(2026, 5, 11, 20, 14, 15, tzinfo=UTC), ())


def test_what_an_outer_envelope_knew_stays_where_the_header_says_nothing() -> None:
    outer = given(host="relay", program="shipper", time=NOW, flags=("time_assumed",),
                  severity=Severity.HIGH, labels={"a": "b"}, data={"beats": 1})
    said = unwrap("<38>just words", outer)[1]
    assert (said.host, said.program, said.time, said.flags) == (
        "relay", "shipper", NOW, ("time_assumed",)
    )
    assert said.severity is Severity.INFO
    assert said.labels == {"a": "b", "facility": "auth"}
    said = unwrap("2026-05-11T22:14:15Z web1 sshd[1]: x", outer)[1]
    assert (said.host, said.program, said.flags) == ("web1", "sshd", ())
    assert said.data == {"beats": 1, "syslog": {"program": "sshd", "pid": "1"}}


def test_a_message_in_json_is_handed_on_decoded() -> None:
    for text in ('{"a": 1}', '@cee: {"a": 1}', '@cee:{"a": 1}', ' {"a": 1}'):
        assert unwrap(f"<134>May 11 22:14:15 web1 app: {text}", given())[0] == {"a": 1}
    for text in ('{"a": ', "[1]", "@cee: x", "{" * 100_000):
        message = unwrap(f"<134>May 11 22:14:15 web1 app: {text}", given())[0]
        assert message == text


def test_structured_data_is_bounded_and_its_escapes_are_undone() -> None:
    line = '<38>1 - - - - - [a@1 x="q\\"b\\\\\\]" long="' + "y" * 2000 + '"] m'
    said = unwrap(line, given())[1]
    assert said.data["syslog"] == {"structured": {"a@1": {"x": 'q"b\\]'}}}
    many = "".join(f' n{number}="v"' for number in range(1000))
    said = unwrap(f"<38>1 - - - - - [a@1{many}] m", given())[1]
    assert len(said.data["syslog"]["structured"]["a@1"]) == 256  # type: ignore[index]


@pytest.mark.parametrize("unit", ["[", '[a b="', '[a b="c"]', '\\"', "a", ": ", "1: ", " "])
@pytest.mark.parametrize("begin", [
    "<38>1 2026-05-11T22:14:15Z h p 1 m ", "<38>1 - - - - - [a ", "May 11 22:14:15 ", "<38>", "",
])
def test_no_line_takes_long(begin: str, unit: str) -> None:
    line = begin + unit * (200_000 // len(unit)) + "]"
    started = perf_counter()
    PARSER.recognise(line, given())
    with suppress(NotUnderstood):
        unwrap(line, given())
    assert perf_counter() - started < 1


JOURNAL = {
    "MESSAGE": "Accepted password for root from 6.6.6.6 port 22 ssh2", "_UID": "0",
    "SYSLOG_IDENTIFIER": "sshd", "_HOSTNAME": "other", "__CURSOR": "s=1",
}
TRAIL = {
    "eventVersion": "1.08", "eventSource": "iam.amazonaws.com", "eventName": "DeleteUser",
    "userIdentity": {"type": "Root", "accountId": "1", "arn": "arn:aws:iam::1:root"},
}


@pytest.mark.parametrize("payload", [JOURNAL, TRAIL])
def test_what_any_program_can_write_is_no_entry_of_the_journal_and_no_record_of_a_service(
    payload: dict[str, Any]
) -> None:
    line = f"<13>1 2026-05-11T20:14:15Z web1 script - - - {json.dumps(payload)}".encode()
    alone = parse_message(AUTO, json.dumps(payload).encode(), given())
    assert alone.parser.split("/")[0] in ("linux_auth", "cloudtrail")
    found = parse_message(AUTO, line, given())
    assert found.parser.split("/")[0] == "json"
    assert json.loads(found.content)["origin"]["host"] == "web1"
    assert "guessed" in found.flags or found.kind == "unparsed"


def test_a_header_within_a_header_leaves_the_relays_name() -> None:
    line = "<13>1 2026-05-11T20:14:15Z relay script - - - <38>May 11 22:14:15 web1 sshd[1]: x"
    message, said = unwrap(line, given())
    _, said = unwrap(message, said)
    assert (said.host, said.program) == ("web1", "sshd")
    assert said.data["syslog"]["relay"] == "relay"
