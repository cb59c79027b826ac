"""Times as foreign formats write them, whatever the form: numbers since 1970, ISO 8601, mail, HTTP
servers, syslog, CEF. Pure.

A time that names no zone is taken in the zone given, one without a year in the last year that does
not lie ahead of `now_us`; both are said to be assumed. Numbers tell their unit by their size: the
seconds, milli- and microseconds of the years 1973 to 5138 do not overlap, nor do nanoseconds from
1993 on, and what Windows counts (FILETIME since 1601, the ticks of .NET since the year 1).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final, NamedTuple

from msgspec import UnsetType

from indelible.base.clock import MICROS
from indelible.base.limits import LATE_SECONDS, NAME_CHARS
from indelible.ingest.parsers.pick import epoch, in_utc


class Moment(NamedTuple):
    """A time in UTC, and whether its zone or year had to be assumed."""

    time: datetime
    assumed: bool = False


_MONTHS: Final = {
    name: number for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_HOURS: Final = {
    "UTC": 0, "GMT": 0, "Z": 0, "UT": 0, "WET": 0, "CET": 1, "MET": 1, "BST": 1, "WEST": 1,
    "CEST": 2, "MEST": 2, "EET": 2, "EEST": 3, "MSK": 3, "JST": 9, "KST": 9, "EST": -5, "EDT": -4,
    "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}
"""Zones by the names that mail (RFC 5322 section 4.3) and Java write; others are assumed."""

_UNITS: Final = ((11, "s"), (14, "ms"), (17, "us"), (20, "ns"))
"""Digits that a whole number of a unit has at most."""
_NUMBER = re.compile(r"(\d{9,19})(\.\d{1,9})?")
_COMPACT = re.compile(
    r"(20\d\d)([01]\d)([0-3]\d)T?([0-2]\d)([0-5]\d)([0-6]\d)(?:[.,]?(\d{1,9}))?(Z|[+-]\d{4})?"
)
_DOTNET = re.compile(r"\\?/Date\((\d{9,14})(?:[+-]\d{4})?\)\\?/")
_TICKS: Final = (
    (range(116_444_736_000_000_000, 200_000_000_000_000_000), 116_444_736_000_000_000),
    (range(621_355_968_000_000_000, 700_000_000_000_000_000), 621_355_968_000_000_000),
)
"""Counts of 100 ns whose size tells them, and each one's at the beginning of 1970: FILETIME to 2234
(Microsoft, MS-DTYP 2.3.3), ticks of .NET to 2219."""
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d[T _]\d\d:\d\d(?::\d\d(?:[.,]\d{1,12})?)?) ?(?:\(?(Z|[A-Z]{2,4})\)?"
    r"|([+-]\d\d):?(\d\d)?)?"
)
_TOLD_TWICE = re.compile(
    r"(?:\b(?:GMT|UTC) ?)?(Z|[+-]\d\d:?\d\d)"
    r"(?:\[[\w/+-]{1,40}\]| ?\([^()]{1,60}\)| [A-Z]{1,5}(?: m=[+-][\d.]{1,30})?)?\Z", re.ASCII
)
"""An offset with the zone's name beside it: ECMAScript's `GMT+0200 (Central European Summer Time)`,
Java's `+02:00[Europe/Berlin]`, mail's `+0200 (CEST)`, Go's `+0000 UTC m=+0.5`."""
_CLOCK = r"(\d\d?):(\d\d)(?::(\d\d)(?:[.,:](\d{1,9}))?)?(?: ?([AaPp][Mm]))?"
_ZONE = r"(?: ?\(?([A-Z]{1,4}(?=\b)|[+-]\d\d:?\d\d)\)?)?"
_DAY_FIRST = re.compile(
    rf"(?:[A-Za-z]{{3,9}},? )?(\d\d?)[ /-]([A-Za-z]{{3,9}})[ /-](\d{{4}}),?[ :T]{_CLOCK}{_ZONE}"
)
_POINTED = re.compile(
    rf"(\d\d-[A-Za-z]{{3}}-\d\d|\d{{4}}-\d\d-\d\d)[ -](\d\d)\.(\d\d)\.(\d\d)(?:\.(\d{{1,9}}))?"
    rf"(?: ?([AaPp][Mm]))?{_ZONE}"
)
"""A time of day with points: Oracle's `17-APR-26 06.27.41.123456 PM`, Db2's
`2026-04-17-18.27.41.123456`."""
_MONTH_FIRST = re.compile(
    rf"(?:[A-Za-z]{{3,9}},? )?([A-Za-z]{{3,9}})  ?(\d\d?)(?:,? (\d{{4}}))?,? (?:at )?{_CLOCK}"
    rf"{_ZONE}(?: (\d{{4}}))?"
)
_SLASHES = re.compile(rf"(\d\d?)([/.-])(\d\d?)\2(\d{{4}}|\d\d),?[ T]{_CLOCK}{_ZONE}")
_YEAR_SLASHES = re.compile(rf"(\d{{4}})[/.-](\d\d?)[/.-](\d\d?)[ T-]{_CLOCK}{_ZONE}")


