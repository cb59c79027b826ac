"""The Azure Activity Log, as its REST API gives it or as Azure Monitor sends it on.

The REST form has `eventTimestamp`, `caller` and `claims`; a diagnostic setting writes `time`,
`identity` and `callerIpAddress`. Both are read alike (`docs/sources/azure_activity.md`).
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final

from msgspec import UNSET, UnsetType

from indelible.event.model import (
    Actor,
    ActorType,
    Auth,
    Change,
    ChangeOp,
    Event,
    Operation,
    Outcome,
    Reason,
    Severity,
    Target,
)
from indelible.event.paths import escape_segment
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.azure_names import Statuses, operation_action, resource_targets
from indelible.ingest.parsers.cloud import address, an_object, change, changes
from indelible.ingest.parsers.contract import Given, NotUnderstood, Parser, Record, Understood

_XML: Final = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
_MS: Final = "http://schemas.microsoft.com/"
_CATEGORIES: Final = frozenset((
    "administrative", "write", "delete", "action", "policy", "security", "servicehealth",
    "resourcehealth", "alert", "autoscale", "recommendation",
))
_PLATFORM: Final = frozenset((
    "ServiceHealth", "ResourceHealth", "Security", "Recommendation", "Alert", "Autoscale", "Policy",
))
_SUCCESS: Final = frozenset(("succeeded", "success"))
_FAILURE: Final = frozenset(("failed", "failure", "timeout"))
_DENIED: Final = frozenset((
    "forbidden", "unauthorized", "authorizationfailed", "linkedauthorizationfailed",
    "requestdisallowedbypolicy", "requestdisallowedbyazure", "scopelocked",
    "denyassignmentauthorizationfailed", "invalidauthenticationtoken", "authenticationfailed",
    "accessdenied",
))
_SEVERITIES: Final = MappingProxyType({
    "critical": Severity.CRITICAL, "error": Severity.HIGH, "warning": Severity.MEDIUM,
    "informational": Severity.INFO, "information": Severity.INFO, "verbose": Severity.DEBUG,
    "high": Severity.HIGH, "medium": Severity.MEDIUM, "low": Severity.LOW,
})
_PRINCIPALS: Final = MappingProxyType({
    "user": "entra_user", "group": "entra_group", "serviceprincipal": "entra_service_principal",
})


def _record(record: Record, given: Given) -> Understood:
    """One event; raises `NotUnderstood` when it names no operation or nobody."""
    name = _value(record, "operationName")
    if not name:
        raise NotUnderstood("missing_field", "the record has no operationName")
    properties = an_object(record.get("properties"))
    if "eventProperties" in properties:
        properties = {**properties, **an_object(properties["eventProperties"])}
    authorization, claims = _identity(record)
    category = _category(record, properties)
    status, sub, code = _status(record, properties)
    said = pick.text(authorization, "action")
    cased = said if said.lower() == name.lower() else name
    action, operation = operation_action(
        cased, Statuses(code == "created", code in ("ok", "nocontent")), category
    )
    outcome, reason = _outcome(record, properties, category, name.lower(), status, sub)
    time, flags = pick.dated(given.zone, record.get("eventTimestamp"), record.get("time"))
    resource = pick.text(record, "resourceId", "resourceUri")
    scope = pick.text(authorization, "scope")
    body = an_object(_body(properties))
    event = Event(
        action=action,
        actor=_actor(record, claims, authorization, category, name),
        operation=operation,
        targets=pick.targets(_targets(
            scope if scope.lower() == resource.lower() else resource, body, name
        )),
        time=time,
        outcome=outcome,
        reason=reason,
        origin=pick.origin(
            ip=address(
                pick.text(pick.member(record, "httpRequest"), "clientIpAddress"),
                record.get("callerIpAddress"), claims.get("ipaddr"),
            ),
            request_id=pick.text(record, "correlationId"),
        ),
        changes=changes(_changes(body, operation, properties)) if outcome in (
            Outcome.SUCCESS, UNSET
        ) else UNSET,
        id=pick.or_unset(pick.text(record, "eventDataId")),
        severity=_severity(record, properties),
        labels=_labels(resource, record, category),
    )
    return Understood(event, _facts(record, name, properties, authorization, claims), flags)


def _recognise(record: Record, given: Given) -> str:
    if "eventTimestamp" in record and isinstance(record.get("operationName"), dict):
        return "it has eventTimestamp and an operationName with a value"
    category, resource = record.get("category"), record.get("resourceId")
    if (
        isinstance(category, str) and isinstance(resource, str) and "operationName" in record
        and category.lower() in _CATEGORIES and "resultType" in record
        and resource.lower().startswith(("/subscriptions/", "/providers/microsoft.management/"))
    ):
        return f"it has resourceId, operationName, resultType and the category {category}"
    return ""


def _value(record: Record, name: str) -> str:
    """A text, or the `value` of an object with a localized one beside it."""
    value = record.get(name)
    return pick.text(value, "value") if isinstance(value, dict) else pick.text(record, name)


def _identity(record: Record) -> tuple[Record, Record]:
    """Authorization and claims, wherever the form puts them."""
    identity = an_object(record.get("identity"))
    authorization = an_object(record.get("authorization") or identity.get("authorization"))
    claims = an_object(record.get("claims") or identity.get("claims"))
    return authorization, claims


def _category(record: Record, properties: Record) -> str:
    """The category, which Azure Monitor names elsewhere for what is administrative."""
    found = _value(record, "category")
    if found in ("Write", "Delete", "Action", ""):
        return pick.text(properties, "eventCategory") or "Administrative"
    return found


def _status(record: Record, properties: Record) -> tuple[str, str, str]:
    """Status, substatus and the HTTP status code's name, in lower case."""
    status = _value(record, "status") or pick.text(record, "resultType")
    sub = _value(record, "subStatus")
    if not sub:
        sub = pick.text(record, "resultSignature").strip(".").rpartition(".")[2]
        sub = "" if sub.lower() == status.lower() or sub == "None" else sub
    code = pick.text(properties, "statusCode") or sub
    return status.lower().rstrip("."), sub, code.lower()


