"""An event without its request and response bodies. Pure.

What goes: the members of `data` in `BODIES` (and those a rule names), and the original message
`raw`, which holds the same bodies again. What stays: who, what, to what, when, from where, how it
ended, and every change. In place of what went stands `stripped`:

    {"sha256": of what the same id is compared by, "bytes": its length, "members": [...],
     "version": of the audit policy, "rule": its number}

For a foreign format that is the SHA-256 of the message exactly as it came, so that a copy of it
kept elsewhere can be checked against the log; for native input of the accepted event.

The id index compares events by that hash from here on (`ledger.incoming.stripped_identity`): the
rebuilt index agrees with the written one although the message is gone, and a retry is recognised
whether the event was stripped then, now, or both.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from indelible.event.model import Stripped
from indelible.ingest.audit_policy.rules import AuditRule
from indelible.ingest.parsed import Parsed
from indelible.ledger.incoming import stripped_identity

FLAG: Final = "stripped"
BODIES: Final = frozenset((
    "request", "request_body", "request_object", "request_parameters", "request_payload",
    "request_data", "response", "response_body", "response_object", "response_elements",
    "response_payload", "response_data", "body", "payload", "post_data", "form_data", "statement",
    "parameters", "arguments",
))
"""Members of `data` that hold what was sent or answered, written in any case, with or without
underscores and hyphens (`requestParameters`)."""

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


_FOLDED: Final = frozenset(_folded(name) for name in BODIES)


def stripped(event: Parsed, rule: AuditRule, version: int) -> Parsed:
    """The event without its bodies, flagged; the event itself where it has none."""
    content = stripped_content(event.content, event.idempotent, rule, version)
    if content is None:
        return event
    return replace(
        event, content=content, idempotent=stripped_identity(sha256(event.idempotent).digest()),
        original=event.idempotent, flags=(*event.flags, FLAG),
    )


def stripped_content(
    content: bytes, idempotent: bytes, rule: AuditRule, version: int
) -> bytes | None:
    """The encoded event without its bodies; None where there is nothing to take away."""
    members = _members(content)
    gone: list[str] = []
    data = bytes(members.get("data", b""))
    if data[:1] == b"{":
        named = frozenset(rule.members)
        parts = _members(data)
        left = {
            name: part for name, part in parts.items()
            if name not in named and _folded(name) not in _FOLDED
        }
        gone += [f"data.{name}" for name in parts if name not in left]
        if gone and left:
            members["data"] = Raw(_encode(left))
        elif gone:
            del members["data"]
    if "raw" in members:
        gone.append("raw")
        del members["raw"]
        members.pop("raw_type", None)
    if not gone:
        return None
    said = Stripped(
        sha256=sha256(idempotent).hexdigest(), bytes=len(idempotent), members=gone,
        version=version, rule=rule.number,
    )
    members["stripped"] = Raw(_encode(said))
    return _encode(members)
