"""A small log in memory for the query tests: bodies, column files in a folder, a tail."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from indelible.query.run import QueryEngine
from indelible.store.column_file import ColumnFile, write_column_file
from indelible.store.columns import table_of


class MemoryCorpus:
    """Events [0, cuts[-1]) in column files that end at `cuts`, the rest in the tail."""

    def __init__(self, bodies: list[bytes], cuts: Sequence[int], folder: Path) -> None:
        self.all = bodies
        self.files: list[ColumnFile] = []
        self.fetched: list[int] = []
        begin = 0
        for end in cuts:
            file_id = os.urandom(8).hex()
            rows = list(enumerate(bodies))[begin:end]
            self.files.append(
                write_column_file(
                    table_of(rows), folder / f"{file_id}.columns", key=os.urandom(32),
                    file_id=file_id, origin="example.org/log",
                )
            )
            begin = end
        self.unsealed = table_of(list(enumerate(bodies))[begin:])

    @property
    def size(self) -> int:
        return len(self.all)

    def column_files(self) -> Sequence[ColumnFile]:
        return self.files

    def tail(self) -> pa.Table:
        return self.unsealed

    def bodies(self, indexes: Sequence[int]) -> list[tuple[int, bytes]]:
        self.fetched += indexes
        return [(index, self.all[index]) for index in indexes]


def body(number: int = 0, **members: object) -> bytes:
    """A stored body: a login by u1, one second after the last, with `members` put over it."""
    moment = f"2026-03-03T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}"
    event: dict[str, object] = {
        "action": "session.login",
        "actor": {"type": "user", "id": "u1"},
        "time": f"{moment}Z",
        "kind": "event",
        "received": f"{moment}.000000Z",
        "source": {"id": "app", "number": 1},
        "via": {"protocol": "http", "parser": "native", "peer": "192.0.2.1"},
    }
    event.update(members)
    return msgspec.json.encode({k: v for k, v in event.items() if v is not None})


Make = Callable[..., tuple[QueryEngine, MemoryCorpus]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """An engine over given bodies; `cuts` are where column files end."""
    engines: list[QueryEngine] = []

    def made(
        bodies: list[bytes], cuts: Sequence[int] = (), **options: float
    ) -> tuple[QueryEngine, MemoryCorpus]:
        corpus = MemoryCorpus(bodies, cuts, tmp_path)
        engines.append(QueryEngine(corpus, **options))  # type: ignore[arg-type]
        return engines[-1], corpus

    yield made
    for engine in engines:
        engine.close()


@pytest.fixture
def event_body() -> Callable[..., bytes]:
    return body
