"""A head and its body leave together; neither ever waits for the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from indelible.server.connection import HeadWithBody

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire:
    """A transport that remembers each call that would be a system call."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        self.calls.append(b"".join(parts))

    def write_eof(self) -> None:
        self.calls.append(b"<eof>")

    def close(self) -> None:
        self.calls.append(b"<close>")
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def sent(*steps: tuple[str, bytes]) -> list[bytes]:
    """What went out when these methods were called in one turn of the loop."""

    async def turn() -> list[bytes]:
        wire = Wire()
        joined = HeadWithBody(wire, asyncio.get_running_loop())  # type: ignore[arg-type]
        for name, data in steps:
            getattr(joined, name)(*([data] if data else []))
        await asyncio.sleep(0)
        return wire.calls

    return asyncio.run(turn())


@pytest.mark.parametrize(
    ("steps", "calls"),
    [
        ([("write", HEAD), ("write", b"ok")], [HEAD + b"ok"]),
        ([("write", HEAD), ("write", b"ok"), ("write", b"more")], [HEAD + b"ok", b"more"]),
        ([("write", HEAD)], [HEAD]),
        ([("write", HEAD), ("close", b"")], [HEAD, b"<close>"]),
        ([("write", HEAD), ("write_eof", b"")], [HEAD, b"<eof>"]),
        ([("write", HEAD), ("abort", b"")], []),
        ([("write", HEAD), ("write", HEAD), ("write", b"ok")], [HEAD + HEAD, b"ok"]),
        ([("write", b"ok")], [b"ok"]),
    ],
)
def test_what_leaves(steps: list[tuple[str, bytes]], calls: list[bytes]) -> None:
    assert sent(*steps) == calls
