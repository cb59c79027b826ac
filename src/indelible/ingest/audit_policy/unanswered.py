"""Which questions a rule would leave unanswered: in words, from what the events it matches hold.

Deciding what to audit means deciding what nobody will be able to ask. Only actions and types are
named here, with counts: no actor, target or address. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from indelible.base.limits import PREVIEW_QUESTIONS
from indelible.ingest.audit_policy.rules import Then


class Traits(msgspec.Struct, kw_only=True):
    """What the events that one rule takes away from hold, counted.

    `kinds` counts by action, operation and type of the first target; `blurred` are those kinds of
    a summary whose events touched several targets; `members` counts what `strip` removes.
    """

    kinds: dict[tuple[str, str, str], int] = {}
    blurred: set[tuple[str, str, str]] = set()
    members: dict[str, int] = {}
    subjects: int = 0
    changes: int = 0
    behind: int = 0
    addresses: int = 0


def unanswered(then: Then, traits: Traits) -> list[str]:
    """The questions, the most frequent kinds first."""
    if then is Then.STRIP:
        return list(_strip(traits))
    if then is Then.SUMMARISE:
        return list(_summarise(traits))
    return list(_drop(traits)) if then is Then.DROP else []


def _frequent(traits: Traits) -> list[tuple[tuple[str, str, str], int]]:
    return sorted(traits.kinds.items(), key=lambda item: (-item[1], item[0]))[:PREVIEW_QUESTIONS]


def _more(traits: Traits) -> Iterator[str]:
    rest = len(traits.kinds) - PREVIEW_QUESTIONS
    if rest > 0:
        yield f"The same of {rest:,} more kinds of events."


def _drop(traits: Traits) -> Iterator[str]:
    for (action, operation, kind), count in _frequent(traits):
        events = f"({action}: {count:,} events)"
        thing = _thing(kind)
        if operation == "read":
            yield f"Who read {thing}, when, and from where? {events}"
        elif operation in ("login", "logout"):
            way = "in" if operation == "login" else "out"
            yield f"Who signed {way}, when, and from where? {events}"
        else:
            yield f"Who did {action} to {thing}, and when? ({count:,} events)"
    yield from _more(traits)
    if traits.changes:
        yield f"What was changed, from what to what? ({traits.changes:,} of them carry changes)"
    if traits.behind:
        yield f"On whose behalf did a service act? ({traits.behind:,} of them say it)"
    yield from _persons(traits)


def _summarise(traits: Traits) -> Iterator[str]:
    for key, count in _frequent(traits):
        action, _, kind = key
        if key in traits.blurred:
            yield (
                f"Which {_thing(kind, one=True)} exactly did an actor read, in which order? "
                f"({action}: {count:,} events; how many in each minute stays known)"
            )
        else:
            yield f"At which second of a minute did an actor do {action}? ({count:,} events)"
    yield from _more(traits)
    if traits.addresses:
        yield "From which address, in which session and request was a given one of these reads?"
    yield from _persons(traits)


def _strip(traits: Traits) -> Iterator[str]:
    bodies = {name: count for name, count in traits.members.items() if name != "raw"}
    if bodies:
        named = ", ".join(f"{name} of {count:,}" for name, count in sorted(bodies.items()))
        yield f"What exactly was asked, and what was answered? (goes: {named} events)"
    if traits.members.get("raw"):
        yield (
            f"What did the original message say beyond what was understood? "
            f"({traits.members['raw']:,} events; its SHA-256 stays, to check a copy kept elsewhere)"
        )


def _persons(traits: Traits) -> Iterator[str]:
    if traits.subjects:
        yield (
            f"Whose data were they? {traits.subjects:,} of these events name the persons "
            "concerned, who may ask."
        )


def _thing(kind: str, *, one: bool = False) -> str:
    name = kind.replace("_", " ") or "thing"
    return name if one else f"which {name}"
