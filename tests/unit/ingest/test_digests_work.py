"""Digests checked against what was read: what holds, what does not, what is missing or odd."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from indelible.base.limits import BOOTS
from indelible.ingest.protocols import s3_work
from indelible.ingest.protocols.s3_memory import Memory
from indelible.ingest.protocols.s3_store import Withheld
from support.buckets import ACCOUNT, REGION, Trail, notice
from support.s3_house import House, story


@story
async def test_a_digest_that_holds_is_a_success_and_is_kept_whole() -> None:
    house = House()
    log = house.deliver(3)
    key = house.digest()
    await house.look()
    assert len(house.found()) == 3
    (event,) = house.found("cloudtrail.digest.verify")
    assert (event["outcome"], event["severity"]) == ("success", "info")
    assert event["actor"] == {"type": "system", "id": "indelible"}
    assert event["targets"][0]["id"] == f"s3://trail/{key}"
    assert event["labels"] == {"account": ACCOUNT, "region": REGION}
    data = event["data"]
    assert (data["signature"], data["before"]) == ("valid", "begins")
    assert data["log_files"] == {
        "named": 1, "matching": 1, "altered": 0, "missing": 0, "unreadable": 0, "elsewhere": 0}
    assert json.loads(event["raw"])["logFiles"][0]["s3Object"] == log


@story
async def test_the_digests_of_a_day_are_a_chain_with_numbers() -> None:
    house = House()
    for _ in range(5):
        house.deliver(1)
        house.digest()
        await house.look()
    assert house.verdicts() == [("success", "")] * 5
    events = [one for batch in house.hub.submissions for one in batch.events]
    numbers = [one.seq for one in events if one.seq]
    assert numbers == [1, 2, 3, 4, 5]
    assert len({one.boot for one in events if one.seq}) == 1


@story
async def test_a_log_file_altered_before_its_digest_came_is_told() -> None:
    house = House()
    key, body = house.trail.log_file()
    forged = gzip.compress(gzip.decompress(body).replace(b"alice", b"mallory"))
    house.bucket.put(key, forged)
    house.digest()
    await house.look()
    (event,) = house.found("cloudtrail.digest.verify")
    assert (event["outcome"], event["severity"]) == ("failure", "critical")
    assert event["reason"]["code"] == "log_file_altered"
    assert event["data"]["altered"] == [f"s3://trail/{key}"]
    assert [one["type"] for one in event["targets"]] == ["cloudtrail_digest", "s3_object"]


@story
async def test_a_log_file_written_over_between_reading_and_digest_is_told() -> None:
    house = House()
    key, body = house.trail.log_file()
    house.bucket.put(key, body)
    await house.look()
    house.bucket.put(key, gzip.compress(gzip.decompress(body).replace(b"alice", b"mallory")))
    await house.look()
    house.digest()
    await house.look()
    assert house.verdicts() == [("failure", "log_file_altered")]


@story
async def test_a_log_file_written_over_after_its_digest_is_told_also_after_a_restart() -> None:
    house = House()
    key, body = house.trail.log_file()
    house.bucket.put(key, body)
    house.digest()
    await house.look()
    house.restart()
    house.bucket.put(key, gzip.compress(gzip.decompress(body).replace(b"alice", b"mallory")))
    await house.look()
    assert house.verdicts() == [("success", "")]
    assert house.codes("cloudtrail.log_file.verify") == ["log_file_altered"]


@story
async def test_log_files_packed_otherwise_are_the_same_log_files() -> None:
    house = House()
    key, body = house.trail.log_file()
    house.bucket.put(key, gzip.compress(gzip.decompress(body), 1))
    house.digest()
    await house.look()
    assert house.verdicts() == [("success", "")]


@story
async def test_a_log_file_that_is_gone_is_told_unless_it_was_read_before() -> None:
    house = House()
    read, lost = house.deliver(), house.trail.log_file()[0]
    await house.look()
    del house.bucket.objects[read]
    house.digest()
    await house.look()
    (event,) = house.found("cloudtrail.digest.verify")
    assert (event["outcome"], event["reason"]["code"]) == ("failure", "log_file_missing")
    assert event["data"]["missing"] == [f"s3://trail/{lost}"]
    assert event["data"]["log_files"]["matching"] == 1


@story
async def test_a_log_file_that_nobody_told_of_is_read_because_a_digest_names_it() -> None:
    house = House(queue="https://sqs.example/1/q")
    house.deliver(4)
    house.queue.send(notice(house.digest()))
    await house.drain()
    assert len(house.found()) == 4
    assert house.verdicts() == [("success", "")]


@story
async def test_a_missing_digest_is_told_with_the_hours_and_its_number_left_out() -> None:
    house = House()
    house.digest()
    await house.look()
    house.digest(put=False)
    missing = house.digest(put=False)
    house.digest()
    await house.look()
    assert house.verdicts() == [
        ("success", ""), ("failure", "digest_missing"), ("success", "")]
    gap = house.found("cloudtrail.digest.verify")[1]
    assert gap["targets"][0]["id"] == f"s3://trail/{missing}"
    assert gap["data"]["digests"] == 2
    events = [one for batch in house.hub.submissions for one in batch.events]
    assert [one.seq for one in events if one.seq] == [1, 4]


@story
async def test_a_missing_digest_is_told_once_and_its_number_comes_when_it_does() -> None:
    house = House()
    house.digest()
    await house.look()
    key, body, metadata = house.trail.digest()
    house.digest()
    await house.look()
    await house.sweep()
    house.restart()
    await house.look()
    assert house.codes("cloudtrail.digest.verify").count("digest_missing") == 1
    house.bucket.put(key, body, **metadata)
    await house.look()
    events = [one for batch in house.hub.submissions for one in batch.events]
    assert [one.seq for one in events if one.seq] == [1, 3, 2]
    assert house.verdicts()[-1] == ("success", "")


@story
async def test_digests_that_nobody_told_of_are_fetched_back_with_their_log_files() -> None:
    house = House(queue="https://sqs.example/1/q")
    house.deliver()
    house.queue.send(notice(house.digest()))
    await house.drain()
    for _ in range(3):
        house.deliver()
        house.digest()
    house.queue.send(notice(house.digest()))
    await house.drain()
    assert len(house.found()) == 8
    assert house.verdicts() == [("success", "")] * 5
    events = [one for batch in house.hub.submissions for one in batch.events]
    assert [one.seq for one in events if one.seq] == [1, 2, 3, 4, 5]


@story
async def test_a_digest_that_is_withheld_is_told() -> None:
    house = House()
    house.digest()
    await house.look()
    withheld = house.digest()
    house.bucket.faults[withheld] = [Withheld("AccessDenied", "no"), Withheld("AccessDenied", "no")]
    house.digest()
    await house.look()
    assert ("failure", "digest_unreadable") in house.verdicts()
    assert house.codes("s3.object.read") == ["AccessDenied"]


@story
async def test_a_digest_that_the_first_one_names_is_looked_for_when_everything_was_listed() -> None:
    house = House()
    past = datetime.now(UTC).replace(microsecond=0) - timedelta(days=8)
    house.trail = Trail(start=past)
    key, body, metadata = house.trail.digest()
    house.bucket.put(key, body, past, **metadata)
    house.digest(put=False)
    house.digest()
    await house.sweep()
    house.restart()
    await house.sweep()
    assert sorted(house.verdicts()) == [
        ("failure", "digest_missing"), ("success", ""), ("success", "")]


@story
async def test_a_digest_whose_elder_is_missing_is_told_though_it_came_first_of_all() -> None:
    house = House()
    past = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    house.trail = Trail(start=past)
    house.digest(put=False)
    house.digest()
    await house.look()
    assert house.verdicts() == [("success", "")]
    await house.sweep()
    house.restart()
    await house.look()
    assert house.verdicts() == [("success", ""), ("failure", "digest_missing")]


@story
async def test_a_chain_that_cloudtrail_began_anew_is_no_success() -> None:
    house = House()
    house.digest()
    await house.look()
    house.trail.previous = None
    house.digest(hours=6)
    await house.look()
    assert house.verdicts() == [("success", ""), ("unknown", "chain_restarted")]


@story
async def test_the_same_digest_twice_is_one_event() -> None:
    house = House(queue="https://sqs.example/1/q")
    log = house.deliver()
    key = house.digest()
    for _ in range(3):
        house.queue.send(notice(key))
    await house.drain()
    house.restart()
    house.work.memory = Memory({})
    house.queue.send(notice(key))
    await house.drain()
    assert house.verdicts() == [("success", "")]
    assert house.bucket.opened.count(log) == 1


@story
async def test_a_crash_before_positions_gives_the_same_findings_again_and_adds_nothing() -> None:
    house = House()
    for _ in range(2):
        house.deliver()
        house.digest()
    await house.look()
    before = list(house.hub.contents)
    house.hub.positions.clear()
    house.restart()
    await house.look()
    assert house.hub.contents == before
    assert house.verdicts() == [("success", "")] * 2


@story
async def test_a_first_reading_of_a_bucket_checks_every_digest_of_its_past() -> None:
    house = House()
    past = datetime.now(UTC).replace(microsecond=0) - timedelta(days=40)
    house.trail = Trail(start=past)
    for number in range(6):
        log, content = house.trail.log_file(1)
        house.bucket.put(log, content, past)
        key, body, metadata = house.trail.digest()
        if number != 3:
            house.bucket.put(key, body, past, **metadata)
    await house.look()
    assert not house.verdicts()
    await house.sweep()
    assert len(house.found()) == 6
    assert house.verdicts().count(("success", "")) == 5
    assert house.codes("cloudtrail.digest.verify").count("digest_missing") == 1
    assert all(batch.backfill for batch in house.hub.submissions if batch.parser != "s3/1")


@story
async def test_log_files_elsewhere_and_withheld_are_named() -> None:
    house = House(prefix="AWSLogs/")
    log, _ = house.trail.log_file()
    house.trail.files.append(("other/AWSLogs/x.json.gz", gzip.compress(b"{}")))
    house.bucket.put(log, b"")
    house.bucket.faults[log] = [Withheld("AccessDenied", "no"), Withheld("AccessDenied", "no")]
    house.digest()
    await house.look()
    assert house.verdicts() == [("failure", "log_file_unreadable")]
    data = house.found("cloudtrail.digest.verify")[0]["data"]
    assert data["elsewhere"] == ["s3://trail/other/AWSLogs/x.json.gz"]
    assert data["unreadable"] == [f"s3://trail/{log}"]


def _later(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    from indelible.base.clock import wall_us

    def later() -> int:
        return wall_us() + int(hours * 3_600_000_000)

    monkeypatch.setattr(s3_work, "wall_us", later)


def test_a_digest_that_does_not_come_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def tell() -> None:
        house = House()
        house.digest()
        await house.look()
        _later(monkeypatch, 3)
        await house.look()
        assert house.codes("cloudtrail.digest.verify") == [""]
        _later(monkeypatch, 6)
        await house.look()
        house.restart()
        said = len(house.hub.submissions)
        await house.look()
        assert house.codes("cloudtrail.digest.verify") == ["", "digest_overdue"]
        assert len(house.hub.submissions) == said

    asyncio.run(tell())


def test_a_log_file_that_no_digest_names_is_told_a_day_later(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tell() -> None:
        house = House()
        house.deliver()
        house.digest()
        await house.look()
        planted, _ = house.trail.log_file()
        house.trail.files.clear()
        body = gzip.compress(b'{"Records": []}')
        house.bucket.put(planted, body, datetime.now(UTC) + timedelta(minutes=5))
        await house.look()
        for _ in range(26):
            house.digest()
        await house.look()
        assert house.codes("cloudtrail.log_file.verify") == []
        _later(monkeypatch, 26)
        await house.look()
        house.restart()
        said = len(house.hub.submissions)
        await house.look()
        assert len(house.hub.submissions) == said
        (event,) = house.found("cloudtrail.log_file.verify")
        assert event["reason"]["code"] == "log_file_unnamed"
        assert [one["id"] for one in event["targets"]] == [f"s3://trail/{planted}"]

    asyncio.run(tell())


@story
async def test_no_more_chains_are_numbered_than_the_ledger_follows() -> None:
    house = House()
    for number in range(BOOTS + 2):
        trail = Trail(region=f"eu-west-{number}")
        key, body, metadata = trail.digest()
        house.bucket.put(key, body, **metadata)
    await house.look()
    events = [one for batch in house.hub.submissions for one in batch.events]
    assert len(events) == BOOTS + 2
    assert len({one.boot for one in events if one.boot}) == BOOTS


@story
async def test_digests_can_be_ignored() -> None:
    house = House(digests="ignore")
    house.deliver()
    house.digest()
    await house.look()
    assert len(house.found()) == 2
    assert house.verdicts() == []


def test_every_reason_is_on_the_page() -> None:
    from indelible.ingest.protocols.digests_records import _TEXTS

    page = (Path(__file__).parents[3] / "docs" / "sources" / "s3.md").read_text("utf-8")
    codes = {*_TEXTS, "digest_missing", "digest_overdue", "digest_unreadable", "log_file_unnamed"}
    assert [code for code in codes if f"`{code}`" not in page] == []
