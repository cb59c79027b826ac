"""A source called `audit` that the collector of a served ledger reads, in the tests of clients."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

from support.senders import eventually
from support.served import Server
from support.shipping import counts_of


def counts(server: Server) -> dict[str, Any]:
    """What `source list` says of it."""
    return counts_of(server, "audit")


def soon(server: Server, what: Callable[[], bool], seconds: float = 60.0) -> None:
    """Until `what` holds; else what the source and the server's log say."""
    try:
        eventually(what, seconds)
    except AssertionError:
        log = (server.place.root / "serve.log").read_text()
        raise AssertionError((counts(server), log[-3000:])) from None


def kill_collector(server: Server) -> None:
    """kill -9; its parent starts another."""
    for pid in server.pids("collector"):
        os.kill(pid, signal.SIGKILL)
