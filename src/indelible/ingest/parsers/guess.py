"""An event from a record whose format nobody listed, by names and shapes of values. Pure.

`guess` says what each member of the event may be taken from, and how sure that is;
`guess_event.understood` makes the event of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from indelible.base.limits import NAME_CHARS
from indelible.event.actions import operation_of, present_of
from indelible.event.model import Actor, ActorType, Operation, Target
from indelible.ingest.parsers import guess_tables as tables
from indelible.ingest.parsers.contract import Given, Record
from indelible.ingest.parsers.guess_action import Done, done, has_verb, in_text
from indelible.ingest.parsers.guess_candidates import SHAPES, Candidates, Guess, plan_of
from indelible.ingest.parsers.guess_leaves import leaves_of
from indelible.ingest.parsers.guess_names import Path, joined
from indelible.ingest.parsers.guess_people import (
    Found,
    Group,
    actor_of,
    groups_of,
    target_of,
)
from indelible.ingest.parsers.guess_told import outcome_of, severity_of, type_of_name
from indelible.ingest.parsers.guess_when_where import address_in, time_in
from indelible.ingest.parsers.pick import action, ip, reason

_TOKEN = re.compile(r"[^\s@]{1,80}|[^\s@]{1,40}(?:\s[^\s@]{1,40}){1,7}\.?")
_NO_ACTION = re.compile(
    r"[\d.\s:+-]+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[0-9a-fA-F]{24,}|https?://.*|\d{4}-\d\d-\d\d.*"
)
_TOLD = re.compile(
    r"\b(by +)?(?:the +)?(?:(?:user|account|login|operator|admin(?:istrator)?)(?:name)?[ :=]+)?"
    r"(?<=[ :=])['\"]([^\s'\"]{1,80})['\"]", re.I
)
_PLAIN: Final = ("agent", "session", "request", "trace", "host", "device", "severity", "method")
_METHODS: Final = tables.named("GET HEAD POST PUT PATCH DELETE OPTIONS")
_LONG_ID: Final = len("507f191e810c19729de860ea")  # of an id that is told from a counter


class Guesses(NamedTuple):
    """What was found, by member of the event, and the texts that were read as JSON."""

    members: dict[str, Guess]
    targets: list[Target]
    texts: list[Path]
    message: str = ""


def guess(record: Record, given: Given) -> Guesses:
    """What the members of a record may mean."""
    leaves = leaves_of(record)
    planned = plan_of if len(leaves.paths) <= SHAPES else plan_of.__wrapped__
    found = Candidates(planned(leaves.paths), leaves)
    members: dict[str, Guess] = {}
    what = _action(found, members)
    groups = _who_did(what, groups_of(found.get("actor"), persons=True))
    actor = _first_actor(groups, members)
    if actor is None:
        _told_actor(found, what, members)
    time_in(found, given, members)
    address_in(found, what, members)
    _outcome(found, members)
    for member in _PLAIN:
        if member in found.plan:
            _plain(member, found, members)
    _identity(found, members)
    _mfa(found, members)
    _behind(found, members)
    touched = _targets(found, groups, actor, what, members)
    told = next((str(one.value) for one in found.get("message")
                 if isinstance(one.value, str) and one.value), "")
    return Guesses(members, touched, leaves.texts, told)


def _who_did(what: Done, groups: list[Group]) -> list[Group]:
    """Groups of people, the likeliest first: who approved is not who acted, unless the act is an
    approval."""
    weighed = []
    for group in groups:
        deed = group.stem.removesuffix("by")
        told = tables.ACTORS.get(group.stem, tables.DONE_BY) <= tables.DONE_BY
        other = deed != group.stem and told and deed not in tables.RECORDED_BY and (
            present_of(deed) not in ("", what.verb)
        )
        weighed.append(group._replace(weight=group.weight - tables.OTHER_DEED * other))
    return sorted(weighed, key=lambda group: -group.weight)


def _first_actor(groups: list[Group], members: dict[str, Guess]) -> Group | None:
    for group in groups:
        actor = actor_of(group)
        if actor is not None:
            sure = min(group.weight, 100) / 100
            members["actor"] = Guess(actor, tuple(group.paths()), sure)
            members["actor_group"] = Guess(group, (), sure)
            return group
    return None


def _told_actor(found: Candidates, what: Done, members: dict[str, Guess]) -> None:
    """Who a sentence says acted: whose name stands in quotes behind `by`, or of a sign-in behind
    `user`."""
    signs_in = operation_of(what.verb) is Operation.LOGIN
    for one in found.get("message"):
        told = _TOLD.search(one.value) if isinstance(one.value, str) else None
        if told is not None and (told[1] or signs_in):
            who = Actor(type=type_of_name(told[2]) or ActorType.USER, id=told[2])
            members["actor"] = Guess(who, (one.path,), one.role.weight / 100)
            return


def _behind(found: Candidates, members: dict[str, Guess]) -> None:
    """Who stands behind the one who acted, where a member names somebody else."""
    if "behind" not in found.plan:
        return
    for group in groups_of(found.get("behind"), persons=True):
        actor = actor_of(group)
        who = members.get("actor")
        if actor is not None and (who is None or who.value.id != actor.id):
            members["behind"] = Guess(actor, tuple(group.paths()), min(group.weight, 100) / 100)
            return


def _action(found: Candidates, members: dict[str, Guess]) -> Done:
    """What was done: the likeliest name, else the verb of a sentence."""
    best: tuple[float, Found] | None = None
    for one in found.get("action"):
        score = _action_score(one)
        if score > 0 and (best is None or score > best[0]):
            best = (score, one)
    if best is None or best[0] < 62:
        for one in found.get("message"):
            verb = _spoken(one.value) if isinstance(one.value, str) else None
            if verb is not None and (best is None or best[0] < one.role.weight):
                members["action"] = Guess(one.value, (one.path,), one.role.weight / 100)
                members["verb"] = Guess(verb, (), 1)
                return verb
    if best is None:
        _numbered(found, members)
        return Done("", "")
    score, one = best
    verb = done(str(one.value))
    members["action"] = Guess(one.value, (one.path,), min(score, 100) / 100)
    members["verb"] = Guess(verb, (), 1)
    return verb


def _numbered(found: Candidates, members: dict[str, Guess]) -> None:
    """What was done as a vendor's number, under a name that means nothing else."""
    for one in found.get("action"):
        number = type(one.value) is int or (type(one.value) is str and one.value.isdecimal())
        if number and one.role.weight >= tables.ACTIONS["eventtype"]:
            members["action"] = Guess(one.value, (one.path,), one.role.weight / 100)
            return


