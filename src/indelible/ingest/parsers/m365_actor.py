"""Who acted, by a record of Microsoft 365's unified audit log.

Persons go by `UserId`, which is their user principal name. A service principal goes by its object
id, without the word in front, so that it is the same one as in the logs of Entra ID.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import replace

from indelible.event.model import Actor, ActorType
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.contract import NotUnderstood, Record

LOGONS: Final = MappingProxyType({
    "0": "owner", "1": "admin", "2": "delegate", "3": "transport", "4": "system_service",
    "5": "best_access", "6": "delegated_admin",
})
"""`LogonType` of the mailbox audit."""
_NOBODY: Final = frozenset(("", "not available", "unknown", "<null>", "null"))
_TRIED: Final = ("UserLoginFailed",)
"""Attempts, perhaps in the name of an account that there is not."""
_SYSTEMS: Final = ("nt authority\\", "sharepoint\\system", "nt service\\")
_SYSTEM_SIDS: Final = frozenset(("s-1-5-18", "s-1-5-19", "s-1-5-20"))
_KINDS: Final = MappingProxyType({
    "4": ActorType.SYSTEM, "system": ActorType.SYSTEM, "5": ActorType.SERVICE,
    "application": ActorType.SERVICE, "6": ActorType.SERVICE,
    "serviceprincipal": ActorType.SERVICE, "7": ActorType.SYSTEM, "custompolicy": ActorType.SYSTEM,
    "8": ActorType.SYSTEM, "systempolicy": ActorType.SYSTEM,
})
"""`UserType`, by number or name, where it is no person."""
_APP: Final = "ServicePrincipal_"


def actor_of(said: Record, device: dict[str, str]) -> Actor:
    """The actor; raises `NotUnderstood` when the record names nobody."""
    access = pick.member(said, "AppAccessContext")
    session = pick.text(access, "AADSessionId") or device.get("SessionId", "") or pick.text(
        said, "SessionId"
    )
    found = _named(said)
    kind = _KINDS.get(pick.word(said, "UserType").lower())
    if kind is ActorType.SERVICE and found.type is ActorType.USER and "@" in found.id:
        app = pick.text(access, "ClientAppId") or pick.text(said, "ClientAppId", "AppId")
        if app:
            name = pick.text(access, "ClientAppName") or UNSET
            service = Actor(
                type=ActorType.SERVICE, id=app, name=name, session=pick.or_unset(session)
            )
            return pick.behind(service, [found])
    if session and found.type is not ActorType.ANONYMOUS:
        return replace(found, session=session)
    return found


def _named(said: Record) -> Actor:
    user = pick.text(said, "UserId").strip()
    if user.lower() in _NOBODY:
        user = _identity(said, "5") or _identity(said, "4") or pick.text(said, "UserKey")
    if user.lower() in _NOBODY:
        user = _identity(said, "1") or _identity(said, "0")
    if user.lower() in _NOBODY and pick.text(said, "Operation") in _TRIED:
        return Actor(type=ActorType.ANONYMOUS, id="anonymous")
    if user.lower() in _NOBODY:
        raise NotUnderstood("missing_actor", "the record names nobody: UserId is empty")
    if pick.text(said, "Operation") in _TRIED:
        return Actor(type=ActorType.USER, id=user)  # whatever the name looks like, it is a claim
    low = user.lower()
    if low.startswith("urn:spo:anon") or low == "anonymous":
        return Actor(type=ActorType.ANONYMOUS, id="anonymous")
    if low.startswith("urn:spo:guest#"):
        return Actor(type=ActorType.USER, id=user.partition("#")[2] or user)
    if user.startswith(_APP):
        name = _identity(said, "1") or _spn(said)
        ident = user.removeprefix(_APP)
        return Actor(type=ActorType.SERVICE, id=ident or user, name=name or UNSET)
    if low.startswith(_SYSTEMS) or low in _SYSTEM_SIDS:
        return Actor(type=ActorType.SYSTEM, id=user)
    kind = _KINDS.get(pick.word(said, "UserType").lower(), ActorType.USER)
    if low == "app@sharepoint":
        kind = ActorType.SERVICE
    elif "@" in user and kind is not ActorType.USER:
        kind = ActorType.USER if kind is ActorType.SERVICE else kind
    name = pick.text(said, "LogonUserDisplayName")
    return Actor(type=kind, id=user, name=name if name and name != user else UNSET)


def _identity(said: Record, kind: str) -> str:
    """The identity of a type in `Actor`: 0 claim, 1 name, 2 other, 3 PUID, 4 SPN, 5 UPN."""
    return identity(pick.items(said, "Actor"), kind)


def identity(parts: list[Any], kind: str) -> str:
    """The first identity of a type in a list of them."""
    for one in parts:
        if pick.word(one, "Type") == kind:
            found = pick.text(one, "ID", "Id")
            if found:
                return found
    return ""


def _spn(said: Record) -> str:
    return _identity(said, "4")
