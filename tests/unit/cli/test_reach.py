"""How a command reaches its ledger, and what it says when it cannot."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from tests.unit.cli.conftest import TOKEN, Cli, FakeServer

STATUS = {"origin": "a", "size": 1, "published_size": 1, "root": "r"}


class Handler(BaseHTTPRequestHandler):
    seen: ClassVar[list[dict[str, str]]] = []
    reply: ClassVar[tuple[int, bytes]] = (200, json.dumps(STATUS).encode())

    def do_GET(self) -> None:
        Handler.seen.append(dict(self.headers.items()))
        status, body = Handler.reply
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def address() -> Iterator[str]:
    Handler.seen.clear()
    Handler.reply = (200, json.dumps(STATUS).encode())
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_url_sends_the_token_of_the_file(run: Cli, address: str, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("secret\n")
    result = run.bare("status", "--url", address, "--token-file", str(tmp_path / "t"), "--json")
    assert json.loads(result.stdout) == STATUS
    assert Handler.seen[0]["authorization"] == "Bearer secret"


def test_token_file_of_the_environment_is_used(
    run: Cli, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t").write_text("from-env")
    monkeypatch.setenv("INDELIBLE_TOKEN_FILE", str(tmp_path / "t"))
    assert run.bare("status", "--url", address).exit_code == 0
    assert Handler.seen[0]["authorization"] == "Bearer from-env"


@pytest.mark.parametrize("content", ["", "two words", "tök"])
def test_a_file_without_a_token_is_refused(
    run: Cli, address: str, tmp_path: Path, content: str
) -> None:
    (tmp_path / "t").write_text(content)
    result = run.bare("status", "--url", address, "--token-file", str(tmp_path / "t"))
    assert result.exit_code == 3
    assert not Handler.seen


def test_url_of_the_environment_is_used_and_a_flag_overrides_it(
    run: Cli, server: FakeServer, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INDELIBLE_URL", address)
    assert run.bare("status").exit_code == 0
    assert len(Handler.seen) == 1
    assert run.bare("status", "--url", "http://127.0.0.1:1").exit_code == 5
    server.answer("GET", "/v1/status", STATUS)
    assert run("status").exit_code == 0
    assert len(Handler.seen) == 1


def test_without_a_token_the_remedy_names_the_options(run: Cli, address: str) -> None:
    said = {"code": "unauthenticated", "message": "no credential", "remedy": "Send a header"}
    Handler.reply = (401, json.dumps({"error": said}).encode())
    told = run.bare("status", "--url", address).stderr
    assert "--token-file or INDELIBLE_TOKEN_FILE" in told
    assert "Send a header" not in told


def test_a_missing_token_file_is_refused_and_named(run: Cli, address: str) -> None:
    result = run.bare("status", "--url", address, "--token-file", "/nowhere/t")
    assert result.exit_code == 3
    assert "/nowhere/t" in result.stderr


def test_connection_refused_exits_5_and_says_how_to_start(run: Cli) -> None:
    result = run.bare("status", "--url", "http://127.0.0.1:1")
    assert result.exit_code == 5
    assert "indelible serve" in result.stderr


def test_errors_with_json_are_one_document_on_stdout(run: Cli) -> None:
    result = run.bare("status", "--url", "http://127.0.0.1:1", "--json")
    assert json.loads(result.stdout)["error"]["code"] == "unreachable"
    assert result.exit_code == 5


def test_a_page_instead_of_an_answer_is_said(run: Cli, address: str) -> None:
    Handler.reply = (500, b"<html>oops</html>")
    result = run.bare("status", "--url", address)
    assert result.exit_code == 1
    assert "answered 500" in result.stderr


def test_a_proxy_without_its_server_exits_5(run: Cli, address: str) -> None:
    Handler.reply = (502, b"<html>bad gateway</html>")
    assert run.bare("status", "--url", address).exit_code == 5


def test_an_answer_of_another_shape_is_an_error(run: Cli, address: str) -> None:
    Handler.reply = (200, b'{"hello": 1}')
    result = run.bare("status", "--url", address)
    assert result.exit_code == 1
    assert "unknown shape" in result.stderr


@pytest.mark.parametrize("url", ["ledger.example", "ftp://x", "http://"])
def test_an_address_without_scheme_or_host_is_refused(run: Cli, url: str) -> None:
    assert run.bare("status", "--url", url).exit_code == 3


def test_data_uses_the_ledgers_own_credential_and_closes_it(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/status", STATUS)
    assert run("status").exit_code == 0
    assert server.last().headers["authorization"] == f"Bearer {TOKEN}"
    assert server.closed == 1


def test_data_is_closed_after_an_error_too(run: Cli, server: FakeServer) -> None:
    server.refuse("GET", "/v1/events/9", 404, code="not_found")
    assert run("show", "9").exit_code == 3
    assert server.closed == 1


def test_url_and_data_exclude_each_other(run: Cli, server: FakeServer) -> None:
    result = run("status", "--url", "http://127.0.0.1:1")
    assert result.exit_code == 2


def test_a_folder_that_is_not_there_is_refused(run: Cli, server: FakeServer) -> None:
    assert run.bare("status", "--data", "/nowhere/at/all").exit_code == 3


def test_unrecorded_is_refused_where_the_folder_can_be_written(
    run: Cli, server: FakeServer
) -> None:
    result = run("search", "x", "--unrecorded")
    assert result.exit_code == 3
    assert "must_be_recorded" in result.stderr
    assert not server.recorded


def test_unrecorded_on_read_only_media_says_so_in_both_forms(
    run: Cli, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda _path, mode: mode != os.W_OK)
    page = {"events": [], "cursor": "", "tree_size": 0, "took_ms": 1.0}
    server.answer("GET", "/v1/search", page)
    result = run("search", "x", "--unrecorded", "--json")
    assert json.loads(result.stdout) == {"recorded": False, **page}
    assert "unrecorded" in result.stderr
    assert server.recorded == [False]


def test_unrecorded_needs_data(run: Cli) -> None:
    assert run.bare("search", "x", "--unrecorded").exit_code == 2


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (401, "unauthenticated", 3), (403, "forbidden", 3), (404, "not_found", 3),
        (422, "invalid_event", 3), (400, "bad_query", 2), (413, "too_large", 3),
        (503, "busy", 1), (507, "disk_full", 1), (500, "damaged", 4), (500, "key_missing", 4),
        (503, "folder_in_use", 3), (409, "something_new", 3), (500, "something_new", 1),
    ],
)
def test_server_errors_have_the_exit_code_of_their_code(
    run: Cli, server: FakeServer, status: int, code: str, exit_code: int
) -> None:
    server.refuse("GET", "/v1/status", status, code=code)
    result = run("status")
    assert result.exit_code == exit_code
    assert code in result.stderr
    assert "do so" in result.stderr


def test_a_query_error_points_at_the_character(run: Cli, server: FakeServer) -> None:
    query = "actor:j 日本 actn:x"
    server.refuse("GET", "/v1/search", 400, code="bad_query", message="no field", position=11)
    result = run("search", query)
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    assert lines[1] == f"  {query}"
    assert lines[2] == "  " + " " * 13 + "^"  # two characters of the query take two columns


def test_an_error_message_cannot_drive_the_terminal(run: Cli, server: FakeServer) -> None:
    server.refuse("GET", "/v1/status", 500, code="error", message="\x1b]0;pwned\x07\u202eevil")
    result = run("status")
    assert "\x1b" not in result.stderr
    assert "\\u001b" in result.stderr
    assert "\\u202e" in result.stderr


def test_a_token_over_plain_http_beyond_this_machine_is_remarked(run: Cli) -> None:
    result = run.bare("status", "--url", "http://192.0.2.1.invalid")
    assert "not encrypted" in result.stderr
    assert result.exit_code == 5