def _spoken(text: str) -> Done | None:
    """What a sentence says was done; a few words are a name (`role granted`)."""
    if text.count(" ") < 4 and _TOKEN.fullmatch(text) and has_verb(text):
        return done(text)
    return in_text(text)


def _action_score(one: Found) -> float:
    """The weight of a name, by what stands there."""
    value = one.value
    if not isinstance(value, str) or not value.strip() or _NO_ACTION.fullmatch(value):
        return 0
    score = float(one.role.weight)
    if joined(value) in tables.NO_ACTION:
        return 0
    if value in _METHODS and joined(one.path[-1]) in ("method", "requestmethod", "verb", "action"):
        return score
    if not _TOKEN.fullmatch(value):
        return 0
    if has_verb(value):
        score += 10
    if " " in value:
        score -= 4 * value.count(" ")
    return score


def _outcome(found: Candidates, members: dict[str, Guess]) -> None:
    code = why = ""
    for one in found.get("outcome"):
        leaf = one.role.part
        ended = outcome_of(leaf, one.value)
        if ended is not None and "outcome" not in members:
            members["outcome"] = Guess(ended, (one.path,), min(one.role.weight, 100) / 100)
        text = str(one.value) if not isinstance(one.value, bool) else ""
        if leaf.endswith(("message", "reason", "msg", "description")) or " " in text:
            why = why or text
        elif "code" in leaf or leaf in ("error", "errorname", "errortype"):
            code = code or text
    if code or why:
        members["why"] = Guess(reason(code, why), (), 1)


def _plain(member: str, found: Candidates, members: dict[str, Guess]) -> None:
    for one in found.get(member):
        value = one.value
        usable = isinstance(value, str) or (type(value) is int and member != "severity")
        if not usable or not str(value).strip() or len(str(value)) > NAME_CHARS:
            continue
        if member == "severity" and severity_of(value) is None:
            continue
        if member == "host" and ip(str(value)):
            continue
        members[member] = Guess(value, (one.path,), one.role.weight / 100)
        return


def _identity(found: Candidates, members: dict[str, Guess]) -> None:
    """The message's own id, only where it is no counter and no id of something else."""
    for one in found.get("id"):
        value = one.value
        if isinstance(value, str) and _LONG_ID <= len(value) <= NAME_CHARS and " " not in value:
            members["id"] = Guess(value, (one.path,), one.role.weight / 100)
            return


def _mfa(found: Candidates, members: dict[str, Guess]) -> None:
    for one in found.get("mfa"):
        said = one.value if isinstance(one.value, bool) else {
            "true": True, "yes": True, "false": False, "no": False,
        }.get(str(one.value).lower())
        if said is not None:
            members["mfa"] = Guess(said, (one.path,), one.role.weight / 100)
            return


def _targets(
    found: Candidates, people: Iterable[Group], actor: Group | None, what: Done,
    members: dict[str, Guess],
) -> list[Target]:
    """What was touched, likeliest first, and the action that names its kind."""
    own = {str(part.value) for part in actor.parts.values()} if actor else set()
    touched: list[Target] = []
    told: list[Group] = []
    groups = groups_of(found.get("target"), persons=False)
    stems = {group.stem for group in groups}
    for group in groups:
        weak = all(part.role.weight <= tables.NAMED_BY_ACTION for part in group.parts.values())
        if weak and not _spoken_of(group.stem, what):
            continue
        one = target_of(group, "" if what.object in stems else what.object)
        if one is not None and not (weak and one.id in own):
            touched.append(one)
            told.append(group)
    service = _service(found, str(members["action"].value) if "action" in members else "")
    thing = what.object or (touched[0].type if touched else "")
    parts = [one for one in (service, thing) if one] or ["event"]
    members["what"] = Guess(action(*parts, what.verb or "occur"), (), 1)
    members["target_groups"] = Guess(told, (), 1)
    return touched[:4]  # more would be everything that has an id


def _spoken_of(stem: str, what: Done) -> bool:
    """Whether the action's object is what a stem names: `ruleset` of `repository_ruleset`."""
    plain, spoken = joined(stem), what.object.replace("_", "")
    return bool(plain and spoken) and (spoken.endswith(plain) or plain.endswith(spoken))


def _service(found: Candidates, name: str) -> str:
    """The name of the application, when it is one and not what was done."""
    for one in found.get("service"):
        value = one.value
        short = isinstance(value, str) and 1 < len(value) <= 40 and value.count(" ") <= 2
        if short and value != name and not ip(value) and "/" not in value:
            return str(value).removesuffix(".amazonaws.com").removesuffix(".googleapis.com")
    return ""
