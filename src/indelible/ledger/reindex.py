"""Everything that follows from evidence, made again from it: manifest, tiles, id index, columns.

Evidence and journal are only read, and are believed no further than the newest signed checkpoint
bears them out. Needs the folder's lock, not an open ledger: a ledger refuses to open without these.

Order: new column files and id runs are written beside the old; tile hashes, the root with the
journal's tail, and the checkpoint are compared; only then does anything old go, each by one rename
or one transaction. A crash in between leaves either the old or the new of each part (and for the
id index perhaps neither, which a ledger refuses): run it again.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pyarrow as pa

from indelible.base.errors import Damaged
from indelible.base.files import fsync_folder, make_folder, write_durably
from indelible.base.limits import COMPACT_EVENTS, TILE_EVENTS
from indelible.base.random import random_id
from indelible.ledger.incoming import UNWATCHED, stripped_identity
from indelible.ledger.kernel import head_of, leaves_of
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.reader import LedgerReader
from indelible.ledger.seal import column_path, columns_row
from indelible.ledger.seen import Fingerprints, compact, record, seal_run, sweep
from indelible.ledger.standing import log_signed, read_journals
from indelible.ledger.tree_state import MAX_LEVEL, LogTree, subtree_root
from indelible.store.column_file import write_column_tables
from indelible.store.columns import table_of
from indelible.store.keyring import COLUMNS, SEEN, Keyring
from indelible.store.manifest import ColumnsRow, Manifest, SegmentRow

Advance = Callable[[int, int], None]
_SUFFIX = b',"kind":'


class Reindexed(msgspec.Struct, frozen=True, kw_only=True):
    """What was made again."""

    segments: int
    events: int
    ids: int
    column_files: int


class _Source(msgspec.Struct):
    number: int


class _Stripped(msgspec.Struct):
    sha256: str
    members: list[str]


class _Via(msgspec.Struct, frozen=True):
    protocol: str = ""


class _Said(msgspec.Struct):
    source: _Source
    id: str = ""
    raw: str | None = None
    raw_type: str = ""
    stripped: _Stripped | None = None
    conflict: int | None = None
    repeat: int | None = None
    via: _Via = _Via()


_said = msgspec.json.Decoder(_Said)


def content_of(body: bytes) -> bytes:
    """The event as it was handed in: the body without what the ledger added.

    The ledger's members begin at the last `,"kind":`: no later one can stand in a string, where
    quotes are escaped, nor in `source`, `via` or `flags`, which have no such member.
    """
    at = body.rfind(_SUFFIX)
    if at < 0:
        raise Damaged("a body without the ledger's own members")
    return body[:at] + b"}"


def idempotent_of(body: bytes, said: _Said) -> bytes:
    """What the same id is compared by: a foreign format's message as it came, else the event.

    Of a stripped event that is gone; what stands in its place is made from its hash.
    """
    if said.stripped is not None:
        return stripped_identity(bytes.fromhex(said.stripped.sha256))
    if said.raw is None:
        return content_of(body)
    return base64.b64decode(said.raw) if said.raw_type else said.raw.encode()


def id_record(fingerprints: Fingerprints, index: int, body: bytes) -> bytes | None:
    """The record of the id index that `body` implies; None when it bears none.

    An event with an id has one, and so has a message without, unless it is itself a repetition
    or came by import.
    """
    said = _said.decode(body)
    if not said.id:
        foreign = said.raw is not None or (
            said.stripped is not None and "raw" in said.stripped.members
        )
        if not foreign or said.repeat is not None or said.via.protocol == UNWATCHED:
            return None
        message = idempotent_of(body, said)
        key = fingerprints.message_fingerprint(said.source.number, message)
        digest = fingerprints.digest(message, stripped=said.stripped is not None)
        return record(key, digest, index)
    key = fingerprints.fingerprint(said.source.number, said.id)
    digest = fingerprints.digest(idempotent_of(body, said), stripped=said.stripped is not None)
    if said.conflict is not None:
        key = fingerprints.variant(key, digest)
    return record(key, digest, index)


class Reindexer:
    """One rebuilding of one folder, whose lock the caller holds."""

    def __init__(
        self, paths: LedgerPaths, origin: str, keyring: Keyring, manifest: Manifest,
        advance: Advance,
    ) -> None:
        self._paths, self._origin, self._keyring = paths, origin, keyring
        self._manifest, self._advance = manifest, advance
        self._reader = LedgerReader(paths, origin, keyring, manifest)
        self._secret = keyring.newest(SEEN)
        self._fingerprints = Fingerprints(self._secret)
        self._fresh_ids = paths.root / "ids.new"
        self._tree = LogTree(self._reader.tile_leaves)
        self._made: list[tuple[Path, str]] = []
        self._ids = 0

    def run(self) -> Reindexed:
        """Make everything again; raises `Damaged` when evidence does not give what was signed."""
        rows = self._reader.segments
        shutil.rmtree(self._fresh_ids, ignore_errors=True)
        make_folder(self._fresh_ids)
        try:
            columns = [self._group(group) for group in _groups(rows)]
            sealed = self._tree.size
            self._compare()
        except BaseException:
            self._undo()
            raise
        finally:
            self._reader.close()
        self._store_tiles(sealed)
        self._swap_ids()
        self._manifest.replace_columns(self._manifest.columns(), columns)
        return Reindexed(
            segments=len(rows), events=sealed, ids=self._ids, column_files=len(columns)
        )

    def _undo(self) -> None:
        shutil.rmtree(self._fresh_ids, ignore_errors=True)
        for path, file_id in self._made:
            path.unlink(missing_ok=True)
            self._keyring.destroy(COLUMNS, [file_id])

    def _group(self, rows: list[SegmentRow]) -> ColumnsRow:
        """One column file of several segments; their leaves and ids are made on the way."""
        return self._columns(rows[0].first, rows[-1].end, (self._segment(row) for row in rows))

    def _columns(self, first: int, end: int, tables: Iterator[pa.Table]) -> ColumnsRow:
        file_id = random_id()
        key_id, key = self._keyring.new_key(COLUMNS, file_id)
        path = column_path(self._paths, first, file_id)
        self._made.append((path, file_id))
        file = write_column_tables(
            tables, path, first=first, end=end, key=key, file_id=file_id, origin=self._origin
        )
        return columns_row(file, key_id)

    def _segment(self, row: SegmentRow) -> pa.Table:
        leaves: list[bytes] = []
        records: list[bytes] = []
        tables: list[pa.Table] = []
        for first, bodies, salts in self._reader.spans(row.first, row.end):
            leaves.append(leaves_of(bodies, [head_of(body) for body in bodies], salts))
            numbered = list(enumerate(bodies, first))
            made = (id_record(self._fingerprints, index, body) for index, body in numbered)
            records += [one for one in made if one is not None]
            tables.append(table_of(numbered))
            self._advance(first + len(bodies), self._reader.sealed_end)
        joined = b"".join(leaves)
        if subtree_root(joined).hex() != row.leaves_root:
            raise Damaged(
                f"indexes {row.first}..{row.end - 1}: the evidence file {row.file} does not hold"
                " the events that were sealed"
            )
        self._tree.append(joined)
        self._tree.drop_below(row.end)
        seal_run(self._fresh_ids, self._secret, row.first, row.end, b"".join(records))
        while compact(self._fresh_ids, self._secret) is not None:
            sweep(self._fresh_ids)
        self._ids += len(records)
        return pa.concat_tables(tables)

    def _compare(self) -> None:
        """With the journal's tail, is it the tree that was signed?"""
        read_journals(self._paths, self._origin, self._keyring, self._tree)
        if not self._paths.checkpoint.is_file():
            return
        content = self._paths.checkpoint.read_bytes()
        head = log_signed(content, self._origin, self._keyring, "the checkpoint")
        if head.size > self._tree.size or self._tree.root(head.size) != head.root:
            raise Damaged(
                f"evidence and journal do not give the signed root of size {head.size};"
                " nothing was changed"
            )

    def _store_tiles(self, sealed: int) -> None:
        full = sealed
        for level in range(1, MAX_LEVEL + 1):
            full //= TILE_EVENTS
            path = self._paths.tiles / str(level)
            if full:
                write_durably(path, bytes(self._tree.levels[level][: full * 32]))
            else:
                path.unlink(missing_ok=True)

    def _swap_ids(self) -> None:
        old = self._paths.root / "ids.old"
        shutil.rmtree(old, ignore_errors=True)
        fsync_folder(self._fresh_ids)
        if self._paths.ids.is_dir():
            os.rename(self._paths.ids, old)
        os.rename(self._fresh_ids, self._paths.ids)
        fsync_folder(self._paths.root)
        shutil.rmtree(old, ignore_errors=True)


def _groups(rows: list[SegmentRow]) -> Iterator[list[SegmentRow]]:
    """Segments whose columns go into one file, as compaction would have it."""
    group: list[SegmentRow] = []
    for row in rows:
        if group and group[0].first // COMPACT_EVENTS != row.first // COMPACT_EVENTS:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


def missing_columns(
    paths: LedgerPaths, origin: str, keyring: Keyring, manifest: Manifest, reader: LedgerReader
) -> int:
    """Make column files again whose file or key is gone; returns how many."""
    count = 0
    for row in manifest.columns():
        if row.key in keyring.all_ids() and (paths.columns / row.file).is_file():
            continue
        file_id = random_id()
        key_id, key = keyring.new_key(COLUMNS, file_id)
        made = write_column_tables(
            (table_of(enumerate(bodies, first))
             for first, bodies, _ in reader.spans(row.first, row.end)),
            column_path(paths, row.first, file_id), first=row.first, end=row.end, key=key,
            file_id=file_id, origin=origin,
        )
        manifest.replace_columns([row], [columns_row(made, key_id)])
        count += 1
    return count
