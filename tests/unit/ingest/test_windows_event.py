"""What a Windows event means, whatever form it comes in: one rule each, on Winlogbeat documents."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from indelible.event.model import Operation
from indelible.ingest.parsers import windows_events, windows_objects, windows_targets
from indelible.ingest.parsers.windows_actor import account, address, session
from indelible.ingest.parsers.windows_changes import _RULES as CHANGE_RULES
from indelible.ingest.parsers.windows_codes import listed, rendered, status_of
from indelible.ingest.parsers.windows_rows import AUDITING, row_of, rows
from support.parsing import parse_one

ANN = {"SubjectUserName": "ann", "SubjectDomainName": "CORP", "SubjectLogonId": "0x1A2",
       "SubjectUserSid": "S-1-5-21-1-2-3-1104"}
SYSTEM = {"SubjectUserName": "DC1$", "SubjectDomainName": "CORP", "SubjectLogonId": "0x3e7",
          "SubjectUserSid": "S-1-5-18"}
ACTION = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)+")


def event(event_id: int, success: bool | None = True, **data: object) -> dict[str, Any]:
    """The event of an audit of this id with this EventData, on a domain controller."""
    winlog = {
        "event_id": str(event_id), "provider_name": "Microsoft-Windows-Security-Auditing",
        "channel": "Security", "computer_name": "dc1.corp.example", "record_id": "7",
        "event_data": data,
    }
    if success is not None:
        winlog["keywords"] = ["Audit Success" if success else "Audit Failure"]
    document = {"@timestamp": "2026-03-03T09:14:07.5Z", "winlog": winlog}
    parsed = parse_one("winlogbeat", json.dumps(document).encode())
    assert parsed.kind == "event", parsed.content
    found: dict[str, Any] = json.loads(parsed.content)
    return {**found, "flags": list(parsed.flags)}


def test_every_row_of_the_catalogue_can_be_used() -> None:
    for provider, known in rows().items():
        for event_id, row in known.items():
            assert ACTION.fullmatch(row.action), (provider, event_id)
            assert not row.changes or row.changes in CHANGE_RULES, row
            for wanted in row.targets:
                assert wanted.rule == "field" or wanted.rule in windows_targets._RULES, row


ASKED_FOR = """
4624 4625 4634 4647 4648 4672 4776 4768 4769 4770 4771 4778 4779 4800 4801 4964 4720 4722 4723 4724
4725 4726 4738 4740 4767 4781 4741 4742 4743 4727 4728 4729 4730 4731 4732 4733 4734 4735 4737 4754
4755 4756 4757 4758 4764 4798 4799 4719 4739 4713 4716 4717 4718 4703 4704 4705 4907 4902 4912 4688
4689 4656 4657 4658 4660 4663 4670 5140 5142 5143 5144 5145 4985 4697 4698 4699 4700 4701 4702 4662
5136 5137 5138 5139 5141 4946 4947 4948 4949 4950 5025 5156 5157 4616 4608
"""


def test_the_events_that_auditors_ask_for_are_in_the_catalogue() -> None:
    assert set(map(int, ASKED_FOR.split())) <= set(rows()[AUDITING])
    assert {104, 1100, 1101, 1102, 1104, 6005, 6006} <= set(rows()["microsoft-windows-eventlog"])


def test_no_event_id_stands_twice_in_one_provider() -> None:
    texts = [windows_events.SECURITY + windows_objects.SECURITY, windows_events.EVENTLOG]
    texts += [text for name, text in vars(windows_objects).items()
              if name.isupper() and name != "SECURITY"]
    for text in texts:
        ids = re.findall(r"^(\d+) ", text, re.MULTILINE)
        assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("said", "kind", "ident"),
    [
        (("ann", "CORP", "S-1-5-21-1-2-3-1104"), "user", "ann"),
        (("DC1$", "CORP", "S-1-5-18"), "system", "DC1$"),
        (("WS7$", "CORP", "S-1-5-21-1-2-3-1301"), "service", "WS7$"),
        (("SYSTEM", "NT-AUTORITÄT", "S-1-5-18"), "system", "SYSTEM"),
        (("Lokaler Dienst", "NT-AUTORITÄT", "S-1-5-19"), "system", "Lokaler Dienst"),
        (("DWM-1", "Window Manager", "S-1-5-90-0-1"), "system", "DWM-1"),
        (("MSSQLSERVER", "NT SERVICE", "S-1-5-80-3880718306"), "service", "MSSQLSERVER"),
        (("ANONYMOUS LOGON", "NT AUTHORITY", "S-1-5-7"), "anonymous", "anonymous"),
        (("", "", "S-1-5-20"), "system", "NETWORK SERVICE"),
        (("", "", "S-1-5-21-1-2-3-500"), "user", "S-1-5-21-1-2-3-500"),
        (("ann@CORP.EXAMPLE", "corp.example", ""), "user", "ann"),
        (("ann@other.example", "corp.example", ""), "user", "ann@other.example"),
        (("CORP\\ann", "", ""), "user", "ann"),
    ],
)
def test_an_account_is_its_name_without_the_domain(
    said: tuple[str, str, str], kind: str, ident: str
) -> None:
    found = account(*said)
    assert found is not None
    assert (found.type.value, found.id) == (kind, ident)


def test_the_null_sid_and_an_empty_name_are_nobody() -> None:
    assert account("", "", "S-1-0-0") is None
    assert account("") is None


def test_the_subject_stands_behind_a_logon_only_when_it_is_another_user() -> None:
    as_bob = {"TargetUserName": "bob", "TargetDomainName": "CORP", "LogonType": "2"}
    behind = event(4624, **ANN, **as_bob)["actor"]["on_behalf_of"]
    assert [one["id"] for one in behind] == ["ann"]
    assert "on_behalf_of" not in event(4624, **SYSTEM, **as_bob)["actor"]
    same = {**as_bob, "TargetUserName": "ANN"}
    assert "on_behalf_of" not in event(4624, **ANN, **same)["actor"]


def test_a_logon_id_has_one_spelling_and_zero_is_none() -> None:
    assert event(4688, **ANN)["actor"]["session"] == "0x1a2"
    assert session("0x00000000000003E7") == "0x3e7"
    assert session("0x0") == session("-") == session("") == ""


@pytest.mark.parametrize(
    ("written", "meant"),
    [("::ffff:10.0.0.1", "10.0.0.1"), ("::1", "::1"), ("-", ""), ("LOCAL", ""), ("", ""),
     ("fe80::1%5", "fe80::1"), ("2001:db8::5", "2001:db8::5")],
)
def test_an_address_is_the_plain_one(written: str, meant: str) -> None:
    assert address(written) == meant


@pytest.mark.parametrize(
    ("status", "sub_status", "outcome", "code"),
    [
        ("0xc000006d", "0xc000006a", "failure", "0xC000006A"),
        ("0xC000006D", "0xC0000064", "failure", "0xC0000064"),
        ("0xc0000234", "0x0", "denied", "0xC0000234"),
        ("0xc000006e", "0xc0000072", "denied", "0xC0000072"),
        ("0xc000015b", "0x0", "denied", "0xC000015B"),
        ("0xc0000224", "0x0", "failure", "0xC0000224"),
        ("0xc0de0001", "0x0", "failure", "0xC0DE0001"),
    ],
)
def test_a_failed_logon_says_why(
    status: str, sub_status: str, outcome: str, code: str
) -> None:
    found = event(4625, False, TargetUserName="ann", Status=status, SubStatus=sub_status)
    assert (found["outcome"], found["reason"]["code"]) == (outcome, code)


def test_every_known_status_has_a_text_without_the_mark() -> None:
    for code in ("0xC000006A", "0xC000015B", "0x12", "0x18"):
        found = status_of(code)
        assert found is not None
        assert found.text
        assert "!" not in found.text


def test_a_status_of_success_is_no_reason() -> None:
    found = event(4768, TargetUserName="ann", Status="0x0")
    assert (found["outcome"], "reason" in found) == ("success", False)


def test_the_exit_code_of_a_process_is_not_the_outcome_of_the_event() -> None:
    found = event(4689, **ANN, Status="0xc0000005", ProcessName="C:\\x.exe")
    assert (found["outcome"], "reason" in found) == ("success", False)


def test_a_refused_access_is_denied_and_another_failure_is_not() -> None:
    file = {"ObjectType": "File", "ObjectName": "D:\\pay", "AccessList": "%%4416"}
    assert event(4656, False, **ANN, **file)["outcome"] == "denied"
    assert event(4723, False, **ANN, TargetUserName="ann")["outcome"] == "failure"


def test_an_event_without_keywords_that_its_id_does_not_decide_has_no_outcome() -> None:
    assert "outcome" not in event(4663, None, **ANN)
    assert event(4624, None, TargetUserName="ann")["outcome"] == "success"


@pytest.mark.parametrize(
    ("rights", "operation"),
    [("%%1537\n\t\t%%4416", "delete"), ("%%1539", "grant"), ("%%4417\r\n\t\t%%4416", "update"),
     ("%%4421", "execute"), ("%%4416", "read"), ("%%1538 %%4423", "read"), ("", "read"),
     ("WriteData (or AddFile)\n\t\tReadAttributes", "update")],
)
def test_the_gravest_right_is_the_operation_of_an_access(rights: str, operation: str) -> None:
    found = event(4663, **ANN, ObjectType="File", ObjectName="D:\\pay", AccessList=rights)
    assert (found["action"], found["operation"]) == ("windows.file.access", operation)


def test_an_object_is_called_by_its_type() -> None:
    found = event(4656, **ANN, ObjectType="SAM_USER", ObjectName="S-1-5-21-1-2-3-500")
    assert found["action"] == "windows.sam_user.open"
    guid = "%{bf967aba-0de6-11d0-a285-00aa003049e2}"
    found = event(4662, **ANN, ObjectServer="DS", ObjectType=guid, ObjectName=guid)
    assert found["targets"] == [{"type": "windows_directory_object",
                                 "id": "bf967aba-0de6-11d0-a285-00aa003049e2"}]


def test_a_deleted_object_is_known_by_its_handle() -> None:
    assert event(4660, **ANN, HandleId="0x1678")["targets"] == [
        {"type": "windows_handle", "id": "0x1678", "parent": "dc1.corp.example"}]


def test_the_domain_of_a_lockout_is_the_calling_computer() -> None:
    found = event(4740, **SYSTEM, TargetUserName="ann", TargetDomainName="WS7")
    assert found["origin"] == {"host": "dc1.corp.example", "device": "WS7"}
    assert found["targets"] == [{"type": "windows_user", "id": "ann"}]


def test_an_unchanged_attribute_is_no_change_and_an_emptied_one_is_null() -> None:
    changed = {"TargetUserName": "bob", "TargetDomainName": "CORP", "DisplayName": "-",
               "HomePath": "%%1793", "ScriptPath": "logon.cmd"}
    assert event(4738, **ANN, **changed)["changes"] == [
        {"path": "HomePath", "op": "replace", "after": None},
        {"path": "ScriptPath", "op": "replace", "after": "logon.cmd"}]


def test_attributes_of_a_local_account_are_no_changes() -> None:
    local = {"TargetUserName": "bob", "TargetDomainName": "DC1", "DisplayName": "Bob",
             "OldUacValue": "0x10", "NewUacValue": "0x11"}
    assert event(4738, **ANN, **local)["changes"] == [
        {"path": "UserAccountControl.AccountDisabled", "op": "replace",
         "before": False, "after": True}]


def test_what_failed_changed_nothing() -> None:
    old_and_new = {"OldTargetUserName": "bob", "NewTargetUserName": "rob"}
    assert "changes" in event(4781, True, **ANN, **old_and_new)
    assert "changes" not in event(4781, False, **ANN, **old_and_new)


@pytest.mark.parametrize(
    ("operation", "verb", "change"),
    [
        ("%%1904", "create", {"path": "Run", "op": "add", "after": "b"}),
        ("%%1905", "update", {"path": "Run", "op": "replace", "before": "a", "after": "b"}),
        ("%%1906", "delete", {"path": "Run", "op": "remove", "before": "a"}),
    ],
)
def test_a_registry_value_is_created_changed_or_deleted(
    operation: str, verb: str, change: dict[str, str]
) -> None:
    found = event(4657, **ANN, ObjectName="\\REGISTRY\\MACHINE\\X", ObjectValueName="Run",
                  OperationType=operation, OldValue="a", NewValue="b")
    assert found["action"] == f"windows.registry_value.{verb}"
    assert found["changes"] == [change]


def test_a_member_is_the_first_name_of_its_distinguished_name() -> None:
    group = {"TargetUserName": "Admins", "MemberName": "CN=Smith\\, Ann,OU=X,DC=corp"}
    found = event(4728, **ANN, **group)
    assert found["targets"][1]["id"] == "Smith, Ann"
    assert found["changes"][0]["op"] == "add"
    assert event(4729, **ANN, **group)["changes"][0]["op"] == "remove"


def test_privileges_given_and_taken() -> None:
    given = event(4703, **ANN, TargetUserName="ann", EnabledPrivilegeList="SeDebugPrivilege",
                  DisabledPrivilegeList="-")
    taken = event(4703, **ANN, TargetUserName="ann", EnabledPrivilegeList="-",
                  DisabledPrivilegeList="SeDebugPrivilege")
    assert (given["action"], given["operation"]) == ("windows.token_privileges.enable", "grant")
    assert (taken["action"], taken["operation"]) == ("windows.token_privileges.disable", "revoke")


def test_who_is_not_named_is_guessed_and_said_so() -> None:
    found = event(4948, RuleId="{x}", RuleName="Allow")
    assert (found["actor"]["id"], found["flags"]) == ("SYSTEM", ["guessed"])
    named = event(4948, **ANN, RuleId="{x}", RuleName="Allow")
    assert (named["actor"]["id"], named["flags"]) == ("ann", [])


def test_what_the_system_does_itself_is_no_guess() -> None:
    assert event(4608)["flags"] == []


@pytest.mark.parametrize(
    ("event_id", "direction", "actor", "ip"),
    [(5156, "%%14592", "anonymous", "203.0.113.9"), (5156, "%%14593", "c:\\a.exe", "10.0.0.5"),
     (5152, "%%14592", "anonymous", "10.0.0.5")],
)
def test_connections_name_the_machine_first_and_packets_their_sender(
    event_id: int, direction: str, actor: str, ip: str
) -> None:
    found = event(event_id, event_id == 5156, Application="c:\\a.exe", Direction=direction,
                  SourceAddress="10.0.0.5", DestAddress="203.0.113.9")
    assert (found["actor"]["id"], found["origin"]["ip"]) == (actor, ip)


def test_the_id_is_computer_channel_record_and_time() -> None:
    assert event(4608)["id"] == "dc1.corp.example/Security/7/2026-03-03T09:14:07.5Z"


def test_an_event_of_no_catalogue_is_named_by_provider_and_id() -> None:
    document = {"@timestamp": "2026-03-03T09:14:07Z",
                "message": "It happened.\r\nMore.", "winlog": {
        "event_id": 77, "provider_name": "Contoso-Backup", "channel": "Application",
        "computer_name": "x", "user": {"name": "ann", "domain": "CORP"}}}
    found = json.loads(parse_one("winlogbeat", json.dumps(document).encode()).content)
    assert found["action"] == "windows.contoso_backup.event_77"
    assert (found["operation"], found["data"]["message"]) == ("other", "It happened.")
    del document["winlog"]["user"]  # type: ignore[attr-defined]
    unread = parse_one("winlogbeat", json.dumps(document).encode())
    assert unread.kind == "unparsed"
    assert json.loads(unread.content)["data"]["vendor_action"] == "77"


def test_messages_of_windows_are_written_out_and_unknown_ones_kept() -> None:
    assert rendered("%%1842 %%99999") == "Yes %%99999"
    assert listed("SeA\r\n\t\t\tSeB") == ("SeA", "SeB")
    assert listed("%%8448, %%8451") == ("Success removed", "Failure added")


def test_a_task_says_what_it_runs() -> None:
    content = "<Task><Command>cmd.exe</Command><Arguments>/c x</Arguments></Task>"
    data = event(4698, **ANN, TaskName="\\T", TaskContent=content)["data"]
    assert (data["task_command"], data["task_arguments"]) == ("cmd.exe", "/c x")


def test_operations_of_rows_are_classes() -> None:
    row = row_of("MICROSOFT-WINDOWS-SECURITY-AUDITING", 4720)
    assert row is not None
    assert row.operation is Operation.CREATE
    assert row_of("Microsoft-Windows-Sysmon", 4720) is None
