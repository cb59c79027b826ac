"""Event XML, as Windows renders events and as collectors and `.evtx` files carry them.

The schema is "Event Schema" of the Windows Event Log reference. A document type is refused, so
that no entity is ever expanded and nothing is fetched. Characters that XML forbids, which Windows
itself writes when an event holds them, are read as U+FFFD; the message is kept as it came.
"""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any, Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from indelible.base.limits import NAME_CHARS
from indelible.ingest.parsers.contract import (
    WRONG,
    Given,
    Join,
    NotUnderstood,
    Parser,
    Understood,
)
from indelible.ingest.parsers.pick import moment
from indelible.ingest.parsers.windows_codes import number_of
from indelible.ingest.parsers.windows_event import understood
from indelible.ingest.parsers.windows_seen import Seen, audited

_SCHEMA: Final = "http://schemas.microsoft.com/win/2004/08/events/event"
_PROLOG: Final = re.compile(r"\ufeff?\s*(?:<\?xml[^>]{0,200}\?>\s*)?<(Events|Event)[\s>]")
_FORBIDDEN: Final = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REFERENCE: Final = re.compile(r"&#(?:x([0-9a-fA-F]{1,8})|([0-9]{1,10}));")
_ALLOWED_CONTROLS: Final = frozenset((0x9, 0xA, 0xD))


def _text(message: str, given: Given) -> Understood:
    """One event; raises `NotUnderstood` when it is no event XML, or names nobody."""
    return understood(_seen(_event(message)))


def _recognise(message: str, given: Given) -> str:
    if _PROLOG.match(message) and (_SCHEMA in message[:600] or "<System>" in message[:600]):
        return "it is an Event element of the Windows event schema"
    return ""


def _event(message: str) -> Element:
    """The `Event` element, also as the only one in `Events`."""
    if "<!DOCTYPE" in message and "<Event" in message:
        raise NotUnderstood("bad_xml", "document types are not read")
    if not _PROLOG.match(message):
        raise NotUnderstood(WRONG, "not an Event element")
    root = _parsed(message.lstrip("\ufeff").lstrip())
    if _local(root) == "Events":
        if len(root) != 1:
            raise NotUnderstood("bad_xml", f"{len(root)} events in one message")
        root = root[0]
    if _local(root) != "Event":
        raise NotUnderstood(WRONG, "not an Event element")
    return root


def _parsed(message: str) -> Element:
    try:
        return ElementTree.fromstring(message)
    except (ElementTree.ParseError, UnicodeError, ValueError):
        pass
    try:
        return ElementTree.fromstring(_cleaned(message))
    except (ElementTree.ParseError, UnicodeError, ValueError) as error:
        raise NotUnderstood("bad_xml", f"not well-formed XML: {error}") from error


def _cleaned(message: str) -> str:
    """`message` with U+FFFD for every character that XML forbids, written out or referred to."""
    return _REFERENCE.sub(_reference, _FORBIDDEN.sub("\ufffd", message))


def _reference(found: re.Match[str]) -> str:
    code = int(found[1], 16) if found[1] else int(found[2])
    allowed = 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
    return found[0] if allowed or code in _ALLOWED_CONTROLS else "\ufffd"


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _seen(event: Element) -> Seen:
    system: dict[str, Element] = {}
    data: dict[str, Any] = {}
    message = ""
    for part in event:
        name = _local(part)
        if name == "System":
            system = {_local(one): one for one in part}
        elif name == "EventData":
            _event_data(part, data)
        elif name == "UserData":
            _user_data(part, data)
        elif name == "RenderingInfo":
            message = next((one.text or "" for one in part if _local(one) == "Message"), "")
    if not system:
        raise NotUnderstood("missing_field", "the event has no System element")
    event_id = number_of(_content(system, "EventID"))
    if event_id is None:
        raise NotUnderstood("missing_field", "the event has no EventID")
    stamp = _attribute(system, "TimeCreated", "SystemTime")
    return Seen(
        provider=_attribute(system, "Provider", "Name")
        or _attribute(system, "Provider", "EventSourceName"),
        event_id=event_id & 0xFFFF,  # what is above is the facility of a classic provider
        channel=_content(system, "Channel"),
        computer=_content(system, "Computer"),
        data=data,
        record=_content(system, "EventRecordID"),
        stamp=stamp,
        time=moment(stamp, UTC),
        audit=audited(number_of(_content(system, "Keywords"))),
        level=number_of(_content(system, "Level")) or 0,
        user=("", "", _attribute(system, "Security", "UserID")),
        message=message,
        activity=_attribute(system, "Correlation", "ActivityID"),
    )


def _content(system: dict[str, Element], name: str) -> str:
    element = system.get(name)
    text = element.text if element is not None else None
    return _short(text) if text else ""


def _attribute(system: dict[str, Element], name: str, attribute: str) -> str:
    element = system.get(name)
    return _short(element.get(attribute, "")) if element is not None else ""


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= NAME_CHARS else ""


def _event_data(part: Element, data: dict[str, Any]) -> None:
    """`<Data Name="X">v</Data>`; those without a name are `param1`, `param2`, ..."""
    nameless = 0
    for one in part:
        name = one.get("Name")
        if name is None:
            if _local(one) != "Data":
                continue
            nameless += 1
            name = f"param{nameless}"
        data[name] = one.text or ""


def _user_data(part: Element, data: dict[str, Any]) -> None:
    """The members of the one element within `UserData`, by their names."""
    for wrapper in part:
        for one in wrapper:
            if len(one) == 0:
                data[_local(one)] = one.text or ""


def _starts(line: bytes) -> bool:
    return line.lstrip(b"\xef\xbb\xbf \t").startswith((b"<Event", b"<?xml"))


PARSER: Final = Parser(
    name="windows_xml",
    version="windows_xml/1",
    about="Windows events as XML",
    text=_text,
    reads_records=False,
    recognise=_recognise,
    join=Join(
        key=lambda line: b"event" if _starts(line) else b"",
        ends=lambda line: b"</Event>" in line,
        follows=lambda line: not _starts(line),
    ),
)