def _outcome(
    record: Record, properties: Record, category: str, name: str, status: str, sub: str
) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    """How it ended: an event that only says that something began has no outcome."""
    if status in _SUCCESS:
        return Outcome.SUCCESS, UNSET
    if status not in _FAILURE:
        return UNSET, UNSET
    message = an_object(properties.get("statusMessage"))
    error = pick.member(message, "error") or message
    code = pick.text(error, "code") or sub or pick.text(properties, "statusCode")
    said = error.get("message") or properties.get("message") or record.get("resultDescription")
    text = said if isinstance(said, str) else ""
    refused = {code.lower(), sub.lower(), pick.text(properties, "statusCode").lower()} & _DENIED
    if refused or (category == "Policy" and name.endswith("/deny/action")):
        return Outcome.DENIED, pick.reason(code, text)
    return Outcome.FAILURE, pick.reason(code, text)


def _actor(
    record: Record, claims: Record, authorization: Record, category: str, name: str
) -> Actor:
    """The caller: a person by name, a service principal by its object id."""
    upn = pick.text(claims, f"{_XML}upn", "upn", f"{_XML}emailaddress")
    named = pick.text(claims, f"{_XML}name").strip()
    unique = named.rpartition("#")[2] if "@" in named else ""
    caller = pick.text(record, "caller")
    evidence = pick.member(authorization, "evidence")
    kind = pick.text(evidence, "principalType").lower()
    shown = pick.text(claims, "name")
    if "@" in caller or upn or unique:
        ident = caller if "@" in caller else upn or unique
        return Actor(
            type=ActorType.USER, id=ident, name=shown if shown and shown != ident else UNSET,
            session=pick.or_unset(pick.text(claims, "sid")), auth=_auth(claims) or UNSET,
        )
    ident = caller or pick.text(
        claims, f"{_MS}identity/claims/objectidentifier", "oid", f"{_XML}spn", "appid",
    ) or pick.text(evidence, "principalId")
    if ident:
        person = kind == "user" or (kind == "" and bool(shown) and "puid" in claims)
        return Actor(
            type=ActorType.USER if person else ActorType.SERVICE, id=ident,
            name=shown if shown and shown != ident else UNSET,
            session=pick.or_unset(pick.text(claims, "sid")), auth=_auth(claims) or UNSET,
        )
    if category in _PLATFORM:
        return Actor(type=ActorType.SYSTEM, id=name.strip("/").partition("/")[0] or "Azure")
    raise NotUnderstood("missing_actor", "the record names nobody: neither caller nor claims")


