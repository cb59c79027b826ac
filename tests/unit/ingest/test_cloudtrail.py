"""The CloudTrail parser on small records that show one rule each."""

from __future__ import annotations

import json

import pytest

from indelible.base.limits import BODY_BYTES
from indelible.ingest.parsers.cloudtrail_targets import arn_target
from support.parsing import parse_file, parse_one

USER = {"type": "IAMUser", "userName": "ann", "accountId": "111122223333",
        "arn": "arn:aws:iam::111122223333:user/ann", "accessKeyId": "AKIA1"}
ROLE = {
    "type": "AssumedRole", "principalId": "AROA1:ann@example.org", "accountId": "111122223333",
    "arn": "arn:aws:sts::111122223333:assumed-role/ops/ann@example.org", "accessKeyId": "ASIA1",
    "sessionContext": {
        "sessionIssuer": {"type": "Role", "userName": "ops", "principalId": "AROA1"},
        "attributes": {"mfaAuthenticated": "true"},
    },
}


def event(**members: object) -> dict[str, object]:
    """The event of a record with these members over a plain one."""
    record = {
        "eventID": "e1", "eventTime": "2026-03-03T09:14:07Z", "eventType": "AwsApiCall",
        "eventSource": "s3.amazonaws.com", "eventName": "GetObject", "userIdentity": USER,
        "sourceIPAddress": "203.0.113.9", **members,
    }
    raw = json.dumps(record).encode()
    parsed = parse_one("cloudtrail", raw)
    assert (parsed.kind, parsed.idempotent) == ("event", raw)
    found = json.loads(parsed.content)
    assert found["raw"].encode() == raw
    return found


@pytest.mark.parametrize(
    ("identity", "actor"),
    [
        (USER, {"type": "user", "id": "ann", "session": "AKIA1"}),
        ({**USER, "invokedBy": "AWS Internal"}, {"type": "user", "id": "ann", "session": "AKIA1"}),
        ({**USER, "invokedBy": "kms.amazonaws.com"},
         {"type": "service", "id": "kms.amazonaws.com",
          "on_behalf_of": [{"type": "user", "id": "ann", "session": "AKIA1"}]}),
        (ROLE, {"type": "service", "id": "ops", "session": "ASIA1", "auth": {"mfa": True},
                "on_behalf_of": [{"type": "user", "id": "ann@example.org"}]}),
        ({**ROLE, "invokedBy": "rds.amazonaws.com"},
         {"type": "service", "id": "rds.amazonaws.com", "on_behalf_of": [
             {"type": "service", "id": "ops", "session": "ASIA1", "auth": {"mfa": True}},
             {"type": "user", "id": "ann@example.org"}]}),
        ({"type": "AssumedRole", "principalId": "AROA1:i-0abc",
          "arn": "arn:aws:sts::1:assumed-role/web/i-0abc"},
         {"type": "service", "id": "web", "on_behalf_of": [{"type": "service", "id": "i-0abc"}]}),
        ({"type": "AssumedRole", "principalId": "AROA1:job", "sessionContext":
            {"sourceIdentity": "bob", "sessionIssuer": {"userName": "web"}}},
         {"type": "service", "id": "web", "on_behalf_of": [
             {"type": "service", "id": "job"}, {"type": "user", "id": "bob"}]}),
        ({"type": "Root", "arn": "arn:aws:iam::1:root", "accountId": "1"},
         {"type": "user", "id": "root"}),
        ({"type": "AWSService", "invokedBy": "ec2.amazonaws.com"},
         {"type": "service", "id": "ec2.amazonaws.com"}),
        ({"accountId": "1", "invokedBy": "ec2.amazonaws.com"},
         {"type": "service", "id": "ec2.amazonaws.com"}),
        ({"type": "AWSAccount", "accountId": "999", "principalId": "AIDA9:x"},
         {"type": "service", "id": "AIDA9:x"}),
        ({"type": "AWSAccount", "accountId": "anonymous", "principalId": ""},
         {"type": "anonymous", "id": "anonymous"}),
        ({"type": "SAMLUser", "principalId": "idp:ann", "userName": "ann"},
         {"type": "user", "id": "ann", "auth": {"method": "saml"}}),
        ({"type": "FederatedUser", "arn": "arn:aws:sts::1:federated-user/guest",
          "sessionContext": {"sessionIssuer": {"type": "IAMUser", "userName": "ann"}}},
         {"type": "user", "id": "guest", "on_behalf_of": [{"type": "user", "id": "ann"}]}),
        ({"type": "IAMUser", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS", "accountId": "1"},
         {"type": "anonymous", "id": "HIDDEN_DUE_TO_SECURITY_REASONS"}),
        ({"accountId": "1"}, {"type": "service", "id": "1"}),
    ],
)
def test_the_actor_and_who_stands_behind(
    identity: dict[str, object], actor: dict[str, object]
) -> None:
    assert event(userIdentity=identity)["actor"] == actor


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("203.0.113.9", {"ip": "203.0.113.9"}), ("2001:db8::1", {"ip": "2001:db8::1"}),
        ("AWS Internal", {"service": "AWS Internal"}),
        ("ec2.amazonaws.com", {"service": "ec2.amazonaws.com"}),
    ],
)
def test_services_are_never_an_address(address: str, origin: dict[str, str]) -> None:
    assert event(sourceIPAddress=address)["origin"] == origin


