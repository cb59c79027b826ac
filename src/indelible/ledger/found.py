"""The manifest from what the evidence files say of themselves: for one that was lost or altered."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from indelible.base.errors import Damaged
from indelible.base.files import fsync_folder
from indelible.base.random import random_id
from indelible.ledger.paths import LedgerPaths
from indelible.store.evidence import FORMAT, SUFFIX, EvidenceReader
from indelible.store.keyring import Keyring
from indelible.store.manifest import Manifest, SegmentRow
from indelible.store.records import read_header
from indelible.store.sqlite import connect

_SIDE = "-journal"


def segment_row(path: Path, origin: str, keyring: Keyring) -> SegmentRow:
    """The manifest row that an evidence file's header and footer imply."""
    with path.open("rb") as file:
        header, _ = read_header(file, FORMAT, origin)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    reader = EvidenceReader(path, origin, keyring.get(header.key), cached_frames=1)
    reader.close()
    footer = reader.footer
    return SegmentRow(
        first=footer.first, end=footer.end, file=path.name, key=header.key,
        bytes=path.stat().st_size, sha256=digest, received_min=footer.received_min,
        received_max=footer.received_max, leaves_root=footer.leaves_root,
    )


def found_segments(paths: LedgerPaths, origin: str, keyring: Keyring) -> list[SegmentRow]:
    """The evidence files that follow one another from index 0, each read to its footer.

    Of files over the same events (a seal that was interrupted and done again) the longest counts.
    Raises `Damaged` for a hole, naming what is wrong with the file that should fill it.
    """
    rows: list[SegmentRow] = []
    broken: list[Damaged] = []
    for path in sorted(paths.evidence.glob(f"[!.]*{SUFFIX}")):
        try:
            rows.append(segment_row(path, origin, keyring))
        except Damaged as error:
            broken.append(error)
    chain: list[SegmentRow] = []
    at = 0
    for row in sorted(rows, key=lambda row: (row.first, -row.end)):
        if row.first > at:
            why = broken[0].message if broken else "no evidence file holds them"
            raise Damaged(f"indexes {at}..{row.first - 1}: {why}")
        if row.first == at:
            chain.append(row)
            at = row.end
    return chain


def sound_manifest(paths: LedgerPaths, found: list[SegmentRow]) -> Manifest | None:
    """The manifest if it can be read and names just these segments, as they describe themselves."""
    if not paths.manifest.is_file():
        return None
    try:
        manifest = Manifest(paths.manifest)
    except Damaged:
        return None
    try:
        rows = manifest.segments()
        manifest.columns()
        if rows == found:
            return manifest
    except Damaged:
        pass
    manifest.close()
    return None


def new_manifest(paths: LedgerPaths, found: list[SegmentRow]) -> Manifest:
    """A manifest of these segments without columns, as `manifest.new`; `put_in_place` names it."""
    path = _new(paths)
    drop_new(paths)
    manifest = Manifest(path)
    names = SegmentRow.__struct_fields__
    link = connect(path)
    link.execute("BEGIN IMMEDIATE")
    link.executemany(
        f"INSERT INTO segments ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        [msgspec.structs.astuple(row) for row in found],
    )
    link.execute("COMMIT")
    link.close()
    return manifest


def drop_new(paths: LedgerPaths) -> None:
    """Remove a `manifest.new` that did not come to be needed."""
    path = _new(paths)
    for stale in (path, path.with_name(path.name + _SIDE)):
        stale.unlink(missing_ok=True)


def put_in_place(paths: LedgerPaths) -> None:
    """`manifest.new`, closed, becomes the manifest; the old one is kept in `quarantine/`.

    The old one's rollback journal goes aside first: it must never be played into the new one.
    """
    fresh, old = _new(paths), paths.manifest
    fresh.with_name(fresh.name + _SIDE).unlink(missing_ok=True)
    aside = paths.quarantine / f"{old.name}.{random_id()}"
    side = old.with_name(old.name + _SIDE)
    if side.exists() and side.stat().st_size:
        os.rename(side, aside.with_name(aside.name + _SIDE))
    side.unlink(missing_ok=True)
    if old.exists():
        os.link(old, aside)
    fsync_folder(paths.quarantine)
    fsync_folder(paths.root)
    os.rename(fresh, old)
    fsync_folder(paths.root)


def _new(paths: LedgerPaths) -> Path:
    return paths.root / "manifest.new"
