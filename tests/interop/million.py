"""A served log of a given size, exported, judged by programs that no one here wrote.

`audited` is one step of the campaign `foreign`, at 1,000,000 entries; a test runs a small one.
"""

from __future__ import annotations

import json
import random
import subprocess
from itertools import islice
from pathlib import Path

import metamorphic_log as client

from indelible.base.clock import wall_us
from indelible.proof import receipt, tree
from indelible.proof.checkpoint import parse_head
from indelible.proof.note import parse
from indelible.simulate.company import events
from indelible.simulate.profile import BENCH
from support.served import Place, Server

SOURCE = Path(__file__).parent / "go"
PROOFS = 40


def build(folder: Path) -> Path:
    """The Go program (`sumdb/note` and `sumdb/tlog` with glue), built."""
    built = subprocess.run(
        ["go", "build", "-o", str(folder / "audit"), "."], cwd=SOURCE, capture_output=True,
        timeout=280,
    )
    assert built.returncode == 0, built.stderr.decode()
    return folder / "audit"


def audited(work: Path, seed: int, count: int) -> dict[str, int]:
    """Load, export, audit; raises AssertionError when somebody does not accept."""
    place = Place(work).init()
    with Server(place) as server:
        lines = events(BENCH, seed, count, wall_us())
        with server.client("writer") as writer:
            while some := list(islice(lines, 1_000)):
                sent = writer.post("/v1/events", content=b"\n".join(some))
                assert sent.status_code == 200, sent.text[:300]
        with server.client("admin") as admin:
            admin.post("/v1/seal", json={}).raise_for_status()
        proofs = _proofs(server, place, random.Random(seed), count)
    out = place.root / "tlog"
    assert place.cli("export", "tlog", str(out), "--data", str(place.data)).returncode == 0
    vkey = (place.data / "vkey").read_text().strip()
    done = subprocess.run(
        [str(build(work)), str(out), vkey], capture_output=True, timeout=1_200, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    entries = int(json.loads(done.stdout)["entries"])
    assert entries >= count
    return {"entries accepted by Go sumdb": entries, "proofs accepted by metamorphic-log": proofs}


def _proofs(server: Server, place: Place, chosen: random.Random, count: int) -> int:
    """Inclusion of some entries, as a Rust client by another author sees it."""
    vkeys = [(place.data / "vkey").read_text().strip()]
    accepted = 0
    with server.client("reader") as reader:
        for index in chosen.sample(range(count), PROOFS):
            found = receipt.decode(reader.get(f"/v1/events/{index}/proof").content)
            note = found.checkpoint.decode()
            assert client.checkpoint_verify(note, vkeys).size == parse_head(
                parse(found.checkpoint).text
            )[0].size
            leaf = tree.leaf_hash(found.entry)
            client.checkpoint_verify_inclusion(note, vkeys, index, leaf, list(found.proof))
            accepted += 1
    return accepted
