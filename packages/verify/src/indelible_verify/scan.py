"""One pass over a tiled log: leaves from every bundle, hashes compared with every tile.

Works on whole bundles with slices and comprehensions; there is no object an entry, which is what
makes several hundred thousand entries a second possible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from struct import Struct
from typing import Final

from indelible_verify.entry import KIND_NAMES, KINDS
from indelible_verify.tiles import (
    ENTRIES,
    HASH_BYTES,
    SLOT_BYTES,
    TILE_WIDTH,
    TileStore,
    level_sizes,
    tile_path,
)
from indelible_verify.tree import tree_hash

_RECEIVED: Final = Struct(">18xQ36x")
_HEAD: Final = Struct(">HBBHIQQI32x")
_ALL_KINDS: Final = frozenset(KIND_NAMES)
_FOREIGN: Final = frozenset((KINDS["event"], KINDS["unparsed"]))


@dataclass
class Scan:
    """What a pass found. Level 0 of `derived` is not kept: 32 bytes an entry.

    `derived[level][k]` is the hash at that tile level re-derived from entries, None where data
    lack. `suspects` are tiles whose file differs or lacks; `absent` ranges without entry data;
    `odd` entries or slots that break the specification, by index.
    """

    size: int
    derived: list[list[bytes | None]] = field(default_factory=list)
    tail: list[bytes] = field(default_factory=list)
    suspects: dict[tuple[int, int], str] = field(default_factory=dict)
    absent: list[tuple[int, int]] = field(default_factory=list)
    odd: dict[int, str] = field(default_factory=dict)
    kinds: Counter[int] = field(default_factory=Counter)
    last_received: int = 0

    def root(self) -> bytes | None:
        """Root re-derived from all entries, None where data lack."""
        nodes = self.derived[1] if len(self.derived) > 1 else []
        known = [node for node in nodes if node is not None]
        if self.absent or len(known) != self.size // TILE_WIDTH:
            return None
        return tree_hash([*known, tree_hash(self.tail)] if self.tail else known)


def leaves_of(data: bytes) -> list[bytes]:
    """Leaf hashes of the whole slots of a bundle."""
    starts = range(2, len(data) // SLOT_BYTES * SLOT_BYTES, SLOT_BYTES)
    return [sha256(b"\x00" + data[at : at + 60]).digest() for at in starts]


def scan_log(
    store: TileStore, size: int, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Scan:
    """Read every bundle and tile of the tree of `size` once; `progress(done, size)` in entries."""
    scan = Scan(size)
    there = min(store.bundles(), -(-size // TILE_WIDTH))
    above: list[bytes | None] = []
    for number in range(there):
        node = _scan_bundle(store, scan, number)
        progress(min((number + 1) * TILE_WIDTH, size), size)
        if (number + 1) * TILE_WIDTH <= size:
            above.append(node)
    if there * TILE_WIDTH < size:
        _absent(scan, there * TILE_WIDTH, size - 1)
    scan.derived = [[], above]
    sizes = level_sizes(size)
    for level in range(1, len(sizes)):
        _scan_level(store, scan, level, sizes[level])
    return scan


def _absent(scan: Scan, first: int, last: int) -> None:
    if scan.absent and scan.absent[-1][1] == first - 1:
        scan.absent[-1] = (scan.absent[-1][0], last)
    else:
        scan.absent.append((first, last))


def _scan_bundle(store: TileStore, scan: Scan, number: int) -> bytes | None:
    """Hash one bundle, compare its tile, and give the hash over it when it is whole."""
    base = number * TILE_WIDTH
    width = min(TILE_WIDTH, scan.size - base)
    found = store.load(ENTRIES, number, width) or b""
    data = found[: width * SLOT_BYTES]
    _check_slots(scan, data, base)
    if len(found) > len(data) and not _covers_more(store, number, width, len(found)):
        scan.odd.setdefault(base + width - 1, "the bundle goes on after its last entry")
    leaves = leaves_of(data)
    tile = store.load(0, number, width)
    wanted = b"".join(leaves)
    if tile is None:
        scan.suspects[0, number] = "is missing"
    elif tile != wanted and not (
        tile.startswith(wanted) and _covers_more(store, number, width, len(tile), HASH_BYTES, 0)
    ):
        scan.suspects[0, number] = "is not what the entries give"
    if len(leaves) < width:
        _absent(scan, base + len(leaves), base + width - 1)
        return None
    if width < TILE_WIDTH:
        scan.tail = leaves
        return None
    return tree_hash(leaves)


def _covers_more(
    store: TileStore,
    number: int,
    width: int,
    length: int,
    item: int = SLOT_BYTES,
    level: int | str = ENTRIES,
) -> bool:
    """Tell whether a file longer than asked is a wider tile or bundle that stood in for it."""
    exact = store.root / tile_path(level, number, width)
    return width < TILE_WIDTH and length % item == 0 and not exact.exists()


def _check_slots(scan: Scan, data: bytes, base: int) -> None:
    """Check framing and fixed fields of a bundle's entries, column by column."""
    count = len(data) // SLOT_BYTES
    body = data if len(data) == count * SLOT_BYTES else data[: count * SLOT_BYTES]
    received = [value for (value,) in _RECEIVED.iter_unpack(body)]
    kinds = body[3::SLOT_BYTES]
    scan.kinds.update(kinds)
    distinct = frozenset(kinds)
    plain = (
        body[0::SLOT_BYTES] == bytes(count)
        and body[1::SLOT_BYTES] == b"\x3c" * count
        and body[2::SLOT_BYTES] == b"\x01" * count
        and distinct <= _FOREIGN
        and all(not any(body[at::SLOT_BYTES]) for at in range(26, 30))
        and received == sorted(received)
        and (not received or received[0] >= scan.last_received)
    )
    if not plain:
        _find_odd(scan, body, base)
    if received:
        scan.last_received = received[-1]


