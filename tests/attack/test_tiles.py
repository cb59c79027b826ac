"""Attacks on stored tile hashes, of level 1 and above, by somebody who holds the data folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from attack import lab
from attack.case import PROVEN, Case, attacked
from attack.conftest import Layout
from attack.lab import driven, new_ledger
from attack.tools import cut, flip
from indelible.app.place import Place
from indelible.base.errors import Damaged
from indelible.ledger.bodies import BodyCheck
from indelible.ledger.tree_state import LogTree, subtree_root
from indelible.store.manifest import SegmentRow

H, WIDTH = 32, 65_536
Hashes = list[bytes]


def level(place: Place, number: int) -> Path:
    return place.paths.tiles / str(number)


def edited(number: int, edit: Callable[[Hashes], object]) -> Callable[[Place], None]:
    """The stored hashes of a level changed as a list."""

    def attack(place: Place) -> None:
        data = level(place, number).read_bytes()
        hashes = [data[at : at + H] for at in range(0, len(data), H)]
        edit(hashes)
        level(place, number).write_bytes(b"".join(hashes))

    return attack


def shortened(number: int, count: int | None) -> Callable[[Place], None]:
    return lambda place: cut(level(place, number), count)


def swap(hashes: Hashes) -> None:
    hashes[0], hashes[1] = hashes[1], hashes[0]


def one_byte_before(place: Place) -> None:
    level(place, 1).write_bytes(b"x" + level(place, 1).read_bytes())


def to_the_end(hashes: Hashes) -> None:
    hashes[-2], hashes[-1] = hashes[-1], hashes[-2]


LEVEL_1 = [
    Case("insert-head", edited(1, lambda h: h.insert(0, b"x" * H)), "tampered", (0, 5119), "tiles",
         "forked"),
    Case("insert-middle", edited(1, lambda h: h.insert(10, b"x" * H)), "tampered", (2560, 5119),
         "tiles", "forked"),
    Case("insert-a-byte", one_byte_before, "tampered", (0, 5119), "tiles", "forked"),
    Case("duplicate-head", edited(1, lambda h: h.insert(1, h[0])), "tampered", (256, 5119),
         "tiles", "forked"),
    Case("duplicate-over-next", edited(1, lambda h: h.__setitem__(8, h[7])), "tampered",
         (2048, 2303), "tiles", "forked"),
    Case("delete-head", edited(1, lambda h: h.pop(0)), "tampered", (0, 4863), "tiles", "damaged"),
    Case("delete-middle", edited(1, lambda h: h.pop(10)), "tampered", (2560, 4863), "tiles",
         "damaged"),
    Case("reorder-end", edited(1, to_the_end), "tampered", (4608, 5119), "tiles", "forked"),
    Case("cut-255-bytes", shortened(1, 255), "tampered", (3072, 5119), "tiles", "damaged"),
    Case("cut-256-bytes", shortened(1, 256), "tampered", (3072, 5119), "tiles", "damaged"),
    # Without meaning: hashes above the sealed size.
    Case("duplicate-end", edited(1, lambda h: h.append(h[-1])), PROVEN, None, "", ""),
]

FIRST, SECOND, BOTH = (0, WIDTH - 1), (WIDTH, 2 * WIDTH - 1), (0, 2 * WIDTH - 1)
LEVEL_2 = [
    Case("level-2-flip", lambda p: flip(level(p, 2), -1), "tampered", SECOND, "tiles", "damaged"),
    Case("level-2-insert", edited(2, lambda h: h.insert(0, b"x" * H)), "tampered", FIRST, "tiles",
         "damaged"),
    Case("level-2-duplicate", edited(2, lambda h: h.insert(1, h[0])), "tampered", SECOND, "tiles",
         "damaged"),
    Case("level-2-reorder", edited(2, swap), "tampered", FIRST, "tiles", "damaged"),
    Case("level-2-delete", edited(2, lambda h: h.pop(0)), "tampered", FIRST, "tiles", "damaged"),
    Case("level-2-cut-1-byte", shortened(2, 1), "tampered", SECOND, "tiles", "damaged"),
    Case("level-2-cut-all", shortened(2, None), "tampered", BOTH, "tiles", "damaged"),
    # What lies above a damaged hash of level 1 is as it was, and is not blamed.
    Case("flip-below-level-2", lambda p: flip(level(p, 1), 300 * H), "tampered", (76_800, 77_055),
         "tiles", "damaged"),
    Case("cut-256-hashes", shortened(1, 256 * H), "tampered", (66_304, 131_839), "tiles",
         "damaged"),
]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with two hashes of level 2: small events, because only their hashes matter."""

    def small(_first: int, count: int, _seed: int = 0) -> bytes:
        event = b'{"action":"record.read","outcome":"success","actor":{"type":"user","id":"u"},' \
                b'"targets":[{"type":"record","id":"r"}]}'
        return b"\n".join([event] * count)

    folder = tmp_path_factory.mktemp("wide") / "ledger"
    with pytest.MonkeyPatch.context() as patched, driven(new_ledger(folder)) as ledger:
        patched.setattr(lab, "lines", small)
        ledger.append(2 * WIDTH + 900, batch=4096)
        ledger.publish()
        ledger.seal()
        ledger.publish(keep=True)
    return folder


