"""Buckets of SeaweedFS, queues of moto: each event of each log file once, through kills.

The collector is killed while objects and notifications arrive, notifications come twice and wrapped
in SNS, objects come late, are broken, altered and gone; digests are signed by a key of the test.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import shlex
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support.buckets import Trail, notice, wrapped
from support.senders import block, eventually
from support.served import Place, Server
from support.shipping import events
from support.stores import LOGIN, SECRET, Moto, Seaweed, client, needs_moto, needs_weed

DATA = Path(__file__).parents[3] / "shared" / "data" / "cloudtrail-invictus" / "delivery"
OWN = ("cloudtrail.digest.verify", "cloudtrail.log_file.verify", "s3.object.read", "s3.notice.read")


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with Seaweed(tmp_path_factory.mktemp("weed")) as found:
        yield found


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with Moto(tmp_path_factory.mktemp("moto")) as found:
        yield found


class Bucket:
    """A bucket of a real store, written as CloudTrail writes."""

    def __init__(self, endpoint: str, name: str) -> None:
        self.name, self.endpoint = name, endpoint
        self.s3 = client("s3", endpoint)
        self.s3.create_bucket(
            Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        self.trail = Trail(name)

    def put(self, key: str, body: bytes, metadata: dict[str, str] | None = None) -> None:
        named = {name.replace("_", "-"): value for name, value in (metadata or {}).items()}
        self.s3.put_object(Bucket=self.name, Key=key, Body=body, Metadata=named)

    def log(self, count: int = 3) -> str:
        key, body = self.trail.log_file(count)
        self.put(key, body)
        return key

    def digest(self, **change: Any) -> str:
        key, body, metadata = self.trail.digest(**change)
        self.put(key, body, metadata)
        return key


def house(root: Path, bucket: Bucket, *flags: str, page: bool = False) -> Place:
    """A ledger with the source `aws`; with `page` by the command of the documentation."""
    (root / "house").mkdir()
    place = Place(root / "house").init()
    (root / "s3.secret").write_text(SECRET + "\n")
    (root / "keys.json").write_text(bucket.trail.keys_file())
    if page:
        text = block("s3", "s3-listing").replace("\\\n", " ")
        for old, new in {
            "trail-bucket": bucket.name, "https://s3.example.org": bucket.endpoint,
            "every=60s": "every=1s", "/etc/indelible/cloudtrail-keys.json": str(root / "keys.json"),
            "s3.secret": str(root / "s3.secret"),
        }.items():
            assert old in text, old
            text = text.replace(old, new)
        words = shlex.split(text)
        assert words[0] == "indelible"
        place.cli(*words[1:], "--data", str(place.data))
        return place
    place.cli(
        "source", "add", "aws", "--data", str(place.data), "--protocol", "s3",
        "--option", f"bucket={bucket.name}", "--option", f"endpoint={bucket.endpoint}",
        "--option", "region=eu-central-1", "--option", "every=1s",
        "--option", f"keys={root / 'keys.json'}", "--secret-file", str(root / "s3.secret"), *flags,
    )
    return place


def kill_collector(server: Server) -> None:
    """kill -9; its parent starts another."""
    for pid in server.pids("collector"):
        os.kill(pid, signal.SIGKILL)


def stored(server: Server) -> list[dict[str, Any]]:
    """Events of CloudTrail's log files."""
    return [one for one in events(server, "source:aws") if one.get("action") not in OWN]


def findings(server: Server, action: str) -> list[dict[str, Any]]:
    """What the source itself said, in the order of the log."""
    return events(server, f"source:aws action:{action}")


def verdicts(server: Server) -> list[tuple[str, str]]:
    return [(one["outcome"], one.get("reason", {}).get("code", ""))
            for one in findings(server, "cloudtrail.digest.verify")]


def soon(server: Server, what: Callable[[], bool], seconds: float = 60.0) -> None:
    """Until `what` holds; else what the server has found and said."""
    try:
        eventually(what, seconds)
    except AssertionError:
        log = (server.place.root / "serve.log").read_text()
        raise AssertionError((verdicts(server), len(stored(server)), log[-3000:])) from None


def each_once(server: Server, wanted: set[str], seconds: float = 60.0) -> None:
    """Every event is there, and none twice."""
    soon(server, lambda: {one["id"] for one in stored(server)} >= wanted, seconds)
    found = Counter(one["id"] for one in stored(server))
    assert set(found) == wanted
    assert max(found.values()) == 1
    figures = counts_of(server)
    assert figures["conflicts"] == figures["repeats"] == 0


def counts_of(server: Server) -> dict[str, Any]:
    with server.client("auditor") as http:
        found: dict[str, Any] = http.get("/v1/sources/aws").json()["now"]
    return found


