"""The decision: cosign a checkpoint, or say why not (C2SP tlog-witness, add-checkpoint).

The order, which is the witness's whole worth:

1. parse, find the log, verify its signature: nothing is looked up for an unsigned request;
2. begin a transaction that excludes every other decision;
3. compare with the newest checkpoint, check the consistency proof;
4. sign, record the checkpoint with its cosignatures, commit durably;
5. only then let anybody see the cosignatures.

A crash before the commit leaves nothing behind; a crash after it leaves a checkpoint recorded that
nobody was given a cosignature for, and the log simply asks again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from indelible_verify import (
    EMPTY_ROOT,
    Checkpoint,
    NoteInvalid,
    verify_consistency,
    verify_note,
)
from indelible_witness.cosigner import Cosigner
from indelible_witness.request import AddCheckpoint, BadRequest, parse_add_checkpoint
from indelible_witness.state import (
    Evidence,
    Head,
    State,
    read_head,
    write_evidence,
    write_head,
)

TEXT: Final = "text/plain; charset=utf-8"
SIZE: Final = "text/x.tlog.size"
CLOCK_STEP_SECONDS: Final = 3_600
"""How far the clock may step back before its present time is believed again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status, its content type and body."""

    status: int
    body: str
    content_type: str = TEXT


@dataclass(frozen=True, slots=True)
class Witness:
    """A cosigner with its state and clock (seconds since 1970). Safe to share between threads."""

    cosigner: Cosigner
    state: State
    clock: Callable[[], int]

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer one request. 200 is given only after the checkpoint is recorded durably."""
        try:
            request = parse_add_checkpoint(body)
        except BadRequest as error:
            return Answer(400, f"{error}\n")
        checkpoint = request.checkpoint
        keys = self.state.keys_of(checkpoint.origin)
        if not keys:
            return Answer(404, "this witness does not follow a log of that origin\n")
        try:
            signed = verify_note(checkpoint.note, keys)
        except NoteInvalid as error:
            return Answer(403, f"{error}\n")
        lines = [line for one in signed if one.valid for line in one.lines]
        if not lines:
            return Answer(403, "no signature of a key that this witness trusts for the log\n")
        # Lines of unknown keys are not kept: anybody may have appended them.
        note = checkpoint.note.text + "\n" + "".join(line + "\n" for line in lines)
        with self.state.deciding() as connection:
            return self._decide(connection, request, note)

    def _decide(self, connection: sqlite3.Connection, request: AddCheckpoint, note: str) -> Answer:
        checkpoint = request.checkpoint
        head = read_head(connection, checkpoint.origin)
        size, root = (head.size, head.root) if head else (0, EMPTY_ROOT)
        if checkpoint.size == size and checkpoint.root != root:
            self._keep(connection, "fork", checkpoint, note, head)
            return Answer(409, f"{size}\n", SIZE)
        if request.old_size != size:
            return Answer(409, f"{size}\n", SIZE)
        consistent = verify_consistency(size, root, checkpoint.size, checkpoint.root, request.proof)
        if not consistent:
            self._keep(connection, "unproven", checkpoint, note, head)
            return Answer(422, "the consistency proof does not verify\n")
        time = self._time(head)
        lines = self.cosigner.cosign(checkpoint.note.text, time)
        new = Head(checkpoint.size, checkpoint.root, note + lines, time)
        write_head(connection, checkpoint.origin, new)
        return Answer(200, lines)

    def _time(self, head: Head | None) -> int:
        """Present time, not before the last cosignature unless that was made by a wrong clock."""
        now = self.clock()
        earlier = head.time if head else 0
        return earlier if now < earlier <= now + CLOCK_STEP_SECONDS else now

    def _keep(
        self,
        connection: sqlite3.Connection,
        reason: str,
        checkpoint: Checkpoint,
        note: str,
        head: Head | None,
    ) -> None:
        if head is not None and checkpoint.root == head.root:
            return
        known = head.note if head else ""
        refused = Evidence(checkpoint.origin, self.clock(), reason, checkpoint.size, note, known)
        write_evidence(connection, refused, checkpoint.root)
