"""A bucket that is listed: new, late, old and failing objects, each read once, through crashes."""

from __future__ import annotations

import asyncio
import gzip
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from indelible.base.errors import Unreachable
from indelible.base.limits import S3_TRIES, S3_TROUBLES
from indelible.ingest.protocols import s3_listing, s3_work
from indelible.ingest.protocols.s3_store import Gone, Withheld
from support.buckets import MemoryBucket
from support.s3_house import House, story

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_work, "S3_TRY_SECONDS", 0.0)


def _lines(count: int, name: str = "x") -> bytes:
    return b"".join(b'{"%s": %d}\n' % (name.encode(), one) for one in range(count))


def _day(days: int) -> str:
    return f"{NOW - timedelta(days=days):%Y/%m/%d}"


@story
async def test_every_event_is_delivered_once_however_often_the_bucket_is_listed() -> None:
    house = House()
    for number in range(30):
        house.bucket.put(f"logs/{_day(0)}/{number:02}.log", _lines(3, f"k{number}"))
    for _ in range(3):
        await house.look()
        await house.sweep()
    assert len(house.found()) == 90
    assert len(house.bucket.opened) == 30


@story
async def test_what_was_read_is_not_read_again_after_a_restart() -> None:
    house = House()
    house.bucket.put(f"a/{_day(0)}/1.log", _lines(2))
    await house.look()
    await house.sweep()
    house.restart()
    house.bucket.put(f"a/{_day(0)}/2.log", _lines(2, "y"))
    await house.look()
    await house.sweep()
    assert house.bucket.opened == [f"a/{_day(0)}/1.log", f"a/{_day(0)}/2.log"]
    assert len(house.found()) == 4


@story
async def test_a_crash_before_positions_reads_again_and_adds_nothing() -> None:
    house = House()
    house.bucket.put("a.log", _lines(5))
    await house.look()
    house.hub.positions.clear()
    house.restart()
    await house.look()
    assert len(house.bucket.opened) == 2
    assert len(house.found()) == 5


@story
async def test_equal_lines_are_two_events_and_equal_objects_too() -> None:
    house = House()
    for key in ("a.log", "b.log"):
        house.bucket.put(key, b'{"n": 1}\n{"n": 1}\n')
    await house.look()
    assert len(house.found()) == 4
    assert len({one["id"] for one in house.found()}) == 4


@story
async def test_an_object_that_is_written_over_is_read_anew() -> None:
    house = House()
    house.bucket.put("a.log", _lines(1))
    await house.look()
    house.bucket.put("a.log", _lines(1, "other"))
    await house.look()
    assert len(house.found()) == 2


@story
async def test_folders_of_old_days_are_passed_over_by_looks_and_read_by_the_sweep() -> None:
    house = House()
    house.bucket.size = 10
    for region in ("eu", "us"):
        for days in range(40):
            for number in range(5):
                when = NOW - timedelta(days=days, hours=-1)
                key = f"AWSLogs/{region}/{_day(days)}/{number}.log"
                house.bucket.put(key, _lines(1, f"{region}{days}{number}"), when)
    await house.look()
    assert house.bucket.pages < 12
    assert {key.split("/", 2)[2][:10] for key in house.bucket.opened} == {_day(0), _day(1)}
    await house.sweep()
    assert len(house.found()) == 400


@story
async def test_a_late_object_within_the_days_is_found_by_the_next_look() -> None:
    house = House()
    house.bucket.put(f"a/{_day(0)}/1.log", _lines(1))
    await house.look()
    house.bucket.put(f"a/{_day(2)}/late.log", _lines(1, "late"))
    await house.look()
    assert len(house.found()) == 2


def test_a_late_object_in_a_folder_long_past_is_found_by_the_next_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def tell() -> None:
        house = House()
        house.bucket.put(f"a/{_day(0)}/1.log", _lines(1))
        await house.look()
        await house.sweep()
        house.bucket.put(f"a/{_day(90)}/late.log", _lines(1, "late"))
        await house.look()
        await house.sweep()
        assert len(house.found()) == 1
        from indelible.base.clock import wall_us

        monkeypatch.setattr(s3_work, "wall_us", lambda: wall_us() + 25 * 3_600_000_000)
        await house.sweep()
        assert len(house.found()) == 2
        assert house.bucket.opened.count(f"a/{_day(0)}/1.log") == 1

    asyncio.run(tell())


