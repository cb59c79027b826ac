"""Okta System Log events (`LogEvent`), as the API, log streaming and event hooks give them.

Who, what and where are filled from what the event says (`docs/sources/okta.md` has the table);
the form is documented at developer.okta.com/docs/reference/api/system-log. Names at the first
level in lower case (`eventtype`), as some pipelines write them, are read alike, and so is an event
in an EventBridge envelope (`detail`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from indelible.event.changes import diff
from indelible.event.model import (
    Actor,
    ActorType,
    Auth,
    Change,
    ChangeOp,
    Event,
    Origin,
    Outcome,
    Reason,
    Severity,
    Target,
)
from indelible.event.paths import escape_segment
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.contract import Given, NotUnderstood, Parser, Record, Understood
from indelible.ingest.parsers.okta_events import REFUSALS, known
from indelible.ingest.parsers.pick import items, member, or_unset, text

_NOBODY = ("", "unknown", "null")
_LOWER = {
    name.lower(): name
    for name in ("eventType", "displayMessage", "authenticationContext", "debugContext",
                 "securityContext", "legacyEventType")
}
_SEVERITIES = {
    "DEBUG": Severity.DEBUG, "INFO": Severity.INFO, "WARN": Severity.MEDIUM,
    "ERROR": Severity.HIGH, "HIGH": Severity.HIGH,
}
_ENDED = {
    "SUCCESS": Outcome.SUCCESS, "ALLOW": Outcome.SUCCESS, "FAILURE": Outcome.FAILURE,
    "DENY": Outcome.DENIED,
}
_DEBUG = {
    "requestUri": "request_uri", "factor": "factor", "dtHash": "device_token",
    "privilegeGranted": "privilege_granted", "grantType": "grant_type",
    "grantedScopes": "granted_scopes", "requestedScopes": "requested_scopes",
    "threatDetections": "threat_detections", "clientAuthType": "client_auth_type",
    "suspiciousActivityEventId": "reported_event", "suspiciousActivityEventIp": "reported_ip",
    "tunnels": "tunnels", "deviceFingerprint": "device_fingerprint",
    "changedAttributes": "changed_attributes", "supportAction": "support_action",
}
"""Members of `debugContext.debugData` that are worth a search, to their name in `data`."""
_BETWEEN = re.compile(r"[,{}]")
_POSITIVE = "=POSITIVE"
_LEVEL = re.compile(r"level[=:\s\"]+(\w+)")
_CODE = re.compile(r"[A-Z][A-Z0-9_]+")
_encode = msgspec.json.Encoder().encode


def _record(record: Record, given: Given) -> Understood:
    """One event; raises `NotUnderstood` when it names no event type or nobody."""
    record = _opened(record)
    event_type = text(record, "eventType")
    if not event_type:
        raise NotUnderstood("missing_field", "the event has no eventType")
    action, operation = known(event_type)
    time, flags = pick.dated(given.zone, record.get("published"))
    outcome, reason = _outcome(record, event_type)
    event = Event(
        action=action,
        actor=_actor(record),
        operation=operation,
        targets=pick.targets(chain.from_iterable(map(_target, items(record, "target")))),
        time=time,
        outcome=outcome,
        reason=reason,
        origin=_origin(record, given),
        changes=pick.bounded(_changes(record, event_type)),
        id=or_unset(text(record, "uuid")),
        severity=_SEVERITIES.get(text(record, "severity").upper(), UNSET),
        labels=_labels(record) or UNSET,
    )
    return Understood(event, _facts(record, event_type), flags)


def _recognise(record: Record, given: Given) -> str:
    inner = record.get("detail")
    if isinstance(inner, dict) and "detail-type" in record:
        record = inner
    for name in ("eventType", "eventtype"):
        if name in record and "published" in record and ("actor" in record or "uuid" in record):
            return f"it has {name}, published and actor"
        if name in record and ("legacyEventType" in record or "legacyeventtype" in record):
            return f"it has {name} and legacyEventType"
    return ""


def _opened(record: Record) -> Record:
    """The event out of an EventBridge envelope, its names as Okta writes them."""
    if "detail-type" in record and "eventType" in member(record, "detail"):
        record = member(record, "detail")
    if "eventType" not in record and "eventtype" in record:
        return {_LOWER.get(name, name): value for name, value in record.items()}
    return record


def _actor(record: Record) -> Actor:
    """Who acted: by login name where there is one, a client by its id; raises `NotUnderstood`."""
    said = member(record, "actor")
    kind = text(said, "type")
    login, ident, name = (_named(said, key) for key in ("alternateId", "id", "displayName"))
    if not said:
        raise NotUnderstood("missing_actor", "the event has no actor")
    if kind == "IP address" or not (login or ident or name):
        return Actor(type=ActorType.ANONYMOUS, id="anonymous")
    known_as = login or ident or name
    context = member(record, "authenticationContext")
    return Actor(
        type=_actor_type(kind),
        id=known_as,
        name=name if name != known_as and name else UNSET,
        email=login if "@" in login and kind == "User" else UNSET,
        session=or_unset(_named(context, "externalSessionId") or _named(context, "rootSessionId")),
        auth=_auth(record, context),
    )


def _named(part: Any, name: str) -> str:
    value = text(part, name)
    return "" if value.lower() in _NOBODY else value


def _actor_type(kind: str) -> ActorType:
    low = kind.lower()
    if low == "systemprincipal":
        return ActorType.SYSTEM
    if low in ("user", "appuser", ""):
        return ActorType.USER
    if "aiagent" in low or "ai_agent" in low or "ai agent" in low:
        return ActorType.AGENT
    return ActorType.SERVICE


def _auth(record: Record, context: Record) -> Auth | UnsetType:
    """How they proved who they are: a credential's type, or the token that called the API."""
    method = _named(context, "credentialType")
    if not method and _named(member(record, "transaction", "detail"), "requestApiTokenId"):
        method = "api_token"
    return Auth(method=method.lower()) if method else UNSET


