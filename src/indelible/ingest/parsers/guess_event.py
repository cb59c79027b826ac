"""The event that guesses make, or the refusal where they do not tell who did what. Pure.

Everything taken so is named in `Understood.guessed`: the event is flagged, and an investigator sees
what was inferred.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET
from msgspec.structs import replace

from indelible.event.model import Actor, Event, Outcome, Reason
from indelible.ingest.parsers.contract import Given, NotUnderstood, Parser, Record, Understood
from indelible.ingest.parsers.guess import Guesses, guess
from indelible.ingest.parsers.guess_candidates import Guess
from indelible.ingest.parsers.guess_changes import changes_in
from indelible.ingest.parsers.guess_people import Group, authenticated
from indelible.ingest.parsers.guess_time import Moment
from indelible.ingest.parsers.guess_told import outcome_in_name, severity_of
from indelible.ingest.parsers.pick import flat, origin, targets

SURE: Final = {"who": 0.5, "what": 0.4, "who alone": 0.85, "who and how": 0.8}
"""How sure it must be of actor and action; of the actor where nothing says what was done, or only
how it ended."""


def understood(record: Record, given: Given, parser: Parser) -> Understood:
    """The event that a record's guesses make; raises `NotUnderstood` without who and what."""
    found = guess(record, given)
    members = found.members
    lacks = _lacks(members)
    if lacks:
        raise _refusal(found, lacks, given, parser)
    actor = _whole_actor(members)
    name = str(members["action"].value) if "action" in members else ""
    outcome, why = _ended(members, name)
    moment = members.get("time")
    when: Moment | None = moment.value if moment else None
    severity = severity_of(members["severity"].value) if "severity" in members else None
    changes = changes_in(record)
    event = Event(
        action=members["what"].value,
        actor=actor,
        targets=targets(found.targets),
        time=when.time if when else UNSET,
        outcome=outcome or UNSET,
        reason=why,
        origin=origin(**{
            name: str(members[member].value) for name, member in _ORIGINS.items()
            if member in members
        }),
        changes=changes or UNSET,
        id=str(members["id"].value) if "id" in members else UNSET,
        severity=severity or UNSET,
    )
    taken = [_NAMED[name] for name in members if name in _NAMED and name != "action"]
    data = flat({
        "vendor_action": name, "actor_id": _opaque(members), "message": found.message,
    })
    flags = ("time_assumed",) if when and when.assumed else ()
    more = ["targets"] * bool(found.targets) + ["changes"] * bool(changes)
    return Understood(event, data, flags, ("action", *taken, *more))


_ORIGINS: Final = {
    "ip": "ip", "host": "host", "device": "device", "user_agent": "agent",
    "request_id": "request", "trace_id": "trace",
}
_NAMED: Final = {
    "action": "action", "actor": "actor", "time": "time", "outcome": "outcome", "ip": "origin.ip",
    "host": "origin.host", "device": "origin.device", "agent": "origin.user_agent",
    "request": "origin.request_id", "trace": "origin.trace_id", "id": "id",
    "severity": "severity", "behind": "actor.on_behalf_of", "session": "actor.session",
}


def _lacks(members: dict[str, Guess]) -> str:
    """What is not sure enough to make an event, '' when nothing is."""
    who, what = members.get("actor"), members.get("action")
    if who is None or who.sure < SURE["who"]:
        return "who acted"
    if what is not None and what.sure >= SURE["what"]:
        return ""
    enough = SURE["who and how" if "outcome" in members else "who alone"]
    return "" if who.sure >= enough and "time" in members else "what was done"


def _refusal(found: Guesses, lacks: str, given: Given, parser: Parser) -> NotUnderstood:
    """Why there is no event; what was guessed, with time and address, is kept all the same."""
    no = NotUnderstood("low_confidence", f"no member says surely {lacks}", _told(found))
    if "ip" in found.members:
        flags = given.flags if given.time is not UNSET else ()
        given = replace(given, ip=found.members["ip"].value, flags=(*flags, "guessed"))
    when: Moment | None = found.members["time"].value if "time" in found.members else None
    if when is not None:
        flags = ("time_assumed", "guessed") if when.assumed else ("guessed",)
        given = replace(given, time=when.time, flags=flags)
    no.known = parser, given
    return no


def _told(found: Guesses) -> dict[str, object]:
    """The guesses of a record that is not understood, for those who write a mapping."""
    shown: dict[str, object] = {}
    for member, one in found.members.items():
        if member in _NAMED:
            value = one.value
            if isinstance(value, Moment):
                value = value.time.isoformat()
            shown[member] = value.id if isinstance(value, Actor) else value
    return {"guesses": shown} if shown else {}


def _whole_actor(members: dict[str, Guess]) -> Actor:
    """The actor with session, proof of identity, and whoever stands behind."""
    actor: Actor = members["actor"].value
    if actor.session is UNSET and "session" in members:
        actor = replace(actor, session=str(members["session"].value))
    mfa = members["mfa"].value if "mfa" in members else None
    method = str(members["method"].value) if "method" in members else ""
    auth = authenticated(actor, mfa, method)
    if auth is not None:
        actor = replace(actor, auth=auth)
    if "behind" in members:
        actor = replace(actor, on_behalf_of=[members["behind"].value])
    return actor


def _opaque(members: dict[str, Guess]) -> str:
    """The vendor's own id of the actor, where a name serves as id."""
    group: Group | None = members["actor_group"].value if "actor_group" in members else None
    ident = group.value("id") if group else ""
    return "" if ident == members["actor"].value.id else ident


def _ended(members: dict[str, Guess], name: str) -> tuple[Outcome | None, Any]:
    """How it ended; a name that says it failed (`UserLoginFailed`) outweighs a status."""
    named = outcome_in_name(name)
    told = members["outcome"].value if "outcome" in members else None
    if named is not None and (told is None or named is not Outcome.SUCCESS):
        told = named if told is not Outcome.DENIED else told
        members.setdefault("outcome", Guess(named, members["action"].paths, SURE["who alone"]))
    why: Any = members["why"].value if "why" in members else UNSET
    if told is Outcome.SUCCESS or not isinstance(why, Reason):
        why = UNSET
    return told, why
