"""The bucket and the queue, asked through boto3: blocking calls, made in threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Final, cast
from urllib.parse import urlsplit

import msgspec

from indelible.base.clock import to_us
from indelible.base.limits import S3_POLL_SECONDS, S3_VISIBLE_SECONDS
from indelible.ingest.protocols.pull_clock import date_of
from indelible.ingest.protocols.s3_boto import Account, Client, Stream, code_of, taken, trouble
from indelible.ingest.protocols.s3_options import Options
from indelible.ingest.protocols.s3_store import (
    Gone,
    Letter,
    Object,
    Opened,
    Page,
    Readable,
    Withheld,
)

_GONE: Final = frozenset(("NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"))
"""A version that is only a marker of a deletion answers 405."""
_OWN: Final = frozenset(
    ("AccessDenied", "403", "InvalidObjectState", "InvalidRequest", "InvalidArgument")
)
"""What is wrong with one object: its permissions, its archive tier, its encryption."""
_ARCHIVED: Final = ("GLACIER", "DEEP_ARCHIVE")
"""Classes of storage whose objects have to be restored first."""


class BotoBucket:
    """Fulfils `Bucket`."""

    def __init__(self, account: Account, options: Options) -> None:
        self._account, self._options = account, options

    def page(self, prefix: str, after: str = "", token: str = "") -> Page:
        """See `Bucket.page`."""
        name = self._options.bucket
        asked = {"StartAfter": after} if after else {}
        if token:
            asked = {"ContinuationToken": token}
        try:
            answer = self._client().list_objects_v2(Bucket=name, Prefix=prefix, **asked)
        except self._account.failures as error:
            raise trouble(f"bucket {name} cannot be listed", error) from error
        found = taken(answer, _Listing)
        objects = [
            Object(
                one.Key, one.ETag.strip('"'), to_us(one.LastModified),
                archived=one.StorageClass in _ARCHIVED,
            )
            for one in found.Contents
        ]
        token = found.NextContinuationToken if found.IsTruncated else ""
        return Page(objects, token, date_of(found.ResponseMetadata.HTTPHeaders) or 0)

    def open(self, key: str, version: str = "") -> Opened:
        """See `Bucket.open`."""
        asked = {"VersionId": version} if version else {}
        try:
            answer = self._client().get_object(Bucket=self._options.bucket, Key=key, **asked)
        except self._account.failures as error:
            code = code_of(error)
            if code in _GONE:
                raise Gone(f"{code}: {error}") from error
            if code in _OWN or code.startswith("KMS."):
                raise Withheld(code, str(error)) from error
            raise trouble(f"object {key!r} cannot be read", error) from error
        found = taken(answer, _Got)
        body = cast(Stream, answer["Body"])
        what = Object(key, found.ETag.strip('"'), to_us(found.LastModified), version)
        read = _Body(body, self._account.failures)
        return Opened(what, found.Metadata, read, lambda: _let_go(body))

    def _client(self) -> Client:
        try:
            client = self._account.client("s3", self._options.region, self._options.endpoint)
        except self._account.failures as error:
            raise trouble("there is no login to the store", error) from error
        return cast(Client, client)


class BotoQueue:
    """Fulfils `Queue` with Amazon SQS."""

    def __init__(self, account: Account, options: Options) -> None:
        self._account, self._url = account, options.queue
        parts = urlsplit(options.queue)
        self._endpoint = f"{parts.scheme}://{parts.netloc}"
        host = (parts.hostname or "").split(".")
        self._region = host[1] if host[0] == "sqs" and len(host) > 2 else options.region

    def receive(self, most: int) -> list[Letter]:
        """See `Queue.receive`."""
        answer = self._ask(
            "receive_message", MaxNumberOfMessages=most, WaitTimeSeconds=S3_POLL_SECONDS,
            VisibilityTimeout=S3_VISIBLE_SECONDS, AttributeNames=["ApproximateReceiveCount"],
        )
        return [
            Letter(one.MessageId, one.ReceiptHandle, one.Body,
                   int(one.Attributes.get("ApproximateReceiveCount", "1")))
            for one in taken(answer, _Received).Messages
        ]

    def hide(self, letter: Letter, seconds: int) -> None:
        """See `Queue.hide`."""
        self._ask("change_message_visibility", ReceiptHandle=letter.receipt,
                  VisibilityTimeout=seconds)

    def delete(self, letter: Letter) -> None:
        """See `Queue.delete`."""
        self._ask("delete_message", ReceiptHandle=letter.receipt)

    def _ask(self, what: str, **said: object) -> Mapping[str, object]:
        try:
            client = self._account.client("sqs", self._region, self._endpoint)
            call: Callable[..., Mapping[str, object]] = getattr(client, what)
            return call(QueueUrl=self._url, **said)
        except self._account.failures as error:
            raise trouble(f"queue {self._url} does not take {what}", error) from error


def _let_go(body: Stream) -> None:
    """Close a body, also while a thread waits in it for bytes that may never come.

    `close` alone would wait for that thread. A urllib3 that cannot end a read (before 2.3) is left
    to close the connection when the thread is done with it.
    """
    end: Callable[[], None] | None = getattr(
        getattr(body, "_raw_stream", None), "shutdown", None
    )
    if end is None:
        return
    with suppress(ValueError, RuntimeError, OSError):  # nobody reads any more
        end()
    body.close()


class _Body:
    """The bytes of an object; a connection that breaks is the store's trouble."""

    def __init__(self, body: Readable, failures: tuple[type[Exception], ...]) -> None:
        self._body, self._failures = body, failures

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._body.read(size)
        except self._failures as error:
            raise trouble("the connection broke in the middle of an object", error) from error


class _Listed(msgspec.Struct):
    Key: str
    LastModified: datetime
    ETag: str = ""
    StorageClass: str = ""


class _Answered(msgspec.Struct):
    HTTPHeaders: dict[str, str] = {}


class _Listing(msgspec.Struct):
    Contents: list[_Listed] = []
    IsTruncated: bool = False
    ResponseMetadata: _Answered = msgspec.field(default_factory=_Answered)
    NextContinuationToken: str = ""


class _Got(msgspec.Struct):
    LastModified: datetime
    ETag: str = ""
    Metadata: dict[str, str] = {}


class _Message(msgspec.Struct):
    MessageId: str
    ReceiptHandle: str
    Body: str
    Attributes: dict[str, str] = {}


class _Received(msgspec.Struct):
    Messages: list[_Message] = []
