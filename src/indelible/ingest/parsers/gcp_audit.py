"""Google Cloud audit logs: `LogEntry` objects whose `protoPayload` is an `AuditLog`.

As Cloud Logging's API, sinks to Cloud Storage and Pub/Sub write them, and as BigQuery exports them
(`protopayload_auditlog`). `docs/sources/gcp_audit.md` has the table.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from msgspec import UNSET, UnsetType

from indelible.base.limits import NAME_CHARS
from indelible.event.model import (
    Actor,
    ActorType,
    Event,
    Operation,
    Outcome,
    Reason,
    Severity,
    Target,
    Why,
)
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.cloud import address, changes
from indelible.ingest.parsers.contract import (
    WRONG,
    Given,
    NotUnderstood,
    Parser,
    Record,
    Understood,
)
from indelible.ingest.parsers.gcp_actor import actor_of
from indelible.ingest.parsers.gcp_changes import audits_only, changes_of, deltas_of
from indelible.ingest.parsers.gcp_names import method_action
from indelible.ingest.parsers.gcp_targets import targets_of
from indelible.ingest.parsers.google_workspace_actions import is_noticed

_PAYLOADS: Final = ("protoPayload", "protopayload_auditlog", "protopayload", "jsonPayload")
_CODES: Final = MappingProxyType({
    "1": "CANCELLED", "2": "UNKNOWN", "3": "INVALID_ARGUMENT", "4": "DEADLINE_EXCEEDED",
    "5": "NOT_FOUND", "6": "ALREADY_EXISTS", "7": "PERMISSION_DENIED", "8": "RESOURCE_EXHAUSTED",
    "9": "FAILED_PRECONDITION", "10": "ABORTED", "11": "OUT_OF_RANGE", "12": "UNIMPLEMENTED",
    "13": "INTERNAL", "14": "UNAVAILABLE", "15": "DATA_LOSS", "16": "UNAUTHENTICATED",
})
"""`google.rpc.Code`."""
_SEVERITIES: Final = MappingProxyType({
    "DEBUG": Severity.DEBUG, "INFO": Severity.INFO, "NOTICE": Severity.INFO,
    "WARNING": Severity.MEDIUM, "ERROR": Severity.HIGH, "CRITICAL": Severity.CRITICAL,
    "ALERT": Severity.CRITICAL, "EMERGENCY": Severity.CRITICAL,
})
_CHANGING: Final = frozenset((
    Operation.CREATE, Operation.UPDATE, Operation.CONFIGURE, Operation.GRANT, Operation.REVOKE,
))

_LOGIN: Final = "login.googleapis.com"
"""The service of Google Workspace that shares its sign-ins with Google Cloud."""
_GOOGLE: Final = Actor(type=ActorType.SYSTEM, id="Google")


def _record(record: Record, given: Given) -> Understood:
    """One entry; raises `NotUnderstood` when it is no audit log, or names no method."""
    said = _payload(record)
    method = pick.text(said, "methodName")
    if not said or not method:
        raise NotUnderstood(
            "missing_field" if said else WRONG,
            "the audit log has no methodName" if said else "the entry has no AuditLog",
        )
    service = pick.text(said, "serviceName")
    log = _log(record)
    action, operation = method_action(service, method)
    deltas = deltas_of(said)
    if operation is Operation.GRANT and deltas.removed and not deltas.added:
        operation = Operation.REVOKE
    elif operation is Operation.GRANT and audits_only(said, deltas):
        operation = Operation.CONFIGURE
    outcome, reason = _outcome(record, said, method)
    info = pick.member(said, "authenticationInfo")
    asked = pick.member(said, "requestMetadata")
    caller = asked.get("callerIp", asked.get("callerIP"))
    agent = asked.get("callerSuppliedUserAgent")
    time, flags = pick.dated(given.zone, record.get("timestamp"), record.get("receiveTimestamp"))
    actor = actor_of(info, log, service)
    noticed = service == _LOGIN and is_noticed(method.rpartition(".")[2])
    event = Event(
        action=action,
        actor=_GOOGLE if noticed else actor,
        operation=operation,
        targets=pick.targets((
            *targets_of(record, said, service, method, deltas), *_concerned(actor, noticed),
        )),
        time=time,
        outcome=outcome,
        reason=reason,
        origin=pick.origin(
            ip=address(caller),
            user_agent=agent if isinstance(agent, str) else "",
            request_id=pick.text(pick.member(record, "operation"), "id"),
            trace_id=pick.text(record, "trace").rpartition("/")[2],
        ),
        changes=changes(changes_of(said, method, deltas)) if (
            operation in _CHANGING and outcome in (Outcome.SUCCESS, UNSET)
        ) else UNSET,
        id=_ident(record),
        severity=_SEVERITIES.get(pick.text(record, "severity"), UNSET),
        labels=_labels(record, said, log),
        why=_why(asked),
    )
    told = "authenticationInfo" in said or log == "system_event"
    guessed = () if told and not noticed else ("actor",)
    return Understood(event, _facts(record, said, method, caller), flags, guessed)


def _concerned(actor: Actor, noticed: bool) -> list[Target]:
    """The account under which a sign-in service lists what Google noticed or did by itself."""
    person = noticed and actor.type is ActorType.USER
    return pick.target("workspace_user", actor.id) if person else []


def _payload(record: Record) -> Record:
    for name in _PAYLOADS:
        found = pick.member(record, name)
        if found and (name != "jsonPayload" or "methodName" in found):
            return found
    return {}


def _recognise(record: Record, given: Given) -> str:
    for name in _PAYLOADS[:3]:
        found = record.get(name)
        if isinstance(found, dict):
            kind = found.get("@type", found.get("at_sign_type"))
            if isinstance(kind, str) and kind.endswith("google.cloud.audit.AuditLog"):
                return f"its {name} is an AuditLog"
            if "methodName" in found and ("serviceName" in found or "authenticationInfo" in found):
                return f"its {name} has methodName and serviceName or authenticationInfo"
    return ""


def _log(record: Record) -> str:
    """`activity`, `data_access`, `system_event` or `policy`; '' where the entry does not say."""
    name = pick.text(record, "logName", "logname").rpartition("/")[2]
    for mark in ("cloudaudit.googleapis.com%2F", "cloudaudit.googleapis.com_", "%2F"):
        if mark in name:
            return name.rpartition(mark)[2]
    return name if name in ("activity", "data_access", "system_event", "policy") else ""


def _ident(record: Record) -> str | UnsetType:
    """Log, time and `insertId`: only the three together name one entry."""
    parts = (
        pick.text(record, "logName", "logname"), pick.text(record, "timestamp"),
        pick.text(record, "insertId", "insertid"),
    )
    whole = "/".join(parts)
    return whole if all(parts) and len(whole) <= NAME_CHARS else UNSET


def _outcome(
    record: Record, said: Record, method: str
) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    """By the status; by the authorization where there is none; a beginning has no outcome."""
    status = said.get("status")
    code = pick.word(status, "code")
    if code not in ("", "0"):
        words = status.get("message") if isinstance(status, dict) else ""
        reason = pick.reason(_CODES.get(code, code), words if isinstance(words, str) else "")
        refused = code in ("7", "16")
        return (Outcome.DENIED if refused else Outcome.FAILURE), reason
    tests = [one for one in pick.items(said, "authorizationInfo") if isinstance(one, dict)]
    granted = [one.get("granted") for one in tests]
    if False in granted and True not in granted:
        missing = [pick.text(one, "permission") for one in tests]
        return Outcome.DENIED, pick.reason("PERMISSION_DENIED", ", ".join(filter(None, missing)))
    if method.endswith(("loginFailure",)):
        return Outcome.FAILURE, UNSET
    operation = pick.member(record, "operation")
    if operation.get("first") is True and operation.get("last") is not True and not code:
        return UNSET, UNSET
    return Outcome.SUCCESS, UNSET


def _labels(record: Record, said: Record, log: str) -> dict[str, str] | UnsetType:
    resource = pick.member(record, "resource", "labels")
    owner = pick.text(record, "logName", "logname").split("/")
    places = pick.items(pick.member(said, "resourceLocation"), "currentLocations")
    found = {
        "account": pick.text(resource, "project_id", "organization_id", "folder_id") or (
            owner[1] if len(owner) > 1 and owner[0] in ("projects", "organizations") else ""
        ),
        "region": pick.text(resource, "location", "region", "zone") or next(
            (one for one in places if isinstance(one, str)), ""
        ),
        "log": log,
    }
    kept = {name: value for name, value in found.items() if value and len(value) <= NAME_CHARS}
    return kept or UNSET


def _why(asked: Record) -> Why | UnsetType:
    said = pick.text(pick.member(asked, "requestAttributes"), "reason")
    return Why(justification=said) if said else UNSET


def _facts(record: Record, said: Record, method: str, caller: Any) -> dict[str, object]:
    """What has no member of its own and is worth a search."""
    info = pick.member(said, "authenticationInfo")
    found: dict[str, object] = {
        "vendor_action": method, **pick.texts(said, _SAID), **pick.texts(info, _INFO),
        **pick.texts(said.get("metadata"), _METADATA),
    }
    email = pick.text(info, "principalEmail")
    if email and pick.text(info, "principalSubject").endswith(email):
        del found["principal_subject"]
    resource = record.get("resource")
    operation = pick.member(record, "operation")
    tests = pick.items(said, "authorizationInfo")
    more = {
        "permissions": list(dict.fromkeys(
            name for one in tests if (name := pick.text(one, "permission"))
        )),
        "resource_type": pick.text(resource, "type"),
        "cluster": pick.text(pick.member(resource, "labels"), "cluster_name"),
        "oauth_client": pick.text(info.get("oauthInfo"), "oauthClientId"),
        "operation": [name for name in ("first", "last") if operation.get(name) is True],
    }
    found.update({name: value for name, value in more.items() if value})
    if isinstance(caller, str) and 0 < len(caller) <= NAME_CHARS and not pick.ip(caller):
        found["caller"] = caller
    return found


_SAID: Final = MappingProxyType({"service": "serviceName", "resource": "resourceName"})
_INFO: Final = MappingProxyType({
    "principal_subject": "principalSubject", "service_account_key": "serviceAccountKeyName",
})
_METADATA: Final = MappingProxyType({"violation": "violationReason"})


PARSER: Final = Parser(
    name="gcp_audit",
    version="gcp_audit/1",
    about="Google Cloud audit logs",
    record=_record,
    recognise=_recognise,
)