def test_an_address_that_is_none_is_kept_apart() -> None:
    found = event(sourceIPAddress="255.090.254.5", userAgent="cli", requestID="r")
    assert found["origin"] == {"user_agent": "cli", "request_id": "r"}
    assert found["data"]["source_address"] == "255.090.254.5"


@pytest.mark.parametrize(
    ("members", "outcome"),
    [
        ({}, "success"),
        ({"errorCode": "AccessDenied"}, "denied"),
        ({"errorCode": "Client.UnauthorizedOperation"}, "denied"),
        ({"errorCode": "AccessDeniedException"}, "denied"),
        ({"errorCode": "VpceAccessDenied"}, "denied"),
        ({"errorCode": "NoSuchBucketPolicy"}, "failure"),
        ({"errorMessage": "Failed authentication"}, "failure"),
        ({"eventType": "AwsServiceEvent"}, None),
        ({"eventName": "ConsoleLogin", "eventType": "AwsConsoleSignIn",
          "responseElements": {"ConsoleLogin": "Success"}}, "success"),
        ({"eventName": "ConsoleLogin", "eventType": "AwsConsoleSignIn",
          "responseElements": {"ConsoleLogin": "Failure"}}, "failure"),
    ],
)
def test_the_outcome_is_what_the_record_says(
    members: dict[str, object], outcome: str | None
) -> None:
    found = event(**members)
    assert found.get("outcome") == outcome
    code, text = members.get("errorCode"), members.get("errorMessage")
    given = {name: value for name, value in (("code", code), ("text", text)) if value}
    assert found.get("reason", {}) == given


def test_mfa_of_a_sign_in_is_told() -> None:
    found = event(eventName="ConsoleLogin", additionalEventData={"MFAUsed": "No"})
    assert found["actor"]["auth"] == {"mfa": False}


