"""Who can act: people with a role and a shift, services, API keys, AI agents.

`build` makes the roster of a profile: for each actor the JSON fragments that its events carry, made
once, and arrays to draw from. The first person is always Jane Smith of payroll.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from indelible.base.random import Seeded, seeded
from indelible.simulate.names import (
    AGENTS,
    AI_AGENTS,
    DOMAIN,
    FAMILY,
    GIVEN,
    MACHINE_AGENTS,
    SERVICES,
    SITES,
)
from indelible.simulate.profile import Profile

ROLES: Final = (
    "nurse",
    "physician",
    "lab",
    "pharmacy",
    "billing",
    "hr",
    "it",
    "office",
    "service",
    "api_key",
    "agent",
)
ROLE: Final = {name: number for number, name in enumerate(ROLES)}
_STAFF: Final = (38, 18, 9, 5, 9, 4, 5, 12)  # of a hundred people, in the order of ROLES
_SHIFTS: Final = {
    "nurse": ("day", "day", "evening", "night"),
    "physician": ("day", "day", "day", "evening", "night"),
    "lab": ("day", "evening"),
    "pharmacy": ("day", "evening"),
}
SHIFTS: Final = ("office", "day", "evening", "night", "always")
HABITS: Final = 4  # addresses an actor usually comes from
_ZIPF: Final = 1.05


class Actor:
    """One actor's fragments. `head` is open JSON: a session and a delegation may follow."""

    __slots__ = ("email", "head", "id", "ips", "name", "origin", "role", "short", "site", "type")

    def __init__(self, kind: str, ident: str, name: str, role: str, site: str) -> None:
        self.type = kind
        self.id = ident
        self.name = name
        self.role = role
        self.site = site
        self.email = f"{ident}@{DOMAIN}" if kind == "user" else ""
        self.short = f'{{"type":"{kind}","id":"{ident}","name":"{name}"}}'
        self.head = f'{{"type":"{kind}","id":"{ident}","name":"{name}"'
        self.ips: list[str] = []
        self.origin = ""


def shift_weight(shift: str, hour: int, weekend: bool) -> float:
    """How much of an actor's work falls into this hour of the day."""
    if shift == "always":
        return 0.6 if weekend else 1.0
    if shift == "office":
        busy = 8 <= hour < 18
        return (0.02 if weekend else 1.0) if busy else 0.01
    start, end = {"day": (7, 16), "evening": (14, 23), "night": (22, 32)}[shift]
    on = start <= hour < end or start <= hour + 24 < end
    return (0.7 if weekend else 1.0) if on else 0.03


def _address(rng: Seeded, inside: bool) -> str:
    if rng.random() < 1 / 12:
        parts = [rng.randrange(1, 0xFFFF) for _ in range(3)]
        return "2a02:8084:{:x}:{:x}::{:x}".format(*parts)
    if inside:
        return f"10.{rng.randrange(16, 48)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    return f"86.{rng.randrange(40, 48)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"


def _person(rng: Seeded, taken: set[str], number: int) -> Actor:
    if number == 0:
        given, family, role = "Jane", "Smith", "hr"
    else:
        given, family = rng.choice(GIVEN), rng.choice(FAMILY)
        role = rng.choices(ROLES[:8], _STAFF)[0]
    ident = f"{given[0]}{family}".lower()
    if ident in taken:
        ident = f"{ident}{len(taken)}"
    taken.add(ident)
    actor = Actor("user", ident, f"{given} {family}", role, rng.choice(SITES))
    method = rng.choice(("password+totp", "smartcard", "saml", "webauthn"))
    mfa = "true" if method != "saml" or rng.random() < 0.8 else "false"
    actor.head += f',"email":"{actor.email}","auth":{{"method":"{method}","mfa":{mfa}}}'
    actor.ips = [_address(rng, place < 3) for place in range(HABITS)]
    device = f"{role[:3]}-{rng.choice(('ws', 'lt', 'tab'))}-{rng.randrange(20_000):05d}"
    actor.origin = f'"device":"{device}","user_agent":"{rng.choice(AGENTS)}"'
    return actor


def _machine(rng: Seeded, kind: str, number: int) -> Actor:
    if kind == "service":
        base = SERVICES[number % len(SERVICES)]
        ident = base if number < len(SERVICES) else f"{base}-{number}"
        actor = Actor(
            kind, f"svc-{ident}", f"{base.replace('-', ' ')} service", kind, rng.choice(SITES)
        )
        actor.head += ',"auth":{"method":"mtls"}'
    elif kind == "agent":
        base = AI_AGENTS[number % len(AI_AGENTS)]
        ident = base if number < len(AI_AGENTS) else f"{base}-{number}"
        actor = Actor(
            kind, f"agent-{ident}", f"{base.replace('-', ' ')} (AI)", kind, rng.choice(SITES)
        )
        actor.head += ',"auth":{"method":"oauth2"}'
    else:
        ident = f"key_{rng.getrandbits(48):012x}"
        name = f"{rng.choice(SERVICES)} integration key"
        actor = Actor(kind, ident, name, kind, rng.choice(SITES))
        actor.head += ',"auth":{"method":"bearer"}'
    host = f"{rng.choice(('app', 'int', 'k8s'))}-{rng.randrange(400):03d}.{actor.site}.{DOMAIN}"
    actor.ips = [_address(rng, True) for _ in range(HABITS)]
    actor.origin = f'"host":"{host}","user_agent":"{rng.choice(MACHINE_AGENTS)}"'
    return actor


class Roster:
    """All actors of a profile and how often each acts in each hour."""

    def __init__(self, profile: Profile, seed: int) -> None:
        rng = seeded(f"roster-{profile.name}-{seed}")
        taken: set[str] = set()
        self.actors = [_person(rng, taken, number) for number in range(profile.people)]
        self.people = profile.people
        for kind, count in (
            ("service", profile.services),
            ("api_key", profile.api_keys),
            ("agent", profile.agents),
        ):
            self.actors += [_machine(rng, kind, number) for number in range(count)]
        self.roles: NDArray[np.int64] = np.array([ROLE[actor.role] for actor in self.actors])
        self.by_id = {actor.id: actor for actor in self.actors}
        shifts = [
            SHIFTS.index(rng.choice(_SHIFTS.get(actor.role, ("office",))))
            if actor.type == "user"
            else SHIFTS.index("always")
            for actor in self.actors
        ]
        self._shifts: NDArray[np.int64] = np.array(shifts)
        order = list(range(len(self.actors)))
        rng.shuffle(order)
        ranks = np.array(order, dtype=np.float64) + 1.0
        self._weights: NDArray[np.float64] = ranks**-_ZIPF
        self._cumulative: dict[tuple[int, bool], NDArray[np.float64]] = {}

    def cumulative(self, hour: int, weekend: bool) -> NDArray[np.float64]:
        """Cumulative chances of the actors in an hour of the day, ending in 1."""
        known = self._cumulative.get((hour, weekend))
        if known is None:
            duty = np.array([shift_weight(shift, hour, weekend) for shift in SHIFTS])
            known = np.cumsum(self._weights * duty[self._shifts])
            known /= known[-1]
            self._cumulative[hour, weekend] = known
        return known

    def load(self, hour: int, weekend: bool) -> float:
        """How much happens in an hour, against the others."""
        duty = np.array([shift_weight(shift, hour, weekend) for shift in SHIFTS])
        return float((self._weights * duty[self._shifts]).sum())
