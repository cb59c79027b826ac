"""The ledger that all attacks are made on, built once; its layout is in `Layout`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from attack.lab import driven, new_ledger, with_tokens


class Layout(NamedTuple):
    """Where what is: segments [0, 3000) and [3000, 5200), journals [5200, 5900) and [5900, 6300).

    Journal records hold 100 events, frames end at multiples of 1,024 and at segment ends,
    checkpoints of 3,000 and 5,200 are kept, the newest is of 6,300; event 2,600 registers the
    source. `older` is the same ledger when it had 5,900 events, `notes` the checkpoints that
    somebody kept elsewhere.
    """

    now: Path
    older: Path
    notes: dict[int, bytes]


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """Build it."""
    folder = tmp_path_factory.mktemp("attacked")
    now, notes = folder / "now", {}
    place = new_ledger(now)
    with_tokens(place)
    with driven(place) as ledger:
        ledger.append(2600 - ledger.size)
        ledger.register()
        ledger.append(3000 - ledger.size)
        ledger.publish()
        ledger.seal()
        notes[3000] = ledger.publish(keep=True)
        ledger.append(500)
        ledger.publish()
    with driven(place) as ledger:
        ledger.append(1700)
        ledger.publish()
        ledger.seal()
        notes[5200] = ledger.publish(keep=True)
        ledger.append(700)
        notes[5900] = ledger.publish()
    shutil.copytree(now, folder / "older")
    with driven(place) as ledger:
        ledger.append(400)
        notes[6300] = ledger.publish()
    return Layout(now, folder / "older", notes)
