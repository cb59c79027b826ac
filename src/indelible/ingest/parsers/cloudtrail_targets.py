"""What a CloudTrail record touched: `resources`, request parameters, and what a creation made.

Targets are typed `service_thing` (`iam_user`, `s3_bucket`, `ec2_instance`) with the short id that
people and parameters use; the account an ARN names becomes `parent`. EC2 ids tell their own type
(`i-`, `vpc-`), ARNs tell theirs, and `_NAMES` types the rest by service and parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from indelible.base.limits import NAME_CHARS, RESOURCE_DEPTH, TARGETS
from indelible.event.model import Operation, Target
from indelible.ingest.parsers.pick import member, or_unset, text

_SKIPPED = frozenset(
    ("tags", "tag", "tagset", "tagslist", "taglist", "tagging", "tagspecificationset",
     "policydocument", "policy", "bucketpolicy", "assumerolepolicydocument", "clienttoken",
     "nexttoken", "marker", "environment", "userdata", "filter", "filters", "filterset",
     "parameterfilters")
)
"""Parameters that name nothing that was touched, whatever stands in them (in lower case)."""
_REFUSED_ON = re.compile(r'is not authorized to perform: \S+ on resource: "?(arn:[^\s"]+)')
"""What a refusal names: `User: ... is not authorized to perform: ... on resource: ARN`."""

_EC2 = {
    "i": "instance", "vpc": "vpc", "subnet": "subnet", "rtb": "route_table", "acl": "network_acl",
    "sg": "security_group", "igw": "internet_gateway", "nat": "nat_gateway", "vol": "volume",
    "eni": "network_interface", "snap": "snapshot", "ami": "image", "eipalloc": "elastic_ip",
    "fl": "flow_log", "vpce": "vpc_endpoint", "lt": "launch_template", "key": "key_pair",
    "pcx": "vpc_peering_connection", "vgw": "vpn_gateway", "cgw": "customer_gateway",
    "vpn": "vpn_connection", "tgw": "transit_gateway", "dopt": "dhcp_options",
    "eigw": "egress_only_internet_gateway", "rtbassoc": "route_table_association",
    "eni-attach": "network_interface_attachment", "eipassoc": "elastic_ip_association",
    "sgr": "security_group_rule", "pl": "prefix_list", "pg": "placement_group",
}
_EC2_ID = re.compile(r"(" + "|".join(sorted(_EC2, key=len, reverse=True)) + r")-[0-9A-Za-z]{8,32}")

_ARN_TYPES = {
    ("rds", "db"): "rds_db_instance", ("rds", "snapshot"): "rds_db_snapshot",
    ("rds", "cluster"): "rds_db_cluster", ("rds", "cluster-snapshot"): "rds_db_cluster_snapshot",
    ("rds", "subgrp"): "rds_db_subnet_group", ("sts", "assumed-role"): "sts_session",
    ("iam", "instance-profile"): "iam_instance_profile", ("iam", "mfa"): "iam_mfa_device",
    ("ssm", "managed-instance-inventory"): "ec2_instance",
    ("elasticloadbalancing", "loadbalancer"): "elasticloadbalancing_load_balancer",
}
_UNTYPED_ARNS = {"sns": "sns_topic", "sqs": "sqs_queue"}
_SECRET_SUFFIX = re.compile(r"-[A-Za-z0-9]{6}$")

_ANY = {
    "bucketname": "s3_bucket", "s3bucketname": "s3_bucket", "s3bucket": "s3_bucket",
    "rolename": "iam_role", "functionname": "lambda_function", "secretid": "secretsmanager_secret",
    "instanceprofilename": "iam_instance_profile", "loggroupname": "logs_log_group",
    "tablename": "dynamodb_table", "repositoryname": "ecr_repository",
    "trailname": "cloudtrail_trail", "topicname": "sns_topic", "queuename": "sqs_queue",
    "clustername": "eks_cluster", "autoscalinggroupname": "autoscaling_group",
    "hostedzoneid": "route53_hosted_zone", "detectorid": "guardduty_detector",
    "stackname": "cloudformation_stack", "dbinstanceidentifier": "rds_db_instance",
    "dbsnapshotidentifier": "rds_db_snapshot", "finaldbsnapshotidentifier": "rds_db_snapshot",
    "dbclusteridentifier": "rds_db_cluster", "dbsubnetgroupname": "rds_db_subnet_group",
    "dbclustersnapshotidentifier": "rds_db_cluster_snapshot",
    "sourcedbsnapshotidentifier": "rds_db_snapshot", "kmskeyid": "kms_key",
    "iaminstanceprofile": "iam_instance_profile",
}
_NAMES: dict[str, dict[str, str]] = {
    "iam": {"username": "iam_user", "groupname": "iam_group", "accesskeyid": "iam_access_key",
            "policyname": "iam_policy", "serialnumber": "iam_mfa_device",
            "samlprovidername": "iam_saml_provider",
            "servercertificatename": "iam_server_certificate"},
    "s3": {"bucket": "s3_bucket"},
    "kms": {"keyid": "kms_key", "aliasname": "kms_alias", "targetkeyid": "kms_key"},
    "secretsmanager": {"name": "secretsmanager_secret", "secretidlist": "secretsmanager_secret"},
    "ssm": {"documentname": "ssm_document", "commandid": "ssm_command",
            "associationid": "ssm_association"},
    "cloudtrail": {"name": "cloudtrail_trail", "trailnamelist": "cloudtrail_trail"},
    "lambda": {"layername": "lambda_layer"},
    "ec2": {"keyname": "ec2_key_pair", "groupname": "ec2_security_group"},
    "organizations": {"policyid": "organizations_policy", "targetid": "organizations_target",
                      "accountid": "organizations_account"},
    "rolesanywhere": {"profileid": "rolesanywhere_profile",
                      "trustanchorid": "rolesanywhere_trust_anchor"},
    "eks": {"name": "eks_cluster"},
    "dynamodb": {"tablename": "dynamodb_table"},
    "sts": {"accesskeyid": "sts_access_key", "name": "sts_federated_user"},
    "cognito-idp": {"userpoolid": "cognito_user_pool", "username": "cognito_user"},
}


_MADE_BESIDE = {
    "sts": ("sts_access_key",), "iam": ("iam_user",), "ssm": ("ssm_command",),
    "ec2": ("ec2_route_table_association", "ec2_network_interface_attachment",
            "ec2_elastic_ip_association", "ec2_security_group_rule"),
}
"""What answers name as made, by service, although the call's name speaks of something else."""


