from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from indelible.base.errors import Damaged
from indelible.base.invariant import InvariantViolated
from indelible.ledger import seen_run
from indelible.ledger.seen import (
    ID_RUNS,
    Fingerprints,
    Found,
    Seen,
    compact,
    differences,
    held_records,
    open_runs,
    problems,
    record,
    seal_run,
    sweep,
)

SECRET = b"s" * 32
PRINTS = Fingerprints(SECRET)


def made(first: int, end: int) -> list[bytes]:
    return [
        record(PRINTS.fingerprint(1, f"id{i}"), PRINTS.digest(b"%d" % i), i)
        for i in range(first, end)
    ]


def seal(folder: Path, first: int, end: int) -> Path:
    return seal_run(folder, SECRET, first, end, b"".join(made(first, end)))


def ask(seen: Seen, *pairs: tuple[str, bytes]) -> list[Found | None]:
    return seen.decide(
        [seen.fingerprint(1, name) for name, _ in pairs],
        [seen.digest(content) for _, content in pairs],
    )


def test_same_id_of_another_source_has_another_fingerprint() -> None:
    assert PRINTS.fingerprint(1, "a") != PRINTS.fingerprint(2, "a")
    assert PRINTS.fingerprint(1, "a") != Fingerprints(b"t" * 32).fingerprint(1, "a")
    assert len(PRINTS.fingerprint(1, "a")) == 16
    assert len(PRINTS.digest(b"x")) == 8


def test_new_ids_are_new_and_committed_ones_are_found(tmp_path: Path) -> None:
    seen = Seen(tmp_path, SECRET)
    assert ask(seen, ("a", b"x")) == [None]
    seen.commit(seen.fingerprint(1, "a"), seen.digest(b"x"), 5)
    assert ask(seen, ("a", b"x"), ("a", b"y"), ("b", b"x")) == [
        Found(5, True),
        Found(5, False),
        None,
    ]


def test_repeats_within_a_batch_point_at_the_position_of_the_first(tmp_path: Path) -> None:
    seen = Seen(tmp_path, SECRET)
    answers = ask(seen, ("n", b"0"), ("a", b"x"), ("a", b"x"), ("a", b"y"), ("a", b"y"))
    assert answers == [None, None, Found(-2, True), Found(-2, False), Found(-4, True)]


def test_retry_of_a_conflicting_event_is_recognised(tmp_path: Path) -> None:
    seen = Seen(tmp_path, SECRET)
    key = seen.fingerprint(1, "a")
    seen.commit(key, seen.digest(b"x"), 5)
    seen.commit(key, seen.digest(b"y"), 6, conflict=True)
    assert ask(seen, ("a", b"y"), ("a", b"x"), ("a", b"z")) == [
        Found(6, True),
        Found(5, True),
        Found(5, False),
    ]


def test_sealed_ids_are_found_after_reload_and_leave_memory(tmp_path: Path) -> None:
    seen = Seen(tmp_path, SECRET)
    for i in range(300):
        seen.commit(seen.fingerprint(1, f"id{i}"), seen.digest(b"%d" % i), i)
    seal(tmp_path, 0, 200)
    seen.reload()
    seen.forget_below(200)
    for i in range(300, 400):
        seen.commit(seen.fingerprint(1, f"id{i}"), seen.digest(b"%d" % i), i)
    assert seen.unsealed == 200
    assert seen.stored == 200
    for i in range(400):
        assert ask(seen, (f"id{i}", b"%d" % i)) == [Found(i, True)]


def test_ids_may_not_leave_memory_before_a_run_holds_them(tmp_path: Path) -> None:
    with pytest.raises(InvariantViolated):
        Seen(tmp_path, SECRET).forget_below(1)


def test_compaction_keeps_every_record_in_few_runs(tmp_path: Path) -> None:
    for first in range(0, 4000, 100):
        seal(tmp_path, first, first + 100)
        compact(tmp_path, SECRET)
        sweep(tmp_path)
        assert len(open_runs(tmp_path, SECRET)) <= ID_RUNS
    seen = Seen(tmp_path, SECRET)
    assert seen.sealed_end == seen.stored == 4000
    assert list(differences(seen, made(0, 4000))) == []
    assert list(problems(tmp_path, SECRET, 4000)) == []


