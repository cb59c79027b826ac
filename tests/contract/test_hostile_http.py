"""A real server under attack: by strangers, writers, readers and administrators."""

from __future__ import annotations

import csv
import gzip
import io
import socket
import stat
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import msgspec
import pytest
import zstandard

from indelible.base.limits import EXPORT_STREAMS
from support.served import Place, Server

GOOD = b'{"action":"a.read","actor":{"type":"user","id":"x"},"target":{"type":"t","id":"i"}}'
ESCAPES = "\x1b[2J\x1b]0;owned\x07\r\nfake line\u202egnp.exe\u200b\x9b31m"
FORMULA = '=HYPERLINK("http://evil.example","x")'
MARKUP = "</td><script>alert(1)</script>"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("hostile")).init()
    made.token("writer", "neighbour", source="neighbour")
    return made


@pytest.fixture(scope="module")
def server(place: Place) -> Iterator[Server]:
    with Server(place) as running:
        yield running
        log = (place.root / "serve.log").read_text()
        assert "Traceback" not in log
        for secret in place.tokens.values():
            assert secret not in log


@pytest.fixture(scope="module")
def writer(server: Server) -> Iterator[httpx2.Client]:
    with server.client("writer") as client:
        yield client


@pytest.fixture(scope="module")
def reader(server: Server) -> Iterator[httpx2.Client]:
    with server.client("reader") as client:
        yield client


def ready(server: Server) -> bool:
    """Whether `/readyz` says yes."""
    return httpx2.get(f"{server.url}/readyz", timeout=10).status_code == 200


def raw(server: Server, request: bytes, token: str = "") -> bytes:
    """What comes back for the bytes of a request; `%A` is its Authorization header."""
    header = f"Authorization: Bearer {server.place.tokens[token]}\r\n" if token else ""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(request.replace(b"%A", header.encode()))
        answer = b""
        try:
            while part := connection.recv(65_536):
                answer += part
        except ConnectionError:
            pass
        return answer


def status_of(answer: bytes) -> int:
    """The status of a raw answer."""
    return int(answer.split(b" ", 2)[1])


def error_code(answer: httpx2.Response) -> str:
    """The code of an answer that is an error in the one shape."""
    code: str = answer.json()["error"]["code"]
    return code


# --- strangers

UNKNOWN = [
    ("GET", "/v1/search"), ("GET", "/v1/events/0"), ("GET", "/v1/export"), ("GET", "/v1/tail"),
    ("POST", "/v1/events"), ("POST", "/v1/tokens"), ("GET", "/metrics"), ("GET", "/checkpoint"),
    ("GET", "/tile/0/000"), ("GET", "/openapi.json"), ("GET", "/no/such/path"), ("OPTIONS", "/"),
    ("HEAD", "/v1/search"), ("TRACE", "/healthz"), ("GET", "/%2e%2e/%2e%2e/etc/passwd"),
]


@pytest.mark.parametrize(("method", "path"), UNKNOWN)
def test_a_stranger_learns_nothing_but_that_a_token_is_needed(
    server: Server, method: str, path: str
) -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = raw(server, head.encode())
    assert status_of(answer) == 401
    assert server.place.origin.encode() not in answer
    assert str(server.place.root).encode() not in answer


