"""What members of unknown records may mean by their names: what reads the tables. Pure.

Names are compared without case, `_`, `-`, `.`, `@` and camel humps. What stands under a container
that is aside (the target, the old state, the request's body) speaks of others.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from indelible.base.limits import ACTION_CHARS, REMEMBERED
from indelible.event.actions import present_of
from indelible.event.model import ActorType
from indelible.ingest.parsers import guess_tables as tables
from indelible.ingest.parsers.guess_action import words

Path = tuple[str, ...]
Stem = tuple[Path, str]


class Role(NamedTuple):
    """What a member may be: of which member of the event, how likely, and which part of it.

    `group` is what it shares with its siblings: the container's path and the stem of the name.
    """

    member: str
    weight: int
    part: str = ""
    group: Stem = ((), "")


def joined(segment: str) -> str:
    """A member's name without case and marks; of `[key=name]`, an element of a list, the name.

    A name that is longer than any honest one means nothing, and is not remembered.
    """
    return _joined(segment) if len(segment) <= ACTION_CHARS else ""


@lru_cache(maxsize=REMEMBERED)
def _joined(segment: str) -> str:
    if segment.endswith("]") and "[" in segment:
        segment = segment[segment.index("[") + 1 : -1].partition("=")[2]
    elif segment.isdigit():
        return "0"
    return "".join(words(segment)) if segment else ""


_TYPED = re.compile(r"(?<=[a-z0-9])_[sdtgb]$")
"""What Azure's Log Analytics puts behind the name of a member: the kind of its value."""


@lru_cache(maxsize=REMEMBERED)
def roles(path: Path) -> tuple[Role, ...]:
    """Everything a member at `path` may be by its name, and by what it stands in."""
    path = tuple([_TYPED.sub("", segment) for segment in path])
    names = [joined(segment) for segment in path]
    if path[-1].isdigit() or (len(path) > 1 and path[-2].endswith("]")):
        names.pop()  # an element is what its list is, a pair's value what the pair's name says
    if not names:
        return ()
    leaf, holders = names[-1], [name for name in names[:-1] if name != "0"]
    lost = _lost(holders)
    found: list[Role] = []
    told = [name for name in holders if name in tables.ASIDE]
    if "agent" in told and not tables.TAKES_PART.isdisjoint((*holders, leaf)):
        told.remove("agent")
    told += [one for one in path[:-1] if not tables.OTHER_STATE.isdisjoint(words(one))]
    if told and all(name in tables.PARAMETERS for name in told):
        found.append(Role("asked_ip", _ip_weight(path, leaf, "", []) - lost))
    if told and all(name in tables.CARRIERS for name in told):
        found += [role._replace(weight=role.weight - 30)
                  for role in _actor(path, names, leaf, lost) if role.weight >= 70]
        found.append(Role("ip", _ip_weight(path, leaf, "", []) - 30 - lost))
        found.append(Role("time", _time_weight(path, leaf, "") - 30 - lost))
        found.append(Role("action", _action_weight(leaf, "", True) - 30 - lost))
    if told and all(name in tables.AT_HAND for name in told):
        found.append(Role("ip", min(_ip_weight(path, leaf, "", []), 60) - lost))
    if told and len(holders) <= 2 and leaf in ("action", "operation", "verb", "event"):
        found.append(Role("action", tables.WEAK_ACTION - lost))
    if not told:
        found += _plain(path, leaf, holders, lost)
        found += _actor(path, names, leaf, lost)
    found += _outcome(leaf, holders, lost)
    found += _target(path, names, leaf, holders, lost)
    return tuple(found)


def kind_of_stem(stem: str) -> ActorType | None:
    """The kind of principal that a stem names by itself: a service, an API key."""
    if stem in tables.SERVICES:
        return ActorType.SERVICE
    return ActorType.API_KEY if stem in tables.KEYS else None


def _lost(holders: list[str]) -> int:
    """What a member loses of its weight by standing inside of containers."""
    lost = 0
    for name in holders:
        lost += 12 if name in tables.DETAILS else 2 if name in tables.WRAPPERS else 6
    return max(lost - 6, 0) if holders and holders[-1] in tables.AUTHENTICATED else lost


