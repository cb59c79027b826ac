"""Microsoft 365's unified audit log, as the Management Activity API delivers it.

One record is a JSON object with a common schema and what its workload adds. Exports of
`Search-UnifiedAuditLog` and of the audit search of Graph carry the record in `AuditData`; some
collectors write the members' names in lower case. All are read. `docs/sources/m365.md` has the
table.
"""

from __future__ import annotations

from datetime import UTC
from types import MappingProxyType
from typing import Any, Final

from msgspec import UNSET, UnsetType

from indelible.event.model import Event, Outcome, Reason, Severity
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.cloud import address, an_object, changes
from indelible.ingest.parsers.contract import Given, NotUnderstood, Parser, Record, Understood
from indelible.ingest.parsers.entra_errors import ending
from indelible.ingest.parsers.m365_actions import operation_action, service_of
from indelible.ingest.parsers.m365_actor import LOGONS, actor_of
from indelible.ingest.parsers.m365_changes import changes_of
from indelible.ingest.parsers.m365_targets import targets_of

_RESULTS: Final = MappingProxyType({
    "succeeded": Outcome.SUCCESS, "success": Outcome.SUCCESS, "true": Outcome.SUCCESS,
    "partiallysucceeded": Outcome.SUCCESS, "failed": Outcome.FAILURE, "false": Outcome.FAILURE,
    "failure": Outcome.FAILURE, "denied": Outcome.DENIED, "blocked": Outcome.DENIED,
})
_SIGN_INS: Final = frozenset(("userloggedin", "userloginfailed"))
_REFUSED: Final = frozenset(("unmanagedsyncclientblocked", "sharinginvitationblocked"))
_SEVERITIES: Final = MappingProxyType({
    "low": Severity.LOW, "medium": Severity.MEDIUM, "high": Severity.HIGH,
    "informational": Severity.INFO, "critical": Severity.CRITICAL,
})
_MEMBERS: Final = """
    Id RecordType CreationTime Operation OrganizationId UserType UserKey Workload ResultStatus
    ObjectId UserId ClientIP Scope AppAccessContext Actor ActorContextId ActorIpAddress Target
    TargetContextId ExtendedProperties ModifiedProperties InterSystemsId ApplicationId
    LogonError ErrorCode DeviceProperties Parameters ExternalAccess OrganizationName
    OriginatingServer LogonType LogonUserSid LogonUserDisplayName MailboxOwnerUPN MailboxGuid
    ClientIPAddress ClientInfoString ClientMachineName ClientProcessName ClientAppId AppId
    Item AffectedItems Folder Folders DestFolder SendAsUserSmtp SendOnBehalfOfUserSmtp
    SiteUrl SourceRelativeUrl SourceFileName SourceFileExtension ItemType UserAgent
    TargetUserOrGroupName TargetUserOrGroupType UserSharedWith SharingType EventData
    CorrelationId DestinationRelativeUrl DestinationFileName TeamName TeamGuid ChannelName
    ChannelGuid Members Name OldValue NewValue ItemName AlertId Severity PolicyDetails
    SharePointMetaData ExchangeMetaData SessionId"""
_NAMES: Final = MappingProxyType({name.lower(): name for name in _MEMBERS.split()})
"""Members by their names in lower case."""


def _record(record: Record, given: Given) -> Understood:
    """One record; raises `NotUnderstood` when it has no operation or names nobody."""
    said = _inner(record)
    name = pick.text(said, "Operation")
    if not name:
        raise NotUnderstood("missing_field", "the record has no Operation")
    workload, kind = pick.text(said, "Workload"), pick.word(said, "RecordType")
    service = service_of(workload, kind)
    action, operation = operation_action(service, name)
    extended = _pairs(said.get("ExtendedProperties"))
    device = _pairs(said.get("DeviceProperties"))
    outcome, reason = _outcome(said, name, extended)
    event = Event(
        action=action,
        actor=actor_of(said, device),
        operation=operation,
        targets=pick.targets(targets_of(said, service, name)),
        time=pick.moment(said.get("CreationTime"), UTC),
        outcome=outcome,
        reason=reason,
        origin=pick.origin(
            ip=address(
                said.get("ActorIpAddress"), said.get("ClientIP"), said.get("ClientIPAddress")
            ),
            host=pick.text(said, "ClientMachineName"),
            device=device.get("DisplayName", "") or pick.text(said, "DeviceDisplayName"),
            user_agent=_agent(said, extended),
            request_id=pick.text(said, "CorrelationId", "InterSystemsId", "ClientRequestId") or (
                pick.text(pick.member(said, "AppAccessContext"), "CorrelationId")
            ),
        ),
        changes=changes(changes_of(said, service, name)) if outcome in (
            Outcome.SUCCESS, UNSET
        ) else UNSET,
        id=pick.or_unset(pick.text(said, "Id")),
        severity=_severity(said),
        labels=_labels(said, workload),
    )
    return Understood(event, _facts(said, name, kind, extended, device))


