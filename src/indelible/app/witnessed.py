"""What witnesses have cosigned, as far as this folder remembers it."""

from __future__ import annotations

from indelible.app.place import Place
from indelible.proof.checkpoint import parse_head
from indelible.proof.errors import ProofError
from indelible.proof.keys import VerifierKey
from indelible.proof.note import check, parse


def cosigned_sizes(
    place: Place, witnesses: list[VerifierKey], log_keys: list[VerifierKey]
) -> list[tuple[str, int, bytes, int]]:
    """(witness, size, root, seconds since 1970) of each witness's newest valid line here."""
    newest: dict[str, tuple[str, int, bytes, int]] = {}
    files = [place.paths.checkpoint, *place.paths.checkpoints.glob("cosigned*")]
    for path in files:
        try:
            note = parse(path.read_bytes())
            head, _ = parse_head(note.text)
            results = check(note, witnesses)
        except (OSError, ProofError):
            continue
        if head.origin != place.settings.origin or not log_keys:
            continue
        for result in results:
            if result.missing:
                continue
            found = (result.key.name, head.size, head.root, result.timestamp or 0)
            before = newest.get(result.key.name)
            if before is None or before[1] < found[1]:
                newest[result.key.name] = found
    return list(newest.values())
