"""Syslog framing: whatever the pieces, the same messages; nothing costs its neighbour."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.base.limits import SYSLOG_BYTES
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import AUTO, parser_named
from indelible.ingest.protocols.syslog import Frame, Framer, parsed

NOW = Given(now_us=1_780_000_000_000_000)
TEXTS = [b"<34>1 - h a - - - one", b"<13>Oct 11 22:14:15 h su: two", b"plain line", b"2024 begins"]


def counted(message: bytes) -> bytes:
    return b"%d %s" % (len(message), message)


def fed(*pieces: bytes) -> list[Frame]:
    framer = Framer()
    found = [frame for piece in pieces for frame in framer.feed(piece)]
    return [*found, *framer.end()]


def test_lines_and_counted_messages_stand_beside_each_other() -> None:
    stream = counted(TEXTS[0]) + TEXTS[1] + b"\r\n" + TEXTS[2] + b"\0" + counted(b"<1>a\nb")
    assert fed(stream) == [Frame(TEXTS[0]), Frame(TEXTS[1]), Frame(TEXTS[2]), Frame(b"<1>a\nb")]


def test_a_number_is_a_length_only_before_a_priority() -> None:
    assert fed(b"17 cats are here\n5 dogs\n") == [Frame(b"17 cats are here"), Frame(b"5 dogs")]
    assert fed(b"20240101 12:00 something\n") == [Frame(b"20240101 12:00 something")]


@given(st.lists(st.tuples(st.sampled_from(TEXTS), st.booleans()), max_size=6), st.data())
def test_the_pieces_in_which_a_stream_arrives_change_nothing(
    messages: list[tuple[bytes, bool]], data: st.DataObject
) -> None:
    stream = b"".join(
        counted(text) if count and text[:1] == b"<" else text + b"\n" for text, count in messages
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert fed(*pieces) == [Frame(text) for text, _ in messages]


def test_octet_by_octet_is_the_same() -> None:
    stream = b"".join(counted(text) if text[:1] == b"<" else text + b"\n" for text in TEXTS)
    assert fed(*(stream[n : n + 1] for n in range(len(stream)))) == [Frame(t) for t in TEXTS]


@pytest.mark.parametrize("size", [SYSLOG_BYTES + 1, 3 * SYSLOG_BYTES])
def test_a_long_message_is_cut_off_and_its_neighbours_are_whole(size: int) -> None:
    long = b"<1>" + b"x" * (size - 3)
    for stream in (counted(long) + counted(b"<2>next"), long + b"\n" + b"<2>next\n"):
        pieces = [stream[n : n + 70_000] for n in range(0, len(stream), 70_000)]
        first, second = fed(*pieces)
        assert not first.whole
        assert first.message == long[:SYSLOG_BYTES]
        assert second == Frame(b"<2>next")


def test_a_length_that_nobody_means_breaks_the_stream_after_what_came_before() -> None:
    framer = Framer()
    assert framer.feed(b"<1>fine\n999999999 <1>") == [Frame(b"<1>fine")]
    assert "999999999" in framer.broken


@pytest.mark.parametrize("pieces", [1, 7, 1_000])
def test_a_client_of_http_is_hung_up_on_and_nothing_of_it_is_kept(pieces: int) -> None:
    said = b"POST /v1/events?a=b HTTP/1.1\r\nAuthorization: Bearer secret\r\n\r\n{}"
    framer = Framer()
    found = [frame for at in range(0, len(said), pieces) if not framer.broken
             for frame in framer.feed(said[at : at + pieces])]
    assert (found, framer.end(), framer.broken) == ([], [], "it is a request of HTTP")


def test_a_message_that_speaks_of_http_is_one() -> None:
    framer = Framer()
    first = b"<13>a: GET / HTTP/1.1"
    assert [one.message for one in framer.feed(first + b"\nGET / HTTP/1.1\n")] == [
        first, b"GET / HTTP/1.1"]
    assert not framer.broken


def test_an_end_within_a_counted_message_is_told() -> None:
    assert fed(b"20 <1>only a par") == [Frame(b"<1>only a par", whole=False)]
    assert fed(b"<1>a last line without its end") == [Frame(b"<1>a last line without its end")]


def test_what_was_cut_off_is_flagged() -> None:
    found = parsed(Frame(b"<13>1 2026-05-01T10:00:00Z h app - - - cut", False), AUTO, NOW, 1)
    assert "truncated" in found.flags


def test_a_source_with_a_parser_reads_the_message_behind_the_header() -> None:
    record = {
        "eventVersion": "1.08", "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
        "userIdentity": {"type": "IAMUser", "userName": "ann"},
    }
    line = b"<13>1 2026-05-01T10:00:00Z relay app - - - " + json.dumps(record).encode()
    found = parsed(Frame(line), parser_named("cloudtrail"), NOW, 1)
    content = json.loads(found.content)
    assert content["action"] == "s3.object.get"
    assert content["origin"]["host"] == "relay"
    assert content["raw"].encode() == line
    assert found.parser.startswith("cloudtrail/")


def test_a_message_that_escapes_make_too_large_is_cut_off_and_kept() -> None:
    frame = Frame(b"<13>1 2026-05-01T10:00:00Z h app - - - " + b"\x01" * (SYSLOG_BYTES - 50))
    for parser in (AUTO, parser_named("linux_auth")):
        found = parsed(frame, parser, NOW, 1)
        assert "truncated" in found.flags
        assert frame.message.startswith(json.loads(found.content)["raw"].encode())
