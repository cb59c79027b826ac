"""Strict readers of the small text forms: base64, decimals, names. One spelling each.

A second accepted spelling of the same value would let one note have two byte forms, so every
reader here refuses what its writer would not have written.
"""

from __future__ import annotations

import base64
import binascii
import unicodedata
from typing import Final

from indelible.proof.errors import NoteError, ProofError

MAX_U64: Final = (1 << 64) - 1
MAX_NAME_BYTES: Final = 255  # opaque cosigner_name<1..2^8-1>, tlog-cosignature


def encode_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648, section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str, what: str, length: int | None = None) -> bytes:
    """The bytes of canonical padded base64; raises `ProofError` for any other spelling.

    `what` names the field in the message; `length` is the number of bytes it must have.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError) as error:
        raise ProofError(f"{what}: not base64") from error
    if encode_base64(data) != text:
        raise ProofError(f"{what}: not canonical base64")
    if length is not None and len(data) != length:
        raise ProofError(f"{what}: expected {length} bytes, found {len(data)}")
    return data


def parse_decimal(text: str, what: str, maximum: int = MAX_U64) -> int:
    """An ASCII decimal without sign or leading zero, at most `maximum`; else `ProofError`."""
    if not (text.isascii() and text.isdigit()) or len(text) > 20:
        raise ProofError(f"{what}: expected a decimal number")
    if text[0] == "0" and text != "0":
        raise ProofError(f"{what}: leading zero")
    value = int(text)
    if value > maximum:
        raise ProofError(f"{what}: larger than {maximum}")
    return value


def valid_key_name(name: str) -> bool:
    """Whether a signed note may carry this key name: not empty, no white space, no `+`."""
    return bool(name) and "+" not in name and not any(c.isspace() for c in name)


def valid_origin(origin: str) -> bool:
    """Whether this can be a log's origin (spec, section 5).

    1 to 255 bytes of UTF-8 without white space, control characters and `+`.
    """
    try:
        size = len(origin.encode("utf-8"))
    except UnicodeEncodeError:
        return False
    if not 1 <= size <= MAX_NAME_BYTES or not valid_key_name(origin):
        return False
    return not any(unicodedata.category(c) == "Cc" for c in origin)


def require_key_name(name: str) -> None:
    """Raise `NoteError` unless `valid_key_name` and short enough for a cosigned message."""
    if not valid_key_name(name):
        raise NoteError("key name: empty, or with white space or `+`")
    if len(name.encode("utf-8")) > MAX_NAME_BYTES:
        raise NoteError(f"key name: longer than {MAX_NAME_BYTES} bytes")
