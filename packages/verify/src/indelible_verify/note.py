"""C2SP signed notes: parsing, verifier keys, and verifying lines of types 0x01, 0x04 and 0x06.

Source: C2SP signed-note, tlog-cosignature; spec section 5.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from indelible_verify import limits
from indelible_verify.errors import NoteInvalid, UsageProblem

ED25519: Final = 0x01
ED25519_COSIGNATURE: Final = 0x04
MLDSA44: Final = 0x06
_PUBLIC_BYTES: Final = {ED25519: 32, ED25519_COSIGNATURE: 32, MLDSA44: 1312}
_SIGNATURE_BYTES: Final = {ED25519: 64, ED25519_COSIGNATURE: 8 + 64, MLDSA44: 8 + 2420}
_DASH: Final = "\u2014 "
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,19}", re.ASCII)


def decode_base64(text: str) -> bytes | None:
    """Standard base64 with padding and in its one canonical form, or None."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return data if base64.b64encode(data).decode("ascii") == text else None


def decimal(text: str) -> int | None:
    """An ASCII decimal without leading zeroes below 2^64, or None."""
    if not _SIZE.fullmatch(text):
        return None
    value = int(text)
    return value if value <= limits.TREE_SIZE else None


def valid_name(name: str) -> bool:
    """Tell whether `name` may name a key: 1 to 255 bytes, no space, control character or '+'."""
    try:
        length = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        return False
    plain = not any(c == "+" or c.isspace() or c < " " or "\x7f" <= c <= "\x9f" for c in name)
    return 1 <= length <= 255 and plain


@dataclass(frozen=True, slots=True)
class Key:
    """A verifier key: name, signature type, raw public key."""

    name: str
    type: int
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> Key:
        """Read one vkey line; raises UsageProblem naming what is wrong with it."""
        parts = vkey.strip("\r\n").split("+", 2)
        if len(parts) != 3 or not valid_name(parts[0]):
            raise UsageProblem("not a verifier key: expected <name>+<8 hex digits>+<base64>")
        name, key_id, material = parts
        data = decode_base64(material)
        if data is None or not data:
            raise UsageProblem(f"verifier key of {name!r}: the key material is not base64")
        if data[0] not in _PUBLIC_BYTES:
            raise UsageProblem(f"verifier key of {name!r}: type 0x{data[0]:02x} is not supported")
        if len(data) - 1 != _PUBLIC_BYTES[data[0]]:
            raise UsageProblem(f"verifier key of {name!r}: {len(data) - 1} bytes of key material")
        key = cls(name, data[0], data[1:])
        if not re.fullmatch("[0-9a-f]{8}", key_id) or bytes.fromhex(key_id) != key.id:
            raise UsageProblem(f"verifier key of {name!r}: its id is {key.id.hex()}, not {key_id}")
        return key

    @property
    def id(self) -> bytes:
        """First 4 bytes of H(name || 0x0A || type || public key)."""
        body = self.name.encode("utf-8") + b"\n" + bytes([self.type]) + self.public
        return sha256(body).digest()[:4]

    @property
    def vkey(self) -> str:
        """The key as one line without its newline."""
        material = base64.b64encode(bytes([self.type]) + self.public).decode("ascii")
        return f"{self.name}+{self.id.hex()}+{material}"

    @property
    def label(self) -> str:
        """Name, id and kind for people."""
        kinds = {ED25519: "Ed25519", ED25519_COSIGNATURE: "Ed25519 cosignature"}
        return f"{self.name} {self.id.hex()} ({kinds.get(self.type, 'ML-DSA-44')})"


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature line: key name, key id, and what follows the id."""

    name: str
    key_id: bytes
    signature: bytes
    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed signed note; nothing in it is trusted before `verify_note`."""

    text: str
    lines: tuple[SignatureLine, ...]


@dataclass(frozen=True, slots=True)
class Signed:
    """What the lines of one key say: whether there is a valid one, and the newest timestamp."""

    key: Key
    valid: bool
    timestamp: int | None
    lines: tuple[str, ...] = ()


