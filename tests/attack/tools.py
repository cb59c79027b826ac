"""What an attacker can do to files: to their bytes, and with the data keys to what they say."""

from __future__ import annotations

import hashlib
import sqlite3
import struct
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

from indelible.app.place import Place
from indelible.base.errors import Damaged
from indelible.ledger.journal import _encode as encode_record
from indelible.ledger.kernel import SaltStream, head_of, leaves_of
from indelible.ledger.scan_journal import JournalScan
from indelible.ledger.tree_state import subtree_root
from indelible.store.evidence import EvidenceReader, EvidenceWriter, SaltSpan
from indelible.store.keyring import Keyring
from indelible.store.records import RecordCipher, read_header

_HEAD = struct.Struct(">IQI")
Bodies = list[bytes]


# --- bytes


def flip(path: Path, at: int, bit: int = 0x01) -> None:
    """Change one bit; `at` counts from the end when negative."""
    data = bytearray(path.read_bytes())
    data[at] ^= bit
    path.write_bytes(bytes(data))


def cut(path: Path, count: int | None) -> None:
    """Remove the last `count` bytes, all with None."""
    data = path.read_bytes()
    path.write_bytes(b"" if count is None else data[:-count])


# --- journals without keys


class Frames:
    """The records of a journal file as an attacker without keys sees them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        data = path.read_bytes()
        self.header = data[: 2 + int.from_bytes(data[:2], "big")]
        self.records: list[bytes] = []
        at = len(self.header)
        while at < len(data):
            stop = at + 16 + int.from_bytes(data[at : at + 4], "big")
            self.records.append(data[at:stop])
            at = stop

    def offset(self, number: int) -> int:
        """The byte where a record begins."""
        return len(self.header) + sum(map(len, self.records[:number]))

    def write(self) -> None:
        """Put the records back as they are now."""
        self.path.write_bytes(self.header + b"".join(self.records))


# --- journals and evidence with the data keys


def edit_journal(place: Place, path: Path, edit: Callable[[int, Bodies], Bodies]) -> None:
    """Rewrite a journal under its own key: `edit(first index, bodies)` for every record."""
    keyring = place.keyring(read_only=True)
    scan = JournalScan(path, place.settings.origin, keyring)
    with path.open("rb") as file:
        header, raw = read_header(file, "indelible-journal/1", place.settings.origin)
    cipher = RecordCipher(keyring.get(header.key), raw)
    out, index = [raw], header.first
    for number, record in enumerate(list(scan.records())):
        bodies = edit(record.first, list(record.bodies)) if record.bodies else []
        marks = (record.marks + bytes(24 * len(bodies)))[: 24 * len(bodies)]
        sealed = cipher.seal(number, encode_record(bodies, marks), last=record.last)
        head = len(sealed).to_bytes(4, "big") + index.to_bytes(8, "big")
        crc = zlib.crc32(sealed, zlib.crc32(head))
        out.append(head + crc.to_bytes(4, "big") + sealed)
        index += len(bodies)
    scan.close()
    path.write_bytes(b"".join(out))


def edit_evidence(
    place: Place, first: int, edit: Callable[[int, Bodies], Bodies], *, tiles: bool = False
) -> None:
    """Rewrite a segment under its own key, its footer and its manifest row; with `tiles` also the
    stored tile hashes."""
    keyring, paths = place.keyring(read_only=True), place.paths
    row = manifest_row(place, first)
    path = paths.evidence / row["file"]
    reader = EvidenceReader(path, place.settings.origin, keyring.get(row["key"]))
    writer = EvidenceWriter(reader.header, keyring.get(row["key"]))
    leaves = b""
    for number, frame in enumerate(reader.footer.frames):
        bodies = edit(frame.first, list(reader.frame(number)))
        writer.add_frame(bodies)
        salts = salts_of(keyring, reader.footer.salts, frame.first, len(bodies))
        leaves += leaves_of(bodies, [_head(body) for body in bodies], salts)
    root = subtree_root(leaves).hex()
    footer = msgspec.structs.replace(reader.footer, frames=writer.frames, leaves_root=root)
    reader.close()
    size = writer.finish(path, footer)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest(place, f"UPDATE segments SET bytes={size}, sha256='{digest}', leaves_root='{root}'"
                    f" WHERE first={first}")
    if tiles:
        level1 = bytearray((paths.tiles / "1").read_bytes())
        for tile in range(-(-first // 256), (first + len(leaves) // 32) // 256):
            at = (tile * 256 - first) * 32
            level1[tile * 32 : tile * 32 + 32] = subtree_root(leaves[at : at + 8192])
        (paths.tiles / "1").write_bytes(level1)


def _head(body: bytes) -> bytes:
    try:
        return head_of(body)
    except Damaged:
        return bytes(28)


def salts_of(keyring: Keyring, spans: list[SaltSpan], first: int, count: int) -> bytes:
    """The salts of consecutive events."""
    out = []
    for index in range(first, first + count):
        key = [span.key for span in spans if span.first <= index][-1]
        out.append(SaltStream(keyring.get(key)).salt(index))
    return b"".join(out)


def lie(index: int) -> Callable[[int, Bodies], Bodies]:
    """One event tells another actor."""

    def edit(first: int, bodies: Bodies) -> Bodies:
        if first <= index < first + len(bodies):
            at = index - first
            bodies[at] = bodies[at].replace(b'"outcome":"success"', b'"outcome":"failure"')
        return bodies

    return edit


# --- databases


def run_sql(path: Path, sql: str) -> None:
    """One change to a small database."""
    with closing(sqlite3.connect(path, isolation_level=None)) as link:
        link.execute(sql)


def manifest(place: Place, sql: str) -> None:
    """One change to the manifest."""
    run_sql(place.paths.manifest, sql)


def manifest_row(place: Place, first: int, table: str = "segments") -> dict[str, str]:
    """A row of the manifest by first index."""
    with closing(sqlite3.connect(place.paths.manifest)) as link:
        link.row_factory = sqlite3.Row
        found = link.execute(f"SELECT * FROM {table} WHERE first=?", (first,)).fetchone()
        return dict(found)
