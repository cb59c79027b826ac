"""CloudTrail's digests: form, signature, and how each joins its chain in whatever order."""

from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from indelible.base.errors import BadRequest, Unreachable
from indelible.ingest.protocols.digests import (
    Keys,
    NotADigest,
    keys_in,
    read_digest,
    signature_holds,
    signed_text,
)
from indelible.ingest.protocols.digests_chain import Chain, join, known, link_of, number_of
from indelible.ingest.protocols.digests_keys import ForeignKey, PublicKeys
from support.buckets import Trail

AWS_KEY = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqlzPJbvZJ42UdcmLfPUqXYNfOs6I8lCfao/tOs8CmzPOEdtL"
    "WugB9xoIUz78qVHdKIqxbaG4jWHfJBiOSSFBM0lt8cdVo4TnRa7oG9io5pysS6DJhBBAeXsicufsiFJR+wrUNh8RSLxL"
    "4k6G1+BhLX20tJkZ/erT97tDGBujAelqseGg3vPZbTx9SMfOLN65PdLFudLP7Gat0Z9p5jw/rjpclKfo9Bfc3heeBxWG"
    "KwBBOKnFAaN9V57pOaosCvPKmHd9bg7jsQkI9Xp22IzGLsTFJZYVA3KiTAElDMu80iFXPHEq9hKNbt9e4URFam+1utKV"
    "EiLkR2disdCmPTK0VQIDAQAB"
)
"""A public key of CloudTrail's, as its user guide prints it, and a signature made with it."""
AWS_FINGERPRINT = "31e8b5433410dfb61a9dc45cc65b22ff"
AWS_SIGNATURE = (
    "50887ccffad4c002b97caa37cc9dc626e3c680207d41d27fa5835458e066e0d3652fc4dfc30937e4d5f4cc7f796e7a"
    "258fb50a43ac427f2237f6e505d4efaf373d156e15e3b68dea9f58111d395b62628d6bd367a9024d2183b5c5f6e194"
    "66d3a996b92df705bc997b8a0e13430f241d733cf95df4e41bb6c304c3f58363043572ea57a27085639ce187e679c0"
    "d81c7519b1184fa77fb7ab0b0e40a32dace6e1eefc3995c5ae182da49b62b26398cebb52a2201a6387b75b89c83e55"
    "70bcb9bba6c34a80f2f00a1c6ebe07d1ff149eccd812dc805bb3eeff6657db32a6cb48d2d096404eb76181877bc6eb"
    "b8cd0b23f823200155b2fd8848d428e46e8456328a"
)


def _digests(count: int, **change: Any) -> list[tuple[bytes, str]]:
    """Contents and signatures of so many digests in a row."""
    trail = Trail()
    made = [trail.digest(**change) for _ in range(count)]
    return [(gzip.decompress(body), metadata["signature"]) for _, body, metadata in made]


def _joined(chain: Chain, digest: tuple[bytes, str]) -> Any:
    content, signature = digest
    return join(chain, read_digest(content), link_of(hashlib.sha256(content).digest(), signature))


# --- form and signature


def test_a_key_of_cloudtrail_opens_a_signature_of_cloudtrail() -> None:
    keys = Keys()
    keys.add([base64.b64decode(AWS_KEY)])
    key = keys.get(AWS_FINGERPRINT)
    assert key is not None
    signed = key.recover_data_from_signature(
        bytes.fromhex(AWS_SIGNATURE), PKCS1v15(), SHA256())
    assert len(signed) == 32


def test_the_four_signed_lines_are_those_of_the_user_guide() -> None:
    trail = Trail()
    key, body, metadata = trail.digest()
    content = gzip.decompress(body)
    digest = read_digest(content)
    lines = signed_text(digest, content).decode().split("\n")
    assert lines == [digest.digestEndTime, f"trail/{key}", hashlib.sha256(content).hexdigest(),
                     "null"]
    second = read_digest(gzip.decompress(trail.digest()[1]))
    assert signed_text(second, b"").decode().split("\n")[3] == metadata["signature"]


