"""Lines of files that are followed: each once, in its order, whatever bytes it is made of."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from indelible.base import limits
from support.following import Followed, app_log, append, nothing_left_open

_nothing_left_open = pytest.fixture(autouse=True)(nothing_left_open)
log = pytest.fixture(app_log)


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
