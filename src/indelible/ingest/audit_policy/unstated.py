"""What was answered and does not stand in the log yet: open summaries and counts of dropped events.

Both are small states that grow with each submission; so do the numbers of those events. They are
kept durably (sealed, beside the log) before anybody is answered, and become one record when their
time is over: an event of the source that says how often somebody read, or a statement of how many
events each rule dropped. Each bears an id, so that a record that was written just before a crash is
not written twice. Pure.

**A summary** stands for events that agree in source, actor (with whoever is behind it), action,
operation, outcome, types of targets and the minute of their time. It says exactly: how many, the
first and the last time, their bytes, and a chain over what came, in the order in which it came:

    h(0) = 32 zero bytes; h(n) = SHA-256(h(n-1) || SHA-256(n-th message)), `sha256` = h(count)

where the message is what the same id is compared by: of a foreign format the message as it came,
of native input the accepted event. Whoever kept the messages can check that these, and no others,
were rolled up. A target is named where all events touched the same one of its type, else it is `*`;
addresses are counted up to `limits.SUMMARY_IPS`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec
from msgspec import UNSET, Raw

from indelible.base.clock import MICROS, rfc3339
from indelible.base.limits import (
    GAP_RANGES,
    STATEMENT_SECONDS,
    SUMMARY_GRACE_SECONDS,
    SUMMARY_IPS,
    SUMMARY_SECONDS,
    SUMMARY_TYPES,
)
from indelible.event.model import Actor, ActorType, Event, Operation, Origin, Outcome, Target
from indelible.ingest.audit_policy.decide import Judged, JudgedActor
from indelible.ingest.audit_policy.rules import AuditRule
from indelible.ingest.parsed import Parsed
from indelible.ledger.incoming import Own, own_record

FLAG: Final = "summary"
MANY: Final = "*"
"""The id of a target that stands for several."""

_MINUTE_US = SUMMARY_SECONDS * MICROS
_HOUR_US = 3_600 * MICROS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode

Key = tuple[object, ...]


class Of(msgspec.Struct, frozen=True, kw_only=True):
    """What a state belongs to: a source by name and tenant, and a version of the audit policy."""

    source: str
    tenant: str
    version: int
    backfill: bool = False


class _State(msgspec.Struct, kw_only=True):
    """What both kinds have. `opened_us` is when its first message came; `numbers` is what a state
    of an older release kept itself of what is in `Numbered` now."""

    id: str
    of: Of
    opened_us: int
    numbers: dict[str, list[list[int]]] = {}


class Numbered(msgspec.Struct, kw_only=True, tag="numbered"):
    """The sender's own numbers of events of a source that were answered, by boot, as ranges in the
    order in which they came: so that no gap is declared where events were answered."""

    id: str
    source: str
    tenant: str
    numbers: dict[str, list[list[int]]] = {}
    ranges: int = 0

    def take(self, boot: str, number: int) -> None:
        """Remember a number."""
        ranges = self.numbers.setdefault(boot, [])
        if ranges and ranges[-1][1] + 1 == number:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
            self.ranges += 1

    @property
    def full(self) -> bool:
        """Whether another one is to be begun."""
        return self.ranges >= GAP_RANGES

    def copy(self) -> Numbered:
        """One that grows by itself."""
        numbers = {boot: [[*one] for one in ranges] for boot, ranges in self.numbers.items()}
        return Numbered(
            id=self.id, source=self.source, tenant=self.tenant, numbers=numbers, ranges=self.ranges
        )


class Summary(_State, kw_only=True, tag="summary"):
    """The rolled-up events of one key; see the module."""

    rule: int
    minute: int
    tenant: str
    actor: JudgedActor
    action: str
    operation: str
    outcome: str
    types: list[str]
    targets: list[str]
    first_us: int
    last_us: int
    count: int = 0
    size: int = 0
    chain: bytes = bytes(32)
    ips: dict[str, int] = {}
    other_ips: int = 0

    @property
    def key(self) -> Key:
        """What its events agree in."""
        return (
            self.of, self.rule, self.minute, self.tenant, _who(self.actor), self.action,
            self.operation, self.outcome, tuple(self.types),
        )

    def add(self, event: Parsed, judged: Judged, time_us: int) -> None:
        """Roll up one event of this key."""
        self.count += 1
        self.size += len(event.content)
        self.first_us, self.last_us = min(self.first_us, time_us), max(self.last_us, time_us)
        self.chain = sha256(self.chain + sha256(event.idempotent).digest()).digest()
        if self.count == 1:
            self.targets = _targets(judged, self.types)
        else:
            self.targets = [
                known if known == told else MANY
                for known, told in zip(self.targets, _targets(judged, self.types), strict=True)
            ]
        ip = judged.origin.ip
        if ip and (ip in self.ips or len(self.ips) < SUMMARY_IPS):
            self.ips[ip] = self.ips.get(ip, 0) + 1
        elif ip:
            self.other_ips += 1

    def due_us(self) -> int:
        """When it is written: a while after its minute is over, or after it was opened late."""
        end = min(
            max((self.minute + 1) * _MINUTE_US, self.opened_us), self.opened_us + _MINUTE_US
        )
        return end + SUMMARY_GRACE_SECONDS * MICROS

    def record(self) -> Parsed:
        """The event that says it."""
        only_ip = next(iter(self.ips)) if list(self.ips.values()) == [self.count] else ""
        said: dict[str, object] = {
            "count": self.count, "first": rfc3339(self.first_us), "last": rfc3339(self.last_us),
            "bytes": self.size, "sha256": self.chain.hex(), "version": self.of.version,
            "rule": self.rule,
        }
        if self.ips and not only_ip:
            said["ips"] = self.ips
        if self.other_ips:
            said["other_ips"] = self.other_ips
        outcome = Outcome(self.outcome)
        content = _encode(
            Event(
                action=self.action, actor=_actor(self.actor), operation=Operation(self.operation),
                targets=[
                    Target(type=kind, id=name)
                    for kind, name in zip(self.types, self.targets, strict=True)
                ] or UNSET,
                time=_EPOCH + timedelta(microseconds=self.first_us),
                outcome=UNSET if outcome is Outcome.UNKNOWN else outcome,
                origin=Origin(ip=only_ip) if only_ip else UNSET,
                id=f"summary/{self.id}", tenant=self.tenant or UNSET,
                data=Raw(_encode({"summary": said})),
            )
        )
        return Parsed(
            content=content, idempotent=content, line=1, id=f"summary/{self.id}",
            time_us=self.first_us, flags=(FLAG,),
        )


class Drops(_State, kw_only=True, tag="drops"):
    """Events of an hour that rules dropped, by rule number: how many, and their bytes."""

    hour: int
    rules: dict[int, list[int]] = {}

    @property
    def key(self) -> Key:
        """One for each source, version and hour."""
        return (self.of, self.hour)

    @property
    def count(self) -> int:
        """How many events were dropped."""
        return sum(events for events, _ in self.rules.values())

    def add(self, event: Parsed, rule: AuditRule) -> None:
        """Count one event."""
        counted = self.rules.setdefault(rule.number, [0, 0])
        counted[0] += 1
        counted[1] += len(event.content)

    def due_us(self) -> int:
        """When it is stated."""
        return self.opened_us + int(STATEMENT_SECONDS) * MICROS

    def record(self, source: int) -> Own:
        """The statement that says it; `source` is the number of its source in this log."""
        return own_record(
            "statement", "ledger.audit_policy.state",
            {
                "source": source, "hour": rfc3339(self.hour * _HOUR_US),
                "version": self.of.version, "dropped_by_rule": self.count,
                "rules": [
                    {"rule": rule, "events": events, "bytes": size}
                    for rule, (events, size) in sorted(self.rules.items())
                ],
            },
            record_id=f"statement/{self.id}",
        )


Unstated = Summary | Drops
_Kept = Unstated | Numbered
_packed = msgspec.msgpack.Encoder().encode
_unpacked = msgspec.msgpack.Decoder(Unstated).decode
_found = msgspec.msgpack.Decoder(_Kept).decode


def packed(state: Unstated | Numbered) -> bytes:
    """A state as it is kept."""
    return _packed(state)


def unpacked(kept: bytes) -> Unstated:
    """The state that was kept; raises `msgspec.MsgspecError`."""
    state: Unstated = _unpacked(kept)
    return state


def found(kept: bytes) -> Unstated | Numbered:
    """The state or the numbers that were kept; raises `msgspec.MsgspecError`."""
    state: Unstated | Numbered = _found(kept)
    return state


def types_of(judged: Judged) -> list[str]:
    """The types of an event's targets, each once, in their order."""
    return list(dict.fromkeys(target.type for target in judged.targets))[:SUMMARY_TYPES]


