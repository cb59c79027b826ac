"""Microsoft Entra ID: sign-ins and audit activities, as Graph or Azure Monitor delivers them.

Graph gives `signIn` and `directoryAudit` objects; a diagnostic setting puts the same objects into
`properties` of an Azure Monitor record (`category` `SignInLogs`, `AuditLogs` and so on). Both are
read alike. `docs/sources/entra.md` has the table.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from msgspec import UNSET, UnsetType

from indelible.event.model import Actor, ActorType, Auth, Event, Operation, Outcome, Target
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.cloud import a_list, address, an_object
from indelible.ingest.parsers.contract import (
    WRONG,
    Given,
    NotUnderstood,
    Parser,
    Record,
    Understood,
)
from indelible.ingest.parsers.entra_audit import audit_event, tenant_of
from indelible.ingest.parsers.entra_errors import ending

_SIGN_INS: Final = {
    "SignInLogs": "user", "NonInteractiveUserSignInLogs": "user", "ADFSSignInLogs": "user",
    "ServicePrincipalSignInLogs": "service_principal",
    "MicrosoftServicePrincipalSignInLogs": "service_principal",
    "ManagedIdentitySignInLogs": "managed_identity",
}
_EVENT_TYPES: Final = {
    "servicePrincipal": "service_principal", "managedIdentity": "managed_identity",
}
_NO_AGENT: Final = ("", "notAgentic", "none", "unknownFutureValue")


def _record(record: Record, given: Given) -> Understood:
    """One record; raises `NotUnderstood` when it is no sign-in or audit activity, or names nobody.
    """
    said = an_object(record.get("properties")) or record
    category = pick.text(record, "category", "Category")
    if category == "AuditLogs" or "activityDisplayName" in said:
        return audit_event(record, said, given)
    if category in _SIGN_INS or "createdDateTime" in said:
        return _sign_in(record, said, category, given)
    raise NotUnderstood(WRONG, "it is neither a sign-in nor an audit activity of Entra ID")


def _recognise(record: Record, given: Given) -> str:
    category = record.get("category")
    if isinstance(category, str) and "properties" in record:
        if category in _SIGN_INS or (category == "AuditLogs" and "resourceId" in record):
            return f"it has properties and the category {category}"
        return ""
    if "activityDisplayName" in record and "initiatedBy" in record:
        return "it has activityDisplayName and initiatedBy"
    if "createdDateTime" in record and "status" in record and "ipAddress" in record and (
        "userPrincipalName" in record or "servicePrincipalId" in record
    ):
        return "it has createdDateTime, status, ipAddress and a principal"
    return ""


def _sign_in(record: Record, said: Record, category: str, given: Given) -> Understood:
    kind = _kind(said, category)
    status = an_object(said.get("status"))
    code = pick.word(status, "errorCode") or pick.word(record, "resultType")
    words = pick.text(status, "failureReason") or pick.text(record, "resultDescription")
    outcome, reason = ending(code, "", "" if words == "Other." else words)
    time, flags = pick.dated(given.zone, said.get("createdDateTime"), record.get("time"))
    device = an_object(said.get("deviceDetail"))
    where = an_object(said.get("location"))
    agent = said.get("userAgent")
    event = Event(
        action=f"entra.{kind}.login",
        actor=_principal(said, kind, outcome is Outcome.SUCCESS),
        operation=Operation.LOGIN,
        targets=pick.targets(_used(said, kind)),
        time=time,
        outcome=outcome,
        reason=reason,
        origin=pick.origin(
            ip=address(said.get("ipAddress"), record.get("callerIpAddress")),
            device=pick.text(device, "displayName", "deviceId"),
            user_agent=agent if isinstance(agent, str) else "",
            request_id=pick.text(said, "correlationId") or pick.text(record, "correlationId"),
        ),
        id=pick.or_unset(pick.text(said, "id")),
        labels=_labels(record, said, category, where),
    )
    return Understood(event, _facts(said, status, device, where), flags)


def _kind(said: Record, category: str) -> str:
    """`user`, `service_principal` or `managed_identity`."""
    if category in _SIGN_INS:
        return _SIGN_INS[category]
    for one in a_list(said.get("signInEventTypes")):
        if isinstance(one, str) and one in _EVENT_TYPES:
            return _EVENT_TYPES[one]
    if pick.text(said, "userPrincipalName", "userId"):
        return "user"
    return "service_principal" if pick.text(said, "servicePrincipalId") else "user"


def _principal(said: Record, kind: str, succeeded: bool) -> Actor:
    """Who signed in; of a failed sign-in, the name that was given."""
    session = pick.or_unset(pick.text(said, "sessionId"))
    if kind != "user":
        ident = pick.text(said, "servicePrincipalId", "appId", "servicePrincipalName")
        if not ident:
            raise NotUnderstood("missing_actor", "the sign-in names no service principal")
        name = pick.text(said, "servicePrincipalName", "appDisplayName")
        agentic = pick.text(an_object(said.get("agent")), "agentType") not in _NO_AGENT
        method = pick.text(said, "clientCredentialType")
        return Actor(
            type=ActorType.AGENT if agentic else ActorType.SERVICE, id=ident,
            name=name or UNSET, session=session,
            auth=Auth(method=method) if method and method != "none" else UNSET,
        )
    ident = pick.text(said, "userPrincipalName", "signInIdentifier", "userId")
    if not ident:
        raise NotUnderstood("missing_actor", "the sign-in names no user")
    name = pick.text(said, "userDisplayName")
    return Actor(
        type=ActorType.USER, id=ident, name=name if name and name != ident else UNSET,
        session=session, auth=_auth(said, succeeded) or UNSET,
    )


def _auth(said: Record, succeeded: bool) -> Auth | None:
    """The method of the first step that succeeded, and whether a second factor was shown."""
    steps = [one for one in a_list(said.get("authenticationDetails")) if isinstance(one, dict)]
    passed = [one for one in steps if one.get("succeeded") in (True, "true")]
    method = pick.text(next(iter(passed or steps), None), "authenticationMethod")
    required = pick.text(said, "authenticationRequirement")
    mfa: bool | None = None
    if required == "multiFactorAuthentication":
        mfa = True if succeeded else None
    elif required == "singleFactorAuthentication":
        mfa = False
    elif succeeded and an_object(said.get("mfaDetail")).get("authMethod"):
        mfa = True
    if not method and mfa is None:
        return None
    return Auth(method=method or UNSET, mfa=UNSET if mfa is None else mfa)


def _used(said: Record, kind: str) -> list[Target]:
    """The application that was signed in to, and the one whose data it asked for."""
    found: list[Target] = []
    if kind == "user":
        found += pick.target(
            "entra_application", pick.text(said, "appId", "appDisplayName"),
            pick.text(said, "appDisplayName"),
        )
    ident = pick.text(said, "resourceId", "resourceDisplayName")
    return found + pick.target("entra_application", ident, pick.text(said, "resourceDisplayName"))


def _labels(
    record: Record, said: Record, category: str, where: Record
) -> dict[str, str] | UnsetType:
    found = {
        "account": tenant_of(record) or pick.text(said, "resourceTenantId"),
        "category": category,
        "country": pick.text(where, "countryOrRegion"),
    }
    return {name: value for name, value in found.items() if value} or UNSET


def _facts(said: Record, status: Record, device: Record, where: Record) -> dict[str, object]:
    """What has no member of its own and is worth a search."""
    found: dict[str, object] = {
        "vendor_action": "Sign-in activity",
        **pick.texts(said, _SAID), **pick.texts(device, _DEVICE), **pick.texts(where, _WHERE),
    }
    details = pick.text(status, "additionalDetails")
    if details:
        found["details"] = details
    for name in ("protocol", "risk"):
        if found.get(name) in ("none", "hidden"):
            del found[name]
    interactive = said.get("isInteractive")
    if isinstance(interactive, bool):
        found["interactive"] = interactive
    blocked = [
        pick.text(one, "displayName", "id")
        for one in a_list(said.get("appliedConditionalAccessPolicies"))
        if isinstance(one, dict) and one.get("result") == "failure"
    ]
    if blocked:
        found["blocked_by"] = blocked
    return found


_SAID: Final = MappingProxyType({
    "conditional_access": "conditionalAccessStatus", "client_app": "clientAppUsed",
    "user_id": "userId", "user_type": "userType", "app_id": "appId", "app": "appDisplayName",
    "token": "uniqueTokenIdentifier", "credential": "servicePrincipalCredentialKeyId",
    "federated_credential": "federatedCredentialId", "protocol": "authenticationProtocol",
    "risk": "riskLevelDuringSignIn", "home_tenant": "homeTenantId",
    "resource": "resourceDisplayName",
})
_DEVICE: Final = MappingProxyType({
    "os": "operatingSystem", "browser": "browser", "device_id": "deviceId",
})
_WHERE: Final = MappingProxyType({"city": "city", "state": "state"})


PARSER: Final = Parser(
    name="entra",
    version="entra/1",
    about="Microsoft Entra ID sign-in and audit logs",
    record=_record,
    recognise=_recognise,
)
