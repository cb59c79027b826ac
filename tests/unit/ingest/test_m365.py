"""The parser of Microsoft 365's unified audit log on small records that show one rule each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.ingest.parsers.contract import Given, NotUnderstood
from indelible.ingest.parsers.finish import parse_message, understand
from indelible.ingest.parsers.m365 import PARSER
from indelible.ingest.parsers.m365_actions import operation_action, service_of

GIVEN = Given(now_us=0)


def event(**members: Any) -> dict[str, Any]:
    record = {
        "CreationTime": "2026-02-10T15:13:13", "Id": "r1", "Operation": "FileAccessed",
        "RecordType": 6, "UserType": 0, "UserId": "alex@x.example", "Workload": "SharePoint",
        **members,
    }
    parsed = parse_message(PARSER, json.dumps(record).encode(), GIVEN)
    assert parsed.kind == "event", parsed.content
    found: dict[str, Any] = json.loads(parsed.content)
    found["flags"] = list(parsed.flags)
    return found


def test_a_sign_in_that_failed_for_no_account_is_nobodys() -> None:
    found = event(Operation="UserLoginFailed", UserId="Not Available", UserKey="Not Available",
                  ClientIP="192.0.2.7")
    assert found["actor"] == {"type": "anonymous", "id": "anonymous"}
    assert (found["outcome"], found["origin"]["ip"]) == ("failure", "192.0.2.7")


@pytest.mark.parametrize(
    "name", ["NT AUTHORITY\\eve", "sharepoint\\system", "S-1-5-18", "ServicePrincipal_x",
             "app@sharepoint", "urn:spo:guest#root@x.example", "urn:spo:anon#1", "anonymous"],
)
def test_a_name_that_a_sign_in_tried_is_a_claim_and_makes_nobody_the_system(name: str) -> None:
    found = event(Operation="UserLoginFailed", UserId=name, UserKey=name,
                  Actor=[{"ID": name, "Type": 5}])
    assert found["actor"] == {"type": "user", "id": name}


def test_a_time_without_a_zone_is_utc_by_the_schema_and_not_assumed() -> None:
    found = event()
    assert found["time"] == "2026-02-10T15:13:13Z"
    assert found["flags"] == []


@pytest.mark.parametrize(
    ("said", "ip"),
    [("203.0.113.1", "203.0.113.1"), ("203.0.113.1:5044", "203.0.113.1"),
     ("[2001:db8::1]:443", "2001:db8::1"), ("2001:db8::1", "2001:db8::1"), ("::ffff:10.1.2.3",
     "::ffff:10.1.2.3"), ("", None), ("<null>", None), (None, None), ("0.0.0.0", None)],
)
def test_addresses_come_in_many_forms(said: Any, ip: str | None) -> None:
    assert event(ClientIP=said).get("origin", {}).get("ip") == ip


@pytest.mark.parametrize(
    ("members", "actor"),
    [
        ({}, {"type": "user", "id": "alex@x.example"}),
        ({"UserType": 2}, {"type": "user", "id": "alex@x.example"}),
        ({"UserId": "NT AUTHORITY\\SYSTEM (w3wp)", "UserType": 3},
         {"type": "system", "id": "NT AUTHORITY\\SYSTEM (w3wp)"}),
        ({"UserId": "SHAREPOINT\\system"}, {"type": "system", "id": "SHAREPOINT\\system"}),
        ({"UserId": "S-1-5-21-1-2-3", "LogonUserDisplayName": "Bo"},
         {"type": "user", "id": "S-1-5-21-1-2-3", "name": "Bo"}),
        ({"UserId": "ServicePrincipal_p1", "UserType": 4}, {"type": "service", "id": "p1"}),
        ({"UserId": "app@sharepoint"}, {"type": "service", "id": "app@sharepoint"}),
        ({"UserId": "urn:spo:guest#bo@y.example"}, {"type": "user", "id": "bo@y.example"}),
        ({"UserId": "anonymous"}, {"type": "anonymous", "id": "anonymous"}),
        ({"UserId": "DlpAgent", "UserType": "System"}, {"type": "system", "id": "DlpAgent"}),
        ({"UserType": 5, "AppId": "a1"}, {"type": "service", "id": "a1", "on_behalf_of": [
            {"type": "user", "id": "alex@x.example"}]}),
        ({"UserType": 5}, {"type": "user", "id": "alex@x.example"}),
        ({"UserId": "", "UserKey": "k1"}, {"type": "user", "id": "k1"}),
    ],
)
def test_who_acted(members: dict[str, Any], actor: dict[str, Any]) -> None:
    assert event(**members)["actor"] == actor


@pytest.mark.parametrize(
    ("members", "outcome"),
    [
        ({}, None), ({"ResultStatus": "Succeeded"}, "success"), ({"ResultStatus": "True"},
         "success"), ({"ResultStatus": "PartiallySucceeded"}, "success"),
        ({"ResultStatus": "False"}, "failure"), ({"ResultStatus": True}, "success"),
        ({"ResultStatus": "Strange"}, None), ({"ResultStatus": 7}, None),
        ({"Operation": "UserLoggedIn", "ResultStatus": "Success"}, "success"),
        ({"Operation": "UserLoginFailed", "ResultStatus": "Success"}, "failure"),
        ({"Operation": "UserLoginFailed",
          "LogonError": "UserStrongAuthClientAuthNRequiredInterrupt"}, "unknown"),
        ({"Operation": "UserLoginFailed", "ErrorCode": "53003"}, "denied"),
        ({"Operation": "UnmanagedSyncClientBlocked"}, "denied"),
    ],
)
def test_how_it_ended(members: dict[str, Any], outcome: str | None) -> None:
    assert event(**members).get("outcome") == outcome


@pytest.mark.parametrize(
    ("service", "name", "action", "operation"),
    [
        ("exchange", "Set-Mailbox", "exchange.mailbox.update", "update"),
        ("exchange", "Add-MailboxPermission", "exchange.mailbox_permission.add", "grant"),
        ("exchange", "Remove-RoleGroupMember", "exchange.role_group_member.remove", "revoke"),
        ("exchange", "Remove-InboxRule", "exchange.inbox_rule.delete", "delete"),
        ("exchange", "New-MailboxExportRequest", "exchange.mailbox_export_request.create",
         "export"),
        ("exchange", "Set-AdminAuditLogConfig", "exchange.admin_audit_log_config.update",
         "configure"),
        ("sharepoint", "FileRenamed", "sharepoint.file.rename", "update"),
        ("sharepoint", "FileRecycled", "sharepoint.file.recycle", "delete"),
        ("sharepoint", "ListItemUpdated", "sharepoint.list_item.update", "update"),
        ("powerbi", "ViewReport", "powerbi.report.view", "read"),
        ("yammer", "GroupCreation", "yammer.group.create", "create"),
        ("entra", "Add member to role.", "entra.role_member.add", "grant"),
        ("dynamics", "CrmDefaultActivity", "dynamics.crm_default_activity.occur", "other"),
        ("m365", "-", "m365.record.occur", "other"),
    ],
)
def test_operations_become_actions(
    service: str, name: str, action: str, operation: str
) -> None:
    found = operation_action(service, name)
    assert (found.action, found.operation.value) == (action, operation)


def test_the_record_type_stands_in_for_a_workload() -> None:
    assert service_of("", "15") == "entra"
    assert service_of("", "ExchangeAdmin") == "exchange"
    assert service_of("NewThing", "999") == "new_thing"
    assert service_of("", "999") == "m365"


def test_parameters_of_a_cmdlet_are_new_values_but_not_those_that_name_things() -> None:
    parameters = [{"Name": name, "Value": "v"} for name in ("Identity", "Force", "ForwardTo")]
    members = {"Workload": "Exchange", "ResultStatus": "True", "Parameters": parameters}
    assert event(Operation="Set-Mailbox", **members)["changes"] == [
        {"path": "ForwardTo", "after": "v"}
    ]
    assert "changes" not in event(Operation="Get-Mailbox", **members)
    assert "changes" not in event(Operation="Set-Mailbox", **{**members, "ResultStatus": "False"})


def test_the_record_is_found_in_an_exports_row() -> None:
    inner = {"Operation": "FileAccessed", "UserId": "a@x.example", "RecordType": 6, "Id": "r9"}
    for row in ({"AuditData": json.dumps(inner)}, {"auditData": inner}):
        assert understand(PARSER, row, GIVEN).event.id == "r9"


def test_lower_case_names_are_the_same_names() -> None:
    row = {"operation": "Set-Mailbox", "userid": "a@x.example", "workload": "Exchange",
           "objectid": "x/y/megan", "clientip": "203.0.113.1:1"}
    found = understand(PARSER, row, GIVEN).event
    assert found.origin.ip == "203.0.113.1"  # type: ignore[union-attr]
    assert [one.id for one in found.targets] == ["megan"]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("record", "code"),
    [({}, "missing_field"), ({"Operation": 5}, "missing_field"), ({"AuditData": "[1]"},
     "missing_field"), ({"Operation": "FileAccessed", "UserId": "Not Available"}, "missing_actor"),
     ({"Operation": "FileAccessed", "UserId": {"a": 1}, "Actor": "x"}, "missing_actor")],
)
def test_it_says_what_it_cannot_read(record: dict[str, Any], code: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        understand(PARSER, record, GIVEN)
    assert caught.value.code == code


def test_it_leaves_other_formats_alone() -> None:
    for record in ({}, {"Operation": "x"}, {"AuditData": "{}"}, {"operation": {"id": "x"}}):
        assert PARSER.recognise(record, GIVEN) == ""


@pytest.mark.parametrize("kind", [11, 13, 33, "ComplianceDLPExchange"])
def test_what_a_rule_against_data_loss_found_is_the_same_action_wherever_it_was(kind: Any) -> None:
    rules = [{"PolicyName": "cards", "Rules": [{"RuleId": "r1", "RuleName": "many"}]}]
    found = event(RecordType=kind, Workload="Exchange", Operation="DlpRuleMatch", UserType=4,
                  UserId="DlpAgent", PolicyDetails=rules,
                  ExchangeMetaData={"MessageID": "<m@x.example>", "Subject": "s"})
    assert found["action"] == "compliance.dlp_rule.match"
    assert [one["id"] for one in found["targets"]] == ["<m@x.example>", "r1"]
