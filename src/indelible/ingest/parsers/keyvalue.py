"""Lines of `key=value`: logfmt, and what firewalls and appliances write.

What the keys mean is guessed as for JSON records that nobody listed (`parsers.guess`), and flagged.
A date and a time of day in pairs of their own are one time; `tz` is its zone.
"""

from __future__ import annotations

from typing import Final

from indelible.ingest.parsers.contract import WRONG, Given, NotUnderstood, Parser, Understood
from indelible.ingest.parsers.guess_event import understood
from indelible.ingest.parsers.guess_service import read_prefix
from indelible.ingest.parsers.keyvalue_pairs import Pairs, read_keyvalue

LEAST: Final = len(("who", "what", "when", "where"))
"""Pairs that a text must hold to be recognised; from the first on they take half of it."""
_DAYS: Final = ("date", "devdate", "logdate", "event_date")
_CLOCKS: Final = ("time", "devtime", "logtime", "event_time")
_ZONES: Final = ("tz", "timezone", "devtz")


def record_of(text: str) -> dict[str, object]:
    """The pairs of a text as a record; raises `NotUnderstood` when there are none."""
    pairs = read_keyvalue(text)
    if not pairs.found:
        raise NotUnderstood(WRONG, "it holds no pairs key=value")
    record: dict[str, object] = dict(pairs.found)
    _whole_time(record, pairs.found)
    _prefixed(record, pairs)
    return record


def _whole_time(record: dict[str, object], found: dict[str, str]) -> None:
    """A day, a time of day and a zone in pairs of their own, as one time."""
    for day, clock in zip(_DAYS, _CLOCKS, strict=True):
        if day in found and clock in found and ":" in found[clock] and "-" not in found[clock]:
            zone = next((found[name] for name in _ZONES if name in found), "")
            record["timestamp"] = f"{found[day]} {found[clock]} {zone}".strip()
            del record[day], record[clock]
            return


def _prefixed(record: dict[str, object], pairs: Pairs) -> None:
    """What a line says before its pairs: a syslog header, or a sentence."""
    if not pairs.prefix:
        return
    header = read_prefix(pairs.prefix)
    if header.time:
        record["header"] = {"timestamp": header.time, "hostname": header.host}
    else:
        record.setdefault("message", pairs.prefix.rpartition(": ")[2])


def _text(text: str, given: Given) -> Understood:
    return understood(record_of(text), given, PARSER)


def _recognise(text: str, given: Given) -> str:
    if text.count("=") < LEAST:
        return ""
    pairs = read_keyvalue(text)
    if len(pairs.found) < LEAST or 2 * pairs.chars < len(text) - len(pairs.prefix):
        return ""
    return f"it is made of {len(pairs.found)} pairs key=value"


PARSER: Final = Parser(
    name="keyvalue",
    version="keyvalue/1",
    about="lines of key=value (logfmt, firewalls): who, what and when are guessed, and flagged",
    text=_text,
    reads_records=False,
    recognise=_recognise,
)