@pytest.mark.parametrize(
    ("members", "targets"),
    [
        ({"eventSource": "iam.amazonaws.com", "eventName": "AttachUserPolicy",
          "requestParameters": {"policyArn": "arn:aws:iam::aws:policy/Admin", "userName": "eve"}},
         [("iam_user", "eve", None), ("iam_policy", "Admin", "aws")]),
        ({"eventSource": "iam.amazonaws.com", "eventName": "PutRolePolicy",
          "requestParameters": {"policyName": "p", "roleName": "r"}},
         [("iam_role", "r", None), ("iam_inline_policy", "p", None)]),
        ({"eventName": "GetObject", "requestParameters": {"bucketName": "b", "key": "a/b"},
          "resources": [{"ARN": "arn:aws:s3:::b/a/b", "type": "AWS::S3::Object"},
                        {"ARN": "arn:aws:s3:::b", "type": "AWS::S3::Bucket"}]},
         [("s3_object", "a/b", "b"), ("s3_bucket", "b", None)]),
        ({"eventSource": "ec2.amazonaws.com", "eventName": "TerminateInstances",
          "requestParameters": {"instancesSet": {"items": [
              {"instanceId": "i-0123456789abcdef0"}, {"instanceId": "i-0123456789abcdef1"}]}}},
         [("ec2_instance", "i-0123456789abcdef0", None),
          ("ec2_instance", "i-0123456789abcdef1", None)]),
        ({"eventSource": "ec2.amazonaws.com", "eventName": "DescribeSubnets", "requestParameters":
            {"filterSet": {"items": [{"name": "vpc-id", "valueSet":
                {"items": [{"value": "vpc-0123456789abcdef0"}]}}]}}}, []),
        ({"eventSource": "ec2.amazonaws.com", "eventName": "CreateVpc",
          "responseElements": {"vpc": {"vpcId": "vpc-0123456789abcdef0",
                                       "dhcpOptionsId": "dopt-0123456789abcdef0"}}},
         [("ec2_vpc", "vpc-0123456789abcdef0", None)]),
        ({"eventSource": "sts.amazonaws.com", "eventName": "AssumeRole",
          "requestParameters": {"roleArn": "arn:aws:iam::1:role/path/r"},
          "responseElements": {"credentials": {"accessKeyId": "ASIA2"}}},
         [("iam_role", "r", "1"), ("sts_access_key", "ASIA2", None)]),
        ({"eventSource": "secretsmanager.amazonaws.com", "eventName": "GetSecretValue",
          "requestParameters": {"secretId": "arn:aws:secretsmanager:eu-west-1:1:secret:db-AbCd12"}},
         [("secretsmanager_secret", "db", "1")]),
        ({"eventSource": "ssm.amazonaws.com", "eventName": "GetParameter",
          "requestParameters": {"name": "/a/b"},
          "resources": [{"ARN": "arn:aws:ssm:eu-west-1:1:parameter/a/b"}]},
         [("ssm_parameter", "/a/b", "1")]),
        ({"eventSource": "kms.amazonaws.com", "eventName": "Encrypt",
          "requestParameters": {"keyId": "alias/aws/ssm"}},
         [("kms_alias", "alias/aws/ssm", None)]),
        ({"eventName": "GetBucketPolicy", "requestParameters": None}, []),
        ({"eventName": "GetBucketPolicy", "requestParameters": {"bucketName": "b"},
          "resources": [{"accountId": "1", "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::b"}]},
         [("s3_bucket", "b", "1")]),
        ({"eventSource": "sts.amazonaws.com", "eventName": "AssumeRole",
          "errorCode": "AccessDenied", "errorMessage": "User: arn:aws:iam::1:user/ann is not "
          "authorized to perform: sts:AssumeRole on resource: arn:aws:iam::1:role/r"},
         [("iam_role", "r", "1")]),
        ({"eventName": "GetObject", "errorCode": "AccessDenied", "errorMessage": "User: x is not "
          'authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k" because no policy'},
         [("s3_object", "k", "b")]),
        ({"eventSource": "organizations.amazonaws.com", "eventName": "LeaveOrganization",
          "errorCode": "AccessDenied", "errorMessage": "User: arn:aws:iam::1:user/ann is not "
          "authorized to perform: organizations:LeaveOrganization on resource: *"}, []),
        ({"eventSource": "ec2.amazonaws.com", "eventName": "StopInstances",
          "errorCode": "Client.UnauthorizedOperation", "errorMessage": "You are not authorized to "
          "perform this operation. User: x is not authorized to perform: ec2:StopInstances on "
          "resource: arn:aws:ec2:eu-west-1:1:instance/i-0123456789abcdef0 because of a policy. "
          "Encoded authorization failure message: " + "x" * 3000},
         [("ec2_instance", "i-0123456789abcdef0", "1")]),
        ({"eventSource": "iam.amazonaws.com", "eventName": "CreateAccessKey",
          "responseElements": {"accessKey": {"accessKeyId": "AKIA2", "userName": "ann"}}},
         [("iam_access_key", "AKIA2", None), ("iam_user", "ann", None)]),
        ({"eventSource": "iam.amazonaws.com", "eventName": "CreatePolicy",
          "requestParameters": {"policyName": "p", "policyDocument": "{}"},
          "responseElements": {"policy": {"policyName": "p", "arn": "arn:aws:iam::1:policy/p"}}},
         [("iam_policy", "p", "1")]),
        ({"eventSource": "ec2.amazonaws.com", "eventName": "AssociateRouteTable",
          "requestParameters": {"routeTableId": "rtb-0123456789abcdef0"},
          "responseElements": {"associationId": "rtbassoc-0123456789abcdef0"}},
         [("ec2_route_table", "rtb-0123456789abcdef0", None),
          ("ec2_route_table_association", "rtbassoc-0123456789abcdef0", None)]),
        ({"eventSource": "ec2.amazonaws.com", "eventName": "RunInstances",
          "requestParameters": {"iamInstanceProfile": {"name": "web"}},
          "responseElements": {"instancesSet": {"items": [
              {"instanceId": "i-0123456789abcdef0", "vpcId": "vpc-0123456789abcdef0"}]}}},
         [("ec2_instance", "i-0123456789abcdef0", None), ("iam_instance_profile", "web", None)]),
        ({"eventSource": "ssm.amazonaws.com", "eventName": "SendCommand",
          "requestParameters": {"instanceIds": ["i-0123456789abcdef0"], "documentName": "d"},
          "responseElements": {"command": {"commandId": "c-1", "documentName": "d"}}},
         [("ssm_command", "c-1", None), ("ec2_instance", "i-0123456789abcdef0", None),
          ("ssm_document", "d", None)]),
        ({"eventSource": "rolesanywhere.amazonaws.com", "eventName": "CreateProfile",
          "requestParameters": {"name": "p", "tags": [{"key": "arn:aws:iam::1:user/tag"}]},
          "responseElements": {"profile": {"createdBy": "arn:aws:iam::1:user/ann",
              "profileArn": "arn:aws:rolesanywhere:eu-west-1:1:profile/u-1"}}},
         [("rolesanywhere_profile", "u-1", "1")]),
    ],
)
def test_targets_come_from_resources_parameters_and_what_was_made(
    members: dict[str, object], targets: list[tuple[str, str, str | None]]
) -> None:
    found = event(**members).get("targets", [])
    assert [(one["type"], one["id"], one.get("parent")) for one in found] == targets


