"""Digests and who signed them: what is forged, moved or of the future is not believed."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest

from indelible.ingest.protocols import s3_work
from support.buckets import REGION, Trail
from support.s3_house import House, story


@story
async def test_a_wrong_signature_is_told_and_nothing_of_that_digest_is_believed() -> None:
    house = House()
    house.deliver()
    key, body, metadata = house.trail.digest()
    house.bucket.put(key, body, **{**metadata, "signature": "00" * 256})
    await house.look()
    (event,) = house.found("cloudtrail.digest.verify")
    assert (event["outcome"], event["severity"]) == ("failure", "critical")
    assert event["reason"]["code"] == "signature_invalid"
    assert event["data"]["before"] == "unchecked"
    assert not house.digests._chains


@story
async def test_a_forged_digest_of_the_far_future_does_not_move_the_chain() -> None:
    house = House()
    house.digest()
    await house.look()
    forger = Trail(start=datetime.now(UTC).replace(microsecond=0) + timedelta(days=9))
    key, body, metadata = forger.digest(digestPublicKeyFingerprint=house.trail.fingerprint)
    house.bucket.put(key, body, **{**metadata, "signature": metadata["signature"][::-1]})
    await house.look()
    house.digest(put=False)
    house.digest()
    await house.look()
    assert ("failure", "digest_missing") in house.verdicts()


@story
async def test_a_digest_without_signature_and_one_that_is_none_are_told() -> None:
    house = House()
    key, body, _ = house.trail.digest()
    house.bucket.put(key, body)
    house.bucket.put(house.trail.digest_key(datetime(2026, 1, 1, tzinfo=UTC)), b"not gzip, no JSON")
    await house.look()
    await house.sweep()
    assert sorted(house.verdicts()) == [
        ("failure", "digest_unreadable"), ("failure", "signature_absent")]


@story
async def test_a_digest_that_was_moved_is_told() -> None:
    house = House()
    key, body, metadata = house.trail.digest()
    house.bucket.put(key.replace(f"_{REGION}_main", f"_{REGION}_other"), body, **metadata)
    await house.look()
    assert house.verdicts() == [("failure", "digest_moved")]


@story
async def test_a_digest_that_is_not_believed_is_not_followed_back() -> None:
    house = House()
    house.digest()
    await house.look()
    house.digest(put=False)
    key, body, metadata = house.trail.digest()
    house.bucket.put(key, body, **{**metadata, "signature": "00" * 256})
    house.digest()
    await house.look()
    assert house.verdicts() == [
        ("success", ""), ("failure", "signature_invalid"), ("success", "")]
    assert house.found("cloudtrail.digest.verify")[2]["data"]["before"] == "not_seen"


@story
async def test_a_digest_under_a_key_that_is_not_cloudtrails_is_not_believed() -> None:
    house = House()
    key, body = house.trail.log_file()
    house.bucket.put(key, gzip.compress(gzip.decompress(body).replace(b"alice", b"mallory")))
    house.digest(digestPublicKeyFingerprint="ab" * 16)
    await house.look()
    (event,) = house.found("cloudtrail.digest.verify")
    assert (event["outcome"], event["severity"]) == ("failure", "critical")
    assert event["reason"]["code"] == "key_foreign"
    assert event["data"]["log_files"]["named"] == 0
    house.trail.previous = None
    house.deliver()
    house.digest()
    await house.look()
    assert house.verdicts()[1:] == [("success", "")]  # nothing stood in its chain before


def test_a_digest_of_the_future_silences_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def tell() -> None:
        house = House(keys=False)
        house.trail.now = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
        house.digest()
        await house.look()
        now, before = house.trail.now, house.trail.previous
        house.digest(24 * 365)
        await house.look()
        house.trail.now, house.trail.previous = now, before
        assert house.verdicts() == [("unknown", "key_unknown"), ("failure", "digest_future")]
        house.digest()
        await house.look()
        assert house.verdicts()[2:] == [("unknown", "key_unknown")]
        wall = s3_work.wall_us
        monkeypatch.setattr(s3_work, "wall_us", lambda: wall() + 6 * 3_600_000_000)
        await house.digests.look()
        assert house.codes("cloudtrail.digest.verify")[3:] == ["digest_overdue"]

    asyncio.run(tell())


@story
async def test_where_keys_are_gone_that_there_were_it_is_graver() -> None:
    house = House()
    house.digest()
    await house.look()
    house._keys = False
    house.restart()
    house.digest()
    await house.look()
    assert house.verdicts() == [("success", ""), ("unknown", "key_lost")]
    assert house.found("cloudtrail.digest.verify")[1]["severity"] == "high"


@story
async def test_without_a_public_key_nothing_is_a_success() -> None:
    house = House(keys=False)
    house.deliver()
    house.digest()
    await house.look()
    assert house.verdicts() == [("unknown", "key_unknown")]
    (event,) = house.found("cloudtrail.digest.verify")
    assert event["data"]["log_files"]["matching"] == 1


@story
async def test_a_digest_before_the_previous_one_was_altered_breaks_the_chain() -> None:
    house = House()
    key, body, metadata = house.trail.digest()
    said = json.loads(gzip.decompress(body))
    content = json.dumps({**said, "awsAccountId": "999999999999"}).encode()
    house._keys = False
    house.restart()
    house.bucket.put(key, gzip.compress(content), **metadata)
    house.digest()
    await house.look()
    assert house.verdicts()[1] == ("failure", "chain_broken")
