"""One Windows event whatever form it came in, and taking values out of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from indelible.base.limits import NAME_CHARS

EMPTY = frozenset(("", "-", "--", "(null)", "NULL SID", "%%1793"))
"""How an event writes that it has no value."""


class Seen(NamedTuple):
    """What the forms have in common.

    `audit` is whether a success or a failure was audited, None for what is no audit event. `data`
    holds EventData or UserData by name; values without a name are `param1`, `param2`, ...
    `user` is who wrote the event, by the log itself (not the subject): name, domain and SID, each
    may be empty. `stamp` is the time as the form writes it, the part of the event's id.
    """

    provider: str
    event_id: int
    channel: str
    computer: str
    data: Mapping[str, Any]
    record: str = ""
    stamp: str = ""
    time: datetime | UnsetType = UNSET
    audit: bool | None = None
    level: int = 0
    user: tuple[str, str, str] = ("", "", "")
    message: str = ""
    activity: str = ""
    flags: tuple[str, ...] = ()


def said(data: Mapping[str, Any], name: str) -> str:
    """The value of a field without space around it; '' for none, `-`, or too long for a name."""
    value = data.get(name)
    if type(value) is str:
        value = value.strip()
        return "" if value in EMPTY or len(value) > NAME_CHARS else value
    if type(value) is int:
        return str(value)
    return ""


def whole(data: Mapping[str, Any], name: str) -> str:
    """As `said`, however long; a list of texts is one a line."""
    value = data.get(name)
    if isinstance(value, list):
        value = "\n".join(part for part in value if isinstance(part, str))
    if type(value) is int:
        return str(value)
    if not isinstance(value, str):
        return ""
    value = value.strip()
    return "" if value in EMPTY else value


_AUDITED = {0x10000000000000: False, 0x20000000000000: True}
"""Bits of `Keywords` (winmeta.xml): AuditFailure, AuditSuccess."""


def audited(keywords: int | None) -> bool | None:
    """Whether keywords say that a success or a failure was audited."""
    if keywords is not None:
        for bit, success in _AUDITED.items():
            if keywords & bit:
                return success
    return None