def test_a_signature_holds_for_its_digest_alone() -> None:
    keys = Keys()
    keys.add([Trail().der])
    (first, signature), (second, other) = _digests(2)
    key = keys.get(Trail().fingerprint.upper())
    assert key is not None
    assert signature_holds(key, read_digest(first), first, signature)
    assert signature_holds(key, read_digest(second), second, other)
    assert not signature_holds(key, read_digest(first), first, other)
    assert not signature_holds(key, read_digest(first), first + b" ", signature)
    assert not signature_holds(key, read_digest(first), first, "zz")
    assert not signature_holds(key, read_digest(first), first, "")
    stranger = rsa.generate_private_key(65537, 2048).public_key()
    assert not signature_holds(stranger, read_digest(first), first, signature)


def _without(name: str) -> bytes:
    said = json.loads(_digests(1)[0][0])
    del said[name]
    return json.dumps(said).encode()


def _with(**change: Any) -> bytes:
    return json.dumps({**json.loads(_digests(1)[0][0]), **change}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{}", b"\xff", b'{"Records": []}', b"[" * 100_000,
        _without("digestEndTime"), _without("previousDigestSignature"),
        _without("digestS3Object"), _with(digestEndTime="today"), _with(logFiles=[{}]),
        _with(digestEndTime="2020-01-01T00:00:00Z", digestStartTime="2021-01-01T00:00:00Z"),
        _with(logFiles=[{"s3Bucket": "b", "s3Object": "o", "hashValue": "h",
                         "hashAlgorithm": "MD5"}]),
    ],
)
def test_what_is_no_digest_is_told_and_nothing_else_raised(content: bytes) -> None:
    with pytest.raises(NotADigest):
        read_digest(content)


def test_keys_are_read_from_what_the_command_prints_and_from_pem() -> None:
    small = json.dumps({"publicKeyList": [{"Value": AWS_KEY, "Fingerprint": AWS_FINGERPRINT}]})
    key = rsa.generate_private_key(65537, 2048).public_key()
    pem = b"".join(key.public_bytes(Encoding.PEM, form)
                   for form in (PublicFormat.PKCS1, PublicFormat.SubjectPublicKeyInfo))
    for text, count in ((Trail().keys_file().encode(), 1), (small.encode(), 1), (pem, 2)):
        found = list(keys_in(text))
        assert len(found) == count
        Keys().add(found)


@pytest.mark.parametrize("text", [b"", b"{}", b"{", b"hello", b"\xff", b"[" * 100_000,
                                  b'{"PublicKeyList":[{"Value":"!"}]}',
                                  '{"PublicKeyList":[{"Value":"\u202e"}]}'.encode()])
def test_a_file_without_keys_is_refused(text: bytes) -> None:
    with pytest.raises(BadRequest) as refused:
        list(keys_in(text))
    assert refused.value.field == "keys"


def test_a_key_that_is_not_to_be_had_is_asked_for_once_an_hour() -> None:
    asked: list[str] = []

    def ask(region: str, begin: int, end: int) -> list[tuple[str, bytes]]:
        asked.append(region)
        if region == "down":
            raise Unreachable("no")
        return [("", Trail().der)]

    keys = PublicKeys("", ask)
    assert [keys.get("unknown", "down", 0, 1) for _ in range(2)] == [None, None]
    for _ in range(2):
        with pytest.raises(ForeignKey):
            keys.get("unknown", "eu-central-1", 0, 1)
    assert asked == ["down", "eu-central-1"]
    assert keys.get(Trail().fingerprint, "eu-central-1", 0, 1) is not None


def test_a_file_of_keys_is_read_again_when_it_changes(tmp_path: Any) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"PublicKeyList": [{"Value": AWS_KEY}]}))
    keys = PublicKeys(str(path))
    assert keys.get(Trail().fingerprint, "", 0, 1) is None
    path.write_text(Trail().keys_file())
    assert keys.get(Trail().fingerprint, "", 0, 1) is not None
    with pytest.raises(BadRequest):
        PublicKeys(str(tmp_path / "absent.json"))


