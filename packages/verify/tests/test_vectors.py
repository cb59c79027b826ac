"""The verifier agrees with every vector of `spec/vectors`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from indelible_verify import (
    Damaged,
    Key,
    NoteInvalid,
    UsageProblem,
    Verdict,
    VerifyError,
    leaf_hash,
    make_trust,
    parse_verification_policy,
    signed_message,
    tree_hash,
    valid_name,
    verify_bundle,
    verify_consistency,
    verify_inclusion,
    verify_proof,
)
from indelible_verify.checkpoint import authenticate
from indelible_verify.entry import KINDS, check_body, commit, parse_entry
from indelible_verify.orders import Orders
from indelible_verify.scan import scan_log
from indelible_verify.tiles import TileStore, tile_path
from indelible_verify.tree import MultiproofWalk

VECTORS = Path(__file__).parents[3] / "spec" / "vectors"
NOW = 1_772_355_660

pytestmark = pytest.mark.skipif(
    not VECTORS.is_dir(), reason="spec/vectors is not beside this package"
)


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text("utf-8"))


def test_roots_and_single_proofs_agree() -> None:
    found = load("tree.json")
    for size, root in found["roots"].items():
        leaves = [leaf_hash(f"leaf {i}".encode()) for i in range(int(size))]
        assert tree_hash(leaves).hex() == root
    for case in found["inclusion"]:
        leaf, root = (bytes.fromhex(case[k]) for k in ("leaf", "root"))
        hashes = [bytes.fromhex(one) for one in case["proof"]]
        assert verify_inclusion(leaf, case["index"], case["size"], hashes, root) is case["valid"], (
            case
        )
    for case in found["consistency"]:
        old, new = bytes.fromhex(case["old_root"]), bytes.fromhex(case["new_root"])
        hashes = [bytes.fromhex(one) for one in case["proof"]]
        got = verify_consistency(case["old"], old, case["new"], new, hashes)
        assert got is case["valid"], case


def test_multiproofs_agree() -> None:
    for case in load("tree.json")["multiproof"]:
        leaves = [leaf_hash(f"leaf {i}".encode()) for i in case["indexes"]]
        walk = MultiproofWalk(case["indexes"], leaves, [bytes.fromhex(h) for h in case["proof"]])
        try:
            good = walk.root(case["size"]).hex() == case["root"]
        except Damaged:
            good = False
        assert good is case["valid"], case


def test_commitments_and_entries_agree() -> None:
    for case in load("commitment.json")["commitments"]:
        found = commit(bytes.fromhex(case["salt"]), case["body"].encode())
        assert found.hex() == case["commitment"]
    found = load("entry.json")
    assert found["kinds"] == dict(KINDS)
    for case in found["valid"]:
        entry = parse_entry(bytes.fromhex(case["entry"]), 0)
        assert [entry.kind, entry.retention, entry.source, entry.sequence, entry.received] == [
            case[k] for k in ("kind", "retention", "source", "seq", "received")
        ]
        assert leaf_hash(bytes.fromhex(case["entry"])).hex() == case["leaf"]
    for case in found["invalid"]:
        with pytest.raises(Damaged):
            parse_entry(bytes.fromhex(case["entry"]), 0)


def test_entry_and_body_pairs_agree() -> None:
    for case in load("entry.json")["pairs"]:
        try:
            entry = parse_entry(bytes.fromhex(case["entry"]), 0)
            check_body(case["body"].encode(), bytes.fromhex(case["salt"]), entry, 0)
            good = True
        except Damaged:
            good = False
        assert good is case["valid"], case


def test_names_and_keys_agree() -> None:
    found = load("note.json")
    assert all(valid_name(name) for name in found["origins"]["valid"])
    assert not any(valid_name(name) for name in found["origins"]["invalid"])
    for case in found["vkeys"]["valid"]:
        key = Key.parse(case["vkey"])
        assert (key.name, key.type, key.id.hex()) == (case["name"], case["type"], case["key_id"])
        assert (key.public.hex(), key.vkey) == (case["public"], case["vkey"])
    for case in found["vkeys"]["invalid"]:
        with pytest.raises(UsageProblem):
            Key.parse(case["vkey"])


def test_signed_messages_agree() -> None:
    found = load("note.json")
    for case in found["messages"].values():
        message = signed_message(
            Key.parse(case["vkey"]), found["checkpoint"]["text"], case["timestamp"]
        )
        assert message.hex() == case["message"]


def test_notes_agree() -> None:
    for case in load("note.json")["notes"]:
        keys = [Key.parse(vkey) for vkey in case["keys"]]
        log = [key for key in keys if key.name == keys[0].name]
        others = [key for key in keys if key not in log]
        try:
            found = authenticate(case["note"].encode(), log, others)
        except NoteInvalid:
            assert case["verdict"] == "invalid", case["why"]
            continue
        verdict = found.problems[0].verdict.value if found.problems else "valid"
        assert verdict == case["verdict"], case["why"]
        times = {s.key.vkey: s.timestamp for s in (*found.log, *found.witnesses) if s.timestamp}
        assert times == case.get("timestamps", times), case["why"]


def test_tile_paths_agree() -> None:
    for case in load("tiles.json")["paths"]:
        assert tile_path(case["level"], case["n"], case["width"]) == case["path"]


def test_receipts_agree() -> None:
    for case in load("receipt.json"):
        keys = [Key.parse(vkey) for vkey in case["keys"]]
        try:
            report = verify_proof(
                case["proof"].encode(), case["body"].encode(), make_trust(keys, now=NOW)
            )
            good = report.verdict is Verdict.PROVEN
        except VerifyError:
            good = False
        assert good is case["valid"], case.get("why")


def test_records_of_the_ledger_are_understood() -> None:
    for case in load("records.json")["records"]:
        entry = parse_entry(bytes.fromhex(case["entry"]), case["index"])
        salt = bytes.fromhex(case["salt"])
        body = check_body(case["body"].encode(), salt, entry, case["index"])
        Orders().take(case["kind"], body, case["index"])


def bundles() -> list[Any]:
    return load("bundle/expected.json")["bundles"] if VECTORS.is_dir() else []


@pytest.mark.parametrize("case", bundles(), ids=lambda case: case["file"])
def test_bundle_gets_its_verdict(case: Any) -> None:
    keys = [Key.parse(vkey) for vkey in load("bundle/expected.json")["keys"]]
    report = verify_bundle(VECTORS / "bundle" / case["file"], make_trust(keys, now=NOW))
    assert (report.verdict.value, report.exit) == (case["verdict"], case["exit"])
    if "verdicts" in case:
        assert {str(e.index): e.status.value for e in report.events} == case["verdicts"]
    if "first" in case:
        damage = report.first_damage()
        assert damage is not None
        assert damage[0] == case["first"]


def test_verification_policies_agree() -> None:
    for case in load("bundle/expected.json")["policies"]:
        demands = parse_verification_policy(case["policy"].encode())
        trust = make_trust([], now=case["now"], verification_policy=demands)
        report = verify_bundle(VECTORS / "bundle" / case["file"], trust)
        assert (report.verdict.value, report.exit) == (case["verdict"], case["exit"]), case


def test_tree_of_the_tile_vectors_is_rederived_from_its_bundles(tmp_path: Path) -> None:
    found = load("tiles.json")["tree"]
    slots = [b"\x00\x3c" + bytes.fromhex(entry) for entry in found["entries"]]
    for number in range(0, len(slots), 256):
        chunk = slots[number : number + 256]
        path = tmp_path / tile_path("entries", number // 256, len(chunk))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(chunk))
    root = scan_log(TileStore(tmp_path), len(slots)).root()
    assert root is not None
    assert root.hex() == found["root"]
