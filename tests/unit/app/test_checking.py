"""Verification beside a running server: what it does meanwhile is no contradiction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indelible.app.signatures import Notes
from support.kept import Kept, LocalLedger, post, verdict


def test_a_checkpoint_published_and_kept_during_a_verification_is_no_rollback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(tmp_path / "house").filled()
    paths = kept.place.paths
    before, old = paths.checkpoint.read_bytes(), set(paths.checkpoints.iterdir())

    async def more(ledger: LocalLedger) -> None:
        await post(ledger, 1800, 2000)
        await ledger.rooms.seal()

    kept.run(more)
    after = paths.checkpoint.read_bytes()
    new = {path: path.read_bytes() for path in set(paths.checkpoints.iterdir()) - old}
    assert new
    paths.checkpoint.write_bytes(before)
    for path in new:
        path.unlink()

    def then_the_server_goes_on(read: Callable[[Notes], Any]) -> Callable[[Notes], Any]:
        def instead(notes: Notes) -> Any:
            found = read(notes)
            paths.checkpoint.write_bytes(after)
            for path, content in new.items():
                path.write_bytes(content)
            return found

        return instead

    for name in ("newest", "kept"):
        monkeypatch.setattr(Notes, name, then_the_server_goes_on(getattr(Notes, name)))
    assert verdict(kept.data) == ("proven", 0)
