"""Which file is which: one that was removed, replaced, swapped or packed, by what it holds."""

from __future__ import annotations

import gzip
import random
import shutil
from pathlib import Path

import pytest

from indelible.base import limits
from indelible.ingest.protocols import follow_disk
from indelible.ingest.protocols.files import START, decode_position
from indelible.ingest.protocols.files_reading import Reading
from indelible.ingest.protocols.follow_tracked import Tracked, Truncated
from support.following import (
    LONG,
    Followed,
    app_log,
    append,
    nothing_left_open,
    open_files,
    pack,
    rotated,
)

_nothing_left_open = pytest.fixture(autouse=True)(nothing_left_open)
log = pytest.fixture(app_log)


# --- removed, replaced, swapped


def test_a_removed_file_is_read_to_its_end(log: Path) -> None:
    append(log, "one")
    source = Followed(log)
    source.look()
    with log.open("ab", buffering=0) as writer:
        writer.write(b"two\n")
        log.unlink()
        assert source.look() == ["two"]
        writer.write(b"three\n")
        assert source.look() == ["three"]
    source.look(limits.FOLLOW_GONE_SECONDS)
    source.look(limits.FOLLOW_GONE_SECONDS)
    assert not any(str(log) in target for target in open_files())
    assert source.dropped == 0


def test_a_file_removed_while_nobody_looked_is_told(log: Path) -> None:
    append(log, "one")
    source = Followed(log)
    source.look()
    log.unlink()
    source.crash()
    source.look()
    source.look(limits.FOLLOW_LOST_SECONDS)
    assert source.dropped == 1


def test_a_file_that_was_given_a_freed_inode_is_another_file(log: Path) -> None:
    append(log, "#header", "same", "one")
    source = Followed(log)
    source.look()
    before = log.stat().st_ino
    source.follower.close()
    log.unlink()
    append(log, "#header", "same", "two")
    if log.stat().st_ino != before:
        pytest.skip("this file system does not give out a freed inode at once")
    source.start()
    assert source.look() == ["#header", "same", "two"]


@pytest.mark.parametrize("read_before", [True, False])
def test_what_became_of_a_file_between_a_look_and_reading_is_noticed(
    log: Path, read_before: bool
) -> None:
    """The inode is another file's by now: nothing of it counts as a part of the old one."""
    append(log, "#header", *LONG)
    source = Followed(log)
    source.look()
    name, position = next(
        (name, decode_position(kept)) for name, kept in source.positions.items() if "/" in name
    )
    if not read_before:
        position.line, position.digest, position.tails = 0, START, []
    seen = follow_disk.seen_at(str(log))
    assert seen is not None
    assert name == position.key
    log.write_text("another beginning\n" * 1_000)
    tracked = Tracked(seen, Reading(position, None, 1.0), follow_disk.Handles(), 0.0)
    with pytest.raises(Truncated):
        tracked.read(0.0)
    tracked.close()
    assert not tracked.reading.ready


def test_a_file_that_an_editor_saved_is_the_same_file(log: Path) -> None:
    append(log, *LONG)
    source = Followed(log)
    source.look()
    saved = log.with_name("saved")
    shutil.copy(log, saved)
    append(saved, "added")
    saved.rename(log)
    found = source.look() + source.look(10) + source.look(10)
    assert found == ["added"]


def test_another_target_of_a_link_is_another_file(tmp_path: Path) -> None:
    link, one, two = tmp_path / "current", tmp_path / "a.txt", tmp_path / "b.txt"
    append(one, "started", "one")
    append(two, "started", "two")
    link.symlink_to(one)
    source = Followed(link)
    assert source.look() == ["started", "one"]
    append(one, "last")
    link.unlink()
    link.symlink_to(two)
    assert sorted(source.look()) == ["last", "started", "two"]


def test_a_dated_file_that_begins_as_yesterdays_is_read_without_delay(tmp_path: Path) -> None:
    append(tmp_path / "app-2026-03-01.log", "#header", *LONG)
    source = Followed(tmp_path / "app-*.log")
    source.look()
    append(tmp_path / "app-2026-03-02.log", "#header", *(f"x{line}" for line in LONG))
    assert len(source.look()) == len(LONG) + 1


# --- packed files


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("lines", [["one"], LONG])
def test_a_packed_file_that_continues_a_followed_one_is_not_read_twice(
    log: Path, suffix: str, lines: list[str]
) -> None:
    append(log, *lines)
    source = Followed(log.with_name("app.log*"))
    source.look()
    log.rename(rotated(log))
    source.look()
    pack(rotated(log), suffix)
    for _ in range(20):
        assert source.look(5) == []
    assert (source.repeated, source.dropped) == (0, 0)


def test_what_was_not_read_before_it_was_packed_is_read_from_the_packed_file(log: Path) -> None:
    append(log, *LONG)
    source = Followed(log)
    source.look()
    append(log, "unread", "unread too")
    log.rename(rotated(log))
    pack(rotated(log))
    source.crash()
    found = source.look() + source.look(5) + source.look(5)
    assert found == ["unread", "unread too"]
    assert source.repeated == 0


def test_a_packed_file_that_is_new_is_read_once_and_is_old(tmp_path: Path) -> None:
    source = Followed(tmp_path / "*.log*")
    source.look()
    (tmp_path / "other.log.3.gz").write_bytes(gzip.compress(b"one\ntwo\n"))
    assert source.look() == []
    assert source.look(limits.FOLLOW_SETTLE_SECONDS) == ["one", "two"]
    assert all(source.old.values())
    source.look()
    source.crash()
    assert source.look(100) == []
    assert source.repeated == 0


def test_a_packed_file_is_read_when_it_is_whole(tmp_path: Path) -> None:
    packed, data = tmp_path / "app.log.1.gz", gzip.compress(b"".join(_noise(3_000)))
    source = Followed(tmp_path / "app.log*")
    source.look()
    for end in (len(data) // 3, len(data) // 2, len(data)):
        packed.write_bytes(data[:end])
        assert source.look(2) == []
    assert len(source.look(limits.FOLLOW_SETTLE_SECONDS)) == 3_000


def _noise(count: int) -> list[bytes]:
    chance = random.Random(1)
    return [b"%d\n" % chance.getrandbits(200) for _ in range(count)]


def test_a_damaged_packed_file_is_told_and_what_it_holds_is_read(tmp_path: Path) -> None:
    data = gzip.compress(b"".join(_noise(200_000)))
    (tmp_path / "app.log.1.gz").write_bytes(data[: len(data) // 2])
    source = Followed(tmp_path / "app.log*")
    found = source.look()
    assert 50_000 < len(found) < 150_000
    assert source.dropped == 1
    source.look()
    source.crash()
    assert source.look(500) == []
    assert source.dropped == 1