def read_time(value: Any, zone: tzinfo = UTC, now_us: int = 0) -> Moment | None:
    """The time that a number or a text tells, None when it tells none between 1970 and 9999."""
    if isinstance(value, str):
        text = value.strip()
        if text[:1] == "[" and text[-1:] == "]":
            text = text[1:-1]
        if not text or len(text) > NAME_CHARS:
            return None
        found = _written(text, zone, now_us)
        plain = _TOLD_TWICE.sub(r"\1", text) if found is None else text
        return found or (_written(plain, zone, now_us) if plain != text else None)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        spelt = str(value) if isinstance(value, int) and value in _SPELT else ""
        return _worded(spelt, zone, now_us) if spelt and _compact(spelt) else _epoch(value)
    return None


def _written(text: str, zone: tzinfo, now_us: int) -> Moment | None:
    if len(text) > len("Wednesday, 31 September 2026 23:59:59.999999999 (+00:00)"):
        return None
    return _iso(text, zone) or _numeric(text) or _worded(text, zone, now_us)


def read_epoch(value: Any, unit: str) -> Moment | None:
    """A number of known unit (`s`, `ms`, `us`, `ns`) since 1970."""
    return _moment(epoch(value, unit), False)


def _moment(found: datetime | UnsetType, assumed: bool) -> Moment | None:
    return Moment(found, assumed) if isinstance(found, datetime) else None