def _target(said: Any) -> list[Target]:
    """A person by login name, anything else by Okta's id with its name beside it."""
    kind = text(said, "type")
    login, ident, name = (_named(said, key) for key in ("alternateId", "id", "displayName"))
    if kind in ("User", "AppUser"):
        ident, login = login or ident or name, ""
    ident = ident or login or name
    parent = login if kind == "PolicyRule" and login != ident else ""
    what = f"okta_{pick.part(kind)}" if kind else "okta_thing"
    return pick.target(what, ident, name if name != ident else "", parent)


def _outcome(
    record: Record, event_type: str
) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    """`outcome.result`; one that is neither success, failure nor denial stands in the reason."""
    said = member(record, "outcome")
    result, why = text(said, "result"), said.get("reason")
    why = why if isinstance(why, str) else ""
    ended = _ENDED.get(result.upper(), UNSET)
    if ended is Outcome.FAILURE and event_type in REFUSALS:
        ended = Outcome.DENIED
    code = "" if ended is not UNSET or result.upper() in ("", "UNKNOWN") else result
    if not code and _CODE.fullmatch(why):
        code, why = (why, "") if len(why) <= len(pick.text({"": why}, "")) else ("", why)
    return ended, pick.reason(code, why)


def _origin(record: Record, given: Given) -> Origin | UnsetType:
    """The client's address and program; behind a configured proxy, the one it forwarded for."""
    client, device = member(record, "client"), member(record, "device")
    agent = member(client, "userAgent").get("rawUserAgent")
    debug = member(record, "debugContext", "debugData")
    return pick.origin(
        ip=_address(record, client, given),
        device=_named(device, "name") or _named(device, "id") or _named(client, "device"),
        user_agent=agent if isinstance(agent, str) else "",
        request_id=_named(member(record, "transaction"), "id") or _named(debug, "requestId"),
        trace_id=text(debug, "traceId"),
    )


def _address(record: Record, client: Record, given: Given) -> str:
    said = text(client, "ipAddress")
    found = pick.client([said], given.proxies)
    if found or not given.proxies:
        return found
    forwarded = _chain(record)
    if said in forwarded:
        forwarded = forwarded[: forwarded.index(said)]
    return pick.client(forwarded, given.proxies)


def _chain(record: Record) -> list[str]:
    found = (text(one, "ip") for one in items(member(record, "request"), "ipChain"))
    return [one for one in found if one]


