"""What a CloudTrail record says was changed: before and after, the new value, or who was added.

Calls that change the state of instances tell both (`previousState`, `currentState`); those that
share an image or a snapshot name who was added; those that tag, and those of
`parsers.cloudtrail_settings`, tell the new value. A change is one of every target, so instances
that changed differently have none, and every receiver has a path of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from indelible.event.model import Change, ChangeOp
from indelible.event.paths import escape_segment
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.cloudtrail_settings import settings_of
from indelible.ingest.parsers.pick import member, text

_encode = msgspec.json.Encoder().encode


def changes_of(record: dict[str, Any]) -> Iterator[Change]:
    """The changes one successful call made."""
    yield from _state(_items(member(record, "responseElements"), "instancesSet"))
    params = member(record, "requestParameters")
    for name in ("launchPermission", "createVolumePermission"):
        part = member(params, name)
        yield from _receivers(name, _items(part, "add"), ChangeOp.ADD)
        yield from _receivers(name, _items(part, "remove"), ChangeOp.REMOVE)
    event = text(record, "eventName")
    service = text(record, "eventSource").removesuffix(".amazonaws.com")
    yield from settings_of(record, service, event)
    yield from _tags(params, event)
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


def _tags(params: dict[str, Any], event: str) -> Iterator[Change]:
    """Tags that were put on, or taken off, by calls that do nothing else."""
    if event.startswith(("Tag", "CreateTags", "AddTags")):
        listed = _list(params.get("tags")) + _items(params, "tagSet")
        plain = params.get("tags") if isinstance(params.get("tags"), dict) else {}
        pairs = [(text(one, "key", "Key"), one.get("value", one.get("Value")))
                 for one in listed if isinstance(one, dict)]
        for name, value in [*pairs, *(plain or {}).items()]:
            if name and isinstance(value, str):
                yield Change(path=f"tags.{escape_segment(name)}", op=ChangeOp.ADD,
                             after=pick.raw(value))
    elif event.startswith(("Untag", "DeleteTags", "RemoveTags")):
        names = [text(one, "key", "Key") for one in _items(params, "tagSet")]
        for name in [*names, *_list(params.get("tagKeys"))]:
            if isinstance(name, str) and name:
                yield Change(path=f"tags.{escape_segment(name)}", op=ChangeOp.REMOVE)


def _items(part: Any, name: str) -> list[Any]:
    return _list(member(part, name).get("items"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
