"""Where brokers are that a source names as `HOST:PORT`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


def first_host(brokers: Sequence[str]) -> str:
    """The host of the first one, without brackets."""
    return brokers[0].rpartition(":")[0].strip("[]")


def elsewhere(brokers: Sequence[str]) -> bool:
    """Whether one is on another machine."""
    return any(one.rpartition(":")[0] not in _LOOPBACK for one in brokers)