def key_of(of: Of, rule: AuditRule, judged: Judged, time_us: int) -> Key:
    """The key of the summary that an event belongs to."""
    return (
        of, rule.number, time_us // _MINUTE_US, judged.tenant, _who(judged.actor), judged.action,
        judged.operation, judged.outcome, tuple(types_of(judged)),
    )


def new_summary(
    ident: str, of: Of, rule: AuditRule, judged: Judged, time_us: int, now_us: int
) -> Summary:
    """A summary of nothing yet, with the key of this event."""
    return Summary(
        id=ident, of=of, opened_us=now_us, rule=rule.number, minute=time_us // _MINUTE_US,
        tenant=judged.tenant, actor=judged.actor, action=judged.action,
        operation=judged.operation, outcome=judged.outcome, types=types_of(judged), targets=[],
        first_us=time_us, last_us=time_us, numbers={}, ips={},
    )


def new_drops(ident: str, of: Of, now_us: int) -> Drops:
    """A count of nothing yet."""
    hour = now_us // _HOUR_US
    return Drops(id=ident, of=of, opened_us=now_us, hour=hour, numbers={}, rules={})


def drops_key(of: Of, now_us: int) -> Key:
    """The key of the count that an event dropped now belongs to."""
    return (of, now_us // _HOUR_US)


def _who(actor: JudgedActor) -> tuple[object, ...]:
    return (actor.type, actor.id, *(_who(one) for one in actor.on_behalf_of))


def _targets(judged: Judged, types: list[str]) -> list[str]:
    """For each type the id of its target, `MANY` where there are several."""
    found: dict[str, str] = {}
    for target in judged.targets:
        known = found.setdefault(target.type, target.id)
        if known != target.id:
            found[target.type] = MANY
    return [found[kind] for kind in types]


def _actor(actor: JudgedActor) -> Actor:
    return Actor(
        type=ActorType(actor.type), id=actor.id, name=actor.name or UNSET,
        email=actor.email or UNSET,
        on_behalf_of=[_actor(one) for one in actor.on_behalf_of] or UNSET,
    )
