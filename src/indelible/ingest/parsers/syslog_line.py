"""Syslog headers, an envelope: from one line to the message in it and what the header says.

RFC 5424 in full, and RFC 3164 as it is met in files and on the wire: with or without priority and
host, with the time as `Mmm dd hh:mm:ss`, with a year, or as ISO 8601 (rsyslog's file format), and
the marks of Cisco, Solaris and BusyBox. Nothing of a line is thrown away: what is no header is the
message. Sources: RFC 5424 section 6, RFC 3164 sections 4 and 5, `docs/sources/linux_auth.md`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from indelible.base.limits import LABELS, NAME_CHARS
from indelible.event.model import Severity
from indelible.ingest.parsers.contract import WRONG, Given, NotUnderstood, Parser, Record
from indelible.ingest.parsers.pick import flat, in_utc, moment

SEVERITIES: Final = (
    Severity.CRITICAL, Severity.CRITICAL, Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM,
    Severity.LOW, Severity.INFO, Severity.DEBUG,
)
"""By syslog's number: emergency, alert, critical; error; warning; notice; info; debug."""

FACILITIES: Final = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", *(f"local{number}" for number in range(8)),
)
_LEVELS: Final = {
    "emerg": 0, "panic": 0, "alert": 1, "crit": 2, "err": 3, "error": 3, "warning": 4, "warn": 4,
    "notice": 5, "info": 6, "debug": 7,
}
_MONTHS: Final = {
    name: number for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_AHEAD: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_BSD = r"[A-Za-z]{3}\.? [ \d]?\d \d\d:\d\d:\d\d"
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_HOST = r"[^\s\[\]]{0,254}[^\s\[\]:]"
_TAG = r"([^\s\[:%][^\s\[:]{0,127})(?:\[([^\]\s]{1,128})\]:? ?|:(?: |$))"
_COMMON = re.compile(rf"(?:<(\d{{1,3}})>)?(?:({_BSD})|({_ISO})) ({_HOST}) {_TAG}", re.ASCII)
"""What nearly every line begins with; `_odd` takes the others apart."""
_RFC5424 = re.compile(r"<(\d{1,3})>1 (\S+) (\S{1,255}) (\S{1,255}) (\S{1,128}) (\S{1,255}) ?")
_PRIORITY = re.compile(r"<(\d{1,3})>", re.ASCII)
_CISCO = re.compile(r"(?::? ?\d+: |: )?[*.]?(?=[A-Z][a-z]{2} |\d{4} [A-Z])", re.ASCII)
_STAMP = re.compile(
    r"(?:(?P<first>\d{4}) )?(?P<month>[A-Za-z]{3})\.? (?P<day>[ \d]?\d) (?:(?P<year>\d{4}) )?"
    r"(?P<time>\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(?: (?P<zone>[A-Z]{1,5})(?=:))?:?(?: |$)", re.ASCII
)
_ISO_STAMP = re.compile(rf"({_ISO})(?: |$)", re.ASCII)
_NAMED_HOST = re.compile(rf"({_HOST}) +")
_TAGGED = re.compile(_TAG)
_BRACKETED = re.compile(r"\[([^\s\[\]:]{1,128})\]():? ")
_CLASS = re.compile(r"(?:\[ID \d+ )?([a-z]+\d?)\.([a-z]+)(?:\]|(?= )) ", re.ASCII)
_REPEATED = re.compile(r"last message repeated (\d{1,9}) times?", re.ASCII)
_ELEMENT = re.compile(
    r'\[([^\s=\]"]{1,255})(?=[ \]])((?:[^"\]]++|"(?:[^"\\]++|\\.)*+")*+)\]', re.DOTALL
)
_PARAM = re.compile(r' ([^\s=\]"]{1,128})="((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\\]])')
_decode = msgspec.json.Decoder().decode


def unwrap(message: str | Record, given: Given) -> tuple[str | Record, Given]:
    """The message of one line, and `given` with what its header says.

    A message that is a JSON object, also behind CEE's cookie, is handed on decoded. Raises
    `NotUnderstood` for what begins with neither a priority nor a time.
    """
    if isinstance(message, dict):
        raise NotUnderstood(WRONG, "a syslog message is a text, not a JSON object")
    text = message.rstrip("\r\n\0")
    found = _COMMON.match(text)
    if found is not None and not text.startswith("[ID ", found.end()):
        priority, bsd, iso, host, program, process = found.groups()
        time, flags = _iso(iso, given.zone) if iso else _yearless(bsd, given)
        if flags or iso:
            said = _known(given, priority, time, flags, host, program, process)
            return body(text[found.end():]), said
    found = _RFC5424.match(text)
    if found is not None and (found[2] == "-" or moment(found[2], UTC) is not UNSET):
        return _rfc5424(found, text, given)
    return _odd(text, given)


def body(text: str) -> str | Record:
    """A message as it is handed on: the object when it is one in JSON, else the text."""
    json = text.lstrip()
    if json[:5].lower() == "@cee:":
        json = json[5:].lstrip()
    if json[:1] == "{":
        try:
            found: Any = _decode(json)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return text
        if isinstance(found, dict):
            return found
    return text


def facility(number: int) -> Mapping[str, str]:
    """The label of a facility's number; none for one that there is not."""
    return {"facility": FACILITIES[number]} if 0 <= number < len(FACILITIES) else {}


def _known(
    given: Given, priority: str | None, time: datetime | UnsetType, flags: tuple[str, ...],
    host: str, program: str, process: str | None, more: Mapping[str, object] = {},
) -> Given:
    """What was known before with what this header adds; the header's own word has precedence."""
    severity, labels = given.severity, given.labels
    if priority is not None and int(priority) < 192:
        number = int(priority)
        severity = SEVERITIES[number & 7]
        labels = {**labels, **facility(number >> 3)}
    said: dict[str, object] = {"program": program} if program else {}
    if process:
        said["pid"] = process
    if given.of_host and host and given.host not in ("", host):
        said["relay"] = given.host
    if more:
        said.update(more)
    absent = time is UNSET
    return Given(
        now_us=given.now_us, zone=given.zone, proxies=given.proxies, host=host or given.host,
        program=program or given.program, process=process or given.process, of_host=True,
        time=given.time if absent else time, observed=given.observed,
        flags=given.flags if absent else flags, severity=severity, labels=labels,
        data={**given.data, "syslog": said} if said else given.data,
    )


# --- RFC 5424


def _rfc5424(found: re.Match[str], text: str, given: Given) -> tuple[str | Record, Given]:
    priority, stamp, host, program, process, msgid = (
        "" if part == "-" else part for part in found.groups()
    )
    structured, rest = _structured(text[found.end():])
    time, flags = _iso(stamp, given.zone)
    more = flat({"msgid": msgid, "structured": structured})
    return (
        body(rest.removeprefix("\ufeff")),
        _known(given, priority, time, flags, host, program, process, more),
    )


def _structured(text: str) -> tuple[dict[str, dict[str, object]], str]:
    """Structured data by its elements' ids, and the message behind it.

    At most `limits.LABELS` values are kept, and none longer than `limits.NAME_CHARS`; a name that
    comes again makes a list. What is not well-formed is part of the message.
    """
    if text[:2] in ("- ", "-"):
        return {}, text[2:]
    elements: dict[str, dict[str, object]] = {}
    at = left = 0
    while (found := _ELEMENT.match(text, at)) is not None:
        values = elements.setdefault(found[1], {})
        for name, value in _PARAM.findall(found[2]):
            left += 1
            if left <= LABELS and len(name) <= NAME_CHARS >= len(value):
                _add(values, name, _ESCAPE.sub(r"\1", value))
        at = found.end()
    return elements, text[at + 1:] if at and text[at:at + 1] == " " else text[at:]


def _add(values: dict[str, object], name: str, value: str) -> None:
    known = values.get(name)
    if known is None:
        values[name] = value
    else:
        values[name] = [*known, value] if isinstance(known, list) else [known, value]


# --- RFC 3164 and what calls itself so


def _odd(text: str, given: Given) -> tuple[str | Record, Given]:
    """A line that begins otherwise than most: part by part, each of which may be absent."""
    found = _PRIORITY.match(text)
    priority = found[1] if found else None
    at = found.end() if found else 0
    time, flags, end = _time(text, at, given)
    if found is None and end == at:
        raise NotUnderstood(WRONG, "the line begins with neither a priority nor a time")
    rest = text[end:]
    host = program = ""
    process: str | None = None
    tag = _TAGGED.match(rest) or (_BRACKETED.match(rest) if end > at else None)
    if tag is None and end > at:
        named = None if rest[:1] in ("%", " ") else _NAMED_HOST.match(rest)
        if named is not None:
            host, rest = named[1], rest[named.end():].removeprefix(": ")
        rest = rest.lstrip(" ")
        marked = _CLASS.match(rest)
        if marked is not None and marked[1] in FACILITIES and marked[2] in _LEVELS:
            priority = str(FACILITIES.index(marked[1]) * 8 + _LEVELS[marked[2]])
            rest = rest[marked.end():]
        tag = _TAGGED.match(rest)
    if tag is not None:
        program, process, rest = tag[1], tag[2], rest[tag.end():]
    marked = _CLASS.match(rest) if rest[:4] == "[ID " else None
    if marked is not None and marked[1] in FACILITIES and marked[2] in _LEVELS:
        priority = str(FACILITIES.index(marked[1]) * 8 + _LEVELS[marked[2]])
        rest = rest[marked.end():]
    repeated = None if program else _REPEATED.fullmatch(rest)
    more = {"repeated": int(repeated[1])} if repeated else {}
    return body(rest), _known(given, priority, time, flags, host, program, process, more)


def _time(
    text: str, at: int, given: Given
) -> tuple[datetime | UnsetType, tuple[str, ...], int]:
    """The time that stands at a position, its flags, and where it ends: there, when none does."""
    found = _ISO_STAMP.match(text, at)
    if found is not None:
        return *_iso(found[1], given.zone), found.end()
    mark = _CISCO.match(text, at)
    found = _STAMP.match(text, mark.end() if mark else at)
    month = _MONTHS.get(found["month"].lower()) if found else None
    if found is None or month is None:
        return UNSET, (), at
    zone = UTC if found["zone"] in ("UTC", "GMT", "Z") else None
    day, clock = int(found["day"]), found["time"].replace(",", ".")
    year = found["first"] or found["year"]
    if year is None:
        time = _nearest(month, day, clock, given.now_us, zone or given.zone)
        return time, ("time_assumed",), found.end()
    time, flags = _iso(f"{year}-{month:02}-{day:02}T{clock}", zone or given.zone)
    return time, () if zone is UTC else flags, found.end()


def _iso(stamp: str, zone: tzinfo) -> tuple[datetime | UnsetType, tuple[str, ...]]:
    """A time in ISO 8601; one without offset is of `zone`, and flagged."""
    if not stamp:
        return UNSET, ()
    if (found := moment(stamp)) is not UNSET:
        return found, ()
    found = moment(stamp, zone)
    return found, () if found is UNSET else ("time_assumed",)


def _yearless(stamp: str, given: Given) -> tuple[datetime | UnsetType, tuple[str, ...]]:
    """A time as BSD writes it, with its flag; without a flag where the month is none."""
    month = _MONTHS.get(stamp[:3].lower())
    if month is None:
        return UNSET, ()
    day = int(stamp[3:-8].strip(". "))
    return _nearest(month, day, stamp[-8:], given.now_us, given.zone), ("time_assumed",)


def _nearest(month: int, day: int, clock: str, now_us: int, zone: tzinfo) -> datetime | UnsetType:
    """A time without a year: the latest such that is at most a day later than `now_us`.

    29 February is of the last leap year. UNSET for a day or an hour that there is not.
    """
    hour, minute, second = int(clock[0:2]), int(clock[3:5]), int(clock[6:8])
    micros = int(clock[9:15].ljust(6, "0")) if len(clock) > 9 else 0
    try:
        now = _EPOCH + timedelta(microseconds=now_us)
        latest = now + _AHEAD
        for year in range(latest.year + 1, latest.year - 9, -1):  # 1896, then 1904
            if month == 2 and day == 29 and not _is_leap(year):
                continue
            found = in_utc(datetime(year, month, day, hour, minute, second, micros, zone))
            if found is not UNSET and found <= latest:
                return found
    except (ValueError, OverflowError):  # second 60, 30 February, a clock beyond the calendar
        return UNSET
    return UNSET


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _recognise(message: str, given: Given) -> str:
    found = _PRIORITY.match(message)
    if found is not None and int(found[1]) < 192:
        return "it begins with a syslog priority"
    found = _COMMON.match(message)
    if found is not None and (found[3] or _MONTHS.get(found[2][:3].lower())):
        return "it begins with a time, a host and a program"
    found = _STAMP.match(message)
    if found is not None and _MONTHS.get(found["month"].lower()):
        return "it begins with a time as syslog writes it"
    return ""


PARSER: Final = Parser(
    name="syslog",
    version="syslog/1",
    about="syslog lines (RFC 5424, RFC 3164), whatever is in them",
    unwrap=unwrap,
    reads_records=False,
    recognise=_recognise,
)
