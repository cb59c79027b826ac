"""From one Windows event, whatever form it came in, to who, what and when. Pure.

What is common to event XML, Winlogbeat's and NXLog's documents. `origin.host` is always the
computer on which it happened, as the event names it; the remote address is `origin.ip`, the
client's own name `origin.device`. The event's id is computer, channel, record number and time:
the record number alone would start again with a reinstalled machine or a restored snapshot, and a
time besides it tells those apart, while the same record, read twice, has the same id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import UNSET, UnsetType

from indelible.base.limits import NAME_CHARS
from indelible.event.model import Event, Operation, Origin, Outcome, Reason, Severity, Target
from indelible.ingest.parsers.contract import NotUnderstood, Understood
from indelible.ingest.parsers.pick import action, or_unset
from indelible.ingest.parsers.windows_actor import address, is_inbound, who
from indelible.ingest.parsers.windows_changes import changes_of
from indelible.ingest.parsers.windows_codes import (
    LOGON_TYPES,
    Status,
    listed,
    number_of,
    rendered,
    status_of,
)
from indelible.ingest.parsers.windows_facts import facts_of
from indelible.ingest.parsers.windows_rows import AUDITING, Row, row_of
from indelible.ingest.parsers.windows_seen import Seen, said, whole
from indelible.ingest.parsers.windows_targets import host, object_kind, targets_of


def understood(seen: Seen) -> Understood:
    """The event; raises `NotUnderstood` when it names nobody and is in no catalogue."""
    row = row_of(seen.provider, seen.event_id)
    if row is None and seen.channel == "Security":
        row = row_of(AUDITING, seen.event_id)
    found = who(seen, row)
    if found is None:
        raise NotUnderstood("missing_actor", "the event names nobody", _kept(seen))
    name, operation = _what(seen, row)
    outcome, reason = _outcome(seen, row)
    changed = row is not None and row.changes and outcome in (Outcome.SUCCESS, UNSET)
    event = Event(
        action=name,
        actor=found.actor(_method(seen, operation)),
        operation=operation,
        targets=_targets(seen, row),
        time=seen.time,
        outcome=outcome,
        reason=reason,
        origin=_origin(seen),
        changes=changes_of(seen, row.changes) if row is not None and changed else UNSET,
        id=_id(seen),
        severity=_severity(seen),
        labels=_labels(seen),
    )
    facts = facts_of(seen, found)
    if row is None and (line := seen.message.strip().partition("\n")[0].strip()[:NAME_CHARS]):
        facts["message"] = line
    return Understood(event, facts, seen.flags, ("actor",) if found.guessed else ())


def _kept(seen: Seen) -> dict[str, object]:
    """What could be read of an event that names nobody; texts that can be written."""
    facts = {**facts_of(seen, None), "channel": seen.channel, "computer": seen.computer}
    return {
        name: value for name, value in facts.items()
        if value and str(value).encode("utf-8", "ignore").decode() == str(value)
    }


def _targets(seen: Seen, row: Row | None) -> list[Target] | UnsetType:
    if row is None:
        return host(seen) or UNSET
    return targets_of(seen, row)


def _what(seen: Seen, row: Row | None) -> tuple[str, Operation]:
    """Action and operation; those of an object by its kind and by the rights that were used."""
    if row is None:
        provider = seen.provider.removeprefix("Microsoft-Windows-") or seen.channel
        return action("windows", provider, f"event_{seen.event_id}"), Operation.OTHER
    name, operation = row.action, row.operation
    if row.access:
        operation = _by_rights(seen.data)
    if name.startswith("windows.object."):
        kind = object_kind(said(seen.data, "ObjectType"))
        name = action("windows", kind, name.rpartition(".")[2])
    elif seen.event_id in _TOLD:
        field, words = _TOLD[seen.event_id]
        value = rendered(said(seen.data, field)).lower()
        for word, verb, told in words:
            if word in value:
                return f"{name.rpartition('.')[0]}.{verb}", told
    return name, operation


_TOLD: Final[dict[int, tuple[str, tuple[tuple[str, str, Operation], ...]]]] = {
    4657: ("OperationType", (
        ("created", "create", Operation.CREATE), ("deleted", "delete", Operation.DELETE))),
    1074: ("param5", (
        ("restart", "restart", Operation.EXECUTE), ("power off", "shut_down", Operation.EXECUTE))),
    4703: ("EnabledPrivilegeList", (
        ("se", "enable", Operation.GRANT),)),
}
"""Events whose verb stands in a field: the field, and word in it, verb, operation."""

_MOST_TELLING: Final = (
    (Operation.DELETE, frozenset(("DELETE", "DeleteChild", "DeleteTree", "1537", "7681"))),
    (Operation.GRANT, frozenset(("WRITE_DAC", "WRITE_OWNER"))),
    (Operation.UPDATE, frozenset((
        "WriteData", "AppendData", "WriteEA", "WriteAttributes", "SetValue", "CreateSubKey",
        "CreateLink", "WriteProperty", "WriteSelf", "CreateChild", "WriteMemory", "SetInformation",
        "CreateThread", "WriteAccount", "AddMember", "RemoveMember", "SetPassword",
        "ChangePassword", "WritePasswordParameters", "WriteOtherParameters",
        "ChangeGroupMembership", "CreateUser", "CreateGlobalGroup", "CreateLocalGroup",
        "SetServiceConfiguration", "WriteData (or AddFile)", "Set key value", "Create sub-key",
        "AppendData (or AddSubdirectory or CreatePipeInstance)", "Write Property",
    ))),
    (Operation.EXECUTE, frozenset((
        "Execute", "StartService", "StopService", "CreateProcess", "TerminateProcess",
        "Execute/Traverse",
    ))),
)


def _by_rights(data: Mapping[str, Any]) -> Operation:
    """What rights amount to, the gravest first; reading where none of them tells more."""
    rights = set(listed(whole(data, "AccessList")))
    for operation, names in _MOST_TELLING:
        if rights & names:
            return operation
    return Operation.READ


def _status(data: Mapping[str, Any]) -> Status | None:
    """The most precise of the codes that an event has."""
    for field in ("SubStatus", "Status", "FailureCode", "ErrorCode", "ReturnCode"):
        found = status_of(said(data, field))
        if found is not None:
            return found
    return None


def _outcome(
    seen: Seen, row: Row | None
) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    """What the event's id, its status and its keywords say, in this order."""
    fixed = row.outcome if row is not None else None
    if fixed is Outcome.SUCCESS:
        return fixed, UNSET
    login = row is not None and row.operation is Operation.LOGIN
    status = _status(seen.data) if seen.audit is False or login else None
    reason = _reason(seen, status) if status is not None or seen.audit is False else UNSET
    if fixed is Outcome.DENIED:
        return fixed, reason
    if status is not None:
        return status.outcome, reason
    if fixed is not None:
        return fixed, reason
    if seen.audit is None:
        return UNSET, UNSET
    if seen.audit:
        return Outcome.SUCCESS, UNSET
    denies = row is not None and row.denies
    return (Outcome.DENIED if denies else Outcome.FAILURE), reason


