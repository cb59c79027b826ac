"""Of a CloudTrail record: when, from which address, and what has no member of its own.

Also Insights events, which CloudTrail makes by itself when calls or errors are unusually many: they
have no caller, and speak of an API (docs.aws.amazon.com/awscloudtrail/latest/userguide,
"CloudTrail record contents for Insights events for trails").
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from msgspec import UNSET, UnsetType

from indelible.event.model import Actor, ActorType, Event, Operation
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.cloudtrail_actor import is_service
from indelible.ingest.parsers.contract import Given, NotUnderstood, Record, Understood
from indelible.ingest.parsers.pick import items, member, or_unset, text, word

_PLAIN: Final = {
    "sharedEventID": "shared_event_id", "vpcEndpointId": "vpc_endpoint",
    "vpcEndpointAccountId": "vpc_endpoint_account", "apiVersion": "api_version",
}
_IDENTITY: Final = {
    "arn": "actor_arn", "identityProvider": "identity_provider", "credentialId": "credential_id",
}
_SESSION: Final = {
    "ec2RoleDelivery": "ec2_role_delivery", "assumedRoot": "assumed_root",
    "signInSessionArn": "sign_in_session",
}
_EXTRA: Final = {
    "MFAIdentifier": "mfa_device", "MfaType": "mfa_type", "AuthWorkflowID": "auth_workflow",
    "SwitchFrom": "switched_from", "SwitchTo": "switched_to",
}


def moment_of(record: Record) -> tuple[datetime | UnsetType, tuple[str, ...]]:
    """`eventTime`; UTC is assumed, and flagged, where it has no offset."""
    return pick.dated(UTC, record.get("eventTime"))


def addresses_of(record: Record, given: Given) -> tuple[str, str]:
    """The caller's address, or the AWS service that called in its place; either may be ''.

    Where several addresses stand there, it is the last that is no configured proxy.
    """
    said = text(record, "sourceIPAddress")
    if is_service(said):
        return "", said
    return pick.client([one.strip() for one in said.split(",")], given.proxies), ""


def labels_of(record: Record) -> dict[str, str] | UnsetType:
    """The account that received the record, and the region."""
    account, region = text(record, "recipientAccountId"), text(record, "awsRegion")
    labels = {name: value for name, value in (("account", account), ("region", region)) if value}
    return labels or UNSET


def facts_of(record: Record, name: str, addresses: tuple[str, str]) -> dict[str, object]:
    """What has no member of its own and is worth a search of its own."""
    identity, extra = member(record, "userIdentity"), member(record, "additionalEventData")
    session, tls = member(identity, "sessionContext"), member(record, "tlsDetails")
    facts: dict[str, object] = {"vendor_action": name}
    kind, category = text(record, "eventType"), text(record, "eventCategory")
    if kind != "AwsApiCall":
        facts["event_type"] = kind
    if category != "Management":
        facts["category"] = category
    said = text(record, "sourceIPAddress")
    if said not in addresses:
        facts["source_address"] = said
    for part, names in ((record, _PLAIN), (identity, _IDENTITY), (session, _SESSION),
                        (extra, _EXTRA)):
        for theirs, ours in names.items():
            if theirs in part:
                facts[ours] = text(part, theirs)
    account = text(identity, "accountId")
    if account != text(record, "recipientAccountId") and account.isdigit():
        facts["actor_account"] = account
    if record.get("sessionCredentialFromConsole") in ("true", True):
        facts["from_console"] = "true"
    if tls:
        facts["tls_version"] = text(tls, "tlsVersion")
        facts["tls_host"] = text(tls, "clientProvidedHostHeader")
    if "onBehalfOf" in identity:
        facts["identity_store_user"] = text(member(identity, "onBehalfOf"), "userId")
    if "webIdFederationData" in session:
        facts["federated_provider"] = text(
            member(session, "webIdFederationData"), "federatedProvider")
    if "invokedByDelegate" in identity:
        facts["delegate_account"] = text(member(identity, "invokedByDelegate"), "accountId")
    if "inScopeOf" in identity:
        facts["in_scope_of"] = text(member(identity, "inScopeOf"), "sourceArn")
    if "addendum" in record:
        facts["addendum"] = _addendum(member(record, "addendum"))
    return pick.flat(facts)


def _addendum(said: Record) -> dict[str, object]:
    """Why a record came late or again, and which one it completes."""
    return pick.flat({
        "reason": text(said, "reason"),
        "updated_fields": text(said, "updatedFields"),
        "original_event": text(said, "originalEventID"),
        "original_request": text(said, "originalRequestID"),
    })


def insight(record: Record, given: Given) -> Understood:
    """An Insights event: unusual activity of an API began or ended.

    Raises `NotUnderstood` when it does not name the API.
    """
    details = member(record, "insightDetails")
    source, name = text(details, "eventSource"), text(details, "eventName")
    state = text(details, "state").lower()
    if not source or not name or not state:
        raise NotUnderstood("missing_field", "the Insights event names no state, service or call")
    time, flags = moment_of(record)
    api = f"{source.removesuffix('.amazonaws.com')}:{name}"
    context = member(details, "insightContext")
    statistics = member(context, "statistics")
    event = Event(
        action=pick.action("cloudtrail", "insight", state),
        actor=Actor(type=ActorType.SERVICE, id="cloudtrail.amazonaws.com"),
        operation=Operation.OTHER,
        targets=pick.targets(pick.target("aws_api", text({"": api}, ""))),
        time=time,
        id=or_unset(text(record, "eventID")),
        labels=labels_of(record),
    )
    return Understood(event, pick.flat({
        "vendor_action": name,
        "event_type": text(record, "eventType"),
        "insight_type": text(details, "insightType"),
        "shared_event_id": text(record, "sharedEventID"),
        "error_code": text(details, "errorCode"),
        "baseline_average": _average(statistics, "baseline"),
        "insight_average": _average(statistics, "insight"),
        "minutes": word(statistics, "insightDuration"),
        "callers": _most(context, "userIdentityArn"),
        "agents": _most(context, "userAgent"),
        "error_codes": _most(context, "errorCode"),
    }), flags)


def _average(statistics: Record, name: str) -> float | None:
    value = member(statistics, name).get("average")
    return value if isinstance(value, float) else None


def _most(context: Record, attribute: str) -> list[str]:
    """Who or what was behind the unusual activity, most first."""
    for one in items(context, "attributions"):
        if text(one, "attribute") == attribute:
            found: list[Any] = items(one, "insight")
            return [text(each, "value") for each in found if text(each, "value")]
    return []