def _find_odd(scan: Scan, body: bytes, base: int) -> None:
    before = scan.last_received
    for at, slot in enumerate(_HEAD.iter_unpack(body)):
        length, version, kind, _, source, _, received, reserved = slot
        index = base + at
        if length != 60:
            scan.odd[index] = f"the bundle gives the entry's length as {length}, not 60"
        elif version != 1 or reserved or kind not in _ALL_KINDS:
            scan.odd[index] = "the entry is not of version 1 of the format"
        elif kind not in _FOREIGN and source:
            scan.odd[index] = f"an entry of the ledger's own kind {KIND_NAMES[kind]} has a source"
        elif received < before:
            scan.odd[index] = "received decreases against the entry before"
        before = received


def _scan_level(store: TileStore, scan: Scan, level: int, count: int) -> None:
    """Compare the tiles of one level above 0 with hashes from below, and fold the next level."""
    nodes = scan.derived[level]
    above: list[bytes | None] = []
    for number in range(-(-len(nodes) // TILE_WIDTH)):
        width = min(TILE_WIDTH, count - number * TILE_WIDTH)
        mine = nodes[number * TILE_WIDTH : (number + 1) * TILE_WIDTH]
        known = [node for node in mine if node is not None]
        tile = store.load(level, number, width)
        wanted = b"".join(known)
        if tile is None:
            scan.suspects[level, number] = "is missing"
        elif len(known) < width or (
            tile != wanted
            and not (
                tile.startswith(wanted)
                and _covers_more(store, number, width, len(tile), HASH_BYTES, level)
            )
        ):
            scan.suspects[level, number] = "is not what the entries give"
        if width == TILE_WIDTH:
            above.append(tree_hash(known) if len(known) == width else None)
    scan.derived.append(above)


def older_root(store: TileStore, scan: Scan, size: int) -> bytes | None:
    """Root of the first `size` entries re-derived from the bundles, None where data lack."""
    if any(first < size for first, _ in scan.absent):
        return None
    whole, rest = divmod(size, TILE_WIDTH)
    nodes: Sequence[bytes | None] = scan.derived[1][:whole]
    known = [node for node in nodes if node is not None]
    if len(known) != whole:
        return None
    if rest:
        width = min(TILE_WIDTH, scan.size - whole * TILE_WIDTH)
        leaves = leaves_of((store.load(ENTRIES, whole, width) or b"")[: rest * SLOT_BYTES])
        if len(leaves) != rest:
            return None
        known.append(tree_hash(leaves))
    return tree_hash(known)
