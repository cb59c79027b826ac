"""`metamorphic-log`, a Rust client by another author, verifies checkpoints and proofs.

Its version 0.1.11 knows Ed25519 keys only, so it is given the one-line `vkey`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from indelible.proof import keys, receipt, tree

if TYPE_CHECKING:
    from tests.interop.conftest import Exported

client = pytest.importorskip("metamorphic_log", reason="metamorphic-log is not installed")

pytestmark = pytest.mark.component("metamorphic-log")


def get_from(leaves: bytes) -> tree.Subtree:
    return lambda lo, hi: tree.tree_hash(leaves[32 * lo : 32 * hi])


def test_the_checkpoint_is_accepted_beside_lines_it_does_not_know(exported: Exported) -> None:
    signed = (exported.folder / "checkpoint").read_text()
    head = client.checkpoint_verify(signed, exported.vkeys[:1])
    assert (head.origin, head.size) == (exported.head.origin, exported.head.size)
    assert head.root == exported.head.root
    assert list(head.extensions) == []


def test_a_checkpoint_of_another_key_or_size_is_refused(exported: Exported) -> None:
    signed = (exported.folder / "checkpoint").read_text()
    other = keys.Ed25519Signer(exported.head.origin, b"\x07" * 32).vkey
    with pytest.raises(client.VerifyError):
        client.checkpoint_verify(signed, [other])
    with pytest.raises(client.VerifyError):
        client.checkpoint_verify(signed.replace("\n70000\n", "\n70001\n"), exported.vkeys[:1])


def test_a_single_proof_holds_against_the_signed_checkpoint(exported: Exported) -> None:
    found = receipt.decode(exported.proof.read_bytes())
    leaf = tree.leaf_hash(found.entry)
    arguments = (found.checkpoint.decode(), exported.vkeys[:1], found.index)
    client.checkpoint_verify_inclusion(*arguments, leaf, list(found.proof))
    with pytest.raises(client.VerifyError):
        client.checkpoint_verify_inclusion(*arguments, bytes(32), list(found.proof))


def test_two_signed_checkpoints_are_consistent(exported: Exported) -> None:
    old = exported.old.read_text()
    new = (exported.folder / "checkpoint").read_text()
    proof = tree.consistency_proof(1_234, exported.head.size, get_from(exported.leaves))
    client.checkpoint_verify_consistency(old, new, exported.vkeys[:1], proof)
    wrong = [proof[0], bytes(32), *proof[2:]]
    with pytest.raises(client.VerifyError):
        client.checkpoint_verify_consistency(old, new, exported.vkeys[:1], wrong)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 255, 256, 257])
def test_proofs_at_small_sizes_are_accepted(exported: Exported, size: int) -> None:
    leaves, get = exported.leaves, get_from(exported.leaves)
    root = get(0, size)
    for index in sorted({0, size // 2, size - 1}):
        proof = tree.inclusion_proof(index, size, get)
        leaf = leaves[32 * index : 32 * index + 32]
        client.verify_inclusion(index, size, leaf, proof, root)
        older = tree.consistency_proof(index + 1, size, get)
        client.verify_consistency(index + 1, size, older, get(0, index + 1), root)
