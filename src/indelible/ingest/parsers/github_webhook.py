"""GitHub webhooks: the bodies that GitHub posts when something happens to a repository or org.

The event's name stands in the `X-GitHub-Event` header, which the way in hands over as
`given.program`; without it the name is inferred from the body, and the event says so
(`data.guessed`). A body has no id and mostly no time of its own: the delivery's id and the time of
receipt serve. `docs/sources/github.md` has the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from msgspec import UNSET, UnsetType

from indelible.base.limits import JSON_DEPTH
from indelible.event.model import (
    Actor,
    ActorType,
    Change,
    ChangeOp,
    Event,
    Operation,
    Outcome,
    Severity,
)
from indelible.event.paths import escape_segment
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.contract import Given, NotUnderstood, Parser, Record, Understood
from indelible.ingest.parsers.github_actions import by_level, concluded, operation_named
from indelible.ingest.parsers.github_shapes import event_of, name_of, subject_of, targets_of
from indelible.ingest.parsers.pick import items, member, text, word

_ZEROS = frozenset("0")
_TIMES = {
    "created": ("created_at",), "edited": ("updated_at",), "published": ("published_at",),
    "closed_by_user": ("dismissed_at",), "auto_dismissed": ("auto_dismissed_at",),
    "opened": ("created_at",), "completed": ("completed_at", "updated_at"),
    "fork": ("created_at",), "member_invited": ("created_at",),
}
"""Members of the subject with the time of an action, where it is not `ACTION_at`."""
_SEVERITIES = {one.value: one for one in Severity} | {"moderate": Severity.MEDIUM}
_ACCEPTED = "new_permissions_accepted"


def _record(record: Record, given: Given) -> Understood:
    """One body; raises `NotUnderstood` when its event is unknown or nobody sent it."""
    event = event_of(record, given.program)
    if not event:
        raise NotUnderstood(
            "unknown_event", "no X-GitHub-Event header was kept, and the body fits no known event"
        )
    sender = member(record, "sender")
    login = text(sender, "login")
    if not login:
        raise NotUnderstood("missing_actor", "the body has no sender")
    name = name_of(record, event)
    changes = pick.bounded(_changes(record, event))
    return Understood(
        Event(
            action=pick.action("github", *name.lower().split(".")),
            actor=_actor(record, sender, login),
            operation=_operation(record, name.lower()),
            targets=pick.targets(targets_of(record, event)),
            time=_time(record, event),
            outcome=_outcome(record),
            changes=changes,
            severity=_SEVERITIES.get(_severity(member(record, "alert")), UNSET),
            labels=_labels(record) or UNSET,
        ),
        _facts(record, event),
        guessed=() if given.program else ("action",),
    )


def _recognise(record: Record, given: Given) -> str:
    if not text(member(record, "sender"), "login"):
        return ""
    for name in ("repository", "organization", "installation", "enterprise", "hook"):
        if isinstance(record.get(name), dict):
            return f"it has sender and {name}"
    return ""


def _actor(record: Record, sender: Record, login: str) -> Actor:
    bot = text(sender, "type") == "Bot" or login.endswith("[bot]")
    pusher = member(record, "pusher")
    email = text(pusher, "email") if text(pusher, "name") == login else ""
    return Actor(type=ActorType.SERVICE if bot else ActorType.USER, id=login,
                 email=email if "@" in email else UNSET)


def _operation(record: Record, name: str) -> Operation:
    said = member(record, "changes", "permission")
    before = text(said, "from") or text(member(record, "changes", "old_permission"), "from")
    return by_level(before, text(said, "to")) or operation_named(name)


def _outcome(record: Record) -> Outcome | UnsetType:
    """A webhook tells what was done; a run ended as its conclusion says."""
    run = member(record, "workflow_run") or member(record, "check_run")
    if run:
        return concluded(text(run, "conclusion")) or UNSET
    return Outcome.SUCCESS


def _time(record: Record, event: str) -> datetime | UnsetType:
    """When it happened, where the subject has a time of this very action."""
    if event == "push":
        return _moment(member(record, "repository").get("pushed_at"))
    said, subject = text(record, "action") or event, subject_of(record, event)
    if event == "organization":
        subject = member(record, "invitation")
    for name in _TIMES.get(said, (f"{said}_at",)):
        found = _moment(subject.get(name))
        if found is not UNSET:
            return found
    return UNSET


def _moment(value: Any) -> datetime | UnsetType:
    return pick.moment(value) if isinstance(value, str) else pick.epoch(value)


def _changes(record: Record, event: str) -> Iterator[Change]:
    """Where a branch pointed; what `changes` tells; what a member or an app was given."""
    if event == "push":
        before, after = text(record, "before"), text(record, "after")
        ref = text(record, "ref")
        if ref and (before or after):
            yield _change(escape_segment(ref), _commit(before), _commit(after))
        return
    yield from _told(member(record, "changes"), record, subject_of(record, event), "", JSON_DEPTH)
    if event == "installation" and text(record, "action") in ("created", _ACCEPTED):
        rights = member(record, "installation", "permissions")
        if rights:
            yield _change("permissions", None, rights)


def _told(part: Record, record: Record, subject: Record, path: str, left: int) -> Iterator[Change]:
    """Every `{"from": ..., "to": ...}` in `changes`, with the new value out of the body."""
    if left == 0:
        return
    for name, value in part.items():
        whole = f"{path}.{escape_segment(name)}" if path else escape_segment(name)
        inner = member(record, name) if isinstance(record.get(name), dict) else {}
        if not isinstance(value, dict):
            continue
        if "from" in value or "to" in value:
            after = value.get("to", subject.get(name))
            yield _change(whole, _short(value.get("from")), _short(after))
        else:
            yield from _told(value, inner, inner or subject, whole, left - 1)


def _short(value: Any) -> Any:
    """An account by its login alone."""
    for part in (value, member(value, "user"), member(value, "organization")):
        if text(part, "login"):
            return text(part, "login")
    return value


def _change(path: str, before: Any, after: Any) -> Change:
    if before is None:
        return Change(path=path, op=ChangeOp.ADD, after=pick.raw(after))
    if after is None:
        return Change(path=path, op=ChangeOp.REMOVE, before=pick.raw(before))
    return Change(path=path, op=ChangeOp.REPLACE, before=pick.raw(before), after=pick.raw(after))


def _commit(value: str) -> str | None:
    """A commit's hash, None for the zeros that stand for none."""
    return None if not value or set(value) <= _ZEROS else value