def test_merge_in_many_partitions_gives_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seen_run, "MERGE_RECORDS", 50)
    for first in range(0, 3000, 1000):
        seal(tmp_path, first, first + 1000)
    seen_run.merge_runs(tmp_path, SECRET, open_runs(tmp_path, SECRET))
    assert list(problems(tmp_path, SECRET, 3000)) == []
    seen = Seen(tmp_path, SECRET)
    assert seen.run_count == 1
    assert list(differences(seen, made(0, 3000))) == []


def test_a_run_under_anothers_name_is_refused(tmp_path: Path) -> None:
    older, newer = (seal(tmp_path, first, first + 100) for first in (0, 100))
    shutil.copy(newer, older)
    with pytest.raises(Damaged, match=r"holds the ids of 100\.\.199"):
        Seen(tmp_path, SECRET)


def test_replaced_runs_are_ignored_and_swept(tmp_path: Path) -> None:
    for first in range(0, 3000, 1000):
        seal(tmp_path, first, first + 1000)
    old = Seen(tmp_path, SECRET)
    seen_run.merge_runs(tmp_path, SECRET, open_runs(tmp_path, SECRET))
    assert Seen(tmp_path, SECRET).run_count == 1
    assert sweep(tmp_path) == 3
    assert list(differences(old, made(0, 3000))) == []
    old.reload()
    assert old.run_count == 1


def test_keys_with_the_same_high_half_are_told_apart(tmp_path: Path) -> None:
    high = bytes.fromhex("8000000000000000")
    rows = [record(high + i.to_bytes(8, "big"), b"d" * 8, i) for i in range(40)]
    seal_run(tmp_path, SECRET, 0, 20, b"".join(reversed(rows[:20])))
    seal_run(tmp_path, SECRET, 20, 40, b"".join(rows[20:]))
    seen_run.merge_runs(tmp_path, SECRET, open_runs(tmp_path, SECRET))
    seen = Seen(tmp_path, SECRET)
    assert list(differences(seen, rows)) == []
    assert seen.lookup([high + i.to_bytes(8, "big") for i in range(40, 80)]) == [None] * 40


def test_runs_without_ids_keep_the_range_covered(tmp_path: Path) -> None:
    seal_run(tmp_path, SECRET, 0, 10, b"")
    seal_run(tmp_path, SECRET, 10, 20, b"")
    seen_run.merge_runs(tmp_path, SECRET, open_runs(tmp_path, SECRET))
    seen = Seen(tmp_path, SECRET)
    assert seen.sealed_end == 20
    assert ask(seen, ("a", b"x")) == [None]
    assert list(problems(tmp_path, SECRET, 20)) == []


def test_every_flipped_byte_is_a_problem(tmp_path: Path) -> None:
    path = seal(tmp_path, 0, 20)
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert list(problems(tmp_path, SECRET, 20)), f"byte {at} of {len(content)}"


def test_truncated_missing_foreign_and_short_runs_are_problems(tmp_path: Path) -> None:
    path = seal(tmp_path, 0, 20)
    later = seal(tmp_path, 20, 40)
    content = path.read_bytes()
    assert "ends at 40" in next(problems(tmp_path, SECRET, 41))
    assert list(problems(tmp_path, b"o" * 32, 40))
    for size in (0, 100, len(content) - 1):
        path.write_bytes(content[:size])
        assert list(problems(tmp_path, SECRET, 40))
    path.unlink()
    with pytest.raises(Damaged, match="misses its run of the indexes 0 to 19"):
        Seen(tmp_path, SECRET)
    later.rename(seen_run.run_path(tmp_path, 10, 30))
    path.write_bytes(content)
    with pytest.raises(Damaged, match="overlap"):
        Seen(tmp_path, SECRET)


def test_differences_name_missing_and_wrong_events(tmp_path: Path) -> None:
    seal(tmp_path, 0, 20)
    seen = Seen(tmp_path, SECRET)
    assert "event 20 is not" in next(differences(seen, made(20, 21)))[0]
    wrong = made(3, 4)[0][:24] + (7).to_bytes(8, "big")
    assert "event 7 is told as event 3" in next(differences(seen, [wrong]))[0]


def test_records_of_erased_bodies_can_be_carried_over(tmp_path: Path) -> None:
    seal(tmp_path, 0, 20)
    seal(tmp_path, 20, 40)
    kept = held_records(tmp_path, SECRET, np.array([3, 25, 99], dtype=np.uint64))
    assert kept == b"".join(made(3, 4) + made(25, 26))
