"""Winlogbeat's documents, and those of Elastic Agent's Windows integrations: ECS with `winlog`.

What the Security module of Winlogbeat moves out of `winlog.event_data` (addresses, programs) is
taken from where it moves it to. Documents of Winlogbeat 5 and 6, whose members stand at the top,
are read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from indelible.ingest.parsers.contract import (
    WRONG,
    Given,
    NotUnderstood,
    Parser,
    Record,
    Understood,
)
from indelible.ingest.parsers.pick import member, moment, text, word
from indelible.ingest.parsers.windows_codes import number_of
from indelible.ingest.parsers.windows_event import understood
from indelible.ingest.parsers.windows_seen import Seen

_LEVELS: Final = {
    "critical": 1, "error": 2, "warning": 3, "information": 4, "info": 4, "verbose": 5,
}
_AUDITS: Final = {"success": True, "failure": False}
_KEYWORDS: Final = {"Audit Success": True, "Audit Failure": False}


def _record(record: Record, given: Given) -> Understood:
    """One document; raises `NotUnderstood` when it is none, or names nobody."""
    winlog = member(record, "winlog")
    if not winlog:
        if "event_id" not in record or not ("event_data" in record or "user_data" in record):
            raise NotUnderstood(WRONG, "it has no winlog object")
        winlog = record
    event = member(record, "event")
    found = number_of(word(winlog, "event_id") or word(event, "code"))
    if found is None:
        raise NotUnderstood("missing_field", "the document has no winlog.event_id")
    stamp = text(record, "@timestamp")
    user = member(winlog, "user")
    level = text(member(record, "log"), "level") or text(record, "level")
    message = record.get("message")
    return understood(Seen(
        provider=text(winlog, "provider_name", "source_name") or text(event, "provider"),
        event_id=found & 0xFFFF,
        channel=text(winlog, "channel", "log_name"),
        computer=text(winlog, "computer_name") or text(member(record, "host"), "name"),
        data=_data(record, winlog, found),
        record=word(winlog, "record_id", "record_number"),
        stamp=stamp,
        time=moment(stamp),
        audit=_audit(winlog, event),
        level=_LEVELS.get(level.lower(), 0),
        user=(text(user, "name"), text(user, "domain"), text(user, "identifier")),
        message=message if isinstance(message, str) else "",
        activity=text(winlog, "activity_id"),
    ))


def _recognise(record: Record, given: Given) -> str:
    winlog = record.get("winlog")
    if isinstance(winlog, dict) and ("event_id" in winlog or "channel" in winlog):
        return "it has winlog.event_id or winlog.channel"
    if "event_id" in record and "log_name" in record and "computer_name" in record:
        return "it has event_id, log_name and computer_name"
    return ""


def _audit(winlog: dict[str, Any], event: dict[str, Any]) -> bool | None:
    """By the keywords; in another language than English, by `event.outcome` of an audit log."""
    keywords = winlog.get("keywords")
    if isinstance(keywords, list):
        for one in keywords:
            if isinstance(one, str) and one in _KEYWORDS:
                return _KEYWORDS[one]
    return _AUDITS.get(text(event, "outcome"))


_MOVED: Final = (
    ("IpAddress", "source", "ip"), ("IpPort", "source", "port"),
    ("WorkstationName", "source", "domain"), ("ServiceName", "service", "name"),
    ("CommandLine", "process", "command_line"),
)


def _data(record: Record, winlog: dict[str, Any], event_id: int) -> Mapping[str, Any]:
    """EventData or UserData, with what the Security module has moved."""
    data = winlog.get("event_data")
    if not isinstance(data, dict) or not data:
        data = member(winlog, "user_data")
    if "source" not in record and "process" not in record and "service" not in record:
        return data
    found = dict(data)
    for name, part, field in _MOVED:
        if name not in found and (value := word(record.get(part), field)):
            found[name] = value
    process = record.get("process")
    if isinstance(process, dict):
        started = event_id == 4688
        names = ("NewProcessName", "NewProcessId") if started else ("ProcessName", "ProcessId")
        found.setdefault(names[0], word(process, "executable"))
        found.setdefault(names[1], word(process, "pid"))
        if started:
            found.setdefault("ParentProcessName", word(process.get("parent"), "executable"))
    return found


PARSER: Final = Parser(
    name="winlogbeat",
    version="winlogbeat/1",
    about="Windows events as Winlogbeat and Elastic Agent send them",
    record=_record,
    recognise=_recognise,
)