def targets_of(record: dict[str, Any], service: str, operation: Operation) -> list[Target]:
    """What was touched, the most telling first, each once, at most `limits.TARGETS`."""
    event = text(record, "eventName")
    found: dict[tuple[str, str], Target] = {}
    resources = record.get("resources")
    for resource in resources if isinstance(resources, list) else []:
        _add(found, _resource(resource))
    params = record.get("requestParameters")
    for target in _walk(params, service, event, "", 0):
        _add(found, target)
    if isinstance(params, dict) and service == "s3" and text(params, "key"):
        parent = text(params, "bucketName")
        _add(found, Target(type="s3_object", id=text(params, "key"), parent=or_unset(parent)))
    message = record.get("errorMessage")
    refused = _REFUSED_ON.search(message) if isinstance(message, str) else None
    if refused is not None:
        _add(found, arn_target(refused[1]))
    _made(found, record, service, operation)
    if text(record, "eventType").lower() == "awsserviceevent":
        details = member(record, "serviceEventDetails")
        role, account = text(details, "role_name"), text(details, "account_id")
        _add(found, Target(type="iam_role", id=role, parent=or_unset(account)))
        for name in ("serviceEventDetails", "additionalEventData"):
            for target in _walk(record.get(name), "", event, "", 0):
                _add(found, target)
    return sorted(found.values(), key=lambda target: _rank(target, event))[:TARGETS]


def _made(
    found: dict[tuple[str, str], Target], record: dict[str, Any], service: str, operation: Operation
) -> None:
    """Add what the answer says was made; an id that the service chose gets the name asked for."""
    if operation in (Operation.READ, Operation.DELETE, Operation.REVOKE):
        return
    event = text(record, "eventName")
    name = text(record.get("requestParameters"), "name", "groupName")
    for target in _walk(record.get("responseElements"), service, event, "", 0):
        if operation is Operation.CREATE and _rank(target, event) < _FAR:
            known = {kind for kind, called in found if called in (name, target.id)}
            if name and target.id != name and known <= {target.type}:
                found.pop((target.type, name), None)
                target, name = replace(target, name=name), ""
            _add(found, target)
        elif target.type in _MADE_BESIDE.get(service, ()):
            _add(found, target)


def arn_target(arn: str) -> Target | None:
    """The target an ARN names, or None when the text is no ARN of a resource."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[2] or not parts[5] or parts[5] == "*":
        return None
    service, account, resource = parts[2], parts[4], parts[5]
    if service == "s3" and not account:
        bucket, slash, key = resource.partition("/")
        if slash and key and key != "*":
            return Target(type="s3_object", id=key, parent=bucket)
        return Target(type="s3_bucket", id=bucket)
    found = re.match(r"([A-Za-z0-9-]+)([:/])(.+)", resource)
    if found is None:
        kind = _UNTYPED_ARNS.get(service, f"{service}_resource")
        return Target(type=kind, id=resource, parent=or_unset(account))
    name = _short(service, found[1], found[2], found[3])
    kind = _ARN_TYPES.get((service, found[1]), f"{service}_{found[1].replace('-', '_')}")
    if service == "kms" and found[1] == "alias":
        name = f"alias/{name}"
    return Target(type=kind, id=name, parent=or_unset(account))


def _short(service: str, kind: str, mark: str, name: str) -> str:
    """The name people use, out of the last part of an ARN."""
    if service == "iam":
        return name.rpartition("/")[2]
    if service == "secretsmanager":
        return _SECRET_SUFFIX.sub("", name)
    if service == "ssm" and kind == "parameter" and "/" in name:
        return mark + name
    if service == "lambda" and kind in ("function", "layer"):
        return name.partition(":")[0]
    if service == "logs":
        return name.partition(":")[0]
    return name


_FAR = 1 << 16
_NOUNS = {"ec2_elastic_ip": "address", "ec2_flow_log": "flowlogs"}


def _rank(target: Target, event: str) -> int:
    """Where the thing stands in the event's name (`AttachUserPolicy`: the user comes first)."""
    name = event.lower()
    words = target.type.split("_")[1:]
    for noun in (_NOUNS.get(target.type, "".join(words)), words[-1] if words else ""):
        at = name.find(noun) if noun else -1
        if at >= 0:
            return at
    return _FAR