def tells_of_the_event(path: Path) -> bool:
    """Whether a name says by itself that it is the time of what is told, wherever it stands."""
    return _time_weight(path, joined(path[-1]), "") >= tables.TIMES["requesttime"]


def _plain(path: Path, leaf: str, holders: list[str], lost: int) -> list[Role]:
    near = holders[-1] if holders else ""
    apart = any(name not in tables.WRAPPERS for name in holders)
    found = [
        Role("time", _time_weight(path, leaf, near) - lost),
        Role("ip", _ip_weight(path, leaf, near, holders) - lost),
        Role("action", _action_weight(leaf, near, apart) - lost),
        Role("message", (0 if apart else tables.MESSAGES.get(leaf, 0)) - lost),
    ]
    for member, weights in tables.PLAIN.items():
        found.append(Role(member, _plain_weight(member, weights, leaf, near, apart) - lost))
    if near == "events" and "://" in path[-1]:
        found.append(Role("action", tables.ACTIONS["eventtype"] - lost))  # RFC 8417, section 2
    return [role for role in found if role.weight > 20]


def _plain_weight(
    member: str, weights: dict[str, int], leaf: str, near: str, apart: bool
) -> int:
    if leaf in weights and not (apart and leaf in tables.WHOLE):
        return weights[leaf]
    if near and near + leaf in weights:
        return weights[near + leaf]
    if member == "agent":
        raw = near in weights and leaf in ("original", "raw", "value", "string", "label", "name")
        return 90 if leaf.endswith("useragent") or raw else 0
    return 80 if member in ("host", "service") and near == member and leaf == "name" else 0


def _time_weight(path: Path, leaf: str, near: str) -> int:
    if any(not tables.NO_TIME_HOLDERS.isdisjoint(words(holder)) for holder in path[:-1]):
        return 0
    weight = tables.TIMES.get(leaf, 0)
    if near in tables.ACTORS and weight <= tables.TIMES["createdat"]:
        return 0  # when somebody was made or changed
    for end in tables.TIME_UNITS:
        if not weight and leaf.endswith(end) and (plain := tables.TIMES.get(leaf[: -len(end)], 0)):
            weight = plain + (1 if end in ("utc", "gmt") else 0)
    if weight:
        return weight
    inner = leaf in tables.TIME_LEAVES
    if inner and near in tables.TIMES:
        return tables.TIMES[near] - 2
    said = words(path[-1])
    known = said[-1] in tables.TIME_ENDS or (len(said) > 1 and said[0] in tables.TIME_FRONTS)
    if not known or not tables.NO_TIME.isdisjoint(said):
        return 0
    return min([tables.LESS_TIME[word] for word in said if word in tables.LESS_TIME], default=62)


def _ip_weight(path: Path, leaf: str, near: str, holders: list[str]) -> int:
    if tables.IPS.get(leaf, 0) < tables.ONE_WHO_ASKS and any(
        not tables.NO_IP_HOLDERS.isdisjoint(words(holder)) for holder in path[:-1]
    ):
        return 0  # `proxy.address`; but `proxy.client_ip` says whose it is
    plain = next((near.removesuffix(end) for end in tables.TOLD_ENDS if near.endswith(end)), near)
    if leaf in tables.IP_LEAVES and not tables.IP_HOLDERS.isdisjoint((near, plain)):
        return 97
    if leaf in tables.IP_LEAVES and near == "host" and any(
        one in tables.IP_HOLDERS or one in tables.ACTORS for one in holders
    ):
        return 90  # the machine of who acted: CADF's `initiator.host.address`
    if leaf in tables.IPS:
        return tables.IPS[leaf]
    said = words(path[-1])
    whose = said[:-1] or [near]
    if said[-1] in tables.HOST_WORDS and tables.IP_OF.issuperset(whose):
        return 78  # `client_host`, `client.host`, where an address stands
    others = tables.NO_IP.intersection(said)
    if others and not (others == {"host"} and not tables.IP_OF.isdisjoint(said)):
        return 0
    if not (tables.IP_WORDS.isdisjoint(said) or tables.IP_OF.isdisjoint(said)):
        return 80
    if len(said) > 1 and (tables.IP_OF.issuperset(said) or said[-1] == "from"):
        return 60  # `userOrigin`, `loggedFrom`
    ends = said[-1] in ("ip", "ips", "ipv4", "ipv6")
    if ends or said[-2:] in (["ip", "address"], ["ip", "addr"]):
        return 70
    return 66 if leaf.endswith(("ipaddress", "ipaddr")) else 0


