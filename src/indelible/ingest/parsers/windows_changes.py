"""What a Windows event says was changed. Pure.

Paths are the event's own names of things. Before and after stand only where the event tells them:
most attributes come with the new value alone, `%%1793` (no value) being `null`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from indelible.base.limits import CHANGES
from indelible.event.model import Change, ChangeOp
from indelible.event.paths import escape_segment
from indelible.ingest.parsers.contract import NotUnderstood
from indelible.ingest.parsers.windows_codes import (
    NOT_SET,
    UAC_FLAGS,
    listed,
    number_of,
    rendered,
)
from indelible.ingest.parsers.windows_seen import Seen, said, whole
from indelible.ingest.parsers.windows_targets import member_id

_encode = msgspec.json.Encoder().encode
_NONE: Final = object()


def changes_of(seen: Seen, kind: str) -> list[Change] | UnsetType:
    """The changes of one event, by the catalogue's word for them."""
    return list(islice(_RULES[kind](seen), CHANGES)) or UNSET


def _change(
    path: str, op: ChangeOp, *, before: Any = _NONE, after: Any = _NONE
) -> Change:
    try:
        return Change(
            path=path, op=op,
            before=UNSET if before is _NONE else Raw(_encode(before)),
            after=UNSET if after is _NONE else Raw(_encode(after)),
        )
    except UnicodeError as error:  # half of a surrogate pair
        raise NotUnderstood("bad_value", "a value holds what no text can carry") from error


_ATTRIBUTES: Final = (
    "SamAccountName", "DisplayName", "UserPrincipalName", "HomeDirectory", "HomePath",
    "ScriptPath", "ProfilePath", "UserWorkstations", "PasswordLastSet", "AccountExpires",
    "PrimaryGroupId", "AllowedToDelegateTo", "UserParameters", "SidHistory", "LogonHours",
    "DnsHostName", "ServicePrincipalNames",
)


def _created(seen: Seen) -> Iterator[Change]:
    """What a new account was given."""
    for name in _ATTRIBUTES:
        value = whole(seen.data, name)
        if value and value not in NOT_SET:
            yield _change(name, ChangeOp.ADD, after=_value(value))
    for flag, on in _flags(said(seen.data, "OldUacValue"), said(seen.data, "NewUacValue")):
        if on:
            yield _change(f"UserAccountControl.{flag}", ChangeOp.ADD, after=True)


def _attributes(seen: Seen) -> Iterator[Change]:
    """New values, where they are the changed ones.

    A local account's event repeats every attribute, changed or not, so that only the flags, which
    come with the old and the new value, tell a change (Microsoft's page of event 4738).
    """
    data = seen.data
    domain = said(data, "TargetDomainName").lower()
    local = domain != "" and domain == seen.computer.partition(".")[0].lower()
    for name in () if local else _ATTRIBUTES:
        value = data.get(name)
        if isinstance(value, str) and (value := value.strip()) not in ("", "-"):
            after = None if value in NOT_SET else _value(value)
            yield _change(name, ChangeOp.REPLACE, after=after)
    for flag, on in _flags(said(data, "OldUacValue"), said(data, "NewUacValue")):
        yield _change(f"UserAccountControl.{flag}", ChangeOp.REPLACE, before=not on, after=on)


def _value(text: str) -> Any:
    """A text, or the list that is written one a line."""
    parts = [rendered(one.strip()) for one in re.split(r"[\r\n]+", text) if one.strip()]
    return parts[0] if len(parts) == 1 else parts


def _flags(old: str, new: str) -> Iterator[tuple[str, bool]]:
    """Flags that differ, with what they are now."""
    before, after = number_of(old), number_of(new)
    if before is None or after is None:
        return
    for bit, flag in enumerate(UAC_FLAGS):
        if (before ^ after) >> bit & 1:
            yield flag, bool(after >> bit & 1)


def _renamed(seen: Seen) -> Iterator[Change]:
    old, new = said(seen.data, "OldTargetUserName"), said(seen.data, "NewTargetUserName")
    if old and new:
        yield _change("SamAccountName", ChangeOp.REPLACE, before=old, after=new)


def _member(seen: Seen, op: ChangeOp) -> Iterator[Change]:
    name, sid = said(seen.data, "MemberName"), said(seen.data, "MemberSid")
    if not name and not sid:
        return
    path = f"members.{escape_segment(member_id(name) if name else sid)}"
    if op is ChangeOp.ADD:
        yield _change(path, op, after=name or sid)
    else:
        yield _change(path, op, before=name or sid)


def _rights(seen: Seen, op: ChangeOp) -> Iterator[Change]:
    data = seen.data
    found = whole(data, "AccessGranted") or whole(data, "AccessRemoved")
    for right in listed(found or whole(data, "PrivilegeList")):
        path = f"rights.{escape_segment(right)}"
        if op is ChangeOp.ADD:
            yield _change(path, op, after=True)
        else:
            yield _change(path, op, before=True)