def _changes(record: Record, event_type: str) -> Iterator[Change]:
    """`changeDetails` of targets, from and to; and the privileges that somebody has now.

    With several targets that changed, each has a path of its own.
    """
    told = [one for one in items(record, "target") if member(one, "changeDetails")]
    for one in told:
        details = member(one, "changeDetails")
        before, after = member(details, "from"), member(details, "to")
        if not (pick.shallow(before) and pick.shallow(after)):
            continue
        front = f"{escape_segment(_named(one, 'id') or text(one, 'type'))}." if told[1:] else ""
        for change in diff(_encode(before), _encode(after)):
            yield replace(change, path=f"{front}{change.path}" or "settings")
    if event_type.endswith(".privilege.grant"):
        held = text(member(record, "debugContext", "debugData"), "privilegeGranted")
        if held:
            yield Change(path="privileges", op=ChangeOp.REPLACE, after=Raw(_encode(held)))
    elif event_type.endswith(".privilege.revoke"):
        yield Change(path="privileges", op=ChangeOp.REMOVE)


def _labels(record: Record) -> dict[str, str]:
    client = member(record, "client")
    country = _named(member(client, "geographicalContext"), "country")
    zone = _named(client, "zone")
    return {name: value for name, value in (("country", country), ("zone", zone)) if value}


def _facts(record: Record, event_type: str) -> dict[str, object]:
    """What has no member of its own and is worth a search of its own."""
    debug, security = member(record, "debugContext", "debugData"), member(record, "securityContext")
    place = member(record, "client", "geographicalContext")
    addresses = _chain(record)
    logged = member(debug, "logOnlySecurityData")
    return pick.flat({
        "vendor_action": event_type,
        "message": text(record, "displayMessage"),
        "legacy_event_type": text(record, "legacyEventType"),
        "actor_id": _named(member(record, "actor"), "id"),
        "actor_type": text(member(record, "actor"), "type"),
        "city": _named(place, "city"),
        "as_number": pick.word(security, "asNumber"),
        "as_org": text(security, "asOrg"),
        "isp": text(security, "isp"),
        "is_proxy": True if security.get("isProxy") is True else None,
        "ip_chain": addresses if addresses[1:] else None,
        "api_token": text(member(record, "transaction", "detail"), "requestApiTokenId"),
        "transaction_type": _unless(text(member(record, "transaction"), "type"), "WEB"),
        "device_id": _named(member(record, "device"), "id"),
        "managed": member(record, "device").get("managed") is True or None,
        "behaviors": _behaviors(debug.get("behaviors"), logged.get("behaviors")),
        "risk_level": _risk(debug.get("risk"), logged.get("risk"), debug.get("riskLevel")),
        "threat_suspected": _unless(text(debug, "threatSuspected"), "false"),
        **{name: text(debug, said) for said, name in _DEBUG.items() if said in debug},
    })


def _unless(value: str, usual: str) -> str:
    return "" if value == usual else value


def _behaviors(*said: Any) -> list[str]:
    """The behaviours that were out of the ordinary (`New Device`), whichever way they are told."""
    for one in said:
        if isinstance(one, dict):
            return [name for name, value in one.items() if value == "POSITIVE"]
        told = ",".join(map(str, one)) if isinstance(one, list) else one
        if isinstance(told, str):
            parts = (part.strip() for part in _BETWEEN.split(told))
            return [
                part.removesuffix(_POSITIVE).rpartition("=")[2].strip()
                for part in parts if part.endswith(_POSITIVE)
            ]
    return []


def _risk(*said: Any) -> str:
    """The level of risk, out of `{level=LOW}`, `{"level": "LOW"}` or `LOW`."""
    for one in said:
        if isinstance(one, dict) and text(one, "level"):
            return text(one, "level")
        found = _LEVEL.search(one) if isinstance(one, str) else None
        if found is not None:
            return found[1]
        if isinstance(one, str) and one.isalpha():
            return one
    return ""


PARSER: Final = Parser(
    name="okta",
    version="okta/1",
    about="Okta System Log events",
    record=_record,
    recognise=_recognise,
)
