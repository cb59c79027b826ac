"""Answers that a service should not give: they are told, and hold nobody up."""

from __future__ import annotations

import asyncio

import pytest

from indelible.base.clock import MICROS
from indelible.ingest.protocols import pull_http
from indelible.ingest.protocols.pull_answers import Answer, retry_after, used_up
from indelible.ingest.protocols.pull_http import Client, Unanswered

NOW = 1_780_272_000 * MICROS  # 2026-06-01T00:00:00Z


@pytest.mark.parametrize("value", ["\u00b2", "\u0663", "1\u00b2", "-1", "", " 5", "9" * 5_000])
def test_a_reset_that_is_no_number_is_no_wait(value: str) -> None:
    """Digits that are none of ASCII's too: `isdigit` takes them, `int` may not."""
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": value}
    until = used_up(Answer(200, headers, b""), NOW)
    assert until == (NOW + 3_600 * MICROS if value.startswith("9") else 0)
    assert retry_after(Answer(429, {"retry-after": "\u00b2"}, b""), NOW) == 0


async def _drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
    try:
        while True:
            writer.write(b"[")
            await writer.drain()
            await asyncio.sleep(0.02)
    except OSError:
        return


def test_an_answer_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece comes in time, and the whole never does."""
    monkeypatch.setattr(pull_http, "PULL_WHOLE_SECONDS", 0.3)

    async def ask() -> None:
        server = await asyncio.start_server(_drip, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(5), Client() as client:
            with pytest.raises(Unanswered, match="no whole answer"):
                await client.send("GET", f"http://127.0.0.1:{port}/", {})
        server.close()

    asyncio.run(ask())
