"""Import: the same ids however a file comes, bounded memory, nothing lost in silence."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from indelible.base.errors import BadRequest, TooLarge
from indelible.base.limits import (
    IMPORT_BATCH_BYTES,
    IMPORT_BATCH_EVENTS,
    LINE_BYTES,
    REQUEST_BYTES,
    REQUEST_EVENTS,
)
from indelible.ingest.importer import (
    batches_of,
    iter_batches,
    parse_import,
)
from indelible.ingest.parsed import Parsed, Rejected
from indelible.ingest.parsers.contract import Given

GOOD = b'{"action":"a.read","actor":{"type":"user","id":"x"},"targets":[{"type":"t","id":"i"}]}'
RECORD = (b'{"eventID":"%d","eventSource":"s3.amazonaws.com","eventName":"GetObject",'
          b'"userIdentity":{"type":"IAMUser","userName":"u"}}')

GIVEN = Given(now_us=1_780_000_000_000_000)


def imported(data: bytes, parser: str = "native") -> tuple[list[Parsed], list[Rejected]]:
    """What the server makes of the file `data`."""
    accepted: list[Parsed] = []
    refused: list[Rejected] = []
    for batch in batches_of(io.BytesIO(data), "f", parser):
        good, bad = parse_import(batch.body, parser, GIVEN)
        accepted += good
        refused += bad
    return accepted, refused


def ids(data: bytes, parser: str = "native") -> list[str]:
    return [parsed.id for parsed in imported(data, parser)[0]]


def test_lines_without_an_id_get_one_and_equal_lines_stay_two() -> None:
    found = ids(GOOD + b"\n" + GOOD + b"\n")
    assert len(set(found)) == 2
    assert all(one.startswith("import/") and len(one) == 39 for one in found)


def test_an_own_id_is_kept() -> None:
    own = GOOD[:-1] + b',"id":"own"}'
    assert ids(own + b"\n" + GOOD)[0] == "own"


def test_a_file_repeated_recompressed_or_grown_gives_the_same_ids() -> None:
    data = b"\n".join([GOOD] * 50)
    first = ids(data)
    assert ids(data + b"\n") == first
    assert ids(gzip.compress(data)) == first
    assert ids(zstandard.ZstdCompressor().compress(data)) == first
    assert ids(data + b"\n" + GOOD + b"\n")[:50] == first
    assert ids(b"\n" + data) != first


def test_ids_do_not_depend_on_how_the_file_is_cut_into_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for data, parser in (
        (b"\n".join([GOOD, b"", GOOD, b"bad", GOOD]), "native"),
        (b'{"Records": [\n' + b",\n".join(RECORD % n for n in range(9)) + b"]}", "cloudtrail"),
    ):
        whole = [(one.line, one.content) for one in imported(data, parser)[0]]
        for size in (1, 7, 64):
            monkeypatch.setattr("indelible.ingest.decompress.FILE_CHUNK_BYTES", size)
            assert [(one.line, one.content) for one in imported(data, parser)[0]] == whole
            monkeypatch.undo()


def test_a_bad_line_is_named_by_its_number_and_its_neighbours_are_kept() -> None:
    accepted, refused = imported(b"\r\n".join([GOOD, b"", b"bad", GOOD]))
    assert [one.line for one in accepted] == [1, 4]
    assert [(one.line, one.code) for one in refused] == [(3, "bad_json")]


def test_a_million_lines_with_one_bad_one_stay_in_bounded_memory() -> None:
    line = b'{"action":"a.login","actor":{"type":"user","id":"x"}}\n'

    def chunks() -> Iterator[bytes]:
        yield from (line * 10_000 for _ in range(50))
        yield b"bad\n"
        yield from (line * 10_000 for _ in range(50))

    tracemalloc.start()
    count = bad = 0
    for batch in batches_of(_Slow(chunks()), "f", "native"):
        count += batch.count
        assert batch.count <= IMPORT_BATCH_EVENTS
        assert len(batch.body) <= IMPORT_BATCH_BYTES
        if batch.first <= 500_001 <= batch.last:
            bad = [one.line for one in parse_import(batch.body, "native", GIVEN)[1]] == [500_001]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 1_000_001
    assert bad
    assert peak < 32 << 20


class _Slow(io.RawIOBase):
    """A file that gives one chunk a read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def read(self, size: int = -1) -> bytes:
        return next(self._chunks, b"")


