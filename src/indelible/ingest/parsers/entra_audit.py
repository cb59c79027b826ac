"""Audit activities of Microsoft Entra ID (`directoryAudit`): who changed what in the directory.

The names of persons are ids (`userPrincipalName`); of groups, roles, applications and service
principals the object id is, because their display names need not be unique; the name stands
beside it. A link (`Add member to group`) names its other end in the modified properties of the
first (`Group.ObjectID`, `Group.DisplayName`), which become a target of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import Any, Final

from msgspec import UNSET, UnsetType

from indelible.base.limits import ACTION_CHARS, NAME_CHARS
from indelible.event.model import (
    Actor,
    ActorType,
    Change,
    Event,
    Outcome,
    Reason,
    Target,
    Why,
)
from indelible.event.paths import escape_segment
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.cloud import (
    a_list,
    address,
    an_object,
    changes,
    difference,
    opened,
)
from indelible.ingest.parsers.contract import Given, NotUnderstood, Record, Understood
from indelible.ingest.parsers.entra_actions import activity_action

_RESULTS: Final = MappingProxyType({
    "success": Outcome.SUCCESS, "failure": Outcome.FAILURE, "timeout": Outcome.FAILURE,
    "succeeded": Outcome.SUCCESS, "failed": Outcome.FAILURE,
})
_REFUSALS: Final = (
    "unauthorized", "insufficient privileges", "access denied", "authorization_requestdenied",
    "not authorized", "forbidden",
)
_TYPES: Final = MappingProxyType({
    "user": "entra_user", "group": "entra_group", "serviceprincipal": "entra_service_principal",
    "application": "entra_application", "app": "entra_application", "role": "entra_role",
    "device": "entra_device", "policy": "entra_policy", "directory": "entra_directory",
    "administrativeunit": "entra_administrative_unit", "domain": "entra_domain",
})
_ENDS: Final = frozenset((
    "Group", "Role", "User", "ServicePrincipal", "Application", "Device", "AdministrativeUnit",
))
_NAMES: Final = frozenset(("ObjectID", "DisplayName", "UPN", "Name"))
_FACTS: Final = MappingProxyType({
    "logged_by": "loggedByService", "operation_type": "operationType",
})


def audit_event(record: Record, said: Record, given: Given) -> Understood:
    """One activity; raises `NotUnderstood` when it has no name or names nobody."""
    phrase = pick.text(said, "activityDisplayName") or pick.text(record, "operationName")
    if not phrase:
        raise NotUnderstood("missing_field", "the record has no activityDisplayName")
    action, operation = activity_action(phrase, pick.text(said, "operationType"))
    details = _pairs(said)
    actor, where = _initiator(record, said, details)
    outcome, reason = _outcome(record, said)
    resources = [one for one in a_list(said.get("targetResources")) if isinstance(one, dict)]
    time, flags = pick.dated(given.zone, said.get("activityDateTime"), record.get("time"))
    event = Event(
        action=action,
        actor=actor,
        operation=operation,
        targets=pick.targets(_targets(resources)),
        time=time,
        outcome=outcome,
        reason=reason,
        origin=pick.origin(
            ip=where,
            user_agent=details.get("User-Agent", "") or pick.text(said, "userAgent"),
            request_id=pick.text(said, "correlationId") or pick.text(record, "correlationId"),
        ),
        changes=changes(
            one for resource in resources
            for one in modified(a_list(resource.get("modifiedProperties")), "displayName",
                                "oldValue", "newValue")
        ) if outcome is not Outcome.FAILURE and outcome is not Outcome.DENIED else UNSET,
        id=pick.or_unset(pick.text(said, "id")),
        labels=_labels(record, said),
        why=_why(details),
    )
    return Understood(event, _facts(phrase, said, details), flags)


def tenant_of(record: Record) -> str:
    """The tenant of an Azure Monitor record, '' in the form of Graph."""
    tenant = pick.text(record, "tenantId")
    if not tenant:
        parts = pick.text(record, "resourceId").split("/")
        tenant = parts[2] if len(parts) > 2 and parts[1].lower() == "tenants" else ""
    return tenant


def modified(
    properties: Iterable[Any], name: str, before: str, after: str
) -> Iterator[Change]:
    """The changes in a list of modified properties; what only describes them is left out."""
    for one in properties:
        path = pick.text(one, name)
        if not path or path == "Included Updated Properties" or path.startswith("TargetId."):
            continue
        yield from difference(
            escape_segment(path), opened(one.get(before)), opened(one.get(after))
        )


def ends(properties: Iterable[Any], name: str, before: str, after: str) -> Iterator[Target]:
    """The other ends of links that modified properties name (`Group.ObjectID` and its name)."""
    told: dict[str, dict[str, str]] = {}
    for one in properties:
        end, _, part = pick.text(one, name).partition(".")
        if end in _ENDS and part in _NAMES:
            value = opened(one.get(after)) or opened(one.get(before))
            if isinstance(value, str) and value and len(value) <= NAME_CHARS:
                told.setdefault(end, {}).setdefault(part, value)
    for end, parts in told.items():
        ident = parts.get("ObjectID", "")
        shown = parts.get("DisplayName") or parts.get("Name", "")
        if end == "User":
            ident, shown = parts.get("UPN", ident), ""
        yield from pick.target(kind_of(end), ident, shown)


def kind_of(type_: str) -> str:
    """The type of a target, by what Entra calls its kind."""
    low = type_.lower()
    own = f"entra_{pick.part(type_)[:ACTION_CHARS]}" if low not in ("", "n/a") else ""
    return _TYPES.get(low) or own


def _targets(resources: list[Record]) -> Iterator[Target]:
    """Every resource; those that come without a name borrow it from the properties."""
    linked = {
        one.id: one
        for resource in resources
        for one in ends(a_list(resource.get("modifiedProperties")), "displayName", "oldValue",
                        "newValue")
    }
    for resource in resources:
        kind = kind_of(pick.text(resource, "type")) or "entra_object"
        upn = pick.text(resource, "userPrincipalName")
        ident = upn or pick.text(resource, "id", "displayName")
        name = pick.text(resource, "displayName")
        link = linked.get(ident)
        if link is not None and not name and link.name is not UNSET:
            name = link.name
        yield from pick.target(kind, ident, name if name != ident else "")
    yield from linked.values()


def _initiator(record: Record, said: Record, details: dict[str, str]) -> tuple[Actor, str]:
    """Who started it, and from which address; the service that logged it where nobody is named."""
    by = an_object(said.get("initiatedBy"))
    user, app = an_object(by.get("user")), an_object(by.get("app"))
    where = address(
        user.get("ipAddress"), details.get("ipaddr"), record.get("callerIpAddress"),
        app.get("ipAddress"),
    )
    ident = pick.text(user, "userPrincipalName", "id", "displayName")
    if ident:
        name = pick.text(user, "displayName")
        named = name if name and name != ident else UNSET
        return Actor(type=ActorType.USER, id=ident, name=named), where
    ident = pick.text(app, "servicePrincipalId", "appId", "displayName", "servicePrincipalName")
    if ident:
        name = pick.text(app, "displayName", "servicePrincipalName")
        named = name if name and name != ident else UNSET
        return Actor(type=ActorType.SERVICE, id=ident, name=named), where
    ident = pick.text(record, "identity") if said is not record else ""
    if ident:
        return Actor(type=ActorType.SERVICE, id=ident), where
    ident = pick.text(said, "loggedByService")
    if ident:
        return Actor(type=ActorType.SYSTEM, id=ident), where
    raise NotUnderstood("missing_actor", "the record names nobody: initiatedBy is empty")


def _outcome(record: Record, said: Record) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    word = pick.text(said, "result").lower()
    outcome = _RESULTS.get(word, UNSET)
    why = said.get("resultReason") or said.get("resultDescription") or record.get(
        "resultDescription"
    )
    why = why if isinstance(why, str) else ""
    if outcome is Outcome.FAILURE and any(one in why.lower() for one in _REFUSALS):
        outcome = Outcome.DENIED
    if outcome is UNSET or outcome is Outcome.SUCCESS:
        return outcome, pick.reason("", why)
    return outcome, pick.reason(word if word == "timeout" else "", why)


def _pairs(said: Record) -> dict[str, str]:
    """`additionalDetails` by key."""
    found: dict[str, str] = {}
    for one in a_list(said.get("additionalDetails")):
        key = pick.text(one, "key", "Key")
        value = one.get("value", one.get("Value")) if isinstance(one, dict) else None
        if key and isinstance(value, str) and value:
            found.setdefault(key, value)
    return found


def _why(details: dict[str, str]) -> Why | UnsetType:
    """What whoever activates a role, or asks for one, gives as the reason."""
    ticket, said = details.get("TicketNumber", ""), details.get("Justification", "")
    ticket = ticket if len(ticket) <= NAME_CHARS else ""
    if not ticket and not said:
        return UNSET
    return Why(ticket=pick.or_unset(ticket), justification=pick.or_unset(said))


def _labels(record: Record, said: Record) -> dict[str, str] | UnsetType:
    found = {"account": tenant_of(record), "category": pick.text(said, "category")}
    return {name: value for name, value in found.items() if value} or UNSET


def _facts(phrase: str, said: Record, details: dict[str, str]) -> dict[str, object]:
    by = an_object(said.get("initiatedBy"))
    user, app = an_object(by.get("user")), an_object(by.get("app"))
    found = {"vendor_action": phrase, **pick.texts(said, _FACTS)}
    if pick.text(user, "userPrincipalName") and (ident := pick.text(user, "id")):
        found["user_id"] = ident
    if ident := pick.text(app, "appId"):
        found["app_id"] = ident
    plain = {
        key: value for key, value in details.items()
        if key != "User-Agent" and len(value) <= NAME_CHARS
    }
    if plain:
        found["details"] = plain
    return found
