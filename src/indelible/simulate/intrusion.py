"""An intruder's afternoon, ending now: what an investigator is meant to find.

Passwords are sprayed over many accounts from two foreign addresses; one gives way. From there the
second factor is removed, a role is granted to oneself, records are read by the hundred, exported
in one go through a fresh key, and last the audit settings are tried, which is denied.
"""

from __future__ import annotations

from typing import Final

from indelible.simulate.people import Actor, Roster
from indelible.simulate.stream import HOUR_US
from indelible.simulate.telling import Json, Teller, thing, where, who

ADDRESSES: Final = ("198.51.100.23", "198.51.100.77")
COUNTRY: Final = "MD"
SPRAYED: Final = 42
READ: Final = 180
_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
_SECOND: Final = 1_000_000
_MINUTE: Final = 60 * _SECOND
_BAD: Final = {"code": "bad_credentials", "text": "Wrong password"}


def victim(roster: Roster) -> Actor:
    """Whose account gives way: the third person of billing."""
    people = roster.actors[: roster.people]
    return [actor for actor in people if actor.role == "billing"][2]


def tell_intrusion(roster: Roster, seed: int, now_us: int) -> list[tuple[int, bytes]]:
    """(time, line) in time order, from four hours ago until three minutes ago."""
    teller = Teller(roster, f"intrusion-{seed}")
    prey = victim(roster)
    start = now_us - 4 * HOUR_US
    _spray(teller, prey, start)
    _settle(teller, prey, start + 71 * _MINUTE)
    _take(teller, prey, start + 98 * _MINUTE)
    _cover(teller, prey, now_us - 12 * _MINUTE)
    return sorted(teller.told)


def _from(teller: Teller, service: str, ip: str = ADDRESSES[0]) -> Json:
    request = f"{teller.rng.getrandbits(64):016x}"
    return {"ip": ip, "user_agent": _AGENT, "service": service, "request_id": request}


def _spray(teller: Teller, prey: Actor, start: int) -> None:
    people = [a for a in teller.roster.actors[1 : teller.roster.people] if a is not prey]
    tried = teller.rng.sample(people, SPRAYED)
    tried[3 * SPRAYED // 4] = prey
    data: Json = {"country": COUNTRY, "city": "Chisinau"}
    for turn in range(2):
        for place, actor in enumerate(tried):
            at = start + turn * 33 * _MINUTE + place * 17 * _SECOND + teller.rng.randrange(_SECOND)
            teller.tell(
                at,
                "session.login",
                who(actor),
                None,
                _from(teller, "identity", ADDRESSES[(turn + place) % 2]),
                outcome="failure",
                reason=_BAD,
                data=data,
            )


def _settle(teller: Teller, prey: Actor, at: int) -> None:
    data: Json = {"country": COUNTRY, "city": "Chisinau"}
    for step in range(3):
        teller.tell(
            at + step * 9 * _SECOND,
            "session.login",
            who(prey),
            None,
            _from(teller, "identity"),
            outcome="failure",
            reason=_BAD,
            data=data,
        )
    me = who(prey, "s_1f00d5", "password", mfa=False)
    teller.tell(at + 41 * _SECOND, "session.login", me, None, _from(teller, "identity"), data=data)
    teller.tell(
        at + 3 * _MINUTE,
        "mfa.device.delete",
        me,
        [thing("account", f"acc_{prey.id}", prey.name)],
        _from(teller, "identity"),
        changes=[{"path": "mfa.devices", "before": ["totp"], "after": []}],
    )
    teller.tell(
        at + 11 * _MINUTE,
        "role.grant",
        me,
        [thing("role", "role_records_admin", "records-admin"), thing("account", f"acc_{prey.id}")],
        _from(teller, "identity"),
        changes=[{"path": "members", "before": 4, "after": 5}],
        severity="high",
    )


def _take(teller: Teller, prey: Actor, at: int) -> None:
    me = who(prey, "s_1f00d5", "password", mfa=False)
    first = teller.rng.randrange(1_000, 9_000)
    for place in range(READ):
        teller.tell(
            at + place * 4 * _SECOND + teller.rng.randrange(3 * _SECOND),
            "patient.record.read",
            me,
            [thing("patient_record", f"pt_{first + place}")],
            _from(teller, "ehr", ADDRESSES[place % 2]),
        )
    key = "key_9d3c77ab01ef"
    teller.tell(
        at + 16 * _MINUTE,
        "api_key.create",
        me,
        [thing("api_key", key, "sync-tmp")],
        _from(teller, "identity"),
    )
    teller.tell(
        at + 24 * _MINUTE,
        "dataset.export",
        {"type": "api_key", "id": key, "name": "sync-tmp", "on_behalf_of": [who(prey)]},
        [thing("dataset", "ds_admissions_full", "admissions, all sites")],
        _from(teller, "warehouse", ADDRESSES[1]),
        data={"rows": 48_211, "bytes": 912_334_118, "format": "csv"},
        severity="high",
    )


def _cover(teller: Teller, prey: Actor, at: int) -> None:
    me = who(prey, "s_1f00d5", "password", mfa=False)
    no: Json = {"code": "not_permitted", "text": "Needs the role audit-admin"}
    teller.tell(
        at,
        "audit.config.update",
        me,
        [thing("setting", "set_audit_retention", "audit.retention")],
        _from(teller, "platform"),
        outcome="denied",
        reason=no,
        changes=[{"path": "value", "before": "7y", "after": "1d"}],
        severity="critical",
    )
    teller.tell(
        at + 2 * _MINUTE,
        "audit.log.delete",
        me,
        [thing("audit_log", "audit-main", "Audit log")],
        _from(teller, "platform"),
        outcome="denied",
        reason=no,
        severity="critical",
    )
    helper = teller.person("it", 1)
    teller.tell(
        at + 9 * _MINUTE,
        "account.disable",
        who(helper, "s_oncall"),
        [thing("account", f"acc_{prey.id}", prey.name)],
        where(helper, "identity"),
        why={"ticket": "SEC-3107", "justification": "sign-in from a new country"},
    )
