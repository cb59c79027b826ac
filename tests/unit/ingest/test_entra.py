"""The parser of Microsoft Entra ID on small records that show one rule each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.ingest.parsers.contract import Given, NotUnderstood
from indelible.ingest.parsers.entra import PARSER
from indelible.ingest.parsers.entra_actions import activity_action
from indelible.ingest.parsers.entra_errors import ENDINGS, ending
from indelible.ingest.parsers.finish import parse_message, understand

GIVEN = Given(now_us=0)
SIGN_IN: dict[str, Any] = {
    "id": "s1", "createdDateTime": "2026-05-12T16:03:35Z", "userPrincipalName": "ann@x.example",
    "status": {"errorCode": 0}, "ipAddress": "203.0.113.9", "appId": "a1",
}
AUDIT: dict[str, Any] = {
    "id": "a1", "activityDateTime": "2026-05-12T16:11:44Z", "activityDisplayName": "Update user",
    "initiatedBy": {"user": {"userPrincipalName": "ann@x.example"}}, "result": "success",
    "targetResources": [],
}


def event(record: dict[str, Any]) -> dict[str, Any]:
    parsed = parse_message(PARSER, json.dumps(record).encode(), GIVEN)
    assert parsed.kind == "event", parsed.content
    found: dict[str, Any] = json.loads(parsed.content)
    return found


def sign_in(**members: Any) -> dict[str, Any]:
    return event({**SIGN_IN, **members})


def audit(**members: Any) -> dict[str, Any]:
    return event({**AUDIT, **members})


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("0", "success"), ("50126", "failure"), ("50053", "failure"), ("53003", "denied"),
     ("50105", "denied"), ("50076", "unknown"), ("50140", "unknown"), ("65001", "unknown"),
     ("500121", "failure"), ("424242", "failure")],
)
def test_a_sign_in_ends_as_its_code_says(code: str, outcome: str) -> None:
    found = sign_in(status={"errorCode": int(code)})
    assert found["outcome"] == outcome
    assert found.get("reason", {}).get("code") == (None if code == "0" else code)


def test_the_records_own_words_go_before_the_tables() -> None:
    assert sign_in(status={"errorCode": 50126, "failureReason": "own words"})["reason"]["text"] == (
        "own words"
    )
    assert sign_in(status={"errorCode": 50126, "failureReason": "Other."})["reason"]["text"] == (
        ENDINGS["50126"].text
    )


def test_a_record_without_code_tells_of_no_end() -> None:
    assert "outcome" not in sign_in(status={})
    assert "outcome" not in sign_in(status=None)


def test_the_code_may_stand_at_the_top_of_an_azure_monitor_record() -> None:
    properties = {**SIGN_IN, "status": None}
    found = event({"category": "SignInLogs", "resultType": "50126", "properties": properties})
    assert (found["outcome"], found["reason"]["code"]) == ("failure", "50126")


def test_a_second_factor_counts_only_where_the_sign_in_succeeded() -> None:
    needed = {"authenticationRequirement": "multiFactorAuthentication"}
    assert sign_in(**needed)["actor"]["auth"]["mfa"] is True
    assert "auth" not in sign_in(**needed, status={"errorCode": 50074})["actor"]


def test_lists_and_objects_are_read_where_a_collector_put_them_into_texts() -> None:
    found = sign_in(
        status='{"errorCode": 53003}', deviceDetail='{"displayName": "PC-1"}',
        authenticationDetails='[{"authenticationMethod": "Password", "succeeded": true}]',
    )
    assert found["outcome"] == "denied"
    assert found["origin"]["device"] == "PC-1"
    assert found["actor"]["auth"]["method"] == "Password"


def test_an_unspecified_address_is_nobodys() -> None:
    by = {"user": {"userPrincipalName": "ann@x.example", "ipAddress": "0.0.0.0"}}
    assert "origin" not in audit(initiatedBy=by)


@pytest.mark.parametrize(
    ("by", "actor"),
    [
        ({"user": {"id": "u1", "displayName": "Ann"}}, {"type": "user", "id": "u1", "name": "Ann"}),
        ({"app": {"displayName": "Sync", "appId": None}}, {"type": "service", "id": "Sync"}),
        ({"app": {"displayName": "Sync", "servicePrincipalId": "p1"}},
         {"type": "service", "id": "p1", "name": "Sync"}),
        ({"user": {"userPrincipalName": "a@x.example"}, "app": {"appId": "p1"}},
         {"type": "user", "id": "a@x.example"}),
    ],
)
def test_the_initiator_is_a_person_or_a_service(by: Any, actor: Any) -> None:
    assert audit(initiatedBy=by)["actor"] == actor


def test_an_agent_that_signs_in_is_an_agent() -> None:
    found = sign_in(userPrincipalName="", servicePrincipalId="p1", servicePrincipalName="helper",
                    agent={"agentType": "agenticApp"})
    assert found["actor"] == {"type": "agent", "id": "p1", "name": "helper"}


def changed(old: Any, new: Any) -> list[dict[str, Any]]:
    one = {"displayName": "P", "oldValue": old, "newValue": new}
    found: list[dict[str, Any]] = audit(
        targetResources=[{"id": "t", "type": "User", "modifiedProperties": [one]}]
    ).get("changes", [])
    return found


def test_values_within_texts_are_opened() -> None:
    assert changed('["a"]', '["b"]') == [
        {"path": "P", "op": "replace", "before": "a", "after": "b"}
    ]
    assert changed(None, '"x"') == [{"path": "P", "op": "add", "after": "x"}]
    assert changed("[]", '["a","b"]') == [{"path": "P", "op": "add", "after": ["a", "b"]}]
    assert changed('["a"]', None) == [{"path": "P", "op": "remove", "before": "a"}]
    assert changed("plain", "[broken") == [
        {"path": "P", "op": "replace", "before": "plain", "after": "[broken"}
    ]


def test_what_did_not_change_is_no_change() -> None:
    assert changed('["a"]', '["a"]') == []
    assert changed(None, None) == []
    assert changed("[]", '""') == []


def test_a_value_that_nests_too_deep_is_left_to_raw() -> None:
    assert changed(None, "[" * 40 + "]" * 40) == []


def test_a_failed_activity_changed_nothing() -> None:
    properties = [{"displayName": "P", "oldValue": '"a"', "newValue": '"b"'}]
    resources = [{"id": "t", "type": "User", "modifiedProperties": properties}]
    assert "changes" not in audit(result="failure", targetResources=resources)


@pytest.mark.parametrize(
    ("phrase", "action", "operation"),
    [
        ("Add user", "entra.user.create", "create"),
        ("Add user.", "entra.user.create", "create"),
        ("Hard Delete group", "entra.group.purge", "delete"),
        ("Add owner to application", "entra.application_owner.add", "grant"),
        ("Remove member from administrative unit", "entra.administrative_unit_member.remove",
         "revoke"),
        ("Add eligible member to role in PIM requested (renew)",
         "entra.eligible_role_member.request_add", "other"),
        ("Remove member from role (PIM activation expired)", "entra.role_member.expire", "revoke"),
        ("Add member to role request denied (PIM activation)", "entra.role_member.deny_activate",
         "approve"),
        ("Authentication Strength Policy Create", "entra.authentication_strength_policy.create",
         "create"),
        ("Group_AddMember", "entra.group_member.add", "grant"),
        ("Bulk create users - finished (bulk)", "entra.user.create", "create"),
        ("Quarantine", "entra.quarantine.occur", "other"),
        ("", "entra.activity.occur", "other"),
    ],
)
def test_phrases_become_actions(phrase: str, action: str, operation: str) -> None:
    found = activity_action(phrase)
    assert (found.action, found.operation.value) == (action, operation)


def test_the_operation_type_helps_where_a_phrase_says_nothing() -> None:
    assert activity_action("Quarantine", "Unassign").operation.value == "revoke"


def test_every_code_of_the_table_says_something() -> None:
    assert [code for code, row in ENDINGS.items() if not row.name] == ["50129"]
    for code, row in ENDINGS.items():
        assert code.isdigit()
        assert row.text
        outcome, why = ending(code)
        assert (outcome, why.code, why.text) == (row.outcome, code, row.text)
        assert not row.name or ending("", row.name)[0] is row.outcome


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({}, "not_this_format"),
        ({"category": "RiskyUsers", "properties": {"id": "x"}}, "not_this_format"),
        ({"category": "SignInLogs", "properties": {"createdDateTime": "x"}}, "missing_actor"),
        ({"category": "AuditLogs", "properties": {"id": "x"}}, "missing_field"),
        ({**SIGN_IN, "userPrincipalName": ["ann"]}, "missing_actor"),
    ],
)
def test_it_says_what_it_cannot_read(record: dict[str, Any], code: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        understand(PARSER, record, GIVEN)
    assert caught.value.code == code


def test_it_leaves_other_formats_alone() -> None:
    for record in ({}, {"category": "Administrative", "properties": {}}, {"category": 1},
                   {"category": "AuditEvent", "properties": {}}, {"status": {}, "ipAddress": ""}):
        assert PARSER.recognise(record, GIVEN) == ""


def test_address_ticket_and_justification_of_a_role_request_stand_among_the_details() -> None:
    said = {"Justification": "on call", "ipaddr": "192.0.2.8", "TicketNumber": "INC-1"}
    details = [{"key": key, "value": value} for key, value in said.items()]
    by = {"user": {"userPrincipalName": "ann@x.example", "ipAddress": None}}
    found = audit(additionalDetails=details, initiatedBy=by)
    assert found["origin"]["ip"] == "192.0.2.8"
    assert found["why"] == {"ticket": "INC-1", "justification": "on call"}
    empty = [{"key": "TicketNumber", "value": ""}]
    assert "why" not in audit(additionalDetails=empty)
