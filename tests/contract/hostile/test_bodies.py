"""Bodies under attack: what writers send, and what an event holds where it is read."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile

import httpx2
import msgspec
import pytest
import zstandard

from support.hostile import GOOD, error_code
from support.served import Server

ESCAPES = "\x1b[2J\x1b]0;owned\x07\r\nfake line\u202egnp.exe\u200b\x9b31m"
FORMULA = '=HYPERLINK("http://evil.example","x")'
MARKUP = "</td><script>alert(1)</script>"


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
