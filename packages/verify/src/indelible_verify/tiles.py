"""The static files of a tiled log (C2SP tlog-tiles): paths, and careful reading."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

TILE_WIDTH: Final = 256
HASH_BYTES: Final = 32
SLOT_BYTES: Final = 62
"""One entry of a bundle: u16(60) and the entry."""

ENTRIES: Final = "entries"
_PART: Final = re.compile(r"x?([0-9]{3})", re.ASCII)
_WIDTH: Final = re.compile(r"[1-9][0-9]{0,2}", re.ASCII)


def number_path(number: int) -> str:
    """A tile's number as path elements of three digits, all but the last with an `x`."""
    digits = str(number)
    digits = digits.zfill((len(digits) + 2) // 3 * 3)
    parts = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([f"x{part}" for part in parts[:-1]] + parts[-1:])


def tile_path(level: int | str, number: int, width: int = TILE_WIDTH) -> str:
    """Path of a tile, or with the level `entries` of an entry bundle, below the log's root."""
    partial = "" if width == TILE_WIDTH else f".p/{width}"
    return f"tile/{level}/{number_path(number)}{partial}"


def level_sizes(size: int) -> list[int]:
    """Hashes at each tile level of a tree: floor(size / 256^level), until it is 0."""
    sizes = []
    while size:
        sizes.append(size)
        size >>= 8
    return sizes


@dataclass
class TileStore:
    """Files of one exported log. `unreadable` collects what the system would not read."""

    root: Path
    unreadable: dict[str, str] = field(default_factory=dict)

    def load(self, level: int | str, number: int, width: int) -> bytes | None:
        """Bytes of a tile or bundle of `width`; where it lacks, of the full one or the widest.

        Longer than asked means that the file covers more; shorter that it covers less. None when
        there is no such file. Never more than a full bundle and one byte is read.
        """
        data = self._read(tile_path(level, number, width))
        if data is not None:
            return data
        if width != TILE_WIDTH:
            data = self._read(tile_path(level, number))
        if data is None:
            widest = max(self.partials(level, number), default=0)
            data = self._read(tile_path(level, number, widest)) if widest else None
        return data

    def partials(self, level: int | str, number: int) -> list[int]:
        """Widths of the partial files of a tile that are there."""
        folder = self.root / (tile_path(level, number) + ".p")
        try:
            names = os.listdir(folder)
        except OSError:
            return []
        return [int(name) for name in names if _WIDTH.fullmatch(name) and int(name) < TILE_WIDTH]

    def bundles(self) -> int:
        """One more than the highest number of a bundle that is there, whole or partial."""
        base = self.root / "tile" / ENTRIES
        highest = -1
        for folder, _, names in os.walk(base):
            inside = Path(folder).relative_to(base).parts
            for name in names:
                partial = bool(inside) and inside[-1].endswith(".p")
                parts = [*inside[:-1], inside[-1][:-2]] if partial else [*inside, name]
                number = _number(parts)
                highest = max(highest, -1 if number is None else number)
        return highest + 1

    def _read(self, path: str) -> bytes | None:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            handle = os.open(self.root / path, flags)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self.unreadable[path] = error.strerror or "cannot be opened"
            return None
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                self.unreadable[path] = "not a regular file"
                return None
            return os.read(handle, TILE_WIDTH * SLOT_BYTES + 1)
        except OSError as error:
            self.unreadable[path] = error.strerror or "cannot be read"
            return None
        finally:
            os.close(handle)


def _number(parts: list[str]) -> int | None:
    if len(parts) > 7 or not all(_PART.fullmatch(part) for part in parts):
        return None
    if any(not part.startswith("x") for part in parts[:-1]) or parts[-1].startswith("x"):
        return None
    return int("".join(part[-3:] for part in parts))


def split_hashes(data: bytes | None, width: int) -> list[bytes | None]:
    """Hashes of a tile as a list of exactly `width`; None where the file does not reach."""
    found: list[bytes | None] = []
    if data is not None:
        whole = min(len(data) // HASH_BYTES, width)
        found.extend(data[at * HASH_BYTES : (at + 1) * HASH_BYTES] for at in range(whole))
    return found + [None] * (width - len(found))
