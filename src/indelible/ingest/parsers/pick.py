"""Taking values out of foreign records, and times and addresses out of texts. Pure.

Every function answers UNSET or an empty value where a record lacks the member or holds another
type there; none raises. A text longer than `limits.NAME_CHARS` is no name, and is left to `raw`;
only where it is all that says who acted, or on what, is it cut off there (`cut`).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import replace

from indelible.base.limits import (
    ACTION_CHARS,
    CHANGE_BYTES,
    CHANGES,
    JSON_DEPTH,
    NAME_CHARS,
    REMEMBERED,
    TARGETS,
)
from indelible.event.model import Actor, Change, Origin, Reason, Target

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 31, tzinfo=UTC)
_UNSAFE = re.compile(r"[^a-z0-9_-]+")
_encode = msgspec.json.Encoder().encode
_HUMPS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[0-9]+")


def text(part: Any, *names: str) -> str:
    """The first non-empty text of `part` under `names`, short enough for a name, or ''."""
    if isinstance(part, dict):
        for name in names:
            value = part.get(name)
            if isinstance(value, str) and 0 < len(value) <= NAME_CHARS:
                return value
    return ""


def cut(name: str) -> str:
    """A name that somebody chose, at most `limits.NAME_CHARS` of it; `is_cut` tells that more was.

    Who chooses an endless name must not become nobody by it. Two such names that begin alike are
    one to us, and no whole name is ever taken for a cut one's: it ends with a mark.
    """
    return name if len(name) <= NAME_CHARS else name[: NAME_CHARS - len(_CUT)] + _CUT


def chosen(part: Any, name: str) -> str:
    """A text that somebody chose, cut to the size of a name; '' where there is none."""
    value = part.get(name) if isinstance(part, dict) else None
    return cut(value) if isinstance(value, str) else ""


def is_cut(name: str) -> bool:
    """Whether `cut` took something off a name."""
    return len(name) == NAME_CHARS and name.endswith(_CUT)


_CUT: Final = "\u2026"


def texts(part: Any, names: Mapping[str, str]) -> dict[str, object]:
    """The texts of `part` that are short enough for names, each under a new one (`new: old`)."""
    if not isinstance(part, dict):
        return {}
    return {
        new: value for new, old in names.items()
        if isinstance(value := part.get(old), str) and 0 < len(value) <= NAME_CHARS
    }


def word(part: Any, *names: str) -> str:
    """As `text`; whole numbers count too, in decimal."""
    if isinstance(part, dict):
        for name in names:
            value = part.get(name)
            if isinstance(value, str) and 0 < len(value) <= NAME_CHARS:
                return value
            if type(value) is int:
                return str(value)
    return ""


def member(part: Any, *path: str) -> dict[str, Any]:
    """The object under `path`, one name a step, or an empty one."""
    for name in path:
        part = part.get(name) if isinstance(part, dict) else None
    return part if isinstance(part, dict) else {}


def items(part: Any, name: str) -> list[Any]:
    """The list under `name`, or an empty one."""
    value = part.get(name) if isinstance(part, dict) else None
    return value if isinstance(value, list) else []


def or_unset(value: str) -> str | UnsetType:
    """`value`, or UNSET when it is empty."""
    return value or UNSET


def reason(code: str = "", why: str = "") -> Reason | UnsetType:
    """Why something ended as it did, UNSET when nothing is known."""
    return Reason(code=code or UNSET, text=why or UNSET) if code or why else UNSET


def moment(value: Any, zone: tzinfo | None = None) -> datetime | UnsetType:
    """An ISO 8601 text as a time in UTC between 1970 and 9999; without offset only with `zone`."""
    if not isinstance(value, str) or not value:
        return UNSET
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return UNSET
    if found.tzinfo is None:
        if zone is None:
            return UNSET
        found = found.replace(tzinfo=zone)
    return in_utc(found)


def dated(zone: tzinfo, *values: Any) -> tuple[datetime | UnsetType, tuple[str, ...]]:
    """The first of `values` that is an ISO 8601 time, and the flag it needs without an offset."""
    for value in values:
        found = moment(value)
        if found is not UNSET:
            return found, ()
        found = moment(value, zone)
        if found is not UNSET:
            return found, ("time_assumed",)
    return UNSET, ()


def in_utc(found: datetime) -> datetime | UnsetType:
    """An aware time in UTC, UNSET outside of 1970 to 9999."""
    try:
        found = found.astimezone(UTC)
    except (ValueError, OverflowError):
        return UNSET
    return found if _EPOCH <= found < _LAST else UNSET


def epoch(value: Any, unit: str = "s") -> datetime | UnsetType:
    """Seconds (`s`), milli- (`ms`), micro- (`us`) or nanoseconds (`ns`) since 1970 as a time.

    Numbers and decimal texts; exact to the microsecond, finer digits are cut off.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return UNSET
    try:
        if isinstance(value, str) and "." not in value:
            value = int(value)
        if isinstance(value, int):
            micros = value * 1_000_000 // _PER_SECOND[unit]
        else:
            micros = round(float(value) * 1_000_000 / _PER_SECOND[unit])
        return in_utc(_EPOCH + timedelta(microseconds=micros))
    except (ValueError, OverflowError):
        return UNSET


_PER_SECOND: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def epoch_of_any_unit(value: Any) -> datetime | UnsetType:
    """As `epoch`, of seconds; a whole number too large for them is of a smaller unit."""
    if isinstance(value, float):
        value = repr(value)
    whole = isinstance(value, int) or (isinstance(value, str) and value.isdecimal())
    for unit in _PER_SECOND if whole else ("s",):
        found = epoch(value, unit)
        if found is not UNSET:
            return found
    return UNSET


