"""A ledger that nobody attacks raises no alarm, whatever its life: also as a crash leaves it."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from attack.case import PROVEN, judge
from attack.lab import Driven, copy_ledger, driven, new_ledger, place_at
from indelible.app.checking import verify_place
from indelible.app.fscking import fsck_place
from indelible.app.place import Place

ROUNDS = 20


def one_round(ledger: Driven, rng: random.Random) -> int:
    """Append, sign, seal, compact, each or not; how many merges were made."""
    for _ in range(rng.randrange(1, 3)):
        ledger.append(rng.choice([1, 7, 100, 255, 256, 257]), batch=rng.choice([1, 50, 300]))
        if rng.random() < 0.7:
            ledger.publish()
        if rng.random() < 0.8:
            ledger.publish()
            ledger.seal()
            ledger.publish(keep=True)
    merged = 0
    while ledger.keeper.compact() is not None:
        merged += 1
    ledger.keeper.remove_obsolete(grace_us=rng.choice([0, 120_000_000]))
    return merged


def calm(place: Place) -> None:
    report = verify_place(place)
    assert (report.verdict, report.problems) == (PROVEN, []), report
    checked = fsck_place(place, columns=True, progress=lambda _done, _total: None)
    assert (checked.verdict, checked.problems) == ("whole", []), checked


def test_clean_ledger_raises_no_alarm_in_twenty_rounds(tmp_path: Path) -> None:
    rng = random.Random(20261122)
    place = new_ledger(tmp_path / "ledger")
    merged = 0
    for _number in range(ROUNDS):
        with driven(place) as ledger:
            merged += one_round(ledger, rng)
        calm(place)
    assert merged > 0


def test_folder_as_a_kill_leaves_it_raises_no_alarm(tmp_path: Path) -> None:
    rng = random.Random(7)
    place = new_ledger(tmp_path / "ledger")
    for number in range(3):
        with driven(place) as ledger:
            one_round(ledger, rng)
            ledger.append(rng.randrange(1, 300))
            killed = copy_ledger(tmp_path / "ledger", tmp_path / f"killed-{number}")
        calm(killed)
        found = judge(killed)
        assert (found.verify, found.checked.verdict, found.opens) == (PROVEN, "whole", "")
        calm(place_at(tmp_path / f"killed-{number}"))
        shutil.rmtree(tmp_path / f"killed-{number}")
