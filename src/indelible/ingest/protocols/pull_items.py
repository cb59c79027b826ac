"""The events in an answer: each as the text it had there, with its id and its time. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from indelible.base.limits import NAME_CHARS
from indelible.ingest.json_ends import read
from indelible.ingest.parsers.pick import epoch, moment
from indelible.ingest.protocols.pull_description import Items, at

_object = msgspec.json.Decoder(dict[str, Raw]).decode
_array = msgspec.json.Decoder(list[Raw]).decode
_decode = msgspec.json.Decoder().decode


class NotAnswer(Exception):
    """An answer is not of the form that its description says; the text says how."""


class Item(NamedTuple):
    """One event: its exact text, what it is called, when it happened, and the decoded object."""

    raw: bytes
    id: str
    time: datetime | UnsetType
    record: dict[str, Any] | None


def part_of(body: bytes, path: str) -> bytes | None:
    """The JSON text under a path of names and numbers; None where there is nothing, or null.

    Raises `NotAnswer` when the answer is no JSON.
    """
    raw = body
    try:
        for step in path.split(".") if path else ():
            if raw.lstrip()[:1] == b"[":
                members = read(_array, raw)
                found = members[int(step)] if step.isdigit() and int(step) < len(members) else None
            else:
                found = read(_object, raw).get(step)
            if found is None:
                return None
            raw = bytes(found)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotAnswer(f"it is no JSON with a {path!r}: {error}") from error
    return None if raw.strip() == b"null" else raw


def text_of(body: bytes, path: str) -> str:
    """The text or the number under a path, or ''; raises `NotAnswer`."""
    raw = part_of(body, path)
    if raw is None:
        return ""
    try:
        value = read(_decode, raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotAnswer(f"{path} cannot be read: {error}") from error
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def raws_of(body: bytes, path: str) -> list[bytes] | None:
    """The exact texts of the elements of a list, None where there is none; raises `NotAnswer`.

    Half a character anywhere in it stands as U+FFFD: nobody's name stops a source.
    """
    raw = part_of(body, path)
    if raw is None:
        return None
    try:
        return [bytes(one) for one in read(_array, raw)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotAnswer(f"there is no list of events: {error}") from error


def items_of(raws: Sequence[bytes], items: Items) -> list[Item]:
    """Events with their ids and times; one without an id is called by the digest of its text."""
    return [_item(raw, items) for raw in raws]


def _item(raw: bytes, items: Items) -> Item:
    try:
        record = read(_decode, raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        record = None
    if not isinstance(record, dict):
        return Item(raw, _digest(raw), UNSET, None)
    parts = [at(record, path) for path in items.id]
    said = all(
        isinstance(part, (str, int)) and not isinstance(part, bool) and part != ""
        for part in parts
    )
    name = "/".join(map(str, parts)) if said else ""
    ident = name if name and len(name) <= NAME_CHARS and name.isprintable() else _digest(raw)
    return Item(raw, ident, _time(at(record, items.time), items.unit), record)


def _time(value: Any, unit: str) -> datetime | UnsetType:
    if unit != "iso":
        return epoch(value, unit)
    found = moment(value)
    if found is UNSET and isinstance(value, str):
        return moment(f"{value}Z")  # UTC without saying so, as Microsoft writes it
    return found


def _digest(raw: bytes) -> str:
    return f"sha256/{hashlib.sha256(raw).hexdigest()}"


def codes_of(body: bytes, paths: Sequence[str]) -> set[str]:
    """What an answer says of an error, at these paths."""
    codes = set()
    for path in paths:
        try:
            codes.add(text_of(body, path))
        except NotAnswer:
            continue
    return codes - {""}
