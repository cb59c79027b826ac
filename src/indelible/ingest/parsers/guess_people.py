"""Who acted, and what was touched, from members that belong together. Pure.

Members are grouped by the container they stand in, or by the stem of their names (`actor_id`,
`actor_email`); the best group whose values can be somebody is the one who acted. Ids are the names
people use where there are any: e-mail, login, then the vendor's own id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import UNSET

from indelible.base.limits import NAME_CHARS, REMEMBERED
from indelible.event.model import Actor, ActorType, Auth, Target
from indelible.ingest.parsers.guess_names import Path, Role, joined, kind_of_stem
from indelible.ingest.parsers.guess_tables import GENERIC
from indelible.ingest.parsers.guess_told import NOBODY, type_of_name, type_of_word
from indelible.ingest.parsers.pick import ip, or_unset, part

_EMAIL = re.compile(r"[^\s@<>\"']{1,64}@[^\s@<>\"']{1,255}")
_UUID = re.compile(r"\{?[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\}?")
_SENTENCE = re.compile(r"\S+(?:\s+\S+){6,}")
_NOT_SOMEBODY = re.compile(
    r"(?:https?|ldaps?)://|hmac-|sha\d+:|\$\d\w?\$|\S+\.[a-z]\w{0,4}:\d{1,6}(?!\w)", re.I | re.ASCII
)
"""Addresses of pages, hashes of secrets, and places in a program's text (`site.go:132`)."""
_AT_ADDRESS = re.compile(r"([^\s/@(]{1,64})(?:[/@]| ?\()([0-9A-Fa-f.:]{2,45})\)?")
_CALLED = ("email", "login", "self", "id", "name")
_QUALITY = {"email": 12, "login": 10, "self": 8, "name": 4, "id": 1}
"""What a group gains by the best name it has."""


class Found(NamedTuple):
    """One member that may belong to a group."""

    role: Role
    path: Path
    value: Any


class Group(NamedTuple):
    """Members that tell of one person or thing: the best value of each part, and how likely."""

    weight: float
    stem: str
    parts: dict[str, Found]

    def value(self, *names: str) -> str:
        """The first of these parts that there is."""
        for name in names:
            if name in self.parts:
                return str(self.parts[name].value)
        return ""

    def paths(self) -> list[Path]:
        """Where its members stand."""
        return [found.path for found in self.parts.values()]


def groups_of(members: Iterable[Found], persons: bool) -> list[Group]:
    """The groups that have a name or an id, the likeliest first."""
    together: dict[tuple[Path, str], dict[str, Found]] = {}
    for found in members:
        role, value = found.role, found.value
        if persons and type(value) is str and (name := name_and_address(value)[0]):
            value = name
            found = found._replace(value=name)
        part = _part(role.part, str(value), type(value) is int, persons)
        if not part or type(value) in (bool, float):
            continue
        if part != role.part:
            known = Role(role.member, role.weight, part, role.group)
            found = Found(known, found.path, value)
        parts = together.setdefault(role.group, {})
        if part not in parts:  # they come with the likeliest first
            parts[part] = found
    groups = []
    for (_, stem), parts in together.items():
        gained = max([_QUALITY.get(name, 0) for name in parts])
        if gained:
            weight = max([found.role.weight for found in parts.values()])
            groups.append(Group(weight + gained, stem, parts))
    groups.sort(key=lambda group: -group.weight)
    return groups


@lru_cache(maxsize=REMEMBERED)
def _part(part: str, text: str, number: bool, person: bool) -> str:
    """Which part a value has the shape of, whatever its name says; '' when it is nobody."""
    if text.strip().lower() in NOBODY:
        return ""
    if not person or part in ("type", "session", "parent", "given", "family"):
        return part
    if _EMAIL.fullmatch(text):
        return "email"
    if number or (part != "id" and _UUID.fullmatch(text)):
        return "id"
    if _SENTENCE.fullmatch(text) or _NOT_SOMEBODY.match(text) or ip(text):
        return ""
    return "login" if part == "email" else part


@lru_cache(maxsize=REMEMBERED)
def name_and_address(value: str) -> tuple[str, str]:
    """Somebody's name and the address written behind it (`ann/10.0.0.5`, `root@10.0.0.5`), else
    ('', '')."""
    found = _AT_ADDRESS.fullmatch(value) if len(value) <= NAME_CHARS else None
    address = ip(found[2]) if found else ""
    return (found[1], address) if found and address else ("", "")


def called_by(parts: Mapping[str, Found]) -> str:
    """The part by which people call somebody, '' where there is none.

    A number serves only where there is no name.
    """
    found = next((one for one in _CALLED if one in parts), "")
    if found and "name" in parts and str(parts[found].value).isdecimal():
        return "name"
    return found


def actor_of(group: Group) -> Actor | None:
    """The actor that a group tells, None when its name is none."""
    email, name = group.value("email"), group.value("name")
    if not name and "given" in group.parts:
        name = f"{group.value('given')} {group.value('family')}".strip()
    chosen = called_by(group.parts)
    ident = group.value(chosen) or name
    if not ident:
        return None
    said = group.value("type")
    kind = type_of_name(ident) or type_of_word(said) or kind_of_stem(group.stem) or ActorType.USER
    return Actor(
        type=kind,
        id=ident,
        name=name if name and name != ident else UNSET,
        email=or_unset(email),
        session=or_unset(group.value("session")),
    )


def authenticated(actor: Actor, mfa: bool | None, method: str) -> Auth | None:
    """How the actor proved who they are, where the record tells; None where it does not."""
    if mfa is None and not method:
        return None
    return Auth(mfa=UNSET if mfa is None else mfa, method=or_unset(method))


def target_of(group: Group, thing: str) -> Target | None:
    """The target that a group tells; `thing` names its type where the group does not."""
    said = group.value("type")
    if said.isdigit() or len(said) > len("arn:aws:iam::aws:policy/AdministratorAccess"):
        said = ""
    kind = part(said) if said else _stem_type(group.stem, thing)
    if kind == "resource" and _EMAIL.fullmatch(group.value("self", "email")):
        kind = "user"
    person = kind in ("user", "member", "admin", "account", "employee") or kind.endswith("_user")
    names = ("email", "login", "id", "self", "name") if person else ("id", "self", "name", "email",
                                                                    "login")
    ident = group.value(*names)
    if not ident:
        return None
    name = group.value("name", "email", "login")
    return Target(
        type=kind, id=ident, name=name if name and name != ident else UNSET,
        parent=or_unset(group.value("parent")),
    )


def _stem_type(stem: str, thing: str) -> str:
    plain = joined(stem)
    if plain in GENERIC:
        return thing or ("resource" if plain not in ("item", "object", "entity") else plain)
    for front in ("target", "affected"):
        if plain.startswith(front):
            plain = plain[len(front):]
            return part(plain) if plain else thing or "resource"
    return part(stem)