def delivered() -> dict[str, bytes]:
    """Real log files, under the keys that they had in their bucket."""
    found = {}
    for path in sorted(DATA.glob("*.json.gz")) if DATA.exists() else ():
        when = re.search(r"_(\d{4})(\d\d)(\d\d)T", path.name)
        assert when is not None
        account, _, region = path.name.split("_")[:3]
        found[f"AWSLogs/{account}/CloudTrail/{region}/{'/'.join(when.groups())}/{path.name}"] = (
            path.read_bytes())
    return found


def ids_of(body: bytes) -> set[str]:
    return {one["eventID"] for one in json.loads(gzip.decompress(body))["Records"]}


@needs_weed
def test_every_event_of_a_listed_bucket_arrives_once_through_kills(
    tmp_path: Path, seaweed: Seaweed
) -> None:
    bucket = Bucket(seaweed.url, "listed-trail")
    wanted: set[str] = set()
    for key, body in delivered().items():
        bucket.put(key, body)
        wanted |= ids_of(body)
    chance = random.Random(3)
    with Server(house(tmp_path, bucket, page=True)) as server:
        for number in range(40):
            key, body = bucket.trail.log_file(5)
            bucket.put(key, body)
            wanted |= ids_of(body)
            if chance.random() < 0.2:
                kill_collector(server)
            if number % 10 == 9:
                bucket.digest()
            time.sleep(chance.uniform(0, 0.2))
        each_once(server, wanted)
        soon(server, lambda: len(verdicts(server)) == 4)
        assert verdicts(server) == [("success", "")] * 4
        real = [one for one in stored(server) if "/218007301253_" in one["data"]["file"]]
        assert len(real) == (621 if DATA.exists() else 0)
        assert findings(server, "s3.object.read") == []


@needs_weed
def test_late_and_broken_objects_and_other_formats(tmp_path: Path, seaweed: Seaweed) -> None:
    bucket = Bucket(seaweed.url, "mixed-bucket")
    now = datetime.now(UTC)
    days = [f"app/{now - timedelta(days=one):%Y/%m/%d}" for one in range(3)]
    line = b'{"time": "2026-01-01T00:00:00Z", "user": "alice", "action": "login", "n": %d}\n'
    body = b"".join(line % number for number in range(20))
    packed = gzip.compress(random.Random(1).randbytes(200_000).hex().encode())
    bucket.put("app/2019/05/05/past.log.gz", gzip.compress(body.replace(b"alice", b"carol")))
    bucket.put(f"{days[0]}/a.log", body)
    bucket.put(f"{days[0]}/broken.log.gz", packed[:-500])
    with Server(house(tmp_path, bucket)) as server:
        soon(server, lambda: len(stored(server)) == 40, 30.0)
        bucket.put(f"{days[2]}/late.log.gz", gzip.compress(body.replace(b"alice", b"bob")))
        bucket.put(f"{days[0]}/same.log", body)
        soon(server, lambda: len(stored(server)) == 80, 30.0)
        (event,) = findings(server, "s3.object.read")
        assert event["reason"]["code"] == "damaged"
        assert event["targets"][0]["id"].endswith("/broken.log.gz")
        ids = [one["id"] for one in stored(server)]
        assert len(set(ids)) == 80
        assert all(one.startswith("s3/mixed-bucket/app/") for one in ids)
        assert counts_of(server)["refused"] == 1


@needs_weed
@needs_moto
def test_every_event_that_a_queue_tells_of_arrives_once_through_kills(
    tmp_path: Path, seaweed: Seaweed, moto: Moto
) -> None:
    bucket = Bucket(seaweed.url, "queued-trail")
    sqs, sns = client("sqs", moto.url), client("sns", moto.url)
    queue = sqs.create_queue(QueueName="told", Attributes={"VisibilityTimeout": "5"})["QueueUrl"]
    arn = sqs.get_queue_attributes(
        QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="told")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    wanted: set[str] = set()
    chance = random.Random(5)

    def tell(key: str) -> None:
        """Straight, through SNS, or both; sometimes twice; sometimes not at all."""
        for _ in range(chance.choice((1, 1, 2))):
            if chance.random() < 0.5:
                sns.publish(TopicArn=topic, Message=notice(key, bucket.name))
            else:
                sqs.send_message(QueueUrl=queue, MessageBody=notice(key, bucket.name))

    place = house(tmp_path, bucket, "--option", f"queue={queue}")
    sqs.send_message(QueueUrl=queue, MessageBody="this is no notification")
    sqs.send_message(QueueUrl=queue, MessageBody=notice("secrets.json", "another-bucket"))
    sqs.send_message(QueueUrl=queue, MessageBody=wrapped(notice("gone.json", bucket.name)))
    lost = 0
    with Server(place) as server:
        for key, body in delivered().items():
            bucket.put(key, body)
            wanted |= ids_of(body)
            tell(key)
        for number in range(40):
            key, body = bucket.trail.log_file(5)
            bucket.put(key, body)
            wanted |= ids_of(body)
            if chance.random() < 0.8:
                tell(key)
            else:
                lost += 1
            if chance.random() < 0.15:
                kill_collector(server)
            if number % 10 == 9:
                key = bucket.digest()
                if number != 19:
                    tell(key)
            time.sleep(chance.uniform(0, 0.2))
        assert lost
        each_once(server, wanted, 200.0)  # what a killed one had taken comes late
        soon(server, lambda: len(verdicts(server)) == 4)
        assert verdicts(server) == [("success", "")] * 4

        def left() -> int:
            found = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
            return int(found["ApproximateNumberOfMessages"]) + int(
                found["ApproximateNumberOfMessagesNotVisible"])

        soon(server, lambda: left() == 0, 150.0)
        codes = Counter(one["reason"]["code"] for one in findings(server, "s3.object.read"))
        assert codes == {"other_bucket": 1, "gone": 1}
        (poison,) = findings(server, "s3.notice.read")
        assert poison["raw"] == "this is no notification"


