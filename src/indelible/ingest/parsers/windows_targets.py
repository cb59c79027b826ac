"""What a Windows event touched. Pure.

Accounts are `windows_user` (`windows_computer` when the name ends in `$`, `windows_account` where
the event has only a SID or a member of unknown kind) with their domain as parent. What belongs to
one machine has the machine as parent, so that the same path on two machines is told apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from msgspec import UnsetType

from indelible.base.limits import REMEMBERED
from indelible.event.model import Target
from indelible.ingest.parsers.pick import or_unset, part, target, targets
from indelible.ingest.parsers.windows_actor import account, account_target, named
from indelible.ingest.parsers.windows_codes import rendered
from indelible.ingest.parsers.windows_rows import Row
from indelible.ingest.parsers.windows_seen import Seen, said

_KINDS: Final = {
    "File": "file", "Key": "registry_key", "Process": "process", "Thread": "thread",
    "Token": "token", "Section": "section", "Event": "kernel_event", "Service": "service",
    "SERVICE OBJECT": "service", "SC_MANAGER OBJECT": "service_manager", "Device": "device",
    "SymbolicLink": "symbolic_link", "Directory": "kernel_directory", "ALPC Port": "alpc_port",
    "Global SACL": "global_sacl",
}
_DIRECTORY: Final = "directory_object"
_GUID: Final = re.compile(r"%?\{([0-9a-fA-F-]{36})\}")


def targets_of(seen: Seen, row: Row) -> list[Target] | UnsetType:
    """Every target that the catalogue looks for and the event has."""
    found: list[Target] = []
    for one in row.targets:
        if one.rule == "field":
            found += _field(seen, one.kind, one.field, one.name)
        else:
            found += _RULES[one.rule](seen)
    return targets(found)


def _field(seen: Seen, kind: str, field: str, name: str) -> list[Target]:
    ident = said(seen.data, field)
    if not ident:
        return []
    if kind == "windows_account":
        return _by_sid(ident)
    shared = kind in _SHARED
    ident = ident[4:] if ident.startswith("\\\\*\\") else ident  # `\\*\SYSVOL` is SYSVOL
    shown = rendered(said(seen.data, name)) if name else ""
    return target(kind, ident, shown, "" if shared else seen.computer)


_SHARED: Final = frozenset((
    "windows_domain", "windows_naming_context", "windows_certificate",
    "windows_certificate_template", "windows_dns_name", "windows_address", "windows_host",
))
"""Kinds that do not belong to one machine."""


def host(seen: Seen) -> list[Target]:
    """The machine on which it happened."""
    return target("windows_host", seen.computer)


def _server(seen: Seen) -> list[Target]:
    """Where explicit credentials were used; `localhost` is the machine itself."""
    name = said(seen.data, "TargetServerName")
    here = not name or name.lower() == "localhost"
    return host(seen) if here else target("windows_host", name)


def _user(seen: Seen) -> list[Target]:
    """The target account. The domain of an account that was locked is the calling computer."""
    one = named(seen.data, "Target")
    if one is not None and seen.event_id == 4740:
        one = account(one.id, "", one.sid)
    return account_target(one)


def _renamed(seen: Seen) -> list[Target]:
    """An account under its new and under its old name, so that both histories show it."""
    data, found = seen.data, []
    for field in ("NewTargetUserName", "OldTargetUserName"):
        name = said(data, field)
        found += account_target(account(name, said(data, "TargetDomainName")) if name else None)
    return found


def _group(seen: Seen) -> list[Target]:
    one = named(seen.data, "Target")
    return target("windows_group", one.id, one.name, one.domain) if one is not None else []


def _member(seen: Seen) -> list[Target]:
    """A member by the name in its distinguished name; by its SID, where it has none."""
    name = said(seen.data, "MemberName")
    if not name:
        return _by_sid(said(seen.data, "MemberSid"))
    return target("windows_account", member_id(name), name if name != member_id(name) else "")


def member_id(name: str) -> str:
    """`Ann Smith` of `CN=Ann Smith,OU=Staff,DC=contoso,DC=local`; else `name` itself."""
    return _first(name) or name


@lru_cache(maxsize=REMEMBERED)
def _first(name: str) -> str:
    """The value of the first part of a distinguished name (RFC 4514), or ''."""
    found = _RDN.match(name)
    return _ESCAPED.sub(r"\1", found[1]).strip() if found else ""


_RDN: Final = re.compile(r"(?:CN|OU|DC|L|O)=((?:\\.|[^,\\])+)", re.IGNORECASE)
_ESCAPED: Final = re.compile(r"\\(.)")


def _by_sid(sid: str) -> list[Target]:
    one = account("", "", sid)
    return target("windows_account", one.id, sid if one.id != sid else "") if one else []


def _sid(seen: Seen) -> list[Target]:
    return _by_sid(said(seen.data, "TargetSid"))


def _subcategory(seen: Seen) -> list[Target]:
    """What is audited, by its English name."""
    name = rendered(said(seen.data, "SubcategoryId"))
    return target("windows_audit_subcategory", name, parent=seen.computer)


def _log(seen: Seen) -> list[Target]:
    return target("windows_log", seen.channel, parent=seen.computer)


def _object(seen: Seen) -> list[Target]:
    """The object of a handle: its name, typed by what Windows calls it; else the handle."""
    data = seen.data
    name, kind = said(data, "ObjectName"), said(data, "ObjectType")
    if said(data, "ObjectServer") == "DS":
        guid = _GUID.fullmatch(name)
        return target(f"windows_{_DIRECTORY}", guid[1].lower() if guid else name)
    if not name:
        return _handle(seen)
    return target(f"windows_{object_kind(kind)}", name, parent=seen.computer)


def _handle(seen: Seen) -> list[Target]:
    handle = said(seen.data, "HandleId")
    return target("windows_handle", "" if handle == "0x0" else handle, parent=seen.computer)


@lru_cache(maxsize=REMEMBERED)
def object_kind(kind: str) -> str:
    """What an `ObjectType` is called here: `File` is a file, `SAM_USER` a sam_user."""
    if kind.startswith("%") or "{" in kind:
        return _DIRECTORY
    return _KINDS.get(kind) or (part(kind) if kind else "object")


def _registry_value(seen: Seen) -> list[Target]:
    """A value as `KEY\\VALUE`, and its key."""
    key, value = said(seen.data, "ObjectName"), said(seen.data, "ObjectValueName")
    found = target("windows_registry_value", f"{key}\\{value}" if value else "", value,
                   seen.computer)
    return [*found, *target("windows_registry_key", key, parent=seen.computer)]


def _shared_file(seen: Seen) -> list[Target]:
    name, share = said(seen.data, "RelativeTargetName"), said(seen.data, "ShareName")
    share = share.removeprefix("\\\\*\\")
    return target("windows_shared_file", name.lstrip("\\"), parent=share)


def _directory_object(seen: Seen) -> list[Target]:
    return _directory(seen, said(seen.data, "ObjectDN"))


def _moved(seen: Seen) -> list[Target]:
    data = seen.data
    new, old = said(data, "NewObjectDN"), said(data, "OldObjectDN")
    return [*_directory(seen, new), *_directory(seen, old)]


def _directory(seen: Seen, name: str) -> list[Target]:
    domain = said(seen.data, "DSName")
    if not name:
        return []
    return [Target(type=f"windows_{_DIRECTORY}", id=name, name=or_unset(_first(name)),
                   parent=or_unset(domain))]




_RULES: Final[dict[str, Callable[[Seen], list[Target]]]] = {
    "host": host, "server": _server, "user": _user, "renamed": _renamed, "group": _group,
    "member": _member, "sid": _sid, "log": _log, "subcategory": _subcategory,
    "object": _object, "handle": _handle,
    "registry_value": _registry_value, "shared_file": _shared_file, "moved": _moved,
    "directory_object": _directory_object,
}
