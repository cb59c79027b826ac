"""The thin trail of the twelve months before: what a small archive would still hold.

Each month a payroll run, its approval and a review of access; joiners and leavers; a few settings;
and the life of payroll record pr_839, made in February, corrected and, on 3 March, deleted.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from indelible.base.clock import to_us
from indelible.simulate.people import Actor, Roster
from indelible.simulate.stream import DAY_US, HOUR_US
from indelible.simulate.telling import Teller, thing, where, who

RECORD: Final = "pr_839"
CLERK: Final = "jsmith"
MINUTE_US: Final = 60_000_000
_MONTHS: Final = 12


def last_third_of_march(now_us: int) -> int:
    """09:14:07.123 UTC of the latest 3 March that is over."""
    now = datetime.fromtimestamp(now_us / 1e6, UTC)
    day = datetime(now.year, 3, 3, 9, 14, 7, 123_000, tzinfo=UTC)
    if day + timedelta(hours=15) > now:
        day = day.replace(year=now.year - 1)
    return to_us(day)


def tell_trail(roster: Roster, seed: int, now_us: int) -> list[tuple[int, bytes]]:
    """(time, line) in time order of the twelve months that end where the 30 days begin."""
    teller = Teller(roster, f"trail-{seed}")
    end = now_us - 30 * DAY_US
    for month in range(_MONTHS):
        _month(teller, end - (_MONTHS - month) * 30 * DAY_US)
    _payslip(teller, last_third_of_march(now_us))
    return sorted(teller.told)


def _office_hour(teller: Teller, day_us: int) -> int:
    midnight = day_us // DAY_US * DAY_US
    weekday = (midnight // DAY_US + 3) % 7
    if weekday >= 5:
        midnight += (7 - weekday) * DAY_US
    return midnight + 8 * HOUR_US + teller.rng.randrange(9 * HOUR_US)


def _month(teller: Teller, start_us: int) -> None:
    rng = teller.rng
    run = teller.roster.by_id["svc-payroll-run"]
    clerk = teller.roster.by_id[CLERK]
    head, admin = teller.person("hr", 1), teller.person("it", 0)
    at = _office_hour(teller, start_us + 24 * DAY_US)
    batch = thing("payroll_run", f"run_{start_us // DAY_US}", "Monthly payroll run")
    for step, (action, actor) in enumerate(
        (("payroll.run.create", run), ("payroll.run.update", clerk), ("payroll.run.approve", head))
    ):
        _simple(teller, at + step * 47 * MINUTE_US, action, actor, "payroll", batch)
    for _ in range(rng.randrange(4, 8)):
        person = rng.choice(teller.roster.actors[: teller.roster.people])
        account = thing("account", f"acc_{person.id}", person.name)
        day = _office_hour(teller, start_us + rng.randrange(28) * DAY_US)
        verb = rng.choice(("create", "disable", "unlock", "update"))
        _simple(teller, day, f"account.{verb}", admin, "identity", account)
    for _ in range(rng.randrange(3, 7)):
        day = _office_hour(teller, start_us + rng.randrange(28) * DAY_US)
        slip = thing("payroll_record", f"pr_{rng.randrange(100, 800)}", "Payslip")
        _simple(teller, day, "payroll.record.read", clerk, "payroll", slip)
    minutes = rng.choice((10, 15, 20, 30))
    teller.tell(
        _office_hour(teller, start_us + 11 * DAY_US),
        "config.setting.update",
        who(admin, "s_trail"),
        [thing("setting", "set_session_timeout", "session.timeout")],
        where(admin, "platform"),
        changes=[{"path": "value", "before": 15, "after": minutes}],
    )
    review = thing("role", "role_records_admin", "records-admin")
    _simple(
        teller,
        _office_hour(teller, start_us + 19 * DAY_US),
        "role.review",
        head,
        "identity",
        review,
    )


def _simple(
    teller: Teller, us: int, action: str, actor: Actor, service: str, target: dict[str, object]
) -> None:
    teller.tell(us, action, who(actor, "s_trail"), [target], where(actor, service))


def _payslip(teller: Teller, deleted_us: int) -> None:
    """The life of the record that the tutorial looks for."""
    run, clerk = teller.roster.by_id["svc-payroll-run"], teller.roster.by_id[CLERK]
    owner = teller.person("nurse", 2)
    slip = [thing("payroll_record", RECORD, "March payslip", f"employee {owner.id}")]
    about: dict[str, object] = {"subjects": [owner.id]}
    tell, here = teller.tell, where(clerk, "payroll", "203.0.113.9")
    tell(
        deleted_us - 6 * DAY_US,
        "payroll.record.create",
        who(run),
        slip,
        where(run, "payroll"),
        changes=[{"path": "gross", "before": None, "after": 4210.50}],
        **about,
    )
    tell(
        deleted_us - DAY_US + HOUR_US,
        "payroll.record.update",
        who(clerk, "s_5b1e"),
        slip,
        here,
        changes=[
            {"path": "gross", "before": 4210.50, "after": 4870},
            {"path": "hours", "before": 160, "after": "184"},
        ],
        **about,
    )
    tell(deleted_us - 3 * MINUTE_US, "session.login", who(clerk, "s_77c0"), None, here)
    tell(deleted_us - MINUTE_US, "payroll.record.read", who(clerk, "s_77c0"), slip, here, **about)
    tell(
        deleted_us,
        "payroll.record.delete",
        who(clerk, "s_77c0"),
        slip,
        here,
        why={"ticket": "PAY-2214", "justification": "duplicate of pr_838"},
        **about,
    )
    tell(
        deleted_us + 2 * DAY_US,
        "payroll.record.read",
        who(owner, "s_90aa"),
        slip,
        where(owner, "payroll"),
        outcome="failure",
        reason={"code": "not_found", "text": "No such payslip"},
        **about,
    )
