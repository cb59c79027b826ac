"""The checkpoint: origin, tree size and root on three lines (C2SP tlog-checkpoint)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from indelible.proof.errors import NoteError, ProofError
from indelible.proof.path import HASH_SIZE
from indelible.proof.strict import decode_base64, encode_base64, parse_decimal, valid_origin

if TYPE_CHECKING:
    from indelible.proof.note import Ed25519Signer, MLDSA44Signer


class Checkpoint(NamedTuple):
    """What a log states with its signature: this many leaves, this root."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read a note text of exactly three lines; raises `NoteError` for anything else.

        An Indelible log has no extension lines: the ML-DSA-44 line would not cover them.
        """
        checkpoint, extensions = parse_head(text)
        if extensions:
            raise NoteError("checkpoint: more than three lines")
        return checkpoint

    def format(self) -> str:
        """The three lines, each ending in 0x0A; raises `NoteError` for a bad origin or root."""
        if not valid_origin(self.origin):
            raise NoteError("checkpoint: not an origin")
        if len(self.root) != HASH_SIZE or not 0 <= self.size < 1 << 64:
            raise NoteError("checkpoint: size or root out of range")
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"


def parse_head(text: str) -> tuple[Checkpoint, list[str]]:
    """The first three lines of any tlog-checkpoint text, and its extension lines.

    Raises `NoteError`. Foreign logs may have extension lines; `Checkpoint.parse` refuses them.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1]:
        raise NoteError("checkpoint: expected three lines, each ending in a newline")
    origin, size, root, *extensions = lines[:-1]
    if not valid_origin(origin):
        raise NoteError("checkpoint: not an origin on the first line")
    if "" in extensions:
        raise NoteError("checkpoint: an empty line")
    try:
        number = parse_decimal(size, "checkpoint size")
        digest = decode_base64(root, "checkpoint root", HASH_SIZE)
    except ProofError as error:
        raise NoteError(error.message) from error
    return Checkpoint(origin, number, digest), extensions


def sign(checkpoint: Checkpoint, ed: Ed25519Signer, mldsa: MLDSA44Signer, timestamp: int) -> bytes:
    """The checkpoint as a signed note with both lines of the log (spec, section 5).

    `timestamp` is the time of signing in seconds since 1970. Raises `NoteError` when a signer does
    not bear the origin's name.
    """
    if ed.name != checkpoint.origin or mldsa.name != checkpoint.origin:
        raise NoteError("checkpoint: a log key's name is not the origin")
    text = checkpoint.format()
    return f"{text}\n{ed.sign(text)}{mldsa.cosign(text, timestamp)}".encode()
