"""The sealer process, driven turn by turn: the damage it meets, and how it catches up."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from indelible.app import init_ledger, wire
from indelible.app.place import Place
from indelible.app.sealer import SealerProcess
from indelible.base.clock import MICROS
from indelible.base.errors import Damaged
from indelible.ledger.keeper import Keeper
from indelible.ledger.open import Ledger
from support.opened import work


class Bench:
    """An open ledger, and the writer's end of a sealer's connection."""

    def __init__(self, root: Path) -> None:
        data = root / "data"
        init_ledger(data, "test.example/sealer", root / "keys" / "log", root / "state")
        self.run = root / "run"
        self.run.mkdir(mode=0o700)
        self.place = Place.at(data)
        self.ledger: Ledger = self.place.open()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.run / "ledger.sock"))
        self._listener.listen()
        self.links: list[wire.Link] = []

    def sealer(self) -> SealerProcess:
        """A sealer that has connected and knows what is durable."""
        sealer = SealerProcess(self.place, self.run)
        self.links.append(wire.Link(self._listener.accept()[0]))
        self.tell(sealer)
        return sealer

    def tell(self, sealer: SealerProcess) -> None:
        """Everything written so far may be read."""
        sealer._from_writer(wire.Progress(*self.ledger.writer.where()))

    def until_idle(self, sealer: SealerProcess) -> None:
        """Turn by turn, until neither a seal nor a compaction is under way or due."""
        while sealer._work() or sealer._sealing or sealer._compacting or sealer._compact_due:
            continue

    def heard(self) -> list[wire.Message]:
        """What the newest sealer has said."""
        link = self.links[-1]
        link.socket.settimeout(0.2)
        found: list[wire.Message] = []
        try:
            while (message := link.receive()) is not None:
                found.append(message)
        except TimeoutError:
            pass
        return found

    def close(self) -> None:
        self._listener.close()
        for link in self.links:
            link.close()
        self.ledger.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def troubles(messages: list[wire.Message]) -> list[wire.Trouble]:
    """The damage among messages."""
    return [message for message in messages if isinstance(message, wire.Trouble)]


def flip(path: Path, at: int) -> None:
    """Change one byte."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_damaged_column_file_does_not_end_the_sealer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indelible.app.sealer.COMPACT_SECONDS", -1)
    keeper = Keeper(
        bench.ledger.paths, bench.ledger.origin, bench.ledger.keyring, bench.ledger.manifest,
        bench.ledger.reader,
    )
    for first in range(17):
        bench.ledger.writer.append([work(first, 1)])
        keeper.follow(bench.ledger.writer.where(), 1 << 62)
        keeper.seal(keeper.take(keeper.tail.end))
        keeper.drop(keeper.tail.end)
    flip(sorted(bench.ledger.paths.columns.iterdir())[3], -40)
    sealer = bench.sealer()
    bench.until_idle(sealer)
    bench.ledger.writer.append([work(17, 5)])
    bench.tell(sealer)
    sealer._from_writer(wire.SealNow(bench.ledger.tree.size))
    bench.until_idle(sealer)
    assert bench.ledger.manifest.sealed_end() == bench.ledger.tree.size
    found = troubles(bench.heard())
    assert found
    assert not any(one.stops for one in found)


def test_a_journal_that_reads_otherwise_than_written_stops_the_writer(bench: Bench) -> None:
    sealer = bench.sealer()
    bench.ledger.writer.append([work(0, 50)])
    path = sorted(bench.ledger.paths.journal.iterdir())[-1]
    flip(path, -100)
    bench.tell(sealer)
    with pytest.raises(Damaged):
        bench.until_idle(sealer)
    [trouble] = troubles(bench.heard())
    assert trouble.stops


def test_what_is_overdue_is_sealed_at_once_and_not_as_far_as_it_was_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for first in range(0, 25_000, 5_000):
        bench.ledger.writer.append([work(first, 5_000)])
    sealer = bench.sealer()
    monkeypatch.setattr(
        "indelible.app.sealer.wall_us",
        lambda: bench.ledger.clock.now_us() + bench.place.settings.seal_age * MICROS,
    )
    bench.until_idle(sealer)
    sealed = bench.ledger.manifest.segments()
    assert [row.end for row in sealed] == [bench.ledger.tree.size]
