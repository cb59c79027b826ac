"""When it happened, and the address of whoever acted, from an unknown record. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from indelible.base.clock import MICROS, to_us
from indelible.base.limits import LATE_SECONDS, WEBHOOK_SECONDS
from indelible.event.actions import operation_of
from indelible.event.model import Operation
from indelible.ingest.parsers import guess_tables as tables
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.guess_action import Done, words
from indelible.ingest.parsers.guess_candidates import Candidates, Guess
from indelible.ingest.parsers.guess_leaves import Leaves
from indelible.ingest.parsers.guess_names import Path, joined, tells_of_the_event
from indelible.ingest.parsers.guess_people import Found, name_and_address
from indelible.ingest.parsers.guess_time import read_time
from indelible.ingest.parsers.pick import ip

_NAMED_ADDRESS = re.compile(r"[\w.-]{0,255}/[0-9A-Fa-f:.%\[\]]{2,64}", re.ASCII)
_CLOCK = re.compile(
    r"\d\d?:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?: ?[AaPp][Mm])?"
    r"(?:Z| ?(?:UTC|GMT)? ?(?:[+-]\d\d:?\d\d)?(?: \([^()]{1,60}\))?)"
)
_WRITTEN_TIME = re.compile(r"\d:\d\d|\A\d{10}(?:\d{3})?\Z")
"""What a text has in it that may be a time: a time of day, or seconds or milliseconds."""
_EARLIEST_US: Final = 946_684_800 * MICROS  # 2000-01-01; a number that would be earlier is none
_AHEAD_US: Final = LATE_SECONDS * MICROS
_HANDED_ON: Final = timedelta(seconds=WEBHOOK_SECONDS)
_DAYS: Final = ("date", "day", "eventdate", "logdate", "localdate")
_ZONES: Final = ("tz", "timezone", "zone", "utcoffset", "tzoffset")
_SECONDS: Final = tables.named("seconds epochsecond epochseconds")
_NANOS: Final = tables.named("nanos nano nanoseconds nanosecond nanoofsecond")
_CAME_FROM = re.compile(
    r"\bfrom (?:the )?(?:remote |client |source )?(?:ip )?(?:address |addr )?[:(\[]? ?"
    r"((?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]{0,4}:[0-9a-f:]{2,40})(?![\w/]|\.\d| to\b)", re.I | re.ASCII
)
"""An address from which something came, as a sentence says; not one changed `to` another."""


def time_in(found: Candidates, given: Given, members: dict[str, Guess]) -> None:
    """When it happened, by the likeliest member that is a time, or a day and a time of day."""
    clock: Found | None = None
    for one in found.get("time"):
        value = one.value
        if isinstance(value, str) and _CLOCK.fullmatch(value):
            clock = clock or one  # a time of day alone is no time
            continue
        if isinstance(value, str) and len(value) <= len("2026-03-03") and not value.isdigit():
            continue  # nor is a day
        if type(value) is int and joined(one.path[-1]) in _SECONDS:
            value = _with_nanos(one, found.leaves)
        moment = read_time(value, given.zone, given.now_us)
        if moment is not None:
            members["time"] = _within(found, given, Guess(
                moment, (one.path,), one.role.weight / 100))
            return
    if clock is not None:
        _day_and_clock(clock, found.leaves, given, members)
    if "time" not in members:
        _any_time(found.leaves, given, members)


def _within(found: Candidates, given: Given, outer: Guess) -> Guess:
    """Of an envelope's time and one that stands deeper in it, the deeper: it is earlier, by as much
    as it takes to hand an event on."""
    [path] = outer.paths
    for one in found.get("time"):
        if len(one.path) > len(path) and tells_of_the_event(one.path):
            moment = read_time(one.value, given.zone, given.now_us)
            late = None if moment is None else outer.value.time - moment.time
            if late is not None and timedelta(0) < late <= _HANDED_ON:
                return Guess(moment, (one.path,), one.role.weight / 100)
    return outer


def _any_time(leaves: Leaves, given: Given, members: dict[str, Guess]) -> None:
    """Of a record that names no time: the first value that can hardly be anything else."""
    for path, value in zip(leaves.paths, leaves.values, strict=True):
        said = words(path[-1])
        if said[-1] in tables.NO_COUNT or not tables.NO_TIME.isdisjoint(said) or _apart(path):
            continue
        if type(value) is not int and not (type(value) is str and _WRITTEN_TIME.search(value)):
            continue
        moment = read_time(value, given.zone, given.now_us)
        if moment is None:
            continue
        counted = str(value).isdigit()
        if not counted or _EARLIEST_US <= to_us(moment.time) <= given.now_us + _AHEAD_US:
            members["time"] = Guess(moment, (path,), tables.BY_VALUE / 100)
            return


def _apart(path: Path) -> bool:
    """Whether a member stands in what speaks of something else, or of somebody."""
    return any(
        name in tables.ASIDE or name in tables.ACTORS for name in map(joined, path[:-1])
    )


def _beside(one: Found, leaves: Leaves) -> Iterator[tuple[str, Any]]:
    """The members that stand in the same object: their joined names and values."""
    for path, value in zip(leaves.paths, leaves.values, strict=True):
        if path[:-1] == one.path[:-1] and path != one.path:
            yield joined(path[-1]), value


def _with_nanos(one: Found, leaves: Leaves) -> int:
    """Seconds, with the nanoseconds beside them (`{"seconds": 1772529247, "nanos": 9}`)."""
    for name, value in _beside(one, leaves):
        if name in _NANOS and type(value) is int and 0 <= value < 1_000 * MICROS:
            return int(one.value) * 1_000 * MICROS + value if value else int(one.value)
    return int(one.value)


def _day_and_clock(
    clock: Found, leaves: Leaves, given: Given, members: dict[str, Guess]
) -> None:
    """A time of day with the date that stands beside it, and a zone where one does too."""
    beside = {name: value for name, value in _beside(clock, leaves) if isinstance(value, str)}
    day = next((beside[name] for name in _DAYS if name in beside), "")
    zone = next((beside[name] for name in _ZONES if name in beside), "")
    for text in (f"{day} {clock.value} {zone}", f"{day} {clock.value}") if day else ():
        moment = read_time(text.strip(), given.zone, given.now_us)
        if moment is not None:
            members["time"] = Guess(moment, (clock.path,), clock.role.weight / 100)
            return


def address_in(found: Candidates, what: Done, members: dict[str, Guess]) -> None:
    """The address of the one who acted; of a sign-in also what its parameters say; else the one
    that a sentence says it came from."""
    signs_in = operation_of(what.verb) is Operation.LOGIN
    for one in [*found.get("ip"), *(found.get("asked_ip") if signs_in else ())]:
        address = _address(one.value) if isinstance(one.value, str) else ""
        if address:
            members["ip"] = Guess(address, (one.path,), min(one.role.weight, 100) / 100)
            return
    for one in found.get("actor"):  # `ann/10.0.0.5`; `requested_by` may hold nothing else
        address = _address(one.value) if isinstance(one.value, str) else ""
        if address:
            members["ip"] = Guess(address, (one.path,), min(one.role.weight, 100) / 100)
            return
    for one in found.get("message"):
        told = _CAME_FROM.findall(one.value) if isinstance(one.value, str) else []
        address = ip(told[0].rstrip(".,;:)]")) if len(told) == 1 else ""
        if address:
            members["ip"] = Guess(address, (one.path,), one.role.weight / 100)
            return


def _address(value: str) -> str:
    """The address in a text; appliances put port and interface behind (`10.0.0.5:443:X1`), Java a
    name and a slash in front (`web1/10.0.0.5:443`), proxies themselves (`203.0.113.9, 10.0.0.5`);
    others put a word in front and it in brackets (`webui (203.0.113.9)`), Samba its family
    (`ipv4:203.0.113.9:445`), databases the size of a net of one (`203.0.113.9/32`).
    """
    value = _FAMILY.sub("", value.partition(",")[0].strip())
    value = value.removesuffix("/32").removesuffix("/128")
    found = ip(value) or name_and_address(value)[1]
    if not found and _NAMED_ADDRESS.fullmatch(value):
        value = value.rpartition("/")[2]
        found = ip(value)
    if not found and value[:1].isdigit() and value.partition(":")[0].count(".") == 3:
        found = ip(value.partition(":")[0])
    return "" if found in _NOWHERE else found


_FAMILY = re.compile(r"^(?:ipv[46]|tcp[46]?|udp[46]?):", re.I)
_NOWHERE: Final = frozenset(("0.0.0.0", "::", "255.255.255.255"))
"""What stands for no address."""