def parse_note(data: bytes) -> Note:
    """Split a signed note into text and signature lines; raises NoteInvalid."""
    if len(data) > limits.NOTE_BYTES:
        raise NoteInvalid(f"the signed note is longer than {limits.NOTE_BYTES} bytes")
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteInvalid(f"the signed note is not UTF-8 at byte {error.start}") from None
    if any(c < " " and c != "\n" for c in whole):
        raise NoteInvalid("the signed note holds a control character")
    cut = whole.rfind("\n\n")
    if cut < 0 or not whole.endswith("\n") or cut + 2 >= len(whole):
        raise NoteInvalid("not a signed note: text, an empty line, and signature lines")
    raw = whole[cut + 2 : -1].split("\n")
    if len(raw) > limits.NOTE_SIGNATURES:
        raise NoteInvalid(f"the signed note has more than {limits.NOTE_SIGNATURES} signatures")
    return Note(whole[: cut + 1], tuple(_parse_line(line) for line in raw))


def _parse_line(line: str) -> SignatureLine:
    name, space, blob = line.removeprefix(_DASH).partition(" ")
    data = decode_base64(blob)
    plain = name and "+" not in name and not any(c.isspace() for c in name)
    if not line.startswith(_DASH) or not space or not plain or data is None or len(data) < 5:
        raise NoteInvalid(f"malformed signature line {line[:80]!r}")
    return SignatureLine(name, data[:4], data[4:], line)


def signed_message(key: Key, text: str, timestamp: int) -> bytes:
    """The bytes a key of this type signs for a note text.

    For ML-DSA-44 the text must begin with origin, size and root as a checkpoint does;
    raises NoteInvalid where it does not.
    """
    if key.type == ED25519:
        return text.encode("utf-8")
    if key.type == ED25519_COSIGNATURE:
        return f"cosignature/v1\ntime {timestamp}\n{text}".encode()
    fields = text.split("\n")
    size = decimal(fields[1]) if len(fields) > 3 else None
    root = decode_base64(fields[2]) if len(fields) > 3 else None
    origin = fields[0].encode("utf-8")
    if size is None or root is None or len(root) != 32 or not 1 <= len(origin) <= 255:
        raise NoteInvalid("an ML-DSA-44 line stands under a text that is no checkpoint")
    name = key.name.encode("utf-8")
    return b"".join(
        (
            b"subtree/v1\n\x00",
            bytes([len(name)]),
            name,
            timestamp.to_bytes(8, "big"),
            bytes([len(origin)]),
            origin,
            bytes(8),
            size.to_bytes(8, "big"),
            root,
        )
    )


def _verify_line(key: Key, text: str, signature: bytes) -> int | None:
    """Check one line of a known key and give its timestamp; raises NoteInvalid."""
    if len(signature) != _SIGNATURE_BYTES[key.type]:
        raise NoteInvalid(f"the line of {key.label} has a wrong length")
    timestamp = None if key.type == ED25519 else int.from_bytes(signature[:8], "big")
    if timestamp is not None:
        signature = signature[8:]
        if timestamp >= 1 << 63:
            raise NoteInvalid(f"the line of {key.label} has a time beyond 2^63")
    message = signed_message(key, text, timestamp or 0)
    try:
        if key.type == MLDSA44:
            MLDSA44PublicKey.from_public_bytes(key.public).verify(signature, message)
        else:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise NoteInvalid(f"the line of {key.label} does not verify") from None
    return timestamp


def verify_note(note: Note, keys: Sequence[Key]) -> tuple[Signed, ...]:
    """Verify every line that bears a given key's name and id; one result a key, in order.

    Lines of unknown keys are ignored. A line of a given key that does not verify makes the whole
    note invalid: NoteInvalid is raised.
    """
    results = []
    for key in keys:
        own = [line for line in note.lines if (line.name, line.key_id) == (key.name, key.id)]
        times = [_verify_line(key, note.text, line.signature) for line in own]
        known = [time for time in times if time is not None]
        newest = max(known) if known else None
        results.append(Signed(key, bool(own), newest, tuple(line.text for line in own)))
    return tuple(results)
