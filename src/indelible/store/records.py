"""The encrypted record container that journal and evidence files share (`spec/storage.md` 1).

A file begins with a header, `u16 length || JSON`, which names format, origin, file id, first index
and key ids. Records are AES-256-GCM under the file's own key: nonce = record number (96 bits),
associated data = SHA-256(header) || u64 record number || u8 last. So a record cannot be moved to
another place or file, and the end cannot be cut unseen once the last record is there.
"""

from __future__ import annotations

import hashlib
import json
from typing import BinaryIO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from indelible.base.errors import Damaged

TAG = 16


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a file says of itself; all of it is bound into every record."""

    format: str
    origin: str
    file: str
    first: int
    key: str
    salt_key: str = ""

    def encode(self) -> bytes:
        """`u16 length || JSON`."""
        text = msgspec.json.encode(self)
        return len(text).to_bytes(2, "big") + text


def read_header(file: BinaryIO, expected_format: str, origin: str) -> tuple[Header, bytes]:
    """The header and its bytes; raises `Damaged` when it is not one of this log's files."""
    name = getattr(file, "name", "file")
    prefix = file.read(2)
    text = file.read(int.from_bytes(prefix, "big"))
    try:
        header = msgspec.json.decode(text, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"{name}: the header cannot be read") from error
    if header.format != expected_format:
        raise Damaged(f"{name}: format {header.format!r}, expected {expected_format!r}")
    if header.origin != origin:
        raise Damaged(f"{name}: belongs to the log {json.dumps(header.origin)}")
    return header, prefix + text


class RecordCipher:
    """Seals and opens the numbered records of one file."""

    def __init__(self, key: bytes, header: bytes) -> None:
        self._aead = AESGCM(key)
        self._bound = hashlib.sha256(header).digest()

    def _aad(self, number: int, last: bool) -> bytes:
        return self._bound + number.to_bytes(8, "big") + (b"\x01" if last else b"\x00")

    def seal(self, number: int, content: bytes, *, last: bool = False) -> bytes:
        """The ciphertext of record `number`. A number MUST be used once for one file."""
        return self._aead.encrypt(number.to_bytes(12, "big"), content, self._aad(number, last))

    def open(self, number: int, sealed: bytes, *, last: bool = False) -> bytes:
        """The content of record `number`; raises `Damaged` when it is not what was sealed."""
        try:
            return self._aead.decrypt(number.to_bytes(12, "big"), sealed, self._aad(number, last))
        except InvalidTag as error:
            raise Damaged(f"record {number} is not what was written") from error
