"""A journal file: where it breaks off is found quickly; what the disk refuses is said in words."""

from __future__ import annotations

import errno
import os
import random
import struct
import zlib
from pathlib import Path

import pytest

from indelible.base.errors import DiskFull, LedgerStopped
from indelible.ledger.journal import JournalReader, TornTail
from indelible.ledger.open import Ledger
from indelible.ledger.quarantine import unreported
from support.opened import create, open_ledger, work

_HEAD = struct.Struct(">IQI")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    create(tmp_path)
    return open_ledger(tmp_path)


def break_off(ledger: Ledger, tail: bytes) -> None:
    """The process ends with `tail` behind the last whole record."""
    path = next(ledger.paths.journal.iterdir())
    where = ledger.writer.where().offset
    ledger.close()
    with path.open("r+b") as file:
        file.truncate(where)
        file.seek(where)
        file.write(tail)


def test_a_start_over_a_large_torn_batch_does_not_hash_it_at_every_byte(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.writer.append([work(0, 3)])
    torn = random.Random(7).randbytes(4 << 20)  # what an encrypted batch looks like
    break_off(ledger, _HEAD.pack(len(torn) + 1000, 3, 7) + torn)
    hashed = 0
    real = zlib.crc32

    def counting(content: bytes, value: int = 0) -> int:
        nonlocal hashed
        hashed += len(content)
        return real(content, value)

    monkeypatch.setattr(zlib, "crc32", counting)
    again = open_ledger(tmp_path)
    assert (again.recovered.size, [torn.at for torn in unreported(again.paths, 3)]) == (3, [3])
    assert hashed < 2 * len(torn)
    again.close()


def test_a_whole_record_behind_a_break_is_found_wherever_it_begins(ledger: Ledger) -> None:
    ledger.writer.append([work(0, 3)])
    path = next(ledger.paths.journal.iterdir())
    where = ledger.writer.where().offset
    for gap in (1, 17, 70_000):
        body = b"c" * 100
        head = _HEAD.pack(len(body), 5, 0)[:12]
        crc = zlib.crc32(body, zlib.crc32(head)).to_bytes(4, "big")
        with path.open("r+b") as file:
            file.truncate(where)
            file.seek(where)
            file.write(random.Random(gap).randbytes(gap) + head + crc + body)
        reader = JournalReader(path, ledger.origin, ledger.keyring)
        with pytest.raises(TornTail) as torn:
            list(reader.read())
        assert reader.whole_record_after(torn.value.offset), gap
        reader.close()


def test_a_full_disk_under_a_new_journal_file_is_said_as_one(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fdatasync", full)
    with pytest.raises(DiskFull):
        ledger.writer.append([work(0, 1)])
    monkeypatch.undo()
    assert ledger.writer.stopped is not None
    assert not list(ledger.paths.journal.iterdir())
    ledger.close()


def test_a_file_whose_closing_failed_is_not_closed_twice(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number may belong to another file by then."""
    ledger.writer.append([work(0, 1)])

    def broken(_handle: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(LedgerStopped):
        ledger.writer.roll()
    monkeypatch.undo()
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    ledger.close()
    os.fstat(other)
    os.close(other)
