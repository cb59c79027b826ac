"""Salts, commitments, entries, and what a body says beside its entry."""

from __future__ import annotations

import hmac
import json
from hashlib import sha256

import pytest

from indelible.proof import commitment as c
from indelible.proof.claims import check_body, claims_of, received_micros, received_text
from indelible.proof.errors import ProofError

KEY = bytes(range(32))
SALT = b"\x05" * 32


def body(**change: object) -> bytes:
    members: dict[str, object] = {
        "action": "user.login",
        "kind": "event",
        "received": "2026-03-01T08:00:00.000001Z",
        "source": {"id": "web", "number": 4, "seq": 9, "boot": "x"},
        "retention": 2,
    }
    return json.dumps(members | change, separators=(",", ":")).encode()


def entry_for(data: bytes) -> c.Entry:
    micros = received_micros("2026-03-01T08:00:00.000001Z")
    return c.Entry(1, 2, 4, 9, micros, c.commitment(SALT, data))


def test_a_block_key_is_the_hmac_of_the_spec() -> None:
    message = b"indelible/salt/v1" + (5).to_bytes(8, "big")
    assert c.block_key(KEY, 5) == hmac.new(KEY, message, sha256).digest()


def test_a_salt_is_the_same_whether_taken_alone_or_from_its_block() -> None:
    salts = c.block_salts(c.block_key(KEY, 3))
    assert len(salts) == 8192
    assert len({salts[i : i + 32] for i in range(0, 8192, 32)}) == 256
    for index in (768, 769, 1023):
        at = (index & 255) * 32
        assert c.salt_of(KEY, index) == salts[at : at + 32]


def test_the_key_stream_is_rfc_8439_block_zero_first() -> None:
    # RFC 8439, appendix A.1, test vector 1: zero key, zero nonce, counter 0
    assert c.block_salts(bytes(32))[:16].hex() == "76b8e0ada0f13d90405d6ae55386bd28"


def test_commitments_of_many_are_those_of_each() -> None:
    bodies = [b"{}", b"", b"x" * 5000]
    salts = bytes(range(96))
    expected = [sha256(b"indelible/body/v1\0" + salts[32 * i : 32 * i + 32] + bodies[i]).digest()
                for i in range(3)]  # fmt: skip
    assert c.commitments(salts, bodies) == expected
    assert [c.commitment(salts[32 * i : 32 * i + 32], bodies[i]) for i in range(3)] == expected
    with pytest.raises(ProofError):
        c.commitments(salts[:-1], bodies)


def test_an_entry_is_60_bytes_at_fixed_places() -> None:
    digest = bytes(range(32))
    data = c.Entry(2, 0x0304, 0x05060708, 0x1112131415161718, 0x2122232425262728, digest).encode()
    assert data.hex() == ("01020304050607081112131415161718212223242526272800000000" + digest.hex())
    assert c.decode_entry(data).encode() == data
    assert c.entry_packer()(1, 2, 0x0304, 0x05060708, 0x1112131415161718, 0x2122232425262728,
                            0, digest) == data  # fmt: skip
    assert c.leaf_of(data) == sha256(b"\0" + data).digest() == c.decode_entry(data).leaf()
    assert c.leaves_of(data + data) == c.leaf_of(data) * 2


@pytest.mark.parametrize(
    "change",
    [{"kind": 0}, {"kind": 14}, {"retention": 1 << 16}, {"source": -1}, {"source": 1 << 32},
     {"seq": 1 << 64}, {"received": -1}, {"commitment": b""}],
)  # fmt: skip
def test_a_field_that_does_not_fit_is_not_encoded(change: dict[str, int]) -> None:
    with pytest.raises(ProofError):
        entry_for(b"{}")._replace(**change).encode()  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, 59, 61])
def test_entries_and_leaves_need_whole_entries(size: int) -> None:
    with pytest.raises(ProofError):
        c.decode_entry(bytes(size))
    with pytest.raises(ProofError):
        c.leaf_of(bytes(size))
    if size:
        with pytest.raises(ProofError):
            c.leaves_of(bytes(size))


def test_a_body_that_agrees_with_its_entry_passes() -> None:
    data = body()
    check_body(entry_for(data), SALT, data)
    assert claims_of(data) == entry_for(data)[:5]


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "unparsed"},
        {"retention": 0},
        {"received": "2026-03-01T08:00:00.000002Z"},
        {"source": {"number": 5, "seq": 9}},
        {"source": {"number": 4, "seq": 8}},
        {"source": {"number": 4}},
    ],
)
def test_each_of_the_five_is_compared(change: dict[str, object]) -> None:
    data = body(**change)
    with pytest.raises(ProofError, match="differ in"):
        check_body(entry_for(data), SALT, data)


def test_a_body_that_is_not_the_committed_one_is_not_read() -> None:
    with pytest.raises(ProofError, match="commits to"):
        check_body(entry_for(body()), SALT, b"\xff not JSON")
    with pytest.raises(ProofError, match="commits to"):
        check_body(entry_for(body()), bytes(32), body())


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{", b"\xff", b'{"a":1}\n', b"[" * 100_000, b"x" * (1 << 20),
        body(kind=1), body(kind="none"), body(received=None), body(source=None),
        body(source={"number": True}), body(source={"number": 1.0}), body(source={}),
        body(retention=-1), body(retention=65_536), body(retention="1"),
        body(received="2026-13-01T08:00:00.000001Z"), body(received="1969-12-31T23:59:59.999999Z"),
        body(received="2026-03-01T08:00:00Z"), body(received="2026-03-01T08:00:00.000001+00:00"),
        body(kind="config"),
        body()[:-1] + b',"kind":"event"}', body()[:-1] + b',"via":{},"via":{}}',
        body()[:-1] + b',"source":{"number":4,"seq":9}}',
    ],
)  # fmt: skip
def test_a_malformed_body_makes_no_claims(data: bytes) -> None:
    with pytest.raises(ProofError):
        claims_of(data)


def test_a_body_has_at_most_a_mebibyte() -> None:
    room = (1 << 20) - len(body(data=""))
    assert len(body(data="x" * room)) == 1 << 20
    assert claims_of(body(data="x" * room)) == claims_of(body())
    with pytest.raises(ProofError, match="longer than 1 MiB"):
        claims_of(body(data="x" * (room + 1)))


def test_members_inside_the_event_are_not_the_ledgers() -> None:
    nested = body(detail={"kind": "prune", "received": "x", "source": 1, "kind2": [{"kind": 1}]})
    assert claims_of(nested) == claims_of(body())


@pytest.mark.parametrize("micros", [0, 1, 999_999, 1_772_352_000_000_001, 253_402_300_799_999_999])
def test_received_keeps_its_microseconds(micros: int) -> None:
    text = received_text(micros)
    assert len(text) == 27
    assert received_micros(text) == micros
