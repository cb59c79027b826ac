"""Entries of a journal come out as they went in, however the stream is cut; garbage stays apart."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.base.limits import JOURNALD_ENTRY_BYTES
from indelible.ingest.parsed import Rejected
from indelible.ingest.protocols.journal_export import Entry, Stream
from support.journal_export import entry

names = st.from_regex(r"[A-Z_][A-Z0-9_]{0,63}", fullmatch=True)
values = st.one_of(st.binary(max_size=60), st.text(max_size=30).map(lambda one: one.encode(
    "utf-8", "surrogatepass")), st.sampled_from([b"\n\n", b"A=1\n\nB=2\n\n", b"\n", b""]))
entries = st.lists(st.tuples(names, values), min_size=1, max_size=6)
pieces = st.sampled_from([b"\n", b"\n\n", b"A", b"A=", b"=", b"AB\n", b"\x02\0\0\0\0\0\0\0", b"\0",
                          b"\xff" * 8, b"A=x\n\n", b"A\n\x01\0\0\0\0\0\0\0\n\n\n", b"x" * 70])
garbage = st.lists(st.one_of(pieces, st.binary(max_size=12)), max_size=25).map(b"".join)


def read(parts: list[bytes]) -> tuple[list[Entry], list[Rejected]]:
    stream = Stream()
    found: list[Entry] = []
    refused: list[Rejected] = []
    for part in parts:
        entries, others = stream.feed(part)
        found += entries
        refused += others
    entries, others = stream.end()
    return found + entries, refused + others


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({place % (len(data) + 1) for place in at})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


@given(st.lists(entries, max_size=5), st.lists(st.integers(0, 5_000), max_size=12))
def test_entries_come_out_as_they_went_in(wanted: list[list[tuple[str, bytes]]],
                                          at: list[int]) -> None:
    raws = [entry(*fields) for fields in wanted]
    found, refused = read(cut(b"".join(raws), at))
    assert refused == []
    assert [one.raw + b"\n" for one in found] == raws
    for one, fields in zip(found, wanted, strict=True):
        for name, value in one.record.items():
            said = [text.decode("utf-8", "replace") for key, text in fields if key == name]
            assert value == (said if len(said) > 1 else said[0])
        assert set(one.record) == {name for name, _ in fields}


@settings(max_examples=200)
@given(garbage, st.lists(st.integers(0, 2_000), max_size=12))
def test_the_pieces_of_a_stream_change_nothing(data: bytes, at: list[int]) -> None:
    whole = read([data])
    assert read(cut(data, at)) == whole
    assert read([data[n : n + 1] for n in range(len(data))]) == whole
    numbers = sorted([one.number for one in whole[0]] + [one.line for one in whole[1]])
    assert numbers == list(range(1, len(numbers) + 1))


@given(garbage)
def test_a_good_entry_behind_two_empty_lines_and_garbage_of_lines_is_found(data: bytes) -> None:
    lines = data.replace(b"\n", b" ") + b"\n\n\n"
    good = entry(("MESSAGE", b"good"))
    found, _ = read([b"x y z\n", lines, good])
    assert found[-1].raw + b"\n" == good


@given(st.integers(0, 3), st.integers(1, 5))
def test_no_more_than_an_entry_is_held(kind: int, times: int) -> None:
    stream = Stream()
    for _ in range(times):
        stream.feed([b"A=", b"A\n\0\0\0\x10\0\0\0\0", b"", b"B=x\n"][kind])
        for _ in range(40):
            stream.feed(b"x" * 65_536)
            held = len(stream._held) + sum(map(len, stream._parts))
            assert held <= JOURNALD_ENTRY_BYTES + 65_536