MALFORMED = [
    ("not HTTP", b"\x00\x01\x02\r\n\r\n", 400),
    ("two lengths", b"POST /v1/events HTTP/1.1\r\nHost: x\r\n%AContent-Length: 2\r\n"
     b"Content-Length: 3\r\n\r\n{}x", 400),
    ("a negative length", b"POST /v1/events HTTP/1.1\r\nHost: x\r\n%AContent-Length: -2\r\n\r\n{}",
     400),
    ("a header of 1 MB", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1_000_000
     + b"\r\n\r\n", 431),
    ("two thousand headers", b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 2_000
     + b"\r\n", 431),
    ("a bare carriage return", b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n", 400),
]


@pytest.mark.parametrize(
    ("request_bytes", "status"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED]
)
def test_malformed_http_is_refused(server: Server, request_bytes: bytes, status: int) -> None:
    assert status_of(raw(server, request_bytes, "writer")) == status


def test_broken_requests_behind_many_others_cost_the_server_nothing(server: Server) -> None:
    head = b"HEAD / HTTP/1.1\r\nHost: x\r\n"
    request = (head + b"\r\n") * 300 + head + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n"
    until = time.monotonic() + 2.5  # the server looks after its connections once a second
    while time.monotonic() < until:
        assert raw(server, request).startswith(b"HTTP/1.1 4")
    assert ready(server)  # and no traceback in its log, see `server`


def test_a_request_smuggled_behind_another_is_not_answered_as_its_sender(server: Server) -> None:
    answer = raw(
        server,
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%AContent-Length: 4\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/keys HTTP/1.1\r\nHost: x\r\n\r\n",
        "writer",
    )
    assert answer.count(b"HTTP/1.1 ") == 1


def test_of_two_credentials_the_first_counts_on_every_route(server: Server) -> None:
    both = "".join(
        f"Authorization: Bearer {server.place.tokens[role]}\r\n" for role in ("reader", "writer")
    ).encode()
    head = b"HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + both
    post = raw(server, b"POST /v1/events " + head + b"Content-Length: 2\r\n\r\n{}")
    assert status_of(post) == 403
    assert status_of(raw(server, b"GET /v1/search " + head + b"\r\n")) == 200


def test_an_unknown_sender_is_refused_before_its_body_is_read(server: Server) -> None:
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(head)
        assert status_of(connection.recv(4096)) == 401


TILES = ["99/000", "0/000.p/0", "0/000.p/256", "0/000.p/999", "0/x999/999", "../vkey", "entries/x"]


@pytest.mark.parametrize("path", TILES)
def test_a_tile_that_cannot_be_is_not_found(reader: httpx2.Client, path: str) -> None:
    assert reader.get(f"/tile/{path}").status_code == 404


# --- writers


def test_a_writer_writes_as_its_own_source_only(
    server: Server, writer: httpx2.Client, reader: httpx2.Client
) -> None:
    event = msgspec.json.decode(GOOD)
    assert writer.post("/v1/events", params={"source": "neighbour"}, json=event).status_code == 400
    taken = writer.post("/v1/import", params={"source": "neighbour"}, content=b"")
    assert taken.status_code == 403
    forged = {**event, "source": {"id": "neighbour"}}
    answer = writer.post("/v1/events", json=forged)
    assert answer.status_code == 422 or (
        reader.get(f"/v1/events/{answer.json()['ranges'][0][2]}").json()["event"]["source"]["id"]
        == "app"
    )


def test_an_id_taken_by_one_source_stays_free_for_another(
    server: Server, writer: httpx2.Client
) -> None:
    event = {**msgspec.json.decode(GOOD), "id": "pre-empted"}
    writer.post("/v1/events", json={**event, "outcome": "denied"})
    with server.client("neighbour") as neighbour:
        answer = neighbour.post("/v1/events", json=event).json()
    assert (answer["accepted"], answer["conflicts"], answer["duplicates"]) == (1, [], [])


def test_an_idempotency_key_leaves_every_number_as_it_came(
    writer: httpx2.Client, reader: httpx2.Client
) -> None:
    data = b'{"a":12345678901234567890123,"b":1.50,"c":1E5,"d":-0.0,"e":"\\u00e9\\/"}'
    line = GOOD[:-1] + b',"data":' + data + b"}"
    headers = {"idempotency-key": "numbers"}
    first = writer.post("/v1/events", content=line, headers=headers).json()["ranges"][0][2]
    again = writer.post("/v1/events", content=line, headers=headers).json()
    assert again["duplicates"] == [{"line": 1, "index": first}]
    assert data.decode() in reader.get(f"/v1/events/{first}").json()["body"]


BOMBS = {
    "gzip of 64 MiB": ("gzip", gzip.compress(b"\0" * (64 << 20)), 413),
    "zstd of 256 MiB": ("zstd", zstandard.ZstdCompressor().compress(b"\0" * (256 << 20)), 413),
    "5,000 empty gzip members": ("gzip", gzip.compress(b"") * 5_000, 413),
    "100,000 skipped zstd frames": ("zstd", b"\x50\x2a\x4d\x18\0\0\0\0" * 100_000, 413),
    "gzip cut short": ("gzip", gzip.compress(GOOD)[:-4], 400),
    "not zstd at all": ("zstd", GOOD, 400),
    "packed twice": ("gzip, gzip", gzip.compress(gzip.compress(GOOD)), 415),
}


@pytest.mark.parametrize(("encoding", "body", "status"), BOMBS.values(), ids=BOMBS)
def test_a_body_that_unpacks_to_too_much_or_to_nothing_is_refused(
    writer: httpx2.Client, encoding: str, body: bytes, status: int
) -> None:
    answer = writer.post("/v1/events", content=body, headers={"content-encoding": encoding})
    assert answer.status_code == status


def test_more_lines_than_a_request_may_have_are_refused_whole(writer: httpx2.Client) -> None:
    answer = writer.post("/v1/events", content=(GOOD + b"\n") * 65_537)
    assert (answer.status_code, error_code(answer)) == (413, "too_large")


def test_a_request_that_is_slow_to_read_does_not_stop_the_others(
    server: Server, writer: httpx2.Client
) -> None:
    nested = b"[" + b'{"a":{"b":{"c":1}}},' * 45_000 + b"1]"
    slow = (GOOD[:-1] + b',"data":' + nested + b"}\n") * 8
    done: list[tuple[float, int]] = []

    def send() -> None:
        began = time.monotonic()
        done.append((0.0, 0))
        status = writer.post("/v1/events", content=slow).status_code
        done[0] = (time.monotonic() - began, status)

    sending = threading.Thread(target=send)
    waited: list[float] = []
    with httpx2.Client(base_url=server.url, timeout=60) as other:
        sending.start()
        while sending.is_alive():
            began = time.monotonic()
            assert other.get("/healthz").status_code == 200
            waited.append(time.monotonic() - began)
        sending.join()
    assert done[0][1] == 200
    assert max(waited) < max(0.5, done[0][0] / 3), (max(waited), done[0])


def test_a_sender_that_hangs_up_stores_nothing(server: Server, reader: httpx2.Client) -> None:
    line = GOOD.replace(b'"i"', b'"half-sent"')
    head = (
        b"POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
        + server.place.tokens["writer"].encode() + b"\r\nContent-Length: %d\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(head % (2 * len(line) + 2) + line + b"\n")
    assert ready(server)
    assert reader.get("/v1/search", params={"q": "target:half-sent kind:event tenant:''"}).json()[
        "events"
    ] == []


# --- what an event holds, where people and programs read it


@pytest.fixture(scope="module")
def poisoned(writer: httpx2.Client) -> int:
    """The index of an event whose every text attacks whoever shows it."""
    event = {
        "action": "poison.read", "actor": {"type": "user", "id": f"a{ESCAPES}", "name": FORMULA},
        "target": {"type": "page", "id": MARKUP, "name": f"n{ESCAPES}{MARKUP}"},
        "reason": {"text": ESCAPES + MARKUP}, "labels": {ESCAPES: MARKUP},
        "changes": [{"path": ESCAPES, "before": MARKUP, "after": ESCAPES}],
        "data": {ESCAPES: [MARKUP, FORMULA]}, "origin": {"user_agent": ESCAPES},
    }
    index: int = writer.post("/v1/events", json=event).json()["ranges"][0][2]
    return index


COMMANDS = (
    ("search", "action:poison.read"), ("show", "INDEX"), ("history", "page", MARKUP),
    ("timeline", f"a{ESCAPES}"),
)


@pytest.mark.parametrize("json", [(), ("--json",)], ids=["text", "json"])
@pytest.mark.parametrize("command", COMMANDS, ids=[row[0] for row in COMMANDS])
def test_no_event_writes_to_the_terminal_by_itself(
    server: Server, poisoned: int, command: tuple[str, ...], json: tuple[str, ...]
) -> None:
    token = server.place.root / "reader.token"
    token.write_text(server.place.tokens["reader"])
    token.chmod(0o600)
    server.place.environment["INDELIBLE_TOKEN_FILE"] = str(token)
    words = [str(poisoned) if word == "INDEX" else word for word in command]
    shown = server.place.cli(*words, "--url", server.url, *json).stdout.decode()
    assert "poison" in shown
    for character in "\x1b\x07\r\u202e\u200b\x9b":
        assert character not in shown
    assert not any(line.startswith("fake line") for line in shown.splitlines())


def test_no_event_becomes_a_formula_of_a_spreadsheet(
    reader: httpx2.Client, poisoned: int
) -> None:
    answer = reader.get("/v1/export", params={"format": "csv", "q": "action:poison.read"})
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert len(rows) == 2
    assert "'" + FORMULA in rows[1]
    assert not any(cell[:1] in ("=", "+", "-", "@", "\t", "\r") for cell in rows[1] if cell)


def test_no_event_is_markup_in_the_readable_view_of_a_bundle(
    reader: httpx2.Client, poisoned: int
) -> None:
    answer = reader.post("/v1/bundle", json={"indexes": [poisoned]})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        page = archive.read("view.html")
    assert b"<script>alert" not in page
    assert b"\x1b" not in page


def test_an_event_cannot_end_the_message_it_is_streamed_in(
    server: Server, poisoned: int
) -> None:
    with server.client("reader") as client, client.stream(
        "GET", "/v1/tail", params={"from": poisoned, "q": "action:poison.read"}
    ) as stream:
        lines = stream.iter_lines()
        found = next(line for line in lines if line.startswith("id:"))
        data = next(lines)
    assert found == f"id: {poisoned}"
    assert msgspec.json.decode(data.removeprefix("data: "))["index"] == poisoned


# --- readers

QUERIES = [
    "(" * 4_000, "a " * 257, "a" * 8_193, "index:>99999999999999999999", "time:>1e400", "a)(b",
    "since:999999999999999999999d", "ip:::ffff:1.2.3.4/999", '"""""', "data.a'||(select 1):x",
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_that_means_nothing_is_refused_at_its_place(
    reader: httpx2.Client, query: str
) -> None:
    answer = reader.get("/v1/search", params={"q": query})
    assert (answer.status_code, error_code(answer)) == (400, "bad_query")


INJECTIONS = [
    ("/v1/search", {"q": "actor:\"'; DROP TABLE tail;--\""}, 200),
    ("/v1/search", {"columns": "data.x' OR 1=1--"}, 200),
    ("/v1/search", {"columns": "index); SELECT 1"}, 400),
    ("/v1/search", {"sort": "time;drop"}, 400),
    ("/v1/search", {"cursor": "A" * 5_000}, 400),
    ("/v1/search", {"limit": "1001"}, 400),
    ("/v1/search", {"size": "9223372036854775807"}, 400),
    ("/v1/search/facets", {"field": "x';--"}, 400),
    ("/v1/search/facets", {"field": "data.a'\"])"}, 200),
    ("/v1/search/facets", {"field": "label.a'\""}, 200),
    ("/v1/search/histogram", {"by": "x') FROM tail"}, 400),
    ("/v1/search/histogram", {"interval": "0s"}, 400),
    ("/v1/actors/%00/timeline", {}, 200),
    ("/v1/actors/'%3B--/timeline", {}, 200),
    ("/v1/events/%ff", {}, 400),
    ("/v1/events/9223372036854775808", {}, 404),
]


@pytest.mark.parametrize(("path", "parameters", "status"), INJECTIONS)
def test_no_parameter_reaches_the_engine_as_code(
    reader: httpx2.Client, path: str, parameters: dict[str, str], status: int
) -> None:
    answer = reader.get(path, params=parameters)
    assert answer.status_code == status, answer.text
    assert "duckdb" not in answer.text.lower()


@pytest.fixture(scope="module")
def burst(writer: httpx2.Client) -> int:
    """How many large events were sent at once, more than the buffers of a connection take."""
    large = {"target": {"type": "t", "id": "burst"}, "data": "x" * 24_000}
    rows = [{**msgspec.json.decode(GOOD), **large} for _ in range(600)]
    for _ in range(8):
        assert writer.post("/v1/events", json=rows).status_code == 200
    return 8 * len(rows)


def test_an_export_behind_a_burst_leaves_nothing_out(reader: httpx2.Client, burst: int) -> None:
    answer = reader.get("/v1/export", params={"q": "target:burst kind:event action:a.read"})
    assert answer.content.count(b"\n") == burst


def test_exports_that_nobody_reads_keep_no_search_waiting(
    server: Server, reader: httpx2.Client, burst: int
) -> None:
    token = server.place.tokens["reader"]
    head = f"GET /v1/export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}"
    stalled = []
    try:
        for _ in range(EXPORT_STREAMS):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(f"{head}\r\n\r\n".encode())
            stalled.append(connection)
        for connection in stalled:
            assert status_of(connection.recv(64)) == 200
        assert reader.get("/v1/search", params={"q": "target:i"}, timeout=20).status_code == 200
        assert reader.get("/v1/export").status_code == 503
    finally:
        for connection in stalled:
            connection.close()


def test_tails_that_ask_for_much_leave_single_reads_alone(
    server: Server, reader: httpx2.Client
) -> None:
    query = "%20OR%20".join(f"data.k{n}:z" for n in range(250))
    tails = []
    try:
        for _ in range(64):
            connection = socket.create_connection(("127.0.0.1", server.port))
            connection.sendall(
                f"GET /v1/tail?from=0&q={query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
                f"{server.place.tokens['reader']}\r\n\r\n".encode()
            )
            tails.append(connection)
        for connection in tails:
            assert status_of(connection.recv(64)) == 200
        began = time.monotonic()
        assert reader.get("/v1/events/3").status_code == 200
        assert time.monotonic() - began < 5
        assert reader.get("/v1/tail").status_code == 503
    finally:
        for connection in tails:
            connection.close()


# --- auditors and administrators

AGAINST = ["garbage", "\0", "test.example/log\n1\nAAAA\n\n\u2014 test.example/log AAAA\n"]


@pytest.mark.parametrize("against", AGAINST)
def test_a_checkpoint_that_is_none_makes_no_damage(server: Server, against: str) -> None:
    with server.client("auditor") as auditor:
        run = auditor.post("/v1/verify", json={"against": against}).json()["id"]
        account = {"state": "running"}
        while account["state"] == "running":
            account = auditor.get("/v1/verify", params={"run": run}).json()
        assert (account["state"], account["ok"]) == ("finished", False)
        assert auditor.get("/v1/status").json()["damage"] == []
    assert ready(server)


def test_a_backup_goes_nowhere_near_the_ledger(server: Server) -> None:
    place = server.place
    with server.client("admin") as admin:
        for folder in (
            place.data / "copy", place.keys / "copy", place.state / "copy", place.data,
            Path("/tmp/../tmp/copy"), Path("relative"),
        ):
            answer = admin.post("/v1/backup", json={"to": str(folder)})
            assert not answer.is_success, folder
        mixed = {"to": str(place.root / "one"), "keys_to": str(place.root / "one" / "keys")}
        assert admin.post("/v1/backup", json=mixed).status_code == 400
    assert not (place.root / "one").exists()
    assert ready(server)


NAMES: list[dict[str, str]] = [
    {"name": "a\x1b[31m", "role": "reader"}, {"name": "x\u202ey", "role": "reader"},
    {"name": "", "role": "reader"}, {"name": "n1", "role": "owner"},
    {"name": "n2", "role": "writer"}, {"name": "n3", "role": "writer", "source": "indelible"},
    {"name": "n4", "role": "reader", "source": "app"}, {"name": "reader", "role": "admin"},
]


@pytest.mark.parametrize("asked", NAMES)
def test_a_token_has_an_honest_name_and_role(server: Server, asked: dict[str, str]) -> None:
    with server.client("admin") as admin:
        assert admin.post("/v1/tokens", json=asked).status_code in (400, 403)


def test_no_secret_stands_in_arguments_or_environment(server: Server) -> None:
    looked = 0
    for role in ("writer", "sealer", "query"):
        for pid in server.pids(role):
            shown = (Path("/proc") / str(pid) / "cmdline").read_bytes()
            shown += (Path("/proc") / str(pid) / "environ").read_bytes()
            for secret in server.place.tokens.values():
                assert secret.encode() not in shown
            looked += 1
    assert looked >= 3


def test_every_folder_and_secret_file_is_the_owners_alone(server: Server) -> None:
    place = server.place
    public = {"vkey", "vkey.mldsa44"}
    for root in (place.data, place.keys, place.state, place.root / "run"):
        for path in (root, *root.rglob("*")):
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                continue
            sheltered = path.suffix == ".sock" or path.name.endswith("-journal")
            if path.name not in public and not sheltered:
                assert stat.S_IMODE(mode) & 0o077 == 0, path


def test_after_all_of_this_the_ledger_is_whole(server: Server) -> None:
    with server.client("auditor") as auditor:
        run = auditor.post("/v1/verify", json={}).json()["id"]
        account = {"state": "running"}
        while account["state"] == "running":
            account = auditor.get("/v1/verify", params={"run": run}).json()
    assert (account["verdict"], account["ok"]) == ("proven", True)
    assert ready(server)
