"""Findings that stand: also when what was kept of them cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from indelible.app.damage import Finding, findings, kept_findings, remember, settle
from indelible.base.errors import Damaged
from indelible.store.meta import Meta


@pytest.fixture
def meta(tmp_path: Path) -> Iterator[Meta]:
    found = Meta(tmp_path / "meta.sqlite")
    yield found
    found.close()


@pytest.mark.parametrize("content", [b"{", b"{}", b"\xff", b'[{"text":7}]'])
def test_findings_that_cannot_be_read_stand_until_all_is_verified(
    meta: Meta, content: bytes
) -> None:
    meta.put("damage", content)
    with pytest.raises(Damaged):
        kept_findings(meta)
    [found] = findings(meta)
    assert found.text.startswith("what verification found before cannot be read")
    damage = [found.text]
    settle(meta, damage, 10, None)
    assert damage == [found.text]
    settle(meta, damage, None, None)
    assert (damage, kept_findings(meta)) == ([], [])


def test_a_finding_beside_unreadable_ones_is_kept_with_the_word_of_them(meta: Meta) -> None:
    meta.put("damage", b"{")
    lost, new = findings(meta)[0], Finding("event 7 is not what was signed", 7, 7)
    damage = [lost.text]
    remember(meta, damage, new)
    assert damage == [lost.text, new.text]
    assert kept_findings(meta) == [lost, new]
