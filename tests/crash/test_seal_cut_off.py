"""A process that dies at any step of a seal leaves nothing that a check would call damage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from campaigns.clean import new_place
from indelible.app import fsck_folder, verify_folder
from support.ledgers import ids_in_ledger

STEPS = (
    "indelible.ledger.seal:EvidenceWriter.finish", "indelible.ledger.seal:write_column_file",
    "indelible.ledger.seal:seal_run", "indelible.ledger.tree_state:LogTree.store",
    "indelible.store.manifest:Manifest.add", "indelible.ledger.keeper:compact_ids",
    "indelible.app.core:drop_sealed_journals",
)
LIFE = """
import asyncio, functools, importlib, os, sys
from pathlib import Path
import httpx2
from indelible.app.local import LocalLedger

def die(step):
    module, _, dotted = step.partition(":")
    holder = importlib.import_module(module)
    *outer, name = dotted.split(".")
    for part in outer:
        holder = getattr(holder, part)
    real = getattr(holder, name)
    @functools.wraps(real)
    def instead(*args, **more):
        real(*args, **more)
        os._exit(9)
    setattr(holder, name, instead)

async def life(data, token, name, step):
    async with LocalLedger(Path(data)) as ledger:
        transport = httpx2.ASGITransport(app=ledger.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://local") as client:
            for batch in range(3):
                lines = "\\n".join(
                    '{"action":"user.login","actor":{"type":"user","id":"u"},"id":"%s-%d"}'
                    % (name, batch * 100 + at) for at in range(100)
                )
                answer = await client.post(
                    "/v1/events", content=lines.encode(),
                    headers={"authorization": f"Bearer {token}"},
                )
                assert answer.status_code == 200, answer.text
        if step:
            die(step)
        await ledger.rooms.seal()

asyncio.run(life(*sys.argv[1:]))
"""


def life(data: Path, token: str, name: str, step: str = "") -> int:
    """300 events and a seal, cut off after `step`; the exit code."""
    done = subprocess.run(
        [sys.executable, "-c", LIFE, str(data), token, name, step],
        capture_output=True, timeout=120,
    )
    assert done.returncode in (0, 9), done.stderr[-2000:]
    return done.returncode


def assert_quiet(data: Path, after: str) -> None:
    """No check says anything is wrong."""
    verified = verify_folder(data)
    assert (verified.exit, verified.problems) == (0, []), after
    checked = fsck_folder(data, columns=True)
    assert (checked.exit, checked.problems) == (0, []), after


@pytest.mark.timeout(280)
def test_a_seal_cut_off_after_any_step_is_no_damage(tmp_path: Path) -> None:
    place = new_place(tmp_path)
    token = place.tokens["writer"]
    assert life(place.data, token, "whole") == 0
    for number, step in enumerate(STEPS):
        assert life(place.data, token, f"cut{number}", step) == 9, step
        assert_quiet(place.data, step)
    assert life(place.data, token, "last") == 0
    assert_quiet(place.data, "last")
    stored = ids_in_ledger(place)
    assert len(stored) == 300 * (len(STEPS) + 2)
    assert set(stored.values()) == {1}
