"""Which values a CloudTrail record tells that a setting has now, by service and call. Data.

Only calls whose parameters are the new state and nothing else stand here; what they leave out
stays as it was. A value that AWS hides is told as changed, without the value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from indelible.event.model import Change, ChangeOp
from indelible.event.paths import escape_segment
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.contract import Record
from indelible.ingest.parsers.pick import items, member, text

_HIDDEN: Final = ("HIDDEN_DUE_TO_SECURITY_REASONS", "***", "****", "<sensitiveDataRemoved>", "")

_SET: Final[dict[str, str]] = {
    "iam:UpdateAssumeRolePolicy": "policyDocument=assumeRolePolicyDocument",
    "iam:SetDefaultPolicyVersion": "versionId=defaultVersionId",
    "iam:PutUserPermissionsBoundary": "permissionsBoundary",
    "iam:PutRolePermissionsBoundary": "permissionsBoundary",
    "iam:UpdateAccountPasswordPolicy": """minimumPasswordLength requireSymbols requireNumbers
        requireUppercaseCharacters requireLowercaseCharacters allowUsersToChangePassword
        maxPasswordAge passwordReusePrevention hardExpiry""",
    "iam:UpdateRole": "maxSessionDuration description",
    "kms:PutKeyPolicy": "policy",
    "s3:PutBucketPolicy": "bucketPolicy=policy",
    "s3:PutBucketAcl": "AccessControlPolicy=acl x-amz-acl=acl",
    "s3:PutBucketVersioning": "VersioningConfiguration=versioning",
    "s3:PutBucketEncryption": "ServerSideEncryptionConfiguration=encryption",
    "s3:PutBucketPublicAccessBlock": "PublicAccessBlockConfiguration=publicAccessBlock",
    "s3:PutAccountPublicAccessBlock": "PublicAccessBlockConfiguration=publicAccessBlock",
    "s3:PutBucketLogging": "BucketLoggingStatus=logging",
    "s3:PutBucketLifecycle": "LifecycleConfiguration=lifecycle",
    "s3:PutBucketLifecycleConfiguration": "LifecycleConfiguration=lifecycle",
    "s3:PutBucketReplication": "ReplicationConfiguration=replication",
    "s3:PutBucketOwnershipControls": "OwnershipControls=ownershipControls",
    "s3:PutBucketWebsite": "WebsiteConfiguration=website",
    "cloudtrail:UpdateTrail": """s3BucketName s3KeyPrefix snsTopicName includeGlobalServiceEvents
        isMultiRegionTrail enableLogFileValidation cloudWatchLogsLogGroupArn cloudWatchLogsRoleArn
        kmsKeyId isOrganizationTrail""",
    "cloudtrail:PutEventSelectors": "eventSelectors advancedEventSelectors",
    "cloudtrail:PutInsightSelectors": "insightSelectors",
    "logs:PutRetentionPolicy": "retentionInDays",
    "rds:ModifyDBInstance": """dBInstanceClass allocatedStorage publiclyAccessible
        masterUserPassword deletionProtection backupRetentionPeriod multiAZ engineVersion
        vpcSecurityGroupIds iAMDatabaseAuthenticationEnabled storageType""",
    "rds:ModifyDBCluster": """masterUserPassword deletionProtection backupRetentionPeriod
        engineVersion vpcSecurityGroupIds enableIAMDatabaseAuthentication""",
    "lambda:UpdateFunctionConfiguration": """role handler runtime timeout memorySize layers
        vpcConfig kMSKeyArn""",
    "ec2:ModifyInstanceMetadataOptions": """
        ModifyInstanceMetadataOptionsRequest.HttpTokens=httpTokens
        ModifyInstanceMetadataOptionsRequest.HttpEndpoint=httpEndpoint httpTokens httpEndpoint""",
    "guardduty:UpdateDetector": "enable dataSources features findingPublishingFrequency",
    "eks:UpdateClusterConfig": "resourcesVpcConfig logging accessConfig",
    "ecr:SetRepositoryPolicy": "policyText=policy",
    "secretsmanager:PutResourcePolicy": "resourcePolicy=policy",
    "autoscaling:UpdateAutoScalingGroup": "minSize maxSize desiredCapacity",
    "autoscaling:SetDesiredCapacity": "desiredCapacity",
    "ssm:UpdateServiceSetting": "settingValue",
}
"""`service:eventName` to the parameters that are new values, each as `parameter` or as
`parameter=path`; a dot goes into an object."""
_UNSET: Final[dict[str, str]] = {
    "s3:DeleteBucketPolicy": "policy", "s3:DeleteBucketEncryption": "encryption",
    "s3:DeleteBucketPublicAccessBlock": "publicAccessBlock",
    "s3:DeleteAccountPublicAccessBlock": "publicAccessBlock",
    "s3:DeleteBucketLifecycle": "lifecycle", "s3:DeleteBucketReplication": "replication",
    "s3:DeleteBucketWebsite": "website", "logs:DeleteRetentionPolicy": "retentionInDays",
    "iam:DeleteUserPermissionsBoundary": "permissionsBoundary",
    "iam:DeleteRolePermissionsBoundary": "permissionsBoundary",
}
_NAMED: Final[dict[str, tuple[str, str, str]]] = {
    "iam:PutUserPolicy": ("policies", "policyName", "policyDocument"),
    "iam:PutRolePolicy": ("policies", "policyName", "policyDocument"),
    "iam:PutGroupPolicy": ("policies", "policyName", "policyDocument"),
    "iam:DeleteUserPolicy": ("policies", "policyName", ""),
    "iam:DeleteRolePolicy": ("policies", "policyName", ""),
    "iam:DeleteGroupPolicy": ("policies", "policyName", ""),
    "iam:UpdateAccessKey": ("accessKeys", "accessKeyId", "status"),
    "lambda:RemovePermission": ("permissions", "statementId", ""),
    "sns:SetTopicAttributes": ("", "attributeName", "attributeValue"),
}
"""`service:eventName` to what stands under the name that one parameter gives; without a value, it
was taken away."""
_RULES: Final = {
    "AuthorizeSecurityGroupIngress": ("ingress", ChangeOp.ADD),
    "AuthorizeSecurityGroupEgress": ("egress", ChangeOp.ADD),
    "RevokeSecurityGroupIngress": ("ingress", ChangeOp.REMOVE),
    "RevokeSecurityGroupEgress": ("egress", ChangeOp.REMOVE),
}
_SOURCES: Final = (("ipRanges", "cidrIp"), ("ipv6Ranges", "cidrIpv6"), ("groups", "groupId"),
                   ("prefixListIds", "prefixListId"))
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def settings_of(record: Record, service: str, event: str) -> Iterator[Change]:
    """What one successful call set, added or took away."""
    params = member(record, "requestParameters")
    key = f"{service}:{_plain(event)}"
    for row in _SET.get(key, "").split():
        parameter, _, path = row.partition("=")
        *front, last = parameter.split(".")
        part = member(params, *front)
        if last in part:
            yield Change(path=escape_segment(path or last), op=ChangeOp.REPLACE,
                         after=_value(part[last]))
    if key in _UNSET:
        yield Change(path=_UNSET[key], op=ChangeOp.REMOVE)
    if key in _NAMED:
        yield from _under_a_name(params, *_NAMED[key])
    if service == "ec2":
        yield from _rules(params, event)
        yield from _attributes(params, event)
    if event in ("StartLogging", "StopLogging") and service == "cloudtrail":
        yield Change(path="logging", op=ChangeOp.REPLACE, after=Raw(_encode(event[:4] != "Stop")))
    if event.startswith("UpdateFunctionCode") and service == "lambda":
        digest = text(member(record, "responseElements"), "codeSha256")
        if digest:
            yield Change(path="codeSha256", op=ChangeOp.REPLACE, after=pick.raw(digest))
    if event == "ScheduleKeyDeletion":
        date = text(member(record, "responseElements"), "deletionDate")
        if date:
            yield Change(path="deletionDate", op=ChangeOp.ADD, after=pick.raw(date))


def _plain(event: str) -> str:
    """A call's name without the version of its API (`UpdateFunctionConfiguration20150331v2`)."""
    return event.partition("20")[0] if event.startswith("UpdateFunction") else event