def test_sharing_grants_and_unsharing_revokes() -> None:
    name = {"eventSource": "ec2.amazonaws.com", "eventName": "ModifySnapshotAttribute"}
    for part, operation in (("add", "grant"), ("remove", "revoke")):
        parameters = {"createVolumePermission": {part: {"items": [{"group": "all"}]}}}
        assert event(**name, requestParameters=parameters)["operation"] == operation
    assert event(**name, requestParameters={})["operation"] == "update"


@pytest.mark.parametrize(
    ("overwrite", "operation"), [(False, "create"), (True, "update"), (None, "update")]
)
def test_a_parameter_put_without_overwriting_is_created(
    overwrite: bool | None, operation: str
) -> None:
    name = {"eventSource": "ssm.amazonaws.com", "eventName": "PutParameter"}
    found = event(**name, requestParameters={"name": "/a/b", "overwrite": overwrite})
    assert (found["action"], found["operation"]) == ("ssm.parameter.put", operation)


@pytest.mark.parametrize(
    ("service", "name", "parameters", "made", "targets"),
    [
        ("ec2", "CreateSecurityGroup", {"groupName": "web"}, {"groupId": "sg-0123456789abcdef0"},
         [{"type": "ec2_security_group", "id": "sg-0123456789abcdef0", "name": "web"}]),
        ("ec2", "RegisterImage", {"name": "golden"}, {"imageId": "ami-0123456789abcdef0"},
         [{"type": "ec2_image", "id": "ami-0123456789abcdef0", "name": "golden"}]),
        ("sns", "CreateTopic", {"name": "t"}, {"topicArn": "arn:aws:sns:eu-west-1:1:t"},
         [{"type": "sns_topic", "id": "t", "parent": "1"}]),
        ("ssm", "CreateAssociation", {"name": "doc", "documentName": "doc"},
         {"associationDescription": {"associationId": "a-1"}},
         [{"type": "ssm_association", "id": "a-1"}, {"type": "ssm_document", "id": "doc"}]),
    ],
)
def test_what_was_made_has_the_name_it_was_given(
    service: str, name: str, parameters: dict[str, str], made: dict[str, object],
    targets: list[dict[str, str]],
) -> None:
    found = event(eventSource=f"{service}.amazonaws.com", eventName=name,
                  requestParameters=parameters, responseElements=made)
    assert [one for one in found["targets"] if one["type"] != "ssm_parameter"] == targets


STOPPED = [{"instanceId": f"i-{n}", "previousState": {"name": "running"},
            "currentState": {"name": "stopping"}} for n in range(2)]
