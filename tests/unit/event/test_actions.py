"""Actions to operations, AWS names to actions: `indelible.event.actions`."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.base.limits import ACTION_CHARS
from indelible.event.actions import aws_action, operation_of, present_of, singular
from indelible.event.aws_catalogue import EXCEPTIONS
from indelible.event.catalogue import VERBS
from indelible.event.model import Operation

FORM = re.compile(r"[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9][a-z0-9_-]*)+")


@pytest.mark.parametrize(
    ("action", "operation"),
    [
        ("payroll.record.delete", "delete"), ("user.session.login", "login"),
        ("user.sign-in", "login"), ("session.logged_out", "logout"), ("doc.read", "read"),
        ("doc.viewed", "read"), ("order.stopped", "execute"), ("order.copied", "create"),
        ("role.granted", "grant"), ("role.revoke", "revoke"), ("record.bulk_delete", "delete"),
        ("report.export", "export"), ("leave.request.approve", "approve"),
        ("sso.setting.update", "update"), ("mfa.disable", "configure"),
        ("thing.frobnicate", "other"), ("x.red", "other"), ("x.ed", "other"),
        ("user.login_failed", "login"), ("job.run", "create"), ("row.dropped", "delete"),
    ],
)
def test_the_last_part_decides_the_operation(action: str, operation: str) -> None:
    assert operation_of(action) is Operation(operation)


def test_every_operation_has_its_own_name_as_a_verb() -> None:
    for operation in Operation:
        assert operation_of(f"x.{operation.value}") is operation


def test_the_catalogue_has_at_least_two_hundred_verbs_each_in_one_class() -> None:
    assert len(VERBS) > 200
    assert present_of("deleted") == "delete"
    assert present_of("denied") == "deny"
    assert present_of("frobnicated") == ""


@pytest.mark.parametrize(
    ("source", "name", "action", "operation"),
    [
        ("iam.amazonaws.com", "AttachUserPolicy", "iam.user_policy.attach", "grant"),
        ("iam.amazonaws.com", "DetachUserPolicy", "iam.user_policy.detach", "revoke"),
        ("iam.amazonaws.com", "PutRolePolicy", "iam.role_policy.put", "grant"),
        ("iam.amazonaws.com", "ListMFADevices", "iam.mfa_device.list", "read"),
        ("iam.amazonaws.com", "ListRolePolicies", "iam.role_policy.list", "read"),
        ("iam.amazonaws.com", "DeleteUser", "iam.user.delete", "delete"),
        ("iam.amazonaws.com", "UpdateAssumeRolePolicy", "iam.assume_role_policy.update", "grant"),
        ("signin.amazonaws.com", "ConsoleLogin", "signin.console.login", "login"),
        ("sts.amazonaws.com", "AssumeRole", "sts.role.assume", "login"),
        ("sts.amazonaws.com", "GetCallerIdentity", "sts.caller_identity.get", "read"),
        ("s3.amazonaws.com", "PutBucketPolicy", "s3.bucket_policy.put", "grant"),
        ("s3.amazonaws.com", "PutBucketTagging", "s3.bucket_tagging.put", "configure"),
        ("s3.amazonaws.com", "GetObject", "s3.object.get", "read"),
        ("lambda.amazonaws.com", "CreateFunction20150331", "lambda.function.create", "create"),
        ("lambda.amazonaws.com", "AddPermission20150331v2", "lambda.function_permission.add",
         "grant"),
        ("rds.amazonaws.com", "DescribeDBInstances", "rds.db_instance.describe", "read"),
        ("ec2.amazonaws.com", "DescribeVpcs", "ec2.vpc.describe", "read"),
        ("ec2.amazonaws.com", "RunInstances", "ec2.instance.run", "create"),
        ("ec2.amazonaws.com", "DescribeVPCs", "ec2.vpc.describe", "read"),
        ("ec2.amazonaws.com", "BidEvictedEvent", "ec2.bid_evicted_event.occur", "other"),
        ("cloudtrail.amazonaws.com", "StopLogging", "cloudtrail.logging.stop", "configure"),
        ("kms.amazonaws.com", "Decrypt", "kms.key.decrypt", "execute"),
        ("secretsmanager.amazonaws.com", "StartSecretVersionDelete",
         "secretsmanager.secret_version_deletion.start", "delete"),
        ("secretsmanager.amazonaws.com", "BatchGetSecretValue", "secretsmanager.secret_value.get",
         "read"),
        ("cognito-idp.amazonaws.com", "AdminCreateUser", "cognito-idp.user.create", "create"),
        ("logs.amazonaws.com", "PutRetentionPolicy", "logs.retention_policy.put", "configure"),
        ("logs.amazonaws.com", "PutResourcePolicy", "logs.resource_policy.put", "grant"),
        ("guardduty.amazonaws.com", "ArchiveFindings", "guardduty.finding.archive", "update"),
        ("lambda.amazonaws.com", "PublishLayerVersion20181031", "lambda.layer_version.publish",
         "create"),
        ("new.amazonaws.com", "SnapshotCreated", "new.snapshot.create", "create"),
        ("new.amazonaws.com", "Ping", "new.service.ping", "other"),
        ("s3-outposts.amazonaws.com", "ListThings", "s3-outposts.thing.list", "read"),
    ],
)
def test_aws_names_become_actions(source: str, name: str, action: str, operation: str) -> None:
    assert aws_action(source, name) == (action, Operation(operation))


@given(st.text(max_size=300), st.text(max_size=600))
def test_whatever_the_names_the_result_has_the_form_of_an_action(source: str, name: str) -> None:
    action, operation = aws_action(source, name)
    assert FORM.fullmatch(action)
    assert len(action) <= ACTION_CHARS
    assert isinstance(operation, Operation)


def test_every_exception_is_reachable_under_its_own_name() -> None:
    for key, (target, verb, operation) in EXCEPTIONS.items():
        service, _, name = key.partition(":")
        service = "any" if service == "*" else service
        assert aws_action(f"{service}.amazonaws.com", name) == (
            f"{service}.{target}.{verb}", operation
        )


@pytest.mark.parametrize(
    ("plural", "one"),
    [("policies", "policy"), ("addresses", "address"), ("status", "status"), ("keys", "key"),
     ("indexes", "index"), ("batches", "batch"), ("caches", "cache"), ("permissions", "permission"),
     ("dns", "dns"), ("analysis", "analysis"), ("access", "access"), ("databases", "database")],
)
def test_nouns_stand_in_the_singular(plural: str, one: str) -> None:
    assert singular(plural) == one