def _reason(seen: Seen, status: Status | None) -> Reason | UnsetType:
    """The code and its text; the event's own text where the code is not a known one."""
    text = status.text if status is not None else ""
    if not text:
        own = rendered(said(seen.data, "FailureReason"))
        text = "" if number_of(own) is not None else own
    code = status.code if status is not None else ""
    return Reason(code=or_unset(code), text=or_unset(text)) if code or text else UNSET


def _method(seen: Seen, operation: Operation) -> str:
    """How somebody proved who they are: the logon type, or the protocol of the check."""
    kind = number_of(said(seen.data, "LogonType"))
    if kind is not None:
        return LOGON_TYPES.get(kind, "")
    if operation is not Operation.LOGIN:
        return ""
    if seen.event_id in (4768, 4769, 4771, 4772, 4773, 4820, 4821, 4824):
        return "kerberos"
    return "ntlm" if seen.event_id in (4776, 4777, 4822, 4823) else ""


def _origin(seen: Seen) -> Origin | UnsetType:
    """Where the actor was: the peer's address and name, and the computer where it happened."""
    data = seen.data
    found = address(said(data, "IpAddress")) or address(said(data, "ClientAddress"))
    if not found:
        found = address(said(data, "Address") or said(data, "Param3"))
    if not found and "DestAddress" in data:
        found = _connecting(seen)
    if not found and said(data, "Initiated").lower() == "true":
        found = address(said(data, "SourceIp"))
    device = said(data, "WorkstationName") or said(data, "Workstation") or said(data, "ClientName")
    if seen.event_id == 4740:  # the field of the domain holds the calling computer
        device = said(data, "TargetDomainName")
    device = device.lstrip("\\")
    if not found and not device and not seen.computer:
        return UNSET
    return Origin(ip=or_unset(found), host=or_unset(seen.computer), device=or_unset(device))


def _connecting(seen: Seen) -> str:
    """The address of the side that connects.

    Events of connections write the machine's own address as the source, whatever the direction
    (Microsoft's page of event 5156); those of packets write the packet's.
    """
    own = seen.event_id in (5156, 5157) and is_inbound(seen.data)
    return address(said(seen.data, "DestAddress" if own else "SourceAddress"))


def _id(seen: Seen) -> str | UnsetType:
    """`COMPUTER/CHANNEL/RECORD/TIME`, where the event has all four."""
    if seen.record and seen.computer and seen.channel and seen.stamp:
        return f"{seen.computer}/{seen.channel}/{seen.record}/{seen.stamp}"
    return UNSET


_SEVERITIES: Final = {
    1: Severity.CRITICAL, 2: Severity.HIGH, 3: Severity.MEDIUM, 4: Severity.INFO,
    5: Severity.DEBUG,
}


def _severity(seen: Seen) -> Severity | UnsetType:
    """The event's level; an audit event has none."""
    return _SEVERITIES.get(seen.level, UNSET) if seen.audit is None else UNSET


def _labels(seen: Seen) -> dict[str, str]:
    labels = {"event_id": str(seen.event_id)}
    if seen.channel:
        labels["channel"] = seen.channel
    return labels
