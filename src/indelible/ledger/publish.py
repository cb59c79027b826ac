"""Checkpoints: signed once the bytes were read back from the disk, and only after the register.

Order, and what a crash leaves: (1) a follower has re-read and re-hashed everything below the size;
(2) its root equals the writer's; (3) the register advances; (4) the note is signed; (5) the file is
replaced durably. A crash after (3) leaves a register ahead of the newest checkpoint but not of the
data: the next start signs again at that size or later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from indelible.base.clock import MICROS
from indelible.base.errors import Damaged
from indelible.base.files import write_durably
from indelible.base.invariant import invariant
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.register import Register
from indelible.proof.checkpoint import Checkpoint, parse_head
from indelible.proof.checkpoint import sign as sign_checkpoint
from indelible.proof.keys import Ed25519Signer, MLDSA44Signer, VerifierKey
from indelible.proof.note import NoteSignature, SignedNote, check, parse, serialise
from indelible.store.keyring import ED25519, MLDSA44, Keyring


class LogKeys:
    """The log's own two signers, from the keyring."""

    def __init__(self, origin: str, keyring: Keyring) -> None:
        self.ed25519 = [Ed25519Signer(origin, keyring.get(k)) for k in keyring.ids(ED25519)]
        self.mldsa44 = [MLDSA44Signer(origin, keyring.get(k)) for k in keyring.ids(MLDSA44)]
        self._former = [
            signer(origin, keyring.get(key)).vkey
            for purpose, signer in ((ED25519, Ed25519Signer), (MLDSA44, MLDSA44Signer))
            for key in keyring.ids(purpose, retired=True)
        ]
        if not self.ed25519 or not self.mldsa44:
            raise Damaged("the keyring holds no signing keys for this log")

    def sign(self, head: Checkpoint, seconds: int) -> bytes:
        """The signed note; during a rotation it bears the lines of old and new keys."""
        note = parse(sign_checkpoint(head, self.ed25519[-1], self.mldsa44[-1], seconds))
        extra: list[NoteSignature] = []
        for old in self.ed25519[:-1]:
            extra += parse_lines(note.text, old.sign(note.text))
        for old_pq in self.mldsa44[:-1]:
            extra += parse_lines(note.text, old_pq.cosign(note.text, seconds))
        return serialise(SignedNote(note.text, (*note.signatures, *extra)))

    def vkeys(self) -> dict[str, str]:
        """The current verifier keys by file name."""
        return {"vkey": self.ed25519[-1].vkey, "vkey.mldsa44": self.mldsa44[-1].vkey}

    def verifier_keys(self) -> list[VerifierKey]:
        """Every key the log has had: those that sign, then the retired ones."""
        lines = [s.vkey for s in self.ed25519] + [s.vkey for s in self.mldsa44]
        return [VerifierKey.parse(line) for line in (*lines, *self._former)]


def parse_lines(text: str, lines: str) -> list[NoteSignature]:
    """Signature lines (as a witness answers them) of a note with this text."""
    joined = "\n".join(line for line in lines.splitlines() if line)
    return list(parse(f"{text}\n{joined}\n".encode()).signatures)


class Publisher:
    """Signs and stores checkpoints of one ledger."""

    def __init__(
        self, paths: LedgerPaths, origin: str, keys: LogKeys, register: Register, fence: int
    ) -> None:
        self._paths, self.origin, self.keys = paths, origin, keys
        self._register, self._fence = register, fence
        self.register_size = register.read().size
        self.published: tuple[Checkpoint, bytes] = (Checkpoint(origin, 0, b""), b"")
        self.published = _stored(paths.checkpoint) or self.published
        self._cosigned = _stored(self._path_cosigned)

    @property
    def head(self) -> Checkpoint:
        """The last published checkpoint."""
        return self.published[0]

    @property
    def note(self) -> bytes:
        """The last published note; `published` gives both as they belong together."""
        return self.published[1]

    @property
    def size(self) -> int:
        """The last published size."""
        return self.head.size

    @property
    def _path_cosigned(self) -> Path:
        return self._paths.checkpoints / "cosigned-newest"

    def shown(self, index: int, root: Callable[[int], bytes]) -> tuple[Checkpoint, bytes]:
        """The note to prove the event at `index` with: the newest that a witness cosigned.

        Where that does not reach so far, or `root` (by size) says that it is not of this history,
        it is the newest of all, which may be a second old and seen by no witness.
        """
        head, note = self.published
        if self._cosigned is not None and index < self._cosigned[0].size <= head.size:
            found, cosigned = self._cosigned
            if root(found.size) == found.root:
                return found, cosigned
        return head, note

    def keep_cosigned(self, text: str, lines: Sequence[NoteSignature]) -> None:
        """Keep the note that `shown` gives from now on: `lines` are the log's and witnesses'."""
        note = serialise(SignedNote(text, tuple(lines)))
        write_durably(self._path_cosigned, note)
        self._cosigned = (parse_head(text)[0], note)

    def publish(self, size: int, root: bytes, now_us: int) -> bytes:
        """Sign (size, root), which the caller has re-read from disk; blocks for the disk."""
        invariant(size >= self.head.size, "a checkpoint must not shrink the log")
        if size == self.head.size and self.note:
            invariant(root == self.head.root, "another root for a published size")
        if size > self.register_size:
            self._register.advance(self._fence, self.register_size, size, root)
            self.register_size = size
        else:  # a sign of life is this writer's to give only as long as there is no other
            self._register.must_stand(self._fence, self.register_size)
        head = Checkpoint(self.origin, size, root)
        note = self.keys.sign(head, now_us // MICROS)
        write_durably(self._paths.checkpoint, note)
        self.published = (head, note)
        return note

    def add_cosignatures(self, size: int, lines: list[NoteSignature]) -> bool:
        """Add witness lines to the newest checkpoint, if it is still the one of `size`."""
        if size != self.head.size or not lines:
            return False
        note = parse(self.note)
        ours = {(line.name, line.keyid) for line in lines}
        kept = [s for s in note.signatures if (s.name, s.keyid) not in ours]
        cosigned = serialise(SignedNote(note.text, (*kept, *lines)))
        write_durably(self._paths.checkpoint, cosigned)
        self.published = (self.head, cosigned)
        return True

    def keep(self) -> None:
        """Keep the newest checkpoint for ever under its size."""
        if self.note:
            write_durably(self._paths.checkpoints / f"{self.head.size:020d}", self.note)


def _stored(path: Path) -> tuple[Checkpoint, bytes] | None:
    if not path.exists():
        return None
    note = path.read_bytes()
    return parse_head(parse(note).text)[0], note


def check_note(
    content: bytes, keys: list[VerifierKey], origin: str, where: Path | str
) -> Checkpoint:
    """A stored checkpoint's head; raises `Damaged` unless it bears a valid line of each kind.

    `keys` are all keys the log has had: a note from before a rotation bears the old pair alone.
    """
    head, _ = parse_head(parse(content).text)
    if head.origin != origin:
        raise Damaged(f"{where}: a checkpoint of the log {head.origin!r}")
    signed = {result.key.kind for result in check(content, keys) if result.valid}
    if signed != {key.kind for key in keys}:
        raise Damaged(f"{where}: not signed by the log's own Ed25519 and ML-DSA-44 keys")
    return head
