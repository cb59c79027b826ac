"""Checkpoints: a signed note of origin, tree size and root (C2SP tlog-checkpoint)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from indelible_verify.errors import NoteInvalid
from indelible_verify.note import (
    Key,
    Note,
    Signed,
    decimal,
    decode_base64,
    parse_note,
    verify_note,
)
from indelible_verify.tree import EMPTY_ROOT
from indelible_verify.verdict import Problem, Verdict


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head as its text says it, with the note it came in. Not trusted by itself."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...]
    note: Note


def parse_checkpoint(data: bytes, *, extensions: bool = False) -> Checkpoint:
    """Read a checkpoint; raises NoteInvalid.

    An Indelible checkpoint has exactly three lines; `extensions` admits more, for other logs.
    """
    note = parse_note(data)
    lines = note.text[:-1].split("\n")
    if len(lines) < 3 or any(not line for line in lines):
        raise NoteInvalid("the checkpoint does not have its three lines")
    if len(lines) > 3 and not extensions:
        raise NoteInvalid("the checkpoint has lines after origin, size and root")
    size, root = decimal(lines[1]), decode_base64(lines[2])
    if size is None:
        raise NoteInvalid("the checkpoint's second line is not a tree size")
    if root is None or len(root) != 32:
        raise NoteInvalid("the checkpoint's third line is not a root hash in base64")
    if size == 0 and root != EMPTY_ROOT:
        raise NoteInvalid("the checkpoint is of size 0 with a root that is not the empty tree's")
    return Checkpoint(lines[0], size, root, tuple(lines[3:]), note)


@dataclass(frozen=True, slots=True)
class Authenticated:
    """A checkpoint, what its lines say, and what is wrong with its signatures."""

    checkpoint: Checkpoint
    log: tuple[Signed, ...]
    witnesses: tuple[Signed, ...]
    problems: tuple[Problem, ...]


def authenticate(data: bytes, keys: Sequence[Key], witnesses: Sequence[Key] = ()) -> Authenticated:
    """Parse a checkpoint and require a valid line of every log key (spec section 5).

    Raises NoteInvalid when a line of a given key, log or witness, does not verify, or the origin
    is not the keys' name.
    """
    checkpoint = parse_checkpoint(data)
    signed = verify_note(checkpoint.note, [*keys, *witnesses])
    log, others = signed[: len(keys)], signed[len(keys) :]
    valid = [line for line in log if line.valid]
    problems = []
    for line in log:
        if not line.valid and valid:
            text = f"the line of {line.key.label} is missing, another given key's is valid"
            problems.append(Problem(Verdict.SIGNATURE_STRIPPED, text))
    if not valid:
        names = ", ".join(line.key.label for line in log)
        text = f"no line of a given key: {names}; the checkpoint says origin {checkpoint.origin!r}"
        problems.append(Problem(Verdict.NOT_SIGNED, text))
    elif any(line.key.name != checkpoint.origin for line in valid):
        raise NoteInvalid("the checkpoint's origin is not the name of the keys that signed it")
    return Authenticated(checkpoint, log, others, tuple(problems))
