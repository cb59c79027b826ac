"""Files that are followed are rotated, by renaming or copying: no line is lost or comes twice."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from indelible.base import limits
from support.following import LONG, Followed, app_log, append, nothing_left_open, pack, rotated

_nothing_left_open = pytest.fixture(autouse=True)(nothing_left_open)
log = pytest.fixture(app_log)


# --- by renaming


def test_the_old_file_is_read_to_its_end_and_for_as_long_as_it_is_written_to(log: Path) -> None:
    append(log, "one")
    source = Followed(log)
    source.look()
    with log.open("ab", buffering=0) as writer:
        writer.write(b"two\n")
        log.rename(rotated(log))
        append(log, "new")
        assert sorted(source.look()) == ["new", "two"]
        for number in range(3):
            writer.write(b"late %d\n" % number)
            assert source.look(600) == [f"late {number}"]


def test_a_new_file_that_begins_as_the_old_one_is_another_file(log: Path) -> None:
    append(log, "started", "alice logged in")
    source = Followed(log)
    source.look()
    log.rename(rotated(log))
    append(log, "started", "alice logged in")
    assert source.look() == ["started", "alice logged in"]
    source.crash()
    assert source.look() == []
    assert source.repeated == 0


def test_a_rotation_while_nobody_looked_loses_nothing(log: Path) -> None:
    append(log, "started", "one")
    source = Followed(log)
    source.look()
    append(log, "two")
    log.rename(rotated(log))
    append(log, "started", "three")
    source.crash()
    assert sorted(source.look()) == ["started", "three", "two"]


def test_several_rotations_while_nobody_looked_lose_nothing(log: Path) -> None:
    append(log, *LONG)
    source = Followed(log)
    source.look()
    for number in range(1, 4):
        append(log, f"from {number}")
        for old in range(3, 0, -1):
            if rotated(log, old).exists():
                rotated(log, old).rename(rotated(log, old + 1))
        log.rename(rotated(log))
        append(log, "started")
    pack(rotated(log, 2))
    source.crash()
    found = source.look()
    for _ in range(5):
        found += source.look(3)
    assert Counter(found) == Counter(
        ["from 1", "from 2", "from 3", "started", "started", "started"]
    )


def test_rotated_files_from_before_the_source_was_followed_are_left_alone(log: Path) -> None:
    append(rotated(log), "history")
    os.utime(rotated(log), (1, 1))
    append(log, "one")
    source = Followed(log)
    assert source.look() == ["one"]
    assert source.look(100) == []


def test_a_neighbour_is_not_taken_for_a_rotated_file(tmp_path: Path) -> None:
    source = Followed(tmp_path / "host-1.log")
    append(tmp_path / "host-1.log", "one")
    source.look()
    append(tmp_path / "host-2.log", "none of ours")
    append(tmp_path / "host-1.log.bak.txt", "nor this")
    assert source.look(100) == []


# --- by copying


def copytruncate(log: Path) -> None:
    shutil.copy2(log, rotated(log))
    os.truncate(log, 0)


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
@pytest.mark.parametrize("lines", [["started", "one"], LONG])
@pytest.mark.parametrize("down", [False, True])
def test_what_was_not_read_before_a_truncation_is_read_from_the_copy(
    log: Path, pattern: str, lines: list[str], down: bool
) -> None:
    append(log, *lines)
    source = Followed(log.with_name(pattern))
    source.look()
    append(log, "unread")
    copytruncate(log)
    append(log, lines[0], "new")
    if down:
        source.crash()
    found: list[str] = []
    for _ in range(10):
        found += source.look(4)
    assert sorted(found) == sorted(["unread", lines[0], "new"])
    assert (source.repeated, source.conflicts, source.dropped) == (0, 0, 0)


def test_a_file_that_outgrew_its_truncation_is_known_by_its_content(log: Path) -> None:
    append(log, "#header", "one")
    source = Followed(log)
    source.look()
    os.truncate(log, 0)
    append(log, "#header", "two", "three", "four")
    assert sorted(source.look() + source.look()) == ["#header", "four", "three", "two"]


def test_a_truncation_without_a_copy_is_told(log: Path) -> None:
    append(log, "one")
    with log.open("ab") as file:
        file.write(b"no end")
    source = Followed(log)
    assert source.look() == ["one"]
    os.truncate(log, 0)
    append(log, "two")
    found = source.look() + source.look()
    assert found == ["two"]
    assert source.dropped == 0
    found = source.look(limits.FOLLOW_LOST_SECONDS)
    assert found == ["no end"]
    assert source.dropped == 1
    source.crash()
    assert source.look(1_000) == []
    assert source.dropped == 1


def test_a_file_cut_back_to_a_part_of_itself_adds_nothing_twice(log: Path) -> None:
    append(log, *LONG)
    source = Followed(log)
    source.look()
    kept = len("\n".join(LONG[:50])) + 1
    os.truncate(log, kept)
    for _ in range(20):
        assert source.look(5) == []
    append(log, "new")
    assert source.look() == ["new"]


def test_a_hole_in_front_of_the_first_line_is_passed_over(log: Path) -> None:
    """A writer that does not append goes on at its old place: the file gets a hole."""
    with log.open("wb", buffering=0) as writer:
        writer.write(b"one\n" * 5_000)
        source = Followed(log)
        assert len(source.look()) == 5_000
        os.truncate(log, 0)
        writer.write(b"two\n")
        assert log.stat().st_size == 20_004
        assert source.look() + source.look() == ["two"]
        writer.write(b"three\n")
        assert source.look() == ["three"]


def test_a_hole_of_any_size_costs_nothing(log: Path) -> None:
    with log.open("wb") as file:
        file.seek(1 << 40)
        file.write(b"one\n")
    assert Followed(log).look() == ["one"]