@needs_weed
def test_a_chain_of_digests_with_everything_that_can_be_wrong(
    tmp_path: Path, seaweed: Seaweed
) -> None:
    bucket = Bucket(seaweed.url, "chained-trail")
    trail = bucket.trail

    def settled(count: int) -> list[tuple[str, str]]:
        soon(server, lambda: len(verdicts(server)) >= count)
        return verdicts(server)[count - 1 :]

    with Server(house(tmp_path, bucket, "--silence", "1h")) as server:
        bucket.log()
        bucket.digest()
        assert settled(1) == [("success", "")]
        key, body = trail.log_file()
        bucket.put(key, gzip.compress(gzip.decompress(body).replace(b"alice", b"mallory")))
        bucket.digest()
        assert settled(2) == [("failure", "log_file_altered")]
        trail.digest()  # is never delivered
        bucket.digest()
        assert settled(3) == [("failure", "digest_missing"), ("success", "")]
        key, body, metadata = trail.digest()
        bucket.put(key, body, {**metadata, "signature": "00" * 256})
        assert settled(5) == [("failure", "signature_invalid")]
        trail.log_file()  # is never delivered
        bucket.digest()
        assert ("failure", "log_file_missing") in settled(6)
        kill_collector(server)
        log = bucket.log()
        bucket.digest()
        soon(server, lambda: verdicts(server)[-1] == ("success", ""))
        bucket.put(log, gzip.compress(b'{"Records": []}'))
        soon(server, lambda: bool(findings(server, "cloudtrail.log_file.verify")), 30.0)
        (event,) = findings(server, "cloudtrail.log_file.verify")
        assert event["reason"]["code"] == "log_file_altered"
        numbers = [one["source"]["seq"] for one in findings(server, "cloudtrail.digest.verify")
                   if one["source"].get("seq")]
        assert numbers[:3] == [1, 2, 4]
        assert sum(one["actor"]["id"] == "mallory" for one in stored(server)) == 2


@needs_moto
def test_notifications_as_a_store_sends_them_and_an_assumed_role(
    tmp_path: Path, moto: Moto, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = Bucket(moto.url, "noted-trail")
    sqs = client("sqs", moto.url)
    queue = sqs.create_queue(QueueName="noted")["QueueUrl"]
    arn = sqs.get_queue_attributes(
        QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bucket.log()  # before anybody tells of it
    bucket.s3.put_bucket_notification_configuration(
        Bucket=bucket.name, NotificationConfiguration={"QueueConfigurations": [
            {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]})
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", LOGIN["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", LOGIN["aws_secret_access_key"])
    place = house(
        tmp_path, bucket, "--option", f"queue={queue}", "--option", "since=all",
        "--option", "role=arn:aws:iam::123456789012:role/reader", "--option", "external_id=x-1",
    )
    with Server(place) as server:
        for name in ("a b+c/\u00fc&.json", "plain.json"):
            bucket.put(name, b'{"user": "alice", "action": "login"}\n')
        bucket.log()
        bucket.digest()
        soon(server, lambda: len(stored(server)) == 8)
        soon(server, lambda: verdicts(server) == [("success", "")], 30.0)
        assert any("a b+c/\u00fc&" in one["id"] for one in stored(server))


def test_without_the_extra_the_log_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "boto3.py").write_text("raise ImportError('absent')")
    (tmp_path / "house").mkdir()
    place = Place(tmp_path / "house").init()
    place.cli("source", "add", "aws", "--data", str(place.data), "--protocol", "s3",
              "--option", "bucket=b-1", "--option", "region=eu-central-1")
    path = os.pathsep.join([str(tmp_path), *(one for one in sys.path if one)])
    place.environment["PYTHONPATH"] = path
    with Server(place) as server:
        log = server.place.root / "serve.log"
        eventually(lambda: "the extra `s3`" in log.read_text())
        assert counts_of(server)["stored"] == 0
