"""`POST /v1/events` and `POST /v1/import`."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading

import pytest
import zstandard

from indelible.base import limits
from indelible.base.errors import Busy, DiskFull, LedgerStopped
from indelible.server import bodies, importing
from indelible.server import events as events_module
from indelible.server.binding import bind

GOOD = b'{"action":"user.login","actor":{"type":"user","id":"ann"}}'
BAD = b'{"action":"user.login"}'


def _event(**more: object) -> bytes:
    return json.dumps(
        {"action": "user.login", "actor": {"type": "user", "id": "ann"}, **more}
    ).encode()


def test_one_event_is_answered_with_its_index(house):
    answer = house.post(GOOD)
    assert answer.status == 200
    assert answer.json == {
        "accepted": 1,
        "ranges": [[1, 1, 0]],
        "duplicates": [],
        "conflicts": [],
        "rejected": [],
        "rejected_count": 0,
    }
    assert house.post(GOOD).json["ranges"] == [[1, 1, 1]]


def test_lines_get_neighbouring_indexes_as_one_range(house):
    answer = house.post(b"\n".join([GOOD] * 5))
    assert answer.json["accepted"] == 5
    assert answer.json["ranges"] == [[1, 5, 0]]


def test_a_bad_line_never_costs_its_neighbours(house):
    answer = house.post(b"\n".join([GOOD, BAD, GOOD, GOOD]))
    assert answer.status == 207
    assert answer.json["accepted"] == 3
    assert answer.json["ranges"] == [[1, 1, 0], [3, 2, 1]]
    (refusal,) = answer.json["rejected"]
    assert refusal["line"] == 2
    assert "actor" in refusal["field"] + refusal["reason"]
    assert house.rooms.submissions[-1].rejected == 1


def test_no_good_line_is_422_and_counted_as_refused(house):
    answer = house.post(b"\n".join([BAD, BAD]))
    assert answer.status == 422
    assert answer.json["accepted"] == 0
    assert answer.json["rejected_count"] == 2
    assert house.rooms.submissions[-1].rejected == 2
    assert house.rooms.submissions[-1].events == []


def test_shown_refusals_are_bounded_and_their_count_is_whole(house):
    answer = house.post(b"\n".join([BAD] * 1500))
    assert len(answer.json["rejected"]) == limits.REJECTIONS_SHOWN
    assert answer.json["rejected_count"] == 1500


def test_a_repeated_id_with_the_same_content_answers_the_first_index(house):
    first = house.post(_event(id="e1"))
    again = house.post(b"\n".join([_event(id="e1"), GOOD]))
    assert first.json["ranges"] == [[1, 1, 0]]
    assert again.status == 200
    assert again.json["accepted"] == 2
    assert again.json["duplicates"] == [{"line": 1, "index": 0}]
    assert again.json["ranges"] == [[2, 1, 1]]


def test_a_repeated_id_with_other_content_is_stored_and_said(house):
    house.post(_event(id="e1"))
    other = house.post(_event(id="e1", outcome="denied"))
    assert other.status == 200
    assert other.json["conflicts"] == [{"line": 1, "index": 1, "first_index": 0}]
    assert other.json["ranges"] == [[1, 1, 1]]


def test_receipts_show_what_was_written(house):
    answer = house.post(b"\n".join([GOOD, BAD, GOOD]), query="?receipts=1")
    receipts = answer.json["receipts"]
    assert [(r["line"], r["index"]) for r in receipts] == [(1, 0), (3, 1)]
    assert [r["body"].encode() for r in receipts] == house.rooms.bodies
    assert all(len(r["entry"]) == 120 and len(r["salt"]) == 64 for r in receipts)


def test_an_idempotency_key_names_lines_without_an_id(house):
    body = b"\n".join([GOOD, _event(id="own"), GOOD])
    first = house.post(body, {"idempotency-key": "K"})
    again = house.post(body, {"idempotency-key": "K"})
    assert [event.id for event in house.rooms.submissions[0].events] == ["K/1", "own", "K/3"]
    assert json.loads(house.rooms.bodies[2])["id"] == "K/3"
    assert first.json["duplicates"] == []
    assert [d["index"] for d in again.json["duplicates"]] == [0, 1, 2]
    assert again.json["ranges"] == []


@pytest.mark.parametrize("key", ["a\tb", "k" * 600])
def test_an_idempotency_key_that_cannot_be_an_id_is_refused(house, key):
    answer = house.post(GOOD, {"idempotency-key": key})
    assert (answer.status, answer.json["error"]["field"]) == (400, "Idempotency-Key")
    assert house.rooms.bodies == []


def test_a_token_bound_to_a_tenant_gives_and_demands_it(house):
    secret = house.meta.create_token("t", "writer", source="app", tenant="acme")[1]
    house.tokens["tenant"] = secret
    house.app.context.tokens.reload()
    body = b"\n".join([GOOD, _event(tenant="other"), _event(tenant="acme")])
    answer = house.ask("POST", "/v1/events", "tenant", body)
    assert answer.status == 207
    assert [json.loads(body)["tenant"] for body in house.rooms.bodies] == ["acme", "acme"]
    assert answer.json["rejected"] == [
        {
            "line": 2,
            "field": "tenant",
            "code": "wrong_tenant",
            "reason": "this token writes for tenant 'acme' only",
        }
    ]
    assert house.rooms.submissions[-1].tenant == "acme"


def test_the_submission_names_source_peer_and_parser(house):
    house.post(GOOD)
    (submission,) = house.rooms.submissions
    assert submission.source == "app"
    assert submission.peer == "192.0.2.7"
    assert (submission.protocol, submission.parser) == ("http", "native/1")
    assert not submission.backfill


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_compressed_requests_are_understood(house, encoding):
    plain = b"\n".join([GOOD] * 300)
    half = len(plain) // 2
    pack = gzip.compress if encoding == "gzip" else zstandard.compress
    for body in (pack(plain), pack(plain[:half]) + pack(plain[half:])):
        answer = house.post(body, {"content-encoding": encoding})
        assert answer.json["accepted"] == 300


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_cut_or_false_compression_is_refused_and_counted(house, encoding):
    pack = gzip.compress if encoding == "gzip" else zstandard.compress
    whole = pack(b"\n".join([GOOD] * 300))
    for body in (whole[:-3], whole[: len(whole) // 2], b"plain text", whole + b"rest"):
        answer = house.post(body, {"content-encoding": encoding})
        assert (answer.status, answer.code) == (400, "bad_encoding")
        assert house.rooms.submissions[-1].rejected == 1
    assert house.rooms.bodies == []


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_refused_before_it_fills_memory(house, encoding):
    pack = gzip.compress if encoding == "gzip" else zstandard.compress
    bomb = pack(bytes(200 << 20))
    answer = house.post(bomb, {"content-encoding": encoding})
    assert (answer.status, answer.code) == (413, "too_large")


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_body_of_very_many_tiny_parts_is_refused(encoding):
    pack = gzip.compress if encoding == "gzip" else zstandard.compress
    with pytest.raises(bodies.TooLarge, match="parts"):
        bodies.unpack(pack(b"x") * 5000, encoding.encode())


def test_an_unknown_encoding_is_415(house):
    answer = house.post(GOOD, {"content-encoding": "br"})
    assert (answer.status, answer.code) == (415, "unsupported_encoding")


def test_a_request_that_announces_too_much_is_refused_unread(house):
    scope = house.scope(
        "POST", "/v1/events", "writer", {"content-length": str(limits.REQUEST_BYTES + 1)}
    )
    messages = house.run(house.exchange(scope, []))
    assert messages[0]["status"] == 413
    assert (b"connection", b"close") in messages[0]["headers"]


def test_a_request_that_grows_too_large_is_refused(house):
    part = b" " * (1 << 20)
    received = [{"type": "http.request", "body": part, "more_body": True} for _ in range(17)]
    messages = house.run(house.exchange(house.scope("POST", "/v1/events", "writer"), received))
    assert messages[0]["status"] == 413


def test_a_body_in_many_parts_is_put_together(house):
    received = [
        {"type": "http.request", "body": GOOD[at : at + 7], "more_body": True}
        for at in range(0, len(GOOD), 7)
    ]
    received.append({"type": "http.request", "body": b"", "more_body": False})
    messages = house.run(house.exchange(house.scope("POST", "/v1/events", "writer"), received))
    assert messages[0]["status"] == 200


def test_a_slow_sender_is_told_so_and_nothing_is_stored(house, monkeypatch):
    monkeypatch.setattr(bodies, "REQUEST_SECONDS", 0.01)
    received = [{"type": "http.request", "body": GOOD, "more_body": True}]
    messages = house.run(house.exchange(house.scope("POST", "/v1/events", "writer"), received))
    assert messages[0]["status"] == 408
    assert house.rooms.bodies == []


@pytest.mark.parametrize("parts", [[], [{"type": "http.request", "body": GOOD, "more_body": True}]])
def test_a_sender_that_hangs_up_stores_nothing_and_gets_nothing(house, parts):
    received = [*parts, {"type": "http.disconnect"}]
    scope = house.scope("POST", "/v1/events", "writer")
    assert house.run(house.exchange(scope, received)) == []
    assert house.rooms.submissions == []


@pytest.mark.parametrize(
    ("error", "status", "retry"),
    [
        (Busy("the queue is full"), 503, True),
        (DiskFull("no room"), 507, True),
        (LedgerStopped("fdatasync failed"), 503, True),
    ],
)
def test_a_ledger_that_cannot_take_events_says_when_to_try_again(house, error, status, retry):
    house.rooms.fail = error
    answer = house.post(GOOD)
    assert (answer.status, answer.code) == (status, error.code)
    assert ("retry-after" in answer.headers) is retry


def test_what_nobody_foresaw_shows_an_id_and_no_trace(house, caplog):
    house.rooms.fail = ValueError("secret detail")
    answer = house.post(GOOD)
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"secret detail" not in answer.body
    assert b"Traceback" not in answer.body
    error_id = answer.json["error"]["message"].split("error id ")[1].rstrip(")")
    assert error_id in caplog.text
    assert "secret detail" in caplog.text


@pytest.mark.parametrize("body", [b"", b"   \n", b"\n\n"])
def test_a_request_without_events_is_refused(house, body):
    assert house.post(body).status == 422


def test_an_unknown_parameter_is_refused(house):
    assert house.post(GOOD, query="?receipt=1").status == 400
    assert house.rooms.bodies == []


def test_security_headers_are_on_the_hot_path_too(house):
    answer = house.post(GOOD)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert int(answer.headers["content-length"]) == len(answer.body)


def test_many_requests_at_once_each_get_their_own_answer(house):
    async def post(number: int) -> tuple[int, dict]:
        scope = house.scope("POST", "/v1/events", "writer")
        body = _event(id=f"e{number}")
        received = [{"type": "http.request", "body": body, "more_body": False}]
        messages = await house.exchange(scope, received)
        return number, json.loads(messages[1]["body"])

    async def all_of_them():
        return await asyncio.gather(*(post(number) for number in range(50)))

    for number, answer in house.run(all_of_them()):
        ((_, _, index),) = answer["ranges"]
        assert json.loads(house.rooms.bodies[index])["id"] == f"e{number}"


# --- import


def _lines(*events: bytes) -> bytes:
    return b"\n".join(
        json.dumps({"line": number, "id": f"import/{number}", "raw": event.decode()}).encode()
        for number, event in enumerate(events, start=1)
    )


def test_an_import_is_marked_and_an_admin_names_the_source(house):
    answer = house.ask("POST", "/v1/import?source=old&backfill=1", "admin", _lines(GOOD))
    assert answer.status == 200
    (submission,) = house.rooms.submissions
    assert (submission.source, submission.backfill, submission.protocol) == ("old", True, "import")


@pytest.mark.parametrize("count", [1, 3])
def test_an_import_says_how_many_messages_its_parser_did_not_understand(house, count):
    body = _lines(*[b"some text"] * count)
    answer = house.ask("POST", "/v1/import?parser=cloudtrail", "admin", body)
    assert (answer.status, answer.json["accepted"], answer.json["unparsed"]) == (200, count, count)
    assert "unparsed" not in house.ask("POST", "/v1/import", "admin", _lines(GOOD)).json


def test_an_admins_import_without_a_source_takes_the_parsers_name(house):
    house.ask("POST", "/v1/import?parser=native", "admin", _lines(GOOD))
    assert house.rooms.submissions[0].source == "native"


def test_a_writer_imports_as_its_own_source_only(house):
    assert house.ask("POST", "/v1/import", "writer", _lines(GOOD)).status == 200
    assert house.rooms.submissions[0].source == "app"
    refused = house.ask("POST", "/v1/import?source=other", "writer", _lines(GOOD))
    assert (refused.status, refused.code) == (403, "forbidden")


def test_nobody_imports_as_the_ledger_itself(house):
    answer = house.ask("POST", "/v1/import?source=indelible", "admin", _lines(GOOD))
    assert answer.status == 403


def test_a_repeated_import_adds_nothing_and_equal_lines_stay_two(house):
    body = _lines(GOOD, BAD, GOOD)
    first = house.ask("POST", "/v1/import", "writer", body)
    again = house.ask("POST", "/v1/import", "writer", body)
    assert first.status == 207
    assert first.json["ranges"] == [[1, 1, 0], [3, 1, 1]]
    assert [json.loads(b)["id"] for b in house.rooms.bodies] == ["import/1", "import/3"]
    assert [d["line"] for d in again.json["duplicates"]] == [1, 3]
    assert again.json["ranges"] == []


def test_an_import_body_that_is_no_batch_is_refused_and_counted(house):
    answer = house.ask("POST", "/v1/import", "writer", b"not a batch")
    assert answer.status == 400
    assert house.rooms.submissions[-1].rejected == 1


def test_an_unknown_parser_is_refused(house):
    answer = house.ask("POST", "/v1/import?parser=morse", "writer", _lines(GOOD))
    assert (answer.status, answer.json["error"]["field"]) == (400, "parser")


def test_requests_that_are_still_arriving_are_bounded_together(house):
    house.app.context.reading = bodies.Reading(1000)
    part = {"type": "http.request", "body": b" " * 600, "more_body": True}

    async def work():
        scope = house.scope("POST", "/v1/events", "writer")
        loop = asyncio.get_running_loop()
        first = loop.create_task(house.exchange(scope, [part]))
        while house.app.context.reading.held == 0:
            await asyncio.sleep(0)
        second = await house.exchange(scope, [part])
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return second

    messages = house.run(work())
    assert messages[0]["status"] == 503
    assert house.app.context.reading.held == 0


@pytest.mark.parametrize("path", ["/v1/events", "/v1/import"])
def test_a_large_request_is_bound_to_its_token_beside_the_others(house, monkeypatch, path):
    house.tokens["acme"] = house.meta.create_token("a", "writer", source="a", tenant="acme")[1]
    house.app.context.tokens.reload()
    threads = []

    def noted(*arguments):
        threads.append(threading.current_thread().name)
        return bind(*arguments)

    for module in (events_module, importing):
        monkeypatch.setattr(module, "bind", noted)
    line = GOOD if path == "/v1/events" else json.dumps(
        {"line": 1, "raw": GOOD.decode()}
    ).encode()
    for count in (1, limits.PARSE_APART_LINES + 2):
        assert house.ask("POST", path, "acme", b"\n".join([line] * count)).status == 200
    assert threads[0] == threading.current_thread().name
    assert threads[1].startswith("parse")
    assert all(b'"tenant":"acme"' in body for body in house.rooms.bodies)
