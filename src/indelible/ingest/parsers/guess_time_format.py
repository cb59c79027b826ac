"""Times by a pattern such as `dd/MM/yyyy HH:mm:ss`: Java's SimpleDateFormat, which LEEF and many
vendors' manuals use. Pure.

A pattern becomes a regular expression of fixed widths, so that no text takes long to refuse.
Letters that mean nothing here refuse the pattern.
"""

from __future__ import annotations

import re
from datetime import tzinfo
from functools import lru_cache
from typing import Final, NamedTuple

from indelible.base.limits import REMEMBERED
from indelible.ingest.parsers.guess_time import Moment, read_time

_PART = re.compile(r"([A-Za-z])\1*|'((?:[^']|'')*)'|[^A-Za-z']+")
_DIGITS: Final = {"y": "year", "d": "day", "H": "hour", "h": "hour", "m": "minute", "s": "second"}
_ZONES: Final = {
    "z": r"([A-Za-z]{1,5}(?:[+-]\d\d:?\d\d)?|[+-]\d\d:?\d\d)", "Z": r"([+-]\d\d:?\d\d)",
    "X": r"(Z|[+-]\d\d(?::?\d\d)?)", "x": r"([+-]\d\d(?::?\d\d)?)",
}
_LONGEST: Final = len("EEEE, dd MMMM yyyy 'at' HH:mm:ss.SSSSSSSSS zzzz XXX")


class Pattern(NamedTuple):
    """A compiled pattern: the expression, and what each of its groups is."""

    expression: re.Pattern[str]
    names: tuple[str, ...]


def read_as(value: str, pattern: str, zone: tzinfo, now_us: int) -> Moment | None:
    """The time that `value` tells by `pattern`; None when it does not fit or none is known."""
    compiled = compiled_pattern(pattern)
    found = compiled.expression.fullmatch(value.strip()) if compiled else None
    if compiled is None or found is None:
        return None
    parts = dict(zip(compiled.names, found.groups(), strict=True))
    year = parts.get("year", "")
    year = f"20{year}" if len(year) == 2 else year
    clock = f"{parts.get('hour', '0')}:{parts.get('minute', '00')}:{parts.get('second', '00')}"
    if parts.get("fraction"):
        clock += f".{parts['fraction']}"
    half = f" {parts['half']}" if parts.get("half") else ""
    said = _zone(parts.get("zone", ""))
    if "named" in parts:
        return read_time(f"{parts['named']} {parts['day']} {year} {clock}{half}{said}".replace(
            "  ", " "), zone, now_us)
    if not year:
        return None
    return read_time(f"{year}/{parts['month']}/{parts['day']} {clock}{half}{said}", zone, now_us)


def _zone(said: str) -> str:
    """A zone as `read_time` reads it: `GMT+01:00` is `+01:00`."""
    offset = re.search(r"[+-]\d\d(?::?\d\d)?$", said)
    if offset:
        digits = offset[0].replace(":", "")
        return f" {digits}00" if len(digits) == 3 else f" {digits}"
    return f" {said}" if said else ""


def compiled_pattern(pattern: str) -> Pattern | None:
    """A pattern; None when it is too long, has a letter that is not understood, or has no day."""
    return _compiled(pattern) if len(pattern) <= _LONGEST else None


@lru_cache(maxsize=REMEMBERED)
def _compiled(pattern: str) -> Pattern | None:
    expression, names = "", []
    parts = list(_PART.finditer(pattern))
    if sum(len(part[0]) for part in parts) != len(pattern):
        return None
    for at, part in enumerate(parts):
        beside = at + 1 < len(parts) and parts[at + 1][1] is not None
        said = _expression(part, beside)
        if said is None or (said[1] and said[1] in names):
            return None
        expression += said[0]
        if said[1]:
            names.append(said[1])
    whole = "day" in names and ("month" in names or "named" in names)
    return Pattern(re.compile(expression), tuple(names)) if whole else None


def _expression(part: re.Match[str], beside: bool) -> tuple[str, str] | None:
    """The expression of one part and the name of its group; `beside` another letter follows."""
    letter, width = part[1], len(part[0])
    if letter is None:
        quoted = part[2]
        text = part[0] if quoted is None else quoted.replace("''", "'") or "'"
        return re.escape(text), ""
    if letter == "M":
        if width >= 3:
            return r"([A-Za-z]{3,9})", "named"
        return (rf"(\d{{{width}}})" if beside else r"(\d{1,2})"), "month"
    if letter in _DIGITS:
        if letter == "y":
            return (r"(\d{2})" if width == 2 else r"(\d{4})"), "year"
        return (rf"(\d{{{width}}})" if beside else r"(\d{1,2})"), _DIGITS[letter]
    if letter == "S":
        return (rf"(\d{{{width}}})" if beside else r"(\d{1,9})"), "fraction"
    if letter == "a":
        return r"([AaPp][Mm])", "half"
    if letter == "E":
        return r"[A-Za-z]{2,9}\.?", ""
    return (_ZONES[letter], "zone") if letter in _ZONES else None