def _add(found: dict[tuple[str, str], Target], target: Target | None) -> None:
    if target is None or target.id in ("", "*") or len(target.id) > NAME_CHARS:
        return
    key = (target.type, target.id)
    known = found.get(key)
    if known is None or (known.parent is UNSET and target.parent is not UNSET):
        found[key] = target


def _resource(resource: Any) -> Target | None:
    """One entry of `resources`: by its ARN, or by its name and CloudFormation type."""
    arn = text(resource, "ARN", "arn")
    target = arn_target(arn) if arn else None
    account = or_unset(text(resource, "accountId"))
    if target is not None:
        return replace(target, parent=account) if target.parent is UNSET else target
    kind = text(resource, "type", "resourceType").removeprefix("AWS::").replace("::", "_").lower()
    name = text(resource, "resourceName", "ARN", "arn")
    if not kind or not name:
        return None
    return Target(type=kind, id=name, parent=account)


def _walk(part: Any, service: str, event: str, key: str, depth: int) -> Iterator[Target]:
    """Every resource named in `part`, a value under the parameter `key`."""
    if depth > RESOURCE_DEPTH:
        return
    if isinstance(part, dict):
        for name, value in part.items():
            low = str(name).lower()
            made = low == "policy" and "arn" in member(part, name)  # what CreatePolicy answers
            if low not in _SKIPPED or made:
                inner = key if _same_key(key, low) else low
                yield from _walk(value, service, event, inner, depth + 1)
        yield from _ssm_resource(part, service)
    elif isinstance(part, list):
        for value in part[:TARGETS]:
            yield from _walk(value, service, event, key, depth + 1)
    elif isinstance(part, str) and 0 < len(part) <= NAME_CHARS:
        target = _named(part, service, event, key)
        if target is not None:
            yield target


def _same_key(key: str, low: str) -> bool:
    """Whether the member `low` only wraps the value of the parameter `key`."""
    wrapper = low in ("items", "content", "value", "member")
    return bool(key) and (wrapper or (key, low) == ("iaminstanceprofile", "name"))


def _named(value: str, service: str, event: str, key: str) -> Target | None:
    if value.startswith("arn:"):
        return arn_target(value)
    found = _EC2_ID.fullmatch(value)
    if found is not None:
        return Target(type=f"ec2_{_EC2[found[1]]}", id=value)
    kind = _NAMES.get(service, {}).get(key) or (_ANY.get(key) if service else None)
    if service == "ssm" and key in ("name", "names"):
        kind = "ssm_document" if "Document" in event else "ssm_parameter"
    if kind is None:
        return None
    if kind == "iam_policy" and event != "CreatePolicy":
        kind = "iam_inline_policy"
    if kind == "kms_key" and value.startswith("alias/"):
        kind = "kms_alias"
    return Target(type=kind, id=value)


def _ssm_resource(part: dict[str, Any], service: str) -> Iterator[Target]:
    """`{"resourceType": "Parameter", "resourceId": ...}` as SSM's tag calls have it."""
    kind, name = text(part, "resourceType"), text(part, "resourceId")
    if service == "ssm" and kind in ("Parameter", "Document") and name:
        yield Target(type=f"ssm_{kind.lower()}", id=name)


def told_operation(record: dict[str, Any]) -> Operation | None:
    """The operation, where the parameters tell it better than the call's name.

    GRANT or REVOKE for a call that shares an image or a snapshot, or takes it back; CREATE for a
    parameter that is put without leave to overwrite; LOGIN for a credential that was not accepted,
    which is all that is written of a sign-in to IAM Identity Center that failed.
    """
    params = member(record, "requestParameters")
    for name in ("launchPermission", "createVolumePermission"):
        part = member(params, name)
        if part:
            return Operation.GRANT if "add" in part else Operation.REVOKE
    event = text(record, "eventName")
    if event.startswith("ModifyDB") or event == "ModifyDocumentPermission":
        if params.get("valuesToAdd") or params.get("accountIdsToAdd"):
            return Operation.GRANT
        if params.get("valuesToRemove") or params.get("accountIdsToRemove"):
            return Operation.REVOKE
    if event == "PutParameter" and params.get("overwrite") is False:
        return Operation.CREATE
    if text(member(record, "serviceEventDetails"), "CredentialVerification") == "Failure":
        return Operation.LOGIN
    return None
