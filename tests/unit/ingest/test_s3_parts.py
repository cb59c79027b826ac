"""What a source of objects is made from: options, keys, notifications, memory, one object read."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from indelible.base.clock import MICROS
from indelible.base.errors import BadRequest
from indelible.base.limits import NAME_CHARS, S3_REMEMBERED
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import parser_named
from indelible.ingest.protocols import s3_memory
from indelible.ingest.protocols.s3_keys import digest_key, log_place, message_id, passed_over
from indelible.ingest.protocols.s3_memory import NAMED, Memory, Read
from indelible.ingest.protocols.s3_notices import NotANotice, Notice, notices
from indelible.ingest.protocols.s3_options import Login, login_of, options_of
from indelible.ingest.protocols.s3_reading import Content, Reading
from indelible.ingest.protocols.s3_store import Object, Opened
from indelible.ingest.sources import SourceSettings, checked
from support.buckets import notice, wrapped

GIVEN = Given(now_us=1_780_000_000 * MICROS)
LOG = ("p/AWSLogs/111122223333/CloudTrail/us-east-2/2015/08/17/"
       "111122223333_CloudTrail_us-east-2_20150817T1445Z_9nYN7gp2eWAJHIfT.json.gz")
DIGEST = ("AWSLogs/o-abc123/111122223333/CloudTrail-Digest/us-east-2/2015/08/17/111122223333_"
          "CloudTrail-Digest_us-east-2_your_trail-name_eu-west-1_20150817T150131Z.json.gz")


# --- options


def test_options_are_read_and_have_defaults() -> None:
    options = options_of({"bucket": "b-1", "every": "5m", "since": "2026-01-31", "days": "7",
                          "digests": "ignore"})
    assert (options.every, options.days, options.digests) == (300, 7, False)
    assert datetime.fromtimestamp((options.since_us or 0) / MICROS, UTC) == datetime(
        2026, 1, 31, tzinfo=UTC)
    plain = options_of({"bucket": "b-1"})
    assert (plain.every, plain.since_us, plain.digests) == (60, None, True)
    assert options_of({"bucket": "b-1", "since": "all"}).since_us == 0


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("bucket", {}),
        ("bucket", {"bucket": "s3://b-1/x"}),
        ("prefix", {"bucket": "b-1", "prefix": "/AWSLogs"}),
        ("region", {"bucket": "b-1", "region": "Frankfurt!"}),
        ("endpoint", {"bucket": "b-1", "endpoint": "ftp://x"}),
        ("queue", {"bucket": "b-1", "queue": "arn:aws:sqs:eu-central-1:1:q"}),
        ("role", {"bucket": "b-1", "role": "reader"}),
        ("external_id", {"bucket": "b-1", "external_id": "x"}),
        ("every", {"bucket": "b-1", "every": "often"}),
        ("every", {"bucket": "b-1", "every": "0s"}),
        ("every", {"bucket": "b-1", "every": "2d"}),
        ("since", {"bucket": "b-1", "since": "yesterday"}),
        ("since", {"bucket": "b-1", "since": "2026-02-31"}),
        ("days", {"bucket": "b-1", "days": "0"}),
        ("days", {"bucket": "b-1", "days": "400"}),
        ("days", {"bucket": "b-1", "days": "\u0663"}),
        ("keys", {"bucket": "b-1", "keys": "keys.json"}),
        ("digests", {"bucket": "b-1", "digests": "perhaps"}),
        ("color", {"bucket": "b-1", "color": "red"}),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(
    field: str, options: dict[str, str]
) -> None:
    with pytest.raises(BadRequest) as refused:
        checked(SourceSettings(id="aws", protocol="s3", options=options))
    assert refused.value.field == field


def test_the_secret_is_an_access_key_in_either_form() -> None:
    assert login_of(b"") is None
    assert login_of(b"AKIA1:s/e+cret\n") == Login("AKIA1", "s/e+cret")
    said = {"access_key_id": "A", "secret_access_key": "b", "session_token": "c"}
    assert login_of(json.dumps(said).encode()) == Login("A", "b", "c")


@pytest.mark.parametrize("secret", [b"AKIA1", b":x", b"A:", b"A:b c", b"{}", b"{", b"\xff:x"])
def test_a_secret_that_is_none_is_refused_without_being_shown(secret: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        login_of(secret)
    assert refused.value.field == "secret"
    assert "AKIA1" not in refused.value.message


# --- keys


def test_keys_of_log_files_and_digests_are_told_apart() -> None:
    assert log_place(LOG) == ("111122223333", "us-east-2")
    assert digest_key(LOG) is None
    found = digest_key(DIGEST)
    assert found is not None
    assert log_place(DIGEST) is None
    assert found.place == ("111122223333", "us-east-2")
    assert found.chain == "111122223333/us-east-2/your_trail-name/eu-west-1"
    assert found.end_us == 1_439_823_691 * MICROS
    late = digest_key(DIGEST.replace("Z.json", "Z_backfill.json"))
    assert late is not None
    assert late.late
    assert late.chain == f"{found.chain}/backfill"
    assert log_place(LOG.replace("/CloudTrail/", "/CloudTrail-Insight/")) is not None


@pytest.mark.parametrize(
    "key",
    [
        DIGEST.replace("150131Z", "159999Z"),
        DIGEST.replace("111122223333_", "111122223334_"),
        DIGEST.replace(".json.gz", ".json"),
        "logs/app.log.gz",
        "AWSLogs/111122223333/elasticloadbalancing/us-east-2/2015/08/17/x.log.gz",
    ],
)
def test_what_only_looks_like_cloudtrail_is_an_ordinary_object(key: str) -> None:
    assert digest_key(key) is None
    assert log_place(key) is None


@pytest.mark.parametrize(
    ("key", "onward"),
    [
        (LOG, "p/AWSLogs/111122223333/CloudTrail/us-east-2/2026/01/09/"),
        ("dt=2025-12-31/h=1/x", "dt=2026-01-09/"),
        ("a/2025-12-31/x", "a/2026-01-09/"),
        ("a/year=2025/month=12/day=31/x", "a/year=2026/month=01/day=09/"),
        ("2025/12/31/x", "2026/01/09/"),
        ("a/2026/01/09/x", ""),
        ("a/2026/01/10/x", ""),
        ("a/b/c.log", ""),
        ("a/2025/report.log", ""),
        ("", ""),
    ],
)
def test_a_listing_passes_over_folders_of_days_long_past(key: str, onward: str) -> None:
    assert passed_over(key, date(2026, 1, 9)) == onward


def test_ids_tell_object_content_and_place_and_are_ids() -> None:
    plain = message_id("b", "k/x.log", "e1", 3)
    assert plain == "s3/b/k/x.log/e1/3"
    assert message_id("b", "k/x.log", "e2", 3) != plain
    long = [message_id("b", "k" * 1024 + end, "e", 1) for end in ("x", "y")]
    assert long[0] != long[1]
    assert all(len(one) <= NAME_CHARS for one in long)
    assert message_id("b", "line\nbreak", "e", 1).isprintable()


# --- notifications


def test_notifications_in_every_envelope_name_the_object() -> None:
    key = "AWSLogs/1/a b+c/\u00e4.json.gz"
    plain = notice(key, eTag="e", versionId="v")
    assert notices(plain) == [Notice("trail", key, "e", "v")]
    assert notices(wrapped(plain)) == notices(plain)
    bridge = {"version": "0", "source": "aws.s3", "detail-type": "Object Created", "detail": {
        "bucket": {"name": "b"}, "object": {"key": "a+b", "etag": "e", "version-id": "v"}}}
    assert notices(json.dumps(bridge)) == [Notice("b", "a+b", "e", "v")]
    told = {"s3Bucket": "b", "s3ObjectKey": ["k1", "k2"]}
    assert notices(wrapped(json.dumps(told))) == [Notice("b", "k1"), Notice("b", "k2")]


def test_a_test_message_and_a_deletion_name_nothing_new() -> None:
    test = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026", "Bucket": "b",
            "RequestId": "r", "HostId": "h"}
    assert notices(json.dumps(test)) == []
    assert notices(wrapped(json.dumps(test))) == []
    assert notices(notice("k").replace("ObjectCreated:Put", "ObjectRemoved:Delete")) == []


@pytest.mark.parametrize(
    "body",
    ["", "{}", "[]", "hello", "null", '{"Records": 3}', '{"Records": [{"s3": {}}]}x',
     '{"Type":"Notification","Message":"{}"}', '{"Type":"Notification","Message":"x"}',
     '{"source":"aws.ec2","detail":{}}', "[" * 100_000, "\ud800", "x" * ((1 << 20) + 1),
     '{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{},"object":{"key":""}}}]}'],
)
def test_anything_else_is_no_notification(body: str) -> None:
    with pytest.raises(NotANotice):
        notices(body)


def test_notifications_that_are_mutated_raise_nothing_else() -> None:
    import random

    chance = random.Random(7)
    seeds = [notice("k", eTag="e"), wrapped(notice("k"))]
    for _ in range(4000):
        text = list(chance.choice(seeds))
        for _ in range(chance.randint(1, 4)):
            text[chance.randrange(len(text))] = chance.choice('{}[]",:x0\u00fc\ud801')
        with contextlib.suppress(NotANotice):
            assert all(isinstance(one, Notice) for one in notices("".join(text)))


# --- memory


def _read(key: str, when: int, etag: str = "e", log: bool = False) -> Read:
    return Read(key, etag, when * MICROS, b"h" * 32, log)


def test_what_was_read_is_known_again_after_a_restart() -> None:
    memory = Memory({})
    memory.add(_read("a", 1_000_000))
    kept = memory.take()
    memory.mark(memory.of("a")[0], NAMED)
    again = Memory({**kept, **memory.take()})
    assert again.has(Object("a", "e"))
    assert not again.has(Object("a", "other"))
    assert again.of("a")[0].state == NAMED
    assert again.take() == {}


def test_old_objects_are_forgotten_with_their_positions() -> None:
    memory = Memory({})
    memory.add(_read("a", 1_000_000))
    kept = memory.take()
    memory.prune(1_000_000 * MICROS + 600 * MICROS)
    assert not memory.has(Object("a", "e"))
    assert memory.take() == dict.fromkeys(kept, b"")
    memory.add(_read("old", 900_000))
    assert memory.has(Object("old", "e"))
    assert memory.take() == {}


def test_memory_is_bounded_and_says_what_it_may_have_forgotten() -> None:
    memory = Memory({})
    for number in range(S3_REMEMBERED + 1):
        memory.add(_read(f"k{number}", number * 10))
    assert memory.forgot_us == 600 * MICROS
    assert not memory.has(Object("k0", "e"))
    assert memory.has(Object("k60", "e"))
    assert len(memory._of) <= S3_REMEMBERED


def test_only_log_files_that_no_digest_named_are_asked_for() -> None:
    memory = Memory({})
    for one in (_read("a", 1_000, log=True), _read("b", 1_000), _read("c", 9_000, log=True)):
        memory.add(one)
    memory.add(_read("d", 1_000, log=True))
    memory.mark(memory.of("d")[0], NAMED)
    assert [one.key for one in memory.unnamed(5_000 * MICROS)] == ["a"]
    assert s3_memory.UNNAMED == 0


# --- one object


def _opened(body: bytes, key: str = "k.log") -> Opened:
    return Opened(Object(key, "e", 0), {}, io.BytesIO(body), lambda: None)


def _events(body: bytes, parser: str = "auto") -> tuple[list[Any], list[Any], bytes]:
    reading = Reading(_opened(body), "b", parser_named(parser), GIVEN, "s3://b/k.log")
    events, problems = [], []
    while (batch := reading.step()) is not None:
        assert len(batch.events) <= 1000
        events += batch.events
        problems += batch.problems
    return events, problems, reading.sha256


def test_lines_and_documents_packed_or_not_are_read_with_their_ids() -> None:
    text = b'{"a": 1}\n{"a": 2}\n'
    for body in (text, gzip.compress(text)):
        events, problems, sha256 = _events(body)
        assert [one.id for one in events] == ["s3/b/k.log/e/1", "s3/b/k.log/e/2"]
        assert not problems
        assert sha256 == hashlib.sha256(text).digest()


def test_the_hash_is_that_of_the_whole_content_even_behind_what_cannot_be_read() -> None:
    text = b'{"Records": [{"a": 1}, ' + b"[" * 100_000 + b" " * 9_000_000
    events, problems, sha256 = _events(gzip.compress(text))
    assert len(events) == 1
    assert [one.code for one in problems] == ["bad_json"]
    assert sha256 == hashlib.sha256(text).digest()


def test_a_damaged_object_gives_what_came_before_the_damage() -> None:
    lines = b"".join(b'{"n": %d}\n' % number for number in range(300_000))
    packed = gzip.compress(lines)
    events, problems, sha256 = _events(packed[: len(packed) // 2])
    assert 1000 < len(events) < 300_000
    assert [one.code for one in problems] == ["damaged"]
    assert sha256 == b""


def test_content_without_end_is_refused_at_the_bound() -> None:
    content = Content(_opened(gzip.compress(bytes(5_000_000))), "x", most=2_000_000)
    with pytest.raises(BadRequest, match="more than 2000000 bytes"):
        content.finish()
