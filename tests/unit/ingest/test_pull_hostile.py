"""Answers that a service should not give: they are told, and hold nobody up."""

from __future__ import annotations

import pytest

from indelible.base.clock import MICROS
from indelible.ingest.protocols.pull_answers import Answer, retry_after, used_up

NOW = 1_780_272_000 * MICROS  # 2026-06-01T00:00:00Z


@pytest.mark.parametrize("value", ["\u00b2", "\u0663", "1\u00b2", "-1", "", " 5", "9" * 5_000])
def test_a_reset_that_is_no_number_is_no_wait(value: str) -> None:
    """Digits that are none of ASCII's too: `isdigit` takes them, `int` may not."""
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": value}
    until = used_up(Answer(200, headers, b""), NOW)
    assert until == (NOW + 3_600 * MICROS if value.startswith("9") else 0)
    assert retry_after(Answer(429, {"retry-after": "\u00b2"}, b""), NOW) == 0

