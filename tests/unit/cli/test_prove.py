"""`prove` and `export`: files that appear whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Cli, FakeServer, page, row

ROOT = "A" * 43 + "="
KEYS = {"vkey": "o+1+k", "vkey.mldsa44": "o+2+m"}


def test_prove_asks_for_the_indexes_once_and_writes_the_bundle(
    run: Cli, server: FakeServer, tmp_path: Path
) -> None:
    server.answer("POST", "/v1/bundle", chunks=[b"PK", b"zip"])
    target = tmp_path / "bundle.zip"
    result = run("prove", "9", "3", "9", "-o", str(target), "--json")
    assert json.loads(server.last().body) == {"indexes": [3, 9]}
    assert target.read_bytes() == b"PKzip"
    assert json.loads(result.stdout)["bytes"] == 5


def test_prove_a_range_asks_for_both_ends(run: Cli, server: FakeServer, tmp_path: Path) -> None:
    server.answer("POST", "/v1/bundle", b"PK")
    result = run("prove", "--from", "3", "--to", "9", "-o", str(tmp_path / "b.zip"))
    assert json.loads(server.last().body) == {"from": 3, "to": 9}
    assert "7 events proved" in result.stdout


def script_search(server: FakeServer, *pages: tuple[range, str]) -> None:
    for indexes, cursor in pages:
        server.answer("GET", "/v1/search", page([row(index) for index in indexes], cursor))


def test_prove_a_query_asks_for_the_events_it_finds(
    run: Cli, server: FakeServer, tmp_path: Path
) -> None:
    script_search(server, (range(1000), "c1"), (range(1000, 1007), ""))
    server.answer("POST", "/v1/bundle", b"PK")
    asked = ("--query", "actor:ann", "--since", "7d", "-o", str(tmp_path / "b.zip"))
    result = run("prove", *asked)
    assert json.loads(server.last().body) == {"indexes": list(range(1007))}
    assert server.asked[0].params == {
        "q": "actor:ann", "since": "7d", "sort": "index", "limit": "1000"
    }
    assert "1,007 events proved" in result.stdout


@pytest.mark.parametrize(
    ("pages", "why"),
    [([(range(0), "")], "no event matches"),
     ([(range(n, n + 1000), f"c{n}") for n in range(0, 11_000, 1000)], "more than 10,000")],
)
def test_prove_a_query_refuses_what_no_bundle_holds(
    run: Cli, server: FakeServer, tmp_path: Path, pages: list[tuple[range, str]], why: str
) -> None:
    script_search(server, *pages)
    result = run("prove", "--query", "x", "-o", str(tmp_path / "b.zip"))
    assert result.exit_code == 3
    assert why in result.stderr
    assert not (tmp_path / "b.zip").exists()


@pytest.mark.parametrize("arguments", [(), ("1", "--from", "1", "--to", "2"), ("--from", "1"),
                                       ("--from", "5", "--to", "2"), ("1", "2", "--tlog-proof"),
                                       ("1", "--query", "x"), ("1", "--since", "7d"),
                                       ("--query", "x", "--to", "2"),
                                       ("--query", "x", "--tlog-proof")])
def test_prove_refuses_unclear_requests(
    run: Cli, server: FakeServer, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert run("prove", *arguments, "-o", str(tmp_path / "b.zip")).exit_code == 2
    assert not server.asked


def test_an_existing_file_is_replaced_only_with_force(
    run: Cli, server: FakeServer, tmp_path: Path
) -> None:
    target = tmp_path / "b.zip"
    target.write_bytes(b"old")
    server.answer("POST", "/v1/bundle", b"new")
    assert run("prove", "1", "-o", str(target)).exit_code == 3
    assert target.read_bytes() == b"old"
    assert run("prove", "1", "-o", str(target), "--force").exit_code == 0
    assert target.read_bytes() == b"new"


def test_a_refused_proof_leaves_no_file(run: Cli, server: FakeServer, tmp_path: Path) -> None:
    server.refuse("POST", "/v1/bundle", 404, code="not_found")
    assert run("prove", "1", "-o", str(tmp_path / "out" / ".." / "b.zip")).exit_code in (1, 3)
    assert run("prove", "1", "-o", str(tmp_path / "b.zip")).exit_code == 3
    assert [p.name for p in tmp_path.iterdir()] == ["ledger"]


def test_tlog_proof_is_written_as_it_came(run: Cli, server: FakeServer, tmp_path: Path) -> None:
    server.answer("GET", "/v1/events/5/proof", b"c2sp.org/tlog-proof@v1\n")
    run("prove", "5", "--tlog-proof", "-o", str(tmp_path / "p"))
    assert (tmp_path / "p").read_bytes() == b"c2sp.org/tlog-proof@v1\n"


def script_log(server: FakeServer, size: int, partial: int) -> None:
    note = f"audit.example/a\n{size}\n{ROOT}\n\n— audit.example/a AAAA\n"
    server.answer("GET", "/v1/checkpoint", note.encode())
    server.answer("GET", "/v1/keys", KEYS)
    for path in ("tile/0/000", "tile/entries/000", f"tile/0/001.p/{partial}",
                 f"tile/entries/001.p/{partial}", "tile/1/000.p/1"):
        server.answer("GET", f"/{path}", path.encode())


def test_export_tlog_writes_the_static_tree(run: Cli, server: FakeServer, tmp_path: Path) -> None:
    script_log(server, 300, 44)
    result = run("export", "tlog", str(tmp_path / "log"), "--json")
    files = {str(p.relative_to(tmp_path / "log")) for p in (tmp_path / "log").rglob("*")
             if p.is_file()}
    assert files == {"checkpoint", "vkey", "vkey.mldsa44", "tile/0/000", "tile/entries/000",
                     "tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"}
    assert (tmp_path / "log" / "vkey").read_text() == "o+1+k\n"
    answer = json.loads(result.stdout)
    assert (answer["origin"], answer["size"], answer["fetched"]) == ("audit.example/a", 300, 5)


def test_export_tlog_again_fetches_only_what_can_have_changed(
    run: Cli, server: FakeServer, tmp_path: Path
) -> None:
    script_log(server, 300, 44)
    run("export", "tlog", str(tmp_path / "log"))
    server.asked.clear()
    run("export", "tlog", str(tmp_path / "log"))
    tiles = [asked.path for asked in server.asked if asked.path.startswith("/tile")]
    assert sorted(tiles) == ["/tile/0/001.p/44", "/tile/1/000.p/1", "/tile/entries/001.p/44"]


def test_export_events_goes_to_stdout_as_it_is(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/export", chunks=[b'{"a":1}\n', b'{"a":2}\n'])
    result = run("export", "events", "actor:j", "--since", "7d", "--format", "ndjson")
    assert result.stdout_bytes == b'{"a":1}\n{"a":2}\n'
    assert server.last().params == {"q": "actor:j", "since": "7d", "format": "ndjson"}


def test_export_events_to_a_file_prints_a_summary(
    run: Cli, server: FakeServer, tmp_path: Path
) -> None:
    server.answer("GET", "/v1/export", b"x,y\n")
    result = run("export", "events", "--format", "csv", "-o", str(tmp_path / "e"), "--json")
    assert (tmp_path / "e").read_bytes() == b"x,y\n"
    assert json.loads(result.stdout)["bytes"] == 4


def test_export_events_with_json_needs_a_file(run: Cli, server: FakeServer) -> None:
    assert run("export", "events", "--json").exit_code == 2


def test_large_exports_stream_through_the_folder_too(
    run: Cli, server: FakeServer, tmp_path: Path
) -> None:
    server.answer("GET", "/v1/export", chunks=[b"z" * 65536] * 200)
    run("export", "events", "-o", str(tmp_path / "big"))
    assert (tmp_path / "big").stat().st_size == 200 * 65536
