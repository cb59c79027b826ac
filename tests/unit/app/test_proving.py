"""Bundles: what they hold is bounded before it is put together."""

from __future__ import annotations

from pathlib import Path

import pytest

from indelible.app import proving
from indelible.app.proving import Prover
from indelible.base.errors import TooLarge
from support.opened import create, open_ledger, work


@pytest.mark.parametrize("whole", [None, (0, 299)])
def test_a_bundle_is_bounded_in_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: tuple[int, int] | None
) -> None:
    create(tmp_path)
    ledger = open_ledger(tmp_path)
    ledger.writer.append([work(0, 300)])
    size = ledger.tree.size
    ledger.publisher.publish(size, ledger.tree.root(size), ledger.clock.now_us())
    prover = Prover(ledger.origin, ledger.tree, ledger.reader, ledger.publisher)
    held = sum(len(one.body) for one in ledger.reader.many(range(300)))
    monkeypatch.setattr(proving, "BUNDLE_BYTES", held)
    path = prover.bundle(range(300), whole)
    assert path.stat().st_size > 0
    path.unlink()
    monkeypatch.setattr(proving, "BUNDLE_BYTES", held - 1)
    with pytest.raises(TooLarge, match="of the 300"):
        prover.bundle(range(300), whole)
    ledger.close()
