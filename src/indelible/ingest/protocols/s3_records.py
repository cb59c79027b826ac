"""What the source says itself, as events under its own name: what could not be read, and why.

The actor is the system `indelible`. The id is a hash of what is said, so that the same finding,
made again after a crash, is the same event.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import replace

from indelible.base.limits import CHANGE_BYTES, DIGEST_SHOWN, NAME_CHARS
from indelible.event.model import (
    Actor,
    ActorType,
    Event,
    Operation,
    Outcome,
    Reason,
    Severity,
    Target,
)
from indelible.ingest.parsed import Parsed
from indelible.ingest.protocols.s3_keys import address
from indelible.ingest.protocols.s3_reading import Problem
from indelible.ingest.protocols.s3_store import Letter, Object

VERSION: Final = "s3/1"
"""What `via.parser` says of these events."""
_ACTOR: Final = Actor(type=ActorType.SYSTEM, id="indelible")
_encode = msgspec.json.Encoder().encode


class Number(NamedTuple):
    """The place of an event in a row of numbered ones; 0 for none."""

    boot: str = ""
    seq: int = 0


UNNUMBERED: Final = Number()


def record(
    action: str, outcome: Outcome, severity: Severity, targets: Sequence[Target],
    *, code: str = "", text: str = "", data: Mapping[str, object] | None = None,
    labels: Mapping[str, str] | None = None, raw: str = "", number: Number = UNNUMBERED,
) -> Parsed:
    """An event of the source's own."""
    event = Event(
        action=action,
        actor=_ACTOR,
        operation=Operation.READ,
        targets=list(targets) or UNSET,
        outcome=outcome,
        reason=Reason(code=code, text=text[:NAME_CHARS]) if code else UNSET,
        severity=severity,
        labels=dict(labels) if labels else UNSET,
        data=Raw(_encode({k: v for k, v in (data or {}).items() if v not in ("", [], None)})),
        raw=raw or UNSET,
    )
    ident = f"s3/finding/{hashlib.sha256(_encode(event)).hexdigest()}"
    content = _encode(replace(event, id=ident))
    return Parsed(
        content=content, idempotent=content, line=1, id=ident, parser=VERSION,
        boot=number.boot, seq=number.seq,
    )


def object_target(bucket: str, key: str, kind: str = "s3_object") -> Target:
    """An object as a target; a key that is too long for one is cut."""
    return Target(type=kind, id=_printable(address(bucket, key)))


def not_read(
    bucket: str, what: Object, code: str, why: str, problems: Sequence[Problem] = (), count: int = 0
) -> Parsed:
    """An object, or `count` messages of it, could not be read."""
    data: dict[str, Any] = {
        "etag": what.etag,
        "version": what.version,
        "refused": count or None,
        "problems": [_problem(one) for one in problems[:DIGEST_SHOWN]],
    }
    return record(
        "s3.object.read", Outcome.FAILURE, Severity.HIGH, [object_target(bucket, what.key)],
        code=code, text=why, data=data,
    )


def no_notice(queue: str, letter: Letter, why: str) -> Parsed:
    """A message of the queue says nothing that is understood; it is kept whole."""
    text = letter.body.encode("utf-8", "replace").decode()
    target = Target(type="sqs_message", id=letter.id[:NAME_CHARS], parent=queue[:NAME_CHARS])
    return record(
        "s3.notice.read", Outcome.FAILURE, Severity.MEDIUM, [target], code="not_understood",
        text=why, raw=text[:CHANGE_BYTES],
    )


def _problem(one: Problem) -> dict[str, object]:
    return {"line": one.line, "code": one.code, "why": one.why[:NAME_CHARS]}


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()[:NAME_CHARS]
