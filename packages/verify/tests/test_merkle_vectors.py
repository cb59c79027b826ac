"""The RFC 6962 proof vectors of transparency-dev/merkle, where they lie beside the project."""

from __future__ import annotations

import base64
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indelible_verify import verify_consistency, verify_inclusion

ARCHIVE = (
    Path(__file__).parents[4] / "shared/data/merkle-vectors/transparency-dev-merkle-testdata.tar.gz"
)

# Roots of 12 bytes ("don't care 2"): here a hash has 32 bytes or the proof is refused.
NOT_32_BYTES = {"testdata/consistency/additional/sizes-are-equal-one-and-proof-is-empty.json"}

pytestmark = pytest.mark.skipif(
    not ARCHIVE.is_file(), reason="../shared/data/merkle-vectors is not there"
)


def cases(kind: str) -> Iterator[tuple[str, Any]]:
    with tarfile.open(ARCHIVE) as archive:
        for member in archive.getmembers():
            parts = Path(member.name).parts
            file = archive.extractfile(member) if member.name.endswith(".json") else None
            if file is not None and kind in parts:
                yield member.name, json.load(file)


def decoded(case: Any, *names: str) -> list[Any]:
    one = [base64.b64decode(case[name] or "") for name in names]
    return [*one, [base64.b64decode(line) for line in case["proof"] or []]]


def test_inclusion_vectors_pass() -> None:
    seen = 0
    for name, case in cases("inclusion"):
        leaf, root, proof = decoded(case, "leafHash", "root")
        good = verify_inclusion(leaf, case["leafIdx"], case["treeSize"], proof, root)
        assert good is not case["wantErr"], name
        seen += 1
    assert seen > 50


def test_consistency_vectors_pass() -> None:
    seen = 0
    for name, case in cases("consistency"):
        old, new, proof = decoded(case, "root1", "root2")
        good = verify_consistency(case["size1"], old, case["size2"], new, proof)
        assert good is not (case["wantErr"] or name in NOT_32_BYTES), name
        seen += 1
    assert seen > 50
