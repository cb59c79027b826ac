"""Signed notes and cosignatures (C2SP signed-note, tlog-cosignature; spec, section 5).

A note is a text, an empty line, and signature lines. A line of a key that was not given says
nothing; a line of a given key that does not verify makes the whole note invalid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from indelible.base.limits import NOTE_BYTES, NOTE_SIGNATURES
from indelible.proof.errors import NoteError, ProofError
from indelible.proof.keys import (
    COSIGNATURE_V1,
    ED25519,
    KEY_ID_SIZE,
    MLDSA44,
    Ed25519Cosigner,
    Ed25519Signer,
    MLDSA44Signer,
    VerifierKey,
    key_id,
)
from indelible.proof.strict import decode_base64, encode_base64, valid_key_name, valid_origin

__all__ = [
    "COSIGNATURE_V1",
    "ED25519",
    "MLDSA44",
    "Ed25519Cosigner",
    "Ed25519Signer",
    "KeyCheck",
    "MLDSA44Signer",
    "NoteSignature",
    "SignedNote",
    "VerifierKey",
    "check",
    "key_id",
    "parse",
    "serialise",
    "valid_origin",
    "verify_signature",
]



class NoteSignature(NamedTuple):
    """One signature line: who, which key, and the bytes after the key id."""

    name: str
    keyid: bytes
    blob: bytes

    def line(self) -> str:
        """The line with its newline."""
        return f"— {self.name} {encode_base64(self.keyid + self.blob)}\n"


class SignedNote(NamedTuple):
    """A parsed note. `text` ends in a newline and is what was signed."""

    text: str
    signatures: tuple[NoteSignature, ...]


class KeyCheck(NamedTuple):
    """What a note says about one given key: `timestamp` is the newest of its valid lines.

    `timestamp` is None for a missing line and for type 0x01, which has none.
    """

    key: VerifierKey
    valid: bool
    timestamp: int | None

    @property
    def missing(self) -> bool:
        """No line of this key: *signature stripped* if another given log key's is valid."""
        return not self.valid


def parse(data: bytes) -> SignedNote:
    """Read a signed note; raises `NoteError` for anything `serialise` would not have written.

    Limits: 1 MiB, 1 to 100 signatures.
    """
    if len(data) > NOTE_BYTES:
        raise NoteError(f"note: larger than {NOTE_BYTES} bytes")
    try:
        note = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteError("note: not UTF-8") from error
    if any(c < " " and c != "\n" for c in note):
        raise NoteError("note: a control character")
    text, separator, block = note.rpartition("\n\n")
    if not separator or not block.endswith("\n"):
        raise NoteError("note: expected a text, an empty line and signature lines")
    lines = block[:-1].split("\n")
    if len(lines) > NOTE_SIGNATURES:
        raise NoteError(f"note: more than {NOTE_SIGNATURES} signatures")
    return SignedNote(text + "\n", tuple(_parse_line(line) for line in lines))


def _parse_line(line: str) -> NoteSignature:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—" or not valid_key_name(parts[1]):
        raise NoteError("note: malformed signature line")
    try:
        blob = decode_base64(parts[2], "note signature")
    except ProofError as error:
        raise NoteError(error.message) from error
    if len(blob) <= KEY_ID_SIZE:
        raise NoteError("note: a signature without bytes")
    return NoteSignature(parts[1], blob[:KEY_ID_SIZE], blob[KEY_ID_SIZE:])


def serialise(note: SignedNote) -> bytes:
    """The bytes of a note; raises `NoteError` when they could not be read back the same."""
    data = f"{note.text}\n{''.join(s.line() for s in note.signatures)}".encode()
    if parse(data) != note:
        raise NoteError("note: it would be read back as another one")
    return data


def verify_signature(key: VerifierKey, text: str, blob: bytes) -> int | None:
    """Verify one line's bytes under its key; the timestamp where the type has one.

    Raises `NoteError` when the signature does not verify.
    """
    return key.verify(text, blob)


def check(note: SignedNote | bytes, keys: Iterable[VerifierKey]) -> list[KeyCheck]:
    """What the note says about each given key, in the order given.

    Raises `NoteError` when the note is malformed, or when a line bears a given key's name and id
    and does not verify. Every such line is verified, duplicates too; the newest timestamp counts.
    """
    if isinstance(note, bytes):
        note = parse(note)
    return [_check_key(note.text, note.signatures, key) for key in keys]


def _check_key(text: str, signatures: Sequence[NoteSignature], key: VerifierKey) -> KeyCheck:
    valid = False
    newest: int | None = None
    for signature in signatures:
        if signature.name != key.name or signature.keyid != key.keyid:
            continue
        timestamp = verify_signature(key, text, signature.blob)
        valid = True
        if timestamp is not None:
            newest = timestamp if newest is None else max(newest, timestamp)
    return KeyCheck(key, valid, newest)