DEAD = {"instanceId": "i-9", "previousState": {"name": "stopped"},
        "currentState": {"name": "stopped"}}
STATE = [{"path": "state", "op": "replace", "before": "running", "after": "stopping"}]


@pytest.mark.parametrize(
    ("members", "changes"),
    [
        ({"eventName": "StopInstances", "responseElements": {"instancesSet": {"items": STOPPED}}},
         STATE),
        ({"eventName": "StopInstances",
          "responseElements": {"instancesSet": {"items": [*STOPPED, DEAD]}}}, None),
        ({"eventName": "StopInstances",
          "responseElements": {"instancesSet": {"items": [DEAD]}}}, None),
        ({"eventName": "ModifyImageAttribute", "requestParameters": {"launchPermission": {
            "add": {"items": [{"userId": "1"}, {"group": "all"}]},
            "remove": {"items": [{"userId": "2"}]}}}},
         [{"path": "launchPermission.1", "op": "add", "after": {"userId": "1"}},
          {"path": "launchPermission.all", "op": "add", "after": {"group": "all"}},
          {"path": "launchPermission.2", "op": "remove", "before": {"userId": "2"}}]),
        ({"eventName": "ModifyDBSnapshotAttribute", "requestParameters":
            {"attributeName": "restore", "valuesToAdd": ["1"]}},
         [{"path": "restore.1", "op": "add", "after": "1"}]),
        ({"eventName": "RunInstances", "responseElements": {"instancesSet": {"items": [
            {"instanceId": "i-0", "currentState": {"name": "pending"}}]}}}, None),
        ({"eventName": "ModifyImageAttribute", "errorCode": "Client.UnauthorizedOperation",
          "requestParameters": {"launchPermission": {"add": {"items": [{"userId": "1"}]}}}}, None),
    ],
)
def test_changes_are_told_where_the_record_has_them(
    members: dict[str, object], changes: list[dict[str, object]] | None
) -> None:
    assert event(eventSource="ec2.amazonaws.com", **members).get("changes") == changes


def test_the_rest_has_its_place() -> None:
    found = event(recipientAccountId="1", awsRegion="eu-west-1", eventType="AwsVpceEvent")
    assert found["labels"] == {"account": "1", "region": "eu-west-1"}
    assert found["data"] == {"vendor_action": "GetObject", "actor_arn": USER["arn"],
                             "event_type": "AwsVpceEvent", "actor_account": "111122223333"}
    assert found["action"] == "s3.object.get"
    assert found["id"] == "e1"
    assert found["time"] == "2026-03-03T09:14:07Z"


@pytest.mark.parametrize("moment", [None, "", "yesterday", "1969-01-01T00:00:00Z", 5])
def test_a_missing_or_odd_time_stays_absent(moment: object) -> None:
    assert "time" not in event(eventTime=moment)


def test_a_time_without_zone_is_taken_as_utc_and_flagged() -> None:
    raw = json.dumps({"eventTime": "2026-03-03T09:14:07", "eventSource": "s3.amazonaws.com",
                      "eventName": "GetObject", "userIdentity": USER}).encode()
    parsed = parse_one("cloudtrail", raw)
    assert (parsed.flags, parsed.time_us) == (("time_assumed",), 1772529247000000)


def test_records_arrays_and_lines_give_the_same_events() -> None:
    one = json.dumps({"eventID": "1", "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
                      "userIdentity": USER})
    two = one.replace('"1"', '"2"')
    expected = [
        parse_one("cloudtrail", text.encode(), line) for line, text in enumerate((one, two), 1)
    ]
    for body in (f"{one}\n{two}\n", f"[{one},\n {two}]", f'{{"Records": [{one}, {two}]}}',
                 f"{one}\r\n{two}\r\n"):
        assert parse_file("cloudtrail", body.encode()) == (expected, [])
    spread = json.dumps(json.loads(one), indent=1)
    [parsed], _ = parse_file("cloudtrail", spread.encode())
    assert json.loads(parsed.content)["raw"] == spread


