"""Sources: known by name and tenant together, over a restart and a rebuilt id index too."""

from __future__ import annotations

from pathlib import Path

import pytest

from indelible.app import reindex_folder
from indelible.app.local import LocalLedger
from indelible.base.errors import DiskFull, LedgerStopped
from indelible.store.meta import Meta
from indelible.store.sqlite import StoreFull
from support.kept import Kept, post, verdict

TENANTS = ("acme", "other", "")


def test_two_tenants_with_a_source_of_one_name_never_answer_for_each_other(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "house")
    firsts: dict[str, list[int]] = {}

    async def fill(ledger: LocalLedger) -> None:
        for tenant in TENANTS:
            written = await post(ledger, 0, 5, "app", tenant)
            assert (written.duplicates, written.conflicts) == ([], {})
            firsts[tenant] = written.indexes
        await ledger.rooms.seal()

    async def again(ledger: LocalLedger) -> None:
        for tenant in TENANTS:
            written = await post(ledger, 0, 5, "app", tenant)
            assert (written.duplicates, written.indexes) == ([0, 1, 2, 3, 4], firsts[tenant])

    kept.run(fill)
    kept.run(again)
    reindex_folder(kept.data)
    kept.run(again)
    assert len({index for indexes in firsts.values() for index in indexes}) == 15
    assert verdict(kept.data) == ("proven", 0)


def test_a_number_that_the_log_has_given_is_never_given_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when only the log could be written: the small database had no room."""
    kept = Kept(tmp_path / "house")

    def full(*_: object) -> None:
        raise StoreFull("no room")

    async def life(ledger: LocalLedger) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(Meta, "add_source", full)
            with pytest.raises(DiskFull):
                await ledger.core.source("first", "")
        with pytest.raises(LedgerStopped, match="no room"):
            await ledger.core.source("second", "")

    async def next_life(ledger: LocalLedger) -> None:
        first = await ledger.core.source("first", "")
        second = await ledger.core.source("second", "")
        assert (first.number, second.number) == (1, 2)

    kept.run(life)
    kept.run(next_life)
    assert verdict(kept.data) == ("proven", 0)
