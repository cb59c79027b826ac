"""A bucket and a queue in memory, and a CloudTrail that signs digests with a key of its own."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from indelible.base.clock import MICROS, to_us, wall_us
from indelible.base.limits import S3_VISIBLE_SECONDS
from indelible.ingest.protocols.digests import fingerprint_of
from indelible.ingest.protocols.s3_store import Gone, Letter, Object, Opened, Page

ACCOUNT, REGION, TRAIL = "111122223333", "eu-central-1", "main"
BUCKET = "trail"
_KEY = rsa.generate_private_key(65537, 2048)


class MemoryBucket:
    """Fulfils `Bucket`. `faults` maps a key to what is raised instead of opening it."""

    def __init__(self, order: Callable[[str], Any] = lambda key: key, page: int = 1000) -> None:
        self.objects: dict[str, tuple[bytes, Object, dict[str, str]]] = {}
        self.versions: dict[tuple[str, str], bytes] = {}
        self.faults: dict[str, list[Exception]] = {}
        self.order, self.size = order, page
        self.opened: list[str] = []
        self.pages = 0

    def put(
        self, key: str, body: bytes, modified: datetime | None = None, **metadata: str
    ) -> Object:
        """Write an object."""
        us = to_us(modified) if modified else wall_us() // MICROS * MICROS
        version = f"v{len(self.versions)}"
        what = Object(key, hashlib.md5(body).hexdigest(), us, version)
        named = {name.replace("_", "-"): value for name, value in metadata.items()}
        self.objects[key] = (body, msgspec.structs.replace(what, version=""), named)
        self.versions[key, version] = body
        return what

    def page(self, prefix: str, after: str = "", token: str = "") -> Page:
        self.pages += 1
        keys = sorted((one for one in self.objects if one.startswith(prefix)), key=self.order)
        behind = token or after
        keys = [one for one in keys if not behind or self.order(one) > self.order(behind)]
        found = [self.objects[key][1] for key in keys[: self.size]]
        return Page(found, keys[self.size - 1] if len(keys) > self.size else "")

    def open(self, key: str, version: str = "") -> Opened:
        self.opened.append(key)
        faults = self.faults.get(key)
        if faults:
            raise faults.pop(0)
        if key not in self.objects or (version and (key, version) not in self.versions):
            raise Gone("NoSuchKey")
        body, what, metadata = self.objects[key]
        if version:
            body = self.versions[key, version]
            what = msgspec.structs.replace(what, etag=hashlib.md5(body).hexdigest())
        return Opened(what, metadata, io.BytesIO(body), lambda: None)


class MemoryQueue:
    """Fulfils `Queue`: messages are handed out until they are deleted."""

    def __init__(self) -> None:
        self.letters: dict[str, Letter] = {}
        self.hidden: dict[str, int] = {}
        self.deleted: list[str] = []
        self._numbers = itertools.count(1)

    def send(self, body: str) -> None:
        number = str(next(self._numbers))
        self.letters[number] = Letter(number, f"r{number}", body)

    def receive(self, most: int) -> list[Letter]:
        ready = [one for ident, one in self.letters.items() if ident not in self.hidden][:most]
        for one in ready:
            self.hidden[one.id] = S3_VISIBLE_SECONDS
        return ready

    def hide(self, letter: Letter, seconds: int) -> None:
        self.hidden[letter.id] = seconds

    def delete(self, letter: Letter) -> None:
        self.letters.pop(letter.id, None)
        self.deleted.append(letter.id)

    def again(self) -> None:
        """Whatever was hidden is handed out again."""
        for ident in self.hidden:
            if ident in self.letters:
                old = self.letters[ident]
                self.letters[ident] = msgspec.structs.replace(old, times=old.times + 1)
        self.hidden.clear()


def notice(key: str, bucket: str = BUCKET, **more: str) -> str:
    """What S3 says of a new object."""
    from urllib.parse import quote_plus

    entity = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/"), **more}}
    record = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
              "s3": {"s3SchemaVersion": "1.0", **entity}}
    return json.dumps({"Records": [record]})


def wrapped(body: str) -> str:
    """The same as SNS puts it into a queue."""
    return json.dumps({"Type": "Notification", "MessageId": "m", "Message": body,
                       "TopicArn": "arn:aws:sns:eu-central-1:111122223333:t"})


class Trail:
    """A CloudTrail: log files as it delivers them, and its digests, hour by hour."""

    def __init__(
        self, bucket: str = BUCKET, start: datetime | None = None, region: str = REGION,
        prefix: str = "",
    ) -> None:
        now = start or datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        self.bucket, self.region, self.prefix = bucket, region, prefix
        self.now = now
        self.files: list[tuple[str, bytes]] = []
        self.previous: tuple[str, bytes, str] | None = None
        self._numbers = itertools.count(1)
        der = _KEY.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
        self.der, self.fingerprint = der, fingerprint_of(der)

    def keys_file(self) -> str:
        """What `aws cloudtrail list-public-keys` prints."""
        import base64

        value = base64.b64encode(self.der).decode()
        return json.dumps({"PublicKeyList": [
            {"Value": value, "Fingerprint": self.fingerprint, "ValidityStartTime": 1}]})

    def log_file(self, count: int = 2, when: datetime | None = None) -> tuple[str, bytes]:
        """A log file with so many events; the next digest names it."""
        when = when or self.now + timedelta(minutes=5)
        number = next(self._numbers)
        records = [self.record(number, one, when) for one in range(count)]
        content = json.dumps({"Records": records}).encode()
        key = (f"{self.prefix}AWSLogs/{ACCOUNT}/CloudTrail/{self.region}/{when:%Y/%m/%d}/"
               f"{ACCOUNT}_CloudTrail_{self.region}_{when:%Y%m%dT%H%MZ}_{number:016}.json.gz")
        body = gzip.compress(content, mtime=0)
        self.files.append((key, body))
        return key, body

    def record(self, number: int, one: int, when: datetime) -> dict[str, Any]:
        return {
            "eventVersion": "1.10", "eventID": f"{self.region}-{number}-{one}",
            "userIdentity": {"type": "IAMUser", "userName": "alice", "accountId": ACCOUNT},
            "eventTime": f"{when:%Y-%m-%dT%H:%M:%SZ}", "eventSource": "iam.amazonaws.com",
            "eventName": "CreateUser", "awsRegion": self.region, "sourceIPAddress": "192.0.2.7",
            "eventType": "AwsApiCall", "recipientAccountId": ACCOUNT,
            "requestParameters": {"userName": f"u{number}-{one}"},
        }

    def digest(self, hours: int = 1, **change: Any) -> tuple[str, bytes, dict[str, str]]:
        """The digest of the hour that now ends, with its metadata; `change` members of it."""
        start, self.now = self.now, self.now + timedelta(hours=hours)
        key = self.digest_key(self.now)
        named = [
            {"s3Bucket": self.bucket, "s3Object": path,
             "hashValue": hashlib.sha256(gzip.decompress(body)).hexdigest(),
             "hashAlgorithm": "SHA-256"}
            for path, body in self.files
        ]
        self.files = []
        before = self.previous
        said = {
            "awsAccountId": ACCOUNT, "digestStartTime": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "digestEndTime": f"{self.now:%Y-%m-%dT%H:%M:%SZ}", "digestS3Bucket": self.bucket,
            "digestS3Object": key, "digestPublicKeyFingerprint": self.fingerprint,
            "digestSignatureAlgorithm": "SHA256withRSA", "newestEventTime": None,
            "oldestEventTime": None,
            "previousDigestS3Bucket": self.bucket if before else None,
            "previousDigestS3Object": before[0] if before else None,
            "previousDigestHashValue": hashlib.sha256(before[1]).hexdigest() if before else None,
            "previousDigestHashAlgorithm": "SHA-256" if before else None,
            "previousDigestSignature": before[2] if before else None,
            "logFiles": named, **change,
        }
        content = json.dumps(said).encode()
        text = "\n".join((
            said["digestEndTime"], f"{said['digestS3Bucket']}/{said['digestS3Object']}",
            hashlib.sha256(content).hexdigest(), said["previousDigestSignature"] or "null",
        ))
        signature = _KEY.sign(text.encode(), PKCS1v15(), SHA256()).hex()
        self.previous = (key, content, signature)
        metadata = {"signature": signature, "signature_algorithm": "SHA256withRSA"}
        return key, gzip.compress(content, mtime=0), metadata

    def digest_key(self, end: datetime) -> str:
        return (f"{self.prefix}AWSLogs/{ACCOUNT}/CloudTrail-Digest/{self.region}/{end:%Y/%m/%d}/"
                f"{ACCOUNT}_CloudTrail-Digest_{self.region}_{TRAIL}_{self.region}"
                f"_{end:%Y%m%dT%H%M%SZ}.json.gz")
