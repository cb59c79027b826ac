"""Where a damaged log is damaged: the first index, or the smallest range the data determine.

From the signed root downwards every hash can come from up to three places: the tile file, the
entries, and the tile file below. A combination that gives the hash above is authentic, because
nobody can find another. Where authentic hashes differ from what the entries give, entries are
damaged; where no combination fits, all that can be said is the range of the hash above.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, product

from indelible_verify import limits
from indelible_verify.scan import Scan, leaves_of
from indelible_verify.tiles import (
    ENTRIES,
    SLOT_BYTES,
    TILE_WIDTH,
    TileStore,
    level_sizes,
    split_hashes,
    tile_path,
)
from indelible_verify.tree import tree_hash

Sources = tuple[bytes | None, bytes | None, bytes | None]


@dataclass
class Located:
    """Damaged ranges of indexes (inclusive, in order), and whether the root was tied to the data.

    `tiles` names damaged tile files with the range they speak about.
    """

    tied: bool = True
    ranges: list[tuple[int, int]] = field(default_factory=list)
    tiles: list[tuple[str, str, int, int]] = field(default_factory=list)

    def damage(self, first: int, last: int) -> None:
        """Add a range that does not lie before the ones known."""
        if self.ranges and self.ranges[-1][1] >= first - 1:
            self.ranges[-1] = (self.ranges[-1][0], max(last, self.ranges[-1][1]))
        else:
            self.ranges.append((first, last))


def locate(store: TileStore, scan: Scan, root: bytes) -> Located:
    """Find what does not belong to the tree of `root`."""
    finder = _Finder(store, scan)
    finder.from_root(root)
    finder.tile_files()
    return finder.located


def resolve(
    sources: Sequence[Sources], fold: Callable[[list[bytes]], bytes], wanted: bytes
) -> list[bytes] | None:
    """Find one hash for each position so that `fold` gives `wanted`; None when none was found.

    Tries whole sources first, then a bounded number of mixtures.
    """
    choices = [tuple(dict.fromkeys(s for s in one if s is not None)) for one in sources]
    if not all(choices):
        return None
    for source in range(3):
        attempt = [one[source] or choice[0] for one, choice in zip(sources, choices, strict=True)]
        if fold(attempt) == wanted:
            return attempt
    open_places = [at for at, choice in enumerate(choices) if len(choice) > 1]
    base = [choice[0] for choice in choices]
    mixtures = product(*(choices[at] for at in open_places))
    for mixture in islice(mixtures, limits.COMBINATIONS):
        for at, found in zip(open_places, mixture, strict=True):
            base[at] = found
        if fold(base) == wanted:
            return base
    return None


class _Finder:
    def __init__(self, store: TileStore, scan: Scan) -> None:
        self._store = store
        self._scan = scan
        self._sizes = level_sizes(scan.size)
        self._cached = -1
        self._leaves: list[bytes] = []
        self.located = Located()

    def from_root(self, root: bytes) -> None:
        """Authenticate the right edge (the hashes that no tile above covers), then go down."""
        edge = [
            (level, place)
            for level in reversed(range(len(self._sizes)))
            for place in range(self._sizes[level] & ~255, self._sizes[level])
        ]
        sources = [one for run in self._edge_runs() for one in run]
        found = resolve(sources, self._fold_edge, root)
        if found is None:
            self.located.tied = False
            return
        for (level, place), authentic in zip(edge, found, strict=True):
            self._descend(level, place, authentic)

    def _edge_runs(self) -> Iterator[list[Sources]]:
        for level in reversed(range(len(self._sizes))):
            yield self._tile_sources(level, self._sizes[level] >> 8, self._sizes[level] & 255)

    def _fold_edge(self, hashes: list[bytes]) -> bytes:
        tail: list[bytes] = []
        end = len(hashes)
        for size in self._sizes:
            start = end - (size & 255)
            nodes = hashes[start:end] + tail
            tail = [tree_hash(nodes)] if nodes else []
            end = start
        return tail[0]

    def _tile_sources(self, level: int, number: int, width: int) -> list[Sources]:
        if not width:
            return []
        file = split_hashes(self._store.load(level, number, width), width)
        if level == 0:
            found = self._store.load(ENTRIES, number, width) or b""
            mine: list[bytes | None] = [*leaves_of(found[: width * SLOT_BYTES])]
            below: list[bytes | None] = [None] * width
        else:
            start = number * TILE_WIDTH
            mine = list(self._scan.derived[level][start : start + width])
            below = [self._below(level, start + at) for at in range(width)]
        mine += [None] * (width - len(mine))
        return list(zip(file, mine, below, strict=True))

    def _below(self, level: int, place: int) -> bytes | None:
        hashes = split_hashes(self._store.load(level - 1, place, TILE_WIDTH), TILE_WIDTH)
        known = [one for one in hashes if one is not None]
        return tree_hash(known) if len(known) == TILE_WIDTH else None

    def _descend(self, level: int, place: int, authentic: bytes) -> None:
        if self._derived(level, place) == authentic:
            return
        span = TILE_WIDTH**level
        if level:
            sources = self._tile_sources(level - 1, place, TILE_WIDTH)
            found = resolve(sources, tree_hash, authentic)
            if found is not None:
                for at, one in enumerate(found):
                    self._descend(level - 1, place * TILE_WIDTH + at, one)
                return
        self.located.damage(place * span, (place + 1) * span - 1)

    def _derived(self, level: int, place: int) -> bytes | None:
        if level:
            nodes = self._scan.derived[level]
            return nodes[place] if place < len(nodes) else None
        number, at = divmod(place, TILE_WIDTH)
        if self._cached != number:
            width = min(TILE_WIDTH, self._scan.size - number * TILE_WIDTH)
            data = (self._store.load(ENTRIES, number, width) or b"")[: width * SLOT_BYTES]
            self._cached, self._leaves = number, leaves_of(data)
        return self._leaves[at] if at < len(self._leaves) else None

    def tile_files(self) -> None:
        """Name the tile files that differ where the entries are not themselves damaged."""
        for (level, number), why in sorted(self._scan.suspects.items()):
            width = min(TILE_WIDTH, self._sizes[level] - number * TILE_WIDTH)
            file = split_hashes(self._store.load(level, number, width), width)
            span = TILE_WIDTH**level
            wrong = []
            for at, found in enumerate(file):
                place = number * TILE_WIDTH + at
                derived = self._derived(level, place)
                if derived is not None and derived != found and not self._hit(place * span, span):
                    wrong.append(place)
            whole = (number * TILE_WIDTH * span, width * span)
            if wrong or (self.located.tied and not self._hit(*whole)):
                places = wrong or [number * TILE_WIDTH, number * TILE_WIDTH + width - 1]
                path = tile_path(level, number, width)
                first, last = places[0] * span, (places[-1] + 1) * span - 1
                self.located.tiles.append((path, why, first, last))

    def _hit(self, start: int, span: int) -> bool:
        return any(a < start + span and b >= start for a, b in self.located.ranges)
