"""The vectors of `spec/vectors` against this implementation, good and bad cases alike.

Bundles are judged by `packages/verify`; here only what the writer can say about them is checked.
"""

from __future__ import annotations

import importlib
import io
import json
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from indelible.proof import bundle, commitment, note, receipt, tile, tree, view
from indelible.proof.checkpoint import Checkpoint
from indelible.proof.claims import check_body
from indelible.proof.errors import NoteError, ProofError
from indelible.proof.keys import cosignature_message, subtree_message

SPEC = Path(__file__).parents[2] / "spec"
VECTORS = SPEC / "vectors"


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def unhex(values: list[str]) -> list[bytes]:
    return [bytes.fromhex(v) for v in values]


def label(case: dict[str, Any]) -> str:
    return str(case.get("why", "valid"))


def test_salts_and_commitments() -> None:
    data = load("commitment.json")
    key = bytes.fromhex(data["salt_key"])
    for block in data["blocks"]:
        found = commitment.block_key(key, block["block"])
        assert found.hex() == block["block_key"]
        salts = commitment.block_salts(found)
        assert sha256(salts).hexdigest() == block["all_256_salts_sha256"]
        for index, salt in block["salts_by_index"].items():
            assert commitment.salt_of(key, int(index)).hex() == salt
    for case in data["commitments"]:
        found = commitment.commitment(bytes.fromhex(case["salt"]), case["body"].encode())
        assert found.hex() == case["commitment"]


def test_entries() -> None:
    data = load("entry.json")
    assert data["kinds"] == commitment.KINDS
    for case in data["valid"]:
        entry = commitment.decode_entry(bytes.fromhex(case["entry"]))
        for name in ("kind", "retention", "source", "seq", "received"):
            assert getattr(entry, name) == case[name]
        assert entry.commitment.hex() == case["commitment"]
        assert entry.encode().hex() == case["entry"]
        assert entry.leaf().hex() == case["leaf"]


@pytest.mark.parametrize("case", load("entry.json")["invalid"], ids=label)
def test_invalid_entries(case: dict[str, Any]) -> None:
    with pytest.raises(ProofError):
        commitment.decode_entry(bytes.fromhex(case["entry"]))


@pytest.mark.parametrize("case", load("entry.json")["pairs"], ids=label)
def test_bodies_beside_their_entries(case: dict[str, Any]) -> None:
    entry = commitment.decode_entry(bytes.fromhex(case["entry"]))
    salt, body = bytes.fromhex(case["salt"]), case["body"].encode()
    assert commitment.commitment(salt, body) == entry.commitment
    if case["valid"]:
        check_body(entry, salt, body)
    else:
        with pytest.raises(ProofError):
            check_body(entry, salt, body)


def test_roots() -> None:
    for size, root in load("tree.json")["roots"].items():
        leaves = [tree.leaf_hash(f"leaf {i}".encode()) for i in range(int(size))]
        assert tree.tree_hash(leaves).hex() == root


@pytest.mark.parametrize("case", load("tree.json")["inclusion"], ids=label)
def test_inclusion(case: dict[str, Any]) -> None:
    leaf, root = unhex([case["leaf"], case["root"]])
    arguments = (leaf, case["index"], case["size"], unhex(case["proof"]), root)
    if case["valid"]:
        tree.verify_inclusion(*arguments)
    else:
        with pytest.raises(ProofError):
            tree.verify_inclusion(*arguments)


@pytest.mark.parametrize("case", load("tree.json")["consistency"], ids=label)
def test_consistency(case: dict[str, Any]) -> None:
    old_root, new_root = unhex([case["old_root"], case["new_root"]])
    arguments = (case["old"], old_root, case["new"], new_root, unhex(case["proof"]))
    if case["valid"]:
        tree.verify_consistency(*arguments)
    else:
        with pytest.raises(ProofError):
            tree.verify_consistency(*arguments)


