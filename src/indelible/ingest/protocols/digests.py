"""CloudTrail's digest files: what one says, and whether its signature holds. Pure.

A digest names the log files that CloudTrail delivered within an hour, each with the SHA-256 of its
uncompressed content; and the digest before it, with the SHA-256 of that one's uncompressed content
and its signature. Its own signature stands in the object's metadata, in hexadecimal: RSA (PKCS #1
v1.5) with SHA-256 over four lines, the end of the hour, `BUCKET/KEY`, the SHA-256 of the digest's
uncompressed content, and the signature of the digest before (`null` where there is none).

Source: docs.aws.amazon.com/awscloudtrail/latest/userguide, "CloudTrail digest file structure" and
"Custom implementations of CloudTrail log file integrity validation". The fingerprint of a public
key is the MD5 of its DER, as the keys printed there show.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from indelible.base.clock import parse_rfc3339
from indelible.base.errors import BadRequest, IndelibleError

ALGORITHM: Final = "SHA256withRSA"
_HASH: Final = "SHA-256"
_PEM = re.compile(r"-----BEGIN (?:RSA )?PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END")


class NotADigest(Exception):
    """The content is no digest; the reason is for people."""


class LogFile(msgspec.Struct, frozen=True):
    """A log file that a digest names."""

    s3Bucket: str
    s3Object: str
    hashValue: str
    hashAlgorithm: str = _HASH


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """What a digest says. The members that speak of the one before are None in a first one."""

    awsAccountId: str = ""
    digestStartTime: str
    digestEndTime: str
    digestS3Bucket: str
    digestS3Object: str
    digestPublicKeyFingerprint: str
    digestSignatureAlgorithm: str = ALGORITHM
    previousDigestS3Bucket: str | None = None
    previousDigestS3Object: str | None = None
    previousDigestHashValue: str | None = None
    previousDigestHashAlgorithm: str | None = None
    previousDigestSignature: str | None
    logFiles: list[LogFile] = []

    @property
    def start_us(self) -> int:
        """The beginning of its hour."""
        return parse_rfc3339(self.digestStartTime)

    @property
    def end_us(self) -> int:
        """The end of its hour."""
        return parse_rfc3339(self.digestEndTime)


_decode = msgspec.json.Decoder(Digest).decode


def read_digest(content: bytes) -> Digest:
    """The digest that an uncompressed content is; raises `NotADigest`."""
    try:
        found = _decode(content)
        times = found.start_us, found.end_us
    except (msgspec.MsgspecError, UnicodeError, RecursionError, IndelibleError) as error:
        raise NotADigest(str(error)) from error
    if times[0] > times[1]:
        raise NotADigest("it ends before it begins")
    if any(one.hashAlgorithm != _HASH for one in found.logFiles):
        raise NotADigest("it hashes log files with something else than SHA-256")
    return found


def signed_text(digest: Digest, content: bytes) -> bytes:
    """What is signed."""
    lines = (
        digest.digestEndTime,
        f"{digest.digestS3Bucket}/{digest.digestS3Object}",
        hashlib.sha256(content).hexdigest(),
        digest.previousDigestSignature or "null",
    )
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def signature_holds(key: RSAPublicKey, digest: Digest, content: bytes, signature: str) -> bool:
    """Whether `signature`, in hexadecimal, was made of this digest with the key's other half."""
    try:
        key.verify(bytes.fromhex(signature), signed_text(digest, content), PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


class _PublicKey(msgspec.Struct):
    Value: str


class _PublicKeys(msgspec.Struct, rename={"also": "publicKeyList"}):
    """The answer of `aws cloudtrail list-public-keys`; older ones begin with a small letter."""

    PublicKeyList: list[_PublicKey] = []
    also: list[_PublicKey] = []


class Keys:
    """Public keys by their fingerprints."""

    def __init__(self) -> None:
        self._keys: dict[str, RSAPublicKey] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, fingerprint: str) -> RSAPublicKey | None:
        """The key of a fingerprint, if it is here."""
        return self._keys.get(fingerprint.lower())

    def add(self, keys: Iterable[bytes]) -> None:
        """Take keys in DER (PKCS #1 or SubjectPublicKeyInfo); raises `BadRequest` for others."""
        for der in keys:
            try:
                key = load_der_public_key(der)
            except (ValueError, UnsupportedAlgorithm) as error:
                raise BadRequest("it holds what is no public key", field="keys") from error
            if not isinstance(key, RSAPublicKey):
                raise BadRequest("it holds a public key that is not RSA", field="keys")
            for form in (PublicFormat.PKCS1, PublicFormat.SubjectPublicKeyInfo):
                self._keys[fingerprint_of(key.public_bytes(Encoding.DER, form))] = key


def fingerprint_of(der: bytes) -> str:
    """How CloudTrail names a public key."""
    return hashlib.md5(der, usedforsecurity=False).hexdigest()


def keys_in(text: bytes) -> Iterator[bytes]:
    """The keys in a file: an answer of `list-public-keys`, or PEM. Raises `BadRequest`."""
    try:
        if text.lstrip().startswith(b"{"):
            said = msgspec.json.decode(text, type=_PublicKeys)
            values = [one.Value for one in said.PublicKeyList + said.also]
        else:
            values = _PEM.findall(text.decode("ascii"))
        found = [base64.b64decode("".join(value.split()), validate=True) for value in values]
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadRequest("the file of public keys cannot be read", field="keys") from error
    if not found:
        raise BadRequest(
            "the file holds no public key", field="keys",
            remedy="Write what `aws cloudtrail list-public-keys` prints into it.",
        )
    yield from found
