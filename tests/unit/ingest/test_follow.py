"""Files that are followed: every line once, whatever becomes of the file, whenever we crash."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from indelible.base import limits
from indelible.base.errors import BadRequest
from indelible.ingest.protocols import follow as module
from indelible.ingest.protocols import follow_disk
from indelible.ingest.protocols.files import START, decode_position
from indelible.ingest.protocols.files_reading import Reading
from indelible.ingest.protocols.follow import Follower, following
from indelible.ingest.protocols.follow_tracked import Tracked, Truncated
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings
from support.following import PACE, Followed, append
from support.hub import MemoryHub

LONG = [f"2026-03-01T10:00:00Z user{number} did something" for number in range(60)]
"""Lines that make two files alike for longer than a coincidence."""


@pytest.fixture(autouse=True)
def _nothing_left_open() -> Iterator[None]:
    yield
    for owner in list(module._HANDLES._open):
        module._HANDLES.close(owner)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def pack(path: Path, suffix: str = ".gz") -> Path:
    """Compress a file as `logrotate` does: same modification time, the original removed."""
    packed = path.with_name(path.name + suffix)
    data = path.read_bytes()
    compressed = gzip.compress(data) if suffix == ".gz" else zstandard.compress(data)
    status = path.stat()
    packed.write_bytes(compressed)
    os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
    path.unlink()
    return packed


def rotated(path: Path, number: int = 1) -> Path:
    return path.with_name(f"{path.name}.{number}")


# --- appended lines


def test_lines_come_as_they_are_appended(log: Path) -> None:
    append(log, "one", "two")
    source = Followed(log)
    assert source.look() == ["one", "two"]
    append(log, "three")
    assert source.look() == ["three"]
    assert source.look() == []


def test_equal_lines_stay_several_events(log: Path) -> None:
    append(log, "same", "same", "same")
    assert Followed(log).look() == ["same", "same", "same"]


def test_a_file_that_appears_later_is_followed(log: Path) -> None:
    source = Followed(log)
    assert source.look() == []
    append(log, "one")
    assert source.look() == ["one"]


def test_a_glob_gains_files_and_files_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    source = Followed(tmp_path / "*.log")
    append(tmp_path / "a.log", "#header", "same")
    assert source.look() == ["#header", "same"]
    append(tmp_path / "b.log", "#header", "same")
    assert source.look() == ["#header", "same"]
    append(tmp_path / "a.log", "more")
    append(tmp_path / "b.log", "more")
    assert source.look() == ["more", "more"]
    assert source.repeated == 0


def test_an_event_says_where_it_came_from(log: Path) -> None:
    append(log, "one")
    source = Followed(log)
    source.look()
    content = source.content("one")
    assert content["origin"]["host"] == "web-1"
    assert content["data"]["file"] == str(log)
    assert next(iter(source.events)).startswith("file/")


def test_what_was_there_at_first_is_old_and_what_comes_is_not(log: Path) -> None:
    append(log, "old")
    source = Followed(log)
    source.look()
    append(log, "new")
    source.look()
    assert list(source.old.values()) == [True, False]


def test_without_backfill_what_was_there_at_first_is_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    append(log, "old")
    log.with_name("app.log.1.gz").write_bytes(gzip.compress(b"older\n"))
    source = Followed(tmp_path / "app.log*", backfill="no")
    assert source.look() == []
    append(log, "new")
    assert source.look() == ["new"]
    source.crash()
    append(log, "newer")
    assert source.look(60) == ["newer"]


def test_without_backfill_a_source_that_had_no_file_yet_reads_the_first_one_whole(
    log: Path,
) -> None:
    source = Followed(log, backfill="no")
    source.look()
    source.crash()
    append(log, "one")
    assert source.look() == ["one"]


# --- crashes


def test_a_restart_adds_nothing_twice_and_misses_nothing(log: Path) -> None:
    append(log, "one")
    source = Followed(log)
    source.look()
    source.crash()
    assert source.look() == []
    append(log, "two")
    source.crash()
    assert source.look() == ["two"]
    assert source.repeated == 0


def test_a_crash_between_delivery_and_keeping_the_position_adds_nothing_twice(log: Path) -> None:
    append(log, *LONG)
    source = Followed(log)
    source.look()
    append(log, "one", "two")
    assert source.delivered_only() == ["one", "two"]
    source.crash()
    assert source.look() == []
    assert source.repeated == 2


def test_positions_are_an_optimisation_only(log: Path) -> None:
    append(log, *LONG)
    source = Followed(log)
    source.look()
    source.positions.clear()
    source.crash()
    assert source.look() == []
    assert source.repeated == len(LONG)


def test_an_unreadable_position_costs_a_second_reading_only(log: Path) -> None:
    append(log, "one")
    source = Followed(log)
    source.look()
    source.positions = {
        name: value if name == "begun" else b"\xc1" for name, value in source.positions.items()
    }
    source.crash()
    assert source.look() == []
    assert source.repeated == 1


def test_positions_are_kept_after_delivery_and_not_with_every_batch(log: Path) -> None:
    append(log, *(f"{number} of many" for number in range(5_000)))
    source = Followed(log)
    batch = source.follower.step(module.replace(_given(), host="h"), source.now)
    assert len(batch.events) == limits.IMPORT_BATCH_EVENTS
    assert source.follower.to_keep(source.now, idle=False) == {}
    source.deliver(batch)
    source.follower.delivered(batch)
    source.look()
    assert len(source.events) == 5_000


def _given() -> module.Given:
    return module.Given(now_us=0)


# --- rotation by renaming


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


# --- rotation by copying


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
    assert not any(str(log) in target for target in _open_files())
    assert source.dropped == 0


def _open_files() -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return found


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


# --- lines of every kind


def test_a_last_line_without_end_waits_for_its_end(log: Path) -> None:
    append(log, "one")
    source = Followed(log)
    source.look()
    with log.open("ab", buffering=0) as writer:
        writer.write(b"half")
        assert source.look(10) == []
        source.crash()
        assert source.look(10) == []
        writer.write(b" and half\n")
        assert source.look() == ["half and half"]
    assert source.flags("half and half") == ()


def test_a_last_line_without_end_counts_after_its_time_and_so_does_its_rest(log: Path) -> None:
    with log.open("ab", buffering=0) as writer:
        writer.write(b"one\nhalf")
        source = Followed(log)
        source.look()
        assert source.look(limits.FOLLOW_PARTIAL_SECONDS) == ["half"]
        assert source.flags("half") == ("truncated",)
        writer.write(b" and more\n")
        assert source.look() == [" and more"]
        source.crash()
        assert source.look() == []
    assert source.conflicts == 0


def test_a_line_that_time_cut_is_cut_again_after_a_crash(log: Path) -> None:
    with log.open("ab", buffering=0) as writer:
        writer.write(b"one\nhalf")
        source = Followed(log)
        source.look()
        source.now += limits.FOLLOW_PARTIAL_SECONDS
        assert source.delivered_only() == ["half"]
        source.crash()
        writer.write(b" and more\n")
        assert source.look() == [" and more"]
    assert (source.repeated, source.conflicts) == (1, 0)


def test_a_line_too_long_for_an_event_is_cut_and_flagged(log: Path) -> None:
    append(log, "x" * (limits.LINE_BYTES + 5), "y" * limits.BODY_BYTES, "\x01" * 600_000, "next")
    source = Followed(log)
    found = source.look()
    assert [message[0] for message in found] == ["x", "y", "\x01", "n"]
    for message in found[:3]:
        assert "truncated" in source.flags(message)
        assert 100_000 < len(message) <= limits.LINE_BYTES
    assert source.flags("next") == ()


def test_bytes_of_any_kind_are_kept(log: Path) -> None:
    log.write_bytes(b"\xef\xbb\xbfone\r\n\r\n  \ncaf\xe9\nnul\0inside\ntwo\n")
    assert Followed(log).look() == ["one", "caf\\xe9", "nul\0inside", "two"]


def test_a_file_whose_room_was_set_aside_is_read_as_it_fills(log: Path) -> None:
    log.write_bytes(b"one\n" + bytes(10_000))
    source = Followed(log)
    assert source.look() == ["one"]
    with log.open("r+b") as file:
        file.seek(4)
        file.write(b"two\n")
    assert source.look() == ["two"]
    with log.open("r+b") as file:
        file.seek(8)
        file.write(b"three\n")
    assert source.look() == ["three"]
    assert source.repeated == 0


def test_messages_of_several_lines_are_one_event_each(log: Path) -> None:
    source = Followed(log, parser="postgresql")
    head = "2026-03-01 10:00:00.{} UTC [77] LOG:  statement: select 1"
    append(log, head.format("100"), "\tfrom a", "\twhere b", head.format("200"))
    first = head.format("100") + "\n\tfrom a\n\twhere b"
    assert source.look() == [first]
    assert source.look(limits.JOIN_SECONDS) == [head.format("200")]
    append(log, head.format("300"), "\tfrom c")
    source.look()
    assert source.look(limits.JOIN_SECONDS) == [head.format("300") + "\n\tfrom c"]


def test_records_of_audit_events_are_joined_though_they_are_interleaved(log: Path) -> None:
    def record(kind: str, serial: int) -> str:
        return f"type={kind} msg=audit(1780272000.{serial:03d}:{serial}): arch=c000003e item=0"

    source = Followed(log, parser="auditd")
    one, two = (lambda kind: record(kind, 101)), (lambda kind: record(kind, 102))
    append(log, one("SYSCALL"), two("SYSCALL"), one("PATH"), two("EOE"))
    assert source.look() == [f"{two('SYSCALL')}\n{two('EOE')}"]
    source.crash()
    assert source.look() == []
    append(log, one("EOE"))
    assert source.look() == [f"{one('SYSCALL')}\n{one('PATH')}\n{one('EOE')}"]
    assert (source.repeated, source.conflicts) == (0, 0)


def test_auto_joins_lines_as_the_first_one_asks_for(log: Path) -> None:
    append(log, "2026-03-01 10:00:00.1 UTC [77] LOG:  statement: select 1", "\tfrom a")
    source = Followed(log)
    source.look()
    found = source.look(limits.JOIN_SECONDS)
    assert [message.count("\n") for message in found] == [1]


# --- bounds


def test_handles_are_bounded_over_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_disk, "FOLLOW_OPEN_FILES", 8)
    source = Followed(tmp_path / "*.log")
    for round_ in range(3):
        for number in range(60):
            append(tmp_path / f"{number}.log", f"{number} in round {round_}")
        found: list[str] = []
        for _ in range(3):
            found += source.look()
            opened = [one for one in _open_files() if str(tmp_path) in one]
            assert len(opened) <= 8
        assert len(found) == 60


def test_a_rotated_file_without_a_handle_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_disk, "FOLLOW_OPEN_FILES", 1)
    source = Followed(tmp_path / "*.log")
    for name in "abc":
        append(tmp_path / f"{name}.log", f"{name} one")
    source.look()
    for name in "abc":
        append(tmp_path / f"{name}.log", f"{name} two")
        (tmp_path / f"{name}.log").rename(tmp_path / f"{name}.log.1")
    assert sorted(source.look() + source.look()) == ["a two", "b two", "c two"]


def test_what_is_no_regular_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "folder.log").mkdir()
    append(tmp_path / "file.log", "one")
    assert Followed(tmp_path / "*.log").look() == ["one"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link to somebody else")
@pytest.mark.parametrize("inside", [False, True])
def test_a_link_that_somebody_else_made_is_not_followed(tmp_path: Path, inside: bool) -> None:
    logs, secret = tmp_path / "logs", tmp_path / "private"
    logs.mkdir()
    secret.mkdir()
    append(secret / "key.log", "secret")
    link = logs / ("folder" if inside else "app.log")
    link.symlink_to(secret if inside else secret / "key.log")
    os.chown(link, 12_345, 12_345, follow_symlinks=False)
    source = Followed(logs / "**" / "*.log")
    assert source.look() == []
    os.chown(secret / "key.log", 12_345, 12_345)
    assert source.look() == ["secret"]


def test_positions_are_bounded_and_the_longest_untouched_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indelible.ingest.protocols.follow_known.FOLLOW_POSITIONS", 5)
    source = Followed(tmp_path / "*.log")
    for number in range(20):
        path = tmp_path / f"{number}.log"
        append(path, f"{number}")
        source.look()
        path.unlink()
        source.look(limits.FOLLOW_GONE_SECONDS)
        source.look(limits.FOLLOW_GONE_SECONDS)
    assert len(source.positions) <= 8
    assert len(source.events) == 20


def test_one_big_file_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    append(tmp_path / "big.log", *(f"{number} of a big file" for number in range(20_000)))
    source = Followed(tmp_path / "*.log")
    source.follower.step(_given(), source.now)
    append(tmp_path / "small.log", "urgent")
    source.now += PACE.look
    steps = 0
    while "urgent" not in source.messages:
        batch = source.follower.step(_given(), source.now)
        source.deliver(batch)
        source.follower.delivered(batch)
        steps += 1
        assert steps < 10


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"path": "app.log"}, "path"), ({}, "path"),
        ({"path": "/x", "backfill": "maybe"}, "backfill"),
    ],
)
def test_options_that_cannot_work_are_told(options: dict[str, str], field: str) -> None:
    settings = SourceSettings(id="s", protocol="file", options=options)
    with pytest.raises(BadRequest) as caught:
        Follower(Configured(settings=settings), PACE)
    assert caught.value.field == field


# --- the task


def test_the_task_delivers_keeps_and_is_cancelled_without_leaving_files_open(log: Path) -> None:
    append(log, "one")
    settings = SourceSettings(id="files", protocol="file", options={"path": str(log)})
    hub = MemoryHub(settings)

    async def act() -> None:
        task = asyncio.create_task(
            following(hub, hub.configured[0], PACE._replace(look=0.01, keep=0.0))
        )
        await hub.wait_for(1)
        append(log, "two")
        await hub.wait_for(2)
        while len(hub.positions.get(("files", ""), {})) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.get_running_loop().shutdown_default_executor()

    asyncio.run(act())
    assert hub.raws == ["one", "two"]
    assert hub.submissions[0].protocol == "file"
    assert hub.shown == {"files": "1 followed"}
    assert not any(str(log) in target for target in _open_files())


def test_a_path_that_names_nothing_is_told(log: Path) -> None:
    source = Followed(log)
    batch = source.follower.step(_given(), source.now)
    assert batch.figures == {"trouble": f"{log} names no file that can be read"}


def test_a_ledger_that_takes_nothing_makes_reading_wait(log: Path) -> None:
    append(log, *(str(number) for number in range(10_000)))
    settings = SourceSettings(id="files", protocol="file", options={"path": str(log)})
    hub = MemoryHub(settings)
    hub.open.clear()

    async def act() -> None:
        task = asyncio.create_task(following(hub, hub.configured[0], PACE))
        await asyncio.sleep(0.3)
        assert hub.positions.get(("files", ""), {}).keys() <= {"begun"} | {
            name for name in hub.positions.get(("files", ""), {}) if name.startswith("file/")
        }
        assert hub.contents == []
        hub.open.set()
        await hub.wait_for(10_000)
        task.cancel()

    asyncio.run(act())
    assert hub.raws == [str(number) for number in range(10_000)]
