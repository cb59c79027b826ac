"""Tiles and entry bundles as C2SP tlog-tiles: paths, contents, and hashes read back from tiles.

A tile of level L holds up to 256 roots of complete subtrees of 256^L leaves; a bundle holds the
entries of a level-0 tile.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal, TypeAlias

from indelible.base.limits import PROOF_TILES
from indelible.proof.errors import ProofError
from indelible.proof.path import HASH_SIZE, node_hash, split_point
from indelible.proof.tree import EMPTY_ROOT

TILE_WIDTH: Final = 256
TILE_HEIGHT: Final = 8
MAX_LEVEL: Final = 63
MAX_INDEX: Final = (1 << 64) - 1
MAX_ENTRY_BYTES: Final = 65_535

GetTile: TypeAlias = Callable[[int, int, int], bytes]

_PATH: Final = re.compile(
    r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?",
    re.ASCII,
)


def tile_path(level: int, n: int, width: int = TILE_WIDTH) -> str:
    """The path of a hash tile, such as `tile/0/x001/x234/067.p/5`."""
    if not 0 <= level <= MAX_LEVEL:
        raise ProofError(f"tile level {level} is not in 0..{MAX_LEVEL}")
    return f"tile/{level}/{_number_path(n, width)}"


def entries_path(n: int, width: int = TILE_WIDTH) -> str:
    """The path of an entry bundle, such as `tile/entries/067`."""
    return f"tile/entries/{_number_path(n, width)}"


def parse_path(path: str) -> tuple[int | Literal["entries"], int, int]:
    """(level or "entries", n, width) of a path; every spelling but the canonical is refused.

    Raises `ProofError`.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise ProofError("tile path: malformed")
    kind, number, partial = match.groups()
    width = int(partial) if partial else TILE_WIDTH
    if partial and width >= TILE_WIDTH:
        raise ProofError("tile path: a partial tile has 1 to 255 entries")
    n = int(number.replace("/", "").replace("x", ""))
    level: int | Literal["entries"] = "entries" if kind == "entries" else int(kind)
    again = entries_path(n, width) if level == "entries" else tile_path(level, n, width)
    if again != path:
        raise ProofError("tile path: not canonical")
    return level, n, width


def _number_path(n: int, width: int) -> str:
    if not 0 <= n <= MAX_INDEX:
        raise ProofError("tile number: out of range")
    if not 1 <= width <= TILE_WIDTH:
        raise ProofError(f"tile width {width} is not in 1..{TILE_WIDTH}")
    path = f"{n % 1000:03d}"
    n //= 1000
    while n:
        path = f"x{n % 1000:03d}/{path}"
        n //= 1000
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def bundle_encode(entries: Iterable[bytes]) -> bytes:
    """The entry bundle: u16 length and bytes of each; `ProofError` for more than 256 entries."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise ProofError("entry bundle: an entry is longer than 65,535 bytes")
        parts.append(len(entry).to_bytes(2, "big"))
        parts.append(entry)
    if len(parts) > 2 * TILE_WIDTH:
        raise ProofError("entry bundle: more than 256 entries")
    return b"".join(parts)


def bundle_decode(data: bytes) -> list[bytes]:
    """The entries of a bundle; raises `ProofError` when the lengths do not use up the bytes."""
    entries: list[bytes] = []
    at, end = 0, len(data)
    while at < end:
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        if start > end or at > end:
            raise ProofError("entry bundle: cut off")
        entries.append(data[start:at])
    if len(entries) > TILE_WIDTH:
        raise ProofError("entry bundle: more than 256 entries")
    return entries


def tiles_for(size: int) -> Iterator[tuple[int, int, int]]:
    """(level, n, width) of every tile a log of this size publishes, level by level.

    The bundles are those of level 0.
    """
    level = 0
    while size:
        full, rest = divmod(size, TILE_WIDTH)
        for n in range(full):
            yield level, n, TILE_WIDTH
        if rest:
            yield level, full, rest
        size, level = full, level + 1


def tile_width(level: int, n: int, size: int) -> int:
    """How many hashes tile n of a level has in a tree of `size` leaves; 0 if there is none."""
    count = size >> (TILE_HEIGHT * level)
    return max(0, min(TILE_WIDTH, count - n * TILE_WIDTH))


class TileReader:
    """Roots of subtrees read from the tiles of a tree of `size` leaves.

    `get_tile(level, n, width)` answers the bytes of a tile, and may answer more hashes than
    `width` (a fuller tile). What is read is not trusted any further than the proofs made of it
    verify.
    """

    def __init__(self, get_tile: GetTile, size: int) -> None:
        self._get_tile = get_tile
        self._size = size
        self._rows: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()

    @property
    def size(self) -> int:
        """How many leaves the tree has."""
        return self._size

    def root(self, size: int | None = None) -> bytes:
        """The root of the tree, or of an earlier one of `size` leaves."""
        size = self._size if size is None else size
        return self.subtree(0, size) if size else EMPTY_ROOT

    def subtree(self, lo: int, hi: int) -> bytes:
        """MTH(D[lo:hi]) of a subtree as the proofs' walks name it, complete or ragged.

        Raises `ProofError` when the range is not such a subtree or a tile is too short.
        """
        count = hi - lo
        if lo < 0 or count < 1 or hi > self._size:
            raise ProofError(f"no subtree {lo}..{hi} in a tree of {self._size}")
        if lo & ((1 << (count - 1).bit_length()) - 1):
            raise ProofError(f"subtree {lo}..{hi} is not aligned")
        parts: list[bytes] = []
        while count & (count - 1):
            left = split_point(count)
            parts.append(self._complete(lo, left.bit_length() - 1))
            lo, count = lo + left, count - left
        root = self._complete(lo, count.bit_length() - 1)
        for part in reversed(parts):
            root = node_hash(part, root)
        return root

    def _complete(self, lo: int, height: int) -> bytes:
        level, inner = divmod(height, TILE_HEIGHT)
        n, offset = divmod(lo >> (TILE_HEIGHT * level), TILE_WIDTH)
        at = (offset >> inner) * HASH_SIZE
        return self._tile_rows(level, n)[inner][at : at + HASH_SIZE]

    def _tile_rows(self, level: int, n: int) -> list[bytes]:
        """A tile's own hashes and the seven rows of complete pairs above them."""
        rows = self._rows.get((level, n))
        if rows is not None:
            self._rows.move_to_end((level, n))
            return rows
        width = tile_width(level, n, self._size)
        data = self._get_tile(level, n, width)
        if len(data) < width * HASH_SIZE or len(data) % HASH_SIZE:
            raise ProofError(f"{tile_path(level, n, width)}: too short, or not whole hashes")
        rows = tile_rows(data[: width * HASH_SIZE])
        self._rows[level, n] = rows
        if len(self._rows) > PROOF_TILES:
            self._rows.popitem(last=False)
        return rows


def tile_rows(data: bytes) -> list[bytes]:
    """A tile's hashes and the rows above them, complete pairs only: eight rows in all.

    The root of a full tile, its hash in the level above, is the pair of the last row.
    """
    rows = [data]
    for _ in range(TILE_HEIGHT - 1):
        below = rows[-1]
        rows.append(
            b"".join(
                node_hash(below[i : i + HASH_SIZE], below[i + HASH_SIZE : i + 64])
                for i in range(0, len(below) & ~63, 64)
            )
        )
    return rows
