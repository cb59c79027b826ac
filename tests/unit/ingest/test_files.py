"""The lines of a file: where they are cut, what they are called, and how far they were read."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from indelible.base import limits
from indelible.ingest.parsers.contract import Join
from indelible.ingest.protocols.files import (
    START,
    Line,
    Lines,
    Position,
    decode_position,
    encode_position,
    first_of,
    merged,
    message_id,
    tail_of,
)
from indelible.ingest.protocols.files_reading import FileMessage, Reading

TABBED = Join(lambda line: b"", lambda line: True, lambda line: line.startswith(b"\t"))


def lines_of(data: bytes, *sizes: int, cuts: dict[int, int] | None = None) -> list[Line]:
    """Every line of `data`, fed in pieces of these sizes (one after the other, repeated)."""
    lines = Lines(0, START, dict(cuts or {}))
    found: list[Line] = []
    at = 0
    while at < len(data):
        size = sizes[len(found) % len(sizes)] if sizes else len(data)
        found += lines.feed(data[at : at + size])
        at += size
    return found


def position() -> Position:
    return Position(path="/var/log/app.log", device=1, inode=2)


class Read:
    """A reading whose messages are delivered by hand."""

    def __init__(self, kept: Position | None = None, join: Join | None = None) -> None:
        self.reading = Reading(kept or position(), join, 300.0)

    def feed(self, data: bytes, now: float = 0.0) -> list[FileMessage]:
        self.reading.feed(data[self.reading.at :], now)
        return self.take()

    def take(self) -> list[FileMessage]:
        found = list(self.reading.ready)
        self.reading.ready.clear()
        return found

    def kept(self) -> Position:
        """What a restart begins from."""
        self.reading.settle()
        return decode_position(encode_position(self.reading.position))


# --- lines


def test_lines_are_the_same_however_the_bytes_arrive() -> None:
    data = b"one\n\ntwo\r\n\0\0\0three\n" + b"x" * 5_000 + b"\n\xff\xfe\nlast\n"
    whole = lines_of(data)
    assert [line.text for line in whole] == [
        b"one", b"", b"two", b"three", b"x" * 5_000, b"\xff\xfe", b"last"
    ]
    for sizes in ((1,), (2, 3), (7,), (4_096,)):
        assert lines_of(data, *sizes) == whole


def test_lines_know_where_they_stand() -> None:
    data = b"one\n\0\0two\r\nthree\n"
    assert [(line.line, line.start, line.end) for line in lines_of(data)] == [
        (0, 0, 4), (4, 6, 11), (11, 11, 17)
    ]


def test_a_mark_at_the_beginning_is_no_text() -> None:
    assert lines_of(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n")[0].text == b"one"
    assert lines_of(b"one\n\xef\xbb\xbftwo\n")[1].text == b"\xef\xbb\xbftwo"


def test_a_line_that_is_too_long_is_given_out_cut_and_the_next_one_whole() -> None:
    data = b"a" * (limits.LINE_BYTES + 10) + b"\nnext\n"
    for size in (len(data), 1 << 16):
        long, following = lines_of(data, size)
        assert (len(long.text), long.size) == (limits.LINE_BYTES, limits.LINE_BYTES + 10)
        assert long.truncated
        assert (following.text, following.truncated) == (b"next", False)
        assert following.start == len(data) - 5


def test_a_line_of_any_length_costs_no_more_memory_than_the_longest_that_is_kept() -> None:
    lines = Lines(0, START, {})
    for _ in range(200):
        assert lines.feed(b"b" * (1 << 16)) == []
        assert len(lines._text) <= limits.LINE_BYTES
    assert lines.feed(b"\n")[0].size == 200 << 16


def test_nul_bytes_in_front_of_a_line_change_neither_its_text_nor_its_digest() -> None:
    plain, holed = lines_of(b"one\ntwo\n"), lines_of(b"\0" * 9_000 + b"one\n\0two\n")
    assert [line.text for line in plain] == [line.text for line in holed]
    assert [line.digest for line in plain] == [line.digest for line in holed]


def test_a_cut_line_is_two_messages_and_is_cut_again_at_the_same_place() -> None:
    data = b"first\nhalf and the rest\nlast\n"
    lines = Lines(0, START, {})
    found = lines.feed(data[:10])
    found.append(lines.cut())
    cuts = {found[-1].start: found[-1].end}
    found += lines.feed(data[10:])
    assert [(line.text, line.truncated) for line in found] == [
        (b"first", False), (b"half", True), (b" and the rest", True), (b"last", False)
    ]
    for sizes in ((1,), (3,), (10,), (len(data),)):
        assert lines_of(data, *sizes, cuts=cuts) == found


def test_a_cut_changes_no_digest_behind_its_line() -> None:
    data = b"first\nhalf and the rest\nlast\n"
    assert lines_of(data, cuts={6: 10})[-1].digest == lines_of(data)[-1].digest


# --- what messages are called


def ids(data: bytes, generation: bytes = b"") -> list[str]:
    return [message_id(generation, line.digest, line.start) for line in lines_of(data)]


def test_equal_lines_of_one_file_have_different_ids() -> None:
    assert len(set(ids(b"same\n" * 100))) == 100


def test_a_file_that_grew_keeps_the_ids_it_had() -> None:
    assert ids(b"one\ntwo\nthree\n")[:2] == ids(b"one\ntwo\n")


def test_files_that_begin_alike_share_ids_up_to_the_first_difference_and_no_further() -> None:
    one = ids(b"#header\nalice\nsame\nsame\n")
    two = ids(b"#header\nbobby\nsame\nsame\n")
    assert one[0] == two[0]
    assert not set(one[1:]) & set(two[1:])


def test_another_generation_of_the_same_content_shares_no_id() -> None:
    assert not set(ids(b"one\ntwo\n")) & set(ids(b"one\ntwo\n", b"12345678"))


# --- how files are known again


def test_a_first_line_counts_when_it_is_whole_or_long_enough() -> None:
    assert first_of(b"") is None
    assert first_of(b"not yet") is None
    assert first_of(b"whole\n") == first_of(b"whole\nand more\n") == first_of(b"\0\0whole\n")
    long = b"x" * limits.FOLLOW_FIRST_BYTES
    assert first_of(long) == first_of(long + b"y\n")


def test_places_are_thinned_out_but_the_first_and_the_newest_stay() -> None:
    kept = position()
    for at in range(1, 2_000):
        kept.passed(at, b"%d" % at)
    assert len(kept.tails) <= limits.FOLLOW_TAILS
    assert kept.tails[0] == (1, tail_of(b"1"))
    assert kept.at == 1_999
    assert [at for at, _ in kept.tails] == sorted({at for at, _ in kept.tails})


def test_the_last_place_that_a_file_reaches_is_found() -> None:
    kept = position()
    for at in (10, 20, 30):
        kept.passed(at, b"%d" % at)
    assert kept.tail_below(29) == (20, tail_of(b"20"))
    assert kept.tail_below(9) is None


def test_ranges_that_touch_are_one() -> None:
    assert merged([(0, 0), (1, 2), (2, 5), (4, 5), (7, 9)]) == [(1, 5), (7, 9)]


# --- positions


def test_a_position_names_the_first_line_that_was_not_delivered() -> None:
    data = b"one\ntwo\nthree\n"
    read = Read()
    first, *rest = read.feed(data)
    read.reading.delivered([first])
    assert read.kept().line == 4
    again = Read(read.kept())
    assert [message.id for message in again.feed(data)] == [message.id for message in rest]


def test_what_was_delivered_out_of_turn_is_not_read_again() -> None:
    join = Join(key=lambda line: line[:1], ends=lambda line: line.endswith(b"!"))
    data = b"a1\nb1\na2\nb2!\na3\na4!\nc!\n"
    read = Read(join=join)
    b, a, c = read.feed(data)
    assert [message.raw for message in (b, a, c)] == [b"b1\nb2!", b"a1\na2\na3\na4!", b"c!"]
    read.reading.delivered([b])
    kept = read.kept()
    assert (kept.line, kept.skip) == (0, [(3, 6), (9, 13)])
    again = Read(kept, join).feed(data)
    assert [(one.raw, one.id) for one in again] == [(a.raw, a.id), (c.raw, c.id)]


@pytest.mark.parametrize("seed", range(60))
def test_a_crash_at_any_moment_adds_nothing_twice_and_loses_nothing(seed: int) -> None:
    """Interleaved messages, time that ends them, positions kept or not: ids and content agree."""
    chance = random.Random(seed)
    join = chance.choice(
        [None, TABBED, Join(key=lambda line: line[:1], ends=lambda line: line.endswith(b"!"))]
    )
    data = b""
    ledger: dict[str, bytes] = {}
    kept = encode_position(position())
    read, now = Read(join=join), 0.0

    def deliver(messages: list[FileMessage]) -> None:
        for message in messages:
            assert ledger.setdefault(message.id, message.raw) == message.raw

    for _ in range(150):
        now += chance.choice([0.0, 0.1, 1.5, 400.0])
        if chance.random() < 0.6:
            some = [b"a", b"b", b"\t", b"\n", b"!", b"\r", b"\0\0\n"]
            data += b"".join(chance.choice(some) for _ in range(chance.randrange(12)))
        read.reading.feed(data[read.reading.at :][: chance.randrange(40)], now)
        if read.reading.at == len(data):
            read.reading.at_end()
            read.reading.due(now)
        if read.reading.urgent:
            kept, read.reading.urgent = encode_position(read.kept()), False
        batch = [read.reading.ready.popleft() for _ in range(min(len(read.reading.ready), 3))]
        deliver(batch)
        if chance.random() < 0.15:
            read = Read(decode_position(kept), join)
            continue
        read.reading.delivered(batch)
        if chance.random() < 0.3:
            kept = encode_position(read.kept())
    read.reading.feed(data[read.reading.at :], now)
    read.reading.end(now)
    deliver(read.take())
    letters = sorted(byte for raw in ledger.values() for byte in raw if byte in b"ab!")
    assert letters == sorted(byte for byte in data if byte in b"ab!")


def test_time_ends_a_message_only_after_it_was_said_that_it_must_be_kept() -> None:
    read = Read(join=TABBED)
    assert read.feed(b"one\n", now=1.0) == []
    read.reading.due(1.0 + limits.JOIN_SECONDS)
    assert read.reading.urgent
    assert read.kept().closed == {0: 4}
    again = Read(read.kept(), TABBED)
    data = b"one\n\tmore\ntwo\n"
    assert [message.raw for message in again.feed(data, now=9.0)] == [b"one", b"\tmore"]
    assert [message.raw for message in read.take()] == [b"one"]


def test_a_last_line_without_end_waits_and_then_counts() -> None:
    read = Read()
    assert read.feed(b"one\ntwo", now=1.0)[0].raw == b"one"
    read.reading.due(300.9)
    assert read.take() == []
    read.reading.due(301.0)
    assert [(message.raw, message.truncated) for message in read.take()] == [(b"two", True)]
    assert read.reading.urgent
    assert [(message.raw, message.truncated) for message in read.feed(b"one\ntwo and half\n")] == [
        (b" and half", True)
    ]


def test_nul_bytes_at_the_end_are_read_again_when_something_took_their_place() -> None:
    read = Read()
    assert [message.raw for message in read.feed(b"one\n\0\0\0\0\0\0\0\0")] == [b"one"]
    read.reading.at_end()
    assert read.reading.at == 4
    assert [message.raw for message in read.feed(b"one\ntwo\n\0\0\0\0")] == [b"two"]


def test_a_position_that_time_decided_is_let_go_when_it_was_passed() -> None:
    read = Read()
    read.feed(b"one", now=0.0)
    read.reading.due(1_000.0)
    read.reading.delivered(read.take())
    read.reading.delivered(read.feed(b"one two\nthree\n"))
    assert read.kept().cuts == {}


def test_messages_of_a_file_come_in_its_order() -> None:
    data = b"".join(b"%d\n" % number for number in range(1_000))
    starts = [message.lines[0].start for message in Read().feed(data)]
    assert all(one < two for one, two in pairwise(starts))
