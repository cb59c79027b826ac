"""The parser of Google Workspace activities on small items that show one rule each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.ingest.parsers.contract import Given, NotUnderstood
from indelible.ingest.parsers.finish import parse_message, understand
from indelible.ingest.parsers.google_workspace import PARSER
from indelible.ingest.parsers.google_workspace_actions import activity_action

GIVEN = Given(now_us=0)
ANN = {"callerType": "USER", "email": "ann@x.example", "profileId": "11"}


def item(app: str, *events: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "kind": "admin#reports#activity", "actor": ANN, "events": list(events),
        "id": {"time": "2026-03-01T08:30:00Z", "uniqueQualifier": "-6", "applicationName": app,
               "customerId": "C1"}, **members,
    }


def event(app: str, *events: dict[str, Any], **members: Any) -> dict[str, Any]:
    parsed = parse_message(PARSER, json.dumps(item(app, *events, **members)).encode(), GIVEN)
    assert parsed.kind == "event", parsed.content
    found: dict[str, Any] = json.loads(parsed.content)
    return found


def named(name: str, **values: Any) -> dict[str, Any]:
    members = {bool: "boolValue", int: "intValue", list: "multiValue", str: "value"}
    return {"name": name, "type": "t", "parameters": [
        {"name": key, members[type(value)]: value} for key, value in values.items()
    ]}


@pytest.mark.parametrize(
    ("actor", "wanted"),
    [
        (ANN, {"type": "user", "id": "ann@x.example"}),
        ({"callerType": "KEY", "key": "SYSTEM"}, {"type": "system", "id": "SYSTEM"}),
        ({"callerType": "KEY", "key": "robot"}, {"type": "service", "id": "robot"}),
        ({"profileId": "105250506097979753968"}, {"type": "anonymous", "id": "anonymous"}),
        ({"profileId": 42}, {"type": "user", "id": "42"}),
        ({"callerType": "APPLICATION", "applicationInfo": {"applicationName": "A"}},
         {"type": "service", "id": "A"}),
        ({**ANN, "applicationInfo": {"oauthClientId": "c1", "applicationName": "A",
                                     "impersonation": True}},
         {"type": "service", "id": "c1", "name": "A",
          "on_behalf_of": [{"type": "user", "id": "ann@x.example"}]}),
        ({**ANN, "applicationInfo": {"oauthClientId": "c1", "impersonation": False}},
         {"type": "user", "id": "ann@x.example"}),
    ],
)
def test_who_acted(actor: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert event("drive", named("view"), actor=actor)["actor"] == wanted


def test_most_activities_say_nothing_of_their_outcome() -> None:
    assert "outcome" not in event("admin", named("CREATE_USER"))
    assert event("login", named("login_success"))["outcome"] == "success"
    failed = event("login", named("login_failure", login_failure_type="login_failure_unknown"))
    assert failed["outcome"] == "failure"
    assert failed["reason"] == {"code": "login_failure_unknown"}


@pytest.mark.parametrize(
    ("values", "mfa"),
    [({"login_challenge_method": ["password"]}, False),
     ({"login_challenge_method": ["password", "google_prompt"]}, True),
     ({"login_challenge_method": "backup_code"}, True), ({"is_second_factor": True}, True), ({},
     None)],
)
def test_a_second_factor_is_one_of_the_challenges(values: Any, mfa: bool | None) -> None:
    found = event("login", named("login_success", login_type="google_password", **values))
    assert found["actor"]["auth"].get("mfa") is mfa


@pytest.mark.parametrize("primary", [False, True])
def test_no_read_hides_a_right_that_was_given(primary: bool) -> None:
    look = named("view", primary_event=True) if primary else named("view")
    given = named("change_user_access", target_user="eve@y.example", new_value=["can_edit"])
    for events in ([look, given], [given, look]):
        found = event("drive", *events)
        assert found["operation"] == "grant"
        assert found["data"]["other_events"] == ["view"]


def test_of_several_events_the_primary_one_counts_else_the_gravest() -> None:
    first, second = named("view", primary_event=False), named("download", primary_event=True)
    found = event("drive", first, second)
    assert found["action"] == "workspace.drive_item.download"
    assert found["data"]["other_events"] == ["view"]
    assert event("admin", named("CREATE_USER"), named("CHANGE_PASSWORD"))["action"] == (
        "workspace.user.create"
    )


@pytest.mark.parametrize(
    ("name", "values", "operation"),
    [
        ("change_user_access", {"new_value": ["can_edit"]}, "grant"),
        ("change_user_access", {"new_value": ["none"]}, "revoke"),
        ("change_document_visibility", {"visibility_change": "external"}, "grant"),
        ("change_document_visibility", {"visibility_change": "internal"}, "revoke"),
        ("shared_drive_membership_change", {"membership_change_type": "remove_from_shared_drive"},
         "revoke"),
        ("trash", {}, "delete"), ("download", {}, "read"),
    ],
)
def test_sharing_is_a_grant_and_its_end_a_revoke(name: str, values: Any, operation: str) -> None:
    assert event("drive", named(name, **values))["operation"] == operation


@pytest.mark.parametrize(
    ("app", "name", "action", "operation"),
    [
        ("admin", "CREATE_USER", "workspace.user.create", "create"),
        ("admin", "SUSPEND_USER", "workspace.user.suspend", "revoke"),
        ("admin", "TOGGLE_SERVICE_ENABLED", "workspace.service_enabled.toggle", "configure"),
        ("admin", "CHANGE_GMAIL_SETTING", "workspace.gmail_setting.change", "configure"),
        ("admin", "ALERT_STATUS_CHANGED", "workspace.alert_status.change", "update"),
        ("admin", "REMOVE_ORG_UNIT", "workspace.org_unit.remove", "delete"),
        ("user_accounts", "2sv_disable", "workspace.2sv.disable", "configure"),
        ("groups", "create_group", "workspace.group.create", "create"),
        ("meet", "call_ended", "workspace.meet_call_ended.occur", "other"),
        ("", "", "workspace.activity.occur", "other"),
    ],
)
def test_names_become_actions(app: str, name: str, action: str, operation: str) -> None:
    found = activity_action(app, name)
    assert (found.action, found.operation.value) == (action, operation)


def test_parameters_have_their_value_in_several_members() -> None:
    message = {"name": "m", "messageValue": {"parameter": [{"name": "a", "value": "1"}]}}
    one = named("access", text="x", flag=True, number=7, several=["a", "b"])
    one["parameters"] += [message, {"name": "nothing"}, {"value": "nameless"}, "no object"]
    found = event("keep", one)["data"]["parameters"]
    assert found == {"text": "x", "flag": True, "number": 7, "several": ["a", "b"]}


def test_google_disables_an_account_that_is_listed_as_disabling_itself() -> None:
    found = event("login", named("account_disabled_hijacked", affected_email_address=ANN["email"]))
    assert found["actor"] == {"type": "system", "id": "Google"}
    assert [one["id"] for one in found["targets"]] == [ANN["email"]]
    assert found["data"]["guessed"] == ["actor"]
    found = event("login", named("account_disabled_generic", affected_email_address="b@x.example"))
    assert found["actor"]["id"] == ANN["email"]


@pytest.mark.parametrize(
    "name", ["suspicious_login", "suspicious_login_less_secure_app", "gov_attack_warning",
             "suspicious_programmatic_login", "account_disabled_password_leak",
             "user_signed_out_due_to_suspicious_session_cookie"],
)
def test_whoever_google_warns_of_did_nothing(name: str) -> None:
    for told in ({"affected_email_address": ANN["email"]}, {}):
        found = event("login", named(name, **told))
        assert found["actor"] == {"type": "system", "id": "Google"}
        assert found["targets"] == [{"type": "workspace_user", "id": ANN["email"]}]
        assert found["data"]["guessed"] == ["actor"]
    alone = event("login", named(name), actor={})
    assert alone["actor"]["id"] == "Google"
    assert "targets" not in alone


def test_a_sensitive_action_is_the_doing_of_the_account_that_google_warns_of() -> None:
    for name in ("risky_sensitive_action_allowed", "risky_sensitive_action_blocked"):
        found = event("login", named(name, affected_email_address=ANN["email"]))
        assert found["actor"] == {"type": "user", "id": ANN["email"]}


def test_an_id_needs_application_time_and_qualifier() -> None:
    assert event("login", named("logout"))["id"] == "C1/login/2026-03-01T08:30:00Z/-6"
    for absent in ("applicationName", "time", "uniqueQualifier"):
        ident = {**item("login")["id"], absent: None}
        assert "id" not in event("login", named("logout"), id=ident)


def test_old_and_new_values_are_changes_under_the_name_of_what_they_are() -> None:
    found = event("admin", named("MOVE_USER_TO_ORG_UNIT", ORG_UNIT_NAME="/a", NEW_VALUE="/b"))
    assert found["changes"] == [{"path": "org_unit", "op": "replace", "before": "/a",
                                 "after": "/b"}]
    found = event("drive", named("rename", old_value="a", new_value="b", doc_id="d"))
    assert found["changes"] == [{"path": "title", "op": "replace", "before": "a", "after": "b"}]


@pytest.mark.parametrize(
    ("record", "code"),
    [({}, "missing_field"), ({"events": "x"}, "missing_field"), ({"events": [{"name": 1}]},
     "missing_field"), ({"events": [{"name": "view"}]}, "missing_actor")],
)
def test_it_says_what_it_cannot_read(record: dict[str, Any], code: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        understand(PARSER, record, GIVEN)
    assert caught.value.code == code


def test_it_leaves_other_formats_alone() -> None:
    for record in ({}, {"kind": "Event"}, {"events": [], "id": "x"}, {"kind": 5, "id": {}}):
        assert PARSER.recognise(record, GIVEN) == ""


def test_whom_meet_does_not_know_is_anonymous_and_the_parameter_has_the_address() -> None:
    stranger = {"callerType": "KEY", "key": "HANGOUTS_EXTERNAL_OR_ANONYMOUS"}
    found = event("meet", named("call_ended", ip_address="192.0.2.88"), actor=stranger)
    assert found["actor"] == {"type": "anonymous", "id": "anonymous"}
    assert found["origin"]["ip"] == "192.0.2.88"
    other = event("drive", named("view", ip_address="192.0.2.88"))
    assert "ip" not in other.get("origin", {})
