"""The encrypted container of column files."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from indelible.base.errors import Damaged
from indelible.store.piece_files import PieceFiles
from indelible.store.pieces import (
    PIECE_BYTES,
    STORED_BYTES,
    TAG_BYTES,
    PieceCache,
    PieceReader,
    write_pieces,
)

KEY = bytes(range(32))
HEADER: dict[str, str | int] = {"format": "test/1", "file": "f1"}
SIZES = [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES, 12 * PIECE_BYTES + 7]


def _written(folder: Path, content: bytes, name: str = "a") -> Path:
    path = folder / name
    write_pieces(path, content, KEY, HEADER)
    return path


@pytest.mark.parametrize("size", SIZES)
def test_content_of_any_size_comes_back_from_any_offset(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    path = _written(tmp_path, content)
    with PieceReader(path, KEY, HEADER, PieceCache(3 * PIECE_BYTES)) as reader:
        assert reader.size == size
        assert reader.read_at(0, size + 10) == content
        for offset in (0, 1, PIECE_BYTES - 1, PIECE_BYTES, 2 * PIECE_BYTES + 5, size - 1, size):
            if offset >= 0:
                for length in (0, 1, 100, PIECE_BYTES, 3 * PIECE_BYTES + 1):
                    assert reader.read_at(offset, length) == content[offset : offset + length]


def test_a_stream_is_written_like_bytes(tmp_path: Path) -> None:
    content = os.urandom(3 * PIECE_BYTES + 11)
    write_pieces(tmp_path / "s", io.BytesIO(content), KEY, HEADER)
    with PieceReader(tmp_path / "s", KEY) as reader:
        assert reader.read_at(0, len(content)) == content


def test_nothing_of_the_content_stands_in_clear_on_disk(tmp_path: Path) -> None:
    path = _written(tmp_path, b"the marker" * 20_000)
    assert b"the marker" not in path.read_bytes()


@pytest.mark.parametrize("size", [1, PIECE_BYTES, 3 * PIECE_BYTES + 5])
def test_every_flipped_byte_is_noticed(tmp_path: Path, size: int) -> None:
    path = _written(tmp_path, os.urandom(size))
    whole = path.read_bytes()
    for at in {0, 9, 13, 30, len(whole) // 2, len(whole) - TAG_BYTES - 1, len(whole) - 1}:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(Damaged):
            PieceReader(path, KEY, HEADER).read_at(0, size)


def test_a_file_cut_anywhere_does_not_open(tmp_path: Path) -> None:
    path = _written(tmp_path, os.urandom(3 * PIECE_BYTES + 5))
    whole = path.read_bytes()
    start = len(whole) - (3 * STORED_BYTES + 5 + TAG_BYTES)
    for end in (0, 5, start, start + 1, start + STORED_BYTES, start + 3 * STORED_BYTES,
                len(whole) - 1):  # fmt: skip
        path.write_bytes(whole[:end])
        with pytest.raises(Damaged):
            PieceReader(path, KEY, HEADER)


def _swapped(whole: bytes, start: int) -> bytes:
    one, two = whole[start : start + STORED_BYTES], whole[start + STORED_BYTES :][:STORED_BYTES]
    return whole[:start] + two + one + whole[start + 2 * STORED_BYTES :]


def _dropped(whole: bytes, start: int) -> bytes:
    return whole[:start] + whole[start + STORED_BYTES :]


def _repeated(whole: bytes, start: int) -> bytes:
    return whole[: start + STORED_BYTES] + whole[start:]


def _appended(whole: bytes, start: int) -> bytes:
    return whole + whole[start : start + STORED_BYTES]


@pytest.mark.parametrize("change", [_swapped, _dropped, _repeated, _appended])
def test_pieces_cannot_be_moved_dropped_or_repeated(
    tmp_path: Path, change: Callable[[bytes, int], bytes]
) -> None:
    size = 4 * PIECE_BYTES
    path = _written(tmp_path, os.urandom(size))
    whole = path.read_bytes()
    path.write_bytes(change(whole, len(whole) - 4 * STORED_BYTES))
    with pytest.raises(Damaged):
        PieceReader(path, KEY, HEADER).read_at(0, size + PIECE_BYTES)


def test_pieces_of_another_file_under_the_same_key_are_refused(tmp_path: Path) -> None:
    one = _written(tmp_path, os.urandom(100), "one").read_bytes()
    write_pieces(tmp_path / "two", os.urandom(100), KEY, {**HEADER, "file": "f2"})
    two = (tmp_path / "two").read_bytes()
    (tmp_path / "two").write_bytes(two[:-116] + one[-116:])
    with pytest.raises(Damaged):
        PieceReader(tmp_path / "two", KEY)


def test_another_key_or_another_header_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path, b"x")
    with pytest.raises(Damaged):
        PieceReader(path, bytes(32), HEADER)
    with pytest.raises(Damaged, match="says file 'f1', not 'f9'"):
        PieceReader(path, KEY, {"file": "f9"})


def test_a_missing_file_is_damage(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="missing"):
        PieceReader(tmp_path / "none", KEY)


def test_the_cache_stays_within_its_bound_and_keeps_what_is_used() -> None:
    cache = PieceCache(3)
    for number in range(3):
        cache.put(1, number, b"x")
    assert cache.get(1, 0) == b"x"
    cache.put(1, 3, b"y")
    assert cache.get(1, 1) is None
    assert (cache.get(1, 0), cache.get(1, 3)) == (b"x", b"y")


def test_threads_reading_through_one_handle_do_not_disturb_each_other(tmp_path: Path) -> None:
    content = os.urandom(10 * PIECE_BYTES)
    path = _written(tmp_path, content)
    files = PieceFiles()
    handle = files.open(files.add("f1", path, KEY, HEADER))
    wrong: list[int] = []

    def read(seed: int) -> None:
        for step in range(300):
            offset = (seed * 7919 + step * 104_729) % len(content)
            handle.seek(offset)
            if handle.read(5_000) != content[offset : offset + 5_000]:
                wrong.append(offset)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_file_unlinked_while_it_is_read_stays_readable(tmp_path: Path) -> None:
    path = _written(tmp_path, b"still here")
    files = PieceFiles()
    name = files.add("f1", path, KEY, HEADER)
    path.unlink()
    assert files.open(name).read() == b"still here"


def test_only_files_that_were_added_can_be_opened(tmp_path: Path) -> None:
    path = _written(tmp_path, b"x")
    files = PieceFiles()
    name = files.add("f1", path, KEY, HEADER)
    files.keep(set())
    for asked in (name, str(path), "pieces:///etc/hostname"):
        with pytest.raises(FileNotFoundError):
            files.open(asked)
