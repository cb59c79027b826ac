"""CloudTrail beyond plain calls: sign-ins, Insights, EventBridge, new values, proxies."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any

import pytest

from indelible.base.limits import CHANGES
from indelible.event.strict import compact
from indelible.ingest.parsers.cloudtrail import PARSER
from indelible.ingest.parsers.contract import Given
from support.parsing import GIVEN, parse_one

ANN = {"type": "IAMUser", "userName": "ann", "accountId": "111122223333", "accessKeyId": "AKIA1",
       "arn": "arn:aws:iam::111122223333:user/ann"}
JANE = {"type": "IdentityCenterUser", "userName": "jane", "credentialId": "c1",
        "onBehalfOf": {"userId": "94d0-11", "identityStoreArn": "arn:aws:identitystore::1:x"}}


def record(call: str = "s3:GetObject", **members: Any) -> dict[str, Any]:
    """A plain record of `service:call` with these members over its own."""
    service, _, name = call.partition(":")
    return {
        "eventVersion": "1.11", "eventID": "e1", "eventTime": "2026-03-03T09:14:07Z",
        "eventType": "AwsApiCall", "eventSource": f"{service}.amazonaws.com", "eventName": name,
        "userIdentity": ANN, "sourceIPAddress": "203.0.113.9",
        "recipientAccountId": "111122223333", **members,
    }


def event(call: str = "s3:GetObject", given: Given = GIVEN, **members: Any) -> dict[str, Any]:
    parsed = parse_one("cloudtrail", json.dumps(record(call, **members)).encode(), given=given)
    assert parsed.kind == "event"
    found: dict[str, Any] = json.loads(parsed.content)
    return found


# --- who


@pytest.mark.parametrize(
    ("identity", "actor"),
    [
        (JANE, {"type": "user", "id": "jane", "session": "c1"}),
        ({**JANE, "userName": None}, {"type": "user", "id": "94d0-11", "session": "c1"}),
        ({**JANE, "type": "Unknown", "userName": "", "credentialId": ""},
         {"type": "user", "id": "94d0-11"}),
        ({"type": "SAMLUser", "userName": "jane", "principalId": "x:jane",
          "identityProvider": "idp"},
         {"type": "user", "id": "jane", "auth": {"method": "saml"}}),
        ({"type": "WebIdentityUser", "userName": "app", "identityProvider": "accounts.google.com"},
         {"type": "user", "id": "app", "auth": {"method": "web_identity"}}),
    ],
)
def test_people_of_identity_providers(identity: dict[str, Any], actor: dict[str, Any]) -> None:
    assert event(userIdentity=identity)["actor"] == actor


def test_a_name_that_only_the_sign_in_tells_is_the_actors() -> None:
    identity = {**JANE, "userName": ""}
    found = event("signin:UserAuthentication", userIdentity=identity, eventType="AwsServiceEvent",
                  additionalEventData={"UserName": "jane", "CredentialType": "EXTERNAL_IDP"},
                  serviceEventDetails={"UserAuthentication": "Success"})
    assert (found["actor"]["id"], found["actor"]["auth"]) == ("jane", {"method": "external_idp"})
    assert (found["operation"], found["outcome"]) == ("login", "success")


@pytest.mark.parametrize(("answer", "operation"), [("Success", "other"), ("Failure", "login")])
def test_a_credential_that_is_not_accepted_is_a_failed_sign_in(
    answer: str, operation: str
) -> None:
    found = event("signin:CredentialVerification", userIdentity=JANE, eventType="AwsServiceEvent",
                  serviceEventDetails={"CredentialVerification": answer})
    assert (found["operation"], found["outcome"]) == (operation, answer.lower())


@pytest.mark.parametrize(
    ("arn", "behind"),
    [
        ("arn:aws:iam::444455556666:user/dev/kim", [{"type": "user", "id": "kim"}]),
        ("arn:aws:iam::444455556666:root", [{"type": "user", "id": "root"}]),
        ("arn:aws:sts::444455556666:assumed-role/ops/kim@example.com",
         [{"type": "service", "id": "ops"}, {"type": "user", "id": "kim@example.com"}]),
        ("no arn", None),
    ],
)
def test_who_switched_to_a_role_stands_behind_it(
    arn: str, behind: list[dict[str, str]] | None
) -> None:
    found = event("signin:SwitchRole", eventType="AwsConsoleSignIn",
                  additionalEventData={"SwitchFrom": arn}, responseElements={
                      "SwitchRole": "Success"})
    assert found["actor"].get("on_behalf_of") == behind
    elsewhere = event("s3:GetObject", additionalEventData={"SwitchFrom": arn})
    assert "on_behalf_of" not in elsewhere["actor"]


CENTER = "AWSReservedSSO_Admin_0123456789abcdef"


@pytest.mark.parametrize(
    ("role", "issuer", "holder", "kind", "guessed"),
    [
        (CENTER, f"role/aws-reserved/sso.amazonaws.com/eu-west-1/{CENTER}", "ann@x.example",
         "user", False),
        (CENTER, f"role/aws-reserved/sso.amazonaws.com/{CENTER}", "ann", "user", False),
        (CENTER, f"role/{CENTER}", "ceo@x.example", "user", True),
        (CENTER, f"role/{CENTER}", "ceo", "service", False),
        (CENTER, f"role/x:role/aws-reserved/sso.amazonaws.com/{CENTER}", "ceo@x.example", "user",
         True),
        (CENTER, "", "ann", "user", True),
        ("ops", "role/ops", "ceo@x.example", "user", True),
    ],
)
def test_only_a_role_in_the_path_of_identity_center_names_its_sessions_itself(
    role: str, issuer: str, holder: str, kind: str, guessed: bool
) -> None:
    said = {"type": "Role", "userName": role}
    identity = {
        "type": "AssumedRole", "principalId": f"AROA1:{holder}",
        "arn": f"arn:aws:sts::1:assumed-role/{role}/{holder}",
        "sessionContext": {"sessionIssuer": {
            **said, "arn": f"arn:aws:iam::1:{issuer}"} if issuer else said},
    }
    for one in (identity, {**identity, "arn": ""}):
        parsed = parse_one("cloudtrail", json.dumps(record(userIdentity=one)).encode())
        behind = json.loads(parsed.content)["actor"]["on_behalf_of"]
        assert behind == [{"type": kind, "id": holder}]
        assert ("guessed" in parsed.flags) is guessed


def test_the_session_that_switched_to_a_role_has_a_chosen_name_too() -> None:
    switched = record("signin:SwitchRole", additionalEventData={
        "SwitchFrom": "arn:aws:sts::1:assumed-role/ops/kim@example.com"})
    assert "guessed" in parse_one("cloudtrail", json.dumps(switched).encode()).flags
    switched["additionalEventData"] = {"SwitchFrom": "arn:aws:iam::1:user/kim"}
    assert "guessed" not in parse_one("cloudtrail", json.dumps(switched).encode()).flags


# --- where


@pytest.mark.parametrize(
    ("said", "proxies", "address"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("192.0.2.1, 203.0.113.9", (), "203.0.113.9"),
        ("192.0.2.1, 203.0.113.9, 10.1.1.1", ("10.0.0.0/8",), "203.0.113.9"),
        ("10.1.1.1", ("10.0.0.0/8",), None),
        ("2001:db8::1", (), "2001:db8::1"),
        ("HIDDEN_DUE_TO_SECURITY_REASONS", (), None),
    ],
)
def test_of_several_addresses_it_is_the_last_that_is_no_proxy(
    said: str, proxies: tuple[str, ...], address: str | None
) -> None:
    given = Given(now_us=GIVEN.now_us, proxies=tuple(ip_network(one) for one in proxies))
    found = event(given=given, sourceIPAddress=said)
    assert found.get("origin", {}).get("ip") == address
    assert found["data"].get("source_address") == (None if address == said else said)


# --- other records


def test_the_record_in_an_eventbridge_event_is_the_record() -> None:
    around = {"version": "0", "id": "x", "detail-type": "AWS API Call via CloudTrail",
              "source": "aws.s3", "detail": record()}
    assert PARSER.recognise(around, GIVEN)
    found = json.loads(parse_one("cloudtrail", json.dumps(around).encode()).content)
    assert {**found, "raw": ""} == {**event(), "raw": ""}


@pytest.mark.parametrize("state", ["Start", "End"])
def test_an_insight_is_cloudtrails_own_word_on_an_api(state: str) -> None:
    message = {
        "eventVersion": "1.10", "eventID": "i1", "eventTime": "2026-03-03T09:14:07Z",
        "eventType": "AwsCloudTrailInsight", "recipientAccountId": "111122223333",
        "insightDetails": {"state": state, "eventSource": "ec2.amazonaws.com",
                           "eventName": "RunInstances", "insightType": "ApiCallRateInsight"},
    }
    assert PARSER.recognise(message, GIVEN)
    found = json.loads(parse_one("cloudtrail", json.dumps(message).encode()).content)
    assert found["action"] == f"cloudtrail.insight.{state.lower()}"
    assert found["actor"] == {"type": "service", "id": "cloudtrail.amazonaws.com"}
    assert found["targets"] == [{"type": "aws_api", "id": "ec2:RunInstances"}]
    assert not {"outcome", "origin"} & found.keys()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"digestStartTime": "x", "logFiles": []}, "not_this_format"),
        ({"eventVersion": "1", "insightDetails": {"state": "Start"}}, "missing_field"),
        ({"eventVersion": "1", "insightDetails": 7}, "missing_field"),
        ({"detail-type": "x", "detail": {}}, "missing_field"),
    ],
)
def test_what_is_no_record_is_kept_with_the_reason(message: dict[str, Any], code: str) -> None:
    parsed = parse_one("cloudtrail", json.dumps(message).encode())
    assert (parsed.kind, json.loads(parsed.content)["reason"]["code"]) == ("unparsed", code)


def test_a_call_that_nobody_knows_is_a_read_when_aws_says_so() -> None:
    assert event("newservice:Frobnicate")["operation"] == "other"
    assert event("newservice:Frobnicate", readOnly=True)["operation"] == "read"
    assert event("s3:DeleteObject", readOnly=True)["operation"] == "delete"


# --- new values


def changed(call: str, params: object, **members: Any) -> list[dict[str, Any]] | None:
    found: list[dict[str, Any]] | None = event(
        call, requestParameters=params, **members).get("changes")
    return found


@pytest.mark.parametrize(
    ("call", "params", "changes"),
    [
        ("iam:UpdateAssumeRolePolicy", {"roleName": "ops", "policyDocument": '{"a": [1]}'},
         [{"path": "assumeRolePolicyDocument", "op": "replace", "after": {"a": [1]}}]),
        ("iam:PutUserPolicy", {"userName": "eve", "policyName": "a.b", "policyDocument": "{}"},
         [{"path": "policies.a\\.b", "op": "replace", "after": {}}]),
        ("iam:DeleteUserPolicy", {"userName": "eve", "policyName": "p"},
         [{"path": "policies.p", "op": "remove"}]),
        ("iam:UpdateAccessKey", {"userName": "eve", "accessKeyId": "AKIA2", "status": "Inactive"},
         [{"path": "accessKeys.AKIA2.status", "op": "replace", "after": "Inactive"}]),
        ("s3:PutBucketVersioning", {"VersioningConfiguration": {"Status": "Suspended"}},
         [{"path": "versioning", "op": "replace", "after": {"Status": "Suspended"}}]),
        ("s3:DeleteBucketPolicy", {"bucketName": "b"}, [{"path": "policy", "op": "remove"}]),
        ("cloudtrail:StopLogging", {"name": "t"},
         [{"path": "logging", "op": "replace", "after": False}]),
        ("cloudtrail:StartLogging", {"name": "t"},
         [{"path": "logging", "op": "replace", "after": True}]),
        ("rds:ModifyDBInstance", {"publiclyAccessible": True, "masterUserPassword": "****"},
         [{"path": "publiclyAccessible", "op": "replace", "after": True},
          {"path": "masterUserPassword", "op": "replace"}]),
        ("lambda:UpdateFunctionConfiguration20150331v2", {"functionName": "f", "timeout": 9},
         [{"path": "timeout", "op": "replace", "after": 9}]),
        ("ec2:ModifyInstanceAttribute", {"instanceId": "i-0f3a9d27c1b5e8a42",
                                         "disableApiTermination": {"value": False}},
         [{"path": "disableApiTermination", "op": "replace", "after": False}]),
        ("ec2:CreateTags", {"tagSet": {"items": [{"key": "env", "value": "prod"}]}},
         [{"path": "tags.env", "op": "add", "after": "prod"}]),
        ("ec2:DeleteTags", {"tagSet": {"items": [{"key": "env"}]}},
         [{"path": "tags.env", "op": "remove"}]),
        ("s3:GetObject", {"bucketName": "b", "policy": "{}"}, None),
    ],
)
def test_parameters_that_are_a_new_value_are_changes(
    call: str, params: dict[str, Any], changes: list[dict[str, Any]] | None
) -> None:
    assert changed(call, params) == changes


def test_every_rule_of_a_security_group_has_a_path_of_its_own() -> None:
    rule = {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
            "ipRanges": {"items": [{"cidrIp": "10.0.0.0/8"}]},
            "ipv6Ranges": {"items": [{"cidrIpv6": "::/0"}]},
            "groups": {"items": [{"groupId": "sg-1"}]}}
    params = {"groupId": "sg-0123456789abcdef0", "ipPermissions": {"items": [rule]}}
    opened = changed("ec2:AuthorizeSecurityGroupIngress", params)
    closed = changed("ec2:RevokeSecurityGroupEgress", params)
    assert opened is not None
    assert closed is not None
    assert [one["path"] for one in opened] == [
        "ingress.tcp 22-22 10\\.0\\.0\\.0/8", "ingress.tcp 22-22 ::/0", "ingress.tcp 22-22 sg-1"]
    assert {one["op"] for one in opened} == {"add"}
    assert closed[1] == {"path": "egress.tcp 22-22 ::/0", "op": "remove", "before": {
        "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIpv6": "::/0"}}


def test_a_call_that_failed_changed_nothing() -> None:
    params = {"bucketName": "b"}
    assert changed("s3:DeleteBucketPolicy", params, errorCode="AccessDenied") is None


def test_changes_are_bounded() -> None:
    tags = {f"k{number}": "v" for number in range(CHANGES * 2)}
    many = changed("eks:TagResource", {"resourceArn": "arn:aws:eks:x:1:cluster/c", "tags": tags})
    assert many is not None
    assert len(many) == CHANGES


def test_values_too_large_for_an_event_leave_their_paths() -> None:
    large = {"bucketName": "b", "bucketPolicy": {"Statement": ["x" * 200_000]}}
    assert changed("s3:PutBucketPolicy", large) == [{"path": "policy", "op": "replace"}]


# --- facts


def test_what_has_no_member_is_told_in_data_when_it_is_out_of_the_ordinary() -> None:
    assert event()["data"] == {"vendor_action": "GetObject", "actor_arn": ANN["arn"]}
    found = event(
        eventCategory="NetworkActivity", vpcEndpointId="vpce-1", sharedEventID="s1",
        sessionCredentialFromConsole="true",
        tlsDetails={"tlsVersion": "TLSv1.3", "clientProvidedHostHeader": "h"},
        userIdentity={**ANN, "accountId": "444455556666"},
        addendum={"reason": "DELIVERY_DELAY"},
    )["data"]
    assert found == {
        "vendor_action": "GetObject", "actor_arn": ANN["arn"], "category": "NetworkActivity",
        "vpc_endpoint": "vpce-1", "shared_event_id": "s1", "from_console": "true",
        "tls_version": "TLSv1.3", "tls_host": "h", "actor_account": "444455556666",
        "addendum": {"reason": "DELIVERY_DELAY"},
    }


# --- hostile


def test_wrong_types_everywhere_are_read_as_absent() -> None:
    whole = record(requestParameters={}, responseElements={}, additionalEventData={},
                   serviceEventDetails={}, tlsDetails={}, addendum={}, resources=[])
    for call in ("s3:PutBucketPolicy", "ec2:AuthorizeSecurityGroupIngress", "ec2:CreateTags",
                 "iam:PutUserPolicy", "signin:SwitchRole", "lambda:UpdateFunctionCode",
                 "ec2:ModifyImageAttribute", "kms:ScheduleKeyDeletion"):
        service, _, name = call.partition(":")
        whole |= {"eventSource": f"{service}.amazonaws.com", "eventName": name}
        for key in whole:
            for wrong in (None, 7, 1e300, "²", [], [[]], {}, {"a": [None]}, True, "x" * 5000,
                          {"ipPermissions": {"items": [7, {"ipRanges": {"items": [[]]}}]}},
                          {"policyName": "p", "policyDocument": "{" * 900},
                          {"tags": 7, "tagSet": {"items": [None, {"key": 1}]}},
                          {"launchPermission": {"add": {"items": [None, {}]}}}):
                parsed = parse_one("cloudtrail", json.dumps({**whole, key: wrong}).encode())
                assert b"parser_failed" not in parsed.content
                assert compact(parsed.content, "") == parsed.content