# --- chains


def test_digests_in_order_match_one_by_one() -> None:
    chain = Chain(name="c")
    found = [_joined(chain, one) for one in _digests(4)]
    assert [one.before for one in found] == ["begins", "matches", "matches", "matches"]
    assert not any(one.altered for one in found)
    assert [bool(one.since_us) for one in found] == [False, True, True, True]
    assert not chain.expect


def test_digests_in_any_order_end_with_nothing_expected_and_nothing_altered() -> None:
    for order in itertools.permutations(range(4)):
        chain, digests = Chain(name="c"), _digests(4)
        found = [_joined(chain, digests[one]) for one in order]
        assert not chain.expect, order
        assert not any(one.altered or one.before == "differs" for one in found), order


def test_a_digest_that_is_not_what_the_next_one_names_is_altered_in_either_order() -> None:
    (first, signature), second = _digests(2)
    changed = (json.dumps({**json.loads(first), "awsAccountId": "x"}).encode(), signature)
    chain = Chain(name="c")
    _joined(chain, changed)
    assert _joined(chain, second).before == "differs"
    chain = Chain(name="c")
    assert _joined(chain, second).before == "not_seen"
    assert _joined(chain, changed).altered


def test_another_signature_of_the_digest_before_breaks_the_chain() -> None:
    (first, _), second = _digests(2)
    chain = Chain(name="c")
    _joined(chain, (first, "00"))
    assert _joined(chain, second).before == "differs"


def test_the_same_digest_again_is_known_and_another_under_its_key_is_altered() -> None:
    chain, (content, signature) = Chain(name="c"), _digests(1)[0]
    _joined(chain, (content, signature))
    digest = read_digest(content)
    assert known(chain, digest, link_of(hashlib.sha256(content).digest(), signature))
    changed = content.replace(b"111122223333", b"111122223334", 1)
    assert _joined(chain, (changed, signature)).altered
    assert known(chain, digest, link_of(hashlib.sha256(content).digest(), signature))


def test_a_digest_before_that_lies_in_another_bucket_is_not_expected_here() -> None:
    chain = Chain(name="c")
    _, second = _digests(2)
    moved = second[0].replace(b'"previousDigestS3Bucket": "trail"',
                              b'"previousDigestS3Bucket": "old"')
    assert moved != second[0]
    assert _joined(chain, (moved, "00")).before == "elsewhere"
    assert not chain.expect


def test_digests_are_numbered_by_the_hour_from_each_beginning() -> None:
    trail, chain = Trail(), Chain(name="c", numbered=True)
    contents = [gzip.decompress(trail.digest()[1]) for _ in range(3)]
    for content in (contents[0], contents[2]):
        _joined(chain, (content, "00"))
    numbers = [number_of(chain, read_digest(one).end_us) for one in contents]
    assert [number for _, number in numbers] == [1, 2, 3]
    assert len({boot for boot, _ in numbers}) == 1
    trail.previous = None
    anew = gzip.decompress(trail.digest(hours=5)[1])
    joined = _joined(chain, (anew, "00"))
    assert (joined.before, bool(joined.since_us)) == ("begins", True)
    boot, number = number_of(chain, read_digest(anew).end_us)
    assert number == 1
    assert boot != numbers[0][0]
    assert number_of(chain, read_digest(contents[1]).end_us) == numbers[1]
    assert number_of(chain, read_digest(contents[0]).end_us - 10**12) == ("", 0)


def test_a_chain_that_is_not_numbered_gives_no_numbers() -> None:
    chain = Chain(name="c")
    content, signature = _digests(1)[0]
    _joined(chain, (content, signature))
    assert number_of(chain, read_digest(content).end_us) == ("", 0)
