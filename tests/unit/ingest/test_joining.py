"""Lines that are one message: what joins, what ends it, and that every line comes out once."""

from __future__ import annotations

import random
import re

import pytest

from indelible.base import limits
from indelible.ingest.parsers.contract import Given, Join
from indelible.ingest.protocols.joining import Joined, Joiner, join_of

_SERIAL = re.compile(rb"audit\(\d+\.\d+:(\d+)\)")
GIVEN = Given(now_us=0)


def _serial(line: bytes) -> bytes:
    found = _SERIAL.search(line)
    return found[1] if found else b""


AUDIT = Join(key=_serial, ends=lambda line: line.startswith(b"type=EOE"))
TABBED = Join(key=lambda line: b"", ends=lambda line: True, follows=lambda line: line[:1] == b"\t")


def record(kind: str, serial: int) -> bytes:
    return f"type={kind} msg=audit(1.000:{serial}): x".encode()


class Feed:
    """A joiner, and all that came out of it."""

    def __init__(self, join: Join | None) -> None:
        self.joiner: Joiner[int] = Joiner(join)
        self.out: list[Joined[int]] = []
        self.number = 0

    def add(self, *lines: bytes, now: float = 0.0, stream: str = "") -> list[bytes]:
        new: list[Joined[int]] = []
        for line in lines:
            new += self.joiner.add(line, self.number, now, stream)
            self.number += 1
        self.out += new
        return [one.text for one in new]


def test_without_a_join_every_line_is_a_message_at_once() -> None:
    feed = Feed(None)
    assert feed.add(b"one", b"two") == [b"one", b"two"]
    assert not feed.joiner.waiting


def test_records_of_one_event_are_joined_though_others_stand_between() -> None:
    feed = Feed(AUDIT)
    a, b = (lambda kind: record(kind, 7)), (lambda kind: record(kind, 8))
    assert feed.add(a("SYSCALL"), b("SYSCALL"), a("PATH"), b("EOE")) == [
        b("SYSCALL") + b"\n" + b("EOE")
    ]
    assert feed.add(a("EOE")) == [b"\n".join([a("SYSCALL"), a("PATH"), a("EOE")])]
    assert [one.marks for one in feed.out] == [[1, 3], [0, 2, 4]]
    assert not any(one.forced for one in feed.out)


def test_a_line_without_a_key_stands_alone_and_ends_nothing() -> None:
    feed = Feed(AUDIT)
    assert feed.add(record("SYSCALL", 7), b"no serial", record("EOE", 7)) == [
        b"no serial", record("SYSCALL", 7) + b"\n" + record("EOE", 7)
    ]


def test_what_follows_belongs_to_the_line_before_it() -> None:
    feed = Feed(TABBED)
    assert feed.add(b"one", b"\tmore", b"\tand more") == []
    assert feed.add(b"two") == [b"one\n\tmore\n\tand more"]
    assert feed.add(b"three") == [b"two"]
    assert [one.text for one in feed.joiner.end()] == [b"three"]


def test_what_follows_nothing_is_a_message_of_its_own() -> None:
    feed = Feed(TABBED)
    assert feed.add(b"\tcut off", b"one") == [b"\tcut off"]


def test_lines_of_different_streams_never_join() -> None:
    feed = Feed(TABBED)
    feed.add(b"one", stream="a")
    assert feed.add(b"\tmore", stream="b") == []
    assert feed.add(b"\tmore", stream="a") == []
    assert sorted(one.text for one in feed.joiner.end()) == [b"\tmore", b"one\n\tmore"]


def test_a_message_waits_for_its_time_after_its_last_line() -> None:
    feed = Feed(TABBED)
    feed.add(b"one", now=10.0)
    feed.add(b"\tmore", now=11.0)
    assert feed.joiner.due_at == 11.0 + limits.JOIN_SECONDS
    assert feed.joiner.due(11.0 + limits.JOIN_SECONDS - 0.001) == []
    assert feed.joiner.due(11.0 + limits.JOIN_SECONDS) == [
        Joined(b"one\n\tmore", [0, 1], forced=True)
    ]
    assert feed.joiner.due_at is None


