"""One event in full, for a person: sentence, verdict, who, what, when, where, changes, proof."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from indelible.cli.output import OUTCOME_COLORS, Output
from indelible.cli.rows import change_lines, pretty
from indelible.cli.visible import visible
from indelible.event.model import Origin, StoredActor, StoredEvent, Target
from indelible.query.model import HistoryChange

_TEXT = 2_000  # characters of an unread message that a person reads


class ShownEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of GET /v1/events/{index}."""

    index: int
    verdict: str
    leaf: str = ""
    entry: str = ""
    sentence: str = ""
    flags: list[str] = []
    why: str = ""
    salt: str = ""
    body: str = ""
    event: StoredEvent | UnsetType = UNSET


def show_event(out: Output, shown: ShownEvent) -> None:
    """Print it."""
    event = shown.event
    if shown.sentence:
        out.say(out.paint(visible(shown.sentence), None, bold=True))
    why = f"  {visible(shown.why)}" if shown.why else ""
    out.say(f"event {shown.index}: {out.verdict(shown.verdict)}{why}")
    if shown.flags:
        out.say(out.paint(f"flags: {', '.join(map(visible, shown.flags))}", "yellow"))
    out.say()
    if isinstance(event, StoredEvent):
        out.facts(_facts(out, event), indent="  ")
        _changes(out, event)
        if bytes(event.data):
            out.say("  data")
            for line in pretty(event.data):
                out.say(f"    {line}")
        out.say()
    out.facts(
        [("leaf", shown.leaf), ("entry", shown.entry), ("salt", shown.salt)], indent="  "
    )
    out.say(f"  prove it to somebody else: indelible prove {shown.index} -o bundle.zip")


def _facts(out: Output, event: StoredEvent) -> Iterator[tuple[str, str]]:
    when = event.received if event.time is None else event.time.isoformat().replace("+00:00", "Z")
    yield "when", visible(when)
    yield "received", visible(event.received)
    yield "who", _actor(event.actor)
    for behind in event.actor.on_behalf_of:
        yield "on behalf of", _actor(behind)
    if event.action:
        yield "did", f"{visible(event.action)} ({visible(event.operation)})"
    for target in event.targets:
        yield "to", _target(target)
    outcome = out.paint(visible(event.outcome), OUTCOME_COLORS.get(event.outcome))
    yield "outcome", " ".join([outcome, *_given(event.reason.code, event.reason.text)])
    yield "from", _origin(event.origin)
    yield "why", ", ".join(_given(event.why.ticket, event.why.justification))
    yield "severity", visible(event.severity)
    yield "tenant", visible(event.tenant)
    yield "subjects", visible(", ".join(event.subjects))
    yield "labels", visible(", ".join(f"{key}={value}" for key, value in event.labels.items()))
    yield "id", visible(event.id)
    yield "kind", visible(event.kind) if event.kind != "event" else ""
    yield "source", _source(event)
    yield "message", _unread(event)
    if event.stripped is not UNSET:
        gone = event.stripped
        yield "stripped", (
            f"{visible(', '.join(gone.members))}, by rule {gone.rule} of audit policy version "
            f"{gone.version}; SHA-256 of the message ({gone.bytes:,} bytes): "
            f"{visible(gone.sha256)}"
        )
    if event.conflict is not None:
        yield "conflict", f"event {event.conflict} bore this id first, with other content"
    if event.repeat is not None:
        yield "repeat", f"event {event.repeat} is the same message, which has no id"


def _given(*parts: str | UnsetType) -> list[str]:
    return [visible(part) for part in parts if part is not UNSET and part]


def _actor(actor: StoredActor) -> str:
    text = f"{visible(actor.type)} {visible(actor.id)}".strip()
    details = [visible(part) for part in (actor.name, actor.email) if part]
    if actor.session:
        details.append(f"session {visible(actor.session)}")
    if actor.auth is not UNSET:
        details += _given(actor.auth.method)
        if actor.auth.mfa is not UNSET:
            details.append("with MFA" if actor.auth.mfa else "without MFA")
    if actor.on_behalf_of:
        details.append("for " + ", ".join(visible(behind.id) for behind in actor.on_behalf_of))
    return f"{text} ({', '.join(details)})" if details else text


def _target(target: Target) -> str:
    text = f"{visible(target.type)} {visible(target.id)}"
    details = _given(target.name)
    if target.parent is not UNSET:
        details.append(f"in {visible(target.parent)}")
    return f"{text} ({', '.join(details)})" if details else text


def _origin(origin: Origin) -> str:
    named: Sequence[tuple[str, str | UnsetType]] = (
        ("", origin.ip), ("host", origin.host), ("device", origin.device),
        ("service", origin.service), ("agent", origin.user_agent),
        ("request", origin.request_id), ("trace", origin.trace_id),
    )
    return ", ".join(
        f"{name} {visible(value)}".strip() for name, value in named if value is not UNSET and value
    )


def _source(event: StoredEvent) -> str:
    via = event.via
    parts = [visible(event.source.id)]
    if event.source.seq:
        parts.append(f"its number {event.source.seq}")
    for name, value in (("by", via.protocol), ("parser", via.parser), ("peer", via.peer)):
        if value:
            parts.append(f"{name} {visible(value)}")
    if via.backfill:
        parts.append("imported")
    return ", ".join(parts)


def _unread(event: StoredEvent) -> str:
    """The text of a message that no parser could read: all there is to know of it."""
    if event.kind != "unparsed" or not bytes(event.raw) or event.raw_type:
        return ""
    text = msgspec.json.decode(event.raw, type=str)
    if len(text) <= _TEXT:
        return visible(text)
    return f"{visible(text[:_TEXT])} ... (--body has all {len(text):,} characters)"


def _changes(out: Output, event: StoredEvent) -> None:
    if not event.changes:
        return
    out.say("  changes")
    for change in event.changes:
        seen = HistoryChange(
            path=change.path,
            op="" if change.op is UNSET else change.op.value,
            before=msgspec.Raw() if change.before is UNSET else change.before,
            after=msgspec.Raw() if change.after is UNSET else change.after,
        )
        for text, color in change_lines(seen):
            out.say(out.paint(f"    {text}", color))
