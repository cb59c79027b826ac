"""Several events at once: each frame is unpacked as often as it must be, and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from indelible.ledger.reader import LedgerReader
from indelible.store.evidence import EvidenceReader
from support.kept import Kept


@pytest.fixture
def reader(tmp_path: Path) -> LedgerReader:
    ledger = Kept(tmp_path / "house").filled().bare()
    ledger.close()
    return ledger.reader


@pytest.mark.parametrize(
    ("indexes", "whole", "single"),
    [
        ([700] * 50, 0, 1), ([10, 11, 12, 900], 1, 0), ([1400, 3], 0, 2),
        ([1700, 1400, 3, 1700], 1, 1), ([], 0, 0),
    ],
)
def test_frames_are_unpacked_once(
    reader: LedgerReader, monkeypatch: pytest.MonkeyPatch, indexes: list[int], whole: int,
    single: int,
) -> None:
    expected = [reader.one(index) for index in indexes]
    reader.close()
    counts = {"_decode": 0, "_line": 0}
    for name in counts:
        real = getattr(EvidenceReader, name)

        def counted(*arguments: object, _real: object = real, _name: str = name) -> object:
            counts[_name] += 1
            return _real(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(EvidenceReader, name, counted)
    assert reader.many(indexes) == expected
    assert counts == {"_decode": whole, "_line": single}


def test_every_event_is_the_same_alone_and_in_its_frame(reader: LedgerReader) -> None:
    for index in range(0, reader.sealed_end, 97):
        alone = reader.one(index, alone=True)
        reader.close()
        assert alone == reader.one(index)
        reader.close()