def _severity(alert: Record) -> str:
    return text(member(alert, "rule"), "security_severity_level") or text(
        member(alert, "security_advisory"), "severity")


def _labels(record: Record) -> dict[str, str]:
    said = (("org", text(member(record, "organization"), "login")),
            ("enterprise", text(member(record, "enterprise"), "slug")))
    return {name: value for name, value in said if value}


def _facts(record: Record, event: str) -> dict[str, object]:
    """What has no member of its own and is worth a search of its own."""
    action = text(record, "action")
    alert, key = member(record, "alert"), member(record, "key")
    request = member(record, "personal_access_token_request")
    facts: dict[str, object] = {
        "vendor_action": f"{event}.{action}" if action else event,
        "actor_id": word(member(record, "sender"), "id"),
        "installation": word(member(record, "installation"), "id"),
        "secret_type": text(alert, "secret_type"),
        "resolution": text(alert, "resolution", "dismissed_reason"),
        "bypassed": True if alert.get("push_protection_bypassed") is True else None,
        "rule": text(member(alert, "rule"), "id", "name"),
        "ghsa_id": text(member(alert, "security_advisory"), "ghsa_id"),
        "role": text(member(record, "membership"), "role")
        or text(member(record, "invitation"), "role")
        or text(member(record, "changes", "role_name"), "to"),
        "private": member(record, "repository").get("private") is True or None,
        "read_only": key.get("read_only") if isinstance(key.get("read_only"), bool) else None,
        "token_expires": text(request, "token_expires_at"),
    }
    if event == "push":
        facts |= {
            "forced": record.get("forced") is True or None,
            "created": record.get("created") is True or None,
            "deleted": record.get("deleted") is True or None,
            "commits": len(items(record, "commits")) or None,
            "head": text(member(record, "head_commit"), "id"),
        }
    return pick.flat(facts)


PARSER: Final = Parser(
    name="github_webhook",
    version="github_webhook/1",
    about="GitHub webhook bodies",
    record=_record,
    recognise=_recognise,
)
