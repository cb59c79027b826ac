"""Sources: known by name and tenant together, over a restart and a rebuilt id index too."""

from __future__ import annotations

from pathlib import Path

from indelible.app import reindex_folder
from indelible.app.local import LocalLedger
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
