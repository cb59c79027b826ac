"""The single proof: C2SP tlog-proof with `extra` = entry || salt (spec, section 6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from indelible.base.limits import RECEIPT_BYTES
from indelible.proof import note
from indelible.proof.checkpoint import Checkpoint
from indelible.proof.claims import check_body
from indelible.proof.commitment import ENTRY_SIZE, SALT_SIZE, Entry, decode_entry, leaf_of
from indelible.proof.errors import NoteError, ProofError
from indelible.proof.keys import VerifierKey
from indelible.proof.path import HASH_SIZE, verify_inclusion
from indelible.proof.strict import decode_base64, encode_base64, parse_decimal

HEADER: Final = "c2sp.org/tlog-proof@v1"
EXTRA_SIZE: Final = ENTRY_SIZE + SALT_SIZE
MAX_PROOF_HASHES: Final = 63


@dataclass(frozen=True, slots=True)
class Receipt:
    """A tlog-proof as read: nothing in it is verified yet. `checkpoint` is the note, verbatim."""

    index: int
    extra: bytes | None
    proof: tuple[bytes, ...]
    checkpoint: bytes

    @property
    def entry(self) -> bytes:
        """The 60-byte entry of `extra`; raises `ProofError` when there is none."""
        return self._extra()[:ENTRY_SIZE]

    @property
    def salt(self) -> bytes:
        """The 32-byte salt of `extra`; raises `ProofError` when there is none."""
        return self._extra()[ENTRY_SIZE:]

    def _extra(self) -> bytes:
        if self.extra is None or len(self.extra) != EXTRA_SIZE:
            raise ProofError(f"receipt: `extra` is not the {EXTRA_SIZE} bytes of entry and salt")
        return self.extra


class Proven(NamedTuple):
    """What `verify` found: the entry, the checkpoint it stands under, and each key's line."""

    entry: Entry
    checkpoint: Checkpoint
    keys: list[note.KeyCheck]


def encode(
    index: int, entry: bytes, salt: bytes, proof: Sequence[bytes], checkpoint: bytes
) -> bytes:
    """The tlog-proof file of one entry."""
    if len(entry) != ENTRY_SIZE or len(salt) != SALT_SIZE:
        raise ProofError("receipt: entry or salt has the wrong length")
    lines = [HEADER, f"extra {encode_base64(entry + salt)}", f"index {index}"]
    lines += [encode_base64(h) for h in proof]
    return "\n".join(lines).encode("ascii") + b"\n\n" + checkpoint


def decode(data: bytes) -> Receipt:
    """Read a tlog-proof, also one without `extra`; raises `ProofError` when malformed."""
    if len(data) > RECEIPT_BYTES:
        raise ProofError("receipt: too large")
    head, separator, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise ProofError("receipt: not ASCII before the checkpoint") from error
    if not separator or lines[0] != HEADER or len(lines) < 2:
        raise ProofError("receipt: not a tlog-proof")
    extra: bytes | None = None
    at = 1
    if lines[at].startswith("extra "):
        extra = decode_base64(lines[at].removeprefix("extra "), "receipt extra")
        at += 1
    if at == len(lines) or not lines[at].startswith("index "):
        raise ProofError("receipt: no index line")
    index = parse_decimal(lines[at].removeprefix("index "), "receipt index")
    hashes = lines[at + 1 :]
    if len(hashes) > MAX_PROOF_HASHES:
        raise ProofError("receipt: too many hashes")
    proof = tuple(decode_base64(h, "receipt proof", HASH_SIZE) for h in hashes)
    return Receipt(index, extra, proof, checkpoint)


def verify(data: bytes, keys: Iterable[VerifierKey], body: bytes | None = None) -> Proven:
    """Verify signatures, inclusion, and with the body its commitment and what it says.

    Every given log key must have a valid line, and its name must be the origin (`NoteError`);
    everything else raises `ProofError`. Without a body the entry alone is proven.
    """
    receipt = decode(data)
    signed = note.parse(receipt.checkpoint)
    checkpoint = Checkpoint.parse(signed.text)
    checks = note.check(signed, keys)
    if not checks:
        raise NoteError("receipt: no key given")
    for found in checks:
        if found.key.name != checkpoint.origin:
            raise NoteError(f"receipt: key {found.key.name} is not of {checkpoint.origin}")
        if found.missing:
            other = any(c.valid for c in checks)
            what = "signature stripped" if other else "not signed by the given key"
            raise NoteError(f"receipt: {what}: {found.key.name}+{found.key.keyid.hex()}")
    entry = decode_entry(receipt.entry)
    leaf = leaf_of(receipt.entry)
    verify_inclusion(leaf, receipt.index, checkpoint.size, receipt.proof, checkpoint.root)
    if body is not None:
        check_body(entry, receipt.salt, body)
    return Proven(entry, checkpoint, checks)
