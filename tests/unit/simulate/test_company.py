from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from indelible.base.clock import parse_rfc3339, to_us
from indelible.event.actions import operation_of
from indelible.event.model import Event, Operation
from indelible.ingest.parsers.native import parse_native
from indelible.simulate.acts import ACTS, KINDS, SESSION
from indelible.simulate.changing import TEMPLATES, changes_text
from indelible.simulate.company import Live, demo_history, events, write_batches
from indelible.simulate.intrusion import READ, SPRAYED, victim
from indelible.simulate.people import ROLES, Roster
from indelible.simulate.profile import BENCH, DEMO
from indelible.simulate.stream import DAY_US
from indelible.simulate.trail import RECORD, last_third_of_march

NOW = to_us(datetime(2026, 11, 18, 16, 30, tzinfo=UTC))


def parsed(lines: list[bytes]) -> list[Event]:
    accepted, rejected = parse_native(b"\n".join(lines))
    assert rejected == []
    assert len(accepted) == len(lines)
    return [msgspec.json.decode(one.content, type=Event) for one in accepted]


def time_of(event: Event) -> int:
    assert isinstance(event.time, datetime)
    return to_us(event.time)


@pytest.fixture(scope="module")
def bench() -> list[bytes]:
    return list(events(BENCH, 1, 20_000, NOW))


@pytest.fixture(scope="module")
def demo() -> list[Event]:
    return parsed(list(demo_history(1, NOW, 12_000)))


def test_bench_events_have_the_size_and_shape_that_the_measures_assume(bench: list[bytes]) -> None:
    mean = sum(map(len, bench)) / len(bench)
    assert 760 <= mean <= 820, mean
    changed = sum(b'"changes":' in line for line in bench) / len(bench)
    assert 0.28 <= changed <= 0.4, changed
    traced = sum(b'"trace_id":' in line for line in bench) / len(bench)
    assert 0.47 <= traced <= 0.53, traced
    assert BENCH.actors == 50_000


def test_every_bench_event_is_accepted_in_time_order_with_an_id_of_its_own(
    bench: list[bytes],
) -> None:
    made = parsed(bench)
    times = [time_of(event) for event in made]
    assert times == sorted(times)
    assert times[0] >= NOW - 30 * DAY_US
    assert times[-1] < NOW
    assert len({event.id for event in made}) == len(made)
    kinds = Counter(event.actor.type.value for event in made)
    assert set(kinds) == {"user", "service", "api_key", "agent"}


def test_the_same_seed_tells_the_same_story_and_another_one_another() -> None:
    first = list(events(DEMO, 7, 500, NOW))
    assert first == list(events(DEMO, 7, 500, NOW))
    assert first != list(events(DEMO, 8, 500, NOW))
    assert list(demo_history(7, NOW, 2_000)) == list(demo_history(7, NOW, 2_000))


