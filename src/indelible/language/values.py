"""Values in a search: dates, times and ages, numbers, addresses, and the closed sets of words."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta, timezone
from difflib import get_close_matches
from typing import Final, NamedTuple

from indelible.base.clock import MICROS, parse_duration, to_us
from indelible.base.errors import IndelibleError, QueryError
from indelible.event.fields import ip_range
from indelible.event.model import ActorType, Operation, Outcome, Severity
from indelible.proof.commitment import KINDS

CLOSED: Final[dict[str, tuple[str, ...]]] = {
    "operation": tuple(member.value for member in Operation),
    "outcome": tuple(member.value for member in Outcome),
    "actor.type": tuple(member.value for member in ActorType),
    "severity": tuple(member.value for member in Severity),
    "kind": tuple(KINDS),
}
"""Fields with a fixed set of values; another value in a search is a mistake. `severity` rises."""

_MEANT: Final = {
    "ok": "success", "succeeded": "success", "fail": "failure", "failed": "failure",
    "error": "failure", "refused": "denied", "deny": "denied", "forbidden": "denied",
    "remove": "delete", "add": "create", "insert": "create", "modify": "update",
    "change": "update", "view": "read", "get": "read", "signin": "login", "download": "export",
    "upload": "import", "run": "execute", "human": "user", "person": "user", "bot": "agent",
    "machine": "service", "apikey": "api_key", "warning": "medium", "err": "high",
    "fatal": "critical", "emergency": "critical",
}  # fmt: skip

_DAY_US: Final = 86_400 * MICROS
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
TIME_MIN_US: Final = to_us(datetime(1, 1, 1, tzinfo=UTC))
TIME_MAX_US: Final = to_us(datetime(9999, 1, 1, tzinfo=UTC))  # a span's end is still a datetime
NUMBER_MAX: Final = (1 << 63) - 1

_WHEN = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[Tt ]"
    r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6})\d*)?)?([Zz]|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
)
_AGE = re.compile(r"\d+[a-z]+", re.ASCII)
_DOTTED = re.compile(r"(?:\d{1,3}\.){1,3}", re.ASCII)


class Span(NamedTuple):
    """The time from `start` to before `end`, in microseconds; `end` equals `start` for an age."""

    start: int
    end: int


def parse_when(text: str, now_us: int, position: int) -> Span:
    """The span that a date, time, age or word stands for.

    A year, month, day, minute, second or fraction stands for all of it; without an offset it is
    UTC. An age (`7d`) or `now` is one moment. Raises `QueryError` at `position`.
    """
    if text == "now":
        return Span(now_us, now_us)
    if text in ("today", "yesterday"):
        start = now_us - now_us % _DAY_US - (_DAY_US if text == "yesterday" else 0)
        return Span(start, start + _DAY_US)
    if _AGE.fullmatch(text):
        try:
            moment = max(now_us - parse_duration(text), TIME_MIN_US)
        except IndelibleError as error:
            raise _bad_time(text, position) from error
        return Span(moment, moment)
    found = _WHEN.fullmatch(text)
    if found is None:
        raise _bad_time(text, position)
    try:
        return _span(found)
    except (ValueError, OverflowError) as error:
        raise _bad_time(text, position) from error


def time_text(us: int) -> str:
    """A moment as text that `parse_when` reads as exactly this microsecond."""
    if not TIME_MIN_US <= us <= TIME_MAX_US:
        raise QueryError(f"{us} microseconds lie outside the years 1 to 9998")
    moment = _EPOCH + timedelta(microseconds=us)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_number(text: str, position: int) -> int:
    """A whole number from 0; raises `QueryError` at `position`."""
    if text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= NUMBER_MAX:
        return int(text)
    raise QueryError(
        f"{text!r} is not a whole number from 0", position=position, remedy="Write digits only."
    )


def parse_ip(text: str, position: int, *, block: bool = True) -> str:
    """An address or CIDR block (`10.0.*` becomes `10.0.0.0/16`), else `QueryError`."""
    stem = text[:-1]
    if block and text.endswith("*") and _DOTTED.fullmatch(stem):
        parts = stem.count(".")
        text = f"{stem}{'.'.join(['0'] * (4 - parts))}/{8 * parts}"
    try:
        ip_range(text)
        if "/" not in text or block:
            return text
    except ValueError:
        pass
    kinds = "an address or a block" if block else "an address"
    raise QueryError(
        f"{text!r} is not {kinds}",
        position=position,
        field="ip",
        remedy="Write 203.0.113.9, 10.0.0.0/8, 10.0.*, 2001:db8::1 or 2001:db8::/32.",
    )


def check_closed(field: str, text: str, position: int) -> str:
    """`text`, lower case, as a value of a closed set; raises `QueryError` with the nearest."""
    allowed = CLOSED.get(field)
    if allowed is None:
        return text
    folded = text.lower()
    if folded in allowed:
        return folded
    meant = _MEANT.get(folded)
    near = [meant] if meant in allowed else get_close_matches(folded, allowed, 1, 0.5)
    hint = f"Did you mean {field}:{near[0]}? " if near else ""
    raise QueryError(
        f"{field} is never {text!r}",
        position=position,
        field=field,
        remedy=f"{hint}It is one of {', '.join(allowed)}.",
    )


def _span(found: re.Match[str]) -> Span:
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    date = datetime(int(year), int(month or 1), int(day or 1), tzinfo=_zone(offset))
    clock = timedelta(hours=int(hour or 0), minutes=int(minute or 0), seconds=int(second or 0))
    if clock >= timedelta(days=1) or int(minute or 0) > 59 or int(second or 0) > 59:
        raise ValueError("no such time of day")
    start = to_us(date) + int(clock.total_seconds()) * MICROS
    start += int((fraction or "").ljust(6, "0"))
    if fraction is not None:
        width: int = 10 ** (6 - len(fraction))
    elif second is not None:
        width = MICROS
    elif hour is not None:
        width = 60 * MICROS
    elif day is not None:
        width = _DAY_US
    elif month is not None:
        width = calendar.monthrange(int(year), int(month))[1] * _DAY_US
    else:
        width = (366 if calendar.isleap(int(year)) else 365) * _DAY_US
    if not TIME_MIN_US <= start < TIME_MAX_US:
        raise ValueError("outside the years 1 to 9998")
    return Span(start, start + width)


def _zone(offset: str | None) -> timezone:
    if offset is None or offset in "Zz":
        return UTC
    sign = -1 if offset[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6])))


def _bad_time(text: str, position: int) -> QueryError:
    return QueryError(
        f"{text!r} is not a date, a time or an age",
        position=position,
        remedy="Write 2026-03-01, 2026-03-01T10:00, 2026-03-01T10:00:00+01:00, today, 15m or 7d.",
    )
