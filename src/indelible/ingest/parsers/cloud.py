"""What the audit logs of clouds have in common: JSON in texts, addresses, before and after. Pure.

Microsoft puts JSON inside texts (`"[\\"x\\"]"`), and a value of a directory attribute into a list
even when it is one. Both are opened here; what is not JSON stays the text it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from indelible.base.limits import CHANGES, JSON_DEPTH, NAME_CHARS
from indelible.event.model import Change, ChangeOp
from indelible.ingest.parsers.pick import first_ip, raw

_decode = msgspec.json.Decoder().decode
_NOBODYS = ("0.0.0.0", "::", "::0")
_EMPTY: tuple[Any, ...] = ("", None, [], {})


def opened(value: Any) -> Any:
    """What a text holds in JSON (an object, a list, a text), else the value as it is.

    A list of one plain value is that value. Texts that nest deep stay texts.
    """
    found = value
    if isinstance(value, str) and value[:1] in ("[", "{", '"'):
        if value.count("[") + value.count("{") > JSON_DEPTH * JSON_DEPTH:
            return value
        try:
            found = _decode(value)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return value
    if isinstance(found, list) and len(found) == 1 and not isinstance(found[0], (dict, list)):
        return found[0]
    return found


def an_object(value: Any) -> dict[str, Any]:
    """An object, also where it stands in a text as JSON; else an empty one."""
    if isinstance(value, str) and value[:1] == "{":
        value = opened(value)
    return value if isinstance(value, dict) else {}


def a_list(value: Any) -> list[Any]:
    """A list, also where it stands in a text as JSON; else an empty one."""
    if isinstance(value, str) and value[:1] == "[":
        try:
            value = _decode(value)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return []
    return value if isinstance(value, list) else []


def address(*values: Any) -> str:
    """The first of `values` that is an address of somebody; `0.0.0.0` is nobody's."""
    found = first_ip(values)
    return "" if found in _NOBODYS else found


def change(
    path: str, before: Any = None, after: Any = None, op: ChangeOp | None = None
) -> list[Change]:
    """One change of `path`, none where there is neither before nor after, or no name.

    Empty values count as absent. Both: replaced. One alone tells no operation by itself: a log
    that gives new values only does not say whether there was one before; `op` does where the log
    says so.
    """
    was = UNSET if before in _EMPTY else raw(before)
    now = UNSET if after in _EMPTY else raw(after)
    if not path or len(path) > NAME_CHARS or (was is UNSET and now is UNSET):
        return []
    if op is None and was is not UNSET and now is not UNSET:
        if was == now:
            return []
        op = ChangeOp.REPLACE
    return [Change(path=path, op=op or UNSET, before=was, after=now)]


def difference(path: str, before: Any, after: Any) -> list[Change]:
    """As `change`, of a log that tells both: a value that is absent was not there."""
    if before in _EMPTY and after not in _EMPTY:
        return change(path, None, after, ChangeOp.ADD)
    if after in _EMPTY:
        return change(path, before, None, ChangeOp.REMOVE)
    return change(path, before, after)


def changes(found: Iterable[Change]) -> list[Change] | UnsetType:
    """At most `limits.CHANGES` of them, UNSET when there is none."""
    return list(islice(found, CHANGES)) or UNSET
