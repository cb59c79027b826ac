"""The journal's export format: entries out of a stream, and events out of entries."""

from __future__ import annotations

import json
import struct
import time

import pytest

from indelible.base.limits import (
    JOURNALD_ENTRY_BYTES,
    JOURNALD_FIELDS,
    JOURNALD_VALUE_BYTES,
    NAME_CHARS,
)
from indelible.ingest.parsed import Rejected
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import parser_named
from indelible.ingest.protocols.journal_export import MEDIA_TYPE, Entry, Stream, taken
from indelible.ingest.protocols.message import understood
from support.journal_export import entry, failed, field, logged

GIVEN = Given(now_us=1_780_272_000_000_000)
BEFORE, BEHIND = entry(("A", b"before")), entry(("B", b"behind"))


def read(data: bytes, piece: int = 0) -> tuple[list[Entry], list[Rejected]]:
    """Everything in a stream, fed in pieces."""
    stream = Stream()
    found: list[Entry] = []
    refused: list[Rejected] = []
    for at in range(0, len(data), piece or len(data) or 1):
        entries, others = stream.feed(data[at : at + (piece or len(data))])
        found += entries
        refused += others
    entries, others = stream.end()
    assert not stream.inside
    return found + entries, refused + others


def between(broken: bytes) -> list[tuple[str, str]]:
    """Why an entry between two good ones is refused, by whatever pieces it comes."""
    for piece in (0, 1, 7, 4_096):
        if piece == 1 and len(broken) > 10_000:
            continue
        found, refused = read(BEFORE + broken + BEHIND, piece)
        assert [one.record for one in found] == [{"A": "before"}, {"B": "behind"}]
        assert [one.number for one in found] == [1, 2 + len(refused)]
        assert [one.line for one in refused] == list(range(2, 2 + len(refused)))
    return [(one.code, one.field) for one in refused]


def test_text_and_binary_fields_are_read_and_the_bytes_are_kept() -> None:
    raw = entry(("__CURSOR", b"s=1;i=2"), ("MESSAGE", b"two\nlines"), ("EMPTY", b""),
                ("TAB", b"a\tb=c"), ("MESSAGE", b"again"), ("MESSAGE", b"\xff"))
    [one], refused = read(raw)
    assert refused == []
    assert one.raw + b"\n" == raw
    assert one.record == {
        "__CURSOR": "s=1;i=2", "MESSAGE": ["two\nlines", "again", "\ufffd"], "EMPTY": "",
        "TAB": "a\tb=c",
    }
    assert b"MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\n" in one.raw


@pytest.mark.parametrize("piece", [1, 2, 3, 13, 0])
def test_what_stands_in_a_value_is_never_read_as_an_entry(piece: int) -> None:
    forged = b"x\n\n__CURSOR=s=9\n_UID=0\nMESSAGE=forged\n\n"
    found, refused = read(entry(("MESSAGE", forged), ("_UID", b"1000")) + BEHIND, piece)
    assert [one.record.get("_UID") for one in found] == ["1000", None]
    assert found[0].record["MESSAGE"] == forged.decode()
    assert refused == []