def test_work_follows_the_day_and_the_week() -> None:
    hours = Counter(
        parse_rfc3339(msgspec.json.decode(line)["time"]) // 3_600_000_000 % 168
        for line in events(DEMO, 1, 20_000, NOW, 28 * DAY_US)
    )
    by_day = Counter(dict.fromkeys(range(7), 0))
    for hour, count in hours.items():
        by_day[(hour // 24 + 3) % 7] += count
    assert min(by_day[day] for day in range(5)) > max(by_day[5], by_day[6])
    ten, three = (sum(hours[day * 24 + hour] for day in range(7)) for hour in (10, 3))
    assert ten > 2 * three


def test_agents_always_act_for_a_person() -> None:
    made = parsed(list(events(BENCH, 3, 20_000, NOW)))
    agents = [event for event in made if event.actor.type.value == "agent"]
    assert agents
    for event in agents:
        assert isinstance(event.actor.on_behalf_of, list)
        assert event.actor.on_behalf_of[0].type.value == "user"


def test_demo_history_has_the_count_asked_for_in_time_order_ending_now(demo: list[Event]) -> None:
    assert len(demo) == 12_000
    times = [time_of(event) for event in demo]
    assert times == sorted(times)
    assert NOW - 395 * DAY_US < times[0] < NOW - 360 * DAY_US
    assert NOW - 15 * 60 * 1_000_000 < times[-1] < NOW


def test_payroll_record_is_deleted_on_the_last_third_of_march(demo: list[Event]) -> None:
    life = [
        event for event in demo if isinstance(event.targets, list) and event.targets[0].id == RECORD
    ]
    assert [event.action.rpartition(".")[2] for event in life] == [
        "create",
        "update",
        "read",
        "delete",
        "read",
    ]
    deletion = life[3]
    assert deletion.actor.id == "jsmith"
    assert deletion.actor.name == "Jane Smith"
    assert deletion.time == datetime(2026, 3, 3, 9, 14, 7, 123_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "year"),
    [
        (datetime(2026, 3, 3, 8, 0, tzinfo=UTC), 2025),
        (datetime(2026, 3, 3, 23, 59, tzinfo=UTC), 2025),
        (datetime(2026, 3, 4, 0, 15, tzinfo=UTC), 2026),
        (datetime(2027, 1, 1, tzinfo=UTC), 2026),
    ],
)
def test_the_last_third_of_march_is_the_latest_that_is_over(now: datetime, year: int) -> None:
    assert datetime.fromtimestamp(last_third_of_march(to_us(now)) / 1e6, UTC).year == year
    lines = list(demo_history(1, to_us(now), 2_000))
    assert len(parsed(lines)) == 2_000
    assert sum(b'"payroll.record.delete"' in line for line in lines) == 1


def test_the_intruder_leaves_the_trail_an_investigator_needs(demo: list[Event]) -> None:
    prey = victim(Roster(DEMO, 1)).id
    foreign = [
        event
        for event in demo
        if not isinstance(event.origin, msgspec.UnsetType)
        and str(event.origin.ip).startswith("198.51.100.")
    ]
    assert all(NOW - time_of(event) < 5 * 3_600_000_000 for event in foreign)
    failures = [event for event in foreign if event.action == "session.login"]
    assert len({event.actor.id for event in failures}) == SPRAYED
    mine = [event for event in foreign if event.actor.id == prey]
    steps = [key for key, _ in itertools.groupby(event.action for event in mine)]
    assert steps == [
        "session.login",
        "mfa.device.delete",
        "role.grant",
        "patient.record.read",
        "api_key.create",
        "audit.config.update",
        "audit.log.delete",
    ]
    assert sum(event.action == "patient.record.read" for event in mine) == READ
    denied = [event.action for event in mine if str(event.outcome).endswith("DENIED")]
    assert denied == ["audit.config.update", "audit.log.delete"]


def test_live_events_carry_the_time_they_are_asked_for() -> None:
    company = Live(1, rate=5.0)
    delays = [company.delay_s(NOW) for _ in range(200)]
    assert 0 < sum(delays) / len(delays) < 1.0
    lines = [company.event(NOW + second * 1_000_000) for second in range(50)]
    assert [time_of(event) for event in parsed(lines)] == [
        NOW + second * 1_000_000 for second in range(50)
    ]


def test_batches_for_the_load_generator_are_whole_requests(tmp_path: Path) -> None:
    files, total = write_batches(tmp_path / "batches", 1, 2_500, NOW)
    written = sorted((tmp_path / "batches").iterdir())
    assert files == len(written) == 3
    assert total == sum(path.stat().st_size for path in written)
    lines = [path.read_bytes().splitlines() for path in written]
    assert [len(part) for part in lines] == [1_000, 1_000, 500]
    ids = {event.id for part in lines for event in parsed(part)}
    assert len(ids) == 2_500


def test_tables_fit_together() -> None:
    kinds = {kind.type for kind in KINDS}
    assert abs(sum(kind.share for kind in KINDS) - 1) < 1e-9
    for act in ACTS:
        assert act.target in kinds | {SESSION}
        assert set(act.weights) <= set(ROLES)
        assert act.changes == "" or act.changes in TEMPLATES
        assert operation_of(act.action) is not Operation.OTHER, act.action
    for family in TEMPLATES:
        for pick in range(0, 1 << 20, 4097):
            member = "{" + changes_text(family, pick)[1:] + "}"
            assert msgspec.json.decode(member)["changes"]
