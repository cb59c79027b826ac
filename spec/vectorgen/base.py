"""Keys, times and small helpers that every vector shares."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

from cryptography.exceptions import InvalidSignature

from indelible.proof import keys
from indelible.proof.checkpoint import parse_head
from indelible.proof.claims import received_micros

OUT = Path(__file__).parents[1] / "vectors"
ORIGIN = "log.example/audit"
START = received_micros("2026-03-01T08:00:00.000000Z")
SIGNED_AT = START // 1_000_000 + 3600
SALT_KEY = bytes(range(32))
ED = keys.Ed25519Signer(ORIGIN, sha256(b"indelible vectors: log ed25519").digest())
OTHER = keys.Ed25519Signer(ORIGIN, sha256(b"indelible vectors: another log key").digest())
WITNESS = keys.Ed25519Cosigner("witness.example/w1", sha256(b"indelible vectors: w1").digest())
FOREIGN = keys.Ed25519Cosigner("witness.example/w9", sha256(b"indelible vectors: w9").digest())


class KeptMLDSA44(keys.MLDSA44Signer):
    """An ML-DSA-44 signer that gives the signature of the last run again if it verifies."""

    path = OUT / "mldsa44.json"
    kept: ClassVar[dict[str, str]] = {}
    used: ClassVar[dict[str, str]] = {}

    def cosign(self, text: str, timestamp: int) -> str:
        message = keys.subtree_message(self.name, timestamp, parse_head(text)[0])
        name = sha256(self.verifier.public + message).hexdigest()
        signature = base64.b64decode(self.used.get(name) or self.kept.get(name, ""))
        try:
            self._key.public_key().verify(signature, message)
        except (InvalidSignature, ValueError):
            signature = self._key.sign(message)
        self.used[name] = b64(signature)
        stamp = timestamp.to_bytes(8, "big")
        return f"— {self.name} {b64(self.verifier.keyid + stamp + signature)}\n"


MLDSA = KeptMLDSA44(ORIGIN, sha256(b"indelible vectors: log ml-dsa-44").digest())
WITNESS_PQ = KeptMLDSA44("witness.example/w2", sha256(b"indelible vectors: w2").digest())
LOG_KEYS = [ED.vkey, MLDSA.vkey]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def hexes(hashes: Iterable[bytes]) -> list[str]:
    return [h.hex() for h in hashes]


def write(name: str, value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1)
    (OUT / name).write_text(text + "\n", encoding="utf-8")


def compact(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def flip(line: str, at: int) -> str:
    """A signature line with one bit of its blob changed."""
    head, name, blob = line.rstrip("\n").split(" ")
    data = bytearray(base64.b64decode(blob))
    data[at] ^= 1
    return f"{head} {name} {b64(bytes(data))}\n"
