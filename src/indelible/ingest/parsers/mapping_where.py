"""The origin of a mapping: `[origin]`, with forwarded-for chains that count only from proxies."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, Final

from msgspec import UNSET, UnsetType

from indelible.event.model import Origin
from indelible.ingest.parsers.contract import Given, Network
from indelible.ingest.parsers.mapping_errors import Member, Place, known_only
from indelible.ingest.parsers.mapping_paths import Get
from indelible.ingest.parsers.mapping_values import text_of, value_of
from indelible.ingest.parsers.pick import ip

_TEXTS: Final = ("host", "device", "user_agent", "service", "request_id", "trace_id")


def origin_of(place: Place, said: Any) -> Callable[[Any, Given], Origin | UnsetType]:
    """The function that finds where the actor was."""
    member: Member = ("origin",)
    if not isinstance(said, dict):
        raise place.bad(member, "origin is a table: [origin]")
    known_only(place, member, said, ("ip", "forwarded", *_TEXTS))
    texts = [(name, text_of(place, (*member, name), said[name])) for name in _TEXTS if name in said]
    address, chain = (
        value_of(place, (*member, name), said[name]) if name in said else None
        for name in ("ip", "forwarded")
    )

    def find(record: Any, given: Given) -> Origin | UnsetType:
        found: dict[str, str] = {}
        where = _address(address, record)
        if chain is not None and where and given.proxies:
            where = forwarded(where, chain(record, record), given.proxies)
        if where:
            found["ip"] = where
        for name, get in texts:
            if value := get(record, record):
                found[name] = value
        return Origin(**found) if found else UNSET

    return find


def _address(get: Get | None, record: Any) -> str:
    """The first address at a path."""
    value = get(record, record) if get is not None else None
    if type(value) is str:
        return ip(value) if value else ""
    for one in value if type(value) is list else ():
        if type(one) is str and (found := ip(one)):
            return found
    return ""


def forwarded(peer: str, chain: Any, proxies: tuple[Network, ...]) -> str:
    """The address behind `peer`: the last of the chain that is no known proxy, when `peer` is one.

    `chain` is a text with commas, as in X-Forwarded-For, or a list; the nearest stands last. A
    proxy that names nobody is nobody's address: ''.
    """
    names = chain.split(",") if isinstance(chain, str) else chain if isinstance(chain, list) else []
    found = peer
    for name in reversed(names):
        if not _within(found, proxies):
            break
        address = ip(name) if isinstance(name, str) else ""
        if not address:
            break
        found = address
    return "" if found is peer and _within(peer, proxies) else found


def _within(address: str, networks: tuple[Network, ...]) -> bool:
    where = ipaddress.ip_address(address)
    return any(where in network for network in networks if network.version == where.version)


