"""What a bucket and its queue may say: notifications, digests with their chain, keys of objects."""

from __future__ import annotations

import contextlib
import gzip
import hashlib

from indelible.base.errors import BadRequest
from indelible.ingest.protocols.digests import (
    Keys,
    NotADigest,
    keys_in,
    read_digest,
    signature_holds,
)
from indelible.ingest.protocols.digests_chain import Chain, join, link_of, number_of
from indelible.ingest.protocols.s3_keys import digest_key, log_place, message_id
from indelible.ingest.protocols.s3_notices import NotANotice, notices
from support.buckets import Trail, notice, wrapped

_TRAIL = Trail()
_LOG = _TRAIL.log_file()
_MADE = [_TRAIL.digest() for _ in range(2)]
DIGESTS = tuple(gzip.decompress(body) for _, body, _ in _MADE)
NOTICES = tuple(one.encode() for one in (
    notice(_LOG[0], eTag="e", versionId="v"), wrapped(notice(_MADE[0][0])),
    '{"source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":"b"},'
    '"object":{"key":"k","version-id":"v"}}}',
    '{"s3Bucket":"b","s3ObjectKey":["k"]}', '{"Event":"s3:TestEvent","Service":"Amazon S3"}',
    _TRAIL.keys_file(),
))
_KEYS = Keys()
_KEYS.add([_TRAIL.der])


def told(data: bytes) -> bool:
    """A message or a file of keys is one, or is refused; True when it is one."""
    keys = Keys()
    with contextlib.suppress(BadRequest):
        keys.add(keys_in(data))
    try:
        found = notices(data.decode("utf-8", "surrogateescape"))
    except NotANotice:
        return len(keys) > 0
    for one in found:
        assert one.bucket, "an object without a bucket"
        assert one.key, "an object without a key"
        assert message_id(one.bucket, one.key, one.etag, 1).isprintable()
        digest_key(one.key)
        log_place(one.key)
    return True


def digest(data: bytes) -> bool:
    """A digest joins any chain; a signature holds for nothing but what was signed."""
    try:
        found = read_digest(data)
    except NotADigest:
        return False
    key = _KEYS.get(_TRAIL.fingerprint)
    assert key is not None
    for content, (_, _, metadata) in zip(DIGESTS, _MADE, strict=True):
        holds = signature_holds(key, found, data, metadata["signature"])
        assert holds == (data == content), "a signature that holds for another content"
    chain = Chain(name="c", numbered=True)
    link = link_of(hashlib.sha256(data).digest(), "00")
    for content in (DIGESTS[0], data, DIGESTS[1], data):
        read = read_digest(content)
        join(chain, read, link if content == data else link_of(b"", ""))
        number_of(chain, read.end_us)
    return True
