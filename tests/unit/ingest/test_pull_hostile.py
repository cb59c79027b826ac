"""Answers that a service should not give: they are told, and hold nobody up."""

from __future__ import annotations

import asyncio

import pytest

from indelible.base.clock import MICROS
from indelible.ingest.protocols import pull_http
from indelible.ingest.protocols.pull_answers import Answer, retry_after, used_up
from indelible.ingest.protocols.pull_description import described
from indelible.ingest.protocols.pull_http import Client, Unanswered
from indelible.ingest.protocols.pull_plan import Plan

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


def _m365() -> Plan:
    base = "https://manage.example.org/api/v1.0/d1/activity/feed"
    return Plan(described("m365"), {"directory": "d1"}, "Audit.General", base)


def test_a_start_that_starts_nothing_is_a_trouble_from_the_second_refusal_on() -> None:
    refused = Answer(400, {}, b'{"error": {"code": "AF20022"}}')
    made, now, troubles, kinds = _m365(), NOW, [], []
    state = made.begin(now)
    while len(kinds) < 6:
        following = made.next(state, now)
        if following.ask is None:
            assert following.due_us == now + 60 * MICROS  # after the start
            now, state = following.due_us, following.state
            continue
        kinds.append(following.ask.kind)
        answer = refused if following.ask.kind == "list" else Answer(200, {}, b"{}")
        step = made.took(following.state, following.ask, answer, now)
        state = step.state
        troubles.append((step.trouble, step.retry))
    assert kinds == ["list", "start"] * 3
    assert troubles[:2] == [("", False)] * 2
    assert set(troubles[2:]) == {("it says that collecting was not started, though it was", True)}


def test_a_subscription_that_ends_later_is_started_again_without_a_trouble() -> None:
    made, state = _m365(), _m365().begin(NOW)
    refused = Answer(400, {}, b'{"error": {"code": "AF20022"}}')
    for number in range(3):
        now = NOW + number * 3_600 * MICROS
        for answer in (refused, Answer(200, {}, b"{}"), Answer(200, {}, b"[]")):
            following = made.next(state, now)
            if following.ask is None:
                now = following.due_us
                following = made.next(following.state, now)
            assert following.ask is not None
            step = made.took(following.state, following.ask, answer, now)
            assert not step.trouble
            state = step.state