def ip(value: str) -> str:
    """The address in `value` as written, or ''; brackets and a port around it are taken off."""
    return _ip(value) if len(value) <= _ADDRESS_MOST else ""


_ADDRESS_MOST: Final = len("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%interface-name]:65535  ")
"""Longer texts are no addresses, and are not remembered."""


@lru_cache(maxsize=REMEMBERED)
def _ip(value: str) -> str:
    found = value.strip()
    if found.startswith("[") and "]" in found:
        found = found[1 : found.index("]")]
    elif found.count(":") == 1:
        found = found.partition(":")[0]
    try:
        ipaddress.ip_address(found.partition("%")[0])
    except ValueError:
        return ""
    return found.partition("%")[0]


def first_ip(values: Iterable[Any]) -> str:
    """The first of `values` that is an address."""
    for value in values:
        if isinstance(value, str) and value and (found := ip(value)):
            return found
    return ""


def client(addresses: Iterable[Any], proxies: tuple[IPv4Network | IPv6Network, ...]) -> str:
    """Where a request came from, out of a chain of addresses; '' when nobody can say.

    `addresses` run from the client to the server, as forwarded-for headers have them: the last is
    the connection's own, and each is only as true as the one behind it. So it is the last that is
    no configured proxy, and '' when that is no address, or when all are proxies'.
    """
    for value in reversed(list(addresses)):
        found = ip(value) if isinstance(value, str) and value else ""
        if not found:
            return ""
        if not proxies or not _within(found, proxies):
            return found
    return ""


@lru_cache(maxsize=REMEMBERED)
def _within(value: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    address = ipaddress.ip_address(value)
    return any(address in network for network in networks)


def origin(**members: str) -> Origin | UnsetType:
    """Where the actor was, from texts of which any may be empty; UNSET when all are.

    `ip` MUST have gone through `ip` or `first_ip`.
    """
    said: dict[str, str | UnsetType] = {name: value for name, value in members.items() if value}
    return Origin(**said) if said else UNSET


def target(kind: str, ident: str, name: str = "", parent: str = "") -> list[Target]:
    """A list of one target, empty when it has no id."""
    if not ident or not kind:
        return []
    return [Target(type=kind, id=ident, name=name or UNSET, parent=parent or UNSET)]


def targets(found: Iterable[Target]) -> list[Target] | UnsetType:
    """`found` without repetitions, at most `limits.TARGETS`; UNSET when there is none."""
    kept: dict[tuple[str, str], Target] = {}
    for one in found:
        kept.setdefault((one.type, one.id), one)
        if len(kept) == TARGETS:
            break
    return list(kept.values()) or UNSET


def behind(actor: Actor, chain: list[Actor]) -> Actor:
    """`actor` with everybody behind it, nearest first; without the ones that repeat the nearer."""
    kept: list[Actor] = []
    last = (actor.type, actor.id)
    for one in chain:
        if (one.type, one.id) != last:
            kept.append(one)
            last = (one.type, one.id)
    return replace(actor, on_behalf_of=kept) if kept else actor


def part(name: str) -> str:
    """A foreign name as one part of an action: `UserLoggedIn`, `user logged-in` → snake case.

    At most `limits.ACTION_CHARS` of it.
    """
    return _part(name[:ACTION_CHARS])


@lru_cache(maxsize=REMEMBERED)
def _part(name: str) -> str:
    words = _HUMPS.findall(name) if name.isascii() and not name.islower() else [name]
    return _UNSAFE.sub("_", "_".join(words).lower()).strip("_-") or "unknown"


def action(*parts: str) -> str:
    """An action of `parts` joined by dots, each made fit; at most `limits.ACTION_CHARS`.

    The last part, the verb, is kept whole.
    """
    *front, verb = [part(one) for one in parts if one]
    verb = verb[:ACTION_CHARS // 2]
    return f"{'.'.join(front)[: ACTION_CHARS - len(verb) - 1].rstrip('_-.')}.{verb}"


def raw(value: Any) -> Raw | UnsetType:
    """A decoded value as JSON, for a change; UNSET when it nests too deep for an event."""
    if isinstance(value, (dict, list)) and not shallow(value):
        return UNSET
    try:
        return Raw(_encode(value))
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError):
        return UNSET


def bounded(changes: Iterable[Change]) -> list[Change] | UnsetType:
    """`changes` as an event may hold them, UNSET when there are none.

    At most `limits.CHANGES`; once their values take an eighth of a body, only paths are told, so
    that the message itself still fits.
    """
    kept: list[Change] = []
    room = CHANGE_BYTES
    for one in islice(changes, CHANGES):
        room -= sum(len(value) for value in (one.before, one.after) if value is not UNSET)
        kept.append(one if room >= 0 else replace(one, before=UNSET, after=UNSET))
    return kept or UNSET


def shallow(value: Any, left: int = JSON_DEPTH // 2) -> bool:
    """Whether a decoded value nests so little that it may stand in an event."""
    if isinstance(value, dict):
        return left > 0 and all(shallow(one, left - 1) for one in value.values())
    if isinstance(value, list):
        return left > 0 and all(shallow(one, left - 1) for one in value)
    return True


def flat(values: Mapping[str, object]) -> dict[str, object]:
    """`values` without the empty ones."""
    return {name: value for name, value in values.items() if value not in ("", None, [], {}, ())}