def _audit(seen: Seen) -> Iterator[Change]:
    """`Success removed, Failure added`: what is audited of a subcategory."""
    for word in listed(whole(seen.data, "AuditPolicyChanges")):
        what, _, verb = word.rpartition(" ")
        path = what.title().replace(" ", "")
        if path and verb.lower() == "added":
            yield _change(path, ChangeOp.ADD, after=True)
        elif path and verb.lower() == "removed":
            yield _change(path, ChangeOp.REMOVE, before=True)


_DOMAIN_SETTINGS: Final = (
    "MinPasswordAge", "MaxPasswordAge", "ForceLogoff", "LockoutThreshold",
    "LockoutObservationWindow", "LockoutDuration", "PasswordProperties", "MinPasswordLength",
    "PasswordHistoryLength", "MachineAccountQuota", "MixedDomainMode", "DomainBehaviorVersion",
    "OemInformation",
)


def _domain(seen: Seen) -> Iterator[Change]:
    for name in _DOMAIN_SETTINGS:
        value = seen.data.get(name)
        if isinstance(value, str) and (value := value.strip()) not in ("", "-"):
            after = None if value in NOT_SET else _value(value)
            yield _change(name, ChangeOp.REPLACE, after=after)


_KERBEROS: Final = re.compile(r"(\w{1,64}): (\S{1,64}) \((\S{1,64}?)\)")


def _kerberos(seen: Seen) -> Iterator[Change]:
    """`KerMaxT: NEW (OLD); KerMaxR: NEW (OLD);`."""
    for name, new, old in _KERBEROS.findall(whole(seen.data, "KerberosPolicyChange")):
        yield _change(name, ChangeOp.REPLACE, before=old, after=new)


def _pairs(seen: Seen) -> Iterator[Change]:
    """Fields that come as `OldX` and `NewX` and differ."""
    for name in seen.data:
        if not isinstance(name, str) or name[:3] != "Old":
            continue
        old, new = whole(seen.data, name), whole(seen.data, f"New{name[3:]}")
        path = name[3:].strip() or "Value"
        if old != new:
            yield _change(path, ChangeOp.REPLACE, before=_or_null(old), after=_or_null(new))


def _or_null(value: str) -> str | None:
    return rendered(value) if value and value not in NOT_SET else None


def _registry(seen: Seen) -> Iterator[Change]:
    data = seen.data
    path = escape_segment(said(data, "ObjectValueName") or "(default)")
    old, new = whole(data, "OldValue"), whole(data, "NewValue")
    kind = said(data, "OperationType")
    if kind in ("%%1904", MESSAGE_CREATED):
        yield _change(path, ChangeOp.ADD, after=new)
    elif kind in ("%%1906", MESSAGE_DELETED):
        yield _change(path, ChangeOp.REMOVE, before=old)
    else:
        yield _change(path, ChangeOp.REPLACE, before=old, after=new)


MESSAGE_CREATED: Final = rendered("%%1904")
MESSAGE_DELETED: Final = rendered("%%1906")


def _attribute(seen: Seen) -> Iterator[Change]:
    """One value of a directory attribute, added or deleted; a replacement comes as two events."""
    data = seen.data
    name = said(data, "AttributeLDAPDisplayName")
    verb = rendered(said(data, "OperationType")).lower()
    value = rendered(whole(data, "AttributeValue"))
    if name and "added" in verb:
        yield _change(escape_segment(name), ChangeOp.ADD, after=value)
    elif name and "deleted" in verb:
        yield _change(escape_segment(name), ChangeOp.REMOVE, before=value)


def _moved(seen: Seen) -> Iterator[Change]:
    old, new = said(seen.data, "OldObjectDN"), said(seen.data, "NewObjectDN")
    if old and new:
        yield _change("distinguishedName", ChangeOp.REPLACE, before=old, after=new)


def _time(seen: Seen) -> Iterator[Change]:
    data = seen.data
    old = said(data, "PreviousTime") or said(data, "OldTime")
    new = said(data, "NewTime")
    old = f"{said(data, 'PreviousDate')} {old}".strip()
    new = f"{said(data, 'NewDate')} {new}".strip()
    if old and new:
        yield _change("time", ChangeOp.REPLACE, before=old, after=new)


def _setting(seen: Seen) -> Iterator[Change]:
    name, value = said(seen.data, "SettingType"), whole(seen.data, "SettingValue")
    if name:
        yield _change(escape_segment(name), ChangeOp.REPLACE, after=value)


def _service_start(seen: Seen) -> Iterator[Change]:
    old, new = said(seen.data, "param2"), said(seen.data, "param3")
    if old and new:
        yield _change("StartType", ChangeOp.REPLACE, before=old, after=new)


_RULES: Final[dict[str, Callable[[Seen], Iterator[Change]]]] = {
    "created": _created, "attributes": _attributes, "renamed": _renamed,
    "member_add": lambda seen: _member(seen, ChangeOp.ADD),
    "member_remove": lambda seen: _member(seen, ChangeOp.REMOVE),
    "rights_add": lambda seen: _rights(seen, ChangeOp.ADD),
    "rights_remove": lambda seen: _rights(seen, ChangeOp.REMOVE),
    "audit": _audit, "domain": _domain, "kerberos": _kerberos, "pairs": _pairs,
    "registry": _registry, "attribute": _attribute, "moved": _moved, "time": _time,
    "setting": _setting, "service_start": _service_start,
}
