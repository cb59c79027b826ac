"""What a message of a queue says of new objects. Pure.

Read are the notifications of S3 itself, of EventBridge about S3, and of CloudTrail about a log file
that it delivered; each also in the envelope that SNS puts around it when it does not deliver raw
(docs.aws.amazon.com/AmazonS3/latest/userguide "Event message structure", "Using EventBridge";
docs.aws.amazon.com/sns "Message and JSON formats"; the CloudTrail user guide on SNS).
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote_plus

import msgspec

from indelible.base.limits import S3_NOTICE_BYTES, S3_NOTICES


class NotANotice(Exception):
    """The message says nothing of objects; the reason is for people."""


class Notice(NamedTuple):
    """One new object. `etag` and `version` are empty where the message tells none."""

    bucket: str
    key: str
    etag: str = ""
    version: str = ""


def notices(body: str) -> list[Notice]:
    """Every new object that a message names; none for a test message, or for one of deletions.

    Raises `NotANotice`.
    """
    if len(body) > S3_NOTICE_BYTES:
        raise NotANotice(f"it has more than {S3_NOTICE_BYTES} bytes")
    said = _read(body)
    if said.Type == "Notification" and said.Message is not None:
        said = _read(said.Message)
    if said.Records is not None:
        found = [_of_s3(one) for one in said.Records if _created(one.eventName)]
    elif said.detail is not None and said.source == "aws.s3":
        found = [_of_eventbridge(said.detail)] if said.detail_type == "Object Created" else []
    elif said.s3ObjectKey is not None and said.s3Bucket:
        keys = said.s3ObjectKey
        keys = [keys] if isinstance(keys, str) else keys
        found = [Notice(said.s3Bucket, key) for key in keys]
    elif said.Event == "s3:TestEvent":
        found = []
    else:
        raise NotANotice("it is no notification of S3, EventBridge or CloudTrail")
    if len(found) > S3_NOTICES:
        raise NotANotice(f"it names more than {S3_NOTICES} objects")
    if any(not one.key or not one.bucket for one in found):
        raise NotANotice("it names an object without a bucket or a key")
    return found


class _Bucket(msgspec.Struct):
    name: str = ""


class _Object(msgspec.Struct, rename={"version_id": "version-id"}):
    key: str = ""
    eTag: str = ""
    etag: str = ""
    versionId: str = ""
    version_id: str = ""


class _Entity(msgspec.Struct):
    bucket: _Bucket = msgspec.field(default_factory=_Bucket)
    object: _Object = msgspec.field(default_factory=_Object)


class _Record(msgspec.Struct):
    s3: _Entity
    eventName: str = ""


class _Said(msgspec.Struct, rename={"detail_type": "detail-type"}):
    """All forms in one: which it is shows in the members that are there."""

    Type: str = ""
    Message: str | None = None
    Records: list[_Record] | None = None
    Event: str = ""
    source: str = ""
    detail_type: str = ""
    detail: _Entity | None = None
    s3Bucket: str = ""
    s3ObjectKey: str | list[str] | None = None


_decode = msgspec.json.Decoder(_Said).decode


def _read(text: str) -> _Said:
    try:
        return _decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise NotANotice(f"it is no JSON of a notification: {error}") from error


def _created(name: str) -> bool:
    return name.removeprefix("s3:").startswith("ObjectCreated:")


def _of_s3(record: _Record) -> Notice:
    """S3 writes keys as forms do, with + for a blank."""
    entity = record.s3.object
    key = unquote_plus(entity.key, errors="strict") if _whole(entity.key) else entity.key
    return Notice(record.s3.bucket.name, key, entity.eTag, entity.versionId)


def _whole(key: str) -> bool:
    try:
        unquote_plus(key, errors="strict")
    except UnicodeDecodeError:
        return False
    return True


def _of_eventbridge(detail: _Entity) -> Notice:
    """EventBridge writes keys as they are."""
    one = detail.object
    return Notice(detail.bucket.name, one.key, one.etag, one.version_id)