def test_of_a_record_too_large_for_an_event_the_beginning_is_kept() -> None:
    raw = json.dumps({"eventSource": "s3.amazonaws.com", "eventName": "GetObject",
                      "userIdentity": USER, "x": "y" * BODY_BYTES}).encode()
    accepted, refused = parse_file("cloudtrail", b"{}\n" + raw)
    assert [one.kind for one in accepted] == ["unparsed", "event"]
    assert not refused
    said = json.loads(accepted[1].content)
    assert said["action"] == "s3.object.get"
    assert raw.startswith(said["raw"].encode())
    assert said["data"]["raw_bytes"] == len(raw)
    assert "truncated" in accepted[1].flags


@pytest.mark.parametrize(
    ("arn", "target"),
    [
        ("arn:aws:iam::1:user/division/ann", ("iam_user", "ann", "1")),
        ("arn:aws:iam::1:root", ("iam_resource", "root", "1")),
        ("arn:aws:s3:::b", ("s3_bucket", "b", None)),
        ("arn:aws:s3:::b/k/l", ("s3_object", "k/l", "b")),
        ("arn:aws:sns:eu-west-1:1:topic", ("sns_topic", "topic", "1")),
        ("arn:aws:lambda:eu-west-1:1:function:f:3", ("lambda_function", "f", "1")),
        ("arn:aws:logs:eu-west-1:1:log-group:/a/b:*", ("logs_log_group", "/a/b", "1")),
        ("arn:aws:rds:eu-west-1:1:db:d", ("rds_db_instance", "d", "1")),
        ("arn:aws:kms:eu-west-1:1:alias/x", ("kms_alias", "alias/x", "1")),
        ("arn:aws:dynamodb:eu-west-1:1:table/t", ("dynamodb_table", "t", "1")),
        ("arn:aws:s3:::*", None), ("arn:aws", None), ("nothing", None),
    ],
)
def test_arns_name_their_thing(arn: str, target: tuple[str, str, str | None] | None) -> None:
    found = arn_target(arn)
    if target is None:
        assert found is None
    else:
        assert found is not None
        assert (found.type, found.id, found.parent or None) == target


@pytest.mark.parametrize(
    ("subject", "provider", "kind"),
    [
        ("system:serviceaccount:pay:api", "oidc-provider/oidc.eks.us-west-2.amazonaws.com/id/9",
         "service"),
        ("anything", "oidc-provider/token.actions.githubusercontent.com", "service"),
        ("repo:octo/app:ref:refs/heads/main", "token.actions.octocorp.ghe.com", "service"),
        ("project_path:g/app:ref_type:branch", "arn:aws:iam::1:oidc-provider/gitlab.com",
         "service"),
        ("system:serviceaccount:pay:api", "oidc-provider/west.oic.prod-aks.azure.com/1/2/",
         "service"),
        ("1043", "accounts.google.com", "user"),
        ("1043", "arn:aws:iam::1:oidc-provider/gitlab.com", "user"),
        ("repo:evil/x", "cognito-identity.amazonaws.com", "user"),
        ("repo:octo/app:ref:refs/heads/main", "oidc-provider/git.example", "user"),
        ("ann", "arn:aws:iam::1:oidc-provider/login.oidc.eks.evil.example", "user"),
        ("ann", "oidc-provider/evil.example/token.actions.githubusercontent.com", "user"),
        ("ann", "arn:aws:iam::1:oidc-provider/token.actions.githubusercontent.com.evil.example",
         "user"),
    ],
)
def test_who_vouches_for_programs_alone_makes_a_web_identity_a_service(
    subject: str, provider: str, kind: str
) -> None:
    identity = {"type": "WebIdentityUser", "userName": subject, "identityProvider": provider}
    assert event(userIdentity=identity)["actor"] == {
        "type": kind, "id": subject, "auth": {"method": "web_identity"}
    }


def test_of_another_account_the_unique_id_tells_a_user() -> None:
    for ident, kind in (("AIDAQRSTUVWXYZEXAMPLE", "user"), ("AROAQRSTUVWXYZ:x", "service")):
        identity = {"type": "AWSAccount", "accountId": "999", "principalId": ident}
        assert event(userIdentity=identity)["actor"] == {"type": kind, "id": ident}


def test_what_a_service_did_by_itself_may_say_its_end_in_its_name() -> None:
    for name, outcome in (("RotationSucceeded", "success"), ("RotationFailed", "failure"),
                          ("RotationStarted", None)):
        found = event(eventType="AwsServiceEvent", eventName=name,
                      eventSource="secretsmanager.amazonaws.com")
        assert found.get("outcome") == outcome