@pytest.mark.parametrize("case", LEVEL_1, ids=lambda case: case.name)
def test_attack_on_tiles_is_named(layout: Layout, tmp_path: Path, case: Case) -> None:
    attacked(layout.now, tmp_path / "copy", case)


@pytest.mark.parametrize("case", LEVEL_2, ids=lambda case: case.name)
def test_attack_on_tiles_of_a_wide_ledger_is_named(
    wide: Path, tmp_path: Path, case: Case
) -> None:
    attacked(wide, tmp_path / "copy", case)


@pytest.mark.parametrize("change", ["flip", "insert", "duplicate", "cut", "remove"])
def test_attack_on_tiles_of_level_3_is_named(
    layout: Layout, tmp_path: Path, change: str
) -> None:
    """On hashes alone: sixteen million events would have to stand behind them."""
    place = lab.copy_ledger(layout.now, tmp_path / "copy")
    size = 256**3
    levels = [b"".join(number.to_bytes(H, "big") for number in range(1, 65_537))]
    for _ in range(2):
        parts = range(0, len(levels[-1]), 256 * H)
        levels.append(b"".join(subtree_root(levels[-1][at : at + 256 * H]) for at in parts))
    for number, hashes in enumerate(levels, 1):
        level(place, number).write_bytes(hashes)
    assert judged(place, size, levels[0]) == []
    top = levels[2]
    lies = {"flip": bytes([top[0] ^ 1]) + top[1:], "insert": bytes(H) + top, "cut": top[:-1]}
    if change == "duplicate":  # the hash of level 2 over the next: level 3 is not blamed
        level(place, 2).write_bytes(levels[1][:H] + levels[1][:-H])
        assert judged(place, size, levels[0]) == [(WIDTH * at, WIDTH * at + WIDTH - 1)
                                                  for at in range(1, 256)]
    elif change == "remove":
        level(place, 3).unlink()
        assert judged(place, size, levels[0]) == [(0, size - 1)]
    else:
        level(place, 3).write_bytes(lies[change])
        assert judged(place, size, levels[0]) == [(0, size - 1)]
    with pytest.raises(Damaged, match=r"tiles/[23]"):
        LogTree(lambda _tile: b"").load(place.paths.tiles, size)


def judged(place: Place, size: int, hashes: bytes) -> list[tuple[int, int]]:
    """What is said of the levels above the first, for a ledger with these tile hashes."""
    row = SegmentRow(
        first=0, end=size, file="x", key="k", bytes=0, sha256="", received_min=0, received_max=0,
        leaves_root="",
    )
    check = BodyCheck(
        place.paths, lab.ORIGIN, place.keyring(read_only=True), [row], sizes=(), needed=(), top=0,
        more=lambda _at: None,
    )
    check._out.level1 = hashes
    check._check_levels()
    return [(found.first, found.last) for found in check._out.findings]
