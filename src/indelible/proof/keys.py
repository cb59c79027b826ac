"""Verifier keys and signers of the three signature types a log and its witnesses use.

| type | signature | what is signed |
|---|---|---|
| 0x01 | Ed25519 | the note text |
| 0x04 | Ed25519 cosignature | two header lines with the time, then the note text |
| 0x06 | ML-DSA-44 cosignature | the struct of tlog-cosignature: name, time, origin, size, root |
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from indelible.proof.checkpoint import Checkpoint, parse_head
from indelible.proof.errors import NoteError, ProofError
from indelible.proof.strict import decode_base64, encode_base64, require_key_name

ED25519: Final = 0x01
COSIGNATURE_V1: Final = 0x04
MLDSA44: Final = 0x06
KEY_ID_SIZE: Final = 4
MAX_TIMESTAMP: Final = (1 << 63) - 1

_PUBLIC_SIZE: Final = {ED25519: 32, COSIGNATURE_V1: 32, MLDSA44: 1312}
_SIGNATURE_SIZE: Final = {ED25519: 64, COSIGNATURE_V1: 8 + 64, MLDSA44: 8 + 2420}
_HEX_ID: Final = re.compile(r"[0-9a-f]{8}", re.ASCII)


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """First four bytes of H(name || 0x0A || type || public key)."""
    return sha256(name.encode("utf-8") + b"\n" + bytes([kind]) + public).digest()[:KEY_ID_SIZE]


def cosignature_message(text: str, timestamp: int) -> bytes:
    """What an Ed25519 cosignature (0x04) signs."""
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def subtree_message(name: str, timestamp: int, head: Checkpoint) -> bytes:
    """What an ML-DSA-44 cosignature (0x06) of a whole tree signs."""
    cosigner, origin = name.encode("utf-8"), head.origin.encode("utf-8")
    return b"".join(
        (
            b"subtree/v1\n\0",
            bytes([len(cosigner)]),
            cosigner,
            timestamp.to_bytes(8, "big"),
            bytes([len(origin)]),
            origin,
            bytes(8),
            head.size.to_bytes(8, "big"),
            head.root,
        )
    )


class VerifierKey(NamedTuple):
    """A public key with the name it signs under. `kind` is the signature type byte."""

    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, line: str) -> VerifierKey:
        """Read a vkey line `name+id+base64`, with or without one newline at its end.

        Raises `NoteError` for a malformed line, an unknown type, or an id that is not the key's.
        """
        parts = line.removesuffix("\n").split("+", 2)
        if len(parts) != 3 or _HEX_ID.fullmatch(parts[1]) is None:
            raise NoteError("vkey: expected name+key id+base64")
        require_key_name(parts[0])
        try:
            material = decode_base64(parts[2], "vkey")
        except ProofError as error:
            raise NoteError(error.message) from error
        if not material or len(material) != 1 + _PUBLIC_SIZE.get(material[0], -1):
            raise NoteError("vkey: unknown key type, or a key of the wrong length")
        key = cls(parts[0], material[0], material[1:])
        if key.keyid.hex() != parts[1]:
            raise NoteError("vkey: the key id is not this key's")
        return key

    @property
    def keyid(self) -> bytes:
        """The four bytes that signature lines carry."""
        return key_id(self.name, self.kind, self.public)

    def format(self) -> str:
        """The vkey, one line without a newline."""
        material = encode_base64(bytes([self.kind]) + self.public)
        return f"{self.name}+{self.keyid.hex()}+{material}"

    def verify(self, text: str, blob: bytes) -> int | None:
        """Verify a signature line's bytes over a note text; raises `NoteError` when it fails.

        Returns the timestamp of a cosignature, None for a plain signature.
        """
        if len(blob) != _SIGNATURE_SIZE[self.kind]:
            raise NoteError(f"signature of {self.name}: wrong length")
        try:
            if self.kind == ED25519:
                Ed25519PublicKey.from_public_bytes(self.public).verify(blob, text.encode())
                return None
            timestamp = int.from_bytes(blob[:8], "big")
            if timestamp > MAX_TIMESTAMP:
                raise NoteError(f"signature of {self.name}: timestamp out of range")
            if self.kind == COSIGNATURE_V1:
                message = cosignature_message(text, timestamp)
                Ed25519PublicKey.from_public_bytes(self.public).verify(blob[8:], message)
            else:
                message = subtree_message(self.name, timestamp, parse_head(text)[0])
                MLDSA44PublicKey.from_public_bytes(self.public).verify(blob[8:], message)
        except (InvalidSignature, ValueError) as error:
            raise NoteError(f"signature of {self.name}: does not verify") from error
        return timestamp


class Ed25519Signer:
    """Signs note texts with type 0x01. `private` is the 32-byte seed of RFC 8032."""

    kind = ED25519

    def __init__(self, name: str, private: bytes) -> None:
        require_key_name(name)
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(private)
        self.verifier = VerifierKey(name, self.kind, self._key.public_key().public_bytes_raw())

    @property
    def vkey(self) -> str:
        """The public half as a vkey line."""
        return self.verifier.format()

    def sign(self, text: str) -> str:
        """The signature line of a note text, with its newline."""
        return _line(self.verifier, self._key.sign(text.encode()))


class Ed25519Cosigner(Ed25519Signer):
    """A witness's signer of type 0x04; its lines carry a timestamp."""

    kind = COSIGNATURE_V1

    def sign(self, text: str) -> str:
        """Refused: a key of type 0x04 signs cosignatures only."""
        raise NoteError("a key of type 0x04 signs cosignatures only")

    def cosign(self, text: str, timestamp: int) -> str:
        """The cosignature line of a checkpoint text, with its newline."""
        stamp = _stamp(timestamp)
        return _line(self.verifier, stamp + self._key.sign(cosignature_message(text, timestamp)))


class MLDSA44Signer:
    """Signs checkpoints with type 0x06. `seed` is the 32-byte seed of FIPS 204.

    Signing is hedged: two lines over the same text differ and both verify.
    """

    kind = MLDSA44

    def __init__(self, name: str, seed: bytes) -> None:
        require_key_name(name)
        self.name = name
        self._key = MLDSA44PrivateKey.from_seed_bytes(seed)
        self.verifier = VerifierKey(name, self.kind, self._key.public_key().public_bytes_raw())

    @property
    def vkey(self) -> str:
        """The public half as a vkey line."""
        return self.verifier.format()

    def cosign(self, text: str, timestamp: int) -> str:
        """The cosignature line of a checkpoint text, with its newline."""
        stamp = _stamp(timestamp)
        message = subtree_message(self.name, timestamp, parse_head(text)[0])
        return _line(self.verifier, stamp + self._key.sign(message))


def _stamp(timestamp: int) -> bytes:
    if not 0 <= timestamp <= MAX_TIMESTAMP:
        raise NoteError("timestamp out of range")
    return timestamp.to_bytes(8, "big")


def _line(key: VerifierKey, signature: bytes) -> str:
    return f"— {key.name} {encode_base64(key.keyid + signature)}\n"
