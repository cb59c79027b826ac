"""AWS CloudTrail records, one a line, in an array, or as delivered (`{"Records": [...]}`).

What a record carries is filled, and nothing else (`docs/sources/cloudtrail.md` has the table).
Records that EventBridge hands on (`detail`) and Insights events, which are CloudTrail's own, are
read too. The form is that of docs.aws.amazon.com/awscloudtrail/latest/userguide ("CloudTrail record
contents").
"""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec import UNSET, UnsetType

from indelible.event.actions import aws_action
from indelible.event.model import Event, Operation, Origin, Outcome, Reason
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.cloudtrail_actor import actor_of, is_claimed
from indelible.ingest.parsers.cloudtrail_changes import changes_of
from indelible.ingest.parsers.cloudtrail_facts import (
    addresses_of,
    facts_of,
    insight,
    labels_of,
    moment_of,
)
from indelible.ingest.parsers.cloudtrail_targets import targets_of, told_operation
from indelible.ingest.parsers.contract import (
    WRONG,
    Given,
    NotUnderstood,
    Parser,
    Record,
    Understood,
)
from indelible.ingest.parsers.pick import member, or_unset, text

_DENIED = re.compile(r"AccessDenied|Unauthorized|NotAuthorized|Forbidden|AuthorizationError")


def _record(record: Record, given: Given) -> Understood:
    """One record; raises `NotUnderstood` when it names no service, no call or nobody."""
    record = _opened(record)
    if "insightDetails" in record:
        return insight(record, given)
    source, name = text(record, "eventSource"), text(record, "eventName")
    if not source or not name:
        absent = "eventName" if source else "eventSource"
        raise NotUnderstood("missing_field", f"the record has no {absent}")
    action, operation = aws_action(source, name)
    service = action.partition(".")[0]
    actor = actor_of(record)
    moment, flags = moment_of(record)
    outcome, reason = _outcome(record, name)
    operation = told_operation(record) or operation
    if operation is Operation.OTHER and record.get("readOnly") is True:
        operation = Operation.READ
    addresses = addresses_of(record, given)
    event = Event(
        action=action,
        actor=actor,
        operation=operation,
        targets=targets_of(record, service, operation) or UNSET,
        time=moment,
        outcome=outcome,
        reason=reason,
        origin=_origin(record, *addresses),
        changes=pick.bounded(changes_of(record)) if outcome is Outcome.SUCCESS else UNSET,
        id=or_unset(text(record, "eventID")),
        labels=labels_of(record),
    )
    guessed = ("actor.on_behalf_of",) if is_claimed(record, actor) else ()
    return Understood(event, facts_of(record, name, addresses), flags, guessed)


def _opened(record: Record) -> Record:
    """The record out of an EventBridge event; raises `NotUnderstood` for a digest of log files."""
    inner = record.get("detail")
    if isinstance(inner, dict) and "detail-type" in record:
        return inner
    if "digestStartTime" in record and "eventSource" not in record:
        raise NotUnderstood(WRONG, "it is a digest of log files, not a record")
    return record


def _recognise(record: Record, given: Given) -> str:
    inner = record.get("detail")
    if isinstance(inner, dict) and "detail-type" in record:
        record = inner
    if "insightDetails" in record and "eventVersion" in record:
        return "it has eventVersion and insightDetails"
    if "eventSource" in record and "eventName" in record and "eventVersion" in record:
        return "it has eventVersion, eventSource and eventName"
    return ""


def _outcome(
    record: dict[str, Any], name: str
) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    """What the record says about how it ended: an API call without an error succeeded."""
    code = text(record, "errorCode")
    message = record.get("errorMessage")
    message = message if isinstance(message, str) else ""
    answer = text(member(record, "responseElements"), name) or text(
        member(record, "serviceEventDetails"), name)
    if code or message:
        reason = Reason(code=or_unset(code), text=or_unset(message))
        return (Outcome.DENIED if _DENIED.search(code) else Outcome.FAILURE), reason
    if answer in ("Success", "Failure"):
        return (Outcome.SUCCESS if answer == "Success" else Outcome.FAILURE), UNSET
    if text(record, "eventType") in ("AwsApiCall", "AwsConsoleAction", "AwsVpceEvent"):
        return Outcome.SUCCESS, UNSET
    if name.endswith("Succeeded"):
        return Outcome.SUCCESS, UNSET
    return (Outcome.FAILURE if name.endswith("Failed") else UNSET), UNSET


def _origin(record: dict[str, Any], address: str, service: str) -> Origin | UnsetType:
    agent = record.get("userAgent")
    return pick.origin(
        ip=address,
        service=service,
        user_agent=agent if isinstance(agent, str) else "",
        request_id=text(record, "requestID"),
    )


PARSER: Final = Parser(
    name="cloudtrail",
    version="cloudtrail/2",
    about="AWS CloudTrail records",
    record=_record,
    recognise=_recognise,
)
