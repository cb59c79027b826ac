"""A queue of notifications: what is deleted, what comes again, what is never read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest

from indelible.base.errors import Unreachable
from indelible.base.limits import S3_AGAIN_MOST_SECONDS, S3_TRIES, S3_TROUBLES
from indelible.ingest.protocols import s3_work
from indelible.ingest.protocols.digests_keys import PublicKeys
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.s3 import collecting
from indelible.ingest.protocols.s3_store import Gone, Withheld
from indelible.ingest.sources import SourceSettings
from support.buckets import notice, wrapped
from support.s3_house import House, story

QUEUE = "https://sqs.eu-central-1.amazonaws.com/111122223333/q"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_work, "S3_TRY_SECONDS", 0.0)


def house(**options: str) -> House:
    return House(queue=QUEUE, **options)


@story
async def test_a_message_is_deleted_when_all_that_it_names_is_durable_and_not_before() -> None:
    one = house()
    key = one.deliver(3)
    one.hub.open.clear()
    one.queue.send(notice(key))
    (letter,) = one.queue.receive(10)
    taking = asyncio.create_task(one.notified._take(letter))
    await asyncio.sleep(0.1)
    assert not one.queue.deleted
    one.hub.open.set()
    await taking
    assert one.queue.deleted == ["1"]
    assert len(one.found()) == 3


@story
async def test_duplicates_in_every_envelope_add_nothing() -> None:
    one = house()
    key = one.deliver(3)
    for body in (notice(key), wrapped(notice(key)), notice(key, versionId="v0")):
        one.queue.send(body)
    await one.drain()
    one.restart()
    one.queue.send(notice(key))
    await one.drain()
    assert len(one.found()) == 3
    assert len(one.queue.deleted) == 4


@story
async def test_a_notification_with_the_etag_of_what_was_read_costs_no_request() -> None:
    one = house()
    key = one.deliver(1)
    etag = one.bucket.objects[key][1].etag
    for _ in range(2):
        one.queue.send(notice(key, eTag=etag))
    await one.drain()
    assert one.bucket.opened == [key]


@story
async def test_each_version_is_read_though_another_was_written_over_it() -> None:
    one = house()
    first = one.bucket.put("a.log", b'{"n": 1}\n')
    second = one.bucket.put("a.log", b'{"n": 2}\n')
    for what in (first, second):
        one.queue.send(notice("a.log", eTag=what.etag, versionId=what.version))
    await one.drain()
    assert [json.loads(raw) for raw in one.hub.raws] == [{"n": 1}, {"n": 2}]


@story
async def test_what_cannot_be_read_now_comes_again_later_each_time() -> None:
    one = house()
    key = one.deliver(1)
    one.bucket.faults[key] = [Withheld("AccessDenied", "no") for _ in range(9)]
    one.work.troubles.read()
    one.queue.send(notice(key))
    waits = []
    for _ in range(9):
        (letter,) = one.queue.receive(10)
        await one.notified._take(letter)
        waits.append(one.queue.hidden[letter.id])
        one.queue.again()
    assert waits == [60, 120, 240, 480, 960, 1920, *[S3_AGAIN_MOST_SECONDS] * 3]
    assert not one.queue.deleted
    assert one.codes("s3.object.read") == ["AccessDenied"]
    await one.drain()
    assert len(one.found()) == 1


@story
async def test_several_failures_in_a_row_are_the_stores_and_delete_nothing() -> None:
    one = house()
    for number in range(S3_TROUBLES):
        key = one.deliver(1)
        one.bucket.faults[key] = [Unreachable("no") for _ in range(S3_TRIES)]
        one.queue.send(notice(key))
        assert number < S3_TROUBLES
    with pytest.raises(Unreachable):
        await one.drain()
    assert not one.queue.deleted
    one.queue.again()
    one.restart()
    one.bucket.faults.clear()
    await one.drain()
    assert len(one.found()) == S3_TROUBLES


@story
async def test_an_object_that_is_gone_is_told_and_its_message_deleted() -> None:
    one = house()
    key = one.deliver(1)
    one.bucket.faults[key] = [Gone("NoSuchKey")]
    one.queue.send(notice(key))
    await one.drain()
    assert one.codes("s3.object.read") == ["gone"]
    assert one.queue.deleted == ["1"]


@story
async def test_a_message_that_is_none_is_kept_in_the_ledger_and_deleted() -> None:
    one = house()
    one.queue.send("hello \x00 there")
    one.queue.send(json.dumps({"Event": "s3:TestEvent", "Service": "Amazon S3", "Bucket": "trail"}))
    await one.drain()
    (event,) = one.found("s3.notice.read")
    assert event["raw"] == "hello \x00 there"
    assert event["outcome"] == "failure"
    assert one.queue.deleted == ["1", "2"]
    assert sum(batch.rejected for batch in one.hub.submissions) == 1


@story
async def test_objects_of_another_bucket_are_never_read() -> None:
    one = house()
    one.queue.send(notice("x.log", bucket="somebody-elses"))
    await one.drain()
    assert one.bucket.opened == []
    assert one.codes("s3.object.read") == ["other_bucket"]
    assert one.queue.deleted == ["1"]


@story
async def test_objects_outside_the_prefix_are_left_alone() -> None:
    one = house(prefix="AWSLogs/")
    one.queue.send(notice("other/x.log"))
    one.queue.send(notice("AWSLogs/folder/"))
    await one.drain()
    assert one.bucket.opened == []
    assert one.queue.deleted == ["1", "2"]
    assert not one.hub.contents


@story
async def test_the_whole_source_runs_until_it_is_cancelled_and_goes_on_from_there() -> None:
    one = house()
    for _ in range(12):
        one.queue.send(notice(one.deliver(2)))
    await _run(one, 24)
    for _ in range(3):
        one.queue.send(notice(one.deliver(2)))
    one.queue.send(notice(one.digest()))
    await _run(one, 31)
    assert one.verdicts() == [("success", "")]
    assert not one.queue.letters


@story
async def test_with_since_the_bucket_is_swept_beside_the_queue() -> None:
    one = house(since="all", every="1s")
    one.deliver(2)
    one.queue.send(notice(one.deliver(2)))
    await _run(one, 4)


@story
async def test_an_error_of_the_queue_ends_the_source_with_its_name() -> None:
    one = house(since="all")

    def broken(most: int) -> list[object]:
        raise Unreachable("the queue is gone")

    one.queue.receive = broken  # type: ignore[assignment, method-assign]
    with pytest.raises(Unreachable, match="the queue is gone"):
        await _run(one, 1)


async def _run(one: House, count: int) -> None:
    settings: SourceSettings = one.settings
    positions: Mapping[str, bytes] = one.hub.positions.get(("aws", ""), {})
    configured = Configured(settings=settings, positions=dict(positions))
    task = asyncio.create_task(collecting(
        one.hub, configured, one.bucket, one.queue, PublicKeys("", one.asked)))
    waiting = asyncio.create_task(one.hub.wait_for(count))
    await asyncio.wait((task, waiting), return_when=asyncio.FIRST_COMPLETED)
    for _ in range(200):
        if not one.queue.letters or task.done():
            break
        await asyncio.sleep(0.02)
    task.cancel()
    waiting.cancel()
    result = (await asyncio.gather(task, return_exceptions=True))[0]
    if isinstance(result, Exception):
        raise result
    assert len(one.hub.contents) == count