def _epoch(value: float) -> Moment | None:
    """A number by its size; one before 1973 in any unit is no time."""
    try:
        digits = len(str(int(value)))
    except (ValueError, OverflowError):
        return None
    if value <= 0 or digits < len("100000000"):
        return None
    for counts, at_1970 in _TICKS:
        if int(value) in counts:
            return _moment(epoch((int(value) - at_1970) // 10, "us"), False)
    for most, unit in _UNITS:
        if digits <= most:
            return _moment(epoch(value, unit), False)
    return None


def _numeric(text: str) -> Moment | None:
    """A number in a text, or a date and a time of day without any separator."""
    if _compact(text):
        return None  # digits with a year in front are no number; `_worded` reads them
    if dotnet := _DOTNET.fullmatch(text):
        return _moment(epoch(int(dotnet[1]), "ms"), False)
    found = _NUMBER.fullmatch(text)
    if not found:
        return None
    return _epoch(float(text) if found[2] else int(text))


_SPELT: Final = range(20_000_000_000_000, 21_000_000_000_000_000)
"""Numbers that may be a date and a time of day, written without separators."""


def _compact(text: str) -> re.Match[str] | None:
    """A date and a time without separators: of 14 digits, of 17 with milliseconds, or of more
    where a point or a zone makes plain that it is no number."""
    found = _COMPACT.fullmatch(text)
    if found is None or not text.isdigit() or len(text) in (14, 17):
        return found
    return None


def _iso(text: str, zone: tzinfo) -> Moment | None:
    """ISO 8601 as written: also with a space, nanoseconds, a zone's name, `(UTC)` behind."""
    if not text[:4].isdigit() or text[4:5] != "-":
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        parts = _ISO.fullmatch(text)
        if not parts or parts[2] in ("AM", "PM"):
            return None
        try:
            found = datetime.fromisoformat(parts[1].replace("_", "T"))
        except ValueError:
            return None
        said = parts[2] or (f"{parts[3]}{parts[4] or '00'}" if parts[3] else "")
        return _in_zone(found, said, zone)
    if found.tzinfo is None:
        return _moment(in_utc(found.replace(tzinfo=zone)), True)
    return _moment(in_utc(found), False)


def _in_zone(found: datetime, said: str, zone: tzinfo) -> Moment | None:
    """A time with what was said of its zone: a name, an offset, or nothing."""
    known = _offset(said)
    return _moment(in_utc(found.replace(tzinfo=known or zone)), known is None)


def _offset(said: str) -> tzinfo | None:
    if not said:
        return None
    if said[0] in "+-":
        digits = said[1:].replace(":", "")
        size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        if size >= timedelta(hours=24):
            return None
        return timezone(-size if said[0] == "-" else size)
    hours = _HOURS.get(said.upper())
    return None if hours is None else timezone(timedelta(hours=hours))


def _worded(text: str, zone: tzinfo, now_us: int) -> Moment | None:
    """Every form that names months or orders its parts otherwise."""
    if found := _compact(text):
        clock = (*found.groups()[3:7], None)
        return _built(found.groups()[:3], clock, found[8] or "", zone)
    if found := _DAY_FIRST.fullmatch(text):
        day, month, year, *rest = found.groups()
        return _named((year, month, day), rest, zone)
    if found := _MONTH_FIRST.fullmatch(text):
        month, day, year, *rest, late_year = found.groups()
        if year or late_year:
            return _named((year or late_year, month, day), rest, zone)
        return _yearless(month, day, rest, zone, now_us)
    if found := _YEAR_SLASHES.fullmatch(text):
        year, month, day, *rest = found.groups()
        return _built((year, month, day), rest[:5], rest[5] or "", zone)
    if found := _POINTED.fullmatch(text):
        whole, *rest = found.groups()
        one, month, other = whole.split("-")
        if month.isdigit():
            return _built((one, month, other), rest[:5], rest[5] or "", zone)
        return _named((f"20{other}", month, one), rest, zone)
    if found := _SLASHES.fullmatch(text):
        first, mark, second, year, *rest = found.groups()
        year = year if len(year) == 4 else f"20{year}"
        dates = [(year, second, first)] if mark == "." else _dates(first, second, year, rest[4])
        built = [_built(date, rest[:5], rest[5] or "", zone) for date in dates]
        read = [one for one in dict.fromkeys(built) if one]
        return read[0] if len(read) == 1 else _not_ahead(read, now_us)
    return None


def _dates(first: str, second: str, year: str, half: str | None) -> list[tuple[str, str, str]]:
    """What two numbers before a year may be, month and day; with AM or PM the month is first."""
    month_first, day_first = (year, first, second), (year, second, first)
    may_be = int(first) <= len(_MONTHS)
    return [month_first] if may_be and half else [month_first, day_first]


def _not_ahead(read: list[Moment], now_us: int) -> Moment | None:
    """The one of several readings that does not lie over a day ahead; 03/04/2026 is March or April
    to who reads it in May, and not guessed."""
    last = datetime.fromtimestamp(now_us // MICROS, UTC) + timedelta(seconds=LATE_SECONDS)
    known = [one for one in read if one.time <= last] if now_us else []
    return Moment(known[0].time, True) if len(known) == 1 else None


def _named(date: tuple[Any, Any, Any], rest: list[Any], zone: tzinfo) -> Moment | None:
    """A date whose month is a name."""
    number = _MONTHS.get(date[1][:3].lower())
    if number is None:
        return None
    return _built((date[0], number, date[2]), rest[:5], rest[5] or "", zone)


def _yearless(
    month: str, day: str, rest: list[Any], zone: tzinfo, now_us: int
) -> Moment | None:
    """The year is that of now, or the one before where this would lie over a day ahead."""
    now = datetime.fromtimestamp(now_us // MICROS, UTC)
    for year in (now.year, now.year - 1):
        found = _named((year, month, day), rest, zone)
        if found is not None and found.time <= now + timedelta(seconds=LATE_SECONDS):
            return Moment(found.time, True)
    return None


def _built(date: Any, clock: Any, said: str, zone: tzinfo) -> Moment | None:
    """A time of its parts; None where they make none."""
    hour, minute, second, fraction, half = clock
    hours = int(hour)
    if half:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half.lower() == "pm" else 0)
    try:
        found = datetime(
            int(date[0]), int(date[1]), int(date[2]), hours, int(minute), int(second or 0),
            int((fraction or "0")[:6].ljust(6, "0")),
        )
    except ValueError:
        return None
    return _in_zone(found, said, zone)
