"""Which files are read for a page, and when reading may stop."""

from __future__ import annotations

from itertools import pairwise

import pytest

from indelible.query.plan import waves
from indelible.store.column_file import ColumnFile


def files(count: int) -> list[ColumnFile]:
    """Files of ten events each; the times of the events are their indexes."""
    return [
        ColumnFile(path=f"f{n}", first=10 * n, end=10 * n + 10, rows=10, time_min=10 * n,
                   time_max=10 * n + 9, file_id=f"f{n}", key=b"")
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("needles", "count", "widths"),
    [
        (False, 0, [0]), (False, 2, [2]), (False, 3, [2, 1]), (False, 50, [2, 8, 32, 8]),
        (False, 200, [2, 8, 32, 128, 30]), (True, 0, [0]), (True, 20, [20]),
        (True, 200, [32, 64, 104]),
    ],
)
def test_waves_widen_and_cover_every_file_once(
    needles: bool, count: int, widths: list[int]
) -> None:
    for sort in ("time", "index"):
        for descending in (True, False):
            found = list(waves(files(count), sort, descending, needles))
            assert [len(wave.files) for wave in found] == widths
            read = [file.first for wave in found for file in wave.files]
            assert read == sorted(read, reverse=descending)
            assert len(set(read)) == count
            for before, after in pairwise(found):
                best = max if descending else min
                values = [(f.time_max if sort == "time" else f.end - 1) if descending
                          else (f.time_min if sort == "time" else f.first) for f in after.files]
                assert before.later == best(values)
            assert found[-1].later is None
