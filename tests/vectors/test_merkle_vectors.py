"""The RFC 6962 proof vectors of transparency-dev/merkle: 98 inclusion and 98 consistency cases.

They are read from `../shared/data` beside the project and are not part of it.
"""

from __future__ import annotations

import json
import tarfile
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indelible.proof import tree
from indelible.proof.errors import ProofError

ARCHIVE = (
    Path(__file__).parents[3] / "shared/data/merkle-vectors/transparency-dev-merkle-testdata.tar.gz"
)

pytestmark = pytest.mark.skipif(
    not ARCHIVE.exists(), reason="the merkle vectors in ../shared/data are not here"
)

# What the vectors accept and this project refuses, with the reason. Nothing the other way round.
DEVIATIONS = {
    "consistency/additional/sizes-are-equal-one-and-proof-is-empty.json": (
        "its roots are the text `don't care 2`, not 32-byte hashes: a hash of another length is "
        "refused before anything is compared"
    ),
}


def cases(folder: str) -> dict[str, dict[str, Any]]:
    found = {}
    with tarfile.open(ARCHIVE) as archive:
        for member in archive:
            name = member.name.removeprefix("testdata/")
            if name.startswith(f"{folder}/") and name.endswith(".json"):
                file = archive.extractfile(member)
                assert file is not None
                found[name] = json.load(file)
    return found


def accepted(check: Callable[..., None], *arguments: object) -> bool:
    try:
        check(*arguments)
    except ProofError:
        return False
    return True


def inclusion(case: dict[str, Any]) -> bool:
    proof = [b64decode(h) for h in case["proof"] or []]
    leaf, root = b64decode(case["leafHash"]), b64decode(case["root"])
    return accepted(tree.verify_inclusion, leaf, case["leafIdx"], case["treeSize"], proof, root)


def consistency(case: dict[str, Any]) -> bool:
    proof = [b64decode(h) for h in case["proof"] or []]
    old, new = b64decode(case["root1"]), b64decode(case["root2"])
    return accepted(tree.verify_consistency, case["size1"], old, case["size2"], new, proof)


@pytest.mark.parametrize(
    ("folder", "verify"), [("inclusion", inclusion), ("consistency", consistency)]
)
def test_all_98_cases_are_judged_as_the_vectors_say_but_for_the_listed_deviations(
    folder: str, verify: Callable[[dict[str, Any]], bool]
) -> None:
    found = cases(folder)
    assert len(found) == 98
    assert sum(case["wantErr"] for case in found.values()) in (90, 91, 92)
    differing = {name for name, case in found.items() if verify(case) == case["wantErr"]}
    listed = {name for name in DEVIATIONS if name.startswith(f"{folder}/")}
    assert differing == listed
    assert not any(found[name]["wantErr"] for name in listed), "never laxer than the vectors"
