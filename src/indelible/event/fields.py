"""The searchable fields: name, type, what they mean, and how to read them from a stored event.

One table for the language (names, completion), the predicate (values of one event), the columns
and the documentation. A field with `many` matches when any of its values does.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from msgspec import UNSET

from indelible.base.clock import parse_rfc3339, to_us
from indelible.event.model import StoredActor, StoredEvent

Value = str | int


class FieldType(Enum):
    """How values of a field compare."""

    TEXT = "text"  # exact and case-sensitive; prefix with *
    NUMBER = "number"
    TIME = "time"  # microseconds since 1970 UTC
    IP = "ip"  # address or CIDR; compared as `ip_key`


class Field(NamedTuple):
    """One searchable field. `of(index, event)` gives its values, empty when absent."""

    name: str
    type: FieldType
    help: str
    of: Callable[[int, StoredEvent], tuple[Value, ...]]
    many: bool = False


def ip_key(text: str) -> str:
    """An address as 32 hexadecimal digits (IPv4 mapped into IPv6), so that order is numeric."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv4Address):
        return f"{0xFFFF:024x}{int(address):08x}"
    return f"{int(address):032x}"


def ip_text(key: str) -> str:
    """The inverse of `ip_key`."""
    if key.startswith(f"{0xFFFF:024x}"):
        return str(ipaddress.IPv4Address(int(key[24:], 16)))
    return str(ipaddress.IPv6Address(int(key, 16)))


def ip_range(text: str) -> tuple[str, str]:
    """First and last `ip_key` of an address or CIDR block; raises ValueError otherwise."""
    network = ipaddress.ip_network(text, strict=False)
    return ip_key(str(network[0])), ip_key(str(network[-1]))


def _one(value: object) -> tuple[Value, ...]:
    if value is UNSET or value is None or value == "":
        return ()
    assert isinstance(value, (str, int))
    return (value,)


def event_time_us(event: StoredEvent) -> int:
    """When it happened: `time`, or `received` where the event gave none."""
    return parse_rfc3339(event.received) if event.time is None else to_us(event.time)


def _ip(_index: int, event: StoredEvent) -> tuple[Value, ...]:
    if event.origin.ip is UNSET or not event.origin.ip:
        return ()
    try:
        return (ip_key(event.origin.ip),)
    except ValueError:  # a foreign format's word for an address, such as a host name
        return ()


def _chain(actor: StoredActor) -> list[StoredActor]:
    found: list[StoredActor] = []
    for behind in actor.on_behalf_of:
        found.append(behind)
        found.extend(_chain(behind))
    return found


def on_behalf_ids(event: StoredEvent) -> tuple[str, ...]:
    """Ids of everybody behind the actor, nearest first."""
    return tuple(actor.id for actor in _chain(event.actor))


_T, _N, _D, _I = FieldType.TEXT, FieldType.NUMBER, FieldType.TIME, FieldType.IP

_ALL = (
    Field("action", _T, "what was done, `object.verb`", lambda i, e: _one(e.action)),
    Field("operation", _T, "class of action: create, read, ...", lambda i, e: _one(e.operation)),
    Field("actor", _T, "id of who acted", lambda i, e: _one(e.actor.id)),
    Field("actor.type", _T, "user, service, api_key, agent, ...", lambda i, e: _one(e.actor.type)),
    Field("actor.name", _T, "name of who acted", lambda i, e: _one(e.actor.name)),
    Field("onbehalf", _T, "id of anybody behind the actor", lambda i, e: on_behalf_ids(e), True),
    Field(
        "target", _T, "id of what was touched", lambda i, e: tuple(t.id for t in e.targets), True
    ),
    Field(
        "target.type", _T, "type of what was touched",
        lambda i, e: tuple(t.type for t in e.targets), True,
    ),
    Field(
        "target.name", _T, "name of what was touched",
        lambda i, e: tuple(t.name for t in e.targets if t.name is not UNSET and t.name), True,
    ),
    Field("outcome", _T, "success, failure, denied, unknown", lambda i, e: _one(e.outcome)),
    Field("ip", _I, "address of the actor, or a CIDR block", _ip),
    Field("host", _T, "host of the actor", lambda i, e: _one(e.origin.host)),
    Field("service", _T, "service the actor came through", lambda i, e: _one(e.origin.service)),
    Field("agent", _T, "user agent", lambda i, e: _one(e.origin.user_agent)),
    Field("session", _T, "session of the actor", lambda i, e: _one(e.actor.session)),
    Field("request", _T, "request id", lambda i, e: _one(e.origin.request_id)),
    Field("trace", _T, "trace id", lambda i, e: _one(e.origin.trace_id)),
    Field("tenant", _T, "tenant", lambda i, e: _one(e.tenant)),
    Field("source", _T, "id of the source", lambda i, e: _one(e.source.id)),
    Field("severity", _T, "debug, info, low, ...", lambda i, e: _one(e.severity)),
    Field("kind", _T, "event, unparsed, source, config, ...", lambda i, e: _one(e.kind)),
    Field("index", _N, "position in the log", lambda i, e: (i,)),
    Field("id", _T, "the source's own id", lambda i, e: _one(e.id)),
    Field("change", _T, "path that changed", lambda i, e: tuple(c.path for c in e.changes), True),
    Field("peer", _T, "address the event was sent from", lambda i, e: _one(e.via.peer)),
    Field("received", _D, "when the ledger took it", lambda i, e: (parse_rfc3339(e.received),)),
    Field("time", _D, "when it happened", lambda i, e: (event_time_us(e),)),
    Field("flag", _T, "late, ahead, id_conflict, ...", lambda i, e: tuple(e.flags), True),
    Field("subject", _T, "person concerned", lambda i, e: tuple(e.subjects), True),
)

FIELDS: dict[str, Field] = {field.name: field for field in _ALL}
"""Plain fields. `label.KEY`, `data.PATH`, `change.PATH` and `raw` are handled by the predicate."""