def test_a_value_of_a_refused_entry_is_passed_over_by_its_length() -> None:
    forged = b"\n\nMESSAGE=forged\n\n" * (JOURNALD_ENTRY_BYTES // 18 + 1)
    assert between(entry(("COREDUMP", forged), ("_UID", b"1"))) == [("too_large", "COREDUMP")]
    lines = [(f"F{n}", b"x") for n in range(JOURNALD_FIELDS)]
    assert between(entry(*lines, ("G", forged[:50]))) == [("too_many_fields", "")]


def test_an_entry_is_bounded_in_bytes_and_in_fields() -> None:
    most = JOURNALD_ENTRY_BYTES - len(b"A=\n")
    assert read(entry(("A", b"x" * most)))[1] == []
    assert between(entry(("A", b"x" * (most + 1)))) == [("too_large", "A")]
    assert between(entry(("A", b"x" * (3 * most)), ("B", b"y"))) == [("too_large", "A")]
    half = b"x" * (most // 2)
    assert between(entry(("A", half), ("B", half), ("C", half))) == [("too_large", "B")]
    most = JOURNALD_ENTRY_BYTES - len(b"A\n12345678\n")
    assert read(entry(("A", b"\n" * most)))[1] == []
    assert between(entry(("A", b"\n" * (most + 1)))) == [("too_large", "A")]
    assert len(read(entry(*[("A", b"")] * JOURNALD_FIELDS))[0]) == 1
    assert between(entry(*[("A", b"")] * (JOURNALD_FIELDS + 1))) == [("too_many_fields", "")]


@pytest.mark.parametrize(
    "broken",
    [
        b"no field\nC=x\n\n", b"lower\nC=x\n\n", b"A" * 65 + b"\nC=x\n\n", b"\0\n\n",
        b"A" * 65 + b"=x\nC=x\n\n", b"x" * 3_000_000 + b"=y\n\n",
        b"C=x\nD\n" + struct.pack("<Q", 2) + b"xyz\nE=x\n\n",
        b"D\n" + struct.pack("<Q", 0) + b"\0\nE=x\n\n",
        b"D\n" + struct.pack("<Q", JOURNALD_VALUE_BYTES + 1) + b"xyz\nE=x\n\n",
        b"D\n" + b"\xff" * 8 + b"\n\n", b"HTTP/1.1 200 OK\r\n\r\nC=x\n\n",
    ],
    ids=lambda broken: repr(broken[:20]),
)
def test_a_broken_entry_costs_itself_alone(broken: bytes) -> None:
    assert between(broken) == [("bad_entry", "")]


def test_fields_that_the_journal_does_not_know_stay_in_the_bytes() -> None:
    [one], refused = read(b"=x\nlower=1\n9A=2\n\xc3=3\nA=4\n\n")
    assert refused == []
    assert one.record == {"A": "4"}
    assert one.raw == b"=x\nlower=1\n9A=2\n\xc3=3\nA=4\n"


def test_the_last_entry_needs_no_empty_line_and_a_cut_one_is_refused() -> None:
    assert [one.record for one in read(b"A=1\n\nB=2\n")[0]] == [{"A": "1"}, {"B": "2"}]
    for cut in (b"B=2", b"B", b"B\n", b"B\n\x02\0\0", b"B\n" + struct.pack("<Q", 2) + b"x",
                b"B\n" + struct.pack("<Q", 2) + b"xy", b"C=1\nB=2"):
        found, refused = read(BEFORE + cut)
        assert [one.record for one in found] == [{"A": "before"}]
        assert [(one.line, one.code) for one in refused] == [(2, "cut_off")]


def test_empty_lines_are_no_entries() -> None:
    assert read(b"") == ([], [])
    found, refused = read(b"\n\n\n" + BEFORE + b"\n\n" + BEHIND)
    assert [one.number for one in found] == [1, 2]
    assert refused == []


def test_an_event_is_what_the_same_entry_in_json_gives() -> None:
    raw = logged(1, failed(4711))
    [one], _ = read(raw)
    message = taken([one], [], GIVEN).messages[0]
    [event], refused = understood(taken([one], [], GIVEN), parser_named("journald"))
    assert refused == []
    as_json = parse_message(
        parser_named("journald"), json.dumps(one.record).encode(), GIVEN
    )
    ours, theirs = json.loads(event.content), json.loads(as_json.content)
    assert ours.pop("raw") == one.raw.decode()
    assert theirs.pop("raw") == json.dumps(one.record)
    assert ours == theirs
    assert (event.id, event.kind, event.time_us) == (message.id, "event", as_json.time_us)
    assert ours["actor"]["id"] == "root"
    assert event.parser == as_json.parser


def test_an_entry_without_a_message_is_kept_under_its_cursor() -> None:
    [one], _ = read(entry(("__CURSOR", b"s=1;i=7"), ("_HOSTNAME", b"web1")))
    [event], _ = understood(taken([one], [], GIVEN), parser_named("journald"))
    assert (event.kind, event.id, event.keep_repeats) == ("unparsed", "s=1;i=7", False)


def test_what_is_not_text_is_kept_as_its_media_type() -> None:
    raw = entry(("MESSAGE", b"\xff\xfe"), ("__CURSOR", b"s=1"))
    [message] = taken(read(raw)[0], [], GIVEN).messages
    assert message.raw_type == MEDIA_TYPE
    assert taken(read(entry(("MESSAGE", b"a\nb")))[0], [], GIVEN).messages[0].raw_type == ""


@pytest.mark.parametrize("cursor", [b"", b"x" * (NAME_CHARS + 1)])
def test_a_cursor_that_cannot_be_an_id_is_none(cursor: bytes) -> None:
    [message] = taken(read(entry(("__CURSOR", cursor), ("A", b"x")))[0], [], GIVEN).messages
    assert message.id == ""
    twice = entry(("__CURSOR", b"1"), ("__CURSOR", b"2"))
    assert taken(read(twice)[0], [], GIVEN).messages[0].id == ""


@pytest.mark.parametrize(
    "text",
    [
        b"A=", b"A=\n", b"A\n", b"\n", b"x", b"A=x\n\n", field("A", b"\n"),
        b"A\n\0\0\0\0\0\0\0\0\n", b"A\n" + struct.pack("<Q", 1 << 20), b"no field\n",
        b"no field\n\n", entry(("A", b"\n")),
    ],
    ids=repr,
)
@pytest.mark.parametrize("piece", [1, 3_000, 262_144])
def test_a_stream_is_read_in_proportion_to_its_size(text: bytes, piece: int) -> None:
    data = text * (400_000 // len(text))
    began = time.process_time()
    read(data, piece)
    assert time.process_time() - began < 3.0
