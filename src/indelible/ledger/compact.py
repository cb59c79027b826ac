"""Compaction: small column files become files of half a million rows. Evidence is never touched.

A group is the column files of COMPACT_EVENTS consecutive indexes (8 full segments). A whole
group is merged into one file; in the growing one, more than 16 files (early seals) are merged too.
The replaced files stay for `OBSOLETE_SECONDS`, because a search may still read them.
"""

from __future__ import annotations

from indelible.base.clock import MICROS, wall_us
from indelible.base.files import fsync_folder
from indelible.base.limits import COMPACT_EVENTS, COMPACT_SMALL_FILES, OBSOLETE_SECONDS
from indelible.base.random import random_id
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.seal import column_file_of, column_path, columns_row, file_id_of
from indelible.store.column_file import merge_column_files
from indelible.store.keyring import COLUMNS, Keyring
from indelible.store.manifest import ColumnsRow, Manifest

OBSOLETE_US = OBSOLETE_SECONDS * MICROS


def due(rows: list[ColumnsRow]) -> list[ColumnsRow]:
    """The column files to merge next, oldest group first; empty when there is nothing to do."""
    groups: dict[int, list[ColumnsRow]] = {}
    for row in rows:
        groups.setdefault(row.first // COMPACT_EVENTS, []).append(row)
    end = rows[-1].end if rows else 0
    for number, group in sorted(groups.items()):
        whole = (number + 1) * COMPACT_EVENTS <= end
        if len(group) > (1 if whole else COMPACT_SMALL_FILES):
            return group
    return []


def compact_once(
    paths: LedgerPaths, origin: str, keyring: Keyring, manifest: Manifest
) -> ColumnsRow | None:
    """Merge one group if one is due; the new file is durable and read back before it counts."""
    group = due(manifest.columns())
    if not group:
        return None
    file_id = random_id()
    key_id, key = keyring.new_key(COLUMNS, file_id)
    merged = merge_column_files(
        [column_file_of(paths, row, keyring) for row in group],
        column_path(paths, group[0].first, file_id), key=key, file_id=file_id, origin=origin,
    )
    row = columns_row(merged, key_id)
    manifest.replace_columns(group, [row])
    return row


def remove_obsolete(
    paths: LedgerPaths, keyring: Keyring, manifest: Manifest, grace_us: int = OBSOLETE_US
) -> int:
    """Remove replaced column files whose grace is over, then their keys; returns how many."""
    found = manifest.removable(wall_us() - grace_us)
    for file in found:
        (paths.columns / file).unlink(missing_ok=True)
        fsync_folder(paths.columns)
        keyring.destroy(COLUMNS, [file_id_of(file)])
        manifest.forget(file)
    return len(found)
