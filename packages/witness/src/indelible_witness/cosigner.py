"""The witness's own keys: made once, kept in files only their owner may read."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from indelible_verify import (
    ED25519_COSIGNATURE,
    MLDSA44,
    Key,
    decode_base64,
    signed_message,
    valid_name,
)

ED25519_FILE: Final = "cosigner.ed25519.key"
MLDSA44_FILE: Final = "cosigner.mldsa44.key"
NAME_FILE: Final = "name"
_SEED_BYTES: Final = 32


class WitnessError(Exception):
    """Something the operator must mend; the message says what and how."""


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A name and two private keys; signs cosignatures of types 0x04 and 0x06."""

    name: str
    ed25519: Ed25519PrivateKey
    mldsa44: MLDSA44PrivateKey

    @property
    def keys(self) -> tuple[Key, Key]:
        """Verifier keys, Ed25519 first."""
        classic = self.ed25519.public_key().public_bytes_raw()
        later = self.mldsa44.public_key().public_bytes_raw()
        return (
            Key(self.name, ED25519_COSIGNATURE, classic),
            Key(self.name, MLDSA44, later),
        )

    def cosign(self, text: str, timestamp: int) -> str:
        """Signature lines over a checkpoint's note text at `timestamp` (seconds since 1970).

        The caller MUST have recorded the checkpoint, or do so before anybody sees the lines.
        """
        classic, later = self.keys
        first = self.ed25519.sign(signed_message(classic, text, timestamp))
        second = self.mldsa44.sign(signed_message(later, text, timestamp))
        return _line(classic, timestamp, first) + _line(later, timestamp, second)


def _line(key: Key, timestamp: int, signature: bytes) -> str:
    blob = base64.b64encode(key.id + timestamp.to_bytes(8, "big") + signature).decode("ascii")
    return f"\u2014 {key.name} {blob}\n"


def create_cosigner(folder: Path, name: str) -> Cosigner:
    """Make keys for a new witness; raises WitnessError where the folder has some already."""
    if not valid_name(name):
        raise WitnessError("a witness name is 1 to 255 bytes without space, '+' or control byte")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    if any((folder / file).exists() for file in (NAME_FILE, ED25519_FILE, MLDSA44_FILE)):
        raise WitnessError(f"{folder} already holds a witness; keys are never overwritten")
    cosigner = Cosigner(name, Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate())
    _write_new(folder / ED25519_FILE, cosigner.ed25519.private_bytes_raw())
    _write_new(folder / MLDSA44_FILE, cosigner.mldsa44.private_bytes_raw())
    for file, key in zip(("witness.vkey", "witness.vkey.mldsa44"), cosigner.keys, strict=True):
        (folder / file).write_text(key.vkey + "\n", "utf-8")
    (folder / NAME_FILE).write_text(name + "\n", "utf-8")
    _sync_folder(folder)
    return cosigner


def load_cosigner(folder: Path) -> Cosigner:
    """Read the keys of an existing witness; raises WitnessError naming the file at fault."""
    try:
        name = (folder / NAME_FILE).read_text("utf-8").rstrip("\n")
    except OSError as error:
        raise WitnessError(f"{folder} holds no witness ({error.strerror}): run init") from None
    classic = Ed25519PrivateKey.from_private_bytes(_read_seed(folder / ED25519_FILE))
    return Cosigner(name, classic, MLDSA44PrivateKey.from_seed_bytes(_seed_of(folder)))


def _seed_of(folder: Path) -> bytes:
    return _read_seed(folder / MLDSA44_FILE)


def _read_seed(path: Path) -> bytes:
    try:
        text = path.read_text("ascii").strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise WitnessError(f"{path} cannot be read: {error}") from None
    if mode & 0o077:
        raise WitnessError(f"{path} may be read by others: chmod 600 {path}")
    seed = decode_base64(text)
    if seed is None or len(seed) != _SEED_BYTES:
        raise WitnessError(f"{path} does not hold a key")
    return seed


def _write_new(path: Path, seed: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(base64.b64encode(seed) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