@story
async def test_objects_that_were_there_before_are_read_from_the_day_that_is_asked_for() -> None:
    house = House(since=f"{NOW - timedelta(days=10):%Y-%m-%d}")
    for days in (5, 15):
        when = NOW - timedelta(days=days)
        house.bucket.put(f"a/{_day(days)}/1.log", _lines(1, f"k{days}"), when)
    await house.look()
    await house.sweep()
    assert house.bucket.opened == [f"a/{_day(5)}/1.log"]


@story
async def test_a_sweep_goes_on_where_a_crash_ended_it() -> None:
    house = House()
    house.bucket.size = 10
    for number in range(50):
        house.bucket.put(f"k{number:02}.log", _lines(1, f"n{number}"), NOW - timedelta(days=30))
    for _ in range(3):
        assert await house.listing.sweep()
    await house.work.settle(at_once=True)
    house.restart()
    house.bucket.opened.clear()
    house.bucket.pages = 0
    await house.sweep()
    assert house.bucket.pages == 2
    assert len(house.bucket.opened) == 20
    assert len(house.found()) == 50


@story
async def test_a_store_that_lists_folders_before_their_neighbours_loses_nothing() -> None:
    """SeaweedFS lists `a/...` before `a-b/...`, S3 the other way round."""
    house = House()
    house.bucket = MemoryBucket(order=lambda key: key.split("/"), page=3)
    house.restart()
    for folder in ("CloudTrail", "CloudTrail-Digest2", "CloudTrail.x"):
        for days in (0, 1, 60, 61):
            house.bucket.put(f"{folder}/{_day(days)}/1.log", _lines(1, f"{folder}{days}"),
                             NOW - timedelta(days=days))
    await house.look()
    assert len(house.bucket.opened) >= 3
    await house.sweep()
    assert len(house.found()) == 12