def _auth(claims: Record) -> Auth | None:
    """The methods that the token names, and whether a second factor was among them."""
    said = pick.text(claims, f"{_MS}claims/authnmethodsreferences", "amr").split(",")
    methods = [one.strip() for one in said if one.strip()]
    first = next((one for one in methods if one != "mfa"), "")
    if methods:
        return Auth(method=first or UNSET, mfa="mfa" in methods)
    kind = pick.text(claims, "appidacr", "azpacr")
    ways = {"1": "client_secret", "2": "certificate"}
    if kind in ways and not pick.text(claims, f"{_XML}upn"):
        return Auth(method=ways[kind])
    return None


def _body(properties: Record) -> Any:
    return properties.get("requestbody") or properties.get("requestBody")


def _targets(resource: str, body: Record, name: str) -> Iterator[Target]:
    """The resource; of a role assignment, who gets the role and which."""
    yield from resource_targets(resource)
    if name.lower().endswith("/roleassignments/write"):
        told = an_object(body.get("properties") or body.get("Properties"))
        kind = pick.text(told, "PrincipalType", "principalType").lower()
        ident = pick.text(told, "PrincipalId", "principalId")
        yield from pick.target(_PRINCIPALS.get(kind, "entra_principal"), ident)
        yield from resource_targets(pick.text(told, "RoleDefinitionId", "roleDefinitionId"))


def _changes(body: Record, operation: Operation, properties: Record) -> Iterator[Change]:
    """The new values of a request's body; the number of instances of an autoscale event."""
    told = an_object(body.get("properties") or body.get("Properties"))
    op = ChangeOp.ADD if operation in (Operation.GRANT, Operation.CREATE) else None
    for path, value in told.items():
        if isinstance(path, str):
            yield from change(escape_segment(path), None, value, op)
    old, new = properties.get("OldInstancesCount"), properties.get("NewInstancesCount")
    if isinstance(old, str) and isinstance(new, str):
        yield from change("InstancesCount", old, new)


def _severity(record: Record, properties: Record) -> Severity | UnsetType:
    for word in (
        pick.text(properties, "Severity", "severity"), pick.text(record, "level", "Level"),
    ):
        if word.lower() in _SEVERITIES:
            return _SEVERITIES[word.lower()]
    return UNSET


def _labels(resource: str, record: Record, category: str) -> dict[str, str] | UnsetType:
    parts = resource.strip("/").split("/")
    found = {
        "account": pick.text(record, "subscriptionId") or (
            parts[1] if len(parts) > 1 and parts[0].lower() == "subscriptions" else ""
        ),
        "resource_group": pick.text(record, "resourceGroupName") or (
            parts[3] if len(parts) > 3 and parts[2].lower() == "resourcegroups" else ""
        ),
        "category": category,
    }
    return {name: value for name, value in found.items() if value} or UNSET


def _facts(
    record: Record, name: str, properties: Record, authorization: Record, claims: Record
) -> dict[str, object]:
    """What has no member of its own and is worth a search."""
    found: dict[str, object] = {
        "vendor_action": name, **pick.texts(claims, _CLAIMS), **pick.texts(properties, _SAID),
        **pick.texts(record, _RECORD),
    }
    for member in ("status", "subStatus", "eventName"):
        value = pick.text(record.get(member), "value")
        if value:
            found[_VALUES[member]] = value
    role = pick.text(authorization.get("evidence"), "role") or pick.text(authorization, "role")
    if role:
        found["role"] = role
    scope = pick.text(authorization, "scope")
    if scope:
        found["scope"] = scope
    return found


_CLAIMS: Final = MappingProxyType({
    "object_id": f"{_MS}identity/claims/objectidentifier", "app_id": "appid", "token": "uti",
    "tenant": f"{_MS}identity/claims/tenantid", "managed_identity": "xms_mirid",
})
_SAID: Final = MappingProxyType({
    "title": "title", "policies": "policies", "tracking_id": "trackingId",
    "entity": "CompromisedEntity", "operation_id": "operationId",
})
_RECORD: Final = MappingProxyType({
    "status": "resultType", "sub_status": "resultSignature", "operation_id": "operationId",
})
_VALUES: Final = MappingProxyType({
    "status": "status", "subStatus": "sub_status", "eventName": "event_name",
})


PARSER: Final = Parser(
    name="azure_activity",
    version="azure_activity/1",
    about="Azure Activity Log events",
    record=_record,
    recognise=_recognise,
)
