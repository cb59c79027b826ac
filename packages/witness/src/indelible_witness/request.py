"""The body of `add-checkpoint` (C2SP tlog-witness): old size, consistency proof, checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from indelible_verify import Checkpoint, NoteInvalid, decimal, decode_base64, parse_checkpoint

MAX_BODY_BYTES: Final = 270_336
"""A signed note of the longest kind that is read (256 KiB) and the lines before it."""

MAX_PROOF_LINES: Final = 63
"""What tlog-witness allows a client to send."""


class BadRequest(Exception):
    """A body that is not what tlog-witness asks for; answered with 400."""


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """One request, parsed; nothing in it is verified yet."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: Checkpoint


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """Read a request body; raises BadRequest with what is wrong.

    Checkpoints may have extension lines: the witness says nothing about them.
    """
    head, gap, note = body.partition(b"\n\n")
    if not gap:
        raise BadRequest("no empty line between proof and checkpoint")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise BadRequest("the lines before the checkpoint are not ASCII") from None
    old_size = decimal(first.removeprefix("old ")) if first.startswith("old ") else None
    if old_size is None:
        raise BadRequest("the first line is not 'old <size>'")
    if len(lines) > MAX_PROOF_LINES:
        raise BadRequest(f"more than {MAX_PROOF_LINES} consistency proof lines")
    hashes = [decode_base64(line) for line in lines]
    proof = tuple(one for one in hashes if one is not None and len(one) == 32)
    if len(proof) != len(hashes):
        raise BadRequest("a consistency proof line is not a hash in base64")
    try:
        checkpoint = parse_checkpoint(note, extensions=True)
    except NoteInvalid as error:
        raise BadRequest(str(error)) from None
    if old_size > checkpoint.size:
        raise BadRequest("the old size is larger than the checkpoint's")
    return AddCheckpoint(old_size, proof, checkpoint)
