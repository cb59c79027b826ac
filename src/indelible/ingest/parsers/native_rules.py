"""The rules of `docs/reference/event.md` that types alone cannot say, for native input.

Each function raises `InvalidEvent` with the member's path, a stable code and a reason. They are on
the hot path: the common event passes with a handful of comparisons and cached look-ups.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NoReturn

from msgspec import UNSET, Raw, UnsetType
from msgspec.structs import force_setattr

from indelible.base import limits
from indelible.base.errors import InvalidEvent
from indelible.base.limits import REMEMBERED
from indelible.event.actions import operation_of
from indelible.event.model import Actor, Change, NativeEvent, Operation, Origin, Target
from indelible.event.reserved import is_own_tenant
from indelible.event.strict import compact

ACTION = re.compile(r"[a-z0-9][a-z0-9_-]*(?:\.[a-z0-9][a-z0-9_-]*)+")
TARGETLESS = frozenset((Operation.LOGIN, Operation.LOGOUT))
"""Operations that may stand without a target: nothing but the session itself is touched."""

_IPV4 = re.compile(
    r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)){3}", re.ASCII
)
_SEQ_MAX = (1 << 64) - 1


def refuse(field: str, code: str, reason: str) -> NoReturn:
    """Raise the `InvalidEvent` of one member."""
    raise InvalidEvent(reason, field=field, code=code)


@lru_cache(maxsize=REMEMBERED)
def _classify(action: str) -> Operation:
    """The operation of a well-formed action; actions are few, so the answer is remembered."""
    if len(action) > limits.ACTION_CHARS:
        refuse("action", "too_long", f"more than {limits.ACTION_CHARS} characters")
    if ACTION.fullmatch(action) is None:
        refuse(
            "action", "bad_action",
            f"{action[:80]!r} is not of the form object.verb: lower case letters, digits, _ and -, "
            "joined by dots, such as payroll.record.delete",
        )
    return operation_of(action)


def check(event: NativeEvent, *, long: bool) -> None:
    """Hold `event` to every rule; fills `operation` and `targets`, compacts free-form parts.

    `long` says that the event's text is long enough to break a limit on names, so that short
    events skip the measuring. Raises `InvalidEvent`.
    """
    derived = _classify(event.action)
    operation = event.operation
    if operation is UNSET:
        operation = derived
        force_setattr(event, "operation", derived)
    if event.target is not UNSET:
        _fold_target(event, event.target)
    targets = event.targets
    if targets is not UNSET and targets:
        _check_targets(targets)
    elif operation not in TARGETLESS:
        why = f"an action of the class `{operation.value}` needs `target` or `targets`"
        refuse("targets", "missing_field", why)
    if not event.actor.id:
        refuse("actor.id", "empty", "must not be empty")
    if event.actor.on_behalf_of is not UNSET:
        _check_chain(event.actor, "actor", limits.DELEGATION)
    if event.time is not UNSET:
        _check_time(event, "time", event.time)
    if event.observed is not UNSET:
        _check_time(event, "observed", event.observed)
    if event.origin is not UNSET and event.origin.ip is not UNSET:
        _check_ip(event.origin.ip)
    if event.changes is not UNSET:
        _check_changes(event.changes)
    if event.data is not UNSET:
        _check_data(event, event.data)
    _check_names(event)
    if long:
        _check_lengths(event)


def _fold_target(event: NativeEvent, target: Target) -> None:
    folded = [target]
    if event.targets is not UNSET:
        folded += [other for other in event.targets if other != target]
    force_setattr(event, "targets", folded)
    force_setattr(event, "target", UNSET)


def _check_targets(targets: list[Target]) -> None:
    if len(targets) > limits.TARGETS:
        refuse("targets", "too_many", f"more than {limits.TARGETS} targets")
    for target in targets:
        if not target.type or not target.id:
            position = targets.index(target)
            name = "id" if target.type else "type"
            refuse(f"targets[{position}].{name}", "empty", "must not be empty")


def _check_chain(actor: Actor, field: str, left: int) -> int:
    """Walk everybody behind `actor`; `left` actors may still come."""
    if actor.on_behalf_of is UNSET:
        return left
    for position, behind in enumerate(actor.on_behalf_of):
        where = f"{field}.on_behalf_of[{position}]"
        left -= 1
        if left < 0:
            reason = f"more than {limits.DELEGATION} actors behind the one who acted"
            refuse("actor.on_behalf_of", "too_many", reason)
        if not behind.id:
            refuse(f"{where}.id", "empty", "must not be empty")
        left = _check_chain(behind, where, left)
    return left


def _check_time(event: NativeEvent, field: str, moment: datetime) -> None:
    """Refuse times without offset or before 1970; bring the rest to UTC."""
    if moment.tzinfo is None:
        refuse(field, "bad_time", "the time has no offset; add Z or +hh:mm")
    if moment.tzinfo is not UTC:
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            refuse(field, "bad_time", "the year must be between 1970 and 9999, in UTC")
        force_setattr(event, field, moment)
    if moment.year < 1970:
        refuse(field, "bad_time", "the year must be between 1970 and 9999, in UTC")


def _check_ip(text: str) -> None:
    if _IPV4.fullmatch(text) is not None:
        return
    try:
        ipaddress.ip_address(text)
    except ValueError:
        refuse(
            "origin.ip", "bad_ip",
            f"{text[:60]!r} is not an IPv4 or IPv6 address; host names belong in origin.host, "
            "services in origin.service",
        )


def _check_changes(changes: list[Change]) -> None:
    if len(changes) > limits.CHANGES:
        refuse("changes", "too_many", f"more than {limits.CHANGES} changes")
    for position, change in enumerate(changes):
        if not change.path:
            refuse(f"changes[{position}].path", "empty", "must not be empty")
        if change.before is not UNSET:
            raw = bytes(change.before)
            kept = compact(raw, f"changes[{position}].before")
            if kept is not raw:
                force_setattr(change, "before", Raw(kept))
        if change.after is not UNSET:
            raw = bytes(change.after)
            kept = compact(raw, f"changes[{position}].after")
            if kept is not raw:
                force_setattr(change, "after", Raw(kept))


def _check_data(event: NativeEvent, data: Raw) -> None:
    raw = bytes(data)
    kept = compact(raw, "data")
    if kept is not raw:
        force_setattr(event, "data", Raw(kept))


def _check_names(event: NativeEvent) -> None:
    """What may not be empty, and what is reserved."""
    if event.id == "":
        refuse("id", "empty", "must not be empty; leave it out and the ledger assigns an index")
    if event.tenant is not UNSET:
        if not event.tenant:
            refuse("tenant", "empty", "must not be empty; leave it out")
        if is_own_tenant(event.tenant):
            reason = "tenants that begin with 'indelible' are reserved for the ledger's own records"
            refuse("tenant", "reserved_field", reason)
    if event.labels is not UNSET:
        if len(event.labels) > limits.LABELS:
            refuse("labels", "too_many", f"more than {limits.LABELS} labels")
        if "" in event.labels:
            refuse("labels", "empty", "the name of a label must not be empty")
    if event.subjects is not UNSET:
        if len(event.subjects) > limits.SUBJECTS:
            refuse("subjects", "too_many", f"more than {limits.SUBJECTS} subjects")
        if "" in event.subjects:
            refuse("subjects", "empty", "the id of a person must not be empty")
    if event.source is not UNSET:
        seq, boot = event.source.seq, event.source.boot
        if seq is UNSET:
            refuse("source.seq", "missing_field", "source carries the sender's own number: seq")
        elif not 0 < seq <= _SEQ_MAX:
            refuse("source.seq", "bad_value", "numbers begin at 1 and end below 2^64")
        if boot is not UNSET and len(boot) > limits.NAME_CHARS:
            refuse("source.boot", "too_long", f"more than {limits.NAME_CHARS} characters")


def _check_lengths(event: NativeEvent) -> None:
    """Names, ids and references have at most `limits.NAME_CHARS` characters; prose any number."""
    _measure(event.id, "id")
    _measure(event.tenant, "tenant")
    _measure_actor(event.actor, "actor")
    if event.targets is not UNSET:
        for position, target in enumerate(event.targets):
            for name in Target.__struct_fields__:
                _measure(getattr(target, name), f"targets[{position}].{name}")
    if event.origin is not UNSET:
        for name in Origin.__struct_fields__:
            if name != "user_agent":
                _measure(getattr(event.origin, name), f"origin.{name}")
    if event.changes is not UNSET:
        for position, change in enumerate(event.changes):
            _measure(change.path, f"changes[{position}].path")
    if event.reason is not UNSET:
        _measure(event.reason.code, "reason.code")
    if event.why is not UNSET:
        _measure(event.why.ticket, "why.ticket")
    if event.labels is not UNSET:
        for name in event.labels:
            _measure(name, "labels")
    if event.subjects is not UNSET:
        for position, subject in enumerate(event.subjects):
            _measure(subject, f"subjects[{position}]")


def _measure_actor(actor: Actor, field: str) -> None:
    for name in ("id", "name", "email", "session"):
        _measure(getattr(actor, name), f"{field}.{name}")
    if actor.auth is not UNSET:
        _measure(actor.auth.method, f"{field}.auth.method")
    if actor.on_behalf_of is not UNSET:
        for position, behind in enumerate(actor.on_behalf_of):
            _measure_actor(behind, f"{field}.on_behalf_of[{position}]")


def _measure(value: str | UnsetType, field: str) -> None:
    if value is not UNSET and len(value) > limits.NAME_CHARS:
        refuse(field, "too_long", f"more than {limits.NAME_CHARS} characters")
