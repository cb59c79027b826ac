"""What the proof room raises: something does not prove what it is said to prove."""

from __future__ import annotations

from indelible.base.errors import Damaged


class ProofError(Damaged):
    """A proof, tile, bundle, entry or commitment is malformed or does not verify."""

    code = "bad_proof"
    remedy = "Fetch the material again from where it came; if it stays so, treat it as tampered."


class NoteError(ProofError):
    """A signed note or key line is malformed, or a given key's signature does not verify."""

    code = "bad_note"
    remedy = "Check that the key belongs to this log and that the note came through unchanged."
