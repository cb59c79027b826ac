"""What the readers of Linux programs' messages share: rules by first word, actors, targets.

A message of these programs is a sentence. `Rules` finds the pattern that it matches as a whole and
calls its maker. Names in a message may be an attacker's choice (an account that is tried, a
directory): patterns take the last place where an address can stand, never the first one that a
name could have put there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, Raw, UnsetType

from indelible.base.limits import NAME_CHARS
from indelible.event.model import (
    Actor,
    ActorType,
    Auth,
    Change,
    ChangeOp,
    Event,
    Operation,
    Origin,
    Outcome,
    Reason,
    Target,
)
from indelible.ingest.parsers.contract import Given, Understood
from indelible.ingest.parsers.pick import behind, flat, ip, reason, targets

NOBODY: Final = Actor(type=ActorType.ANONYMOUS, id="anonymous")
SUCCESS: Final = Outcome.SUCCESS
FAILURE: Final = Outcome.FAILURE
DENIED: Final = Outcome.DENIED

ADDRESS: Final = r"[0-9A-Za-z.:%_-]+"
"""An address or a host's name, in a pattern."""

_encode = msgspec.json.Encoder().encode


class Line(NamedTuple):
    """One message: its text, the program that wrote it, and what its envelope said.

    `level` is the grade that OpenSSH puts in front (`error`, `fatal`), `phase` the one it puts
    behind (`preauth`), `repeated` how often the message came again, as its writer counted, and
    `service` what a PAM module was called for.
    """

    text: str
    program: str
    given: Given
    level: str = ""
    phase: str = ""
    repeated: int = 0
    service: str = ""


Found: TypeAlias = re.Match[str]
Make: TypeAlias = Callable[[Found, Line], Understood]


class Rules:
    """Patterns and their makers; a message belongs to the first that matches it whole."""

    def __init__(self, *rules: tuple[str, str, Make]) -> None:
        """Each rule: the words a message may begin with (none: any), a pattern, a maker."""
        self._by_word: dict[str, list[tuple[re.Pattern[str], Make]]] = {}
        self._any: list[tuple[re.Pattern[str], Make]] = []
        for words, pattern, make in rules:
            rule = (re.compile(pattern, re.DOTALL), make)
            for word in words.split():
                self._by_word.setdefault(word, []).append(rule)
            if not words:
                self._any.append(rule)

    def read(self, line: Line) -> Understood | None:
        """What the message says, or None when no pattern matches it."""
        word = line.text.partition(" ")[0].rstrip(":;")
        for rules in (self._by_word.get(word, ()), self._any):
            for pattern, make in rules:
                found = pattern.fullmatch(line.text)
                if found is not None:
                    return make(found, line)
        return None


def told(
    line: Line,
    action: str,
    actor: Actor,
    phrase: str,
    *,
    operation: Operation | UnsetType = UNSET,
    outcome: Outcome | UnsetType = UNSET,
    why: Reason | UnsetType = UNSET,
    touched: list[Target] | None = None,
    origin: Origin | UnsetType = UNSET,
    changes: list[Change] | UnsetType = UNSET,
    data: Mapping[str, object] = {},
    guessed: tuple[str, ...] = (),
) -> Understood:
    """One event; `phrase` are the program's own words for what was done.

    Without `touched` the host that wrote the message is the target.
    """
    event = Event(
        action=action, actor=actor, operation=operation, outcome=outcome, reason=why,
        targets=targets(host(line) if touched is None else touched), origin=origin,
        changes=changes or UNSET, labels={"program": line.program} if line.program else UNSET,
    )
    facts = {"vendor_action": phrase, **flat(data)}
    if line.level:
        facts["level"] = line.level
    if line.phase:
        facts["phase"] = line.phase
    if line.repeated:
        facts["repeated"] = line.repeated
    return Understood(event, facts, guessed=guessed)


# --- who


def user(name: str | None, *others: str | None, method: str = "", session: str = "") -> Actor:
    """The account `name`, on behalf of `others`; nobody when it has no name."""
    if not name or len(name) > NAME_CHARS:
        return NOBODY
    chain = [
        Actor(type=ActorType.USER, id=one) for one in others if one and len(one) <= NAME_CHARS
    ]
    actor = Actor(
        type=ActorType.USER, id=name, session=session or UNSET,
        auth=Auth(method=method[:NAME_CHARS]) if method else UNSET,
    )
    return behind(actor, chain) if chain else actor


def daemon(name: str, owner: str | None = "") -> Actor:
    """A program of the system, on behalf of the account it works for where the message says."""
    actor = Actor(type=ActorType.SYSTEM, id=name)
    if not owner or len(owner) > NAME_CHARS:
        return actor
    return behind(actor, [Actor(type=ActorType.USER, id=owner)])


ROOT: Final = Actor(type=ActorType.SYSTEM, id="root")
"""Who acts where a program runs with root's rights and does not say for whom."""


# --- where


def place(address: str | None) -> Origin | UnsetType:
    """Where the actor was: an address, or the name of the actor's own machine."""
    if not address or len(address) > NAME_CHARS:
        return UNSET
    found = ip(address)
    return Origin(ip=found) if found else Origin(device=address)


# --- what


def host(line: Line) -> list[Target]:
    """The host that wrote the message."""
    return [Target(type="host", id=line.given.host)] if line.given.host else []


def local(line: Line, kind: str, *names: str | None) -> list[Target]:
    """Things of the host that wrote the message: accounts, groups, commands, files."""
    return [
        Target(type=kind, id=name, parent=line.given.host or UNSET)
        for name in names if name and len(name) <= NAME_CHARS
    ]


def set_to(path: str, after: object) -> Change:
    """A member that something new begins with."""
    return Change(path=path, op=ChangeOp.ADD, after=Raw(_encode(after)))


def changed(path: str, before: object = None, after: object = None) -> Change:
    """A member that was replaced; values that the message does not tell stay absent."""
    return Change(
        path=path, op=ChangeOp.REPLACE,
        before=UNSET if before is None else Raw(_encode(before)),
        after=UNSET if after is None else Raw(_encode(after)),
    )


def because(code: str, text: str | None = "") -> Reason | UnsetType:
    """Why it ended so."""
    return reason(code, (text or "")[:NAME_CHARS])


def number(value: str | None) -> int | str | None:
    """Digits as a number, where they are few enough to be one; else as they stand."""
    if value and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return value
