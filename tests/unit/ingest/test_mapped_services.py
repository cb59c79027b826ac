"""What the mappings of wave 2 claim beyond their labelled messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import parser_named, recognised

GIVEN = Given(now_us=1_780_272_000_000_000)


def event(parser: str, message: dict[str, Any]) -> dict[str, Any]:
    found = parse_message(parser_named(parser), json.dumps(message).encode(), GIVEN)
    assert found.kind == "event", found.content
    return dict(json.loads(found.content))


def taken_by(message: dict[str, Any]) -> str:
    found = recognised(message, GIVEN)
    return found[0].name if found else ""


GITLAB = {
    "author_id": 42, "author_name": "Ann Lee", "entity_id": 7, "entity_type": "User",
    "created_at": "2026-03-03T09:14:07Z", "details": {},
}


def test_gitlab_takes_the_name_that_a_failed_sign_in_claims_for_its_actor() -> None:
    failed = event("gitlab", {
        **GITLAB, "author_id": -1, "details": {"failed_login": "STANDARD", "author_name": "root"},
        "author_name": "root",
    })
    assert failed["actor"] == {"type": "user", "id": "root"}
    assert failed["outcome"] == "failure"


def test_gitlab_says_no_outcome_of_what_does_not_tell_one() -> None:
    assert "outcome" not in event("gitlab", {**GITLAB, "event_type": "user_created"})


def test_gitlab_takes_the_target_out_of_the_details_where_it_stands_nowhere_else() -> None:
    details = {"target_type": "Ci::Variable", "target_id": 9, "target_details": "TOKEN"}
    found = event("gitlab", {**GITLAB, "event_type": "x_created", "details": details})
    assert found["targets"] == [{"type": "variable", "id": "9", "name": "TOKEN"}]


def test_gitlab_is_not_whatever_has_an_author() -> None:
    assert taken_by(GITLAB) == "gitlab"
    for name in ("author_id", "entity_id", "entity_type", "details", "created_at"):
        assert taken_by({**GITLAB, name: None}) != "gitlab", name


DATABRICKS = {
    "timestamp": 1772529247123, "serviceName": "jobs", "actionName": "runNow",
    "userIdentity": {"email": "ann@example.org"}, "requestParams": {"job_id": "9"},
    "response": {"statusCode": 200},
}


def test_databricks_puts_who_started_a_run_behind_who_it_runs_as() -> None:
    as_other = {"runAs": "robot@example.org", "runBy": "ann@example.org"}
    actor = event("databricks", {**DATABRICKS, "identityMetadata": as_other})["actor"]
    assert actor["id"] == "robot@example.org"
    assert [one["id"] for one in actor["on_behalf_of"]] == ["ann@example.org"]
    as_self = {"runAs": "ann@example.org", "runBy": "ann@example.org"}
    alone = event("databricks", {**DATABRICKS, "identityMetadata": as_self})["actor"]
    assert "on_behalf_of" not in alone


def test_databricks_takes_a_user_in_the_parameters_for_the_actor_of_sign_ins_only() -> None:
    base = {**DATABRICKS, "userIdentity": None, "sourceIPAddress": "2001:db8::1",
            "requestParams": {"user": "ann@example.org", "recipient_name": "acme"}}
    actors = {
        name: event("databricks", {**base, "actionName": name})["actor"]
        for name in ("samlLogin", "resetPassword", "delete", "deltaSharingListShares",
                     "deleteRecipient")
    }
    assert {name: actor["id"] for name, actor in actors.items()} == {
        "samlLogin": "ann@example.org", "resetPassword": "anonymous", "delete": "anonymous",
        "deltaSharingListShares": "acme", "deleteRecipient": "anonymous",
    }


def test_databricks_says_denied_and_failed_apart() -> None:
    outcomes = [
        event("databricks", {**DATABRICKS, "response": {"statusCode": code}})["outcome"]
        for code in (200, 403, 404)
    ]
    assert outcomes == ["success", "denied", "failure"]


def test_databricks_names_what_an_access_list_belongs_to() -> None:
    acl = {"targetUserId": "9", "resourceId": "0303-1"}
    found = event("databricks", {
        **DATABRICKS, "actionName": "changeClusterAcl", "requestParams": acl})
    assert (found["action"], found["operation"]) == ("databricks.acl.change", "grant")
    assert found["targets"] == [{"type": "user", "id": "9"}, {"type": "cluster", "id": "0303-1"}]


def test_databricks_is_not_whatever_has_a_service() -> None:
    assert taken_by(DATABRICKS) == "databricks"
    assert taken_by({"serviceName": "jobs", "actionName": "run", "at": 1}) != "databricks"


SNOWFLAKE = {
    "QUERY_ID": "01b2", "QUERY_TEXT": "drop table t", "QUERY_TYPE": "DROP_TABLE",
    "USER_NAME": "ANN", "EXECUTION_STATUS": "FAIL", "ERROR_CODE": "002003",
}


def test_snowflake_tells_a_refusal_by_its_code() -> None:
    assert event("snowflake", SNOWFLAKE)["outcome"] == "failure"
    assert event("snowflake", {**SNOWFLAKE, "ERROR_CODE": "003001"})["outcome"] == "denied"


@pytest.mark.parametrize(
    ("kind", "action", "operation"),
    [
        ("CREATE_NETWORK_POLICY", "network_policy.create", "configure"),
        ("ALTER_NETWORK_POLICY", "network_policy.alter", "configure"),
        ("DROP_NETWORK_POLICY", "network_policy.drop", "configure"),
        ("DROP_STORAGE_LIFECYCLE_POLICY", "policy.drop", "configure"),
        ("CREATE_SECURITY_INTEGRATION", "security_integration.create", "configure"),
        ("CREATE_ROLE", "role.create", "grant"),
        ("ALTER_USER_ADD_ROLE", "user_role.add", "grant"),
        ("DROP_ROLE", "role.drop", "revoke"),
        ("CREATE_USER", "user.create", "create"),
        ("UNKNOWN", "statement.execute", "execute"),
    ],
)
def test_snowflake_configures_and_gives_rights_by_what_a_statement_concerns(
    kind: str, action: str, operation: str
) -> None:
    found = event("snowflake", {**SNOWFLAKE, "QUERY_TYPE": kind})
    assert (found["action"], found["operation"]) == (f"snowflake.{action}", operation)


def test_snowflake_keeps_a_query_and_its_access_apart_by_id_and_together_by_request() -> None:
    access = event("snowflake", {
        "QUERY_ID": "01b2", "QUERY_START_TIME": "2026-03-03T09:14:07Z", "USER_NAME": "ANN",
        "DIRECT_OBJECTS_ACCESSED": [{"objectDomain": "Table", "objectName": "A.B.C"}],
    })
    query = event("snowflake", SNOWFLAKE)
    assert access["id"] != query["id"]
    assert access["origin"]["request_id"] == query["origin"]["request_id"] == "01b2"


SNOWFLAKE_LOGIN = {
    "EVENT_ID": "1", "EVENT_TIMESTAMP": "2026-03-03T09:14:07Z", "EVENT_TYPE": "LOGIN",
    "IS_SUCCESS": "NO",
}
GITLAB_LOGIN = {**GITLAB, "author_id": -1, "details": {"failed_login": "STANDARD"}}


def atlassian_login(**actor: str) -> dict[str, Any]:
    facts = {"time": "2026-03-03T09:14:07Z", "action": "user_login_failed", "actor": actor}
    return {"id": "x", "type": "events", "attributes": facts}


LONG = "A" * 2000


@pytest.mark.parametrize(
    ("parser", "record"),
    [
        ("snowflake", {**SNOWFLAKE_LOGIN, "USER_NAME": LONG}),
        ("gitlab", {**GITLAB_LOGIN, "author_name": LONG}),
        ("atlassian", atlassian_login(email=LONG)),
        ("duo", {"txid": "t", "event_type": "authentication", "result": "denied",
                 "isotimestamp": "2026-03-03T09:14:07Z", "user": {"name": LONG}}),
    ],
)
def test_a_failed_sign_in_is_kept_whatever_name_was_tried(
    parser: str, record: dict[str, Any]
) -> None:
    found = event(parser, record)
    assert (found["actor"]["type"], found["operation"]) == ("user", "login")
    assert found["actor"]["id"].startswith("AAAA")


@pytest.mark.parametrize(
    ("parser", "record"),
    [
        ("snowflake", SNOWFLAKE_LOGIN),
        ("gitlab", {**GITLAB_LOGIN, "author_name": None}),
        ("atlassian", atlassian_login()),
    ],
)
def test_a_sign_in_that_names_nobody_is_kept(parser: str, record: dict[str, Any]) -> None:
    assert event(parser, record)["actor"] == {"type": "anonymous", "id": "anonymous"}


def test_snowflake_takes_no_address_from_zeros() -> None:
    login = {
        "EVENT_TIMESTAMP": "2026-03-03T09:14:07Z", "EVENT_TYPE": "LOGIN", "USER_NAME": "ANN",
        "IS_SUCCESS": "NO",
    }
    assert "origin" not in event("snowflake", {**login, "CLIENT_IP": "0.0.0.0"})
    assert event("snowflake", {**login, "CLIENT_IP": "203.0.113.9"})["origin"]["ip"]


ZENDESK = {
    "id": 1, "actor_id": 12, "actor_name": "Ann Lee", "source_id": 3, "source_type": "user",
    "source_label": "Bob", "action": "update", "action_label": "Updated",
    "created_at": "2026-03-03T09:14:07Z",
}


def test_zendesk_reads_a_change_out_of_the_first_line_of_its_description() -> None:
    said = "Role changed from Agent to Administrator\nAlias changed from a to b"
    changes = event("zendesk", {**ZENDESK, "change_description": said})["changes"]
    assert changes == [
        {"path": "Role", "op": "replace", "before": "Agent", "after": "Administrator"},
    ]
    assert "changes" not in event("zendesk", {**ZENDESK, "change_description": "Rolle geändert"})


def test_zendesk_says_how_a_sign_in_ended_only_when_its_description_does() -> None:
    outcomes = [
        event("zendesk", {**ZENDESK, "action": "login", "change_description": said}).get("outcome")
        for said in ("Successful sign-in", "Failed sign-in", "")
    ]
    assert outcomes == ["success", "failure", None]


JIRA = {
    "id": 7, "summary": "User added to group", "category": "group management",
    "created": "2026-03-03T09:14:07.123+0000",
    "objectItem": {"name": "admins", "typeName": "GROUP"},
}


def test_atlassian_gives_jira_records_ids_that_are_no_ids_of_the_organisation() -> None:
    organisation = {"id": "7", "attributes": {
        "action": "user_login", "time": "2026-03-03T09:14:07Z", "actor": {"id": "557058:abc"},
    }}
    assert event("atlassian", JIRA)["id"] != event("atlassian", organisation)["id"]


def test_atlassian_takes_a_record_without_an_author_for_the_systems_own() -> None:
    assert event("atlassian", JIRA)["actor"] == {"type": "system", "id": "jira"}
    by_ann = event("atlassian", {**JIRA, "authorKey": "ann"})
    assert by_ann["actor"] == {"type": "user", "id": "ann"}


def test_atlassian_is_not_whatever_has_a_summary() -> None:
    assert taken_by(JIRA) == "atlassian"
    assert taken_by({"summary": "x", "category": "y", "created": 1}) != "atlassian"


SALESFORCE = {
    "EVENT_TYPE": "Login", "TIMESTAMP_DERIVED": "2026-03-03T09:14:07.123Z",
    "ORGANIZATION_ID": "00D", "USER_NAME": "ann@example.org", "LOGIN_STATUS": "LOGIN_NO_ERROR",
}


def test_salesforce_counts_a_sign_in_as_failed_unless_it_says_success() -> None:
    outcomes = [
        event("salesforce", {**SALESFORCE, "LOGIN_STATUS": status})["outcome"]
        for status in ("LOGIN_NO_ERROR", "LOGIN_ERROR_SOMETHING_NEW", "LOGIN_ERROR_RESTRICTED_TIME")
    ]
    assert outcomes == ["success", "failure", "denied"]


def test_salesforce_reads_a_streamed_payload_and_tells_its_kind_by_its_members() -> None:
    payload = {
        "EventIdentifier": "e-1", "EventDate": "2026-03-03T09:14:07.123Z",
        "Username": "ann@example.org", "DelegatedUsername": "root@example.org",
        "LoginAsCategory": "OrgAdmin", "SourceIp": "203.0.113.9",
    }
    streamed = {"channel": "/event/LoginAsEventStream", "data": {"schema": "x", "payload": payload}}
    assert taken_by(streamed) == "salesforce"
    found = event("salesforce", streamed)
    assert found["action"] == "salesforce.user.login_as"
    assert found["actor"]["on_behalf_of"][0]["id"] == "root@example.org"


def test_salesforce_reads_the_time_of_files_that_write_it_without_marks() -> None:
    bare = {**SALESFORCE, "TIMESTAMP_DERIVED": None, "TIMESTAMP": "20260303091407.123"}
    for message in (bare, {**bare, "EVENT_TYPE": "Logout", "LOGIN_STATUS": None}):
        assert event("salesforce", message)["time"] == "2026-03-03T09:14:07.123000Z"
    assert event("salesforce", bare)["outcome"] == "success"


def test_salesforce_takes_no_address_from_words() -> None:
    assert "origin" not in event("salesforce", {**SALESFORCE, "CLIENT_IP": "Salesforce.com IP"})
