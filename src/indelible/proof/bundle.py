"""Writing an evidence bundle: one ZIP file that proves events without the log (spec, section 7).

Reading and verifying is the verifier's work (`packages/verify`), which shares no code with this.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from indelible.base.limits import FILE_CHUNK_BYTES
from indelible.proof import note, view
from indelible.proof.checkpoint import Checkpoint
from indelible.proof.commitment import ENTRY_SIZE, MAX_BODY_BYTES, SALT_SIZE
from indelible.proof.errors import ProofError
from indelible.proof.path import HASH_SIZE

FORMAT: Final = "indelible-bundle/1"
NAMES: Final = (
    "bundle.json",
    "checkpoint",
    "entries.bin",
    "salts.bin",
    "bodies.ndjson",
    "proof.bin",
    "view.html",
)
_NO_SALT: Final = bytes(SALT_SIZE)
_MODE: Final = 0o644 << 16


# (index, entry, salt, body): salt and body are both None where the body is not shown
Item: TypeAlias = tuple[int, bytes, bytes | None, bytes | None]
Target: TypeAlias = str | Path | BinaryIO


def write_bundle(
    target: Target,
    origin: str,
    checkpoint: bytes,
    items: Sequence[Item],
    proof: Iterable[bytes],
    span: tuple[int, int] | None = None,
) -> None:
    """Write a bundle to a path or a binary file.

    `items` stand in index order and may be any sequence that is cheap to walk several times (one
    that reads bodies as it is walked keeps memory flat); `proof` is the multiproof for their
    indexes; `span` = (from, to), both inclusive, says that the items are exactly that range.
    The same arguments give the same bytes. Raises `ProofError` before anything is written when
    the parts do not fit together; whether they prove anything is for the verifier to say.
    """
    head = Checkpoint.parse(note.parse(checkpoint).text)
    if head.origin != origin:
        raise ProofError("bundle: the checkpoint is of another origin")
    hashes = list(proof)
    if any(len(h) != HASH_SIZE for h in hashes):
        raise ProofError("bundle: a proof hash is not 32 bytes long")
    indexes, volume = _check_items(items, head.size, span)
    rows = ((index, body) for index, _, _, body in items)
    parts: dict[str, Iterable[bytes]] = {
        "bundle.json": [_describe(origin, head.size, indexes, span)],
        "checkpoint": [checkpoint],
        "entries.bin": (entry for _, entry, _, _ in items),
        "salts.bin": (salt or _NO_SALT for _, _, salt, _ in items),
        "bodies.ndjson": ((body or b"") + b"\n" for _, _, _, body in items),
        "proof.bin": hashes,
        "view.html": view.render(origin, head.size, len(indexes), rows),
    }
    large = volume > 1 << 28  # escaping can grow the view sixfold; ZIP64 from 2 GiB on
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in NAMES:
            info = zipfile.ZipInfo(name)  # the fixed date of 1980: the same bytes every time
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = _MODE
            with archive.open(info, "w", force_zip64=large) as file:
                for piece in _gather(parts[name]):
                    file.write(piece)


def _check_items(
    items: Sequence[Item], size: int, span: tuple[int, int] | None
) -> tuple[list[int], int]:
    """The indexes and the bytes of all bodies; raises `ProofError` for an item out of place."""
    indexes: list[int] = []
    volume = 0
    last = -1
    for index, entry, salt, body in items:
        if not last < index < size:
            raise ProofError(f"bundle: index {index} is out of order or not in the tree")
        if len(entry) != ENTRY_SIZE:
            raise ProofError(f"bundle: the entry at index {index} is not {ENTRY_SIZE} bytes long")
        if (salt is None) != (body is None) or (salt is not None and len(salt) != SALT_SIZE):
            raise ProofError(f"bundle: index {index} needs body and salt, or neither")
        if body is not None:
            if not body or len(body) > MAX_BODY_BYTES or b"\n" in body:
                raise ProofError(f"bundle: the body at index {index} is not one line of 1 MiB")
            volume += len(body)
        indexes.append(index)
        last = index
    if not indexes:
        raise ProofError("bundle: no index")
    if span is not None and (indexes[0], last, last + 1 - indexes[0]) != (*span, len(indexes)):
        raise ProofError("bundle: the items are not exactly the range")
    return indexes, volume


def _describe(origin: str, size: int, indexes: list[int], span: tuple[int, int] | None) -> bytes:
    members: dict[str, object] = {"format": FORMAT, "origin": origin, "size": size}
    if span is not None:
        members["range"] = list(span)
    members["indexes"] = indexes
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _gather(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of about a megabyte: a ZIP member is slow to write in crumbs."""
    pending: list[bytes] = []
    held = 0
    for part in parts:
        pending.append(part)
        held += len(part)
        if held >= FILE_CHUNK_BYTES:
            yield b"".join(pending)
            pending, held = [], 0
    if pending:
        yield b"".join(pending)
