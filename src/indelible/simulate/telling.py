"""How the told parts of the history (trail and intrusion) write their events."""

from __future__ import annotations

import msgspec

from indelible.base.clock import rfc3339
from indelible.base.random import seeded
from indelible.simulate.people import Actor, Roster

Json = dict[str, object]


class Teller:
    """Collects (time, line) of single events; everything random comes from its seed."""

    def __init__(self, roster: Roster, seed: str) -> None:
        self.roster = roster
        self.rng = seeded(seed)
        self.told: list[tuple[int, bytes]] = []

    def person(self, role: str, place: int = 0) -> Actor:
        """The `place`-th person of a role."""
        people = self.roster.actors[: self.roster.people]
        return [actor for actor in people if actor.role == role][place]

    def event_id(self, us: int) -> str:
        """A UUID version 7 of the time."""
        text = f"{us // 1000:012x}7{self.rng.getrandbits(12):03x}"
        text += f"{0x8000 | self.rng.getrandbits(14):04x}{self.rng.getrandbits(48):012x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def tell(
        self,
        us: int,
        action: str,
        actor: Json,
        targets: list[Json] | None = None,
        origin: Json | None = None,
        **more: object,
    ) -> None:
        """Add one event; `more` are further members of the native format."""
        event: Json = {"id": self.event_id(us), "time": rfc3339(us), "action": action}
        event["actor"] = actor
        if targets:
            event["targets"] = targets
        event["outcome"] = more.pop("outcome", "success")
        if origin:
            event["origin"] = origin
        self.told.append((us, msgspec.json.encode(event | more)))


def who(actor: Actor, session: str = "", method: str = "password+totp", mfa: bool = True) -> Json:
    """An actor as a native event names it."""
    out: Json = {"type": actor.type, "id": actor.id, "name": actor.name}
    if actor.email:
        out["email"] = actor.email
    if session:
        out["session"] = session
        out["auth"] = {"method": method, "mfa": mfa}
    return out


def where(actor: Actor, service: str, ip: str = "") -> Json:
    """The origin of one of the actor's habitual places."""
    told: Json = msgspec.json.decode("{" + actor.origin + "}", type=dict)
    return {"ip": ip or actor.ips[0]} | told | {"service": service}


def thing(kind: str, ident: str, name: str = "", parent: str = "") -> Json:
    """A target."""
    out: Json = {"type": kind, "id": ident}
    if name:
        out["name"] = name
    if parent:
        out["parent"] = parent
    return out
