"""Entries of the systemd journal: the message and what the journal itself knows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import UNSET

from indelible.event.model import Severity
from indelible.ingest.parsers.contract import Given, NotUnderstood
from indelible.ingest.parsers.journald import PARSER, unwrap

GIVEN = Given(now_us=0)


def entry(**fields: Any) -> dict[str, Any]:
    return {"MESSAGE": "x", "_HOSTNAME": "web1", "__REALTIME_TIMESTAMP": "1778530455688160",
            **fields}


def test_the_senders_time_is_the_events_and_the_journals_is_when_it_was_observed() -> None:
    said = unwrap(entry(_SOURCE_REALTIME_TIMESTAMP="1778530455687293"), GIVEN)[1]
    assert said.time == datetime(2026, 5, 11, 20, 14, 15, 687293, tzinfo=UTC)
    assert said.observed == datetime(2026, 5, 11, 20, 14, 15, 688160, tzinfo=UTC)
    said = unwrap(entry(), GIVEN)[1]
    assert said.time == datetime(2026, 5, 11, 20, 14, 15, 688160, tzinfo=UTC)
    assert said.observed is UNSET


@pytest.mark.parametrize("value", ["", "x", "-1", "9" * 40, None, [], {}, True, 1e400, ["a", "b"]])
def test_a_time_that_is_none_leaves_what_was_known(value: Any) -> None:
    known = Given(now_us=0, time=datetime(2026, 1, 1, tzinfo=UTC), flags=("time_assumed",))
    said = unwrap(entry(__REALTIME_TIMESTAMP=value), known)[1]
    assert (said.time, said.flags) == (known.time, known.flags)


LOGIN = "Accepted password for root from 6.6.6.6 port 22 ssh2"
SESSION = "pam_unix(sudo:session): session opened for user root(uid=0) by ann(uid=1000)"


@pytest.mark.parametrize(("program", "message", "evidence"), [
    ("sshd", LOGIN, {"_UID": "1005", "_EXE": "/usr/bin/logger"}),
    ("sshd", LOGIN, {"_UID": "1005", "_EXE": "/home/eve/sshd", "_COMM": "sshd"}),
    ("sshd", LOGIN, {"_UID": "1005", "_EXE": "/usr/bin/sudo"}),
    ("sshd", LOGIN, {"_UID": "1005", "_COMM": "python3"}),
    ("sshd", LOGIN, {"_UID": "1005", "_COMM": "sshd"}),
    ("sshd", LOGIN, {"_UID": "1005"}),
    ("sudo", SESSION, {"_UID": "1005", "_EXE": "sudo", "_COMM": "sudo"}),
    ("sudo", SESSION, {"_UID": "1005", "_EXE": "/usr/bin/logger"}),
    ("anything", SESSION, {"_UID": "1005", "_EXE": "/usr/bin/python3"}),
    ("x", "pam_unix(logger:session): session opened for user root(uid=0) by root(uid=0)",
     {"_UID": "1005", "_EXE": "/usr/bin/logger"}),
    ("sshd", LOGIN, {"_UID": "1005", "_EXE": "/nix/store/mine/bin/sshd"}),
])
def test_a_users_program_is_not_believed_to_be_sshd(
    program: str, message: str, evidence: dict[str, str]
) -> None:
    with pytest.raises(NotUnderstood) as no:
        unwrap(entry(MESSAGE=message, SYSLOG_IDENTIFIER=program, **evidence), GIVEN)
    assert no.value.code == "not_the_program"
    kept: Any = no.value.data["journald"]
    assert (kept["claimed_program"], kept["uid"]) == (program, "1005")


def test_a_message_of_pam_by_nobodys_program_is_not_believed() -> None:
    said = {name: value for name, value in entry(MESSAGE=SESSION, _UID="1005").items()
            if name not in ("SYSLOG_IDENTIFIER", "_COMM")}
    with pytest.raises(NotUnderstood) as no:
        unwrap(said, GIVEN)
    assert no.value.code == "not_the_program"


@pytest.mark.parametrize(("program", "message", "evidence"), [
    ("sshd", LOGIN, {"_UID": "0", "_EXE": "/usr/sbin/sshd"}),
    ("sshd", LOGIN, {"_UID": "0"}),
    ("sshd", LOGIN, {}),
    ("sshd", LOGIN, {"_UID": "74", "_EXE": "/usr/lib/openssh/sshd-session"}),
    ("sudo", SESSION, {"_UID": "1000", "_EXE": "/usr/bin/sudo"}),
    ("myapp", LOGIN, {"_UID": "1005", "_EXE": "/home/eve/myapp"}),
])
def test_the_systems_own_programs_are_believed(
    program: str, message: str, evidence: dict[str, str]
) -> None:
    text, said = unwrap(entry(MESSAGE=message, SYSLOG_IDENTIFIER=program, **evidence), GIVEN)
    assert (text, said.program) == (message, program)


def test_bytes_that_are_not_utf8_and_repeated_fields_are_read() -> None:
    assert unwrap(entry(MESSAGE=[0x61, 0xFF, 0x62]), GIVEN)[0] == "a\ufffdb"
    assert unwrap(entry(MESSAGE=["first", "second"]), GIVEN)[0] == "first"
    assert unwrap(entry(MESSAGE=[[0x61, 0x62], "second"]), GIVEN)[0] == "ab"
    assert unwrap(entry(SYSLOG_IDENTIFIER=["sshd", "x"]), GIVEN)[1].program == "sshd"


@pytest.mark.parametrize("message", [None, "", [], [256], [-1], {}, 5, [None]])
def test_an_entry_without_a_message_is_refused_with_what_it_says(message: Any) -> None:
    with pytest.raises(NotUnderstood) as no:
        unwrap(entry(MESSAGE=message, _UID="0"), GIVEN)
    assert no.value.code == "no_message"
    assert no.value.data == {"journald": {"uid": "0"}}


def test_what_is_no_entry_is_of_another_format() -> None:
    for message in ("text", {}, {"message": "x"}, {"_UID": "0"}):
        with pytest.raises(NotUnderstood) as no:
            unwrap(message, GIVEN)
        assert no.value.code == "not_this_format"
    assert not PARSER.recognise({"MESSAGE": "x"}, GIVEN)
    assert not PARSER.recognise({"_UID": "0", "__CURSOR": "s"}, GIVEN)


def test_priority_and_facility_are_read_as_syslogs() -> None:
    said = unwrap(entry(PRIORITY="3", SYSLOG_FACILITY="10"), GIVEN)[1]
    assert (said.severity, said.labels) == (Severity.HIGH, {"facility": "authpriv"})
    for wrong in ("8", "-1", "x", "", None, "³", 99, [], "1000000000"):
        said = unwrap(entry(PRIORITY=wrong, SYSLOG_FACILITY=wrong), GIVEN)[1]
        assert said.severity is UNSET
        assert "facility" not in said.labels or wrong == "8"


def test_only_short_values_of_known_fields_are_kept() -> None:
    said = unwrap(entry(_CMDLINE="x" * 2000, _EXE="/bin/a", MY_OWN="y", _UID=10**30), GIVEN)[1]
    assert said.data == {"journald": {"exe": "/bin/a"}}


def test_the_identifier_goes_before_the_commands_name() -> None:
    said = unwrap(entry(_COMM="python3", SYSLOG_IDENTIFIER="backup", _PID="7"), GIVEN)[1]
    assert (said.program, said.process, said.host) == ("backup", "7", "web1")
    assert unwrap(entry(_COMM="su"), GIVEN)[1].program == "su"


def test_a_record_of_the_kernels_audit_is_put_together_again() -> None:
    """Only fields that no program can set make one; a message alone does not."""
    fields = {
        "_TRANSPORT": "audit", "_AUDIT_TYPE_NAME": "USER_LOGIN", "_AUDIT_ID": "1441",
        "_SOURCE_REALTIME_TIMESTAMP": "1780000000123456", "MESSAGE": "USER_LOGIN pid=1 uid=0",
    }
    text, said = unwrap(entry(**fields), GIVEN)
    assert text == "type=USER_LOGIN msg=audit(1780000000.123456:1441): pid=1 uid=0"
    assert said.data["journald"]["transport"] == "audit"
    for name, value in (
        ("_TRANSPORT", "syslog"), ("_AUDIT_TYPE_NAME", ""), ("_AUDIT_ID", "x"),
        ("_SOURCE_REALTIME_TIMESTAMP", "soon"), ("_AUDIT_TYPE_NAME", "USER_AUTH"),
    ):
        assert unwrap(entry(**{**fields, name: value}), GIVEN)[0] == fields["MESSAGE"]
