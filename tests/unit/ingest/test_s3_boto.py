"""What is asked of AWS, held against boto3's own description of its API, and what is made of it."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from indelible.base.clock import to_us
from indelible.base.errors import Unreachable
from indelible.ingest.protocols import s3_boto
from indelible.ingest.protocols.s3_aws import BotoBucket, BotoQueue
from indelible.ingest.protocols.s3_boto import Account
from indelible.ingest.protocols.s3_options import Login, options_of
from indelible.ingest.protocols.s3_store import Gone, Letter, Withheld

pytest.importorskip("boto3", reason="boto3 is absent")
from botocore.response import StreamingBody
from botocore.stub import Stubber

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/q"


def _account(**options: str) -> tuple[Account, Any]:
    said = options_of({"bucket": "trail", "region": "eu-central-1", **options})
    return Account(said, Login("AKIA", "key")), said


def _stubbed(account: Account, *where: str) -> Stubber:
    stub = Stubber(account.client(*where))
    stub.activate()
    return stub


def test_public_keys_are_asked_for_by_region_and_time_and_page_by_page() -> None:
    account, _ = _account()
    stub = _stubbed(account, "cloudtrail", "us-east-2")
    begin, end = NOW, NOW + timedelta(hours=1)
    asked: dict[str, Any] = {"StartTime": begin, "EndTime": end}
    for number, token in ((1, "t"), (2, "")):
        stub.add_response("list_public_keys", {
            "PublicKeyList": [{"Value": b"der%d" % number, "Fingerprint": f"f{number}",
                               "ValidityStartTime": NOW, "ValidityEndTime": end}],
            **({"NextToken": token} if token else {}),
        }, asked)
        asked = {**asked, "NextToken": "t"}
    found = account.public_keys("us-east-2", to_us(begin), to_us(end))
    assert found == [("f1", b"der1"), ("f2", b"der2")]
    assert account.client("cloudtrail", "us-east-2").meta.region_name == "us-east-2"  # type: ignore[attr-defined]
    stub.add_client_error("list_public_keys", "AccessDeniedException")
    with pytest.raises(Unreachable, match="AccessDenied"):
        account.public_keys("us-east-2", to_us(begin), to_us(end))


def test_a_role_is_assumed_and_assumed_anew_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr(s3_boto, "monotonic", lambda: now[0])
    lent: list[dict[str, Any]] = []

    class Sts:
        def assume_role(self, **asked: Any) -> dict[str, Any]:
            lent.append(asked)
            return {"Credentials": {
                "AccessKeyId": f"ASIA{len(lent)}", "SecretAccessKey": "s", "SessionToken": "t",
                "Expiration": datetime.now(UTC) + timedelta(hours=1)}}

    role = "arn:aws:iam::111122223333:role/reader"
    account, _ = _account(role=role, external_id="x-1")
    made = account._made

    def instead(session: Any, service: str, region: str, endpoint: str) -> Any:
        return Sts() if service == "sts" else made(session, service, region, endpoint)

    monkeypatch.setattr(account, "_made", instead)
    first = account.client("s3")
    assert account.client("s3") is first
    assert account.client("sqs") is not None
    assert lent == [{"RoleArn": role, "RoleSessionName": "indelible", "DurationSeconds": 3600,
                     "ExternalId": "x-1"}]
    now[0] += 3_200
    assert account.client("s3") is first
    now[0] += 150
    assert account.client("s3") is not first
    assert len(lent) == 2


def test_listings_go_on_by_token_or_behind_a_key() -> None:
    account, options = _account(prefix="AWSLogs/")
    bucket = BotoBucket(account, options)
    stub = _stubbed(account, "s3", "eu-central-1", "")
    one = {"Key": "AWSLogs/a", "ETag": '"e"', "LastModified": NOW, "StorageClass": "GLACIER"}
    stub.add_response("list_objects_v2", {"Contents": [one], "IsTruncated": True,
                                          "NextContinuationToken": "n"},
                      {"Bucket": "trail", "Prefix": "AWSLogs/", "StartAfter": "AWSLogs/0"})
    stub.add_response("list_objects_v2", {"IsTruncated": False},
                      {"Bucket": "trail", "Prefix": "AWSLogs/", "ContinuationToken": "n"})
    page = bucket.page("AWSLogs/", "AWSLogs/0")
    assert [(found.key, found.etag, found.modified_us, found.archived) for found in page.objects
            ] == [("AWSLogs/a", "e", to_us(NOW), True)]
    assert bucket.page("AWSLogs/", "ignored", page.token).token == ""
    stub.add_client_error("list_objects_v2", "AccessDenied", "no")
    with pytest.raises(Unreachable, match="bucket trail cannot be listed") as refused:
        bucket.page("AWSLogs/")
    assert "permissions" in refused.value.remedy


@pytest.mark.parametrize(
    ("code", "error"),
    [("NoSuchKey", Gone), ("NoSuchVersion", Gone), ("MethodNotAllowed", Gone),
     ("AccessDenied", Withheld), ("InvalidObjectState", Withheld),
     ("KMS.DisabledException", Withheld), ("SlowDown", Unreachable),
     ("InternalError", Unreachable), ("NoSuchBucket", Unreachable)],
)
def test_what_goes_wrong_with_an_object_is_told_apart(code: str, error: type[Exception]) -> None:
    account, options = _account()
    stub = _stubbed(account, "s3", "eu-central-1", "")
    asked = {"Bucket": "trail", "Key": "k", "VersionId": "v"}
    stub.add_client_error("get_object", code, expected_params=asked)
    with pytest.raises(error):
        BotoBucket(account, options).open("k", "v")


def test_an_object_comes_with_its_metadata_and_breaks_as_unreachable() -> None:
    account, options = _account()
    stub = _stubbed(account, "s3", "eu-central-1", "")
    body = StreamingBody(io.BytesIO(b"hel"), 5)
    stub.add_response("get_object", {"Body": body, "ETag": '"e"', "LastModified": NOW,
                                     "Metadata": {"signature": "ab"}})
    opened = BotoBucket(account, options).open("k")
    assert (opened.object.etag, opened.metadata) == ("e", {"signature": "ab"})
    with pytest.raises(Unreachable, match="the connection broke"):
        list(iter(lambda: opened.body.read(2), b""))


def test_a_queue_is_asked_in_the_region_of_its_url() -> None:
    account, options = _account(queue=QUEUE)
    queue = BotoQueue(account, options)
    stub = _stubbed(account, "sqs", "eu-west-1", "https://sqs.eu-west-1.amazonaws.com")
    stub.add_response("receive_message", {"Messages": [
        {"MessageId": "m", "ReceiptHandle": "r", "Body": "b",
         "Attributes": {"ApproximateReceiveCount": "3"}}]})
    (letter,) = queue.receive(10)
    assert letter == Letter("m", "r", "b", 3)
    stub.add_response("change_message_visibility", {},
                      {"QueueUrl": QUEUE, "ReceiptHandle": "r", "VisibilityTimeout": 60})
    stub.add_response("delete_message", {}, {"QueueUrl": QUEUE, "ReceiptHandle": "r"})
    queue.hide(letter, 60)
    queue.delete(letter)
    stub.add_response("receive_message", {})
    assert queue.receive(10) == []
    stub.add_client_error("receive_message", "AWS.SimpleQueueService.NonExistentQueue")
    with pytest.raises(Unreachable, match="does not take receive_message"):
        queue.receive(10)
    stub.assert_no_pending_responses()