def _action_weight(leaf: str, near: str, apart: bool) -> int:
    if near in tables.ACTION_HOLDERS and leaf in tables.ACTION_LEAVES:
        return tables.ACTION_LEAVES[leaf]
    weight = tables.ACTIONS.get(leaf, 0)
    for end, less in tables.ACTION_ENDS.items():
        if not weight and leaf.endswith(end):
            weight = less
    return 0 if apart and weight <= tables.WEAK_ACTION else weight


def _outcome(leaf: str, holders: list[str], lost: int) -> list[Role]:
    if any(name in tables.ASIDE and name not in ("response", "output") for name in holders):
        return []
    weight = tables.OUTCOMES.get(leaf, 0)
    near = holders[-1] if holders else ""
    if leaf == "message":
        weight = tables.OUTCOMES["errormessage"] if near in ("error", "status") else 0
    elif near == "error" and leaf in ("code", "name", "type"):
        weight = tables.OUTCOMES["errorcode"]
    elif near == "response" and leaf == "code":
        weight = tables.OUTCOMES["responsecode"]
    elif near in tables.OUTCOMES and leaf in ("code", "status", "value", "name", "result", "type",
                                              "outcome", "text"):
        weight = max(weight, tables.OUTCOMES[near] - 3)
    part = "errormessage" if leaf == "message" else leaf
    return [Role("outcome", weight - lost, part)] if weight - lost > 20 else []


def _actor(path: Path, names: list[str], leaf: str, lost: int) -> list[Role]:
    """Roles of one who acted or stands behind: alone, by its name, or in a container of theirs."""
    for member, stems in (("behind", tables.OTHERS), ("actor", tables.ACTORS)):
        held = _in_container(path, names, leaf, stems)
        if held is not None:
            return [Role(member, *held)]
        stem, part = _stem_of(leaf, stems)
        if stem:
            return [Role(member, _weight(stem, stems) - lost, part, (path[:-1], stem))]
    stem, part = _qualified(words(path[-1]))
    if stem:
        return [Role("actor", 62 - lost, part, (path[:-1], stem))]
    if leaf in ("email", "emailaddress", "useremail", "login", "upn", "userprincipalname"):
        return [Role("actor", 62 - lost, tables.PERSON[leaf], (path[:-1], "email"))]
    return []


def _in_container(
    path: Path, names: list[str], leaf: str, stems: dict[str, int]
) -> tuple[int, str, Stem] | None:
    """A leaf that tells of a person, under the outermost container that names one."""
    last = len(names) - 1
    for at in range(last):
        if _weight(names[at], stems):
            between = names[at + 1 : last]
            part = _part_of(leaf)
            known = all(name in tables.BETWEEN or _weight(name, stems) or name in tables.WRAPPERS
                        for name in between)
            if not part or not (known or (len(between) == 1 and part in ("email", "login"))):
                return None
            outside = _lost([name for name in names[:at] if name != "0"])
            inside = sum(1 for name in between if name != "0")
            best = max(_weight(name, stems) for name in names[at:last])
            if between and between[-1] in tables.SERVICES:  # beside a person in it, perhaps
                return best - inside - outside - 10, part, (path[:last], between[-1])
            return best - inside - outside, part, (path[: at + 1], names[at])
    return None


