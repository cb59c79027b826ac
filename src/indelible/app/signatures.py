"""The checkpoints of a folder and what their signature lines are worth to a verifier."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from indelible.app.place import Place
from indelible.base.errors import Damaged, IndelibleError
from indelible.ledger.scan import key_of
from indelible.ledger.verify import Problem, Signed
from indelible.proof.checkpoint import Checkpoint
from indelible.proof.errors import ProofError
from indelible.proof.keys import Ed25519Signer, MLDSA44Signer, VerifierKey
from indelible.proof.note import KeyCheck, SignedNote, check, parse
from indelible.proof.verification_policy import VerificationPolicy
from indelible.store.keyring import ED25519, MLDSA44, Keyring
from indelible.store.meta import Meta


class Note(NamedTuple):
    """A checkpoint that bears the log's valid lines."""

    who: str
    size: int
    root: bytes
    latest: int | None  # seconds since 1970 of the newest line that says a time
    note: SignedNote

    @property
    def signed(self) -> Signed:
        """Size and root, and where they stand."""
        return Signed(self.who, self.size, self.root)


class Cosigned(NamedTuple):
    """What one witness last cosigned, as far as this folder knows."""

    name: str
    size: int
    seconds: int


class Notes:
    """Reads the checkpoints of a folder. Findings gather in `problems`.

    The log's keys are those of the verification policy, every one of which must have signed; else
    the keyring's own, of which one of each kind must have: before and during a rotation others
    than the newest have signed.
    """

    def __init__(self, place: Place, keyring: Keyring, policy: VerificationPolicy) -> None:
        self._place, self._policy = place, policy
        self._origin = place.settings.origin
        self.problems: list[Problem] = []
        self.witness_problems: list[Problem] = []
        self.found_newest = False
        self._given = list(policy.log_keys)
        self._active = [] if self._given else own_keys(self._origin, keyring, retired=False)
        self._all = [] if self._given else own_keys(self._origin, keyring, retired=True)
        self._witnesses = list(policy.witness_keys)
        self._read: list[Note] = []

    @property
    def witness_keys(self) -> list[VerifierKey]:
        """The demanded witnesses, else the configured ones."""
        return self._witnesses or configured_witnesses(self._place)

    def _add(self, verdict: str, message: str) -> None:
        self.problems.append(Problem(verdict=verdict, message=message))

    def newest(self) -> Note | None:
        """The newest checkpoint; None when it is not there or not valid."""
        content = _content(self._place.paths.checkpoint)
        self.found_newest = content is not None
        return self.read(content, "the checkpoint") if content is not None else None

    def kept(self) -> list[Note]:
        """Checkpoints kept for ever, one for each seal; invalid ones are findings."""
        found = []
        for path in self._files(digits=True):
            note = self._file(path)
            if note is not None:
                found.append(note)
                if int(path.name) != note.size:
                    self._add("tampered", f"{note.who} is a checkpoint of size {note.size}")
        return found

    def of_witnesses(self) -> list[Note]:
        """What witnesses cosigned, also where it contradicts this log."""
        notes = [self._file(path) for path in self._files(digits=False)]
        return [note for note in notes if note is not None]

    def _files(self, *, digits: bool) -> list[Path]:
        names = sorted(self._place.paths.checkpoints.glob("*"))
        return [p for p in names if p.name.isdigit() is digits and not p.name.startswith(".")]

    def _file(self, path: Path) -> Note | None:
        content = _content(path)
        if content is None:
            return None
        return self.read(content, f"checkpoints/{path.name}", anyone=True)

    def read(self, content: bytes, who: str, *, anyone: bool = False) -> Note | None:
        """A checkpoint with valid lines; with `anyone` those of retired keys count too."""
        keys = self._given or (self._all if anyone else self._active)
        try:
            note = parse(content)
            head = Checkpoint.parse(note.text)
            results = check(note, keys)
        except ProofError as error:
            self._add("tampered", f"{who}: {error.message}")
            return None
        if head.origin != self._origin:
            self._add("not signed by the given key", f"{who}: of the log {head.origin!r}")
            return None
        if not self._enough(results, who):
            return None
        times = [result.timestamp for result in results if result.timestamp is not None]
        times += [c.seconds for c in self._cosignatures(note, head, self._witnesses)]
        found = Note(who, head.size, head.root, max(times, default=None), note)
        self._read.append(found)
        return found

    def _enough(self, results: list[KeyCheck], who: str) -> bool:
        missing = [result.key for result in results if result.missing]
        present = {result.key.kind for result in results if not result.missing}
        if not self._given and {key.kind for key in missing} <= present:
            return True
        if not missing:
            return True
        names = ", ".join(key.keyid.hex() for key in missing)
        if present:
            self._add("signature stripped", f"{who}: no line of key {names}")
        else:
            self._add("not signed by the given key", f"{who}: no line of key {names}")
        return False

    def cosigned(self, keys: list[VerifierKey]) -> list[Cosigned]:
        """The newest cosignature of each witness, by name, on any valid checkpoint here."""
        newest: dict[str, Cosigned] = {}
        for one in self._read:
            head = Checkpoint(self._origin, one.size, one.root)
            for found in self._cosignatures(one.note, head, keys, who=one.who):
                before = newest.get(found.name)
                if before is None or (before.size, before.seconds) < (found.size, found.seconds):
                    newest[found.name] = found
        return list(newest.values())

    def _cosignatures(
        self, note: SignedNote, head: Checkpoint, keys: list[VerifierKey], who: str = ""
    ) -> list[Cosigned]:
        found = []
        for key in keys:
            try:
                (result,) = check(note, [key])
            except ProofError as error:
                if who:
                    text = f"{who}: the line of the witness {key.name}: {error.message}"
                    self.witness_problems.append(Problem(verdict="tampered", message=text))
                continue
            if result.timestamp is not None:
                found.append(Cosigned(key.name, head.size, result.timestamp))
        return found


def own_keys(origin: str, keyring: Keyring, *, retired: bool) -> list[VerifierKey]:
    """Verifier keys of the log's signing keys; raises `Damaged` when one kind is missing."""
    try:
        if retired:
            by_purpose = keyring.all_ids()
            ed = [key for key, purpose in by_purpose.items() if purpose == ED25519]
            ml = [key for key, purpose in by_purpose.items() if purpose == MLDSA44]
        else:
            ed, ml = keyring.ids(ED25519), keyring.ids(MLDSA44)
    except sqlite3.Error as error:
        raise Damaged(f"the keyring at {keyring.folder} cannot be read: {error}") from error
    if not ed or not ml:
        raise Damaged("the keyring holds no signing keys for this log")
    lines = [Ed25519Signer(origin, key_of(keyring, key)).vkey for key in ed]
    lines += [MLDSA44Signer(origin, key_of(keyring, key)).vkey for key in ml]
    return [VerifierKey.parse(line) for line in lines]


def configured_witnesses(place: Place) -> list[VerifierKey]:
    """Keys of the witnesses the metadata name; none when they cannot be read."""
    try:
        meta = Meta(place.paths.meta, read_only=True)
    except (IndelibleError, sqlite3.Error):
        return []
    try:
        return [key for row in meta.witnesses() if (key := _key_or_none(row.vkey))]
    except (IndelibleError, sqlite3.Error):
        return []
    finally:
        meta.close()


def _key_or_none(vkey: str) -> VerifierKey | None:
    try:
        return VerifierKey.parse(vkey)
    except ProofError:
        return None


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None
