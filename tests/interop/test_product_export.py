"""What `indelible export tlog` writes is accepted by programs no one here wrote."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from support.served import Place, Server

SOURCE = Path(__file__).parent / "go"
EVENTS = 3_000

pytestmark = pytest.mark.component("go")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Path]:
    place = Place(tmp_path_factory.mktemp("export")).init()
    line = b'{"action":"t.read","actor":{"type":"user","id":"u"},"target":{"type":"t","id":"%d"}}'
    with Server(place) as server, server.client("writer") as writer:
        for first in range(0, EVENTS, 500):
            content = b"\n".join(line % number for number in range(first, first + 500))
            assert writer.post("/v1/events", content=content).status_code == 200
        with server.client("admin") as admin:
            admin.post("/v1/seal", json={})
    out = place.root / "tlog"
    done = place.cli("export", "tlog", str(out), "--data", str(place.data))
    assert done.returncode == 0
    return place, out


@pytest.mark.skipif(shutil.which("go") is None, reason="the Go tool chain is not installed")
def test_the_go_teams_code_accepts_every_tile_entry_and_proof(
    exported: tuple[Place, Path], tmp_path: Path
) -> None:
    place, out = exported
    built = subprocess.run(
        ["go", "build", "-o", str(tmp_path / "audit"), "."], cwd=SOURCE, capture_output=True,
        timeout=280,
    )
    if built.returncode and b"dial" in built.stderr:
        pytest.skip("the Go modules cannot be fetched here")
    assert built.returncode == 0, built.stderr
    vkey = (place.data / "vkey").read_text().strip()
    audit = [str(tmp_path / "audit"), str(out), vkey]
    done = subprocess.run(audit, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(json.loads(done.stdout)["entries"]) >= EVENTS
    bundle = out / "tile" / "entries" / "001"
    altered = bytearray(bundle.read_bytes())
    altered[40] ^= 1
    bundle.write_bytes(altered)
    refused = subprocess.run(audit, capture_output=True, timeout=120)
    altered[40] ^= 1
    bundle.write_bytes(altered)
    assert refused.returncode == 1
    assert b"256" in refused.stdout + refused.stderr
