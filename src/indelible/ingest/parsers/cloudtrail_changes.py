"""What a CloudTrail record says was changed: where it tells before and after, or who was added.

Two kinds of calls do: those that change the state of instances (`previousState`, `currentState`),
and those that share an image or a snapshot or take it back. A change is one of every target, so
instances that changed differently have none, and every receiver has a path of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
from msgspec import Raw

from indelible.base.limits import CHANGES
from indelible.event.model import Change, ChangeOp
from indelible.event.paths import escape_segment
from indelible.ingest.parsers.cloudtrail_actor import member, text

_encode = msgspec.json.Encoder().encode


def changes_of(record: dict[str, Any]) -> list[Change]:
    """The changes one successful call made, at most `limits.CHANGES`."""
    return list(islice(_changes(record), CHANGES))


def _changes(record: dict[str, Any]) -> Iterator[Change]:
    yield from _state(_items(member(record, "responseElements"), "instancesSet"))
    params = member(record, "requestParameters")
    for name in ("launchPermission", "createVolumePermission"):
        part = member(params, name)
        yield from _receivers(name, _items(part, "add"), ChangeOp.ADD)
        yield from _receivers(name, _items(part, "remove"), ChangeOp.REMOVE)
    attribute = text(params, "attributeName")
    if attribute:
        yield from _receivers(attribute, _list(params.get("valuesToAdd")), ChangeOp.ADD)
        yield from _receivers(attribute, _list(params.get("valuesToRemove")), ChangeOp.REMOVE)


def _state(instances: list[Any]) -> Iterator[Change]:
    """`state`, when every instance went from the same to the same."""
    told = {
        (text(member(one, "previousState"), "name"), text(member(one, "currentState"), "name"))
        for one in instances
    }
    if len(told) == 1:
        [(before, after)] = told
        if before and after and before != after:
            yield Change(path="state", op=ChangeOp.REPLACE,
                         before=Raw(_encode(before)), after=Raw(_encode(after)))


def _receivers(path: str, values: list[Any], op: ChangeOp) -> Iterator[Change]:
    """`launchPermission.111122223333` for each account or group that was added or removed."""
    for value in values:
        name = value if isinstance(value, str) else text(
            value, "userId", "group", "organizationArn", "organizationalUnitArn"
        )
        if name:
            raw, whole = Raw(_encode(value)), f"{escape_segment(path)}.{escape_segment(name)}"
            if op is ChangeOp.ADD:
                yield Change(path=whole, op=op, after=raw)
            else:
                yield Change(path=whole, op=op, before=raw)


def _items(part: Any, name: str) -> list[Any]:
    return _list(member(part, name).get("items"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
