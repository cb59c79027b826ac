"""Progress is for a person: figures on a terminal's stderr, nothing in a pipe or with `--json`."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.cli.conftest import Cli, FakeServer, Message

import indelible.app
from indelible.cli import progress

Seen = list[tuple[str, str, int, int]]
SEALED = {"segments": 1, "sealed_size": 9}
BACKED = {"path": "/b", "size": 9, "root": "r", "bytes": 4096}


class Slow(FakeServer):
    """A ledger whose long work ends only when somebody has asked how far it is."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for = asyncio.Event()

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["method"] == "POST":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0 if self.silent else 20.0):
                    await self.asked_for.wait()
        await super().__call__(scope, receive, send)
        if scope["path"] == "/v1/status":
            self.asked_for.set()

    silent = False


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch, server: FakeServer) -> Slow:
    """The slow ledger behind `--data`."""
    fake = Slow()
    opened = indelible.app.open_local

    def open_local(data: Any, *, recorded: bool) -> Any:
        found = opened(data, recorded=recorded)
        found._server = fake
        return found

    monkeypatch.setattr(indelible.app, "open_local", open_local)
    working = [{"name": "seal", "done": 4, "total": 9}, {"name": "backup", "done": 1, "total": 8}]
    fake.answer("GET", "/v1/status", {"size": 9, "working": working})
    fake.answer("POST", "/v1/seal", SEALED)
    fake.answer("POST", "/v1/backup", BACKED)
    return fake


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """What bars would have shown, on a terminal."""
    shown: Seen = []

    class Bar:
        def __init__(self, unit: str) -> None:
            self.unit = unit

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            """Gone."""

        def add_task(self, title: str, total: int | None) -> str:
            assert total is None
            return title

        def update(self, title: str, *, completed: int, total: int | None) -> None:
            shown.append((title, self.unit, completed, total or 0))

    monkeypatch.setattr(progress, "_bar", Bar)
    return shown


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """stderr is a terminal, whatever it is replaced by."""

    class Terminal:
        def __getattr__(self, name: str) -> Any:
            return getattr(sys, name)

        @property
        def stderr(self) -> Any:
            class Stream:
                def isatty(self) -> bool:
                    return True

            return Stream()

    monkeypatch.setattr(progress, "sys", Terminal())


LONG = [(("seal",), ("sealing", "events", 4, 9)),
        (("backup", "/b"), ("backing up", "bytes", 1, 8))]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(("words", "figures"), LONG, ids=["seal", "backup"])
def test_a_long_call_shows_how_much_of_how_much_is_done(
    run: Cli, slow: Slow, seen: Seen, words: tuple[str, ...], figures: tuple[str, str, int, int]
) -> None:
    assert run(*words).exit_code == 0
    assert figures in seen


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("words", [words for words, _ in LONG], ids=["seal", "backup"])
def test_with_json_nobody_is_asked_and_nothing_is_shown(
    run: Cli, slow: Slow, seen: Seen, words: tuple[str, ...]
) -> None:
    slow.silent = True
    assert run(*words, "--json").exit_code == 0
    assert seen == []
    assert "/v1/status" not in [one.path for one in slow.asked]


def test_in_a_pipe_nobody_is_asked_and_nothing_is_shown(run: Cli, slow: Slow, seen: Seen) -> None:
    slow.silent = True
    assert run("seal").exit_code == 0
    assert seen == []
    assert [one.path for one in slow.asked] == ["/v1/seal"]


@pytest.mark.usefixtures("terminal")
def test_events_exported_to_a_pipe_are_counted_in_bytes(
    run: Cli, server: FakeServer, seen: Seen
) -> None:
    server.answer("GET", "/v1/export", chunks=[b"one\n", b"two\n"])
    result = run("export", "events")
    assert result.stdout == "one\ntwo\n"
    assert seen[-1] == ("exporting", "bytes", 8, 0)


@pytest.mark.usefixtures("terminal")
def test_a_register_being_rebuilt_says_how_far_it_has_read(
    run: Cli, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rebuild(_data: Any, _source: str, *, progress: Callable[[int, int], None]) -> Any:
        progress(3, 7)
        return {"size": 7}

    monkeypatch.setattr(indelible.app, "register_rebuild", rebuild)
    assert run("register", "rebuild", "--from", "x.ckpt").exit_code == 0
    assert seen == [("reading the data", "events", 3, 7)]


@pytest.mark.parametrize(
    ("unit", "figures"), [("events", "4,000 of 9,000 events"), ("bytes", "4.0/9.0 kB")]
)
def test_a_bar_says_how_much_of_how_much_is_done(
    monkeypatch: pytest.MonkeyPatch, unit: str, figures: str
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setenv("NO_COLOR", "1")
    with progress.progress("working", unit) as advance:
        advance(4_000, 9_000)
    assert figures in stream.getvalue()
