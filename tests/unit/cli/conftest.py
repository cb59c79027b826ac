"""A server small enough to read: each test says what it answers, it keeps what it was asked."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import click
import pytest
from click.testing import CliRunner, Result

import indelible.app
from indelible.cli.main import cli

Message = MutableMapping[str, Any]
TOKEN = "local-token"


class Asked(NamedTuple):
    """One request as the server saw it."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes


def row(index: int, **more: object) -> dict[str, object]:
    """A row of a search as the server answers it."""
    return {
        "index": index, "time": "2026-03-03T09:14:07.123456Z",
        "received": "2026-03-03T09:14:08.000000Z", "action": "payroll.record.delete",
        "operation": "delete", "outcome": "success", "actor_type": "user", "actor": "jsmith",
        "actor_name": "Jane Smith", "target_type": "payroll_record", "target": "pr_839",
        "target_name": "March payslip", "targets": 1, **more,
    }


def page(events: list[dict[str, object]], cursor: str = "", **more: object) -> dict[str, object]:
    """A page of such rows."""
    return {"events": events, "cursor": cursor, "tree_size": 1000, "took_ms": 3.5, **more}


class FakeServer:
    """An ASGI application with scripted answers; each path's answers are used up in order."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: dict[tuple[str, str], list[tuple[int, list[bytes]]]] = {}
        self.recorded: list[bool] = []
        self.closed = 0

    def answer(
        self, method: str, path: str, body: object = None, status: int = 200,
        chunks: list[bytes] | None = None,
    ) -> None:
        if chunks is None:
            chunks = [body if isinstance(body, bytes) else json.dumps(body).encode()]
        self.answers.setdefault((method, path), []).append((status, chunks))

    def refuse(self, method: str, path: str, status: int, **error: object) -> None:
        self.answer(method, path, {"error": {"message": "no", "remedy": "do so", **error}}, status)

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        path = scope["raw_path"].decode()
        headers = {k.decode().lower(): v.decode() for k, v in scope["headers"]}
        params = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        self.asked.append(Asked(scope["method"], path, params, headers, body))
        scripted = self.answers.get((scope["method"], path))
        assert scripted, f"nothing is scripted for {scope['method']} {path}"
        status, chunks = scripted.pop(0) if len(scripted) > 1 else scripted[0]
        await send({"type": "http.response.start", "status": status, "headers": []})
        for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def last(self) -> Asked:
        return self.asked[-1]


class _Opened:
    def __init__(self, server: FakeServer) -> None:
        self._server = server

    async def __aenter__(self) -> tuple[FakeServer, str]:
        return self._server, TOKEN

    async def __aexit__(self, *_: object) -> None:
        self._server.closed += 1


class Cli:
    """Runs commands, by default against the fake ledger in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def bare(self, *arguments: str, **extra: Any) -> Result:
        return CliRunner().invoke(cli, list(arguments), catch_exceptions=False, **extra)

    def __call__(self, *arguments: str, **extra: Any) -> Result:
        return self.bare(*arguments, "--data", str(self.folder), **extra)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """The fake ledger that `--data` opens."""
    fake = FakeServer()

    def open_local(_data: Path, *, recorded: bool) -> _Opened:
        fake.recorded.append(recorded)
        return _Opened(fake)

    monkeypatch.setattr(indelible.app, "open_local", open_local, raising=False)
    return fake


@pytest.fixture
def run(tmp_path: Path) -> Cli:
    """The command line, and a folder for `--data`."""
    (tmp_path / "ledger").mkdir()
    return Cli(tmp_path / "ledger")


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INDELIBLE_TOKEN_FILE", raising=False)
    monkeypatch.delenv("INDELIBLE_URL", raising=False)


def commands(group: click.Group = cli, names: tuple[str, ...] = ()) -> Iterator[
    tuple[tuple[str, ...], click.Command]
]:
    """Every command that does something, with its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*names, name))
        else:
            yield (*names, name), command