@story
async def test_a_broken_object_is_told_and_does_not_stop_the_others() -> None:
    house = House()
    packed = gzip.compress(_lines(40_000))
    house.bucket.put("a.log.gz", packed[: len(packed) // 2])
    house.bucket.put("b.json", b'{"Records": [{"a": 1}, {"b": ]}')
    house.bucket.put("c.log", _lines(2))
    for _ in range(2):
        await house.look()
        await house.sweep()
    events = house.found("s3.object.read")
    assert sorted(one["reason"]["code"] for one in events) == ["bad_json", "damaged"]
    assert {one["targets"][0]["id"] for one in events} == {"s3://trail/a.log.gz",
                                                           "s3://trail/b.json"}
    assert house.bucket.opened.count("a.log.gz") == 1
    assert sum(batch.rejected for batch in house.hub.submissions) == 2
    assert len(house.found()) > 1003


@story
async def test_an_object_that_is_withheld_is_told_once_and_read_when_it_may_be() -> None:
    house = House()
    house.bucket.put("a.log", _lines(1))
    house.bucket.put("b.log", _lines(1, "b"))
    house.bucket.faults["a.log"] = [Withheld("AccessDenied", "no") for _ in range(2)]
    await house.look()
    assert house.codes("s3.object.read") == ["AccessDenied"]
    assert len(house.found()) == 1
    house.restart()
    await house.look()
    assert house.bucket.opened.count("a.log") == 1
    for _ in range(2):
        for one in house.listing._again.values():
            one.due_us = 0
        await house.look()
    assert len(house.found()) == 2
    assert house.codes("s3.object.read") == ["AccessDenied"]
    house.restart()
    assert not house.listing._again


@story
async def test_a_connection_that_breaks_is_tried_again_at_once() -> None:
    house = House()
    house.bucket.put("a.log", _lines(1))
    house.bucket.faults["a.log"] = [Unreachable("broke") for _ in range(S3_TRIES - 1)]
    await house.look()
    assert len(house.found()) == 1
    assert house.codes("s3.object.read") == []


@story
async def test_a_store_that_gives_nothing_is_one_error_and_not_a_record_for_each_object() -> None:
    house = House()
    for number in range(50):
        key = f"{number:02}.log"
        house.bucket.put(key, _lines(1, f"k{number}"))
        house.bucket.faults[key] = [Withheld("AccessDenied", "no")]
    with pytest.raises(Unreachable, match="AccessDenied"):
        await house.look()
    assert house.codes("s3.object.read") == []
    assert len(house.bucket.opened) <= 2 * S3_TROUBLES
    house.bucket.faults.clear()
    house.restart()
    await house.look()
    assert len(house.found()) == 50


@story
async def test_a_folder_that_may_not_be_read_does_not_stop_the_others() -> None:
    house = House()
    house.bucket.put("a.log", _lines(1))
    for number in range(40):
        key = f"b/{number:02}.log"
        house.bucket.put(key, _lines(1, f"b{number}"))
        house.bucket.faults[key] = [Withheld("AccessDenied", "no")]
    house.bucket.put("c.log", _lines(1, "c"))
    await house.look()
    assert len(house.found()) == 2
    assert len(house.codes("s3.object.read")) == 40


def test_more_objects_than_can_wait_are_counted_and_asked_for_by_the_next_sweep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def tell() -> None:
        from indelible.base.clock import wall_us

        monkeypatch.setattr(s3_listing, "S3_AGAIN", 5)
        house = House()
        past = NOW - timedelta(days=20)
        house.bucket.put("a.log", _lines(1), past)
        for number in range(12):
            key = f"b/{number:02}.log"
            house.bucket.put(key, _lines(1, f"b{number}"), past)
            house.bucket.faults[key] = [Withheld("AccessDenied", "no")]
        await house.sweep()
        told = house.found("s3.object.read")
        assert len(told) == 6
        assert told[-1]["data"]["refused"] == 7
        house.restart()
        monkeypatch.setattr(s3_work, "wall_us", lambda: wall_us() + 25 * 3_600_000_000)
        await house.listing.retry()
        await house.sweep()
        assert len(house.found()) == 13
        house.restart()
        monkeypatch.setattr(s3_work, "wall_us", lambda: wall_us() + 50 * 3_600_000_000)
        house.bucket.opened.clear()
        await house.sweep()
        assert house.bucket.opened == []

    asyncio.run(tell())


@story
async def test_archived_objects_are_left_and_one_event_says_how_many() -> None:
    house = House()
    past = NOW - timedelta(days=200)
    for number in range(20):
        key = f"{number:02}.log"
        house.bucket.put(key, _lines(1), past)
        body, what, metadata = house.bucket.objects[key]
        archived = msgspec.structs.replace(what, archived=True)
        house.bucket.objects[key] = (body, archived, metadata)
    house.bucket.put("x.log", _lines(1))
    await house.look()
    await house.sweep()
    await house.sweep()
    (event,) = house.found("s3.object.read")
    assert (event["reason"]["code"], event["data"]["refused"]) == ("archived", 20)
    assert house.bucket.opened == ["x.log"]


@story
async def test_an_object_that_is_gone_before_it_was_read_is_told() -> None:
    house = House()
    house.bucket.put("a.log", _lines(1))
    house.bucket.faults["a.log"] = [Gone("NoSuchKey")]
    await house.look()
    assert house.codes("s3.object.read") == ["gone"]


@story
async def test_markers_of_folders_and_other_prefixes_are_no_objects_of_the_source() -> None:
    house = House(prefix="logs/")
    house.bucket.put("logs/", b"")
    house.bucket.put("logs/2026/", b"")
    house.bucket.put("logs/a.log", _lines(1))
    house.bucket.put("elsewhere/b.log", _lines(1))
    await house.look()
    await house.sweep()
    assert house.bucket.opened == ["logs/a.log"]


@story
async def test_what_is_old_when_it_is_read_says_nothing_of_the_source_now() -> None:
    house = House()
    house.bucket.put("new.log", _lines(1))
    house.bucket.put("old.log", _lines(1, "o"), NOW - timedelta(hours=20))
    await house.look()
    assert {batch.events[0].id: batch.backfill for batch in house.hub.submissions} == {
        one["id"]: "old" in one["id"] for one in house.found()}


@story
async def test_an_event_says_which_object_it_stood_in() -> None:
    house = House()
    house.deliver(1)
    await house.look()
    (event,) = house.found()
    assert event["data"]["file"].startswith("s3://trail/AWSLogs/")
    assert event["id"] == "eu-central-1-1-0"
    assert event["action"] == "iam.user.create"