def test_a_line_too_long_is_refused_by_number_without_being_held() -> None:
    long = b'{"data":"' + b"x" * 10_000_000 + b'"}'
    accepted, refused = imported(GOOD + b"\n" + long + b"\n" + GOOD)
    assert [one.line for one in accepted] == [1, 3]
    assert [(one.line, one.code) for one in refused] == [(2, "too_large")]
    tracemalloc.start()
    batches = list(batches_of(_Slow(iter([b"x" * 1_000_000] * 100)), "f", "native"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [batch.count for batch in batches] == [1]
    assert peak < LINE_BYTES * 4


@pytest.mark.parametrize("indent", [None, 2])
def test_records_as_delivered_are_streamed_as_their_elements(indent: int | None) -> None:
    records = [json.loads(RECORD % n) for n in range(2500)]
    text = json.dumps({"Records": records}, indent=indent).encode()
    accepted, refused = imported(text, "cloudtrail")
    assert not refused
    assert [one.line for one in accepted] == list(range(1, 2501))
    assert [one.id for one in accepted] == [str(n) for n in range(2500)]
    assert [json.loads(one.idempotent) for one in accepted] == records
    assert all(one.idempotent in text for one in accepted)


def test_an_array_and_spread_objects_are_documents_too() -> None:
    spread = json.dumps(json.loads(GOOD), indent=2).encode()
    assert len(set(ids(b"[" + GOOD + b",\n" + GOOD + b"]"))) == 2
    accepted, refused = imported(spread + b"\n" + spread + b"\n")
    assert [one.line for one in accepted] == [1, 2]
    assert not refused


def test_documents_may_follow_each_other_in_one_file() -> None:
    empty = b'{"Records":[]}'
    one, two = (b'{"Records":[' + RECORD % n + b"]}" for n in (1, 2))
    text = one + b"\n" + empty + two
    assert ids(text, "cloudtrail") == ["1", "2"]


def test_a_broken_document_keeps_what_stood_before_the_break() -> None:
    text = b'{"Records":[' + RECORD % 1 + b"," + RECORD % 2 + b",{]}"
    accepted, refused = imported(text, "cloudtrail")
    assert [one.id for one in accepted] == ["1", "2"]
    assert [(one.line, one.code) for one in refused] == [(3, "bad_json")]
    assert "element 3 cannot be read" in refused[0].reason


def test_a_large_element_costs_only_itself() -> None:
    large = b'{"x":"' + b"y" * (LINE_BYTES + 1) + b'"}'
    text = b'{"Records":[' + RECORD % 1 + b"," + large + b"," + RECORD % 2 + b"]}"
    accepted, refused = imported(text, "cloudtrail")
    assert [one.line for one in accepted] == [1, 2, 3]
    assert ["truncated" in one.flags for one in accepted] == [False, True, False]
    assert not refused
    accepted, refused = imported(b"[" + GOOD + b"," + large + b"]")
    assert [one.line for one in accepted] == [1]
    assert [(one.line, one.code) for one in refused] == [(2, "too_large")]


def test_of_a_line_too_long_the_beginning_is_read() -> None:
    long = RECORD % 7 + b" " * 9 + b"\x01" * 9_000_000
    long = long.replace(b"}" + b" " * 9, b',"x":"')
    accepted, refused = imported(RECORD % 1 + b"\n" + long + b"\n" + RECORD % 2, "cloudtrail")
    assert [(one.id, "truncated" in one.flags) for one in accepted] == [
        ("1", False), ("7", True), ("2", False)]
    assert not refused
    tracemalloc.start()
    batches = list(batches_of(_Slow(iter([b"x" * 1_000_000] * 100)), "f", "auto"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [batch.count for batch in batches] == [1]
    assert peak < LINE_BYTES * 8


def test_bytes_that_are_not_utf8_travel_and_are_kept() -> None:
    accepted, _ = imported(b'{"a":"\xff"}\n', "cloudtrail")
    assert [(one.kind, one.idempotent) for one in accepted] == [("unparsed", b'{"a":"\xff"}')]
    assert accepted[0].id.startswith("import/")
    _, refused = imported(b'{"a":"\xff"}\n', "native")
    assert refused[0].code in ("bad_utf8", "unknown_field")


def test_an_unparsed_message_has_its_import_id_in_the_body_too() -> None:
    accepted, _ = imported(b"garbage\ngarbage\n", "cloudtrail")
    assert [json.loads(one.content)["id"] for one in accepted] == [one.id for one in accepted]
    assert len({one.id for one in accepted}) == 2


def test_files_and_standard_input_are_read_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "odd name.bin"
    path.write_bytes(gzip.compress(GOOD))
    batches = list(iter_batches([str(path), "-"], "native", io.BytesIO(GOOD)))
    assert [batch.file for batch in batches] == [str(path), "-"]
    with pytest.raises(BadRequest, match="standard input"):
        next(iter_batches(["-"], "native"))


def test_a_damaged_file_gives_its_whole_lines_first() -> None:
    packed = gzip.compress(b"\n".join([GOOD] * 5000), 0)[:-200]
    counts: list[int] = []
    with pytest.raises(BadRequest, match="ends too early"):
        counts.extend(batch.count for batch in batches_of(io.BytesIO(packed), "f", "native"))
    assert sum(counts) >= IMPORT_BATCH_EVENTS


def test_what_is_not_the_wire_form_is_refused() -> None:
    for body in (b"{", b'{"line":"x"}', b"\xff", b"[1]"):
        with pytest.raises(BadRequest, match="import lines"):
            parse_import(body, "native", GIVEN)
    with pytest.raises(BadRequest, match="parser"):
        parse_import(b"", "nope", GIVEN)
    with pytest.raises(TooLarge):
        parse_import(b" " * (REQUEST_BYTES + 1), "native", GIVEN)
    with pytest.raises(TooLarge):
        parse_import(b"\n" * (REQUEST_EVENTS + 1), "native", GIVEN)
    assert parse_import(b'{"line":1,"id":"a","b64":"?"}', "native", GIVEN)[1][0].code == "bad_json"