def multiproof_holds(case: dict[str, Any]) -> bool:
    leaves = [tree.leaf_hash(f"leaf {i}".encode()) for i in case["indexes"]]
    try:
        root = tree.root_from_multiproof(
            leaves, case["indexes"], case["size"], unhex(case["proof"])
        )
    except ProofError:
        return False
    return root.hex() == case["root"]


@pytest.mark.parametrize("case", load("tree.json")["multiproof"], ids=label)
def test_multiproofs(case: dict[str, Any]) -> None:
    assert multiproof_holds(case) == case["valid"]


def test_tile_paths() -> None:
    for case in load("tiles.json")["paths"]:
        assert tile.parse_path(case["path"]) == (case["level"], case["n"], case["width"])


@pytest.mark.parametrize("path", load("tiles.json")["invalid_paths"])
def test_invalid_tile_paths(path: str) -> None:
    with pytest.raises(ProofError):
        tile.parse_path(path)


def test_bundles_of_entries() -> None:
    data = load("tiles.json")
    for case in data["bundles"]:
        assert tile.bundle_encode(unhex(case["entries"])).hex() == case["bundle"]
        assert tile.bundle_decode(bytes.fromhex(case["bundle"])) == unhex(case["entries"])
    for case in data["invalid_bundles"]:
        with pytest.raises(ProofError):
            tile.bundle_decode(bytes.fromhex(case))


def test_published_tiles_and_their_contents() -> None:
    data = load("tiles.json")
    for size, tiles in data["published"].items():
        if size.isdigit():
            assert [list(t) for t in tile.tiles_for(int(size))] == tiles
    entries = unhex(data["tree"]["entries"])
    leaves = [tree.leaf_hash(e) for e in entries]
    assert tree.tree_hash(leaves).hex() == data["tree"]["root"]
    above = [tree.tree_hash(leaves[:256])]
    named = {
        "tile/0/000": leaves[:256],
        "tile/0/001.p/44": leaves[256:],
        "tile/1/000.p/1": above,
    }
    digests = {path: sha256(b"".join(h)).hexdigest() for path, h in named.items()}
    assert digests == data["tree"]["tiles_sha256"]


def test_vkeys_and_origins() -> None:
    data = load("note.json")
    for case in data["vkeys"]["valid"]:
        key = note.VerifierKey.parse(case["vkey"])
        assert (key.name, key.kind) == (case["name"], case["type"])
        assert (key.keyid.hex(), key.public.hex()) == (case["key_id"], case["public"])
    for case in data["vkeys"]["invalid"]:
        with pytest.raises(NoteError):
            note.VerifierKey.parse(case["vkey"])
    assert all(map(note.valid_origin, data["origins"]["valid"]))
    assert not any(map(note.valid_origin, data["origins"]["invalid"]))


def test_cosigned_messages() -> None:
    data = load("note.json")
    text = data["checkpoint"]["text"]
    head = Checkpoint.parse(text)
    assert (head.size, head.root.hex()) == (data["checkpoint"]["size"], data["checkpoint"]["root"])
    pq, ed = data["messages"]["mldsa44"], data["messages"]["cosignature"]
    name = note.VerifierKey.parse(pq["vkey"]).name
    assert subtree_message(name, pq["timestamp"], head).hex() == pq["message"]
    assert cosignature_message(text, ed["timestamp"]).hex() == ed["message"]


def judge(case: dict[str, Any]) -> tuple[str, dict[str, int]]:
    keys = [note.VerifierKey.parse(line) for line in case["keys"]]
    try:
        signed = note.parse(case["note"].encode())
        Checkpoint.parse(signed.text)
        found = note.check(signed, keys)
    except NoteError:
        return "invalid", {}
    if all(k.valid for k in found):
        return "valid", {k.key.format(): k.timestamp for k in found if k.timestamp is not None}
    return (
        "signature stripped" if any(k.valid for k in found) else "not signed by the given key"
    ), {}


