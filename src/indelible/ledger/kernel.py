"""What is done once for each event: body, salt, commitment, leaf. Bytes in, bytes out.

Narrow on purpose: a compiled kernel can take its place with this one as the reference
(`spec/log.md` sections 1 to 3).
"""

from __future__ import annotations

import hashlib
import struct

import msgspec

from indelible.base.clock import parse_rfc3339
from indelible.base.errors import Damaged
from indelible.proof.commitment import KINDS, block_key, block_salts

_ENTRY_HEAD = struct.Struct(">BBHIQQI")
_sha256 = hashlib.sha256
_PREFIX = b"indelible/body/v1\x00"
_OWN = b',"kind":"'


class SaltStream:
    """The salts of one journal file, by index; the two newest blocks are kept."""

    def __init__(self, salt_key: bytes) -> None:
        self._key = salt_key
        self._blocks: dict[int, bytes] = {}

    def block(self, number: int) -> bytes:
        """All 256 salts of block `number`, 8,192 bytes."""
        found = self._blocks.get(number)
        if found is None:
            if len(self._blocks) >= 8:
                self._blocks.pop(next(iter(self._blocks)))
            found = self._blocks[number] = block_salts(block_key(self._key, number))
        return found

    def salt(self, index: int) -> bytes:
        """The 32-byte salt of one event."""
        offset = (index & 255) * 32
        return self.block(index >> 8)[offset : offset + 32]

    def salts(self, first: int, count: int) -> bytes:
        """The salts of `count` events from `first`, concatenated."""
        out: list[bytes] = []
        index, end = first, first + count
        while index < end:
            stop = min(end, ((index >> 8) + 1) << 8)
            low = (index & 255) * 32
            out.append(self.block(index >> 8)[low : low + (stop - index) * 32])
            index = stop
        return b"".join(out)


def entry_head(kind: int, retention: int, source: int, seq: int, received_us: int) -> bytes:
    """The 28 bytes of an entry before its commitment."""
    return _ENTRY_HEAD.pack(1, kind, retention, source, seq, received_us, 0)


def leaves_of(bodies: list[bytes], heads: list[bytes], salts: bytes) -> bytes:
    """The leaves of consecutive events, 32 bytes each, concatenated."""
    out: list[bytes] = []
    add = out.append
    at = 0
    for body, head in zip(bodies, heads, strict=True):
        commitment = _sha256(_PREFIX + salts[at : at + 32] + body).digest()
        add(_sha256(b"\x00" + head + commitment).digest())
        at += 32
    return b"".join(out)


def entry_of(body: bytes, head: bytes, salt: bytes) -> bytes:
    """The 60-byte entry of one event."""
    return head + _sha256(_PREFIX + salt + body).digest()


class _HeadSource(msgspec.Struct):
    number: int
    seq: int = 0


class _Head(msgspec.Struct):
    kind: str
    received: str
    source: _HeadSource
    retention: int = 0


_decode_head = msgspec.json.Decoder(_Head).decode
_received: dict[str, int] = {}


def received_us(text: str) -> int:
    """Microseconds of a `received` text, remembered because batches share it."""
    found = _received.get(text)
    if found is None:
        if len(_received) > 4096:
            _received.clear()
        found = _received[text] = parse_rfc3339(text)
    return found


def head_of(body: bytes) -> bytes:
    """The 28 entry bytes that a stored body implies; raises `Damaged` when it is not a body."""
    try:
        head = _decode_head(body)
        source = head.source
        return _ENTRY_HEAD.pack(
            1, KINDS[head.kind], head.retention, source.number, source.seq,
            received_us(head.received), 0,
        )
    except (msgspec.DecodeError, KeyError, struct.error, UnicodeDecodeError) as error:
        raise Damaged(f"a body does not read: {error}") from error


def heads_of(bodies: list[bytes]) -> list[bytes]:
    """`head_of` of bodies read back from what was encrypted as a whole, so that each is as written.

    The ledger's own members end a body, from `kind` on, and are alike in all of a batch: one is
    decoded for all that end alike. A quote inside a JSON text is escaped, so the last `,"kind":"`
    is the ledger's.
    """
    known: dict[bytes, bytes] = {}
    heads: list[bytes] = []
    for body in bodies:
        at = body.rfind(_OWN)
        own = body[at:] if at > 0 else body
        head = known.get(own)
        if head is None:
            head = known[own] = head_of(body)
        heads.append(head)
    return heads


def received_of_head(head: bytes) -> int:
    """The `received` microseconds in the 28 entry bytes."""
    return int.from_bytes(head[16:24], "big")
