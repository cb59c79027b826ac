"""NXLog's JSON of Windows events (`im_msvistalog` and `to_json()`): one flat object.

System fields and those of EventData stand side by side. Older versions write `EventTime` without
an offset, in the machine's own time; newer ones with it. Of events with UserData (the cleared log)
older versions keep nothing but the message, out of which the account is then read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import UNSET, UnsetType

from indelible.ingest.parsers.contract import (
    WRONG,
    Given,
    NotUnderstood,
    Parser,
    Record,
    Understood,
)
from indelible.ingest.parsers.pick import epoch, moment, text, word
from indelible.ingest.parsers.windows_codes import number_of
from indelible.ingest.parsers.windows_event import understood
from indelible.ingest.parsers.windows_seen import Seen, audited, said

_LEVELS: Final = {"CRITICAL": 1, "ERROR": 2, "WARNING": 3, "INFO": 4, "DEBUG": 5, "VERBOSE": 5}
_AUDITS: Final = {"AUDIT_SUCCESS": True, "AUDIT_FAILURE": False}
_SUBJECT: Final = re.compile(
    r"Security ID:\s{1,16}(\S{1,256})\s{1,16}"
    r"Account Name:\s{1,16}(\S[^\r\n\t:]{0,255}?)\s{1,16}"
    r"(?:Account Domain|Domain Name):\s{1,16}(\S{1,256})\s{1,16}"
    r"Logon ID:\s{1,16}(0x[0-9a-fA-F]{1,16})"
)
_CLEARED: Final = re.compile(r"The (\S[^\r\n]{0,255}?) log file was cleared")
_FIELDS: Final = ("SubjectUserSid", "SubjectUserName", "SubjectDomainName", "SubjectLogonId")


def _record(record: Record, given: Given) -> Understood:
    """One object; raises `NotUnderstood` when it is none, or names nobody."""
    found = number_of(word(record, "EventID"))
    if found is None or not _provider(record):
        raise NotUnderstood(WRONG, "it has no EventID and SourceName")
    time, flags = _time(record, given)
    event_type = text(record, "EventType")
    audit = _AUDITS.get(event_type)
    return understood(Seen(
        provider=_provider(record),
        event_id=found & 0xFFFF,
        channel=text(record, "Channel", "FileName"),
        computer=text(record, "Hostname"),
        data=_data(record, found),
        record=word(record, "RecordNumber"),
        stamp=word(record, "EventTime"),
        time=time,
        audit=audited(_keywords(record)) if audit is None else audit,
        level=_LEVELS.get(text(record, "Severity").upper(), 0),
        user=_user(record),
        message=text(record, "Message"),
        activity=text(record, "ActivityID"),
        flags=flags,
    ))


def _recognise(record: Record, given: Given) -> str:
    if "EventID" in record and ("SourceName" in record or "ProviderGuid" in record):
        if record.get("SourceModuleType") == "im_msvistalog":
            return "it comes from im_msvistalog"
        if "EventTime" in record and "Hostname" in record:
            return "it has EventID, SourceName, EventTime and Hostname"
    return ""


def _provider(record: Record) -> str:
    return text(record, "SourceName", "Provider_Name")


def _keywords(record: Record) -> int | None:
    """`Keywords`, which may be written as a signed number."""
    value = record.get("Keywords")
    if type(value) is int:
        return value & 0xFFFFFFFFFFFFFFFF
    if isinstance(value, str) and value.startswith("0x"):
        return number_of(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,20}", value):
        return int(value) & 0xFFFFFFFFFFFFFFFF
    return None


def _time(record: Record, given: Given) -> tuple[datetime | UnsetType, tuple[str, ...]]:
    """`EventTime`: with an offset, in the source's zone without one, or microseconds since 1970."""
    value = record.get("EventTime")
    if type(value) is int:
        return epoch(value, "us" if value > 100_000_000_000 else "s"), ()
    with_offset = moment(value)
    if with_offset is not UNSET:
        return with_offset, ()
    local = moment(value, given.zone)
    if local is not UNSET:
        return local, ("time_assumed",)
    return UNSET, ()


def _user(record: Record) -> tuple[str, str, str]:
    """Who wrote the event: `AccountName`, unless the event has a field of that name of its own."""
    sid = text(record, "UserID")
    if "AccountType" not in record or "ServiceName" in record:
        return ("" if sid.startswith("S-1-") else sid, "", sid if sid.startswith("S-1-") else "")
    sid = sid if sid.startswith("S-1-") else ""
    return text(record, "AccountName"), text(record, "Domain"), sid


def _data(record: Record, event_id: int) -> Mapping[str, Any]:
    """The record itself; with the subject of the message where the log was cleared without one."""
    if event_id not in (104, 1102) or said(record, "SubjectUserName"):
        return record
    nested = {
        name: value for field, value in record.items()
        if (name := field.rpartition(".")[2]) in (*_FIELDS, "Channel") and name != field
    }
    if nested:
        return {**record, **nested}
    message = record.get("Message")
    if not isinstance(message, str):
        return record
    added: dict[str, str] = {}
    if found := _SUBJECT.search(message):
        added = dict(zip(_FIELDS, found.groups(), strict=True))
    if event_id == 104 and (cleared := _CLEARED.match(message)):
        added["Channel"] = cleared[1]
    return {**record, **added}


PARSER: Final = Parser(
    name="nxlog",
    version="nxlog/1",
    about="Windows events as NXLog sends them in JSON",
    record=_record,
    recognise=_recognise,
)
