"""AWS CloudTrail records, one a line, in an array, or as delivered (`{"Records": [...]}`).

What a record carries is filled, and nothing else (`docs/reference/cloudtrail.md` has the table).
`raw` is the record's text exactly as received. A record that cannot be understood is kept as an
event of kind `unparsed` with its text and the reason; only one too large for a body is refused.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from indelible.base import limits
from indelible.base.clock import to_us
from indelible.base.errors import InvalidEvent, TooLarge
from indelible.event.actions import aws_action
from indelible.event.model import Event, Origin, Outcome, Reason
from indelible.ingest.parsed import Parsed, Rejected, Unparsed, rejected
from indelible.ingest.parsers.cloudtrail_actor import actor_of, given, is_service, member, text
from indelible.ingest.parsers.cloudtrail_changes import changes_of
from indelible.ingest.parsers.cloudtrail_targets import targets_of, told_operation

VERSION: Final = "cloudtrail/1"
"""What `via.parser` says."""

CONTENT_BYTES: Final = limits.BODY_BYTES - limits.ADDED_BYTES
_DENIED = re.compile(r"AccessDenied|Unauthorized|NotAuthorized|Forbidden|AuthorizationError")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_document = msgspec.json.Decoder(dict[str, Raw]).decode
_array = msgspec.json.Decoder(list[Raw]).decode


def parse_cloudtrail(body: bytes) -> tuple[list[Parsed], list[Rejected]]:
    """Every record of `body`, in order; `line` is the line, or the record's position.

    Raises `TooLarge` when the whole exceeds `limits.REQUEST_BYTES` or `limits.REQUEST_EVENTS`.
    """
    if len(body) > limits.REQUEST_BYTES:
        raise TooLarge(f"more than {limits.REQUEST_BYTES} bytes in one request")
    records = split_records(body)
    if len(records) > limits.REQUEST_EVENTS:
        raise TooLarge(f"more than {limits.REQUEST_EVENTS} records in one request")
    accepted: list[Parsed] = []
    refused: list[Rejected] = []
    for line, raw in records:
        try:
            accepted.append(parse_record(raw, line))
        except InvalidEvent as error:
            refused.append(rejected(line, error))
    if not records:
        refused.append(Rejected(line=1, field="", code="empty", reason="there is no record"))
    return accepted, refused


def split_records(body: bytes) -> list[tuple[int, bytes]]:
    """The text of each record with its line or position."""
    start = body.strip(b" \t\r\n")
    try:
        if start.startswith(b"["):
            return [(at, bytes(raw)) for at, raw in enumerate(_array(start), 1)]
        if start.startswith(b"{") and b'"Records"' in start[:4096]:
            records = _document(start).get("Records")
            if records is not None:
                return [(at, bytes(raw)) for at, raw in enumerate(_array(records), 1)]
        elif start.startswith(b"{") and b"\n" in start:
            _document(start)  # one record over several lines
            return [(1, start)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    lines = ((at, line.strip(b" \t\r")) for at, line in enumerate(body.split(b"\n"), 1))
    return [(at, line) for at, line in lines if line]


def parse_record(raw: bytes, line: int, fallback_id: str = "") -> Parsed:
    """One record; `fallback_id` serves where it has no `eventID`.

    Never refuses for what the record says: raises `InvalidEvent` only when it is too large.
    """
    try:
        record = _decode(raw)
        if not isinstance(record, dict):
            raise InvalidEvent("a CloudTrail record is a JSON object", code="wrong_type")
        event, flags = _event(record, raw, fallback_id)
    except InvalidEvent as error:
        return unparsed(raw, line, error.code, error.message, fallback_id)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return unparsed(raw, line, "bad_json", f"not well-formed JSON: {error}", fallback_id)
    content = _encode(event)
    _bounded(content)
    return Parsed(
        content=content,
        idempotent=raw,
        line=line,
        id=event.id or "",
        time_us=to_us(event.time) if event.time is not UNSET else None,
        flags=flags,
    )


def unparsed(raw: bytes, line: int, code: str, why: str, fallback_id: str = "") -> Parsed:
    """The message kept as it came, with the reason; raises `InvalidEvent` when it is too large."""
    kind: str | UnsetType = UNSET
    try:
        message = raw.decode()
    except UnicodeDecodeError:
        message, kind = base64.b64encode(raw).decode(), "application/octet-stream"
    content = _encode(
        Unparsed(
            reason=Reason(code=code, text=why[: limits.NAME_CHARS]),
            id=given(fallback_id),
            raw=message,
            raw_type=kind,
        )
    )
    _bounded(content)
    return Parsed(content=content, idempotent=raw, line=line, id=fallback_id, kind="unparsed")


def _bounded(content: bytes) -> None:
    if len(content) > CONTENT_BYTES:
        reason = f"an event takes at most {CONTENT_BYTES} bytes; this one has {len(content)}"
        raise InvalidEvent(reason, field="raw", code="too_large")


def _event(record: dict[str, Any], raw: bytes, fallback_id: str) -> tuple[Event, tuple[str, ...]]:
    source, name = text(record, "eventSource"), text(record, "eventName")
    if not source or not name:
        absent = "eventName" if source else "eventSource"
        raise InvalidEvent(f"the record has no {absent}", field=absent, code="missing_field")
    action, operation = aws_action(source, name)
    service = action.partition(".")[0]
    actor = actor_of(record)
    moment, flags = _time(record)
    outcome, reason = _outcome(record, name)
    return Event(
        action=action,
        actor=actor,
        operation=told_operation(record) or operation,
        targets=targets_of(record, service, operation) or UNSET,
        time=moment,
        outcome=outcome,
        reason=reason,
        origin=_origin(record),
        changes=(outcome is Outcome.SUCCESS and changes_of(record)) or UNSET,
        id=given(text(record, "eventID") or fallback_id),
        labels=_labels(record),
        data=Raw(_encode(_facts(record, name))),
        raw=raw.decode(),
    ), flags


def _time(record: dict[str, Any]) -> tuple[datetime | UnsetType, tuple[str, ...]]:
    """`eventTime`; UTC is assumed, and flagged, where it has no offset."""
    try:
        moment = datetime.fromisoformat(text(record, "eventTime"))
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC), ("time_assumed",)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return UNSET, ()
    return (moment, ()) if moment.year >= 1970 else (UNSET, ())


def _outcome(
    record: dict[str, Any], name: str
) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    """What the record says about how it ended: an API call without an error succeeded."""
    code = text(record, "errorCode")
    message = record.get("errorMessage")
    message = message if isinstance(message, str) else ""
    answer = text(member(record, "responseElements"), name)
    if code or message:
        reason = Reason(code=given(code), text=given(message))
        return (Outcome.DENIED if _DENIED.search(code) else Outcome.FAILURE), reason
    if answer in ("Success", "Failure"):
        return (Outcome.SUCCESS if answer == "Success" else Outcome.FAILURE), UNSET
    if text(record, "eventType") in ("AwsApiCall", "AwsConsoleAction", "AwsVpceEvent"):
        return Outcome.SUCCESS, UNSET
    return UNSET, UNSET


def _origin(record: dict[str, Any]) -> Origin | UnsetType:
    address = text(record, "sourceIPAddress")
    agent = record.get("userAgent")
    origin = Origin(
        ip=address if _is_ip(address) else UNSET,
        service=address if is_service(address) else UNSET,
        user_agent=given(agent) if isinstance(agent, str) else UNSET,
        request_id=given(text(record, "requestID")),
    )
    return origin if origin != Origin() else UNSET


def _is_ip(address: str) -> bool:
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _labels(record: dict[str, Any]) -> dict[str, str] | UnsetType:
    account, region = text(record, "recipientAccountId"), text(record, "awsRegion")
    labels = {name: value for name, value in (("account", account), ("region", region)) if value}
    return labels or UNSET


def _facts(record: dict[str, Any], name: str) -> dict[str, str]:
    """What has no member of its own and is worth a search of its own."""
    facts = {"vendor_action": name}
    arn = text(member(record, "userIdentity"), "arn")
    if arn:
        facts["actor_arn"] = arn
    kind = text(record, "eventType")
    if kind and kind != "AwsApiCall":
        facts["event_type"] = kind
    address = text(record, "sourceIPAddress")
    if address and not _is_ip(address) and not is_service(address):
        facts["source_address"] = address
    return facts
