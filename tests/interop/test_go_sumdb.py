"""The Go team's transparency-log code audits what Indelible writes.

`go/main.go` uses `golang.org/x/mod/sumdb` for notes, tiles and proofs, and transparency-dev/formats
for the ML-DSA-44 line, the witness cosignature and the tlog-proof file.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from indelible.proof import keys

if TYPE_CHECKING:
    from tests.interop.conftest import Exported

SOURCE = Path(__file__).parent / "go"

pytestmark = [
    pytest.mark.component("go"),
    pytest.mark.skipif(shutil.which("go") is None, reason="the Go tool chain is not installed"),
]


@pytest.fixture(scope="session")
def auditor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("go")
    for name in ("go.mod", "go.sum", "main.go"):
        shutil.copy(SOURCE / name, folder)
    fetch = subprocess.run(
        ["go", "mod", "download"], cwd=folder, capture_output=True, text=True, timeout=240
    )
    if fetch.returncode:
        pytest.skip(f"the Go modules cannot be fetched here: {fetch.stderr.strip()[-200:]}")
    build = ["go", "build", "-mod=readonly", "-o", "audit", "."]
    subprocess.run(build, cwd=folder, check=True, timeout=240)
    return folder / "audit"


def run(auditor: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(a) for a in (auditor, *arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def refused(auditor: Path, *arguments: str | Path) -> str:
    found = run(auditor, *arguments)
    assert found.returncode == 1, found.stdout
    return found.stderr


def test_every_tile_entry_signature_and_proof_is_accepted(
    auditor: Path, exported: Exported
) -> None:
    options = ("-old", exported.old, "-proof", exported.proof)
    found = run(auditor, *options, exported.folder, *exported.vkeys)
    assert found.returncode == 0, found.stderr
    summary = json.loads(found.stdout)
    assert summary["root"] == exported.head.root.hex()
    assert int(summary["entries"]) == exported.head.size
    assert int(summary["tiles"]) == 274 + 2 + 1


def test_an_edited_entry_is_named_by_its_index(
    auditor: Path, exported: Exported, tmp_path: Path
) -> None:
    folder = exported.copy_to(tmp_path / "log")
    bundle = folder / "tile/entries/100"
    data = bytearray(bundle.read_bytes())
    data[62 * 7 + 40] ^= 1
    bundle.write_bytes(data)
    assert f"entry {25_607}:" in refused(auditor, folder, exported.vkeys[0])


@pytest.mark.parametrize("path", ["tile/0/200", "tile/0/273.p/112", "tile/1/000", "tile/2/000.p/1"])
def test_a_changed_tile_is_refused(
    auditor: Path, exported: Exported, tmp_path: Path, path: str
) -> None:
    folder = exported.copy_to(tmp_path / "log")
    data = bytearray((folder / path).read_bytes())
    data[11] ^= 1
    (folder / path).write_bytes(data)
    refused(auditor, folder, exported.vkeys[0])


@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_changed_signature_line_is_refused_under_its_key(
    auditor: Path, exported: Exported, tmp_path: Path, at: int
) -> None:
    folder = exported.copy_to(tmp_path / "log")
    lines = (folder / "checkpoint").read_text().split("\n")
    dash, name, blob = lines[4 + at].split(" ")
    data = bytearray(base64.b64decode(blob))
    data[11] ^= 1  # in the signature of an Ed25519 line, in the timestamp of a cosignature
    lines[4 + at] = f"{dash} {name} {base64.b64encode(data).decode()}"
    (folder / "checkpoint").write_text("\n".join(lines))
    assert "checkpoint under" in refused(auditor, folder, exported.vkeys[at])
    for other in {0, 1, 2} - {at}:
        assert run(auditor, folder, exported.vkeys[other]).returncode == 0


def test_a_key_that_did_not_sign_is_refused(auditor: Path, exported: Exported) -> None:
    other = keys.MLDSA44Signer(exported.head.origin, b"\x07" * 32).vkey
    assert "checkpoint under" in refused(auditor, exported.folder, other)


def test_an_older_checkpoint_of_another_history_is_refused(
    auditor: Path, exported: Exported, tmp_path: Path
) -> None:
    forked = exported.head._replace(size=1_234, root=bytes(32)).format()
    signer = keys.Ed25519Signer(exported.head.origin, bytes(32))
    (tmp_path / "old").write_text(f"{forked}\n{signer.sign(forked)}")
    said = refused(auditor, "-old", tmp_path / "old", exported.folder, exported.vkeys[0])
    assert "old checkpoint: consistency from 1234" in said


def test_a_single_proof_for_another_index_is_refused(
    auditor: Path, exported: Exported, tmp_path: Path
) -> None:
    data = exported.proof.read_bytes().replace(b"index 54321", b"index 54320", 1)
    (tmp_path / "one").write_bytes(data)
    said = refused(auditor, "-proof", tmp_path / "one", exported.folder, exported.vkeys[0])
    assert said.startswith("proof:")