def _recognise(record: Record, given: Given) -> str:
    if "CreationTime" in record and "Operation" in record and "RecordType" in record:
        return "it has CreationTime, Operation and RecordType"
    if "AuditData" in record and ("RecordType" in record or "Operations" in record):
        return "it has AuditData with RecordType or Operations"
    if "auditData" in record and "auditLogRecordType" in record:
        return "it has auditData and auditLogRecordType"
    if "creationtime" in record and "operation" in record and "recordtype" in record:
        return "it has creationtime, operation and recordtype"
    return ""


def _inner(record: Record) -> Record:
    """The record itself, out of an export's row, with its members' own names."""
    data = record.get("AuditData", record.get("auditData"))
    if data is not None:
        record = an_object(data) or record
    if "Operation" not in record and "operation" in record:
        return {
            _NAMES.get(name.lower(), name): value for name, value in record.items()
            if isinstance(name, str)
        }
    return record


def _pairs(found: Any) -> dict[str, str]:
    """A list of `{"Name", "Value"}` by name."""
    if not isinstance(found, list):
        return {}
    pairs: dict[str, str] = {}
    for one in found:
        if isinstance(one, dict):
            name, value = one.get("Name"), one.get("Value")
            if isinstance(name, str) and isinstance(value, str) and value not in ("", "<null>"):
                pairs.setdefault(name, value)
    return pairs


def _outcome(
    said: Record, name: str, extended: dict[str, str]
) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    """How it ended; of a sign-in, `ResultStatus` tells only that the request was answered."""
    low = name.lower().rstrip(".")
    if low in _SIGN_INS:
        code, error = pick.word(said, "ErrorCode"), pick.text(said, "LogonError")
        if low == "userloggedin" and code in ("", "0") and not error:
            return Outcome.SUCCESS, UNSET
        outcome, reason = ending(code, error)
        failed = low == "userloginfailed"
        return (Outcome.FAILURE if outcome is UNSET and failed else outcome), reason
    if low in _REFUSED:
        return Outcome.DENIED, UNSET
    status = said.get("ResultStatus")
    if isinstance(status, bool):
        status = str(status)
    word = status.lower() if isinstance(status, str) else ""
    outcome = _RESULTS.get(word, UNSET)
    if outcome is UNSET:
        outcome = _RESULTS.get(extended.get("resultType", "").lower(), UNSET)
    why = pick.text(said, "ResultReason", "ErrorMessage", "FailureReason") or extended.get(
        "resultDescription", ""
    )
    if outcome is Outcome.FAILURE or outcome is Outcome.DENIED:
        return outcome, pick.reason("", why)
    if word == "partiallysucceeded":
        return outcome, pick.reason("PartiallySucceeded", why)
    return outcome, UNSET


def _agent(said: Record, extended: dict[str, str]) -> str:
    """The client's own description of itself, in whichever member the workload has it."""
    found = said.get("UserAgent") or extended.get("UserAgent")
    if not found:
        details = an_object(extended.get("additionalDetails"))
        found = details.get("User-Agent") or said.get("ClientInfoString")
    return found if isinstance(found, str) else ""


def _severity(said: Record) -> Severity | UnsetType:
    word = pick.text(said, "Severity").lower()
    if not word:
        for part in pick.items(said, "PolicyDetails")[:1]:
            for rule in pick.items(part, "Rules")[:1]:
                word = pick.text(rule, "Severity").lower()
    return _SEVERITIES.get(word, UNSET)


def _labels(said: Record, workload: str) -> dict[str, str] | UnsetType:
    account = pick.text(said, "OrganizationId")
    found = {name: value for name, value in (("account", account), ("workload", workload)) if value}
    return found or UNSET


def _facts(
    said: Record, name: str, kind: str, extended: dict[str, str], device: dict[str, str]
) -> dict[str, object]:
    """What has no member of its own and is worth a search."""
    found: dict[str, object] = {
        "vendor_action": name, **pick.texts(said, _SAID),
        **pick.texts(said.get("AppAccessContext"), _ACCESS), **pick.texts(device, _DEVICE),
    }
    logon = LOGONS.get(pick.word(said, "LogonType"))
    folder = pick.text(said.get("Folder"), "Path") or pick.text(
        pick.member(said, "Item", "ParentFolder"), "Path"
    )
    more = {
        "record_type": kind, "user_type": pick.word(said, "UserType"), "logon_type": logon,
        "folder": folder, "request_type": extended.get("RequestType"),
    }
    found.update({key: value for key, value in more.items() if value})
    external, count = said.get("ExternalAccess"), said.get("OperationCount")
    if isinstance(external, bool):
        found["external_access"] = external
    if type(count) is int:
        found["count"] = count
    return found


_SAID: Final = MappingProxyType({
    "user_key": "UserKey", "app_id": "ApplicationId", "client_app_id": "ClientAppId",
    "app": "ApplicationDisplayName", "server": "OriginatingServer", "site": "SiteUrl",
    "sharing": "SharingType", "event_data": "EventData", "parameters": "Parameters",
    "alert_type": "AlertType",
})
_ACCESS: Final = MappingProxyType({
    "app_id": "ClientAppId", "app": "ClientAppName", "token": "UniqueTokenId",
})
_DEVICE: Final = MappingProxyType({"os": "OS", "device_id": "Id"})


PARSER: Final = Parser(
    name="m365",
    version="m365/1",
    about="Microsoft 365 unified audit log (Management Activity API)",
    record=_record,
    recognise=_recognise,
)