def _weight(name: str, stems: dict[str, int]) -> int:
    """How surely a name is one of `stems`, 0 when it is none.

    `actor_details` is `actor`; who did what a verb tells (`approved_by`) did it.
    """
    for end in ("", *tables.TOLD_ENDS):
        if name.endswith(end) and (weight := stems.get(name[: len(name) - len(end)], 0)):
            return weight
    for front in tables.TOLD_FRONTS:
        if name.startswith(front) and (weight := stems.get(name[len(front) :], 0)):
            return weight
    if stems is not tables.ACTORS:
        return 0
    for end in ("", *tables.BY_ENDS):
        deed = name.removesuffix(end)
        if deed.endswith("edby") and present_of(deed[:-2]):
            return tables.DONE_BY
    return 0


def _part_of(leaf: str) -> str:
    """What a leaf tells of the person in whose container it stands."""
    part = tables.PERSON.get(leaf, "")
    if not part:
        stem, part = _stem_of(leaf, tables.ACTORS)
        if stem and _weight(stem, tables.ACTORS) < tables.ACTORS["user"]:
            part = ""  # `client` of an actor is a program
    for end in ("email", "emailaddress", "username", "login"):
        if not part and leaf.endswith(end):
            part = tables.PERSON[end]
    return part


def _stem_of(leaf: str, stems: dict[str, int]) -> tuple[str, str]:
    """`actor_email` is the e-mail of `actor`; `actor` alone is the actor itself."""
    if leaf == "username":
        return ("user", "login") if "user" in stems else ("", "")
    if _weight(leaf, stems):
        return leaf, "self"
    for cut in range(len(leaf) - 1, 1, -1):
        part = tables.PERSON.get(leaf[cut:], "")
        if part and _weight(leaf[:cut], stems):
            return leaf[:cut], part
    return "", ""


_USERS = {"username": "login", "userdn": "login", "userid": "id", "useremail": "email"}


def _qualified(said: list[str]) -> tuple[str, str]:
    """`rbac_user_name` names a user who may have acted; `new_user` is somebody else."""
    part = "self"
    joint = _USERS.get(said[-1], "")
    if joint:
        said, part = [*said[:-1], "user"], joint
    elif len(said) > 1 and said[-1] in tables.PERSON and said[-1] not in tables.ACTORS:
        said, part = said[:-1], tables.PERSON[said[-1]]
        part = "login" if part == "name" and said[-1] == "user" else part
    known = len(said) > 1 and said[-1] in tables.SOMEBODY
    return ("".join(said), part) if known and tables.OTHER_PEOPLE.isdisjoint(said) else ("", "")


def _target(
    path: Path, names: list[str], leaf: str, holders: list[str], lost: int
) -> list[Role]:
    """Roles of what was touched: in a container of its own, by a stem, by the id of a noun."""
    last = len(names) - 1
    for at in range(last):
        if names[at] in tables.TARGETS and names[at] not in tables.ACTORS:
            part = tables.TARGET_PARTS.get(leaf, "")
            if not part or last - at > 3:
                return []
            end = at + 2 if at + 1 < len(path) and path[at + 1].isdigit() else at + 1
            weight = tables.TARGETS[names[at]] - _lost([n for n in names[:at] if n != "0"])
            return [Role("target", weight, part, (path[:end], names[at]))]
    if lost > 14 or any(name in tables.ASIDE for name in holders):
        return []
    for cut in range(len(leaf), 2, -1):
        stem, rest = leaf[:cut], leaf[cut:]
        part = tables.TARGET_PARTS.get(rest, "") if rest else "self"
        if stem in tables.TARGETS and part:
            weight = tables.TARGETS[stem]
            less = 0 if weight == tables.NAMED_BY_ACTION else lost
            return [Role("target", weight - less, part, (path[:-1], stem))]
    said = words(path[-1])
    noun = said[:-1]
    if noun and said[-1] in ("id", "uuid", "guid") and tables.NO_THING.isdisjoint(noun):
        return [Role("target", tables.NAMED_BY_ACTION, "id", (path[:-1], "_".join(noun)))]
    return []