@pytest.mark.parametrize("line", [b"\t" + b"x" * 1000, b"\t"])
def test_a_message_is_bounded_and_the_same_lines_are_cut_at_the_same_place(line: bytes) -> None:
    lines = [b"one", *[line] * 5_000]
    feeds = [Feed(TABBED), Feed(TABBED)]
    for feed in feeds:
        for number, each in enumerate(lines):
            feed.add(each, now=number * 0.0001)
        feed.out += feed.joiner.end()
    assert feeds[0].out == feeds[1].out
    assert all(len(one.text) <= limits.JOIN_BYTES for one in feeds[0].out)
    assert all(len(one.marks) <= limits.JOIN_LINES for one in feeds[0].out)
    assert not any(one.forced for one in feeds[0].out)
    assert [mark for one in feeds[0].out for mark in one.marks] == list(range(len(lines)))


def test_of_too_many_open_messages_the_oldest_is_closed() -> None:
    feed = Feed(AUDIT)
    for serial in range(limits.JOIN_HELD + 3):
        feed.add(record("SYSCALL", serial))
    assert [(one.text, one.forced) for one in feed.out] == [
        (record("SYSCALL", serial), True) for serial in range(3)
    ]


def test_messages_held_are_bounded_in_bytes() -> None:
    feed = Feed(AUDIT)
    long = b"x" * (limits.JOIN_BYTES - 100)
    count = limits.JOIN_HELD_BYTES // len(long) + 4
    for serial in range(count):
        feed.out += feed.joiner.add(record("SYSCALL", serial) + long, serial, 0.0, place=0)
    assert feed.out
    assert all(one.forced for one in feed.out)


def test_lines_too_far_apart_are_not_one_message_whenever_they_are_read() -> None:
    feed = Feed(AUDIT)
    near, far = limits.JOIN_APART_BYTES, limits.JOIN_APART_BYTES + 1
    assert feed.joiner.add(record("SYSCALL", 7), 0, 0.0, place=0) == []
    assert feed.joiner.add(record("PATH", 7), 1, 0.0, place=near) == []
    assert feed.joiner.add(record("SYSCALL", 8), 2, 0.0, place=near + far) == [
        Joined(record("SYSCALL", 7) + b"\n" + record("PATH", 7), [0, 1])
    ]


def test_a_line_that_goes_by_ends_what_it_does_not_follow() -> None:
    feed = Feed(TABBED)
    feed.add(b"one")
    assert feed.joiner.passed(b"\tmore") == []
    assert feed.joiner.passed(b"") == [Joined(b"one", [0])]


def test_blank_lines_belong_to_a_message_where_they_follow_and_else_to_none() -> None:
    quoted = Join(lambda line: b"", lambda line: True, lambda line: not line.startswith(b"20"))
    feed = Feed(quoted)
    assert feed.add(b"", b"2026,a", b"", b"end", b"2026,b") == [b"", b"2026,a\n\nend"]


def test_where_a_message_was_closed_before_it_is_closed_again() -> None:
    joiner: Joiner[int] = Joiner(TABBED)
    assert joiner.add(b"one", 0, 0.0, closes=lambda marks: marks[-1] == 1) == []
    assert joiner.add(b"\tmore", 1, 0.0, closes=lambda marks: marks[-1] == 1) == [
        Joined(b"one\n\tmore", [0, 1])
    ]
    assert joiner.add(b"\teven more", 2, 0.0) == []


@pytest.mark.parametrize("seed", range(20))
def test_every_line_comes_out_once_and_in_the_order_of_its_message(seed: int) -> None:
    chance = random.Random(seed)
    feed = Feed(AUDIT if seed % 2 else TABBED)
    now = 0.0
    for _ in range(500):
        now += chance.choice([0.0, 0.1, 3.0])
        line = chance.choice(
            [b"", b"plain", b"\tmore", record("SYSCALL", chance.randrange(4)),
             record("EOE", chance.randrange(4))]
        )
        feed.add(line, now=now, stream=chance.choice(["", "other"]))
        feed.out += feed.joiner.due(now)
    feed.out += feed.joiner.end()
    marks = [mark for one in feed.out for mark in one.marks]
    assert sorted(marks) == list(range(500))
    assert all(one.marks == sorted(one.marks) for one in feed.out)


def test_auto_joins_as_the_format_of_the_first_line() -> None:
    first = b"2026-03-01 10:00:00.123 UTC [77] LOG:  statement: select 1"
    found = join_of("auto", first, GIVEN)
    assert found is not None
    assert found.follows(b"\tselect 2")
    assert join_of("auto", b"whatever this is", GIVEN) is None
    assert join_of("auto", b'{"eventVersion":"1.08"}', GIVEN) is None


def test_a_named_parser_joins_as_it_says() -> None:
    found = join_of("postgresql", b"", GIVEN)
    assert found is not None
    assert found.follows(b"\tmore")
    assert join_of("cloudtrail", b"", GIVEN) is None
