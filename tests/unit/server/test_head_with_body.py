"""A head that is held leaves with its body; nothing else is changed."""

from __future__ import annotations

import pytest

from indelible.server.connection import HeadWithBody

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire:
    """A transport that remembers each call that would be a system call."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def write_eof(self) -> None:
        self.calls.append(b"<eof>")

    def close(self) -> None:
        self.calls.append(b"<close>")


@pytest.mark.parametrize(
    ("steps", "calls"),
    [
        (["hold", HEAD, b"ok"], [HEAD + b"ok"]),
        (["hold", HEAD, b"ok", HEAD, b"more"], [HEAD + b"ok", HEAD, b"more"]),
        (["hold", HEAD, b""], [HEAD]),
        ([HEAD, "hold", HEAD, b"ok", "close"], [HEAD, HEAD + b"ok", b"<close>"]),
        ([HEAD, b"ok"], [HEAD, b"ok"]),
        (["hold", HEAD, "write_eof", b"late"], [HEAD, b"<eof>"]),
        (["hold", HEAD, "close"], [HEAD, b"<close>"]),
        (["write_eof", "hold", HEAD, "close"], [b"<eof>", b"<close>"]),
        ([HEAD, b"ok", "write_eof", HEAD, b"late", "close"], [HEAD, b"ok", b"<eof>", b"<close>"]),
        (["write_eof", "hold", HEAD, b"late", "close"], [b"<eof>", b"<close>"]),
    ],
)
def test_what_leaves(steps: list[str | bytes], calls: list[bytes]) -> None:
    wire = Wire()
    joined = HeadWithBody(wire)  # type: ignore[arg-type]
    for step in steps:
        if isinstance(step, bytes):
            joined.write(step)
        else:
            getattr(joined, step)()
    assert wire.calls == calls
