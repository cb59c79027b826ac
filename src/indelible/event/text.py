"""The text of an event: what a bare word in a search looks at, as a named list of parts.

A `Text` matches an event when any one part contains the value, both folded by `fold`; a value
never matches across two parts. The columns have one column a part, so that SQL means the same.
An identifier (`IDENTIFIERS`) matches as a whole and as it is spelled: every short word stands
somewhere in a random id, and nobody means that.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from indelible.event.model import Reason, StoredEvent, Why

TEXT_PARTS: Final = (
    "action",
    "actor_id",
    "actor_name",
    "actor_email",
    "target_types",
    "target_ids",
    "target_names",
    "reason",
    "why",
    "labels",
    "changes",
    "data",
    "host",
    "service",
    "agent",
)
"""Every part, in order. `target_*` hold one part a target; `reason`, `why`, `labels`, `changes` and
`data` are the compact JSON text of the member; `raw` is not among them."""

IDENTIFIERS: Final = ("id", "request", "trace")
"""Fields that a `Text` must equal."""

_encode = msgspec.json.Encoder().encode
_NO_REASON: Final = Reason()
_NO_WHY: Final = Why()


def fold(text: str) -> str:
    """`text` in lower case, one character for one.

    The simple mapping of Unicode, as DuckDB's `lower` applies it. `str.lower` differs in two
    letters: it looks at the neighbours of a capital sigma and makes two characters of a dotted
    capital I, so that a part of a word might not be found in the word.
    """
    if text.isascii():
        return text.lower()
    return text.replace("Σ", "σ").replace("İ", "i").lower()


def text_parts(event: StoredEvent) -> list[tuple[str, str]]:
    """The parts that `event` has, each with its name from `TEXT_PARTS`; absent parts are left out.

    JSON parts are the bytes that stand in the body, as long as the body was encoded by `Event`.
    """
    parts = [("action", event.action), ("actor_id", event.actor.id)]
    parts += [("actor_name", event.actor.name), ("actor_email", event.actor.email)]
    parts += [("target_types", target.type) for target in event.targets]
    parts += [("target_ids", target.id) for target in event.targets]
    parts += [("target_names", _said(target.name)) for target in event.targets]
    parts += [
        ("reason", "" if event.reason == _NO_REASON else _json(event.reason)),
        ("why", "" if event.why == _NO_WHY else _json(event.why)),
        ("labels", _json(event.labels) if event.labels else ""),
        ("changes", _json(event.changes) if event.changes else ""),
        ("data", bytes(event.data).decode()),
        ("host", _said(event.origin.host)),
        ("service", _said(event.origin.service)),
        ("agent", _said(event.origin.user_agent)),
    ]
    return [part for part in parts if part[1]]


def identifiers(event: StoredEvent) -> tuple[str, str, str]:
    """The values of `IDENTIFIERS`, empty where absent."""
    return event.id, _said(event.origin.request_id), _said(event.origin.trace_id)


def text_of(event: StoredEvent) -> str:
    """The parts joined by line ends, for showing and for building an index of one's own."""
    return "\n".join(text for _name, text in text_parts(event))


def _said(value: str | UnsetType) -> str:
    return "" if value is UNSET else value


def _json(part: object) -> str:
    return _encode(part).decode()
