"""A query worker answers every question, also one that ends in a surprise."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from indelible.app import wire
from indelible.app.worker import WorkerProcess
from indelible.base.errors import IndelibleError


def asked_of(dispatch: Any) -> wire.Message | None:
    """What a worker whose service is `dispatch` answers, on its own thread."""
    worker = object.__new__(WorkerProcess)
    worker._corpus = SimpleNamespace(size=0)  # type: ignore[assignment]
    worker._service = SimpleNamespace(dispatch=dispatch)  # type: ignore[assignment]
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    link = wire.Link(ours)
    talking = threading.Thread(target=worker._talk, args=(wire.Link(theirs),), daemon=True)
    talking.start()
    try:
        link.send(wire.Ask("search", b"{}", 0))
        return link.receive()
    finally:
        link.close()
        talking.join(20)
        assert not talking.is_alive()


def test_an_answer_is_passed_on() -> None:
    assert asked_of(lambda *_: b'{"events":[]}') == wire.Answer(b'{"events":[]}')


@pytest.mark.parametrize("surprise", [TypeError("what is this"), KeyError("x")])
def test_a_surprise_is_an_answer_too(surprise: Exception) -> None:
    def dispatch(*_: object) -> bytes:
        raise surprise

    answer = asked_of(dispatch)
    assert isinstance(answer, wire.Refused)
    error = wire.raised(answer)
    assert isinstance(error, IndelibleError)
    assert type(surprise).__name__ in error.message