@pytest.mark.parametrize("case", load("note.json")["notes"], ids=label)
def test_notes(case: dict[str, Any]) -> None:
    verdict, timestamps = judge(case)
    assert verdict == case["verdict"]
    assert timestamps == case.get("timestamps", {})


@pytest.mark.parametrize("case", load("receipt.json"), ids=label)
def test_receipts(case: dict[str, Any]) -> None:
    keys = [note.VerifierKey.parse(line) for line in case["keys"]]
    proof, body = case["proof"].encode(), case["body"].encode()
    if case["valid"]:
        receipt.verify(proof, keys, body)
        assert receipt.decode(proof).index == case["index"]
    else:
        with pytest.raises(ProofError):
            receipt.verify(proof, keys, body)


def test_records_say_what_their_members_say() -> None:
    data = load("records.json")
    kinds = {record["kind"] for record in data["records"]}
    assert {"source", "erase", "prune", "hold", "gap", "restore", "key"} == kinds
    for record in data["records"]:
        entry = commitment.decode_entry(bytes.fromhex(record["entry"]))
        body = record["body"].encode()
        check_body(entry, bytes.fromhex(record["salt"]), body)
        assert json.loads(body)["data"] == record["data"]
        if record["kind"] == "prune":
            root = tree.tree_hash(unhex(data["pruned_leaves"]))
            assert root.hex() == record["data"]["root"]


GOOD = [c for c in load("bundle/expected.json")["bundles"] if c["verdict"] != "tampered"]


@pytest.mark.parametrize("case", GOOD, ids=lambda c: c["file"])
def test_bundles_are_those_the_writer_writes_again(case: dict[str, Any]) -> None:
    """The members of a bundle vector, given back to the writer, come out the same."""
    with zipfile.ZipFile(VECTORS / "bundle" / case["file"]) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    about = json.loads(files["bundle.json"])
    bodies = [line or None for line in files["bodies.ndjson"].split(b"\n")[:-1]]
    items: list[bundle.Item] = []
    for at, (index, body) in enumerate(zip(about["indexes"], bodies, strict=True)):
        entry = files["entries.bin"][60 * at : 60 * at + 60]
        salt = files["salts.bin"][32 * at : 32 * at + 32] if body else None
        items.append((index, entry, salt, body))
    data = files["proof.bin"]
    proof = [data[i : i + 32] for i in range(0, len(data), 32)]
    head = Checkpoint.parse(note.parse(files["checkpoint"]).text)
    leaves = commitment.leaves_of(files["entries.bin"])
    root = tree.root_from_multiproof(leaves, about["indexes"], about["size"], proof)
    assert root == head.root
    span = tuple(about["range"]) if "range" in about else None
    buffer = io.BytesIO()
    bundle.write_bundle(buffer, about["origin"], files["checkpoint"], items, proof, span)
    with zipfile.ZipFile(buffer) as again:
        assert {name: again.read(name) for name in again.namelist()} == files
    page = b"".join(view.render(head.origin, head.size, len(items), [(i[0], i[3]) for i in items]))
    assert page == files["view.html"]


def test_the_generator_writes_the_committed_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compared by content: the compressed bytes of a ZIP file depend on the zlib at hand."""
    monkeypatch.syspath_prepend(str(SPEC))
    base = importlib.import_module("vectorgen.base")
    monkeypatch.setattr(base, "OUT", tmp_path)
    main = importlib.import_module("generate_vectors")
    for module in [m for name, m in sys.modules.items() if name.startswith("vectorgen.")]:
        if hasattr(module, "OUT"):
            monkeypatch.setattr(module, "OUT", tmp_path)
    monkeypatch.setattr(main, "OUT", tmp_path)
    main.main()
    made = {p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file()}
    kept = {p.relative_to(VECTORS) for p in VECTORS.rglob("*") if p.is_file()}
    assert made == kept
    for name in sorted(made):
        assert contents(tmp_path / name) == contents(VECTORS / name), name


def contents(path: Path) -> object:
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]
