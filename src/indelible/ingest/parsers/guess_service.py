"""What CEF and LEEF have in common: an appliance tells of a user, by names of events. Pure."""

from __future__ import annotations

import re
from datetime import tzinfo
from functools import lru_cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import UNSET, UnsetType

from indelible.base.limits import NAME_CHARS, REMEMBERED
from indelible.event.actions import operation_of, present_of
from indelible.event.model import Actor, ActorType, Operation, Outcome, Severity
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.guess import guess
from indelible.ingest.parsers.guess_action import Done, done, in_text, words
from indelible.ingest.parsers.guess_tables import named
from indelible.ingest.parsers.guess_time import Moment, read_time
from indelible.ingest.parsers.guess_told import (
    NOBODY,
    outcome_in_name,
    outcome_of_word,
    severity_of,
    type_of_name,
)
from indelible.ingest.parsers.pick import action, part

_SYSLOG = re.compile(
    r"(?:<\d{1,3}>)?(?:1 )?"
    r"(\d{4}-\d\d-\d\d[T ][0-9:.,]{5,15}(?: ?(?:Z|[+-]\d\d:?\d\d))?"
    r"|[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?[0-9:.]{5,15}(?: [A-Z]{3,4})?)(?: (\S{1,255}))?"
)
_WORD = re.compile(r"\d{1,10}")
_GRAVE: Final = ((9, Severity.CRITICAL), (7, Severity.HIGH), (4, Severity.MEDIUM))
"""From which number on a severity of 0 to 10 is how grave (CEF; LEEF has the same scale)."""


class Named(NamedTuple):
    """An action, the name it was made of, and the operation where the verb alone misleads."""

    action: str
    vendor: str
    operation: Operation | UnsetType = UNSET

    @property
    def done(self) -> Operation:
        """The operation, given or as the action's verb has it."""
        return operation_of(self.action) if self.operation is UNSET else self.operation


def action_named(service: str, names: tuple[str, ...], act: str) -> Named:
    """The action of an event that bears several names, the best known first.

    The first name with a verb decides; then what the device did (`act`), when that is a verb and
    not just an outcome; then the first name as it is.
    """
    front = part(service.lower() if " " in service else service) if service else "event"
    usable = [name for name in names if name and not _WORD.fullmatch(name)]
    for name in usable:
        found = done(name) if len(name) <= 64 else in_text(name)
        if found is not None and present_of(found.verb):
            return Named(action(front, *_things(found, front)), name, _operation(found))
    whole = usable[0] if usable else (names[0] if names else "")
    found = done(act) if act and outcome_of_word(act) is None else Done("", "")
    if present_of(found.verb):
        thing = found.object or (part(whole) if whole else "")
        known = Done(thing, found.verb)
        return Named(action(front, *_things(known, front)), act, _operation(known))
    return Named(action(front, part(whole) if whole else "occur"), whole)


def _operation(found: Done) -> Operation | UnsetType:
    """OTHER for what is done to traffic: a connection that is allowed is nobody's right."""
    traffic = bool(_TRAFFIC & set(found.object.split("_")))
    said = operation_of(found.verb)
    return Operation.OTHER if traffic and said in _OF_PEOPLE else UNSET


_TRAFFIC: Final = named("connection traffic packet flow url web request site http network")
_OF_PEOPLE: Final = (Operation.GRANT, Operation.REVOKE, Operation.LOGIN, Operation.LOGOUT)


def _things(found: Done, front: str) -> tuple[str, ...]:
    return (found.object, found.verb) if found.object and found.object != front else (found.verb,)


def somebody(value: str) -> str:
    """A name, or '' for the texts that stand where there is none."""
    text = value.strip()
    bare = text.strip("()<>[]").lower()
    if text.lower() in NOBODY or bare in NOBODY or bare in ("no user", "not applicable"):
        return ""
    return text if len(text) <= NAME_CHARS else ""


def user(ident: str) -> Actor:
    """A user by the name people use; of services and systems their kind."""
    return Actor(type=type_of_name(ident) or ActorType.USER, id=ident)


def guessed_actor(fields: dict[str, str], given: Given) -> Actor | None:
    """The actor that fields without a documented meaning name, None when none does surely."""
    found = guess(dict(fields), given).members.get("actor")
    if found is None or found.sure < SURE_OF["custom actor"]:
        return None
    actor: Actor = found.value
    return actor


SURE_OF: Final = {"custom actor": 0.8}
"""How sure a custom field must be to name the actor."""


def nobody_named(address: str, host: str, product: str) -> Actor:
    """Who acted where no user is named: an unknown peer, or the device that reports itself."""
    if address:
        return Actor(type=ActorType.ANONYMOUS, id="anonymous")
    return Actor(type=ActorType.SYSTEM, id=host or product or "system")


def outcome_said(said: tuple[str, ...], names: tuple[str, ...]) -> Outcome | None:
    """The first of `said` that is an outcome, else what the event's names say.

    The first word is of a member that asks for an outcome: there `true` is one. The others may be
    names that end in one (`REQ_BLOCKED`).
    """
    asked = said[0].strip().lower() if said else ""
    if asked in ("true", "false"):
        return Outcome.SUCCESS if asked == "true" else Outcome.FAILURE
    for word in said:
        plain = word.rpartition("/")[2].rpartition("?")[2] if len(word) <= NAME_CHARS else ""
        last = words(plain)[-1] if plain else ""
        found = outcome_of_word(plain) or outcome_of_word(last) or outcome_in_name(plain)
        if found is not None:
            return found
    for name in names:
        found = outcome_in_name(name[:256]) or (outcome_of_word(name) if name else None)
        if found is not None:
            return found
    return None


def severity_in(value: str) -> Severity | None:
    """A severity of 0 to 10, or a word (`Low`, `Very-High`)."""
    text = value.strip()
    if text.isascii() and text.isdigit() and len(text) <= 2 and int(text) <= 10:
        grave = [severity for least, severity in _GRAVE if int(text) >= least]
        return grave[0] if grave else Severity.LOW
    return severity_of(text)


def first_time(values: tuple[str, ...], zone: tzinfo, given: Given) -> Moment | None:
    """The first of `values` that is a time."""
    for value in values:
        found = read_time(value, zone, given.now_us) if value else None
        if found is not None:
            return found
    return None


def zone_named(name: str) -> tzinfo | None:
    """A zone of the IANA database, None for a name that there is not."""
    return _zone(name) if name and len(name) <= _LONGEST_ZONE else None


_LONGEST_ZONE: Final = 2 * len("America/Argentina/ComodRivadavia")


@lru_cache(maxsize=REMEMBERED)
def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


class Prefix(NamedTuple):
    """What stood before a message that came without an envelope: a syslog header, most often."""

    time: str = ""
    host: str = ""


def read_prefix(text: str) -> Prefix:
    """Time and host of a syslog header before the message, as far as there are any."""
    found = _SYSLOG.match(text)
    return Prefix(found[1], found[2] or "") if found else Prefix()
