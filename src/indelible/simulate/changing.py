"""The exact changes of the simulated updates: mixed numbers, strings, booleans, nulls and lists.

A family is a list of templates, each taking four non-negative numbers, so that values differ from
event to event as they do in life.
"""

from __future__ import annotations

from typing import Final


def _one(path: str, before: str, after: str) -> str:
    return f'{{"path":"{path}","before":{before},"after":{after}}}'


_FAMILIES: Final[dict[str, tuple[tuple[str, str, str], ...]]] = {
    "vitals": (
        ("vitals.pulse", "7%(a)d", "8%(b)d"),
        ("vitals.bp", '"12%(a)d/7%(c)d"', '"13%(b)d/8%(d)d"'),
        ("vitals.temp_c", "36.%(c)d", "37.%(d)d"),
        ("vitals.spo2", "9%(a)d", "9%(b)d"),
    ),
    "contact": (
        ("contact.phone", '"+353 21 %(x)06d"', '"+353 87 %(y)06d"'),
        ("contact.address.line1", '"%(p)d Harbour Road"', '"%(q)d Mill Street"'),
        ("contact.language", '"en"', '"pl"'),
    ),
    "allergy": (
        ("allergies[%(a)d].severity", '"mild"', '"severe"'),
        ("allergies[%(b)d].substance", "null", '"penicillin V"'),
    ),
    "consent": (("consent.research", "false", "true"), ("consent.version", "%(a)d", "%(b)d")),
    "note": (
        ("note.length", "%(p)d", "%(q)d"),
        ("note.sections.plan", '"rev %(a)d"', '"rev %(b)d"'),
        ("note.coded[0]", "null", '"I10.%(c)d"'),
    ),
    "status": (
        ("status", '"pending"', '"final"'),
        ("status_changed_by_rule", "false", "true"),
        ("revision", "%(a)d", "%(b)d"),
    ),
    "bed": (("bed", '"W%(a)d-%(p)d"', '"W%(b)d-%(q)d"'), ("isolation", "false", "true")),
    "result": (
        ("result.value", "%(a)d.%(p)d", "%(b)d.%(q)d"),
        ("result.flag", '"N"', '"H"'),
        ("result.status", '"preliminary"', '"final"'),
    ),
    "dose": (
        ("dose.amount_mg", "%(p)d", "%(q)d"),
        ("dose.frequency", '"q%(a)dh"', '"q%(b)dh"'),
        ("dose.last_given", "null", '"0%(c)d:%(r)02d"'),
    ),
    "stock": (("stock.on_hand", "%(p)d", "%(q)d"), ("stock.lot", "null", '"L%(x)06d"')),
    "document": (
        ("size", "%(x)d", "%(y)d"),
        ("version", '"%(a)d.%(c)d"', '"%(b)d.%(d)d"'),
        ("tags", "[]", '["reviewed","q%(a)d"]'),
    ),
    "share": (("shared_with", "[]", '["team-%(p)d"]'), ("link_expires_days", "null", "%(a)d")),
    "claim": (
        ("amount", "%(x)d.%(r)02d", "%(y)d.%(s)02d"),
        ("state", '"draft"', '"submitted"'),
        ("lines[%(a)d].code", '"A%(p)d"', '"B%(q)d"'),
    ),
    "slot": (
        ("starts", '"1%(c)d:%(r)02d"', '"1%(d)d:%(s)02d"'),
        ("room", "%(p)d", "%(q)d"),
    ),
    "pay": (
        ("gross", "%(p)d%(r)02d.50", "%(q)d%(s)02d.00"),
        ("hours", "%(r)d", '"%(s)d"'),
        ("bank.iban_last4", '"%(p)04d"', '"%(q)04d"'),
    ),
    "employee": (
        ("grade", '"G%(a)d"', '"G%(b)d"'),
        ("cost_centre", "%(p)d", "%(q)d"),
        ("manager", "null", '"emp_%(p)d"'),
    ),
    "account": (
        ("locked", "true", "false"),
        ("failed_attempts", "%(a)d", "0"),
        ("groups", '["staff"]', '["staff","ward-%(p)d"]'),
    ),
    "member": (("members", "%(p)d", "%(q)d"), ("expires_days", "null", "%(a)d")),
    "setting": (
        ("value", "%(p)d", "%(q)d"),
        ("value", '"%(a)dh"', '"%(b)dd"'),
        ("enabled", "false", "true"),
    ),
    "firmware": (("firmware", '"4.%(a)d.%(c)d"', '"4.%(b)d.%(d)d"'), ("reboot", "null", "true")),
}


def _combined() -> dict[str, list[str]]:
    """For each family `changes` members of one, two and three neighbouring paths."""
    out: dict[str, list[str]] = {}
    for name, rows in _FAMILIES.items():
        ones = [_one(*row) for row in rows]
        sets = [[one] for one in ones]
        sets += [[ones[i], ones[(i + 1) % len(ones)]] for i in range(len(ones))]
        if len(ones) > 2:
            sets.append(ones[:3])
        out[name] = [',"changes":[' + ",".join(some) + "]" for some in sets]
    return out


TEMPLATES: Final = _combined()


def changes_text(family: str, pick: int) -> str:
    """The `changes` member (with its leading comma) that the 62-bit number `pick` selects."""
    templates = TEMPLATES[family]
    template = templates[pick % len(templates)]
    pick >>= 8
    return template % {
        "a": pick & 7,
        "b": 1 + (pick >> 3 & 7),
        "c": pick >> 6 & 7,
        "d": 1 + (pick >> 9 & 7),
        "p": 10 + (pick >> 12 & 511),
        "q": 12 + (pick >> 21 & 511),
        "r": (pick >> 12) % 60,
        "s": (pick >> 21) % 60,
        "x": pick >> 12 & 0x3FFFF,
        "y": pick >> 30 & 0x3FFFF,
    }
