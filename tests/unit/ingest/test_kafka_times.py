"""Timestamps that producers make up: no record ends the source, or says how far it was read."""

from __future__ import annotations

import pytest

from indelible.base.clock import MICROS, rfc3339, wall_us
from indelible.ingest.protocols.kafka_records import CREATED, Record
from support.kafka import Cluster, needs_kafka, story
from support.kafka_source import (
    audit_cluster,
    hub_of,
    looked,
    message,
    offset,
    often,
    reading,
    until,
)

_often = pytest.fixture(autouse=True)(often)
cluster = pytest.fixture(audit_cluster)
NOW = 1_780_272_000 * MICROS  # 2026-06-01T00:00:00Z
LAST = 253_402_300_799_999  # the last millisecond of the year 9999
FAR = (LAST + 1, 10**15, 2**53, 2**62, 2**63 - 1)


def record(time_ms: int) -> Record:
    return Record("audit", 0, 0, None, b"{}", kind=CREATED, time_ms=time_ms)


@needs_kafka
@story
async def test_a_timestamp_that_is_no_time_ends_nothing(cluster: Cluster) -> None:
    hub = hub_of(cluster)
    now_ms = wall_us() // 1000
    async with reading(hub) as task:
        for number, time_ms in enumerate((now_ms, LAST, *FAR), 1):
            cluster.send("audit", [message(number)], 0, time_ms=time_ms)
            await until(lambda number=number: offset(hub) == number, task)  # type: ignore[misc]
        await looked(hub)
        assert not task.done()
    assert [one["actor"]["id"] for one in hub.contents] == [f"u{n}" for n in range(1, 8)]
    assert hub.shown["last record"] == rfc3339(now_ms * 1000)
    assert "trouble" not in hub.shown


@needs_kafka
@story
async def test_a_made_up_time_does_not_make_old_records_present(cluster: Cluster) -> None:
    hub = hub_of(cluster)
    cluster.send("audit", [message(1)], 0, time_ms=1_600_000_000_000)
    cluster.send("audit", [message(2)], 0, time_ms=FAR[0])
    async with reading(hub) as task:
        await until(lambda: offset(hub) == 2, task)
    assert hub.submissions[0].backfill


@pytest.mark.parametrize("time_ms", FAR)
def test_a_number_beyond_all_times_counts_as_none(time_ms: int) -> None:
    assert record(time_ms).time_us(NOW) == 0


def test_a_time_counts_up_to_a_day_ahead() -> None:
    ahead = (NOW + 86_400 * MICROS) // 1000
    assert record(0).time_us(NOW) == 0
    assert record(1).time_us(NOW) == 1_000
    assert record(ahead).time_us(NOW) == ahead * 1_000
    assert record(ahead + 1).time_us(NOW) == 0
    assert record(LAST).time_us(NOW) == 0