def _value(value: Any) -> Raw | UnsetType:
    """A new value; a document in a text is told as the object it is; what is hidden is not told."""
    if value in _HIDDEN or value is None:
        return UNSET
    if isinstance(value, str) and value.lstrip()[:1] == "{":
        try:
            return pick.raw(_decode(value))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            pass
    return pick.raw(value)


def _under_a_name(params: Record, front: str, naming: str, valued: str) -> Iterator[Change]:
    name = text(params, naming)
    if not name:
        return
    path = f"{front}.{escape_segment(name)}" if front else escape_segment(name)
    if front == "accessKeys":
        path += ".status"
    if not valued:
        yield Change(path=path, op=ChangeOp.REMOVE)
    elif valued in params:
        yield Change(path=path, op=ChangeOp.REPLACE, after=_value(params[valued]))


def _rules(params: Record, event: str) -> Iterator[Change]:
    """Every rule of a security group by protocol, ports and source: `ingress.tcp 22-22 0.0.0.0/0`.

    A rule is told whole, so that a search for its parts finds it.
    """
    if event not in _RULES:
        return
    front, op = _RULES[event]
    for rule in items(member(params, "ipPermissions"), "items"):
        protocol = text(rule, "ipProtocol") or "all"
        ports = [str(rule.get(name, "")) for name in ("fromPort", "toPort")] if isinstance(
            rule, dict) else []
        known = {name: rule[name] for name in ("ipProtocol", "fromPort", "toPort")
                 if isinstance(rule, dict) and name in rule}
        for listed, naming in _SOURCES:
            for one in items(member(rule, listed), "items"):
                source = text(one, naming)
                if not source:
                    continue
                said = " ".join((protocol, "-".join(ports), source)).replace(" - ", " ")
                path = f"{front}.{escape_segment(said)}"
                value = pick.raw({**known, naming: source})
                if op is ChangeOp.ADD:
                    yield Change(path=path, op=op, after=value)
                else:
                    yield Change(path=path, op=op, before=value)


def _attributes(params: Record, event: str) -> Iterator[Change]:
    """`{"disableApiTermination": {"value": false}}` of `ModifyInstanceAttribute` and the like."""
    if not (event.startswith("Modify") and event.endswith("Attribute")):
        return
    for name, said in params.items():
        if isinstance(said, dict) and set(said) == {"value"}:
            yield Change(path=escape_segment(name), op=ChangeOp.REPLACE,
                         after=_value(said["value"]))
