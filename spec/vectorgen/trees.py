"""Vectors of the tree, its proofs, tiles and entry bundles (sections 3, 4, 7)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from indelible.proof import tile, tree
from vectorgen.base import hexes, write
from vectorgen.sample import Log, event


def tree_vectors() -> None:
    leaves = [tree.leaf_hash(f"leaf {i}".encode()) for i in range(1000)]

    def get(lo: int, hi: int) -> bytes:
        return tree.tree_hash(leaves[lo:hi])

    sizes = [*range(18), 31, 32, 33, 255, 256, 257, 511, 512, 513, 777, 1000]
    roots = {str(n): (get(0, n) if n else tree.EMPTY_ROOT).hex() for n in sizes}
    inclusion = []
    pairs = [(i, n) for n in range(1, 9) for i in range(n)]
    for i, n in pairs + [(0, 257), (255, 257), (256, 257), (300, 777), (776, 777), (999, 1000)]:
        proof = tree.inclusion_proof(i, n, get)
        leaf, root = leaves[i].hex(), get(0, n).hex()
        inclusion.append(
            {
                "index": i,
                "size": n,
                "leaf": leaf,
                "root": root,
                "proof": hexes(proof),
                "valid": True,
            }
        )
    consistency = []
    spans = [(m, n) for n in range(1, 9) for m in range(1, n + 1)]
    for m, n in spans + [(255, 256), (256, 257), (257, 1000), (512, 1000), (776, 777)]:
        proof = tree.consistency_proof(m, n, get)
        pair = {"old_root": get(0, m).hex(), "new_root": get(0, n).hex(), "proof": hexes(proof)}
        consistency.append({"old": m, "new": n, **pair, "valid": True})
    base = next(c for c in inclusion if (c["index"], c["size"]) == (300, 777))
    inclusion += spoiled(base, "leaf", "root", index=301, size=512)
    base = next(c for c in consistency if (c["old"], c["new"]) == (257, 1000))
    consistency += spoiled(base, "old_root", "new_root", old=256, new=1025)
    consistency.append(base | {"old": 0, "proof": [], "valid": False, "why": "old size 0"})
    write(
        "tree.json",
        {
            "leaves": 'leaf i is H(0x00 || "leaf <i>"), i in decimal',
            "roots": roots,
            "inclusion": inclusion,
            "consistency": consistency,
            "multiproof": multiproof_vectors(leaves, get),
        },
    )


def spoiled(base: dict[str, object], *hashes: str, **numbers: int) -> list[dict[str, object]]:
    """Invalid variants of a good proof."""
    proof = base["proof"]
    assert isinstance(proof, list)
    flipped = ["00" * 32, *proof[1:]]
    changes: list[tuple[str, dict[str, object]]] = [
        ("first hash replaced", {"proof": flipped}),
        ("last hash missing", {"proof": proof[:-1]}),
        ("a hash too many", {"proof": [*proof, "00" * 32]}),
        ("a hash of 31 bytes", {"proof": [proof[0][:-2], *proof[1:]]}),
        ("two hashes exchanged", {"proof": [proof[1], proof[0], *proof[2:]]}),
        ("no proof", {"proof": []}),
    ]
    changes += [(f"{name} replaced", {name: "11" * 32}) for name in hashes]
    changes += [(f"{name} is {n}", {name: n}) for name, n in numbers.items()]
    return [base | change | {"valid": False, "why": why} for why, change in changes]


def multiproof_vectors(leaves: list[bytes], get: tree.Subtree) -> list[dict[str, object]]:
    cases: list[dict[str, object]] = []
    wanted: list[tuple[Sequence[int], int]] = [
        ([0], 1), ([0], 2), ([1], 2), ([0, 1], 2), ([0], 7), ([6], 7), ([0, 6], 7), (range(7), 7),
        ([1, 2], 8), ([2, 3, 5], 8), (range(256), 257), ([256], 257), ([3, 255, 256], 300),
        (range(250, 600), 777), ([0, 1, 2, 500, 776], 777), ([5, 999], 1000), (range(1000), 1000),
    ]  # fmt: skip
    for indexes, size in wanted:
        proof = tree.multiproof(indexes, size, get)
        case = {"indexes": list(indexes), "size": size, "root": get(0, size).hex()}
        cases.append({**case, "proof": hexes(proof), "valid": True})
        assert tree.root_from_multiproof([leaves[i] for i in indexes], indexes, size, proof)
    base = next(c for c in cases if c["indexes"] == [0, 1, 2, 500, 776])
    bad = spoiled(base, "root", size=778)
    for indexes in ([0, 1, 2, 501, 776], [0, 1, 2, 776, 500], [0, 1, 2, 500, 500, 776]):
        bad.append(base | {"indexes": indexes, "valid": False, "why": f"indexes are {indexes}"})
    empty = base | {"indexes": [], "proof": [base["root"]], "valid": False, "why": "no index"}
    beyond = base | {"indexes": [0, 1, 2, 500, 777], "valid": False, "why": "an index = size"}
    return [*cases, *bad, empty, beyond]


def tile_vectors() -> None:
    paths = []
    for level, n, width in [
        (0, 0, 256), (0, 0, 1), (0, 999, 256), (0, 1000, 256), (0, 1_234_067, 256),
        (0, 1_234_067, 5), (1, 17, 255), (63, 0, 256), (2, 1_000_000_000, 256), (10, 66, 9),
    ]:  # fmt: skip
        path = tile.tile_path(level, n, width)
        paths.append({"level": level, "n": n, "width": width, "path": path})
        if level == 0:
            path = tile.entries_path(n, width)
            paths.append({"level": "entries", "n": n, "width": width, "path": path})
    invalid = [
        "tile/0/0", "tile/00/000", "tile/64/000", "tile/-1/000", "tile/0/x000/001", "tile/0/1000",
        "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/x001",
        "tile/0/001/002", "tile/0/x001/x234/067/", "/tile/0/000", "tile/0/000\n", "tile/entries/1",
        "tile/Entries/000", "tile/0/000.P/5", "tile/0/００0", "tile//000", "tile/0", "",
        "tile/8/0/000",
    ]  # fmt: skip
    published = {
        str(size): [list(t) for t in tile.tiles_for(size)]
        for size in (0, 1, 255, 256, 257, 512, 1000, 70_000)
        if size < 2000
    }
    published["70000, levels 1 and up"] = [list(t) for t in tile.tiles_for(70_000) if t[0]]
    log = Log()
    for i in range(300):
        log.add(event("ann", "payroll.view", ("record", f"pr_{i}")))
    bundles = [log.entries[:1], log.entries[:5], []]
    reader = tile.TileReader(lambda level, n, width: tile_bytes(log, level, n, width), 300)
    assert reader.subtree(0, 256) == log.get(0, 256)
    cut = tile.bundle_encode(log.entries[:2])
    write(
        "tiles.json",
        {
            "paths": paths,
            "invalid_paths": invalid,
            "published": published,
            "bundles": [
                {"entries": hexes(b), "bundle": tile.bundle_encode(b).hex()} for b in bundles
            ],
            "invalid_bundles": [cut[:-1].hex(), cut[:1].hex(), cut[:62].hex() + "00", "003c"],
            "tree": {
                "entries": hexes(log.entries),
                "root": log.head().root.hex(),
                "tiles_sha256": {
                    tile.tile_path(level, n, width): sha256(
                        tile_bytes(log, level, n, width)
                    ).hexdigest()
                    for level, n, width in tile.tiles_for(log.size)
                },
            },
        },
    )


def tile_bytes(log: Log, level: int, n: int, width: int) -> bytes:
    step = 256**level
    first = n * 256
    return b"".join(log.get(i * step, (i + 1) * step) for i in range(first, first + width))
