"""Which rule decides about an event. Made once for each version of the rules; asked for each event.

Rules are settled in two steps, so that their number hardly counts. What depends on source, tenant,
action, operation, outcome and type of actor alone is decided once for each combination and
remembered: mostly nothing is left then. What remains (ids of actors and targets) is asked of the
event itself. Conditions mean what they mean in a search: both go through `event.evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, cast

import msgspec

from indelible.base.limits import REMEMBERED
from indelible.event.evaluate import Decision, compiled
from indelible.event.model import StoredActor, StoredEvent, StoredSource
from indelible.event.predicate import EVERYTHING, NOTHING, All, AnyOf, Not, Predicate, Term
from indelible.ingest.audit_policy.guard import guarded
from indelible.ingest.audit_policy.rules import AuditRule, Then

_FIRST: Final = frozenset(("source", "tenant", "action", "operation", "outcome", "actor.type"))
"""Fields that take few values: what they decide is remembered."""


class JudgedActor(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Of an actor, what rules and summaries look at."""

    type: str = ""
    id: str = ""
    name: str = ""
    email: str = ""
    on_behalf_of: tuple[JudgedActor, ...] = ()


class JudgedTarget(msgspec.Struct, frozen=True, gc=False):
    """The same of a target."""

    type: str = ""
    id: str = ""


class JudgedOrigin(msgspec.Struct, frozen=True, gc=False):
    """The same of an origin."""

    ip: str = ""


class Judged(msgspec.Struct, frozen=True, gc=False):
    """The same of an event: its encoded content decodes into this, and so does a stored body."""

    action: str = ""
    actor: JudgedActor = JudgedActor()
    operation: str = "other"
    targets: tuple[JudgedTarget, ...] = ()
    outcome: str = "unknown"
    origin: JudgedOrigin = JudgedOrigin()
    tenant: str = ""


judged = msgspec.json.Decoder(Judged).decode


class _Left(NamedTuple):
    """A rule that may decide; `asks` is None where nothing is left to ask."""

    rule: AuditRule
    asks: Decision | None


class _Settled(NamedTuple):
    """What one combination leaves: rules that may decide, and rules that the guard passes over."""

    may: tuple[_Left, ...]
    barred: tuple[_Left, ...]


class Decider:
    """The compiled rules of one audit policy. Not for several threads at once."""

    def __init__(self, rules: tuple[AuditRule, ...]) -> None:
        self.rules = rules
        self._settled: dict[tuple[str, ...], _Settled] = {}
        self._concerned: dict[str, bool] = {}

    def concerns(self, source: str) -> bool:
        """Whether any rule can match an event of this source: if none can, nobody need look."""
        found = self._concerned.get(source)
        if found is None:
            probe = _probe(source, Judged())
            found = any(
                _settle(rule.predicate, _known(("source",), probe)) != NOTHING
                for rule in self.rules
            )
            if len(self._concerned) >= REMEMBERED:
                self._concerned.clear()
            self._concerned[source] = found
        return found

    def decide(self, source: str, event: Judged) -> AuditRule | None:
        """The first rule that matches and may do what it says; None: the event is kept.

        A rule that would lose a guarded event is passed over, and the next one is asked.
        """
        for rule, asks in self._of(source, event).may:
            if asks is None or asks(0, cast(StoredEvent, event)):
                return rule
        return None

    def barred(self, source: str, event: Judged) -> AuditRule | None:
        """The first rule that matches and may not do to this event what it says, for a preview."""
        for rule, asks in self._of(source, event).barred:
            if asks is None or asks(0, cast(StoredEvent, event)):
                return rule
        return None

    def _of(self, source: str, event: Judged) -> _Settled:
        key = (
            source, event.tenant, event.action, event.operation, event.outcome, event.actor.type
        )
        found = self._settled.get(key)
        if found is None:
            if len(self._settled) >= REMEMBERED:
                self._settled.clear()
            found = self._settled[key] = self._settle(source, event)
        return found

    def _settle(self, source: str, event: Judged) -> _Settled:
        known = _known(_FIRST, _probe(source, event))
        kept = guarded(event.action, event.operation, event.outcome)
        may: list[_Left] = []
        barred: list[_Left] = []
        for rule in self.rules:
            rest = _settle(rule.predicate, known)
            if rest == NOTHING:
                continue
            left = _Left(rule, None if rest == EVERYTHING else compiled(rest))
            if rule.loses_events and kept:
                barred.append(left)
                continue
            if rule.then is Then.SUMMARISE and event.operation not in rule.operations:
                continue
            may.append(left)
            if left.asks is None:
                break
        return _Settled(tuple(may), tuple(barred))


def _probe(source: str, event: Judged) -> StoredEvent:
    """An event that has what `_FIRST` names and nothing else."""
    return StoredEvent(
        action=event.action, actor=StoredActor(type=event.actor.type), operation=event.operation,
        outcome=event.outcome, tenant=event.tenant, kind="event", received="",
        source=StoredSource(id=source, number=0),
    )


_Known = Callable[[Term], bool | None]


def _known(fields: tuple[str, ...] | frozenset[str], probe: StoredEvent) -> _Known:
    """Decides terms of these fields; None for all others."""
    return lambda term: compiled(term)(0, probe) if term.field in fields else None


def _settle(predicate: Predicate, known: _Known) -> Predicate:
    """The predicate with what is known put in: `EVERYTHING`, `NOTHING`, or what is left to ask."""
    match predicate:
        case Term():
            says = known(predicate)
            return predicate if says is None else EVERYTHING if says else NOTHING
        case All(children=children):
            left = [one for child in children if (one := _settle(child, known)) != EVERYTHING]
            if NOTHING in left:
                return NOTHING
            return left[0] if len(left) == 1 else All(children=tuple(left))
        case AnyOf(children=children):
            left = [one for child in children if (one := _settle(child, known)) != NOTHING]
            if EVERYTHING in left:
                return EVERYTHING
            return left[0] if len(left) == 1 else AnyOf(children=tuple(left))
        case Not(child=child):
            rest = _settle(child, known)
            if rest == EVERYTHING:
                return NOTHING
            return EVERYTHING if rest == NOTHING else Not(child=rest)
        case _:
            return predicate
